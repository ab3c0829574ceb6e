"""Do two maps of the same input say the same?"""

from __future__ import annotations

import torch
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
    mine = check_maps(maps, others, cells)
    if absolute:
        maps, others = maps.abs(), others.abs()
    reasons = combine_reasons(map_problems(maps, mine), map_problems(others, mine))
    values = torch.full((len(maps),), torch.nan, dtype=torch.float64)
    for sample, reason in enumerate(reasons):
        if reason:
            continue
        a, b = (_ranks(m[sample].detach().cpu()[mine[sample]]) for m in (maps, others))
        values[sample] = (a * b).sum() / (a.norm() * b.norm())
    return Scores.of(values, reasons)


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
    mine = check_maps(maps, others, cells)
    if not 0 < fraction < 1:
        raise ConfigError(f"fraction must lie between 0 and 1, not {fraction}")
    reasons = combine_reasons(map_problems(maps, mine), map_problems(others, mine))
    values = torch.full((len(maps),), torch.nan, dtype=torch.float64)
    for sample, reason in enumerate(reasons):
        if reason:
            continue
        a, b = (m[sample].detach().double().cpu()[mine[sample]] for m in (maps, others))
        k = max(1, round(fraction * a.numel()))
        values[sample] = (top_membership(a, k) * top_membership(b, k)).sum() / k
    return Scores.of(values, reasons)


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
    _, place, counts = values.double().unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    middle = ends - (counts.double() - 1) / 2
    ranks = middle[place]
    return ranks - ranks.mean()
