"""Intervals and tests for numbers that come in clusters, vectorised over many quantities.

Tokens of one speaker resemble each other, so a mean over tokens is as certain as its speakers are
many. Everything here works on sums per cluster: memory does not grow with the number of tokens,
and sums over parts of a corpus can be added.

Estimates
    A ratio of totals Σ a / Σ b over clusters: the mean over tokens if b counts them, the ratio of
    two means if both are sums of measurements.
Intervals
    Studentised bootstrap over clusters (bootstrap-t; Hall 1988; Davison & Hinkley 1997, section
    5.2) with the linearised cluster-robust standard error. Percentile intervals are too short with
    a dozen speakers; the test-suite checks the coverage of these.
Tests
    Sign flips: if nothing distinguishes observed from null, each cluster's total difference is as
    likely with either sign (Fisher's randomisation test, clusters as units).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from stressnet.errors import ConfigError

FloatArray = NDArray[np.float64]

MIN_CLUSTERS = 5
"""With fewer clusters there is no honest interval and none is given."""


@dataclass(frozen=True)
class Estimates:
    """Estimates with interval limits, each of shape (n_quantities,); NaN where there is none."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def sums_by(values: FloatArray, codes: NDArray[np.intp], n_groups: int) -> FloatArray:
    """Column sums within groups.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_quantities)
        NaN counts as zero.
    codes : ndarray of int, shape (n_rows,)
        Group of each row.
    n_groups : int
        Number of groups.

    Returns
    -------
    ndarray, shape (n_groups, n_quantities)
    """
    n_rows = len(codes)
    member = csr_matrix((np.ones(n_rows), (codes, np.arange(n_rows))), shape=(n_groups, n_rows))
    return np.asarray(member @ np.nan_to_num(values, nan=0.0))


def ratio_intervals(
    top: FloatArray,
    bottom: FloatArray,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> Estimates:
    """Ratios of totals with bootstrap-t intervals over clusters.

    Parameters
    ----------
    top, bottom : ndarray, shape (n_clusters, n_quantities)
        Sums per cluster. For means, ``bottom`` is the number of tokens. Clusters whose sums are
        both zero do not count.
    rng : numpy.random.Generator
        Source of randomness.
    level : float
        Confidence level.
    n_resamples : int
        Bootstrap samples.

    Raises
    ------
    ConfigError
        If the level is not between 0 and 1, or the shapes differ.
    """
    if not 0 < level < 1:
        raise ConfigError(f"confidence level {level} must lie between 0 and 1")
    if top.shape != bottom.shape or top.ndim != 2:
        raise ConfigError(f"sums have shapes {top.shape} and {bottom.shape}, not the same matrix")
    n_clusters = len(top)
    present = (bottom != 0) | (top != 0)
    n_present: FloatArray = present.astype(np.float64).sum(axis=0)
    value, error = _ratio_and_error(np.ones((1, n_clusters)), top, bottom, n_present[None])
    value, error = value[0], error[0]
    if n_clusters == 0:
        return Estimates(value, value.copy(), value.copy())

    times_drawn = rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), n_resamples)
    weights = times_drawn.astype(np.float64)
    drawn = weights @ present.astype(np.float64)
    resampled, errors = _ratio_and_error(weights, top, bottom, drawn)
    scale = np.maximum(np.abs(value), np.finfo(float).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (resampled - value) / errors
    # A sample of one repeated cluster has no spread and says nothing about t.
    t[~(errors > 1e-12 * scale)] = np.nan
    tail = 0.5 * (1 - level)
    t_low, t_high = _quantiles(t, (tail, 1 - tail))
    low, high = value - t_high * error, value - t_low * error
    constant = error <= 1e-12 * scale
    low, high = np.where(constant, value, low), np.where(constant, value, high)
    too_few = n_present < MIN_CLUSTERS
    return Estimates(value, np.where(too_few, np.nan, low), np.where(too_few, np.nan, high))


def sign_flip_p(
    differences: FloatArray, rng: np.random.Generator, *, n_resamples: int = 4999
) -> FloatArray:
    """Two-sided p-values that differences between paired measurements are not zero.

    Parameters
    ----------
    differences : ndarray, shape (n_clusters, n_quantities)
        Sums of paired differences per cluster.
    rng : numpy.random.Generator
        Source of randomness.
    n_resamples : int
        Random sign patterns; the smallest p-value is 1 / (n_resamples + 1), and never below
        2 / 2^n_clusters.

    Returns
    -------
    ndarray, shape (n_quantities,)
        NaN where fewer than five clusters have a difference.
    """
    observed = np.abs(differences.sum(axis=0))
    signs = rng.integers(0, 2, size=(n_resamples, len(differences))) * 2.0 - 1.0
    flipped = np.abs(signs @ differences)
    # Patterns that equal the observed one up to rounding count as equal.
    extreme = (flipped >= observed * (1 - 1e-9)).sum(axis=0)
    p = (1.0 + extreme) / (1.0 + n_resamples)
    return np.where((differences != 0).sum(axis=0) < MIN_CLUSTERS, np.nan, p)


def holm(p_values: FloatArray) -> FloatArray:
    """p-values corrected for their number by Holm's step-down method; NaN stays NaN."""
    p = np.asarray(p_values, dtype=np.float64)
    result = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaN sorts last
    steps = p[order] * (len(order) - np.arange(len(order)))
    result[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return result


def _ratio_and_error(
    weights: FloatArray, top: FloatArray, bottom: FloatArray, n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Σ w a / Σ w b and its linearised standard error, each (n_resamples, n_quantities)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below = weights @ bottom
        value = (weights @ top) / below
        # Σ w (a - r b)², multiplied out so that it needs only matrix products.
        squares = weights @ top**2 - 2 * value * (weights @ (top * bottom))
        squares += value**2 * (weights @ bottom**2)
        floor = 1e-14 * (weights @ top**2)  # what rounding leaves of zero
        squares = np.where(squares > floor, squares, 0.0)
        error = np.sqrt(squares * n / np.maximum(n - 1, 1)) / np.abs(below)
    return value, error


def _quantiles(t: FloatArray, probabilities: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Column quantiles without NaN; NaN for columns that hold nothing else."""
    empty = ~np.isfinite(t).any(axis=0)
    filled = np.where(empty, 0.0, t)
    low, high = np.nanquantile(filled, probabilities, axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)
