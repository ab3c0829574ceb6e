"""``stressnet manipulate``: words with one cue changed at a time, and networks' answers to them.

Cues of the whole corpus first (they say what INITIAL-like and FINAL-like are), then tokens, each
journalled with all its stimuli, so an interrupted run continues with the same command. Networks
answer in this process while workers make the next stimuli, so the tables do not depend on the
number of workers.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.manipulation.cues import in_order
from stressnet.runs.journal import Journal
from stressnet.runs.manifest import FILE_NAME, hash_data, read_manifest, write_manifest
from stressnet.runs.parallel import in_order as results_in_order
from stressnet.runs.parallel import worker_pool
from stressnet.runs.problems import Problem, Severity, count_lost, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.stages.measure import measure_corpus
from stressnet.workflows.manipulate_inputs import (
    ManipulateConfig,
    chosen_tokens,
    endpoint_table,
    endpoints_of,
    fingerprint_of,
    voices_of,
)
from stressnet.workflows.manipulate_responses import (
    AnsweringNetwork,
    load_networks,
    presets_of,
    responses,
)
from stressnet.workflows.manipulate_summary import crosstalk
from stressnet.workflows.manipulate_token import TokenTask, make_token
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.manipulation.endpoints import Endpoint

STIMULI, MEASURES, ENDPOINTS = "stimuli.parquet", "measures.parquet", "endpoints.parquet"
RESPONSES, CROSSTALK, FAILURES = "responses.parquet", "crosstalk.csv", "failures.csv"
CUES_FOLDER = "cues"


@dataclass(frozen=True)
class Manipulated:
    """What ``stressnet manipulate`` left on disk.

    Parameters
    ----------
    path : Path
        The folder.
    stimuli, measures, endpoints, summary : DataFrame
        See ``docs/manipulation.md``.
    responses : DataFrame or None
        None without networks.
    problems : list of Problem
    manifest : dict
    """

    path: Path
    stimuli: pd.DataFrame
    measures: pd.DataFrame
    endpoints: pd.DataFrame
    summary: pd.DataFrame
    responses: pd.DataFrame | None
    problems: list[Problem]
    manifest: dict[str, Any]

    @property
    def n_failed(self) -> int:
        """Stimuli, continua and tokens that were left out."""
        return count_lost(self.problems)


@dataclass
class _Run:
    """What the stages of one run share."""

    corpus: Corpus
    out: Path
    config: ManipulateConfig
    networks: list[AnsweringNetwork]
    jobs: int
    progress: Progress
    save_audio: bool
    problems: list[Problem] = field(default_factory=list)


def manipulate_corpus(
    corpus_path: Path,
    out: Path,
    config: ManipulateConfig | None = None,
    *,
    measured: Path | None = None,
    models: Sequence[Path] = (),
    save_audio: bool = False,
    jobs: int = 1,
    overwrite: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Manipulated:
    """Make continua of a corpus's words; an interrupted run continues.

    Parameters
    ----------
    corpus_path : Path
        A built corpus.
    out : Path
        Folder to write.
    config : ManipulateConfig, optional
    measured : Path, optional
        What ``stressnet measure`` wrote for this corpus; measured into ``out/cues`` if left out.
    models : sequence of Path
        Networks whose answers to every stimulus are kept.
    save_audio : bool
        Write every stimulus as WAV with a TextGrid.
    jobs : int
        Worker processes; the tables do not depend on it.
    overwrite : bool
        Replace an earlier run in ``out``.
    executor : Executor, optional
        Used instead of own processes.

    Raises
    ------
    CheckpointError
        If ``out`` holds something else, or a network is damaged.
    ConfigError
        If a cue, pair or number of steps makes no sense.
    CorpusError
        If the measured cues are of another corpus, no token is left, or no stimulus could be made.
    """
    from stressnet.manipulation.continua import plan_steps

    config = config or ManipulateConfig()
    progress = progress or Progress(verbose=False)
    config = replace(config, cues=in_order(config.cues))
    plan = plan_steps(
        config.cues,
        config.n_steps,
        single=config.single,
        pairs=config.pairs,
        together=config.together,
    )
    corpus = Corpus.open(corpus_path)
    networks = load_networks(models)
    digests = {network.name: network.digest for network in networks}
    inputs = {"corpus": corpus.fingerprint, **digests}
    if measured is not None:
        inputs["cues"] = fingerprint_of(measured, corpus)
    request = hash_data([asdict(config), inputs, save_audio])
    claim_folder(out, request, overwrite, "manipulation")
    run = _Run(corpus, out, config, networks, jobs, progress, save_audio)
    with worker_pool(jobs if executor is None else 1) as pool:
        workers = executor if executor is not None else pool
        cues = measured or _measured(run, workers)
        tokens = chosen_tokens(corpus, config)
        tables = _make(run, cues, tokens, tuple(plan), workers)
    with progress.stage("tables"):
        summary = crosstalk(tables["stimuli"], tables["measures"], tables["endpoints"])
        written = _write(run, tables, summary)
    manifest = write_manifest(
        out,
        "manipulation",
        parameters={
            "corpus": str(corpus_path),
            "corpus_name": corpus.name,
            **asdict(config),
            "measured": str(cues),
            "models": {network.name: str(network.path) for network in networks},
            "save_audio": save_audio,
            "request": request,
        },
        inputs=inputs,
        outputs=written,
        results=_results(tables, run.problems),
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    return Manipulated(
        out,
        tables["stimuli"],
        tables["measures"],
        tables["endpoints"],
        summary,
        tables.get("responses"),
        run.problems,
        manifest,
    )


def read_manipulation(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a finished run: ``stimuli``, ``measures``, ``endpoints``, ``responses``.

    Raises
    ------
    CorpusError
        If there is no finished run.
    """
    import pandas as pd

    read_manifest(folder, "manipulation")
    names = {"stimuli": STIMULI, "measures": MEASURES, "endpoints": ENDPOINTS}
    if (folder / RESPONSES).is_file():
        names["responses"] = RESPONSES
    return {name: pd.read_parquet(folder / file) for name, file in names.items()}


