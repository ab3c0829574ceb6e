"""``stressnet validate-methods``: a scoreboard of explanation methods on words with a known cue.

Sets are independent of each other: they are worked on in as many processes as wanted, and each
keeps a journal, so that an interrupted run continues with the same command.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.errors import ConfigError
from stressnet.runs.manifest import FILE_NAME, hash_data, hash_file, read_manifest, write_manifest
from stressnet.runs.parallel import in_order
from stressnet.runs.problems import Problem, Severity, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.workflows.train import REQUEST_NAME, claim_folder
from stressnet.workflows.validate_methods_sets import CONTROL_METHODS, SetResult, SetTask, run_set

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.lab.recommend import Recommendation

KIND = "validation"

SETS = (
    "f1",
    "f2",
    "f3",
    "reduction",
    "tilt",
    "f0_level",
    "f0_peak",
    "consonant",
    "duration",
    "intensity",
    "f1_v1",
    "f1+f2",
    "none",
)
"""Every single cue in the second vowel, F1 in the first one, a conjunction, and no cue."""

METHODS = (
    "epsilon-gamma",
    "epsilon-gamma-box",
    "epsilon-plus",
    "epsilon-plus-flat",
    "epsilon-alpha2-beta1-flat",
    "input-times-gradient",
    "integrated-gradients",
    "integrated-gradients-mean",
    "smoothgrad",
    "grad-cam",
    "random",
)
"""Methods for every network. The first network of a set that solved it gets all there are."""


@dataclass(frozen=True)
class Plan:
    """What is validated on what.

    Parameters
    ----------
    sets : tuple of str
        Designs (:data:`stressnet.lab.designs.DESIGNS`), ``planted``, ``natural:COLUMN`` or
        ``folder:PATH``.
    n_words, n_scored : int
        Words of a set; test words whose maps are scored.
    effect : float
        Size of the cue: 1 is obvious, 0.25 near threshold.
    networks : tuple of str
        Architectures.
    n_seeds : int
        Trainings of each.
    methods : tuple of str
        Methods for every network.
    all_methods : bool
        Whether one network of each set gets every method there is.
    seeds : tuple of str
        What is explained.
    max_epochs, batch_size : int
        Of the trainings.
    precision : str
        Number format of the trainings.
    allow_leaks : bool
        Whether to keep sets in which a second measured cue separates the classes.
    seed : int
        For all chance.
    """

    sets: tuple[str, ...] = SETS
    n_words: int = 480
    n_scored: int = 48
    effect: float = 1.0
    networks: tuple[str, ...] = ("compact", "lenet")
    n_seeds: int = 2
    methods: tuple[str, ...] = METHODS
    all_methods: bool = True
    seeds: tuple[str, ...] = ("logit-difference", "logit")
    max_epochs: int = 25
    batch_size: int = 16
    precision: str = "float32"
    allow_leaks: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sets or not self.networks or not self.methods:
            raise ConfigError("validation needs at least one set, one network and one method")
        if min(self.n_words, self.n_scored, self.n_seeds, self.max_epochs) < 1:
            raise ConfigError("numbers of words, trainings and epochs must be at least 1")

    @property
    def trainings(self) -> tuple[tuple[str, int], ...]:
        """Architectures with seeds, one of each first."""
        return tuple((name, k) for k in range(self.n_seeds) for name in self.networks)


DEFAULT_PLAN = Plan()

SMALL_PLAN = Plan(
    sets=("f1", "f2", "tilt"),
    n_words=320,
    n_scored=32,
    networks=("compact",),
    n_seeds=1,
    methods=(
        "epsilon-gamma",
        "epsilon-plus-flat",
        "input-times-gradient",
        "integrated-gradients-mean",
        "random",
    ),
    all_methods=False,
    seeds=("logit-difference",),
    max_epochs=20,
)
"""A few minutes on two cores."""

TABLES = ("methods", "scores", "units", "networks", "places", "reactions", "sets")
"""Names of the tables that are written, with the suffix ``.csv``."""


@dataclass(frozen=True)
class Validation:
    """What ``stressnet validate-methods`` left on disk.

    Parameters
    ----------
    path : Path
        The folder.
    tables : dict of str to DataFrame
        By the names in :data:`TABLES`.
    recommendations : list of Recommendation
        The best method overall and for each question.
    text : str
        The written recommendation.
    problems : list of Problem
        What failed, and sets whose cue is not alone.
    manifest : dict
        Its manifest.
    """

    path: Path
    tables: dict[str, pd.DataFrame]
    recommendations: list[Recommendation]
    text: str
    problems: list[Problem]
    manifest: dict[str, Any]


def validate_methods(
    out: Path,
    plan: Plan = DEFAULT_PLAN,
    *,
    corpus: Path | None = None,
    cues: Path | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Validation:
    """Draw sets, train networks, explain them, score the maps, and write the board.

    Parameters
    ----------
    out : Path
        Folder to write.
    plan : Plan
        What is validated on what.
    corpus, cues : Path, optional
        A corpus and its cues folder, for sets ``natural:COLUMN``.
    jobs : int
        Processes; the result does not depend on it.
    overwrite : bool
        Replace a validation in ``out``.
    progress : Progress, optional
        Shows what is going on.

    Raises
    ------
    ConfigError
        For an unknown set, network, method or seed.
    CheckpointError
        If ``out`` cannot be written or holds something else.
    CorpusError
        If ``out`` holds another kind of folder.
    """
    progress = progress or Progress(verbose=False)
    table = None if cues is None else cues / "cues.parquet" if cues.is_dir() else cues
    _check(plan, corpus, table)
    inputs = {} if table is None else {"cues": hash_file(table)}
    request = hash_data([asdict(plan), inputs])
    if (out / FILE_NAME).is_file():
        read_manifest(out, KIND)
    claim_folder(out, request, overwrite, KIND)
    tasks = [_task(name, plan, out / "state", corpus, table) for name in plan.sets]
    with progress.stage("sets", len(tasks), "set") as bar:
        results = []
        for result in in_order(_run_quietly, tasks, jobs):
            results.append(result)
            bar.update()
            lost = sum(p.severity is Severity.ERROR for p in result.problems)
            failed = f", {lost} failed" if lost else ""
            progress.say(f"{result.name}: {len(result.entries)} scores{failed}")
    with progress.stage("board"):
        found = write_board(out, results, plan, progress)
    for task in tasks:
        shutil.rmtree(task.folder, ignore_errors=True)
    shutil.rmtree(out / "state", ignore_errors=True)
    manifest = write_manifest(
        out,
        KIND,
        parameters={**asdict(plan), "corpus": None if corpus is None else str(corpus)},
        inputs=inputs,
        outputs=[p for p in out.rglob("*") if p.suffix in (".csv", ".md", ".png", ".pdf")],
        results={
            "n_sets": len(found.tables["sets"]),
            "n_networks": len(found.tables["networks"]),
            "n_solved": int(found.tables["networks"]["solved"].sum()),
            "n_scores": len(found.tables["scores"]),
            "recommended": {one.question: one.name for one in found.recommendations},
            "problems": count_problems(found.problems),
        },
        seconds=progress.seconds,
    )
    (out / REQUEST_NAME).unlink()
    return replace(found, manifest=manifest)


def write_board(
    out: Path, results: Sequence[SetResult], plan: Plan, progress: Progress | None = None
) -> Validation:
    """Tables, figures and recommendation from the results of all sets."""
    import pandas as pd

    from stressnet.lab.recommend import recommend, recommendation_text
    from stressnet.lab.scoreboard import (
        methods_table,
        places_table,
        scores_table,
        sets_table,
        units_table,
    )
    from stressnet.report.lab_figures import load_example, plot_board, plot_cue
    from stressnet.report.style import save_figure

    entries = [entry for result in results for entry in result.entries]
    problems = [problem for result in results for problem in result.problems]
    networks = pd.DataFrame(
        [row for result in results for row in result.networks], columns=_NETWORK_COLUMNS
    )
    tables = {
        "scores": scores_table(entries),
        "units": units_table(entries),
        "places": places_table(entries),
        "networks": networks,
        "reactions": pd.DataFrame([row for result in results for row in result.reactions]),
        "sets": sets_table([result.described for result in results if result.described]),
    }
    tables["methods"] = methods_table(tables["units"], tables["scores"], seed=plan.seed)
    for name, table in tables.items():
        write_csv(table, out / f"{name}.csv")
    write_problems(out / "failures.csv", problems)
    found = recommend(tables["units"], tables["scores"], seed=plan.seed)
    text = recommendation_text(
        tables["units"],
        tables["scores"],
        networks,
        tables["places"],
        default=CONTROL_METHODS[0],
        seed=plan.seed,
    )
    (out / "recommendation.md").write_text(text, encoding="utf-8")
    if len(tables["methods"]):
        save_figure(plot_board(tables["methods"]), out / "board")
    for result in results:
        file = _task(result.name, plan, out / "state", None, None).folder / "example.npz"
        if file.is_file() and result.described:
            figure = plot_cue(load_example(file), result.described, tables)
            if figure is not None:
                save_figure(figure, out / "cues" / _slug(result.name))
    return Validation(out, tables, found, text, problems, {})


_NETWORK_COLUMNS = (
    "set cue network net_seed n_test balanced_accuracy low high auroc solved n_voices_solved "
    "n_voices"
).split()


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    table.to_csv(part, index=False, float_format="%.5g")
    part.replace(path)


def _check(plan: Plan, corpus: Path | None, cues: Path | None) -> None:
    """Raise for names that do not exist before hours are spent."""
    from stressnet.lab.designs import get_design
    from stressnet.lab.maps import make_explainers
    from stressnet.lab.related import parse_natural
    from stressnet.models.registry import get_spec

    for name in plan.networks:
        get_spec(name)
    make_explainers(plan.methods, plan.seeds)
    for name in plan.sets:
        kind, _, cue = name.partition(":")
        if kind == "natural":
            parse_natural(cue)
        if kind == "natural" and (corpus is None or cues is None):
            raise ConfigError(f"set {name} needs --corpus and --cues")
        if kind not in ("natural", "folder", "planted"):
            get_design(name)


def _task(name: str, plan: Plan, state: Path, corpus: Path | None, cues: Path | None) -> SetTask:
    from stressnet.lab.maps import ALL_METHODS

    census = (*plan.methods, *ALL_METHODS) if plan.all_methods else plan.methods
    return SetTask(
        name=name,
        state=state,
        n_words=plan.n_words,
        n_scored=plan.n_scored,
        effect=plan.effect,
        networks=plan.trainings,
        methods=plan.methods,
        census=tuple(dict.fromkeys(census)),
        seeds=plan.seeds,
        changes=(
            ("max_epochs", plan.max_epochs),
            ("batch_size", plan.batch_size),
            ("precision", plan.precision),
        ),
        seed=plan.seed,
        corpus=corpus,
        cues=cues,
        allow_leaks=plan.allow_leaks,
    )


def _slug(name: str) -> str:
    return SetTask(name, Path(), 0, 0, 0.0, (), (), ()).slug


def _run_quietly(task: SetTask) -> SetResult:
    """In a worker: one thread, and warnings of methods about their own limits once."""
    import warnings

    import torch

    from stressnet.explain import ExplainWarning

    if os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return run_set(task)


def plan_with(plan: Plan, **changes: Any) -> Plan:
    """A plan with those fields changed that are given and not None or empty.

    Raises
    ------
    ConfigError
        For a field that a plan does not have.
    """
    known = {one.name for one in fields(Plan)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ConfigError(f"a validation plan has no {unknown[0]}")
    given = {key: value for key, value in changes.items() if value not in (None, ())}
    return replace(plan, **given)


def summary_text(result: Validation) -> str:
    """The best methods and the recommendation in a few lines."""
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_sets']} sets, {counts['n_solved']} of {counts['n_networks']} networks solved "
        f"theirs, {counts['n_scores']} scores"
    ]
    table = result.tables["methods"]
    if len(table):
        lines += ["", f"{'method':<44}{'first':>7}{'chance':>8}{'false':>7}{'rank':>7}{'n':>6}"]
    for row in table[table["kind"] != "no control"].head(12).to_dict("records"):
        name = f"{row['method']} {row['seed_output']} {str(row['part'])[:3]}"
        lines.append(
            f"{name:<44}{row['first']:>7.2f}{row['first_chance']:>8.2f}"
            f"{row['false_positive']:>7.2f}{row['rank']:>7.2f}{row['n_units']:>6}"
        )
    lines.append("")
    for one in result.recommendations:
        lines.append(f"{one.question}: {one.name.replace('`', '')}")
    return "\n".join(lines)
