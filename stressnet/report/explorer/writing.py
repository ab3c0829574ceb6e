"""The explorer of a report: tokens over processes, page at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, StressnetError
from stressnet.report.choose import choose_words
from stressnet.report.explorer.site import (
    choose_tokens,
    prepare,
    provenance_blocks,
    summary_blocks,
    write_page,
    write_token,
)
from stressnet.report.explorer.tokens import Method, TokenReader, method_labels
from stressnet.report.names import count_of
from stressnet.report.run import RelevanceRun, model_manifest
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import FILE_NAME
from stressnet.runs.parallel import in_order
from stressnet.runs.problems import Problem, Severity

CHUNK = 50
"""Tokens per task."""


def model_folder(run: RelevanceRun) -> Path | None:
    """The checkpoint a run explains: where the manifest says, or beside the run; None if gone."""
    place = run.place_of("model")
    return place if (place / FILE_NAME).is_file() else None


def open_methods(runs: Sequence[RelevanceRun], corpus: Corpus) -> list[Method]:
    """Runs under names that tell them apart.

    Raises
    ------
    ConfigError
        If a run explains another corpus than the first, or a run is given twice.
    """
    seen: set[Path] = set()
    models: list[dict[str, Any] | None] = []
    for run in runs:
        explained = run.manifest.get("inputs", {}).get("corpus", corpus.fingerprint)
        if explained != corpus.fingerprint:
            raise ConfigError(
                f"{run.path}: explains another corpus than {runs[0].path}; "
                "only runs on one corpus can be shown together"
            )
        if run.path.resolve() in seen:
            raise ConfigError(f"{run.path}: is given twice; name each run once")
        seen.add(run.path.resolve())
        models.append(model_manifest(model_folder(run)))
    labels = method_labels(runs, models)
    return [Method(*parts) for parts in zip(labels, runs, models, strict=True)]


def write_tokens(
    methods: Sequence[Method], corpus: Corpus, token_ids: Sequence[str], folder: RunFolder
) -> list[tuple[int, str]]:
    """Write the files of all tokens; those that cannot be shown become problems.

    The numbers (which are the files' names) and ids of the others.
    """
    source = (str(corpus.path), tuple(str(m.run.path) for m in methods), str(folder.path))
    tasks = [
        (source, tuple(enumerate(token_ids[i : i + CHUNK], i)))
        for i in range(0, len(token_ids), CHUNK)
    ]
    failed: dict[str, str] = {}
    with folder.progress.stage("explorer", len(token_ids), "token") as bar:
        results = in_order(_write_chunk, tasks, folder.work.jobs, folder.pool)
        for (_, chunk), errors in zip(tasks, results, strict=True):
            failed.update(errors)
            bar.update(len(chunk))
    folder.problems += [
        Problem(token, "explorer", Severity.ERROR, reason) for token, reason in failed.items()
    ]
    return [(i, t) for i, t in enumerate(token_ids) if t not in failed]


Task = tuple[tuple[str, tuple[str, ...], str], tuple[tuple[int, str], ...]]


def _write_chunk(task: Task) -> dict[str, str]:
    """Reasons by token that could not be written."""
    (corpus, runs, out), chunk = task
    reader = _reader(corpus, runs)
    failed = {}
    for number, token_id in chunk:
        try:
            write_token(reader, Path(out), number, token_id)
        except (StressnetError, OSError) as error:
            failed[token_id] = str(error)
    return failed


@lru_cache(maxsize=1)
def _reader(corpus_path: str, run_paths: tuple[str, ...]) -> TokenReader:
    """One reader per process: its tables take seconds to read."""
    corpus = Corpus.open(corpus_path)
    runs = [RelevanceRun.open(path) for path in run_paths]
    return TokenReader(corpus, open_methods(runs, corpus))


def write_explorer(
    runs: Sequence[RelevanceRun], corpus: Corpus, folder: RunFolder, most: int, seed: int = 0
) -> tuple[Path, int]:
    """Write the explorer of one or more runs beside a report: its page, and how many tokens it has.

    Parameters
    ----------
    runs : sequence of RelevanceRun
        The first decides which tokens are there; all on one corpus.
    folder : RunFolder
        The report; tokens that could not be shown become its problems.
    most : int
        Largest number of tokens; of more, a random sample is taken.
    """
    methods = open_methods(runs, corpus)
    token_ids = choose_tokens(methods, most, seed)
    out = folder.path
    folder.tree("explorer/**")
    folder.file("explorer/index.js")
    folder.tree("figures/*")
    folder.file("explorer.html")
    prepare(out)
    written = write_tokens(methods, corpus, token_ids, folder)
    chosen = choose_words(runs[0].tokens[runs[0].tokens["token_id"].isin(token_ids)])
    notices = []
    if corpus.manifest.get("parameters", {}).get("synthetic"):
        notices.append("Synthetic speech: this shows that the software works, nothing more.")
    if (n := len(token_ids)) < len(runs[0].tokens):
        notices.append(f"A random sample of {count_of(n, 'token')} of {len(runs[0].tokens)}.")
    if n := len(folder.problems):
        notices.append(f"{count_of(n, 'token')} could not be shown; see failures.csv.")
    made = [file.stem for file in (out / "figures").glob("*.png")]
    page = write_page(
        out,
        _reader(str(corpus.path), tuple(str(run.path) for run in runs)),
        written,
        first=chosen[0].token_id if chosen else None,
        summary=list(summary_blocks(methods, corpus, out, made)),
        provenance=list(provenance_blocks(methods, corpus)),
        notice=" ".join(notices),
        report="index.html" if (out / "index.html").is_file() else None,
    )
    return page, len(written)
