"""Maps that do not look at the model: noise and the edges of the input.

An explanation that looks like an edge detector may well be one (Adebayo et al. 2018, NeurIPS); the
Sobel map says how much of a score the picture alone earns.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as fn

from stressnet.explain.checks import check_images
from stressnet.explain.engine.ledger import at_least_float32
from stressnet.explain.methods.problem import Chance, Problem, nothing


def random(problem: Problem, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Standard Gaussian noise."""
    values = at_least_float32(problem.inputs)
    return Chance(generator, len(values)).normal(values), nothing(problem)


def sobel(problem: Problem) -> tuple[Tensor, Tensor]:
    """Magnitude of the input's own gradient by Sobel's 3 x 3 filters, in input units per cell.

    Borders repeat the last value, so that they are no edges. Inputs have shape (batch, channels,
    bins, frames).
    """
    values = at_least_float32(problem.inputs)
    check_images(values, "sobel")
    smooth = torch.tensor([1.0, 2.0, 1.0]).to(values) / 4
    slope = torch.tensor([-1.0, 0.0, 1.0]).to(values) / 2
    planes = fn.pad(values.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    kernels = torch.stack([torch.outer(smooth, slope), torch.outer(slope, smooth)])[:, None]
    edges = fn.conv2d(planes, kernels)
    return torch.linalg.vector_norm(edges, dim=1).reshape(values.shape), nothing(problem)
