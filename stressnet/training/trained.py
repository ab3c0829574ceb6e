"""Networks that training wrote: one, or several with other seeds and folds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_manifest
from stressnet.runs.result import Result
from stressnet.runs.tables import read_table
from stressnet.training.corpus_data import Fold
from stressnet.training.ensembles import average_logits, pool_folds, summarise_seeds
from stressnet.training.metrics import evaluate_splits

SUMMARY = "summary.csv"
POOLED = "pooled"
"""Name of all folds together."""


def read_trained(path: Path) -> Result:
    """A finished checkpoint folder.

    The result has ``metrics``, a row per test set and metric; empty if all tokens were trained on.

    Raises
    ------
    CorpusError
        If it is none.
    """
    manifest = read_manifest(path, "model")
    if manifest["parameters"].get("all_tokens"):
        metrics = pd.DataFrame()
    else:
        metrics = read_table(path / "metrics.csv").fillna({"reason": ""})
    return Result(path=path, manifest=manifest, tables={"metrics": metrics})


def within(fold: Fold | None, name: str) -> str:
    """A folder's name, below that of its fold if there is one."""
    return name if fold is None else f"fold-{fold.number}/{name}"


def summarise(
    models: Mapping[tuple[Fold | None, int], Result], seed: int, folder: RunFolder | None
) -> pd.DataFrame:
    """Figures over seeds and folds; written, with the ensembles', if there is a folder.

    Parameters
    ----------
    models : mapping
        Fold (None without folds) and seed to the network.
    seed : int
        Seed of the intervals.
    folder : RunFolder or None
        Where tables go; None in processes of a distributed training that only compute.

    Returns
    -------
    DataFrame
        One row per fold, test set and metric: ``fold`` (empty without folds, ``pooled`` for all of
        them together), ``test_set``, ``metric``, ``n``, ``n_seeds``, ``mean``, ``sd`` (over seeds,
        n - 1; of the pooled rows over folds' means), ``min``, ``max``, and ``ensemble``,
        ``ensemble_low``, ``ensemble_high``: the averaged logits with their 95 % interval.
    """
    ensembles: dict[Fold | None, pd.DataFrame] = {}
    parts = []
    for fold in dict.fromkeys(fold for fold, _ in models):
        members = [model for (own, _), model in models.items() if own == fold]
        ensembles[fold] = average_logits(
            [pd.read_parquet(model.path / "predictions.parquet") for model in members]
        )
        metrics = evaluate_splits(ensembles[fold], seed=seed)
        name = "" if fold is None else str(fold.number)
        parts.append(summarise_seeds([m.metrics for m in members], metrics).assign(fold=name))
        _write_ensemble(folder, within(fold, "ensemble"), ensembles[fold], metrics)
    if None not in ensembles:
        pooled = pool_folds(list(ensembles.values()))
        metrics = evaluate_splits(pooled, seed=seed)
        means = [part.rename(columns={"mean": "estimate"}) for part in parts]
        parts.append(summarise_seeds(means, metrics).assign(fold=POOLED))
        _write_ensemble(folder, "ensemble", pooled, metrics)
    summary = pd.concat(parts, ignore_index=True)
    summary.insert(0, "fold", summary.pop("fold"))
    if folder is not None:
        folder.table(SUMMARY, summary)
    return summary


def _write_ensemble(
    folder: RunFolder | None, name: str, predictions: pd.DataFrame, metrics: pd.DataFrame
) -> None:
    if folder is not None:
        folder.table(f"{name}/predictions.parquet", predictions)
        folder.table(f"{name}/metrics.csv", metrics)
