"""Intervals and tests for numbers that come in one kind of clusters, e.g. speakers.

Tokens of one speaker resemble each other, so a mean over tokens is as certain as its speakers are
many. Everything here works on sums per cluster: memory does not grow with the number of tokens, and
sums over parts of a corpus can be added. Estimates are ratios of totals Σ a / Σ b over clusters
with the intervals of :mod:`stressnet.statistics.twoway`, which is for speakers and words at once;
the test-suite checks their coverage. A studentised bootstrap does as well with equal clusters, but
its limits run away where few clusters outweigh the others. Tests flip signs: if nothing
distinguishes observed from null, each cluster's total difference is as likely with either sign
(Fisher's randomisation test, clusters as units).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from stressnet.errors import ConfigError
from stressnet.statistics.twoway import (
    MIN_CLUSTERS,
    FloatArray,
    Inference,
    crossed_variance,
    infer,
)


def sums_by(values: FloatArray, codes: NDArray[np.intp], n_groups: int) -> FloatArray:
    """Column sums within groups, shape (n_groups, n_quantities); NaN counts as zero."""
    n_rows = len(codes)
    member = csr_matrix((np.ones(n_rows), (codes, np.arange(n_rows))), shape=(n_groups, n_rows))
    return np.asarray(member @ np.nan_to_num(values, nan=0.0))


def ratio_intervals(top: FloatArray, bottom: FloatArray, *, level: float = 0.95) -> Inference:
    """Ratios of totals with intervals over clusters.

    There are no limits where fewer than five clusters are there, or so few outweigh the others that
    the effective number is below three.

    Parameters
    ----------
    top, bottom : ndarray, shape (n_clusters, n_quantities)
        Sums per cluster. For means, ``bottom`` is the number of tokens. Clusters whose sums are
        both zero do not count.

    Raises
    ------
    ConfigError
        If the level is not between 0 and 1, or the shapes differ.
    """
    if top.shape != bottom.shape or top.ndim != 2:
        raise ConfigError(f"sums have shapes {top.shape} and {bottom.shape}, not the same matrix")
    total = bottom.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = top.sum(axis=0) / total
        contributions = (top - value * bottom) / total
    spread = crossed_variance({"clusters": contributions}, {"clusters": bottom})
    return infer(value, spread, level=level)


def sign_flip_p(
    differences: FloatArray, rng: np.random.Generator, *, n_resamples: int = 4999
) -> FloatArray:
    """Two-sided p-values that differences between paired measurements are not zero.

    NaN where fewer than five clusters have a difference.

    Parameters
    ----------
    differences : ndarray, shape (n_clusters, n_quantities)
        Sums of paired differences per cluster.
    n_resamples : int
        Random sign patterns; the smallest p-value is 1 / (n_resamples + 1), and never below
        2 / 2^n_clusters.
    """
    observed = np.abs(differences.sum(axis=0))
    signs = rng.integers(0, 2, size=(n_resamples, len(differences))) * 2.0 - 1.0
    flipped = np.abs(signs @ differences)
    # Patterns that equal the observed one up to rounding count as equal.
    extreme = (flipped >= observed * (1 - 1e-9)).sum(axis=0)
    p = (1.0 + extreme) / (1.0 + n_resamples)
    return np.where((differences != 0).sum(axis=0) < MIN_CLUSTERS, np.nan, p)
