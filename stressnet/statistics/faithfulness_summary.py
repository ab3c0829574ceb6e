"""Means of ``faithfulness.csv`` with intervals, chance, and paired comparisons of methods."""

import numpy as np
import pandas as pd

from stressnet.inference.twoway import holm, ratio_intervals, sign_flip_p, sums_by

KEYS = ["metric", "over", "baseline"]  # What makes two rows of different methods comparable

RANDOM = "random"


def fill_chance(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose chance level is the random method's value of the same token, with that value."""
    keys = ["token_id", *KEYS]
    random = rows[rows["method"] == RANDOM].set_index(keys)["value"]
    if random.empty:
        return rows
    other = random.reindex(rows.set_index(keys).index).to_numpy()
    rows = rows.copy()
    rows["chance"] = rows["chance"].where(rows["chance"].notna(), other)
    return rows


def summarise_faithfulness(rows: pd.DataFrame, default: str, seed: int) -> pd.DataFrame:
    """One row per method and metric.

    ``rows`` are ``token_id, speaker, method, metric, over, baseline, value, chance``. Means are
    over tokens; intervals (95 %) and tests treat speakers as the units. Differences are paired:
    only tokens for which both values exist. ``default`` is the method that the others are compared
    with, beside ``random``; ``seed`` is that of the tests.

    Returns ``method, metric, over, baseline, better, n, n_missing, n_speakers, mean, low, high,
    chance``, and for each of ``chance``, ``default`` and ``random`` the mean difference ``minus_*``
    with ``minus_*_low``, ``minus_*_high``, ``minus_*_p`` (sign flips) and ``minus_*_p_holm``
    (corrected for the number of methods).
    """
    from stressnet.explain.faithfulness import METRICS

    wide = rows.pivot(index="token_id", columns=[*KEYS, "method"], values="value")
    chance = rows.pivot(index="token_id", columns=[*KEYS, "method"], values="chance")
    order = rows.drop_duplicates([*KEYS, "method"])[[*KEYS, "method"]]
    columns = pd.MultiIndex.from_frame(order)
    wide, chance = wide[columns], chance[columns]
    speaker = rows.drop_duplicates("token_id").set_index("token_id")["speaker"]
    codes, names = pd.factorize(speaker.reindex(wide.index))
    clusters = codes.astype(np.intp), len(names)
    values = wide.to_numpy(np.float64)
    table = order.reset_index(drop=True)[["method", *KEYS]]
    table["better"] = [METRICS[str(metric)].direction for metric in table["metric"]]
    there = np.isfinite(values)
    table["n"], table["n_missing"] = there.sum(axis=0), (~there).sum(axis=0)
    table["n_speakers"] = (sums_by(there.astype(float), *clusters) > 0).sum(axis=0)
    for name, column in zip(("mean", "low", "high"), _means(values, clusters), strict=True):
        table[name] = column
    levels = chance.to_numpy(np.float64)
    with np.errstate(invalid="ignore"):
        counted = np.isfinite(levels).sum(axis=0)
        table["chance"] = np.nansum(levels, axis=0) / np.where(counted, counted, np.nan)
    references = {
        "chance": levels,
        "default": _reference(values, columns, default),
        "random": _reference(values, columns, RANDOM),
    }
    for stream, (name, reference) in enumerate(references.items(), start=1):
        difference = values - reference
        mean, low, high = _means(difference, clusters)
        table[f"minus_{name}"], table[f"minus_{name}_low"] = mean, low
        table[f"minus_{name}_high"] = high
        rng = np.random.default_rng([seed, 7, stream])
        p = sign_flip_p(sums_by(difference, *clusters), rng)
        table[f"minus_{name}_p"] = p
        by_metric = table.groupby(KEYS, sort=False)[f"minus_{name}_p"]
        table[f"minus_{name}_p_holm"] = by_metric.transform(lambda each: holm(each.to_numpy()))
    return table


def _reference(values: np.ndarray, columns: pd.MultiIndex, method: str) -> np.ndarray:
    """For each column that of the other method; NaN for the method itself, or where it lacks it."""
    keys = pd.MultiIndex.from_tuples([(*key[:-1], method) for key in columns])
    others = columns.get_indexer(keys)
    itself = (others < 0) | (others == np.arange(len(columns)))
    return np.where(itself, np.nan, values[:, others])


def _means(
    values: np.ndarray, clusters: tuple[np.ndarray, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over tokens with intervals over clusters; NaN where there is nothing."""
    there = np.isfinite(values).astype(np.float64)
    means = ratio_intervals(sums_by(values, *clusters), sums_by(there, *clusters))
    return means.value, means.low, means.high
