"""Displaced maps: chance levels made from the maps themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from stressnet.explain.faithfulness.checks import check_generator, check_maps


def displaced(maps: Tensor, generator: torch.Generator, *, cells: Tensor | None = None) -> Tensor:
    """Each map moved circularly by a random step along every axis, within the cells that count.

    A map's most relevant cells lie in blobs, and removing a blob is not like removing scattered
    cells. The displaced map has the same blobs, hence regions of equal area and (up to wrapping)
    equal shape, in a place that owes nothing to the model. Steps are uniform and not all zero.

    Parameters
    ----------
    maps : Tensor, shape (n_samples, ...)
        Maps.
    generator : torch.Generator
        Draws the steps.
    cells : Tensor of bool, optional
        The map moves within the smallest box around these; outside it stays as it is.

    Returns
    -------
    Tensor, shape of the maps
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
