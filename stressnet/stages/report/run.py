"""Figures and pages from a run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stressnet.errors import CorpusError
from stressnet.lexicon.stress import DISYLLABLES
from stressnet.report.cues_figure import COEFFICIENT_COLUMNS
from stressnet.report.explorer.writing import model_folder, open_methods, write_explorer
from stressnet.report.page import write_report
from stressnet.report.run import RelevanceRun
from stressnet.report.tables import CLAIM_COLUMNS
from stressnet.runs import Result, RunFolder, Step, read_manifest, read_table
from stressnet.stages.report import ReportConfig


def run(config: ReportConfig, opened: RelevanceRun, folder: RunFolder) -> Result:
    """Write figures, ``index.html`` and ``explorer.html`` for a run."""
    corpus = opened.open_corpus()
    runs = [opened, *(RelevanceRun.find(other) for other in config.others)]
    open_methods(runs, corpus)
    coefficients = _table_of(config.cues, "coefficients.csv", "cue-baselines", COEFFICIENT_COLUMNS)
    claims = _table_of(config.stats, "claims.csv", "stats", CLAIM_COLUMNS)
    if config.patching is not None:
        manifest = read_manifest(config.patching, "patching")
        if manifest["inputs"]["corpus"] != corpus.fingerprint:
            raise CorpusError(f"{config.patching}: patching of another corpus than {corpus.path}")
    beside = {"coefficients": coefficients, "claims": claims, "patching": config.patching}
    is_usual = corpus.lengths == DISYLLABLES and corpus.contrast.is_stress
    if not is_usual and config.explorer_tokens:
        folder.progress.say("no explorer: it shows stress in disyllables only")
        config = replace(config, explorer_tokens=0)
    folder.begin(
        {"explorer_tokens": config.explorer_tokens, "seed": config.seed},
        {
            **{f"run {i}": one for i, one in enumerate(runs, 1)},
            **{name: path for name, path in beside.items() if path is not None},
        },
        inputs=opened.manifest["inputs"],
        steps=[Step("show", min(config.explorer_tokens, len(opened.tokens)), "tokens", 0.05)],
    )
    for pattern in ("figures/*", "sounds/*", "tables/*"):
        folder.tree(pattern)
    for name in ("index.html", "report.md"):
        folder.file(name)
    with folder.progress.stage("report"):
        page = write_report(
            opened.path,
            model_folder(opened),
            corpus,
            folder.path,
            explorer=config.explorer_tokens > 0,
            coefficients=coefficients,
            claims=claims,
            patching=config.patching,
        )
    explorer, n_tokens, text = None, 0, f"report: {page}"
    if config.explorer_tokens > 0:
        explorer, n_tokens = write_explorer(
            runs, corpus, folder, config.explorer_tokens, config.seed, config.patching
        )
        text += f"\nexplorer: {explorer}"
    counts = {"n_tokens_in_explorer": n_tokens}
    return Result.of(folder, counts, page=page, explorer=explorer, text=text)


def _table_of(folder: Path | None, name: str, command: str, columns: Sequence[str]) -> Path | None:
    """The table of another command, given as its folder or itself; checked."""
    if folder is None:
        return None
    file = folder / name if folder.is_dir() else folder
    if not file.is_file():
        raise CorpusError(f"{folder}: no {name}; run stressnet {command} first")
    read_table(file, columns)
    return file
