"""``stressnet report`` and ``stressnet word``: figures and a page from a run."""

from __future__ import annotations

import shutil
from pathlib import Path

from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.manifest import FILE_NAME, read_manifest, write_manifest
from stressnet.progress import Progress


def _run_parts(run: Path) -> tuple[Corpus, Path]:
    """The corpus and the checkpoint folder a run was made from.

    Raises
    ------
    CorpusError
        If one of them is gone or is no longer the one that was explained.
    """
    manifest = read_manifest(run, "relevance")
    corpus_path = Path(manifest["parameters"]["corpus"])
    if not corpus_path.is_absolute() and not corpus_path.exists():
        corpus_path = run.parent / corpus_path.name
    corpus = Corpus.open(corpus_path)
    if corpus.fingerprint != manifest["inputs"]["corpus"]:
        raise CorpusError(f"{run}: explains another corpus than the one now in {corpus_path}")
    model_path = Path(manifest["parameters"]["model"])
    if not model_path.is_absolute() and not model_path.exists():
        model_path = run.parent / model_path.name
    return corpus, model_path


def report_run(
    run: Path,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write figures and ``index.html`` for a run.

    Parameters
    ----------
    run : Path
        A folder that ``stressnet explain`` wrote.
    out : Path
        Report folder.
    overwrite : bool
        Replace a report in ``out``.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CorpusError
        If the run's corpus is gone, or ``out`` holds something else.
    """
    from stressnet.report.page import write_report

    progress = progress or Progress(verbose=False)
    corpus, model_path = _run_parts(run)
    if out.exists() and any(out.iterdir()):
        if not (out / FILE_NAME).exists():
            raise CorpusError(f"{out}: not empty and not a stressnet report; choose a new folder")
        if not overwrite:
            raise CorpusError(f"{out}: already holds a report; use --overwrite or a new folder")
        shutil.rmtree(out)
    with progress.stage("report"):
        page = write_report(run, model_path, corpus, out)
    write_manifest(
        out,
        "report",
        parameters={"run": str(run)},
        inputs=read_manifest(run, "relevance")["inputs"],
        outputs=[path for path in out.rglob("*") if path.is_file() and path.name != FILE_NAME],
        seconds=progress.seconds,
    )
    return page


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
    import pandas as pd

    from stressnet.report.run import RelevanceRun
    from stressnet.report.style import save_figure
    from stressnet.report.word import plot_word, word_data

    corpus, _ = _run_parts(run)
    ids = pd.read_parquet(run / "tokens.parquet", columns=["token_id"])["token_id"]
    matches = [i for i in ids if i == token_id] or [i for i in ids if token_id in i]
    if len(matches) != 1:
        some = f" ({', '.join(matches[:5])} ...)" if matches else ""
        raise CorpusError(
            f"{run}: {len(matches)} tokens match '{token_id}'{some}; give the id of one"
        )
    drawing = plot_word(word_data(corpus, RelevanceRun.open(run), matches[0]))
    suffix = figure.suffix.lstrip(".").lower() or "png"
    return save_figure(drawing, figure.with_suffix(""), [suffix])[0]
