"""Measures of maps alone: how two agree, how concentrated one is, and where it lies.

Concentration says nothing about how right a map is. Masks are ground truth for synthetic data. For
speech a mask (a vowel, a formant band) is where phonetics expects the cue; a low value may mean
that the network listens elsewhere.
"""

import math
from collections.abc import Callable

import torch
from scipy.stats import rankdata
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.faithfulness.scores import (
    CONSTANT,
    NO_CELL,
    NOT_FINITE,
    ZERO,
    Scores,
    check_generator,
    check_maps,
    combine_reasons,
    counted,
    map_problems,
)

EMPTY_MASK = "the region is empty"
FULL_MASK = "the region covers everything"
NO_POSITIVE = "the map has no positive relevance"


def rank_correlation(maps: Tensor, others: Tensor, *, cells: Tensor | None = None) -> Scores:
    """Spearman's correlation of two maps over the cells that count; 1 is agreement, 0 chance.

    Maps (n_samples, ...) are by two methods, or of two networks. Of their cells those of the mask
    ``cells`` count, all if left out. Ties share their mean rank. Neighbouring cells of smooth maps
    are not independent, so values are compared with each other, not with a t table.
    """

    def correlation(*pair: Tensor) -> float:
        a, b = (torch.from_numpy(rankdata(values)) for values in pair)
        a, b = a - a.mean(), b - b.mean()
        return float((a * b).sum() / (a.norm() * b.norm()))

    return _compare(maps, others, cells, correlation)


def top_overlap(
    maps: Tensor, others: Tensor, *, fraction: float = 0.05, cells: Tensor | None = None
) -> Scores:
    """Share of the top cells of one map among the top cells of the other; chance is ``fraction``.

    ``|top_k(R) ∩ top_k(R')| / k`` with ``k = fraction`` (within (0, 1)) of the cells that count, at
    least one. Cells that tie for the last places count by their chance of getting one. Other
    parameters as for :func:`rank_correlation`.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"fraction must lie between 0 and 1, not {fraction}")

    def overlap(a: Tensor, b: Tensor) -> float:
        k = max(1, round(fraction * a.numel()))
        return float((top_membership(a, k) * top_membership(b, k)).sum() / k)

    return _compare(maps, others, cells, overlap)


def _compare(
    maps: Tensor, others: Tensor, cells: Tensor | None, measure: Callable[[Tensor, Tensor], float]
) -> Scores:
    """A measure of the values that count in both maps of each pair."""
    counting = check_maps(maps, others, cells)
    reasons = combine_reasons(map_problems(maps, counting), map_problems(others, counting))
    pairs = zip(reasons, counted(counting, maps, others), strict=True)
    return Scores.collect(reason or measure(*values) for reason, values in pairs)


def top_membership(values: Tensor, k: int) -> Tensor:
    """Chance of each value to be among the ``k`` largest when ties are broken at random."""
    last = values.topk(k).values[-1]
    above, tied = values > last, values == last
    share = (k - int(above.sum())) / int(tied.sum())
    return above.double() + share * tied.double()


def sparseness(maps: Tensor, *, cells: Tensor | None = None) -> Scores:
    """Gini index of absolute relevance: 0 all cells alike, near 1 one cell has it all.

    ``Σ_i (2i - n - 1) |R|_(i) / (n Σ |R|)`` with values in rising order (Chalasani et al. 2020,
    ICML). Gaussian noise has √2 - 1 ≈ 0.414.
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

    ``-Σ p ln p`` with ``p = |R| / Σ |R|`` (Bhatt et al. 2020, IJCAI); ln n for n equal cells, 0 for
    a single one. Gaussian noise has about ln n - 0.284.
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

    ``n_bins`` have equal width; 0 is Rice's rule, ``2 n^(1/3)`` for n *cells* (Hedström et al.
    2023, "Sanity checks revisited", arXiv:2401.06465).
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
    for (values,) in counted(check_maps(maps, maps, cells), maps):
        if values.numel() == 0:
            outcomes.append("no cell counts")
        else:
            outcomes.append(measure(values) if bool(values.isfinite().all()) else NOT_FINITE)
    return Scores.collect(outcomes)


def relevance_mass_accuracy(
    maps: Tensor, masks: Tensor, *, cells: Tensor | None = None
) -> tuple[Scores, Scores]:
    """Share of positive relevance inside the mask; higher is better, chance is the mask's area.

    ``Σ_mask R⁺ / Σ R⁺`` (Arras et al. 2022, Information Fusion 81:14-40). Never with signed
    relevance, whose sums cancel. ``masks``, of the maps' shape, are bool, or the part of each cell
    that belongs to the region, within [0, 1]; of the cells those of ``cells`` count, all if left
    out. Returns values and their level of chance.
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
    enter together; Davis & Goadrich 2006, ICML). Fit for small masks, where the area under the ROC
    flatters. Parameters as for :func:`relevance_mass_accuracy`; cells belong to the mask from a
    part of one half on.
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
    maps: Tensor, masks: Tensor, *, tolerance: tuple[int, int] = (0, 0), cells: Tensor | None = None
) -> tuple[Scores, Scores]:
    """1 if the most relevant cell lies in the mask or within the tolerance; chance is that area.

    If several cells share the largest relevance, their share inside (Zhang et al. 2018, IJCV
    126:1084-1102). Parameters as for :func:`relevance_mass_accuracy`; ``tolerance`` is bins and
    frames by which the mask, then of shape (batch, channels, bins, frames), is widened on either
    side.
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
    if not bool(((masks >= 0) & (masks <= 1)).all()):
        raise ConfigError("masks must lie within [0, 1]")
    outcomes = []
    for values, mask, own in counted(counting, maps, masks, masks if given is None else given):
        reason = _problem(values, own, mask)
        outcomes.append((reason, reason) if reason else measure(values, mask))
    measured, chances = zip(*outcomes, strict=True)
    return Scores.collect(measured), Scores.collect(chances)


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


def displaced(maps: Tensor, generator: torch.Generator, *, cells: Tensor | None = None) -> Tensor:
    """Each map moved circularly by a random step along every axis, within the cells that count.

    A map's most relevant cells lie in blobs, and removing a blob is not like removing scattered
    cells. The displaced map has the same blobs, hence regions of equal area and (up to wrapping)
    equal shape, in a place that owes nothing to the model. Steps are uniform and not all zero. The
    map moves within the smallest box around ``cells``; outside it stays as it is.
    """
    counting = check_maps(maps, maps, cells)
    check_generator(generator)
    moved = maps.detach().clone()
    for sample, one in enumerate(counting):
        where = torch.nonzero(one)
        if len(where) < 2:
            continue
        low, high = where.amin(dim=0), where.amax(dim=0) + 1
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        sizes = (high - low).tolist()
        while True:
            steps = [int(torch.randint(size, (1,), generator=generator)) for size in sizes]
            if any(steps):
                break
        part = moved[sample][box]
        moved[sample][box] = torch.roll(part, steps, dims=tuple(range(part.dim())))
    return moved
