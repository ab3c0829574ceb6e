"""Score of the model when cells or units that a map calls important are removed, or kept alone.

Every function takes a :class:`Removal` and a generator, which breaks ties: a map that is zero in
half of its cells does not rank those.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.checks import at_least_one
from stressnet.explain.faithfulness.baselines import Baseline
from stressnet.explain.faithfulness.scores import (
    Score,
    Scores,
    check_generator,
    check_maps,
    combine_reasons,
    map_problems,
)

ERASER_FRACTIONS = (0.01, 0.05, 0.10, 0.20, 0.50)  # Of the cells, for ERASER's averages
ROAD_FRACTIONS = (0.10, 0.30, 0.50, 0.70, 0.90)  # Shares of the cells that ROAD imputes


TOO_FEW = "fewer than two units"
TIED = "all units have the same relevance"


def rank_cells(maps: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
    """Place of each cell by falling relevance, 0 first; cells that do not count come last."""
    ranks = torch.empty(maps.shape, dtype=torch.int64)
    for sample, (one, counting) in enumerate(zip(maps, cells, strict=True)):
        values = one.detach().double().cpu().reshape(-1)
        values = values.masked_fill(~counting.reshape(-1), -torch.inf)
        shuffled = torch.randperm(len(values), generator=generator)
        order = shuffled[values[shuffled].argsort(descending=True, stable=True)]
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order))
        ranks[sample] = rank.reshape(one.shape)
    return ranks


@dataclass(frozen=True)
class Removal:
    """Maps to be judged by what the model says when cells are removed.

    ``inputs`` and ``maps``, relevance for the explained class, have shape (n_samples, ...);
    ``cells`` of them, all if left out, count and may be removed.
    """

    score: Score
    inputs: Tensor
    maps: Tensor
    baseline: Baseline
    cells: Tensor | None = None

    def __post_init__(self) -> None:
        check_maps(self.inputs, self.maps, self.cells)

    @cached_property
    def counting(self) -> Tensor:
        """Cells that count, bool, shape of the inputs."""
        return check_maps(self.inputs, self.maps, self.cells)

    @cached_property
    def problems(self) -> list[str]:
        """Why each map cannot rank its cells; empty where it can."""
        return map_problems(self.maps, self.counting)

    @cached_property
    def untouched(self) -> Tensor:
        """Score of each untouched input, float64, shape (n_samples,)."""
        return self.score(self.inputs)

    def without(self, removed: Tensor) -> Tensor:
        """Score of each input without the cells of a bool mask of the inputs' shape."""
        return self.score(self.baseline(self.inputs, removed))

    def drop(self, removed: Tensor) -> Tensor:
        """What a mask costs: the score of the untouched input minus the score without it."""
        return self.untouched - self.without(removed)

    def mean_drop(self, masks: Sequence[Tensor]) -> Tensor:
        """Mean of :meth:`drop` over masks, shape (n_samples,)."""
        total = torch.zeros(len(self.inputs), dtype=torch.float64)
        for removed in masks:
            total += self.drop(removed)
        return total / len(masks)

    def top(
        self, fractions: Sequence[float], generator: torch.Generator, *, least: bool = False
    ) -> list[Tensor]:
        """Masks of the most (or least) relevant cells, one for each share of the cells that count.

        Each holds at least one cell. Shares must increase within (0, 1].
        """
        check_generator(generator)
        shares = tuple(float(share) for share in fractions)
        if not shares or any(b <= a for a, b in pairwise((0.0, *shares))) or shares[-1] > 1:
            raise ConfigError(f"fractions must increase within (0, 1], not {shares}")
        ranks = rank_cells(-self.maps if least else self.maps, self.counting, generator)
        counts = self.counting.reshape(len(ranks), -1).sum(dim=1)
        counts = counts.reshape(-1, *(1,) * (ranks.dim() - 1))
        numbers = [(counts * share).round().clamp(min=1) for share in shares]
        return [(ranks < number) & self.counting for number in numbers]


