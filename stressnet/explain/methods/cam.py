"""Class activation maps: a layer's channels weighted by their effect on the explained value.

A map of a layer has few cells; it is laid over the input by the cells' positions
(:mod:`stressnet.explain.methods.positions`), not by stretching a picture. It says *where about*,
in steps of the layer's cells, never which harmonic.

References
----------
Selvaraju et al. (2017) ICCV (Grad-CAM). Chattopadhyay et al. (2018) WACV (Grad-CAM++).
"""

from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.checks import check_paths
from stressnet.explain.engine.route import at_least_float32
from stressnet.explain.methods.positions import (
    Cells,
    PositionMode,
    cells_of,
    lay_over,
    mark_input,
    with_cells_of,
)
from stressnet.explain.methods.problem import Problem, nothing
from stressnet.explain.seeds import check_logits, make_seed


def grad_cam(
    problem: Problem, *, layer: str | None = None, rectify: bool = True
) -> tuple[Tensor, Tensor]:
    """Channels weighted by their mean derivative, summed.

    ``layer`` is a module with output (batch, channels, *spatial), of whose runs the last counts;
    the last convolution by default. Published is only what speaks for ``f``; without ``rectify``
    what speaks against it is negative.
    """
    values, slope, cells = _activations(problem, layer)
    weights = slope.flatten(2).mean(dim=2)
    return _combined(problem, values, weights, cells, rectify)


def grad_cam_plus_plus(
    problem: Problem, *, layer: str | None = None, rectify: bool = True
) -> tuple[Tensor, Tensor]:
    """Channels weighted by a weighted mean of their positive derivatives, summed.

    The weight of place ``p`` is ``g² / (2 g² + g³ sum(A))`` with ``g`` the derivative at ``p`` and
    ``A`` the channel: the closed form for ``exp(f)``, whose factor common to a sample is left out.
    Parameters and errors as for :func:`grad_cam`.
    """
    values, slope, cells = _activations(problem, layer)
    spatial = tuple(range(2, values.dim()))
    square = slope**2
    below = 2 * square + square * slope * values.sum(dim=spatial, keepdim=True)
    share = torch.where(below == 0, 0, square / torch.where(below == 0, 1, below))
    weights = (share * slope.clamp(min=0)).sum(dim=spatial)
    return _combined(problem, values, weights, cells, rectify)


def _combined(
    problem: Problem, values: Tensor, weights: Tensor, cells: tuple[Cells, ...], rectify: bool
) -> tuple[Tensor, Tensor]:
    inputs = problem.inputs
    combined = torch.einsum("bc,bc...->b...", weights, values)
    if rectify:
        combined = combined.clamp(min=0)
    combined = lay_over(combined, cells, tuple(inputs.shape[2:]))
    return combined[:, None].expand(inputs.shape).contiguous(), nothing(problem)


def _activations(problem: Problem, layer: str | None) -> tuple[Tensor, Tensor, tuple[Cells, ...]]:
    """Output of the layer, derivative of ``f`` with respect to it, positions of its cells."""
    model = problem.model
    check_paths(model, () if layer is None else (layer,))
    caught: list[Any] = []

    def catch(module: object, args: object, output: Any) -> Any:
        caught.append(output)
        # what follows works on a copy: an activation in place must not change what was caught
        return with_cells_of(output.clone(), output) if isinstance(output, Tensor) else output

    handle = None if layer is None else model.get_submodule(layer).register_forward_hook(catch)
    name = layer or "the last convolution"
    try:
        with torch.enable_grad(), PositionMode() as mode:
            leaf = problem.inputs.clone().requires_grad_(True)
            mark_input(leaf)
            logits = check_logits(model(leaf), len(leaf))
    finally:
        if handle is not None:
            handle.remove()
    output = mode.last_convolution if layer is None else (caught[-1] if caught else None)
    if not isinstance(output, Tensor) or output.dim() != leaf.dim() or output.dim() < 3:
        shape = tuple(output.shape) if isinstance(output, Tensor) else "none"
        raise ExplainError(
            f"{name}: output of shape {shape} is no map over the input's axes "
            f"{tuple(leaf.shape)}; name a convolution, its normalisation or activation as layer="
        )
    weights = make_seed(logits, problem.seed, problem.target).weights
    slope = None
    if output.requires_grad:
        (slope,) = torch.autograd.grad(logits, output, weights, allow_unused=True)
    if slope is None:
        raise ExplainError(f"{name}: the model's output does not depend on it")
    cells = cells_of(output)
    if cells is None:  # even tiles are the best guess
        sizes = zip(leaf.shape[2:], output.shape[2:], strict=True)
        cells = tuple(Cells(0.0, 1.0).tiled(*size) for size in sizes)
    return at_least_float32(output.detach()), at_least_float32(slope), cells
