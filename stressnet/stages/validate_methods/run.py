"""A scoreboard of explanation methods on words with a known cue.

Sets are independent of each other: they are worked on in as many processes as wanted, and each
keeps a journal.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.explain import ExplainWarning
from stressnet.lab.board_plan import Plan
from stressnet.lab.designs import get_design
from stressnet.lab.maps import make_explainers
from stressnet.lab.recommend import Recommendation, recommend, recommendation_text
from stressnet.lab.related import parse_natural
from stressnet.lab.scoreboard import (
    methods_table,
    places_table,
    scores_table,
    sets_table,
    units_table,
)
from stressnet.lab.set_run import CONTROL_METHODS, SetResult, SetTask, load_example, run_set
from stressnet.models.registry import get_spec
from stressnet.report.lab_figures import plot_board, plot_cue
from stressnet.report.style import save_figure
from stressnet.runs import Result, RunFolder, Severity, Step, hash_file, read_table
from stressnet.runs.parallel import in_order
from stressnet.stages.validate_methods import ValidateMethodsConfig

TABLES = ("methods", "scores", "units", "networks", "places", "reactions", "sets")
"""Names of the tables that are written, with the suffix ``.csv``."""


def run(config: ValidateMethodsConfig, folder: RunFolder) -> Result:
    """Draw sets, train networks, explain them, score the maps, and write the board."""
    plan, cues = config.plan, config.cues
    if cues is not None and cues.is_dir():
        cues = cues / "cues.parquet"
    _check(plan, config.corpus, cues)
    folder.begin(
        asdict(plan),
        inputs={} if cues is None else {"cues": hash_file(cues)},
        notes={"corpus": None if config.corpus is None else str(config.corpus)},
        steps=[Step("score", len(plan.sets), "sets", 60.0 * len(plan.trainings))],
    )
    tasks = [SetTask(name, plan, folder.state, config.corpus, cues) for name in plan.sets]
    results = []
    with folder.progress.stage("sets", len(tasks), "set") as bar:
        for result in in_order(_run_quietly, tasks, folder.work.jobs, folder.pool):
            results.append(result)
            bar.update()
            lost = sum(p.severity is Severity.ERROR for p in result.problems)
            failed = f", {lost} failed" if lost else ""
            folder.progress.say(f"{result.name}: {len(result.entries)} scores{failed}")
    folder.problems += [problem for result in results for problem in result.problems]
    with folder.progress.stage("board"):
        tables, recommendations, text = _write_board(folder, results, plan)
    counts = {
        "n_sets": len(tables["sets"]),
        "n_networks": len(tables["networks"]),
        "n_solved": int(tables["networks"]["solved"].sum()),
        "n_scores": len(tables["scores"]),
        "recommended": {one.question: one.name for one in recommendations},
    }
    return Result.of(folder, counts, **tables, recommendations=recommendations, text=text)


def _write_board(
    folder: RunFolder, results: Sequence[SetResult], plan: Plan
) -> tuple[dict[str, pd.DataFrame], list[Recommendation], str]:
    """Tables, figures and recommendation from the results of all sets."""
    entries = [entry for result in results for entry in result.entries]
    networks = [row for result in results for row in result.networks]
    tables = {
        "scores": scores_table(entries),
        "units": units_table(entries),
        "places": places_table(entries),
        "networks": pd.DataFrame(networks, columns=_NETWORK_COLUMNS),
        "reactions": pd.DataFrame([row for result in results for row in result.reactions]),
        "sets": sets_table([result.described for result in results if result.described]),
    }
    tables["methods"] = methods_table(tables["units"], tables["scores"], seed=plan.seed)
    for name, table in tables.items():
        folder.table(f"{name}.csv", table, float_format="%.5g")
    recommendations = recommend(tables["units"], tables["scores"], seed=plan.seed)
    text = recommendation_text(recommendations, tables, CONTROL_METHODS[0])
    folder.file("recommendation.md").write_text(text, encoding="utf-8")
    if len(tables["methods"]):
        save_figure(plot_board(tables["methods"]), folder.figure("board"))
    for result in results:
        task = SetTask(result.name, plan, folder.state)
        example = load_example(task)
        if example is not None and result.described:
            figure = plot_cue(*example, result.described, tables)
            if figure is not None:
                save_figure(figure, folder.figure(f"cues/{task.slug}"))
    return tables, recommendations, text


_NETWORK_COLUMNS = (
    "set cue network net_seed n_test balanced_accuracy low high auroc solved n_voices_solved "
    "n_voices"
).split()


def _check(plan: Plan, corpus: Path | None, cues: Path | None) -> None:
    """Raise for names and inputs that do not exist before hours are spent."""
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
    if corpus is not None:
        Corpus.checked(corpus)
    if cues is not None:
        read_table(cues)


def _run_quietly(task: SetTask) -> SetResult:
    """In a worker: one thread, and warnings of methods about their own limits once."""
    if os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return run_set(task)
