"""Tables over tokens: units, words, lists; intervals are over speakers and words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stressnet.inference.jackknife import jackknife, mean_of
from stressnet.manipulation.psychometric import clusters_of, counts_of

FIGURES = ("loss", "drop", "turned", "random_turned", "turned_over_random")
"""Columns of units whose means are told with intervals."""

SHARES = ("most_by_occlusion", "most_by_relevance", "least_by_occlusion", "least_by_relevance")


def with_shares(units: pd.DataFrame) -> pd.DataFrame:
    """Units with truth values of being first or last, and what a random unit of the token does."""
    same = units.groupby(["token_id", "kind", "baseline"], sort=False)
    units = units.assign(turned=units["turned"].astype(np.float64))
    units["random_turned"] = same["turned"].transform("mean")
    units["turned_over_random"] = units["turned"] - units["random_turned"]
    for name in ("occlusion", "relevance"):
        rank = units[f"rank_by_{name}"]
        units[f"most_by_{name}"] = (rank == 1).astype(np.float64)
        units[f"least_by_{name}"] = (rank == units["n_units"]).astype(np.float64)
    return units


def units_table(units: pd.DataFrame) -> pd.DataFrame:
    """Means over the tokens that have a unit; of all words, and by where their stress is.

    A token with two phones of one name (a cluster) has their mean, and is ``most`` if one is.
    """
    columns = [*FIGURES, *SHARES, "area_share", "relevance"]
    named = ["token_id", "word", "family", "speaker", "stress", "kind", "unit", "baseline"]
    how = {column: "max" if column in SHARES else "mean" for column in columns}
    each = with_shares(units).groupby(named, sort=False).agg(how).reset_index()
    parts = [each.assign(stress="ALL"), each]
    keys = ["stress", "kind", "baseline", "unit"]
    return _means(pd.concat(parts), keys, columns, [*FIGURES, *SHARES])


def words_table(units: pd.DataFrame) -> pd.DataFrame:
    """The same for each word with its stress, without intervals, the most decisive unit first."""
    columns = [*FIGURES, *SHARES, "relevance"]
    keys = ["word", "stress", "kind", "baseline", "unit", "phone"]
    grouped = with_shares(units).groupby(keys, sort=False)
    table = grouped[columns].mean()
    table.insert(0, "n_speakers", grouped["speaker"].nunique())
    table.insert(0, "n_tokens", grouped["token_id"].nunique())
    order = ["word", "stress", "kind", "baseline", "loss"]
    up = [True, True, True, True, False]
    return table.reset_index().sort_values(order, ascending=up, kind="stable", ignore_index=True)


def lists_table(lists: pd.DataFrame) -> pd.DataFrame:
    """Comprehensiveness and sufficiency of lists, beside random lists of the same size."""
    figures = ["comprehensiveness", "sufficiency", "turned"]
    key = ["token_id", "kind", "baseline", "size"]
    chance = lists.loc[lists["ranking"] == "random", [*key, *figures]]
    joined = lists.merge(chance, on=key, suffixes=("", "_random")).dropna(subset=figures)
    for name in figures:
        joined[f"{name}_over_random"] = joined[name] - joined[f"{name}_random"]
    told = [f"{name}{end}" for name in figures for end in ("", "_random", "_over_random")]
    keys = ["kind", "baseline", "ranking", "order", "size"]
    return _means(joined[joined["ranking"] != "random"], keys, told, told)


def _means(
    table: pd.DataFrame, keys: Sequence[str], columns: Sequence[str], told: Sequence[str]
) -> pd.DataFrame:
    """Means of groups, those that are told with ``_low`` and ``_high``."""
    rows = []
    for key, part in table.groupby(list(keys), sort=False):
        values = part[list(columns)].to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):  # all tokens may be of one speaker
            found = jackknife(mean_of(values), len(part), clusters_of(part))
        row = dict(zip(keys, key, strict=True)) | counts_of(part)
        for number, name in enumerate(columns):
            estimate = found[number].columns(name)
            if name in (*SHARES, "turned", "random_turned", "turned_random"):
                estimate = {key: float(np.clip(v, 0.0, 1.0)) for key, v in estimate.items()}
            row |= estimate if name in told else {name: estimate[name]}
        rows.append(row)
    return pd.DataFrame(rows)
