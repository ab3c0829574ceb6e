"""Ensembles: the mean of several maps, each brought to the same scale first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from stressnet.errors import ConfigError

Normalisation = Literal["absolute-sum", "maximum"]


def mean_of_maps(
    maps: Sequence[Tensor],
    normalisation: Normalisation = "absolute-sum",
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Mean of maps, each divided by its scale within every sample; a map of zeros stays zero.

    Parameters
    ----------
    maps : sequence of Tensor, shape (batch, ...)
        Signed or unsigned; mixing the two kinds is the caller's decision.
    normalisation : {"absolute-sum", "maximum"}
        Scale of a sample's map: sum of its absolute values, or the largest of them.
    weights : sequence of float, optional
        One per map, not negative; equal by default. Only their ratios matter.

    Returns
    -------
    Tensor, shape (batch, ...)
        Without unit: its sum means nothing.

    Raises
    ------
    ConfigError
        For no map, maps of different shapes, or wrong weights.
    """
    if not maps:
        raise ConfigError("an ensemble needs at least one map")
    if len({tuple(one.shape) for one in maps}) > 1:
        raise ConfigError(f"maps differ in shape: {', '.join(str(tuple(m.shape)) for m in maps)}")
    if normalisation not in ("absolute-sum", "maximum"):
        raise ConfigError(f"normalisation is 'absolute-sum' or 'maximum', not {normalisation!r}")
    shares = [1.0] * len(maps) if weights is None else [float(weight) for weight in weights]
    if len(shares) != len(maps) or min(shares) < 0 or sum(shares) == 0:
        raise ConfigError(f"weights must be {len(maps)} numbers >= 0, not all zero: {shares}")
    total = torch.zeros_like(maps[0])
    for one, share in zip(maps, shares, strict=True):
        size = one.abs().reshape(len(one), -1)
        scale = size.sum(dim=1) if normalisation == "absolute-sum" else size.amax(dim=1)
        scale = torch.where(scale == 0, 1, scale).reshape(-1, *(1,) * (one.dim() - 1))
        total = total + share / sum(shares) * one / scale
    return total
