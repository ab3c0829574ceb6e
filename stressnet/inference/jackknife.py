"""Intervals over speakers and words for any number that can be computed from rows.

Rank correlations, ratios and curves are not sums, but leaving out one cluster after another says
how much each contributes (Quenouille 1956, *Biometrika* 43:353-360). With w the share of rows in a
cluster and t its value without it,

    U = (1 - w) (t_all - t)

which for a mean is exactly its linearised contribution; the rest is
:mod:`stressnet.inference.twoway`, so that intervals mean the same as everywhere else.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.inference.twoway import Inference, Spread, crossed_variance, infer, sums_by

Statistic = Callable[[FloatArray], FloatArray]
"""From which rows are kept, 0 or 1 of shape (n_rows, n_sets), to values (n_sets, n_quantities)."""

_SETS_AT_ONCE = 512


def _codes(clusters: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.intp]]:
    """Cluster numbers 0, 1, ... of each row, per kind; for two kinds also their ``cells``."""
    if len(clusters) not in (1, 2):
        raise ConfigError(f"{len(clusters)} kinds of clusters; pass speakers, words, or both")
    codes: dict[str, NDArray[np.intp]] = {}
    for kind, names in clusters.items():
        codes[kind] = pd.factorize(np.asarray(names))[0].astype(np.intp)
    if len(codes) == 2:
        one, other = codes.values()
        crossed = one * (int(other.max(initial=0)) + 1) + other
        codes["cells"] = pd.factorize(crossed)[0].astype(np.intp)
    return codes


def _spread(
    contributions: Mapping[str, FloatArray], codes: Mapping[str, NDArray[np.intp]]
) -> Spread:
    """Variance from the contributions of clusters and cells, which weigh as their rows do."""
    bottoms = {}
    for kind, u in contributions.items():
        if kind != "cells":
            counts = np.bincount(codes[kind]).astype(np.float64)
            bottoms[kind] = np.repeat(counts[:, None], u.shape[1], axis=1)
    return crossed_variance(contributions, bottoms)


def spread_of(contributions: FloatArray, clusters: Mapping[str, ArrayLike]) -> Spread:
    """Variance of an estimate from the contribution of each row.

    Contributions are linearised (they sum to zero), shape (n_rows, n_quantities). ``clusters`` are
    one or two kinds (``"speakers"``, ``"words"``), each of shape (n_rows,).
    """
    codes = _codes(clusters)
    summed = {
        kind: sums_by(contributions, each, int(each.max(initial=-1)) + 1)
        for kind, each in codes.items()
    }
    return _spread(summed, codes)


def jackknife(statistic: Statistic, n_rows: int, clusters: Mapping[str, ArrayLike]) -> Inference:
    """Estimates with intervals and tests over clusters, each of shape (n_quantities,).

    The ``statistic`` is called for many sets of rows at once; ``clusters`` are those of
    :func:`spread_of`. Values that do not exist without some cluster have no interval.
    """
    codes = _codes(clusters)
    everything = statistic(np.ones((n_rows, 1)))[0]
    contributions: dict[str, FloatArray] = {}
    for kind, each in codes.items():
        counts = np.bincount(each).astype(np.float64)
        parts = []
        for start in range(0, len(counts), _SETS_AT_ONCE):
            groups = np.arange(start, min(start + _SETS_AT_ONCE, len(counts)))
            parts.append(statistic((each[:, None] != groups).astype(np.float64)))
        share = counts / n_rows
        contributions[kind] = (1 - share)[:, None] * (everything - np.concatenate(parts))
    spread = _spread(contributions, codes)
    lost = ~np.isfinite(spread.variance) & (spread.reason == "")
    reason = np.where(lost, "hangs on a single cluster", spread.reason)
    return infer(everything, Spread(spread.variance, spread.df, reason, spread.note))


def mean_of(values: FloatArray) -> Statistic:
    """The statistic that is the mean of some columns, shape (n_rows, n_quantities)."""

    def mean(kept: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore"):  # without the only cluster, nothing is left
            return (kept.T @ values) / kept.sum(axis=0)[:, None]

    return mean
