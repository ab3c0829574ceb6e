"""Bits of each layer under a budget: an integer programme."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.quantise.scores import RANDOM, UNIFORM, costs
from stressnet.quantise.simulate import Simulation


def allocate(cost: FloatArray, use: FloatArray, budget: float) -> NDArray[np.intp]:
    """The choice for each layer that costs least in all and uses no more than the budget.

    ``cost`` and ``use``, of shape (n_layers, n_choices), are what is lost if a layer gets a number
    of bits, and what that takes from the budget. Returns the index of each layer's choice, by the
    branch and bound of HiGHS (``scipy.optimize.milp``). Raises `ConfigError` if no choice is within
    the budget.
    """
    from scipy.optimize import LinearConstraint, milp

    if use.min(axis=1).sum() > budget * (1 + 1e-9):
        raise ConfigError("the budget is below what all layers need with the fewest bits")
    n_layers, n_choices = cost.shape
    one_each = np.kron(np.eye(n_layers), np.ones(n_choices))
    # Where bits cost the same, what is left of the budget is used.
    wanted = cost / (np.abs(cost).max() or 1.0) * 1e4 - use / budget * 1e-4
    solved = milp(
        wanted.ravel(),
        integrality=np.ones(cost.size),
        bounds=(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(use.ravel() / budget, -np.inf, 1 + 1e-9),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return np.asarray(solved.x.reshape(cost.shape).argmax(axis=1))


def plan_table(
    wanted: Any, net: Simulation, known: Mapping[str, FloatArray], error: FloatArray
) -> pd.DataFrame:
    """Bits of every layer by every score under every budget.

    ``wanted`` has ``scores, budget, budgets, choices, random_draws`` and ``seed`` as the command's
    config does; ``known`` and ``error`` are those of :func:`stressnet.quantise.scores.costs`.
    """
    bits = np.array(wanted.choices)
    in_size = wanted.budget == "size"
    amounts = np.array([one.n_weights if in_size else one.n_macs for one in net.layers], float)
    power = 1 if in_size else 2
    use, names = np.outer(amounts, bits**power), [layer.name for layer in net.layers]
    parts = []
    for mean_bits, score in itertools.product(wanted.budgets, wanted.scores):
        for draw in range(wanted.random_draws if score == RANDOM else 1):
            if score == UNIFORM:
                chosen = np.full(len(amounts), bits[bits <= mean_bits].max())
            else:
                cost = costs(score, net, bits, known, error, 1000 * wanted.seed + draw)
                chosen = bits[allocate(cost, use, mean_bits**power * amounts.sum())]
            about = {"score": score, "draw": draw, "mean_bits": mean_bits}
            parts.append(pd.DataFrame(about | {"layer": names, "bits": chosen}))
    return pd.concat(parts, ignore_index=True)
