"""Networks that training wrote: one, or several averaged over seeds and pooled over folds."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from stressnet.corpus.splits import PAIR_SPLITS
from stressnet.errors import CheckpointError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_manifest
from stressnet.runs.result import Result
from stressnet.runs.tables import read_table
from stressnet.training.corpus_data import Fold
from stressnet.training.metrics import evaluate_splits

SUMMARY = "summary.csv"
POOLED = "pooled"
"""Name of all folds together."""


def read_trained(path: Path) -> Result:
    """A finished checkpoint folder; raises :class:`CorpusError` if it is none."""
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
    models: Mapping[tuple[Fold | None, int], Result],
    seed: int,
    folder: RunFolder | None,
    contrast: Contrast = STRESS,
) -> pd.DataFrame:
    """Figures over seeds and folds; written, with the ensembles', if there is a folder.

    ``models`` are by fold (None without folds) and seed; the other ``seed`` is of the intervals.
    Returns one row per fold, test set and metric: ``fold`` (empty without folds, ``pooled`` for all
    of them together), ``test_set``, ``metric``, ``n``, ``n_seeds``, ``mean``, ``sd`` (n - 1; over
    seeds, in the pooled rows over folds' means), ``min``, ``max``, and ``ensemble``,
    ``ensemble_low``, ``ensemble_high``: the averaged logits with their 95 % interval.
    """
    ensembles: dict[Fold | None, pd.DataFrame] = {}
    parts = []
    for fold in dict.fromkeys(fold for fold, _ in models):
        members = [model for (own, _), model in models.items() if own == fold]
        ensembles[fold] = average_logits(
            [pd.read_parquet(model.path / "predictions.parquet") for model in members], contrast
        )
        metrics = evaluate_splits(ensembles[fold], contrast, seed=seed)
        name = "" if fold is None else str(fold.number)
        parts.append(summarise_seeds([m.metrics for m in members], metrics).assign(fold=name))
        _write_ensemble(folder, within(fold, "ensemble"), ensembles[fold], metrics)
    if None not in ensembles:
        pooled = pool_folds(list(ensembles.values()), contrast)
        metrics = evaluate_splits(pooled, contrast, seed=seed)
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


def average_logits(tables: list[pd.DataFrame], contrast: Contrast = STRESS) -> pd.DataFrame:
    """Predictions of an ensemble: the mean of its members' logits, token by token.

    The tables are as :func:`stressnet.training.data.predictions_table` makes them; the result
    has the same columns. Raises :class:`CheckpointError` if they are not of the same tokens.
    """
    if any(list(table["token_id"]) != list(tables[0]["token_id"]) for table in tables):
        raise CheckpointError("predictions to average are not of the same tokens; train again")
    result = tables[0].copy()
    for column in _logits_of(result):
        result[column] = sum(table[column] for table in tables) / len(tables)
    return _decided(result, contrast)


def pool_folds(tables: list[pd.DataFrame], contrast: Contrast = STRESS) -> pd.DataFrame:
    """Predictions of all folds as one table, each token once per test set.

    Words with both readings are tested in every fold; where the speaker was new, their logits are
    averaged, the other folds are left out. Validation tokens are left out, too: they steered.
    """
    joined = pd.concat(tables, ignore_index=True)
    of_pair = joined["split"].isin(PAIR_SPLITS)
    joined = joined[(joined["split"] != "valid") & ~(of_pair & joined["speaker_is_known"])]
    keys = ["token_id", "split"]
    columns = _logits_of(joined)
    logits = joined.groupby(keys, sort=False)[columns].mean().reset_index()
    rest = joined.drop(columns=columns).drop_duplicates(keys)
    return _decided(rest.merge(logits, on=keys, validate="1:1"), contrast)


def _logits_of(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table if str(name).startswith("logit_")]


def _decided(table: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    """Probability and predicted class from the logits."""
    columns = _logits_of(table)
    first, second = (f"logit_{key}" for key in (contrast.keys[0], contrast.keys[-1]))
    if columns != [first, second]:
        names = [column.removeprefix("logit_") for column in columns]
        logits = table[columns].to_numpy()
        told = {f"p_{name}": p for name, p in zip(names, softmax(logits, axis=1).T, strict=True)}
        said = np.array([name.upper() for name in names], dtype=object)[logits.argmax(axis=1)]
        return table.assign(stress_predicted=said, **told)
    difference = table[first] - table[second]
    said = np.where(difference >= 0, *map(str, contrast.classes))
    told = {contrast.predicted: said, contrast.p: expit(difference.to_numpy())}
    return table.assign(**told)


def summarise_seeds(members: list[pd.DataFrame], ensemble: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and range of metrics over members, beside the ensemble's."""
    keys = ["test_set", "metric"]
    over = pd.concat(members).groupby(keys, sort=False)["estimate"]
    table = ensemble[[*keys, "n", "estimate", "low", "high"]].rename(
        columns={"estimate": "ensemble", "low": "ensemble_low", "high": "ensemble_high"}
    )
    spread = over.agg(n_seeds="count", mean="mean", sd="std", min="min", max="max").reset_index()
    table = table.merge(spread, on=keys, how="left")
    front = ["test_set", "metric", "n", "n_seeds", "mean", "sd", "min", "max"]
    return table[[*front, "ensemble", "ensemble_low", "ensemble_high"]]
