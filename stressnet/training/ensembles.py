"""Predictions of several networks as one: averaged over seeds, pooled over folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from stressnet.corpus.splits import PAIR_SPLITS
from stressnet.errors import CheckpointError
from stressnet.lexicon.stress import Stress


def average_logits(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Predictions of an ensemble: the mean of its members' logits, token by token.

    Parameters
    ----------
    tables : list of DataFrame
        As :func:`stressnet.training.predict.predictions_table` makes them, of the same tokens in
        the same order; the result has the same columns.

    Raises
    ------
    CheckpointError
        If the tables are not of the same tokens.
    """
    if any(list(table["token_id"]) != list(tables[0]["token_id"]) for table in tables):
        raise CheckpointError("predictions to average are not of the same tokens; train again")
    result = tables[0].copy()
    for column in ("logit_initial", "logit_final"):
        result[column] = sum(table[column] for table in tables) / len(tables)
    return _decided(result)


def pool_folds(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Predictions of all folds as one table, each token once per test set.

    Words with both readings are tested in every fold; where the speaker was new, their logits are
    averaged, the other folds are left out. Validation tokens are left out, too: they steered.
    """
    joined = pd.concat(tables, ignore_index=True)
    of_pair = joined["split"].isin(PAIR_SPLITS)
    joined = joined[(joined["split"] != "valid") & ~(of_pair & joined["speaker_is_known"])]
    keys = ["token_id", "split"]
    logits = joined.groupby(keys, sort=False)[["logit_initial", "logit_final"]].mean().reset_index()
    rest = joined.drop(columns=["logit_initial", "logit_final"]).drop_duplicates(keys)
    return _decided(rest.merge(logits, on=keys, validate="1:1"))


def _decided(table: pd.DataFrame) -> pd.DataFrame:
    """Probability and predicted class from the logits."""
    difference = table["logit_initial"] - table["logit_final"]
    names = np.where(difference >= 0, Stress.INITIAL.value, Stress.FINAL.value)
    return table.assign(stress_predicted=names, p_initial=expit(difference.to_numpy()))


def summarise_seeds(members: list[pd.DataFrame], ensemble: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and range of metrics over members, beside the ensemble's.

    Parameters
    ----------
    members : list of DataFrame
        With ``test_set``, ``metric`` and ``estimate``.
    ensemble : DataFrame
        As :func:`stressnet.training.metrics.evaluate_splits` makes it.

    Returns
    -------
    DataFrame
        See :func:`stressnet.training.trained.summarise`; one row per row of ``ensemble``.
    """
    keys = ["test_set", "metric"]
    over = pd.concat(members).groupby(keys, sort=False)["estimate"]
    table = ensemble[[*keys, "n", "estimate", "low", "high"]].rename(
        columns={"estimate": "ensemble", "low": "ensemble_low", "high": "ensemble_high"}
    )
    spread = over.agg(n_seeds="count", mean="mean", sd="std", min="min", max="max").reset_index()
    table = table.merge(spread, on=keys, how="left")
    front = ["test_set", "metric", "n", "n_seeds", "mean", "sd", "min", "max"]
    return table[[*front, "ensemble", "ensemble_low", "ensemble_high"]]
