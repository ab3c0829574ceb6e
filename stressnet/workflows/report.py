"""``stressnet report`` and ``stressnet word``: figures and a page from a run."""

from __future__ import annotations

import shutil
from pathlib import Path

from stressnet.errors import CorpusError
from stressnet.manifest import FILE_NAME, write_manifest
from stressnet.progress import Progress
from stressnet.report.run import RelevanceRun


def _model_folder(run: RelevanceRun) -> Path | None:
    """The checkpoint a run explains: where the manifest says, or beside the run; None if gone."""
    named = Path(str(run.parameters.get("model", "")))
    places = [named, run.path.parent / named.name, run.path.parent / "model"]
    return next((place for place in places if (place / FILE_NAME).is_file()), None)


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
    opened = RelevanceRun.find(run)
    corpus = opened.open_corpus()
    if out.exists() and any(out.iterdir()):
        if not (out / FILE_NAME).exists():
            raise CorpusError(f"{out}: not empty and not a stressnet report; choose a new folder")
        if not overwrite:
            raise CorpusError(f"{out}: already holds a report; use --overwrite or a new folder")
        shutil.rmtree(out)
    with progress.stage("report"):
        page = write_report(opened.path, _model_folder(opened), corpus, out)
    write_manifest(
        out,
        "report",
        parameters={"run": str(run)},
        inputs=opened.manifest["inputs"],
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
