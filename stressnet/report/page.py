"""The report: one folder with a page that opens from disk, its figures, tables and sounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError, StressnetError
from stressnet.report.document import Document, Link
from stressnet.report.page_sections import sections
from stressnet.report.run import RelevanceRun
from stressnet.report.run_sections import Sources
from stressnet.runs.manifest import read_manifest
from stressnet.runs.tables import read_table

if TYPE_CHECKING:
    import pandas as pd


def write_report(
    run: Path | str,
    model_folder: Path | str | None,
    corpus: Corpus | Path | str,
    out: Path | str,
    *,
    explorer: bool = False,
    coefficients: Path | None = None,
    claims: Path | None = None,
) -> Path:
    """Write a folder with ``index.html``, ``report.md``, ``figures/``, ``tables/``, ``sounds/``.

    Parameters
    ----------
    model_folder : Path or None
        Checkpoint folder with ``metrics.csv``; without it (or without the file) the page says that
        success is unknown.
    out : Path
        Folder to write; files of the same names are replaced.
    explorer : bool
        Whether to link to ``explorer.html``, which somebody else writes.
    coefficients : Path, optional
        ``coefficients.csv`` of ``stressnet cue-baselines``, to be drawn beside relevance.

    Raises
    ------
    CorpusError
        If run or corpus cannot be opened, do not belong together, or ``out`` cannot be written.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    opened, out = RelevanceRun.open(run), Path(out)
    try:
        for name in ("figures", "tables", "sounds"):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error
    folder = None if model_folder is None else Path(model_folder)
    page = Document(f"Where a network hears stress: {corpus.name}")
    if explorer:
        page.add(Link("explorer.html", "Explorer: hear and see every token"))
    page.add(
        *sections(
            Sources(opened, corpus, out),
            _manifest(folder),
            _table(folder, "metrics.csv"),
            _table(folder, "predictions.parquet"),
            coefficients,
            claims,
        )
    )
    (out / "report.md").write_text(page.to_markdown(), encoding="utf-8")
    index = out / "index.html"
    index.write_text(page.to_html(), encoding="utf-8")
    return index


def _manifest(folder: Path | None) -> dict[str, Any] | None:
    """A model's manifest; None if there is no finished model."""
    if folder is None:
        return None
    try:
        return read_manifest(folder, "model")
    except StressnetError:
        return None  # the page says that success is unknown


def _table(folder: Path | None, name: str) -> pd.DataFrame | None:
    if folder is None or not (folder / name).is_file():
        return None
    return read_table(folder / name)
