"""``stressnet report`` and ``stressnet word``: figures and a page from a run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stressnet.errors import CorpusError
from stressnet.report.run import RelevanceRun
from stressnet.runs.lock import hold
from stressnet.runs.manifest import FILE_NAME, hash_file, read_manifest, write_manifest
from stressnet.runs.problems import Problem, count_problems, write_problems
from stressnet.runs.progress import Progress

MOST_TOKENS = 2500
"""Tokens in an explorer unless the caller says otherwise: some 120 MB with sounds."""


UNFINISHED = ".unfinished"
"""Marks a folder that is being written; what was interrupted may be replaced."""


@dataclass(frozen=True)
class Report:
    """What ``stressnet report`` wrote.

    Parameters
    ----------
    page : Path
        The report.
    explorer : Path or None
        The page for looking at tokens.
    problems : list of Problem
        Tokens that the explorer lacks.
    """

    page: Path
    explorer: Path | None
    problems: list[Problem]


def report_run(
    run: Path,
    out: Path,
    *,
    others: Sequence[Path] = (),
    cues: Path | None = None,
    explorer_tokens: int = MOST_TOKENS,
    seed: int = 0,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Write figures, ``index.html`` and ``explorer.html`` for a run.

    Parameters
    ----------
    run : Path
        A folder that ``stressnet explain`` wrote.
    out : Path
        Report folder.
    others : sequence of Path
        Further runs on the same corpus, whose relevance the explorer shows beside.
    cues : Path, optional
        What ``stressnet cue-baselines`` wrote, or its ``coefficients.csv``: drawn beside relevance.
    explorer_tokens : int
        Largest number of tokens in the explorer; 0 for none.
    seed : int
        For the sample if the run has more tokens.
    jobs : int
        Worker processes for the explorer; the result does not depend on it.
    overwrite : bool
        Replace a report in ``out``.

    Raises
    ------
    CorpusError
        If the run's corpus is gone, or ``out`` holds something else.
    ConfigError
        If the runs explain different corpora.
    """
    from stressnet.report.page import write_report
    from stressnet.workflows.report_explorer import model_folder, open_methods, write_explorer

    progress = progress or Progress(verbose=False)
    opened = RelevanceRun.find(run)
    corpus = opened.open_corpus()
    runs = [opened, *(RelevanceRun.find(other) for other in others)]
    open_methods(runs, corpus)  # before anything is replaced
    coefficients = _coefficients(cues)
    claim(out, "report", overwrite=overwrite)
    with progress.stage("report"):
        page = write_report(
            opened.path,
            model_folder(opened),
            corpus,
            out,
            explorer=explorer_tokens > 0,
            coefficients=coefficients,
        )
    explorer, n_tokens = None, 0
    problems: list[Problem] = []
    if explorer_tokens > 0:
        explorer, n_tokens, problems = write_explorer(
            runs, corpus, out, most=explorer_tokens, seed=seed, jobs=jobs, progress=progress
        )
        write_problems(out / "failures.csv", problems)
    (out / UNFINISHED).unlink()
    # Of the explorer's thousands of files only the index is hashed; it follows from the inputs.
    per_token = (out / "explorer" / "tokens", out / "explorer" / "sounds")
    write_manifest(
        out,
        "report",
        parameters={
            "run": str(run),
            "others": [str(other) for other in others],
            "cues": None if cues is None else str(cues),
            "explorer_tokens": explorer_tokens,
            "seed": seed,
        },
        inputs={
            **opened.manifest["inputs"],
            **{f"run {i}": hash_file(r.path / FILE_NAME) for i, r in enumerate(runs, 1)},
        },
        outputs=[
            path
            for path in out.rglob("*")
            if path.is_file() and path.name != FILE_NAME and path.parent not in per_token
        ],
        results={"n_tokens_in_explorer": n_tokens, "problems": count_problems(problems)},
        seconds=progress.seconds,
    )
    return Report(page, explorer, problems)


def _coefficients(cues: Path | None) -> Path | None:
    if cues is None:
        return None
    file = cues / "coefficients.csv" if cues.is_dir() else cues
    if not file.is_file():
        raise CorpusError(f"{cues}: no coefficients.csv; run stressnet cue-baselines first")
    return file


def claim(out: Path, kind: str, *, overwrite: bool) -> None:
    """Make an output folder, empty and marked as unfinished.

    Raises
    ------
    CorpusError
        If it holds something that stressnet did not write, or a result that may not be replaced.
    """
    if out.exists() and not out.is_dir():
        raise CorpusError(f"{out}: is a file; choose another output folder")
    mark = out / UNFINISHED
    if out.exists():
        hold(out)
    if out.exists() and any(out.iterdir()) and not mark.exists():
        if not (out / FILE_NAME).exists():
            raise CorpusError(f"{out}: not empty and not a stressnet {kind}; choose a new folder")
        read_manifest(out, kind)  # another kind of folder is not ours to remove
        if not overwrite:
            raise CorpusError(f"{out}: already holds a {kind}; use --overwrite or a new folder")
    try:
        if out.exists():
            shutil.rmtree(out)
        out.mkdir(parents=True)
        hold(out)
        mark.touch()
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error


def draw_word(run: Path, token_id: str, figure: Path) -> Path:
    """Draw one token of a run.

    Parameters
    ----------
    run : Path
        A run folder.
    token_id : str
        A token's id or a part of it that only one token has.
    figure : Path
        File to write; the suffix decides the format.

    Raises
    ------
    CorpusError
        If no token or more than one matches.
    """
    from stressnet.report.style import save_figure
    from stressnet.report.word import plot_word, word_data

    opened = RelevanceRun.find(run)
    ids = opened.tokens["token_id"]
    matches = [i for i in ids if i == token_id] or [i for i in ids if token_id in i]
    if len(matches) != 1:
        some = f" ({', '.join(matches[:5])} ...)" if matches else ""
        raise CorpusError(
            f"{run}: {len(matches)} tokens match '{token_id}'{some}; give the id of one"
        )
    drawing = plot_word(word_data(opened.open_corpus(), opened, matches[0]))
    suffix = figure.suffix.lstrip(".").lower() or "png"
    return save_figure(drawing, figure.with_suffix(""), [suffix])[0]
