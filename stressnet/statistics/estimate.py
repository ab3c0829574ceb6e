"""Tables of estimates from sums: by region, against nulls, contrasts, between strata."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from stressnet.statistics.accumulate import ENERGY_TOO, MEAN, PER_ENERGY, Plan, Samples
from stressnet.statistics.multiplicity import benjamini_hochberg, holm
from stressnet.statistics.scan import NetworkRuns
from stressnet.statistics.sums import SampleSums, difference
from stressnet.statistics.twoway import Inference, lower_limit

COUNTS = ("n_tokens", "n_words", "n_speakers", "n_seeds")
"""Every row of every table says what it rests on."""

KEYS = ("network", "stratum", "level")

SUMMARY = (*KEYS, "region", "measure", "mean", "mean_low", "mean_high", "se", "df")
NULLS = (*KEYS, "null", "region", "measure", "mean", "null_mean")
CONTRASTS = (*KEYS, "null", "region", "other", "measure", "mean", "other_mean")
STRATA_CONTRASTS = (
    *("network", "stratum", "level", "other_level", "region", "measure"),
    *("mean", "other_mean", "difference", "difference_low", "difference_high", "df"),
    *("p_value", "p_holm", "p_bh", "other_n_tokens"),
)
COMPARED = (
    *("difference", "difference_low", "difference_high"),
    *("ratio", "ratio_low", "ratio_high", "df", "p_value", "p_holm", "p_bh"),
)

COLUMNS = {
    "summary": (*SUMMARY, *COUNTS, "n_missing", "reason"),
    "nulls": (*NULLS, *COMPARED, *COUNTS, "reason"),
    "contrasts": (*CONTRASTS, *COMPARED, *COUNTS, "reason"),
    "strata_contrasts": (*STRATA_CONTRASTS, *COUNTS, "reason"),
}
"""Columns of each table; ``docs/statistics.md`` says what they mean."""

MAX_PAIRED_LEVELS = 3
"""Strata with so many levels are contrasted pairwise without being asked."""


def tables(
    network: NetworkRuns,
    plan: Plan,
    sums: dict[tuple[str, str], Samples],
    level: float,
    level_pairs: dict[str, Sequence[tuple[str, str]]] | None = None,
) -> dict[str, pd.DataFrame]:
    """All tables that follow from some jobs' sums.

    Parameters
    ----------
    network : NetworkRuns
        Whose sums.
    plan : Plan
        What was summed.
    sums : dict
        From :func:`stressnet.statistics.accumulate.accumulate`.
    level : float
        Confidence level.
    level_pairs : dict of str to sequence of (str, str), optional
        Levels to contrast, per stratum; all pairs of strata with up to three levels if left out.

    Returns
    -------
    dict of str to DataFrame
        ``summary``, ``nulls``, ``contrasts``, ``strata_contrasts``, with :data:`COLUMNS`.
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
                    parts["nulls"].append(rows.assign(**keys))
                elif kind == ENERGY_TOO:
                    rows = _per_energy(here, regions, level)
                    parts["nulls"].append(rows.assign(**{**keys, "measure": PER_ENERGY}))
                elif pairs:
                    rows = _compared(here, sides, "other_mean", level)
                    parts["contrasts"].append(rows.assign(**keys))
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
            "reason": found.reason,
        }
    )


def compare(sums: SampleSums, level: float) -> dict[str, Any]:
    """Difference and ratio of the members of samples, with limits, tests and corrections.

    Two members are compared with each other. Of four, the first over the second is compared with
    the third over the fourth (a contrast with its null); the p-value then tests the ratio of
    ratios, since a difference of differences depends on how dense relevance is in the null.
    """
    signs = (1, -1) if len(sums.means) == 2 else (1, -1, -1, 1)
    shift = sums.linear(signs, level)
    ratio = sums.linear(signs, level, logarithmic=True)
    tested = shift if len(signs) == 2 else ratio
    return {
        **shift.columns("difference"),
        **ratio.columns("ratio"),
        **_tested(tested),
        **sums.counts,
        "reason": shift.reason,
    }


def _tested(found: Inference) -> dict[str, Any]:
    p = found.p_value
    return {"df": found.df, "p_value": p, "p_holm": holm(p), "p_bh": benjamini_hochberg(p)}


def _compared(sums: SampleSums, names: dict[str, Any], second: str, level: float) -> pd.DataFrame:
    means = {"mean": sums.means[0], second: sums.means[1]}
    return pd.DataFrame({**names, **means, **compare(sums, level)})


def _per_energy(sums: SampleSums, regions: dict[str, Any], level: float) -> pd.DataFrame:
    """Relevance per energy against the same under the null: a ratio of ratios of means."""
    share, null_share, energy, null_energy = sums.means
    nothing = dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = {"mean": share / energy, "null_mean": null_share / null_energy}
    return pd.DataFrame({**regions, **means, **compare(sums, level), **nothing})


def _level_pairs(
    stratum: str,
    names: Sequence[str],
    asked: dict[str, Sequence[tuple[str, str]]] | None,
) -> list[tuple[str, str]]:
    if asked is None:
        return list(combinations(names, 2)) if 2 <= len(names) <= MAX_PAIRED_LEVELS else []
    return [pair for pair in asked.get(stratum, ()) if set(pair) <= set(names)]


def _between(
    one: SampleSums, other: SampleSums, regions: dict[str, Any], level: float
) -> pd.DataFrame:
    found = difference(one, other, (1,), level=level)
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
            "reason": found.reason,
        }
    )
