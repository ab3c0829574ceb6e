"""Checks of inputs, maps and cells before a measure runs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.checks import expanded

CONSTANT = "the map is the same everywhere"
NOT_FINITE = "the map has values that are not finite"
ZERO = "the map is zero"
NO_CELL = "no cell may be removed"


def check_maps(inputs: Tensor, maps: Tensor, cells: Tensor | None = None) -> Tensor:
    """Refuse maps or cells of another shape than the inputs; return the cells.

    ``cells`` are a mask that broadcasts to the inputs; all count if it is left out.
    """
    if maps.shape != inputs.shape:
        raise ConfigError(f"maps have shape {tuple(maps.shape)}, but inputs {tuple(inputs.shape)}")
    if inputs.dim() < 2 or len(inputs) == 0:
        raise ConfigError(f"inputs of shape {tuple(inputs.shape)} are no batch of samples")
    if cells is None:
        return torch.ones(inputs.shape, dtype=torch.bool)
    if cells.dtype != torch.bool:
        raise ConfigError(f"cells must be a mask of type bool, not {cells.dtype}")
    return expanded(cells.cpu(), inputs.shape, "a mask of cells")


def counted(cells: Tensor, *tensors: Tensor) -> Iterator[list[Tensor]]:
    """Of each sample the values that count, of each tensor, float64 on the CPU."""
    for here, *ones in zip(cells, *tensors, strict=True):
        yield [one.detach().double().cpu()[here] for one in ones]


def map_problems(maps: Tensor, cells: Tensor) -> list[str]:
    """Why each map cannot rank its cells; empty where it can."""
    problems = []
    for (values,) in counted(cells, maps):
        if values.numel() == 0:
            problems.append(NO_CELL)
        elif not bool(torch.isfinite(values).all()):
            problems.append(NOT_FINITE)
        elif bool((values == values[0]).all()):
            problems.append(ZERO if float(values[0]) == 0 else CONSTANT)
        else:
            problems.append("")
    return problems


def check_generator(generator: torch.Generator) -> None:
    """Refuse anything but a torch generator: no metric draws from the global one."""
    if not isinstance(generator, torch.Generator):
        raise ConfigError(
            "generator must be a torch.Generator, e.g. torch.Generator().manual_seed(0)"
        )
