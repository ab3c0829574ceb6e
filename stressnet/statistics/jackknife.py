"""Intervals over speakers and words for any number that can be computed from rows.

Rank correlations, ratios and curves are not sums, but leaving out one cluster after another says
how much each contributes (Quenouille 1956, *Biometrika* 43:353-360). With w the share of rows in a
cluster and t its value without it,

    U = (1 - w) (t_all - t)

which for a mean is exactly its linearised contribution; the rest is
:mod:`stressnet.statistics.twoway`, so that intervals mean the same as everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stressnet.errors import ConfigError
from stressnet.statistics.clustered import sums_by
from stressnet.statistics.twoway import (
    FloatArray,
    Inference,
    Spread,
    cluster_weights,
    crossed_variance,
    infer,
)

Statistic = Callable[[FloatArray], FloatArray]
"""From which rows are kept, 0 or 1 of shape (n_rows, n_sets), to values (n_sets, n_quantities)."""

_SETS_AT_ONCE = 512


def codes_of(clusters: Mapping[str, ArrayLike], n_rows: int) -> dict[str, NDArray[np.intp]]:
    """Cluster numbers 0, 1, ... of each row, per kind; for two kinds also their ``cells``.

    Raises
    ------
    ConfigError
        If a kind has not one name per row, or there are other than one or two kinds.
    """
    import pandas as pd

    if len(clusters) not in (1, 2):
        raise ConfigError(f"{len(clusters)} kinds of clusters; pass speakers, words, or both")
    codes: dict[str, NDArray[np.intp]] = {}
    for kind, names in clusters.items():
        values = np.asarray(names)
        if values.shape != (n_rows,):
            raise ConfigError(f"{kind}: shape {values.shape} for {n_rows} rows")
        codes[kind] = pd.factorize(values)[0].astype(np.intp)
    if len(codes) == 2:
        one, other = codes.values()
        crossed = one * (int(other.max(initial=0)) + 1) + other
        codes["cells"] = pd.factorize(crossed)[0].astype(np.intp)
    return codes


def spread_of(contributions: FloatArray, clusters: Mapping[str, ArrayLike]) -> Spread:
    """Variance of an estimate from the contribution of each row.

    Parameters
    ----------
    contributions : ndarray, shape (n_rows, n_quantities)
        Linearised: they sum to zero.
    clusters : mapping of str to array of shape (n_rows,)
        One or two kinds (``"speakers"``, ``"words"``).
    """
    n_rows, n_quantities = contributions.shape
    codes = codes_of(clusters, n_rows)
    cells = np.zeros(n_quantities)
    if "cells" in codes:
        each = codes.pop("cells")
        cells = (sums_by(contributions, each, int(each.max()) + 1) ** 2).sum(axis=0)
    summed, weights = {}, {}
    for kind, each in codes.items():
        n_groups = int(each.max(initial=-1)) + 1
        summed[kind] = sums_by(contributions, each, n_groups)
        rows = np.bincount(each, minlength=n_groups).astype(np.float64)
        weights[kind] = cluster_weights(np.repeat(rows[:, None], n_quantities, axis=1))
    return crossed_variance(summed, weights, cells)


def jackknife(
    statistic: Statistic,
    n_rows: int,
    clusters: Mapping[str, ArrayLike],
    *,
    level: float = 0.95,
    null: float = 0.0,
) -> Inference:
    """Estimates with intervals and tests over clusters.

    Parameters
    ----------
    statistic : callable
        From which rows are kept, 0 or 1 of shape (n_rows, n_sets), to one or several values of
        each set, shape (n_sets, n_quantities). It is called for many sets at once.
    n_rows : int
        How many rows there are.
    clusters : mapping of str to array of shape (n_rows,)
        One or two kinds (``"speakers"``, ``"words"``).
    level : float
        Confidence level.
    null : float
        What the test compares with.

    Returns
    -------
    Inference
        Each of shape (n_quantities,). Values that do not exist without some cluster have no
        interval.

    Raises
    ------
    ConfigError
        If clusters do not fit the rows.
    """
    codes = codes_of(clusters, n_rows)
    whole = statistic(np.ones((n_rows, 1)))[0]
    summed: dict[str, FloatArray] = {}
    weights = {}
    for kind, each in codes.items():
        counts = np.bincount(each).astype(np.float64)
        parts = []
        for start in range(0, len(counts), _SETS_AT_ONCE):
            groups = np.arange(start, min(start + _SETS_AT_ONCE, len(counts)))
            parts.append(statistic((each[:, None] != groups).astype(np.float64)))
        left_out = np.concatenate(parts)
        summed[kind] = (1 - counts / n_rows)[:, None] * (whole - left_out)
        weights[kind] = cluster_weights(np.repeat(counts[:, None], len(whole), axis=1))
    cells = np.zeros(len(whole))
    if "cells" in summed:
        cells = (summed.pop("cells") ** 2).sum(axis=0)
        weights.pop("cells")
    spread = crossed_variance(summed, weights, cells)
    lost = ~np.isfinite(spread.variance) & (spread.reason == "")
    reason = np.where(lost, "hangs on a single cluster", spread.reason)
    return infer(whole, Spread(spread.variance, spread.df, reason), level=level, null=null)


def mean_of(values: FloatArray) -> Statistic:
    """The statistic that is the mean of some columns, shape (n_rows, n_quantities)."""
    return lambda kept: (kept.T @ values) / kept.sum(axis=0)[:, None]
