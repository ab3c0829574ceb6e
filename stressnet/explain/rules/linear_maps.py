"""Linear maps as rules see them: apply with any weights, and transpose.

A rule of layer-wise relevance propagation needs two things from a layer: its linear part with
*other* weights (clamped, squared, all ones), and the transpose of that, which carries a quantity
from the outputs back to the inputs. Convolutions, their transposes, dense layers and the
element-wise affine map of an unfolded batch normalisation offer both here, without a module.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

THIN = 4
"""Up to so many input channels the transpose is faster as a matrix product (three to six times for
one channel, nothing for twenty); the library's convolutions are made for many channels."""


class LinearMap(ABC):
    """What a rule may ask of a layer."""

    @abstractmethod
    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Outputs for inputs ``x`` under ``weight`` and ``bias``."""

    @abstractmethod
    def transpose(self, s: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """Sum over outputs of ``s_j w_ij``, shaped like ``x``."""

    @abstractmethod
    def scale_outputs(self, weight: Tensor, scale: Tensor) -> Tensor:
        """Weights whose output channel ``c`` is multiplied by ``scale[c]``."""

    def per_channel(self, s: Tensor, batch: int) -> Tensor:
        """``s`` summed within each output channel, shape ``(batch, channels)``."""
        return s.reshape(batch, -1, s.shape[1], s[0, 0].numel()).sum(dim=3).sum(dim=1)


@dataclass(frozen=True)
class ConvolutionMap(LinearMap):
    """Convolution over 1 to 3 dimensions, or its transpose (``transposed``).

    ``stride``, ``padding``, ``dilation`` and ``output_padding`` have one value per spatial
    dimension; ``extra_padding`` are zeros appended at the end of each before the convolution, which
    only ``padding="same"`` with an even kernel needs.
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    transposed: bool = False
    output_padding: tuple[int, ...] = ()
    extra_padding: tuple[int, ...] = ()

    def _geometry(self) -> tuple:
        output_padding = self.output_padding or (0,) * len(self.stride)
        sizes = (list(self.stride), list(self.padding), list(self.dilation))
        return (*sizes, self.transposed, list(output_padding), self.groups)

    def _padded(self, x: Tensor) -> Tensor:
        if not any(self.extra_padding):
            return x
        pads = [value for extra in reversed(self.extra_padding) for value in (0, extra)]
        return torch.nn.functional.pad(x, pads)

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Convolve ``x``, shape ``(batch, channels, *spatial)``."""
        return torch.ops.aten.convolution(self._padded(x), weight, bias, *self._geometry())

    def transpose(self, s: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """Gradient of ``(s * apply(x)).sum()`` with respect to ``x``."""
        if self._is_thin(s, weight):
            return self._fold(s, weight, x)
        gradient = torch.ops.aten.convolution_backward(
            s, self._padded(x), weight, None, *self._geometry(), [True, False, False]
        )[0]
        if any(self.extra_padding):
            gradient = gradient[(..., *(slice(0, size) for size in x.shape[2:]))]
        return gradient

    def _is_thin(self, s: Tensor, weight: Tensor) -> bool:
        """A layer with few input channels, such as the first one, over images on a CPU."""
        plain = not self.transposed and self.groups == 1 and not any(self.extra_padding)
        return plain and s.dim() == 4 and weight.shape[1] <= THIN and s.device.type == "cpu"

    def _fold(self, s: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        """The transpose as one matrix product and a sum of overlapping windows."""
        windows = torch.matmul(weight.flatten(start_dim=1).T, s.flatten(start_dim=2))
        return torch.nn.functional.fold(
            windows, x.shape[2:], weight.shape[2:], self.dilation, self.padding, self.stride
        )

    def scale_outputs(self, weight: Tensor, scale: Tensor) -> Tensor:
        """Multiply each output channel's weights; the channel axis depends on the direction."""
        trailing = (1,) * (weight.dim() - 2)
        if not self.transposed:
            return weight * scale.reshape(-1, 1, *trailing)
        per_group = weight.shape[1]
        split = weight.reshape(self.groups, -1, *weight.shape[1:])
        return (split * scale.reshape(self.groups, 1, per_group, *trailing)).reshape(weight.shape)


@dataclass(frozen=True)
class DenseMap(LinearMap):
    """``x @ weight.T + bias`` on the last dimension."""

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return torch.nn.functional.linear(x, weight, bias)

    def transpose(self, s: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        return s @ weight

    def scale_outputs(self, weight: Tensor, scale: Tensor) -> Tensor:
        return weight * scale.reshape(-1, 1)

    def per_channel(self, s: Tensor, batch: int) -> Tensor:
        return s.reshape(batch, -1, s.shape[-1]).sum(dim=1)


@dataclass(frozen=True)
class ChannelwiseMap(LinearMap):
    """Element-wise ``weight[c] * x + bias[c]``: a batch normalisation that was not folded."""

    @staticmethod
    def broadcast(values: Tensor, x: Tensor) -> Tensor:
        """One value per channel, shaped to multiply ``x``."""
        return values.reshape(1, -1, *(1,) * (x.dim() - 2))

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        z = x * self.broadcast(weight, x)
        return z if bias is None else z + self.broadcast(bias, x)

    def transpose(self, s: Tensor, weight: Tensor, x: Tensor) -> Tensor:
        return s * self.broadcast(weight, s)

    def scale_outputs(self, weight: Tensor, scale: Tensor) -> Tensor:
        return weight * scale
