"""Tables of estimates from sums: by region, against nulls, contrasts, between strata."""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from operator import add, mul
from typing import Any

import numpy as np
import pandas as pd

from stressnet.inference.twoway import Inference, benjamini_hochberg, holm, lower_limit
from stressnet.statistics.accumulate import (
    BY_CLASS,
    ENERGY_TOO,
    EXCHANGED,
    MEAN,
    PER_ENERGY,
    PER_EXCHANGE,
    NetworkRuns,
    Plan,
    Samples,
)
from stressnet.statistics.sums import SampleSums, combined

COUNTS = ("n_tokens", "n_words", "n_speakers", "n_seeds")  # What all rows rest on

KEYS = ("network", "stratum", "level")

SUMMARY = (*KEYS, "region", "measure", "mean", "mean_low", "mean_high", "se", "df")
NULLS = (*KEYS, "null", "region", "measure", "mean", "null_mean")
CONTRASTS = (*KEYS, "aspect", "null", "region", "other", "measure", "mean", "other_mean")
STRATA_CONTRASTS = (
    *("network", "stratum", "level", "other_level", "region", "measure"),
    *("mean", "other_mean", "difference", "difference_low", "difference_high", "df"),
    *("p_value", "p_holm", "p_bh", "other_n_tokens"),
)
COMPARED = (
    *("difference", "difference_low", "difference_high"),
    *("ratio", "ratio_low", "ratio_high", "ratio_se", "ratio_df", "df"),
    *("p_value", "p_holm", "p_bh", "n_draws"),
)

COLUMNS = {
    "summary": (*SUMMARY, *COUNTS, "n_missing", "reason"),
    "nulls": (*NULLS, *COMPARED, *COUNTS, "reason"),
    "contrasts": (*CONTRASTS, *COMPARED, *COUNTS, "reason"),
    "strata_contrasts": (*STRATA_CONTRASTS, *COUNTS, "reason"),
}
"""Columns of each table; ``docs/statistics.md`` says what they mean."""

STRESS, POSITION = "stress", "position"
"""Aspects of a contrast that words of both classes tell apart: with I and F its ratio in INITIAL
and in FINAL words, √(I·F) is what goes with stress, √(I/F) what goes with the place in the word. In
longer words the geometric mean over all classes goes with stress."""

MAX_PAIRED_LEVELS = 3  # Strata with so many levels are contrasted pairwise without being asked


