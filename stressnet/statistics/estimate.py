"""Tables of estimates from sums: by region, against nulls, contrasts, between strata."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from stressnet.statistics.accumulate import PER_ENERGY, JobSums, Plan
from stressnet.statistics.limits import lower_limit
from stressnet.statistics.multiplicity import benjamini_hochberg, holm
from stressnet.statistics.scan import NetworkRuns
from stressnet.statistics.sums import SampleSums, difference
from stressnet.statistics.twoway import Inference

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
    sums: dict[tuple[str, str], JobSums],
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
    for (measure, stratum), job in sums.items():
        names = network.levels[stratum]
        for i, name in enumerate(names):
            keys = {"network": network.name, "stratum": stratum, "level": name, "measure": measure}
            parts["summary"].append(
                _summary(job.means.level(i), plan, keys, job.means.n_rows(i), level)
            )
            for null, table in job.nulls.items():
                rows = _compared(table.level(i), plan.regions, (1, -1), level)
                parts["nulls"].append(rows.assign(**keys, null=null))
            for null, table in job.energy.items():
                rows = _per_energy(table.level(i), plan.regions, level)
                named = {**keys, "measure": PER_ENERGY, "null": null}
                parts["nulls"].append(rows.assign(**named))
            pairs = plan.pairs.get(measure, ())
            if pairs:
                found = _pair_rows(job.pairs.level(i), pairs, (1, -1), level)
                parts["contrasts"].append(found.assign(**keys, null=""))
                for null, table in job.pair_nulls.items():
                    found = _pair_rows(table.level(i), pairs, (1, -1, -1, 1), level)
                    parts["contrasts"].append(found.assign(**keys, null=null))
        for one, other in _level_pairs(stratum, names, level_pairs):
            rows = _between(job, names.index(one), names.index(other), plan.regions, level)
            parts["strata_contrasts"].append(
                rows.assign(
                    network=network.name,
                    stratum=stratum,
                    level=one,
                    other_level=other,
                    measure=measure,
                )
            )
    return {
        name: (
            pd.concat(found, ignore_index=True)[list(COLUMNS[name])]
            if found
            else pd.DataFrame(columns=list(COLUMNS[name]))
        )
        for name, found in parts.items()
    }


def _summary(
    sums: SampleSums, plan: Plan, keys: dict[str, Any], n_level: int, level: float
) -> pd.DataFrame:
    found = sums.linear((1,), level)
    counts = sums.counts
    return pd.DataFrame(
        {
            "region": list(plan.regions),
            **keys,
            "mean": found.value,
            "mean_low": lower_limit(found.low, keys["measure"]),
            "mean_high": found.high,
            "se": found.error,
            "df": found.df,
            **counts,
            "n_missing": n_level - counts["n_tokens"],
            "reason": found.reason,
        }
    )


def compare(sums: SampleSums, signs: Sequence[float], level: float) -> dict[str, Any]:
    """Difference and ratio of the members of samples, with limits, tests and corrections.

    ``signs`` are those of the members in the difference and their exponents in the ratio. The
    p-value tests the difference, or for four members (a contrast against its null) the ratio of
    ratios, since a difference of differences depends on how dense relevance is in the null.
    """
    shift = sums.linear(signs, level)
    ratio = sums.log_linear(signs, level)
    tested = shift if len(signs) == 2 else ratio
    p = tested.p_value
    return {
        **_limits("difference", shift),
        **_limits("ratio", ratio),
        "df": tested.df,
        "p_value": p,
        "p_holm": holm(p),
        "p_bh": benjamini_hochberg(p),
        **sums.counts,
        "reason": shift.reason,
    }


def _limits(name: str, found: Inference) -> dict[str, Any]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _compared(
    sums: SampleSums, regions: Sequence[str], signs: Sequence[float], level: float
) -> pd.DataFrame:
    means = sums.means
    return pd.DataFrame(
        {
            "region": list(regions),
            "mean": means[0],
            "null_mean": means[1],
            **compare(sums, signs, level),
        }
    )


def _per_energy(sums: SampleSums, regions: Sequence[str], level: float) -> pd.DataFrame:
    """Relevance per energy against the same under the null: a ratio of ratios of means."""
    share, null_share, energy, null_energy = sums.means
    found = compare(sums, (1, -1, -1, 1), level)
    nothing = dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = {"mean": share / energy, "null_mean": null_share / null_energy}
    return pd.DataFrame({"region": list(regions), **means, **found, **nothing})


def _pair_rows(
    sums: SampleSums, pairs: Sequence[tuple[str, str]], signs: Sequence[float], level: float
) -> pd.DataFrame:
    means = sums.means
    return pd.DataFrame(
        {
            "region": [a for a, _ in pairs],
            "other": [b for _, b in pairs],
            "mean": means[0],
            "other_mean": means[1],
            **compare(sums, signs, level),
        }
    )


def _level_pairs(
    stratum: str,
    names: Sequence[str],
    asked: dict[str, Sequence[tuple[str, str]]] | None,
) -> list[tuple[str, str]]:
    if asked is None:
        return list(combinations(names, 2)) if 2 <= len(names) <= MAX_PAIRED_LEVELS else []
    return [pair for pair in asked.get(stratum, ()) if set(pair) <= set(names)]


def _between(job: JobSums, i: int, j: int, regions: Sequence[str], level: float) -> pd.DataFrame:
    one, other = job.means.level(i), job.means.level(j)
    found = difference(one, other, (1,), level=level)
    counts, others = one.counts, other.counts
    both = {n: np.minimum(counts[n], others[n]) for n in ("n_words", "n_speakers", "n_seeds")}
    return pd.DataFrame(
        {
            "region": list(regions),
            "mean": one.means[0],
            "other_mean": other.means[0],
            **_limits("difference", found),
            "df": found.df,
            "p_value": found.p_value,
            "p_holm": holm(found.p_value),
            "p_bh": benjamini_hochberg(found.p_value),
            "n_tokens": counts["n_tokens"],
            "other_n_tokens": others["n_tokens"],
            **both,
            "reason": found.reason,
        }
    )
