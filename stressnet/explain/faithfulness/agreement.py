"""Agreement of two maps of the same input."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.faithfulness.checks import check_maps, map_problems
from stressnet.explain.faithfulness.scores import Scores, combine_reasons


def rank_correlation(
    maps: Tensor, others: Tensor, *, cells: Tensor | None = None, absolute: bool = False
) -> Scores:
    """Spearman's correlation of two maps over the cells that count; 1 is agreement, 0 chance.

    Ties share their mean rank. Neighbouring cells of smooth maps are not independent, so values
    are compared with each other, not with a t table.

    Parameters
    ----------
    maps, others : Tensor, shape (n_samples, ...)
        By two methods, or of two networks.
    cells : Tensor of bool, optional
        Cells that count; all if left out.
    absolute : bool
        Rank by size, whatever the sign.
    """
    if absolute:
        maps, others = maps.abs(), others.abs()

    def correlation(a: Tensor, b: Tensor) -> float:
        a, b = _ranks(a), _ranks(b)
        return float((a * b).sum() / (a.norm() * b.norm()))

    return _compare(maps, others, cells, correlation)


def top_overlap(
    maps: Tensor, others: Tensor, *, fraction: float = 0.05, cells: Tensor | None = None
) -> Scores:
    """Share of the top cells of one map among the top cells of the other; chance is ``fraction``.

    ``|top_k(R) ∩ top_k(R')| / k`` with ``k = fraction`` of the cells that count, at least one.
    Cells that tie for the last places count by their chance of getting one.

    Parameters
    ----------
    maps, others, cells
        As for :func:`rank_correlation`.
    fraction : float
        Within (0, 1).
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
    pairs = zip(reasons, maps, others, counting, strict=True)
    return Scores.collect(
        reason or measure(*(m.detach().double().cpu()[here] for m in (one, other)))
        for reason, one, other, here in pairs
    )


def top_membership(values: Tensor, k: int) -> Tensor:
    """Chance of each value to be among the ``k`` largest when ties are broken at random.

    Parameters
    ----------
    values : Tensor, shape (n,)
        Finite.
    k : int
        Between 1 and n.

    Returns
    -------
    Tensor, shape (n,)
        Adds up to ``k``.
    """
    last = values.topk(k).values[-1]
    above, tied = values > last, values == last
    share = (k - int(above.sum())) / int(tied.sum())
    return above.double() + share * tied.double()


def _ranks(values: Tensor) -> Tensor:
    """Centred ranks; ties share their mean."""
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    middle = ends - (counts.double() - 1) / 2
    ranks = middle[place]
    return ranks - ranks.mean()
