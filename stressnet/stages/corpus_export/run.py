"""A corpus for other programs: tables, sounds, TextGrids, or the splits of k folds."""

import pandas as pd

from stressnet.corpus.folds import assign_folds, fold_splits
from stressnet.corpus.splits import SPLIT_COLUMNS, split_counts
from stressnet.corpus.store import Corpus
from stressnet.corpus.token_files import export_tables, export_tokens
from stressnet.runs import RunFolder, Step
from stressnet.runs.tables import no_formulas
from stressnet.stages.corpus_export import ExportConfig, FoldsConfig


def export(config: ExportConfig, corpus: Corpus, folder: RunFolder) -> dict[str, int]:
    """Write a corpus for other programs; returns the number of files or rows per kind."""
    what = config.what
    folder.begin(
        {"what": sorted(what), "context": not config.no_context, "spreadsheet": config.spreadsheet},
        {"corpus": corpus},
        steps=[Step("export", len(corpus.tokens), seconds_each=0.01)],
    )
    counts: dict[str, int] = {}
    if "csv" in what:
        counts["csv"] = export_tables(
            corpus, folder, no_formulas if config.spreadsheet else lambda table: table
        )
    if "wav" in what or "textgrid" in what:
        counts |= export_tokens(corpus, folder, what, not config.no_context)
    if "huggingface" in what:
        from stressnet.corpus.huggingface import write_dataset

        where = folder.tree("huggingface/**")
        with folder.progress.stage("huggingface"):
            counts["huggingface"] = sum(write_dataset(corpus, where).values())
    folder.finish(counts)
    return counts


def export_text(counts: dict[str, int]) -> str:
    """How many of what were written."""
    units = {"csv": "tables", "wav": "WAVs", "textgrid": "TextGrids", "huggingface": "rows"}
    return ", ".join(f"{n} {units[kind]}" for kind, n in counts.items())


def write_folds(config: FoldsConfig, corpus: Corpus, folder: RunFolder) -> pd.DataFrame:
    """Write the splits of a k-fold evaluation, one file per run; counts per run and set."""
    dealt = assign_folds(corpus.tokens, config.folds, config.seed, corpus.contrast)
    folder.begin(
        {"n_folds": config.folds, "rotations": config.rotations, "seed": config.seed},
        {"corpus": corpus},
    )
    counts = []
    for rotation in range(min(config.rotations, config.folds)):
        for fold in range(config.folds):
            tokens = fold_splits(dealt, fold, config.folds, rotation=rotation)
            name = f"splits-{rotation * config.folds + fold + 1:03d}.csv"
            folder.table(name, tokens[list(SPLIT_COLUMNS)])
            main = split_counts(tokens, ["train", "valid", "test"], corpus.contrast)
            main.insert(0, "file", name)
            counts.append(main)
    table = pd.concat(counts, ignore_index=True)
    folder.table("counts.csv", table)
    folder.finish()
    return table


def folds_text(counts: pd.DataFrame) -> str:
    """The counts per run and set."""
    return counts.to_string(index=False)
