"""From relevance per token and region to a table of means, intervals and tests.

Input is the tidy table of :func:`stressnet.regions.projection.project` with one row per token and
region and, added by the caller, the columns ``token_id``, ``word``, ``speaker`` and ``stress``.

Means are over tokens; intervals and tests treat the speaker as the unit (``clustered``). The null
is compared only over tokens that have both an observed and a null value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.errors import ConfigError
from stressnet.statistics.clustered import (
    Estimates,
    FloatArray,
    holm,
    ratio_intervals,
    sign_flip_p,
    sums_by,
)

ALL = "ALL"
"""Value of ``stress`` in rows over both classes."""

KEYS = ("token_id", "word", "speaker", "stress", "region")
SUMMARY_MEASURES = (
    "positive_share",
    "signed_share",
    "absolute_share",
    "area_share",
    "energy_share",
    "density",
    "density_absolute",
    "density_energy",
)
"""What :func:`summarise` summarises by default, as far as the table has it."""

SUMMARY_COLUMNS = (
    "region",
    "stress",
    "measure",
    "mean",
    "mean_low",
    "mean_high",
    "null_mean",
    "difference",
    "difference_low",
    "difference_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "p_value",
    "p_holm",
    "n_tokens",
    "n_words",
    "n_speakers",
    "n_missing",
)
"""Columns of :func:`summarise`; documented there."""


@dataclass(frozen=True)
class _Tokens:
    """Tokens of one class: measurements (n_tokens, n_regions) beside their speaker and word."""

    speaker: NDArray[np.intp]
    word: NDArray[np.intp]

    @property
    def n_speakers(self) -> int:
        return int(self.speaker.max(initial=-1)) + 1

    def by_speaker(self, values: FloatArray) -> FloatArray:
        return sums_by(values, self.speaker, self.n_speakers)

    def counts(self, present: NDArray[np.bool_]) -> dict[str, NDArray[np.intp]]:
        """Numbers of tokens, words and speakers with a value, each (n_regions,)."""
        there = present.astype(np.float64)
        words = sums_by(there, self.word, int(self.word.max(initial=-1)) + 1)
        return {
            "n_tokens": present.sum(axis=0),
            "n_words": (words > 0).sum(axis=0),
            "n_speakers": (self.by_speaker(there) > 0).sum(axis=0),
        }


def summarise(
    table: pd.DataFrame,
    *,
    measures: Sequence[str] | None = None,
    seed: int = 0,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> pd.DataFrame:
    """Means, intervals and comparison with the null, per region, stress class and measure.

    Parameters
    ----------
    table : DataFrame
        One row per token and region: :data:`KEYS`, measures, and ``null_<measure>`` where there is
        a null.
    measures : sequence of str, optional
        Columns to summarise; :data:`SUMMARY_MEASURES` as far as present if left out.
    seed : int
        Seed of the bootstrap and of the sign flips.
    level : float
        Confidence level of the intervals.
    n_resamples : int
        Bootstrap samples and, times 2.5, sign patterns.

    Returns
    -------
    DataFrame
        Columns :data:`SUMMARY_COLUMNS`. ``mean`` with its interval is over tokens that have the
        region; ``null_mean``, ``difference`` (observed minus null) and ``ratio`` (mean observed /
        mean null) over those that have a null value too. ``p_value`` tests difference = 0,
        ``p_holm`` corrects it for the number of regions within a class and measure. ``n_missing``
        counts tokens without the region.

    Raises
    ------
    ConfigError
        If a column is missing, a token has a region twice, or the table is empty.
    """
    chosen = _checked(table, measures)
    rng = np.random.default_rng(seed)
    parts = []
    classes = [ALL, *sorted(str(s) for s in table["stress"].dropna().unique())]
    for name in classes:
        part = table if name == ALL else table[table["stress"] == name]
        tokens, regions, columns = _matrices(part, chosen)
        for measure in chosen:
            rows = _summary_rows(
                tokens, columns[measure], columns.get(f"null_{measure}"), rng, level, n_resamples
            )
            parts.append(rows.assign(region=regions, stress=name, measure=measure))
    result = pd.concat(parts, ignore_index=True)
    return result[list(SUMMARY_COLUMNS)]


def contrast(
    table: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    measure: str = "density",
    seed: int = 0,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> pd.DataFrame:
    """Two regions of the same tokens compared, e.g. stressed against unstressed nucleus.

    Parameters
    ----------
    table : DataFrame
        As for :func:`summarise`.
    pairs : sequence of (str, str)
        Names of regions, first minus second.
    measure : str
        What is compared.
    seed, level, n_resamples
        As for :func:`summarise`.

    Returns
    -------
    DataFrame
        ``region``, ``other``, ``measure``, ``mean`` and ``other_mean`` over tokens with both
        regions, ``difference`` and ``ratio`` with limits, ``p_value`` (sign flips by speaker),
        ``p_holm`` over the pairs, ``n_tokens``, ``n_words``, ``n_speakers``.

    Raises
    ------
    ConfigError
        If a region or column is not in the table.
    """
    _checked(table, [measure])
    tokens, regions, columns = _matrices(table, [measure])
    index = {name: position for position, name in enumerate(regions)}
    unknown = sorted({name for pair in pairs for name in pair} - set(index))
    if unknown or not pairs:
        raise ConfigError(f"no region {', '.join(unknown) or '(none given)'} in the table")
    first = columns[measure][:, [index[a] for a, _ in pairs]]
    second = columns[measure][:, [index[b] for _, b in pairs]]
    rows = _comparison(tokens, first, second, np.random.default_rng(seed), level, n_resamples)
    present = np.isfinite(first) & np.isfinite(second)
    return pd.DataFrame(
        {
            "region": [a for a, _ in pairs],
            "other": [b for _, b in pairs],
            "measure": measure,
            "mean": _mean(first, present),
            "other_mean": rows.pop("null_mean"),
            **rows,
            **tokens.counts(present),
        }
    )


def _summary_rows(
    tokens: _Tokens,
    values: FloatArray,
    null: FloatArray | None,
    rng: np.random.Generator,
    level: float,
    n_resamples: int,
) -> pd.DataFrame:
    present = np.isfinite(values)
    means = ratio_intervals(
        tokens.by_speaker(values),
        tokens.by_speaker(present.astype(np.float64)),
        rng,
        level=level,
        n_resamples=n_resamples,
    )
    # The generator moves on by the same amount whether or not there is a null.
    other = np.full(values.shape, np.nan) if null is None else null
    return pd.DataFrame(
        {
            "mean": means.value,
            "mean_low": means.low,
            "mean_high": means.high,
            **_comparison(tokens, values, other, rng, level, n_resamples),
            **tokens.counts(present),
            "n_missing": (~present).sum(axis=0),
        }
    )


def _comparison(
    tokens: _Tokens,
    values: FloatArray,
    other: FloatArray,
    rng: np.random.Generator,
    level: float,
    n_resamples: int,
) -> dict[str, FloatArray]:
    """Paired difference and ratio of two matrices (n_tokens, n_quantities)."""
    paired = np.isfinite(values) & np.isfinite(other)
    first, second = np.where(paired, values, np.nan), np.where(paired, other, np.nan)
    counts = tokens.by_speaker(paired.astype(np.float64))
    differences = tokens.by_speaker(first - second)
    options = {"level": level, "n_resamples": n_resamples}
    shift = ratio_intervals(differences, counts, rng, **options)  # type: ignore[arg-type]
    ratio = ratio_intervals(
        tokens.by_speaker(first),
        tokens.by_speaker(second),
        rng,
        **options,  # type: ignore[arg-type]
    )
    ratio = _meaningful(ratio, first, second)
    p_value = sign_flip_p(differences, rng, n_resamples=int(2.5 * n_resamples))
    return {
        "null_mean": _mean(second, paired),
        "difference": shift.value,
        "difference_low": shift.low,
        "difference_high": shift.high,
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "p_value": p_value,
        "p_holm": holm(p_value),
    }


def _meaningful(ratio: Estimates, first: FloatArray, second: FloatArray) -> Estimates:
    """Ratios only of quantities that are never negative and not zero throughout."""
    with np.errstate(invalid="ignore"):
        bad = (first < 0).any(axis=0) | (second < 0).any(axis=0)
    bad |= np.nansum(second, axis=0) <= 0
    return Estimates(*(np.where(bad, np.nan, x) for x in (ratio.value, ratio.low, ratio.high)))


def _mean(values: FloatArray, present: NDArray[np.bool_]) -> FloatArray:
    n = present.sum(axis=0)
    total = np.where(present, values, 0.0).sum(axis=0)
    return np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)


def _checked(table: pd.DataFrame, measures: Sequence[str] | None) -> list[str]:
    chosen = list(measures or [m for m in SUMMARY_MEASURES if m in table.columns])
    missing = [c for c in (*KEYS, *chosen) if c not in table.columns]
    if missing:
        raise ConfigError(f"table of relevance lacks column {', '.join(missing)}")
    if table.empty or not chosen:
        raise ConfigError("table of relevance has no rows or no measure to summarise")
    unnamed = [c for c in ("token_id", "word", "speaker", "region") if table[c].isna().any()]
    if unnamed:
        raise ConfigError(f"table of relevance has rows without {', '.join(unnamed)}")
    if table.duplicated(["token_id", "region"]).any():
        raise ConfigError(
            "table of relevance has a token and region twice; summarise one explanation at a time"
        )
    return chosen


def _matrices(
    table: pd.DataFrame, measures: Sequence[str]
) -> tuple[_Tokens, list[str], dict[str, FloatArray]]:
    """Measures as matrices (n_tokens, n_regions), regions in order of appearance."""
    token, ids = pd.factorize(table["token_id"])
    region, names = pd.factorize(table["region"])
    wanted = [*measures, *(f"null_{m}" for m in measures if f"null_{m}" in table.columns)]
    columns = {}
    for measure in wanted:
        matrix = np.full((len(ids), len(names)), np.nan)
        matrix[token, region] = table[measure].to_numpy(np.float64)
        columns[measure] = matrix
    # Numbers by sorted name: the order of rows must not decide which speaker is drawn.
    rows = table.drop_duplicates("token_id")  # in the order of ids
    speaker = pd.factorize(rows["speaker"], sort=True)[0]
    word = pd.factorize(rows["word"], sort=True)[0]
    return _Tokens(speaker, word), [str(name) for name in names], columns
