"""ERASER's measures over given units (phones, bands, any masks) instead of single cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.faithfulness.checks import check_generator, map_problems
from stressnet.explain.faithfulness.removal import Removal
from stressnet.explain.faithfulness.scores import Scores, combine_reasons

TOO_FEW = "fewer than two units"
TIED = "all units have the same relevance"


def unit_relevance(relevance: Tensor, units: Tensor, *, by: str = "sum") -> Tensor:
    """Relevance of each unit of one sample.

    Parameters
    ----------
    units : Tensor of bool, shape (n_units, ...)
        Masks; they may overlap.
    by : {"sum", "mean"}
        Sum over the unit's cells (what the map says that removing it costs), or mean per cell.
    """
    if units.dtype != torch.bool or units.shape[1:] != relevance.shape:
        raise ConfigError(
            f"units must be bool masks of the map's shape {tuple(relevance.shape)}, not "
            f"{units.dtype} {tuple(units.shape[1:])}"
        )
    if by not in ("sum", "mean"):
        raise ConfigError(f"units are ranked by 'sum' or 'mean', not {by!r}")
    values = (units * relevance.detach().double().cpu()).reshape(len(units), -1).sum(dim=1)
    areas = units.reshape(len(units), -1).sum(dim=1).clamp(min=1)
    return values / areas if by == "mean" else values


def comprehensiveness_over_units(
    removal: Removal,
    units: Sequence[Tensor],
    generator: torch.Generator,
    *,
    by: str = "sum",
    n_random: int = 3,
    keep: bool = False,
) -> tuple[Scores, Scores]:
    """Mean drop of the score when the most relevant units are removed; higher is better.

    ``1/K Σ_k [m(x) - m(x without its k most relevant units)]`` for k = 1 ... half of the units
    (DeYoung et al. 2020, with units in place of tokens).

    Parameters
    ----------
    removal : Removal
        What is judged; a map's units alone are removed, whatever its ``cells``.
    units : sequence of Tensor of bool, each of shape (n_units, ...)
        The units of each sample.
    by : {"sum", "mean"}
        See :func:`unit_relevance`.
    keep : bool
        Remove all other units instead (:func:`sufficiency_over_units`).

    Returns
    -------
    values, chance : Scores
        The measure, and its mean over ``n_random`` random orders of the same units.
    """
    check_generator(generator)
    if len(units) != len(removal.inputs):
        raise ConfigError(f"{len(units)} lists of units for {len(removal.inputs)} inputs")
    if n_random < 0:
        raise ConfigError(f"n_random must not be negative, but is {n_random}")
    reasons, orders = [], []
    for one, masks in zip(removal.maps, units, strict=True):
        values = unit_relevance(one, masks, by=by)
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