def comprehensiveness(
    removal: Removal, generator: torch.Generator, *, fractions: Sequence[float] = ERASER_FRACTIONS
) -> Scores:
    """Mean drop of the score when the most relevant cells are removed; higher is better.

    ``1/K Σ_k [m(x) - m(x without the top q_k of the cells)]`` for ``fractions`` ``q_k``: ERASER's
    comprehensiveness, averaged over thresholds (DeYoung et al. 2020, ACL). ERASER scores the
    probability of the explained class. Chance: the same with a region of equal area and shape
    elsewhere (:func:`~stressnet.explain.faithfulness.map_measures.displaced`).
    """
    masks = removal.top(fractions, generator)
    return Scores.of(removal.mean_drop(masks), removal.problems)


def sufficiency(
    removal: Removal, generator: torch.Generator, *, fractions: Sequence[float] = ERASER_FRACTIONS
) -> Scores:
    """Mean drop of the score when only the most relevant cells are kept; lower is better.

    ``1/K Σ_k [m(x) - m(top q_k of the cells of x alone)]`` (DeYoung et al. 2020). Cells that do not
    count stay. Parameters as for :func:`comprehensiveness`. Not the measure of the same name by
    Dasgupta et al. (2022).
    """
    masks = [removal.counting & ~top for top in removal.top(fractions, generator)]
    return Scores.of(removal.mean_drop(masks), removal.problems)


@dataclass(frozen=True)
class Curve:
    """The score while cells are removed."""

    fractions: Tensor  # Removed shares of the cells that count, the first 0
    values: Tensor  # Scores (n_samples, n_points), NaN where the map ranks nothing
    reasons: tuple[str, ...]

    def area(self) -> Scores:
        """Area under the curve over the removed share (trapezoids), divided by its width."""
        width = self.fractions[-1] - self.fractions[0]
        return Scores.of(torch.trapezoid(self.values, self.fractions) / width, self.reasons)

    def mean(self) -> Scores:
        """Mean of the points after the first."""
        return Scores.of(self.values[:, 1:].mean(dim=1), self.reasons)


def deletion_curve(
    removal: Removal,
    generator: torch.Generator,
    *,
    order: str = "morf",
    fractions: Sequence[float] | int = 10,
) -> Curve:
    """The score while cells are removed, most (``morf``) or least (``lerf``) relevant first.

    A small area is good for MoRF, a large one for LeRF. Their values depend on the model and the
    baseline, so they are only compared between methods (random order is the chance level). Bach et
    al. (2015) PLoS ONE 10(7):e0130140; Samek et al. (2017) IEEE TNNLS 28(11). ``fractions`` are
    removed shares, or the number of equal steps from nothing to everything.
    """
    if order not in ("morf", "lerf"):
        raise ConfigError(f"order must be 'morf' or 'lerf', not {order!r}")
    if isinstance(fractions, int):
        at_least_one("the number of steps", fractions)
        fractions = [(step + 1) / fractions for step in range(fractions)]
    masks = removal.top(fractions, generator, least=order == "lerf")
    scores = torch.stack([removal.untouched, *map(removal.without, masks)], dim=1)
    unranked = torch.tensor([bool(reason) for reason in removal.problems])
    shares = torch.tensor([0.0, *fractions], dtype=torch.float64)
    values = scores.masked_fill(unranked[:, None], torch.nan)
    return Curve(shares, values, tuple(removal.problems))


def relevance_gain(morf: Curve, lerf: Curve) -> Scores:
    """Area under LeRF minus area under MoRF; higher is better, 0 for a random map.

    The difference cancels much of the baseline's own effect on the score (symmetric relevance gain
    of Blücher et al. 2024, TMLR).
    """
    return Scores.of(lerf.area().values - morf.area().values, morf.reasons)


