"""How concentrated a map is, which says nothing about how right it is."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from stressnet.explain.faithfulness.checks import CONSTANT, NOT_FINITE, ZERO, check_maps
from stressnet.explain.faithfulness.scores import Scores


def sparseness(maps: Tensor, *, cells: Tensor | None = None) -> Scores:
    """Gini index of absolute relevance: 0 all cells alike, near 1 one cell has it all.

    ``Σ_i (2i - n - 1) |R|_(i) / (n Σ |R|)`` with values in rising order. Gaussian noise has
    √2 - 1 ≈ 0.414.

    References
    ----------
    Chalasani et al. (2020) ICML, "Concise explanations of neural networks using adversarial
    training".
    """

    def gini(values: Tensor) -> float | str:
        sizes = values.abs()
        if float(sizes.sum()) == 0:
            return ZERO
        n = sizes.numel()
        place = torch.arange(1, n + 1, dtype=torch.float64)
        return float(((2 * place - n - 1) * sizes.sort().values).sum() / (n * sizes.sum()))

    return _of_each(maps, cells, gini)


def complexity(maps: Tensor, *, cells: Tensor | None = None) -> Scores:
    """Entropy in nats of absolute relevance as a distribution over cells; lower is simpler.

    ``-Σ p ln p`` with ``p = |R| / Σ |R|``; ln n for n equal cells, 0 for a single one. Gaussian
    noise has about ln n - 0.284.

    References
    ----------
    Bhatt et al. (2020) IJCAI, "Evaluating and aggregating feature-based model explanations".
    """

    def entropy(values: Tensor) -> float | str:
        sizes = values.abs()
        return _entropy(sizes / sizes.sum()) if float(sizes.sum()) else ZERO

    return _of_each(maps, cells, entropy)


def gaussian_complexity(n_cells: int) -> float:
    """Expected :func:`complexity` of Gaussian noise in many cells."""
    euler = 0.5772156649015329
    mean = math.sqrt(2 / math.pi)
    return math.log(n_cells) - (math.log(2) - euler) / 2 + math.log(mean)


def histogram_entropy(maps: Tensor, *, cells: Tensor | None = None, n_bins: int = 0) -> Scores:
    """Entropy in nats of the histogram of relevance values, over the map's own range.

    Parameters
    ----------
    maps : Tensor, shape (n_samples, ...)
        Maps.
    cells : Tensor of bool, optional
        Cells that count.
    n_bins : int
        Bins of equal width; 0 is Rice's rule, ``2 n^(1/3)`` for n *cells*.

    References
    ----------
    Hedström et al. (2023), "Sanity checks revisited", arXiv:2401.06465, for its use in eMPRT.
    """

    def entropy(values: Tensor) -> float | str:
        low, high = float(values.min()), float(values.max())
        if low == high:
            return CONSTANT
        bins = n_bins or math.ceil(2 * values.numel() ** (1 / 3))
        place = ((values - low) / (high - low) * bins).long().clamp(max=bins - 1)
        return _entropy(place.bincount(minlength=bins).double() / values.numel())

    return _of_each(maps, cells, entropy)


def _entropy(p: Tensor) -> float:
    return float(-torch.special.xlogy(p, p).sum())


def _of_each(
    maps: Tensor, cells: Tensor | None, measure: Callable[[Tensor], float | str]
) -> Scores:
    """A measure of the values that count, map by map."""
    outcomes: list[float | str] = []
    for one, here in zip(maps, check_maps(maps, maps, cells), strict=True):
        values = one.detach().double().cpu()[here]
        if values.numel() == 0:
            outcomes.append("no cell counts")
        else:
            outcomes.append(measure(values) if bool(values.isfinite().all()) else NOT_FINITE)
    return Scores.collect(outcomes)