def tables(
    network: NetworkRuns,
    plan: Plan,
    sums: dict[tuple[str, str], Samples],
    level: float,
    level_pairs: dict[str, Sequence[tuple[str, str]]] | None = None,
) -> dict[str, pd.DataFrame]:
    """All tables that follow from some jobs' sums, by the names in :data:`COLUMNS`.

    ``level_pairs`` are the levels to contrast, per stratum; all pairs of strata with up to three
    levels if left out.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    regions = {"region": list(plan.regions)}
    for (measure, stratum), samples in sums.items():
        names = network.levels[stratum]
        means = samples[MEAN, ""]
        about = {"network": network.name, "stratum": stratum, "measure": measure}
        pairs = plan.pairs.get(measure, ())
        sides = {"region": [a for a, _ in pairs], "other": [b for _, b in pairs]}
        for i, name in enumerate(names):
            for (kind, null), sample in samples.items():
                here, keys = sample.level(i), {**about, "level": name, "null": null}
                if (kind, null) == (MEAN, ""):
                    rows = _summary(here, regions, measure, means.n_rows(i), level)
                    parts["summary"].append(rows.assign(**keys))
                elif kind == MEAN:
                    rows = _compared(here, regions, "null_mean", level)
                    rows["n_draws"] = plan.draws.get(null, 1)  # their mean is one member
                    parts["nulls"].append(rows.assign(**keys))
                elif kind in (ENERGY_TOO, EXCHANGED):
                    rows = _per_other(here, regions, kind, level)
                    measured = PER_ENERGY if kind == ENERGY_TOO else PER_EXCHANGE
                    parts["nulls"].append(rows.assign(**{**keys, "measure": measured}))
                elif pairs and kind == BY_CLASS:
                    n = len(network.classes)
                    classes = [sample.level(n * i + k) for k in range(n)]
                    for aspect in (STRESS, POSITION) if n == 2 else (STRESS,):
                        rows = _aspect(classes, aspect, sides, level)
                        parts["contrasts"].append(rows.assign(**keys, aspect=aspect))
                elif pairs:
                    rows = _compared(here, sides, "other_mean", level)
                    parts["contrasts"].append(rows.assign(**keys, aspect=""))
        for one, other in _level_pairs(stratum, names, level_pairs):
            first, second = (means.level(names.index(name)) for name in (one, other))
            rows = _between(first, second, regions, level)
            keys = {**about, "level": one, "other_level": other}
            parts["strata_contrasts"].append(rows.assign(**keys))
    return {
        name: (
            pd.concat(found, ignore_index=True)[list(COLUMNS[name])]
            if found
            else pd.DataFrame(columns=list(COLUMNS[name]))
        )
        for name, found in parts.items()
    }


def _summary(
    sums: SampleSums, regions: dict[str, Any], measure: str, n_level: int, level: float
) -> pd.DataFrame:
    found = sums.linear((1,), level)
    counts = sums.counts
    return pd.DataFrame(
        {
            **regions,
            "mean": found.value,
            "mean_low": lower_limit(found.low, measure),
            "mean_high": found.high,
            "se": found.error,
            "df": found.df,
            **counts,
            "n_missing": n_level - counts["n_tokens"],
            "reason": found.remark,
        }
    )


def compare(sums: SampleSums, level: float) -> dict[str, Any]:
    """Difference and ratio of the members of samples, with limits, tests and corrections.

    Two members are compared with each other. Of more, the first over the second is compared with
    the third over the fourth, the fifth over the sixth and so on (a contrast with the draws of its
    null); the p-value then tests the ratio of ratios, since a difference of differences depends on
    how dense relevance is in the null.
    """
    signs = _signs(len(sums.means))
    shift, ratio = sums.linear(signs, level), sums.linear(signs, level, logarithmic=True)
    return {**_columns_of(shift, ratio, len(signs)), **sums.counts, "reason": shift.remark}


def _signs(n_members: int) -> list[float]:
    """Coefficients that compare the first two members, and with the mean of any further pairs."""
    n_draws = (n_members - 2) // 2
    return [1.0, -1.0, *([-1.0 / n_draws, 1.0 / n_draws] * n_draws if n_draws else [])]


def _columns_of(shift: Inference, ratio: Inference, n_members: int) -> dict[str, Any]:
    return {
        **shift.columns("difference"),
        **ratio.columns("ratio"),
        "ratio_se": ratio.error,
        "ratio_df": ratio.df,
        **_tested(shift if n_members == 2 else ratio),
        "n_draws": max(1, (n_members - 2) // 2),
    }


def _tested(found: Inference) -> dict[str, Any]:
    p = found.p_value
    return {"df": found.df, "p_value": p, "p_holm": holm(p), "p_bh": benjamini_hochberg(p)}


def _compared(sums: SampleSums, names: dict[str, Any], second: str, level: float) -> pd.DataFrame:
    means = {"mean": sums.means[0], second: sums.means[1]}
    return pd.DataFrame({**names, **means, **compare(sums, level)})


def _aspect(
    classes: Sequence[SampleSums], aspect: str, names: dict[str, Any], level: float
) -> pd.DataFrame:
    """The geometric mean of a contrast over the classes, or of position √(I/F)."""
    signs = _signs(len(classes[0].means))
    powers = [-1 if aspect == POSITION and k else 1 for k in range(len(classes))]
    weights = [power / len(classes) for power in powers]
    shift, ratio = (
        combined(classes, signs, weights=weights, logarithmic=log, level=level)
        for log in (False, True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        product = reduce(mul, (c.means[:2] ** p for c, p in zip(classes, powers, strict=True)))
        mean, other = product ** (1 / len(classes))
    counts = {**reduce(add, classes).counts, "reason": ratio.remark}
    rows = {"mean": mean, "other_mean": other, **_columns_of(shift, ratio, len(signs)), **counts}
    return pd.DataFrame({**names, **rows})


def _per_other(sums: SampleSums, regions: dict[str, Any], kind: str, level: float) -> pd.DataFrame:
    """Relevance per energy, or density per that under the exchange: a ratio of ratios of means."""
    first, second, *under = sums.means
    compared = compare(sums, level)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == ENERGY_TOO:  # members: share, share under the null, the same of energy
            mean, null_mean = first / under[0], second / under[1]
        else:
            mean = first / second
            null_mean = mean / compared["ratio"]
    nothing = dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
    return pd.DataFrame({**regions, "mean": mean, "null_mean": null_mean, **compared, **nothing})


def _level_pairs(
    stratum: str, names: Sequence[str], asked: dict[str, Sequence[tuple[str, str]]] | None
) -> list[tuple[str, str]]:
    if asked is None:
        return list(combinations(names, 2)) if 2 <= len(names) <= MAX_PAIRED_LEVELS else []
    return [pair for pair in asked.get(stratum, ()) if set(pair) <= set(names)]


def _between(
    one: SampleSums, other: SampleSums, regions: dict[str, Any], level: float
) -> pd.DataFrame:
    found = combined([one, other], (1,), level=level)
    counts, others = one.counts, other.counts
    both = {n: np.minimum(counts[n], others[n]) for n in ("n_words", "n_speakers", "n_seeds")}
    return pd.DataFrame(
        {
            **regions,
            "mean": one.means[0],
            "other_mean": other.means[0],
            **found.columns("difference"),
            **_tested(found),
            "n_tokens": counts["n_tokens"],
            "other_n_tokens": others["n_tokens"],
            **both,
            "reason": found.remark,
        }
    )