def _measured(run: _Run, workers: Executor | None) -> Path:
    """Cues of the whole corpus, measured into the output folder unless they are there."""
    folder = run.out / CUES_FOLDER
    if not (folder / FILE_NAME).exists():
        result = measure_corpus(
            run.corpus.path, folder, jobs=run.jobs, executor=workers, progress=run.progress
        )
        run.progress.say(f"{len(result.cues)} tokens measured, see {folder}")
    return folder


# -- stimuli ---------------------------------------------------------------------------------------


def _make(
    run: _Run, cues: Path, tokens: pd.DataFrame, plan: tuple[Any, ...], workers: Executor | None
) -> dict[str, pd.DataFrame]:
    """All tables, token by token."""
    import pandas as pd

    folder = run.out / "state" / "tokens"
    folder.mkdir(parents=True, exist_ok=True)
    found = endpoints_of(cues, tokens, run.config, run.problems)
    ids = [str(token_id) for token_id in tokens["token_id"]]
    with (
        Journal(run.out / "state" / "tokens.jsonl") as journal,
        run.progress.stage("manipulate", len(ids), "token") as bar,
    ):
        todo = [index for index, token_id in enumerate(ids) if token_id not in journal.done]
        bar.update(len(ids) - len(todo))
        tasks = _tasks(run, cues, tokens, todo, found, plan)
        for index, (task, failures) in zip(
            todo, results_in_order(_with_task, tasks, run.jobs, workers), strict=True
        ):
            _answer(run.networks, task)
            journal.add(ids[index], failures)
            bar.update()
        for token_id in ids:
            run.problems += [
                Problem(item, stage, Severity.ERROR, reason)
                for item, stage, reason in journal.done[token_id]
            ]
    tables = {"endpoints": endpoint_table(found, ids)}
    names = ["stimuli", "measures", *(["responses"] if run.networks else [])]
    for name in names:
        parts = [folder / f"{index:06d}-{name}.parquet" for index in range(len(ids))]
        read = [pd.read_parquet(part) for part in parts if part.exists()]
        if not read:
            reason = run.problems[0].reason if run.problems else "there are no tokens"
            raise CorpusError(f"{run.corpus.path}: no stimulus could be made; {reason}")
        tables[name] = pd.concat(read, ignore_index=True)
    return tables


def _with_task(task: TokenTask) -> tuple[TokenTask, list[tuple[str, str, str]]]:
    return task, make_token(task)


def _answer(networks: Sequence[AnsweringNetwork], task: TokenTask) -> None:
    """Networks' answers to a token's stimuli; the images are deleted afterwards."""
    import pandas as pd

    stimuli_file = task.part(STIMULI)
    if not networks or not stimuli_file.exists():
        return
    stimuli = pd.read_parquet(stimuli_file)
    tables = []
    for network in networks:
        images = np.load(task.part(f"{network.preset.name}.npy"))
        tables.append(responses(network, stimuli, images))
    write_parquet(pd.concat(tables, ignore_index=True), task.part(RESPONSES))
    for name in task.presets:
        task.part(f"{name}.npy").unlink()


def _tasks(
    run: _Run,
    cues: Path,
    tokens: pd.DataFrame,
    todo: Sequence[int],
    endpoints: dict[str, dict[str, Endpoint]],
    plan: tuple[Any, ...],
) -> Iterator[TokenTask]:
    voices = voices_of(cues)
    presets = presets_of(run.networks)
    for index in todo:
        row = {str(key): value for key, value in tokens.iloc[index].to_dict().items()}
        token_id = str(row["token_id"])
        yield TokenTask(
            corpus=run.corpus.path,
            out=run.out,
            row=row,
            phones=run.corpus.phone_intervals(token_id, row["excerpt_start_s"]),
            voice=voices[str(row["speaker"])],
            plan=plan,
            endpoints=endpoints[token_id],
            file=run.out / "state" / "tokens" / f"{index:06d}",
            presets=presets,
            save_audio=run.save_audio,
        )


# -- what comes out --------------------------------------------------------------------------------


def _write(run: _Run, tables: dict[str, pd.DataFrame], summary: pd.DataFrame) -> list[Path]:
    out = run.out
    files = {"stimuli": STIMULI, "measures": MEASURES, "endpoints": ENDPOINTS}
    files["responses"] = RESPONSES
    for name, table in tables.items():
        write_parquet(table, out / files[name])
    summary.to_csv(out / CROSSTALK, index=False, lineterminator="\n")
    write_problems(out / FAILURES, run.problems)
    return [*(out / files[name] for name in tables), out / CROSSTALK, out / FAILURES]


def _results(tables: dict[str, pd.DataFrame], problems: list[Problem]) -> dict[str, Any]:
    stimuli = tables["stimuli"]
    return {
        "n_tokens": int(stimuli["token_id"].nunique()),
        "n_stimuli": len(stimuli),
        "n_per_kind": {str(k): int(v) for k, v in stimuli["kind"].value_counts().items()},
        "n_limited": int((stimuli["limited"] != "").sum()),
        "n_scaled": int((stimuli["scaled_db"] != 0).sum()),
        "problems": count_problems(problems),
    }
