"""Where the cells of an inner layer lie on the input's axes.

A cell of a feature map sees a window of the input; the window's centre is its position. Positions
follow from kernel, stride, padding and dilation of every convolution and pooling on the way, so a
map of the layer can be laid over the input without the shift and stretch that plain resizing of the
picture causes where convolutions are not padded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stressnet.explain.engine import layers
from stressnet.explain.engine import operations as ops
from stressnet.explain.engine.calls import Call, CallMode, tensors_in
from stressnet.explain.rules.linear_maps import ConvolutionMap

_ATTRIBUTE = "_stressnet_cells"


@dataclass(frozen=True)
class Cells:
    """Positions along one axis, in steps of the input; 0 is the centre of its first value."""

    start: float  # centre of the first cell
    step: float  # distance of neighbouring cells

    def centres(self, n: int) -> Tensor:
        """Positions of ``n`` cells, float64."""
        return self.start + self.step * torch.arange(n, dtype=torch.float64)

    def windowed(self, kernel: int, stride: int, padding: int, dilation: int) -> Cells:
        """Cells of a convolution or pooling that reads these cells."""
        middle = dilation * (kernel - 1) / 2 - padding
        return Cells(self.start + middle * self.step, self.step * stride)

    def tiled(self, n_from: int, n_to: int) -> Cells:
        """``n_to`` cells that evenly cover the extent of ``n_from``."""
        ratio = n_from / n_to
        return Cells(self.start + (ratio - 1) / 2 * self.step, self.step * ratio)


def cells_of(tensor: Tensor) -> tuple[Cells, ...] | None:
    """Positions along each spatial axis, None if they are not known."""
    return tensor.__dict__.get(_ATTRIBUTE)


def mark_input(tensor: Tensor) -> None:
    """Start here: every value is its own cell."""
    tensor.__dict__[_ATTRIBUTE] = (Cells(0.0, 1.0),) * (tensor.dim() - 2)


class PositionMode(CallMode):
    """Follows positions through a model's operations; what it cannot follow has none.

    ``last_convolution`` is the output of the last convolution, out of reach of later in-place
    changes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last_convolution: Tensor | None = None

    def follow(self, call: Call) -> Any:
        """The operation's result, its cells' positions attached."""
        sources = [t for t in call.tensors if cells_of(t) is not None]
        result = call.run()
        for tensor in tensors_in(result):
            if sources and cells_of(tensor) is None:
                tensor.__dict__[_ATTRIBUTE] = _after(call, sources[0], tensor)
        if call.name in ops.CONVOLUTIONS:
            self.last_convolution = result
            return with_cells_of(result.clone(), result)
        return result


def with_cells_of(tensor: Tensor, source: Tensor) -> Tensor:
    """``tensor`` with the positions of ``source``, if they are known."""
    tensor.__dict__[_ATTRIBUTE] = cells_of(source)
    return tensor


def _after(call: Call, source: Tensor, result: Tensor) -> tuple[Cells, ...] | None:
    """Positions of a result, None where an operation moves values in a way not followed here."""
    before = cells_of(source)
    if before is None or result.dim() != len(before) + 2:
        return None
    if call.name in ops.CONVOLUTIONS:
        return _after_convolution(call, before)
    if call.name.startswith("adaptive_") or call.name in _RESIZING:
        sizes = zip(source.shape[2:], result.shape[2:], strict=True)
        return tuple(c.tiled(*size) for c, size in zip(before, sizes, strict=True))
    if call.name in ops.MAX_POOLS | ops.AVERAGE_POOLS:
        size, shape = layers.pool_geometry(call, len(before))
        windows = zip(before, size, shape.stride, shape.padding, shape.dilation, strict=True)
        return tuple(cells.windowed(*window) for cells, *window in windows)
    if call.name in ("pad", "constant_pad_nd"):
        pads = list(call.argument("pad", 1))[::2] + [0] * len(before)
        return tuple(
            Cells(cells.start - pad * cells.step, cells.step)
            for cells, pad in zip(before, reversed(pads[: len(before)]), strict=True)
        )
    still = call.name in _IN_PLACE_VALUES and result.shape[2:] == source.shape[2:]
    return before if still else None


_RESIZING = frozenset(["interpolate", "upsample", "upsample_nearest", "upsample_bilinear"])
_IN_PLACE_VALUES = (
    ops.ACTIVATIONS
    | ops.RECTIFIERS
    | ops.NORMALISATIONS
    | {"batch_norm", "add", "sub", "mul", "div", "neg", "cat", "concat", "where", "masked_fill"}
    | {"clone", "contiguous", "to", "float", "double", "half", "bfloat16", "type_as", "detach"}
    | {name for name in ops.STRUCTURAL if "dropout" in name}
)
"""Operations that leave values where they are."""


def _after_convolution(call: Call, before: tuple[Cells, ...]) -> tuple[Cells, ...]:
    layer = layers.describe(call)
    assert layer is not None and isinstance(layer.map, ConvolutionMap)  # the name says so
    sizes, shape = layer.weight.shape[2:], layer.map
    windows = zip(before, sizes, shape.stride, shape.padding, shape.dilation, strict=True)
    if not shape.transposed:
        return tuple(cells.windowed(*window) for cells, *window in windows)
    return tuple(
        Cells(
            cells.start - (dilation * (kernel - 1) / 2 - padding) * (cells.step / stride),
            cells.step / stride,
        )
        for cells, kernel, stride, padding, dilation in windows
    )


def lay_over(values: Tensor, cells: tuple[Cells, ...], sizes: tuple[int, ...]) -> Tensor:
    """Values of cells, interpolated linearly at the positions of the input's values."""
    for axis, (along, size) in enumerate(zip(cells, sizes, strict=True), start=1):
        n = values.shape[axis]
        places = torch.arange(size, dtype=torch.float64)
        index = ((places - along.start) / along.step).clamp(0, n - 1)
        weights = (1 - (index[:, None] - torch.arange(n)).abs()).clamp(min=0).to(values)
        values = torch.movedim(torch.movedim(values, axis, -1) @ weights.T, -1, axis)
    return values
