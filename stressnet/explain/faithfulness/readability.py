"""How concentrated a map is. Not how right: one wrong cell is as sparse as one right cell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stressnet.explain.faithfulness.checks import NOT_FINITE, ZERO, check_maps
from stressnet.explain.faithfulness.scores import Scores

GAUSSIAN_GINI = math.sqrt(2) - 1
"""Gini index of the absolute values of Gaussian noise, the chance level of sparseness."""


def sparseness(maps: Tensor, *, cells: Tensor | None = None) -> Scores:
    """Gini index of absolute relevance: 0 all cells alike, near 1 one cell has it all.

    ``Σ_i (2i - n - 1) |R|_(i) / (n Σ |R|)`` with values in rising order. Gaussian noise has
    √2 - 1 ≈ 0.414.

    References
    ----------
    Chalasani et al. (2020) ICML, "Concise explanations of neural networks using adversarial
    training".
    """
    values, reasons = [], []
    for sizes in _absolute(maps, cells):
        reason = _problem(sizes)
        reasons.append(reason)
        if reason:
            values.append(torch.nan)
            continue
        ordered, n = sizes.sort().values, sizes.numel()
        place = torch.arange(1, n + 1, dtype=torch.float64)
        values.append(float(((2 * place - n - 1) * ordered).sum() / (n * ordered.sum())))
    return Scores.of(torch.tensor(values, dtype=torch.float64), reasons)


def complexity(maps: Tensor, *, cells: Tensor | None = None) -> Scores:
    """Entropy in nats of absolute relevance as a distribution over cells; lower is simpler.

    ``-Σ p ln p`` with ``p = |R| / Σ |R|``; ln n for n equal cells, 0 for a single one. Gaussian
    noise has about ln n - 0.284.

    References
    ----------
    Bhatt et al. (2020) IJCAI, "Evaluating and aggregating feature-based model explanations".
    """
    values, reasons = [], []
    for sizes in _absolute(maps, cells):
        reason = _problem(sizes)
        reasons.append(reason)
        if reason:
            values.append(torch.nan)
            continue
        p = sizes / sizes.sum()
        values.append(float(-torch.special.xlogy(p, p).sum()))
    return Scores.of(torch.tensor(values, dtype=torch.float64), reasons)


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
    mine = check_maps(maps, maps, cells)
    values, reasons = [], []
    for one, here in zip(maps, mine, strict=True):
        found = one.detach().double().cpu()[here]
        if found.numel() == 0 or not bool(torch.isfinite(found).all()):
            values.append(torch.nan)
            reasons.append(NOT_FINITE if found.numel() else "no cell counts")
            continue
        low, high = float(found.min()), float(found.max())
        if low == high:
            values.append(torch.nan)
            reasons.append("the map is the same everywhere")
            continue
        bins = n_bins or math.ceil(2 * found.numel() ** (1 / 3))
        place = ((found - low) / (high - low) * bins).long().clamp(max=bins - 1)
        p = place.bincount(minlength=bins).double() / found.numel()
        values.append(float(-torch.special.xlogy(p, p).sum()))
        reasons.append("")
    return Scores.of(torch.tensor(values, dtype=torch.float64), reasons)


def _absolute(maps: Tensor, cells: Tensor | None) -> list[Tensor]:
    mine = check_maps(maps, maps, cells)
    return [one.detach().double().cpu()[here].abs() for one, here in zip(maps, mine, strict=True)]


def _problem(sizes: Tensor) -> str:
    if sizes.numel() == 0:
        return "no cell counts"
    if not bool(torch.isfinite(sizes).all()):
        return NOT_FINITE
    return ZERO if float(sizes.sum()) == 0 else ""
