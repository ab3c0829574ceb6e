"""Measures of where positive relevance lies, against any mask, each with its chance level.

Masks are ground truth for synthetic data. For speech a mask (a vowel, a formant band) is where
phonetics expects the cue; a low value may mean that the network listens elsewhere.

Every function returns the values and their chance levels. Empty masks, masks that cover
everything, and maps without positive relevance have no value, and say why.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.faithfulness.agreement import top_membership
from stressnet.explain.faithfulness.checks import NO_CELL, NOT_FINITE, check_maps
from stressnet.explain.faithfulness.scores import Scores

EMPTY_MASK = "the region is empty"
FULL_MASK = "the region covers everything"
NO_POSITIVE = "the map has no positive relevance"


def relevance_mass_accuracy(
    maps: Tensor, masks: Tensor, *, cells: Tensor | None = None
) -> tuple[Scores, Scores]:
    """Share of positive relevance inside the mask; higher is better, chance is the mask's area.

    ``Σ_mask R⁺ / Σ R⁺``. Never with signed relevance, whose sums cancel.

    Parameters
    ----------
    maps : Tensor, shape (n_samples, ...)
        Maps.
    masks : Tensor, shape of the maps
        Bool, or the part of each cell that belongs to the region, within [0, 1].
    cells : Tensor of bool, optional
        Cells that count; all if left out.

    Returns
    -------
    values, chance : Scores

    References
    ----------
    Arras et al. (2022) Information Fusion 81:14-40.
    """

    def measure(values: Tensor, mask: Tensor) -> tuple[float, float]:
        positive = values.clamp(min=0)
        return float((positive * mask).sum() / positive.sum()), float(mask.mean())

    return _localise(maps, masks, cells, measure)


def relevance_rank_accuracy(
    maps: Tensor, masks: Tensor, *, cells: Tensor | None = None
) -> tuple[Scores, Scores]:
    """Share of the mask's K cells among the K most relevant; chance is the mask's area.

    ``|top_K(R) ∩ mask| / K`` with K the mask's size; cells that tie for the last places count by
    their chance of getting one. Cells belong to the mask from a part of one half on. Parameters as
    for :func:`relevance_mass_accuracy` (Arras et al. 2022).
    """

    def measure(values: Tensor, mask: Tensor) -> tuple[float, float]:
        inside = (mask >= 0.5).double()
        k = int(inside.sum())
        return float((top_membership(values, k) * inside).sum()) / k, float(inside.mean())

    return _localise(maps, masks, cells, measure)


def average_precision(
    maps: Tensor, masks: Tensor, *, cells: Tensor | None = None
) -> tuple[Scores, Scores]:
    """Area under the precision-recall curve of "inside" by relevance; chance is the mask's area.

    ``Σ_t (recall_t - recall_{t-1}) precision_t`` over distinct relevance values t (cells that tie
    enter together). Fit for small masks, where the area under the ROC flatters. Parameters as for
    :func:`relevance_mass_accuracy`; cells belong to the mask from a part of one half on.

    References
    ----------
    Davis & Goadrich (2006) ICML.
    """

    def measure(values: Tensor, mask: Tensor) -> tuple[float, float]:
        inside = (mask >= 0.5).double()
        order = values.argsort(descending=True)
        ordered, hits = values[order], inside[order].cumsum(0)
        last = torch.cat([ordered[1:] != ordered[:-1], torch.ones(1, dtype=torch.bool)])
        hits, place = hits[last], torch.nonzero(last)[:, 0] + 1
        gained = torch.diff(hits, prepend=torch.zeros(1, dtype=torch.float64))
        return float((gained * hits / place).sum() / inside.sum()), float(inside.mean())

    return _localise(maps, masks, cells, measure)


def pointing_game(
    maps: Tensor,
    masks: Tensor,
    *,
    tolerance: tuple[int, int] = (0, 0),
    cells: Tensor | None = None,
) -> tuple[Scores, Scores]:
    """1 if the most relevant cell lies in the mask or within the tolerance; chance is that area.

    If several cells share the largest relevance, their share inside.

    Parameters
    ----------
    maps, masks, cells
        As for :func:`relevance_mass_accuracy`; a tolerance needs (batch, channels, bins, frames).
    tolerance : tuple of int
        Bins and frames by which the mask is widened on either side.

    References
    ----------
    Zhang et al. (2018) IJCV 126:1084-1102.
    """
    if min(tolerance) < 0:
        raise ConfigError(f"tolerance must not be negative, but is {tolerance}")
    wide = masks
    if any(tolerance):
        if masks.dim() != 4:
            raise ConfigError("a tolerance needs masks (batch, channels, bins, frames)")
        sides = (2 * tolerance[0] + 1, 2 * tolerance[1] + 1)
        inside = (masks.cpu().double() >= 0.5).double()
        wide = torch.nn.functional.max_pool2d(inside, sides, stride=1, padding=tolerance)

    def measure(values: Tensor, mask: Tensor) -> tuple[float, float]:
        inside = (mask >= 0.5).double()
        return float(inside[values == values.max()].mean()), float(inside.mean())

    return _localise(maps, wide, cells, measure, given=masks)


def _localise(
    maps: Tensor,
    masks: Tensor,
    cells: Tensor | None,
    measure: Callable[[Tensor, Tensor], tuple[float, float]],
    given: Tensor | None = None,
) -> tuple[Scores, Scores]:
    """Apply a measure, and the level of chance, to the cells that count of each sample."""
    counting = check_maps(maps, masks, cells)
    exact = masks.detach().cpu().double()
    if not bool(((exact >= 0) & (exact <= 1)).all()):
        raise ConfigError("masks must lie within [0, 1]")
    stated = exact if given is None else given.detach().cpu().double()
    outcomes = []
    for one, mask, own, here in zip(maps, exact, stated, counting, strict=True):
        values = one.detach().cpu().double()[here]
        reason = _problem(values, own[here], mask[here])
        outcomes.append((reason, reason) if reason else measure(values, mask[here]))
    values, chances = zip(*outcomes, strict=True)
    return Scores.collect(values), Scores.collect(chances)


def _problem(values: Tensor, stated: Tensor, mask: Tensor) -> str:
    if values.numel() == 0:
        return NO_CELL
    if not bool((stated >= 0.5).any()):
        return EMPTY_MASK
    if bool((mask >= 0.5).all()):
        return FULL_MASK
    if not bool(torch.isfinite(values).all()):
        return NOT_FINITE
    return "" if bool((values > 0).any()) else NO_POSITIVE
