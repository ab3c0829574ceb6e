"""How true estimated effects are: each estimator against activation patching."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from stressnet.axes import FloatArray
from stressnet.inference.jackknife import jackknife, mean_of

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


def over_clusters(statistic: Callable[[FloatArray], FloatArray], rows: pd.DataFrame) -> Any:
    """A statistic of pairs with limits over speakers and words."""
    clusters = {"speakers": rows["speaker"].to_numpy(), "words": rows["word"].to_numpy()}
    with np.errstate(invalid="ignore"):  # a single word or speaker has no others
        return jackknife(statistic, len(rows), clusters)


def agreement_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Agreement per network, kind of unit, layer and estimator, with intervals: :data:`COLUMNS`.

    Effects are ``network, kind, layer, pair, unit, estimator, effect, word, speaker``; the table is
    empty without :data:`TRUTH`.
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

    found = over_clusters(measures, rows)
    result: dict[str, object] = {}
    for k, measure in enumerate(MEASURES):
        values = (found.value[k], found.low[k], found.high[k])
        result |= {f"{measure}{e}": v for e, v in zip(("", "_low", "_high"), values, strict=True)}
    counts = {f"n_{c}s": rows[c].nunique() for c in ("pair", "word", "speaker")}
    return {**result, "n_effects": len(rows), **counts, "reason": found.remark[0]}


def _correlation(kept: FloatArray, x: NDArray, y: NDArray) -> FloatArray:
    """Pearson's r within each set of rows, shape (n_sets,)."""
    n = kept.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x, mean_y = kept.T @ x / n, kept.T @ y / n
        covariance = kept.T @ (x * y) / n - mean_x * mean_y
        variances = (kept.T @ x**2 / n - mean_x**2) * (kept.T @ y**2 / n - mean_y**2)
        return np.where(variances > 0, covariance / np.sqrt(np.maximum(variances, 0)), np.nan)


def mean_effects(effects: pd.DataFrame) -> pd.DataFrame:
    """Mean effect of each unit on the logit difference, per cue, as measured or first estimated.

    Returns ``network, kind, layer, unit, cue, estimator``; ``share`` (mean effect by the pairs'
    mean logit difference), ``effect`` and ``size`` (mean and mean absolute effect in logits) with
    limits over words and speakers; counts.
    """
    names = list(effects["estimator"].unique())
    name = TRUTH if TRUTH in names else names[0]
    rows = effects[(effects["estimator"] == name) & effects["effect"].notna()]
    rows = rows.assign(effect=rows["effect"] * rows["difference"])
    tables = []
    for (network, cue), part in rows.groupby(["network", "cue"], sort=False):
        wide = part.pivot(index="pair", columns=["kind", "layer", "unit"], values="effect")
        pairs = part.drop_duplicates("pair").set_index("pair").loc[wide.index]
        values = np.nan_to_num(wide.to_numpy(np.float64))
        found = over_clusters(mean_of(np.hstack([values, np.abs(values)])), pairs)
        n = values.shape[1]
        table = wide.columns.to_frame(index=False)
        table = table.assign(network=str(network), cue=str(cue), estimator=name)
        table["share"] = found.value[:n] / pairs["difference"].mean()
        for k, column in enumerate(("effect", "size")):
            for end, limits in (("", found.value), ("_low", found.low), ("_high", found.high)):
                table[f"{column}{end}"] = limits[k * n : (k + 1) * n]
        tables.append(table.assign(n_pairs=len(pairs), n_words=pairs["word"].nunique()))
    return pd.concat(tables, ignore_index=True)