def road(
    removal: Removal,
    generator: torch.Generator,
    *,
    order: str = "morf",
    fractions: Sequence[float] = ROAD_FRACTIONS,
) -> Curve:
    """ROAD: is the class still predicted when ranked cells are imputed from their neighbours?

    Values are 1 where the explained class is still the prediction and 0 elsewhere; their mean over
    *all* samples at one removed share is the retained accuracy (Rong et al. 2022, ICML).
    :meth:`Curve.mean` is a sample's own mean over shares: lower is better for ``morf``, higher for
    ``lerf``. The removal has the baseline
    :func:`~stressnet.explain.faithfulness.baselines.noisy_linear`; its kind of score does not
    matter.
    """
    decided = replace(removal, score=replace(removal.score, kind="decision"))
    return deletion_curve(decided, generator, order=order, fractions=fractions)


def unit_relevance(relevance: Tensor, units: Tensor) -> Tensor:
    """Sum of one sample's relevance in each unit: what the map says that removing it costs."""
    if units.dtype != torch.bool or units.shape[1:] != relevance.shape:
        raise ConfigError(
            f"units must be bool masks of the map's shape {tuple(relevance.shape)}, not "
            f"{units.dtype} {tuple(units.shape[1:])}"
        )
    return (units * relevance.detach().double().cpu()).reshape(len(units), -1).sum(dim=1)


def comprehensiveness_over_units(
    removal: Removal,
    units: Sequence[Tensor],
    generator: torch.Generator,
    *,
    n_random: int = 3,
    keep: bool = False,
) -> tuple[Scores, Scores]:
    """Mean drop of the score when the most relevant units are removed; higher is better.

    ``1/K Σ_k [m(x) - m(x without its k most relevant units)]`` for k = 1 ... half of the units
    (DeYoung et al. 2020, with units in place of tokens). ``units`` are bool masks (n_units, ...) of
    each sample; they alone are removed, whatever the ``cells`` of the removal, or with ``keep`` all
    others (:func:`sufficiency_over_units`). Returns the measure, and its mean over ``n_random``
    random orders of the same units.
    """
    check_generator(generator)
    if len(units) != len(removal.inputs):
        raise ConfigError(f"{len(units)} lists of units for {len(removal.inputs)} inputs")
    if n_random < 0:
        raise ConfigError(f"n_random must not be negative, but is {n_random}")
    reasons, orders = [], []
    for one, masks in zip(removal.maps, units, strict=True):
        values = unit_relevance(one, masks)
        # Equal up to the rounding of sums counts as equal.
        tied = len(values) > 1 and bool(values.max() - values.min() <= 1e-12 * values.abs().max())
        reasons.append(TOO_FEW if len(masks) < 2 else TIED if tied else "")
        best = values.argsort(descending=True, stable=True)
        random = [torch.randperm(len(masks), generator=generator) for _ in range(n_random)]
        orders.append([best, *random])
    everywhere = torch.ones(removal.maps.shape, dtype=torch.bool)
    reasons = combine_reasons(map_problems(removal.maps, everywhere), reasons)
    depth = torch.tensor([(len(masks) + 1) // 2 for masks in units])
    has_order = torch.tensor([not reason for reason in reasons])
    totals = torch.zeros(len(units), 1 + n_random, dtype=torch.float64)
    for row in range(1 + n_random):
        for k in range(1, int(depth.max()) + 1):
            active = has_order & (k <= depth)
            removed = torch.zeros(removal.inputs.shape, dtype=torch.bool)
            for sample in active.nonzero()[:, 0].tolist():
                masks = units[sample]
                top = masks[orders[sample][row][:k]].any(dim=0)
                removed[sample] = masks.any(dim=0) & ~top if keep else top
            totals[:, row] += torch.where(active, removal.drop(removed), 0.0)
    totals /= depth.double().clamp(min=1)[:, None]
    no_chance = [
        reason or ("" if n_random else "no random order was asked for") for reason in reasons
    ]
    return Scores.of(totals[:, 0], reasons), Scores.of(totals[:, 1:].mean(dim=1), no_chance)


def sufficiency_over_units(
    removal: Removal, units: Sequence[Tensor], generator: torch.Generator, **options: Any
) -> tuple[Scores, Scores]:
    """Mean drop of the score when of all units only the most relevant are kept; lower is better.

    Cells in no unit stay. Options and result as for :func:`comprehensiveness_over_units`.
    """
    return comprehensiveness_over_units(removal, units, generator, keep=True, **options)
