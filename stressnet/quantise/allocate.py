"""Bits of each layer under a budget: an integer programme."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import ConfigError

FloatArray = NDArray[np.float64]


def allocate(cost: FloatArray, use: FloatArray, budget: float) -> NDArray[np.intp]:
    """The choice for each layer that costs least in all and uses no more than the budget.

    Parameters
    ----------
    cost : ndarray, shape (n_layers, n_choices)
        What is lost if a layer gets a number of bits.
    use : ndarray, shape (n_layers, n_choices)
        What it takes from the budget then, e.g. its size.
    budget : float

    Returns
    -------
    ndarray of int, shape (n_layers,)
        Index of the choice. Solved by the branch and bound of HiGHS (``scipy.optimize.milp``).

    Raises
    ------
    ConfigError
        If no choice is within the budget.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    n_layers, n_choices = cost.shape
    if use.min(axis=1).sum() > budget * (1 + 1e-9):
        raise ConfigError("the budget is below what all layers need with the fewest bits")
    scale = np.abs(cost).max() or 1.0
    one_each = np.kron(np.eye(n_layers), np.ones(n_choices))
    solved = milp(
        (cost / scale * 1e4).ravel(),
        integrality=np.ones(cost.size),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(use.ravel() / budget, -np.inf, 1 + 1e-9),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return np.asarray(solved.x.reshape(cost.shape).argmax(axis=1))


def exhaustive(cost: FloatArray, use: FloatArray, budget: float) -> NDArray[np.intp]:
    """As :func:`allocate`, by trying every choice: for few layers, and as its check."""
    rows = range(len(cost))
    best, least = None, np.inf
    for chosen in itertools.product(range(cost.shape[1]), repeat=len(cost)):
        total = cost[rows, chosen].sum()
        if total < least and use[rows, chosen].sum() <= budget * (1 + 1e-9):
            best, least = chosen, total
    if best is None:
        raise ConfigError("the budget is below what all layers need with the fewest bits")
    return np.asarray(best, dtype=np.intp)


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's correlation; nan where one of them does not vary."""
    from scipy.stats import rankdata

    a, b = rankdata(first), rankdata(second)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else float("nan")
