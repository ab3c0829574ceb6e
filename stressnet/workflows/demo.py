"""``stressnet demo``: the whole study on speech that espeak-ng speaks, with known times."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from stressnet.errors import CorpusError
from stressnet.runs.lock import hold
from stressnet.runs.manifest import write_json
from stressnet.runs.progress import Progress

CORPUS_NAME = "espeak-demo"
ALIGNMENT_FILE = "alignment-error.json"

EPOCHS = {"full": 10, "tiny": 2}
"""Short training: synthetic speech is easy, and the demo has five minutes."""

EXPLORER_TOKENS = 300
"""Enough to try the explorer; each takes some 50 ms to write."""

_MARK = ".stressnet-demo"


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Parameters
    ----------
    page : Path
        The report.
    text : str
        Its figures for the terminal.
    """

    page: Path
    text: str


def run_demo(
    out: Path,
    *,
    size: str = "full",
    seed: int = 0,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> DemoResult:
    """Speak, build, align, train, explain, report.

    Parameters
    ----------
    out : Path
        Folder for everything: ``recordings``, ``recordings-truth``, ``corpus``, ``model``, ``run``
        and ``report``.
    size : str
        ``full``, or ``tiny`` to see quickly whether everything runs.
    seed : int
        For everything drawn at random.
    jobs : int
        Worker processes.
    overwrite : bool
        Replace an earlier demo in ``out``.

    Raises
    ------
    CorpusError
        If ``out`` holds something else, or a finished demo and ``overwrite`` is not set.
    """
    from stressnet.demo.corpus import speak_corpus
    from stressnet.report.explain_text import summary_text
    from stressnet.report.train_text import metrics_text
    from stressnet.stages.build_corpus import BuildConfig, build_corpus
    from stressnet.stages.explain import explain_corpus
    from stressnet.stages.train import train_model
    from stressnet.workflows.report import report_run

    progress = progress or Progress(verbose=False)
    _claim(out, overwrite)
    recordings, truth, corpus = out / "recordings", out / "recordings-truth", out / "corpus"
    model, run, report = out / "model", out / "run", out / "report"
    if not (truth / "minimal_pairs.tsv").exists():
        with progress.stage("speak"):
            speak_corpus(recordings, seed=seed, size=size, truth_out=truth)
    config = BuildConfig(
        recipe=CORPUS_NAME,
        labels=truth / "minimal_pairs.tsv",
        # Three voices are all that the tiny corpus has: one for each set.
        valid_share=0.10 if size == "full" else 0.3,
        test_share=0.22 if size == "full" else 0.3,
        seed=seed,
    )
    built = build_corpus(recordings, corpus, config=config, jobs=jobs, progress=progress)
    with progress.stage("score"):
        alignment = score_alignment(corpus, truth)
        write_json(corpus / ALIGNMENT_FILE, alignment)
    trained = train_model(
        corpus,
        model,
        changes={"max_epochs": EPOCHS[size]},
        seed=seed,
        overwrite=True,
        progress=progress,
    )
    explained = explain_corpus(
        corpus, model, run, seed=seed, jobs=jobs, overwrite=True, progress=progress
    )
    page = report_run(
        run,
        report,
        explorer_tokens=EXPLORER_TOKENS,
        seed=seed,
        jobs=jobs,
        overwrite=True,
        progress=progress,
    ).page
    text = [
        "SYNTHETIC SPEECH: the figures show that the software works, not how people stress words.",
        "",
        f"{built.manifest['results']['n_tokens']} tokens of "
        f"{built.manifest['results']['n_words']} words by "
        f"{built.manifest['results']['n_speakers']} voices",
        "",
        alignment_text(alignment),
        "",
        metrics_text(trained),
        "",
        summary_text(explained),
    ]
    return DemoResult(page, "\n".join(text))


def _claim(out: Path, overwrite: bool) -> None:
    mark = out / _MARK
    try:
        out.mkdir(parents=True, exist_ok=True)
        hold(out)
        foreign = any(out.iterdir()) and not mark.exists()
        if not foreign:
            mark.touch()
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another folder with --out"
        ) from error
    if foreign:
        raise CorpusError(f"{out}: not empty and not a demo; choose another folder with --out")
    if (out / "report" / "manifest.json").exists() or overwrite:
        if not overwrite:
            raise CorpusError(f"{out}: already holds a finished demo; use --overwrite or --out")
        shutil.rmtree(out)
        out.mkdir()
        hold(out)
        mark.touch()


def score_alignment(corpus: Path, truth: Path) -> dict[str, dict[str, float]]:
    """Boundary errors of a corpus's TextGrids against those in ``truth``.

    Returns
    -------
    dict
        Per level (``word``, ``phone``): n, median, mean and 90th percentile of the absolute
        difference in milliseconds, and shares within limits.
    """
    from stressnet.alignment.accuracy import boundary_errors, summarise
    from stressnet.alignment.textgrid import read_textgrid

    errors: dict[str, list[np.ndarray]] = {"word": [], "phone": []}
    for file in sorted((corpus / "textgrids").glob("*.TextGrid")):
        reference = read_textgrid(truth / file.name)
        aligned = read_textgrid(file)
        errors["word"].append(boundary_errors(reference, aligned, "word"))
        errors["phone"].append(boundary_errors(reference, aligned, "phone"))
    return {level: asdict(summarise(np.concatenate(parts))) for level, parts in errors.items()}


def alignment_text(scores: dict[str, dict[str, float]]) -> str:
    """The aligner's error for people."""
    lines = ["aligner against the engine's own times (absolute difference of boundaries, ms):"]
    for level, s in scores.items():
        lines.append(
            f"  {level:<6} median {s['median_ms']:.1f}, mean {s['mean_ms']:.1f}, "
            f"90th percentile {s['p90_ms']:.1f}, n = {s['n']:.0f}"
        )
    return "\n".join(lines)
