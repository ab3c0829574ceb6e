"""How true estimated effects are: each estimator against activation patching."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from stressnet.axes import FloatArray
from stressnet.statistics.jackknife import jackknife

TRUTH = "activation"

MEASURES = ("r", "rank_r", "scale", "sign_agreement")
"""Pearson's r, Spearman's, slope of estimate on truth through zero (1 is right), and the share of
units whose effect has the right sign (0.5 is chance)."""

COLUMNS = (
    *("network", "kind", "layer", "estimator"),
    *(f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")),
    *("n_effects", "n_pairs", "n_words", "n_speakers", "reason"),
)
ALL_LAYERS = "all"
_KEYS = ["network", "kind", "layer", "pair", "unit"]


def agreement_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Agreement per network, kind of unit, layer and estimator, with intervals.

    Parameters
    ----------
    effects : DataFrame
        ``network, kind, layer, pair, unit, estimator, effect, word, speaker``.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`; empty without :data:`TRUTH`. Intervals are over words and speakers.
    """
    wide = effects.pivot_table(index=_KEYS, columns="estimator", values="effect", sort=False)
    about = effects.drop_duplicates(["network", "pair"]).set_index(["network", "pair"])
    names = [name for name in effects["estimator"].unique() if name != TRUTH]
    if TRUTH not in wide or not names:
        return pd.DataFrame(columns=list(COLUMNS))
    wide = wide.reset_index().join(about[["word", "speaker"]], on=["network", "pair"])
    rows = []
    for (network, kind), part in wide.groupby(["network", "kind"], sort=False):
        for layer in (*part["layer"].unique(), ALL_LAYERS):
            chosen = part if layer == ALL_LAYERS else part[part["layer"] == layer]
            for name in names:
                keys = {"network": network, "kind": kind, "layer": layer, "estimator": name}
                rows.append({**keys, **_agreement(chosen.dropna(subset=[TRUTH, name]), name)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _agreement(rows: pd.DataFrame, name: str) -> dict[str, object]:
    truth, estimate = (rows[column].to_numpy(np.float64) for column in (TRUTH, name))
    ranks = rankdata(truth), rankdata(estimate)

    def measures(kept: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = (kept.T @ (truth * estimate)) / (kept.T @ truth**2)
            same = (kept.T @ (truth * estimate > 0)) / (kept.T @ (truth != 0))
        r, rank_r = _correlation(kept, truth, estimate), _correlation(kept, *ranks)
        return np.stack([r, rank_r, scale, same], axis=1)

    clusters = {"speakers": rows["speaker"].to_numpy(), "words": rows["word"].to_numpy()}
    found = jackknife(measures, len(rows), clusters)
    result: dict[str, object] = {}
    for k, measure in enumerate(MEASURES):
        values = (found.value[k], found.low[k], found.high[k])
        result |= {f"{measure}{e}": v for e, v in zip(("", "_low", "_high"), values, strict=True)}
    counts = {f"n_{c}s": rows[c].nunique() for c in ("pair", "word", "speaker")}
    return {**result, "n_effects": len(rows), **counts, "reason": found.reason[0]}


def _correlation(kept: FloatArray, x: NDArray, y: NDArray) -> FloatArray:
    """Pearson's r within each set of rows, shape (n_sets,)."""
    n = kept.sum(axis=0)
    mean_x, mean_y = kept.T @ x / n, kept.T @ y / n
    covariance = kept.T @ (x * y) / n - mean_x * mean_y
    variances = (kept.T @ x**2 / n - mean_x**2) * (kept.T @ y**2 / n - mean_y**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variances > 0, covariance / np.sqrt(np.maximum(variances, 0)), np.nan)
