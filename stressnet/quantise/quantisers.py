"""Rounding to few bits: weights, activations, attention weights, and the fold into LayerNorm.

Everything is simulated: a tensor goes to integers of b bits and back, by torch's own kernels, so
that results are what a processor with such integers would give up to the rounding of float32.

Sources: Nagel et al. (2021), *A white paper on neural network quantization* (symmetric weights per
channel, asymmetric activations per tensor, calibration); Lin et al. (2022), *FQ-ViT* (powers of two
for softmax); Li et al. (2023), *RepQ-ViT* (scales per channel moved into LayerNorm); Ranjan &
Savakis (2024), *LRP-QViT* (outlying channels clipped before).
"""

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

Calibration = Literal["min-max", "percentile", "mse"]
AttentionGrid = Literal["log2", "even"]

PERCENTILE = 0.001  # Share of values that calibration `percentile` cuts off at either end
N_CUTS = 40  # Ranges that calibration `mse` tries: the whole one, and shorter ones down to a 40th

FENCE = 1.5
"""Channels whose range lies above the upper quartile by this many interquartile ranges (Tukey's
fence) are clipped to that. The published threshold is not known."""


def round_weights(weight: Tensor, bits: int) -> Tensor:
    """Weights rounded symmetrically, with one scale for each output channel (first dimension)."""
    top = 2 ** (bits - 1) - 1
    scale = weight.detach().flatten(1).abs().amax(dim=1) / top
    scale = torch.where(scale > 0, scale, 1.0)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight.detach(), scale, zero, 0, -top, top)


def round_attention(weights: Tensor, bits: int) -> Tensor:
    """Attention weights rounded to powers of two: 1, 1/2, 1/4, ...; the last integer is zero.

    Errors are relative: with any number of bits a weight may be wrong by the square root of two.
    """
    level = torch.round(-torch.log2(weights))
    return torch.where(level < 2**bits - 1, torch.exp2(-level), 0.0)


@dataclass(frozen=True)
class Range:
    """What an activation's integers span; what lies outside is clipped, and zero stays zero."""

    low: float
    high: float

    def grid(self, bits: int) -> tuple[float, int]:
        """Scale and zero point of integers 0 to 2^b - 1."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        scale = (high - low) / (2**bits - 1) or 1.0
        return scale, round(-low / scale)

    def round(self, x: Tensor, bits: int) -> Tensor:
        """Values rounded to the grid (asymmetric, one scale for all)."""
        return torch.fake_quantize_per_tensor_affine(x, *self.grid(bits), 0, 2**bits - 1)


def find_range(values: Tensor, bits: int, calibration: Calibration) -> Range:
    """The range of an activation, from a sample of its values over calibration words (n,).

    ``calibration`` is the whole range, that without :data:`PERCENTILE` at either end, or the one
    that rounds to so many bits with the smallest mean squared error.
    """
    cut = PERCENTILE if calibration == "percentile" else 0.0
    low, high = (float(torch.quantile(values, q)) for q in (cut, 1 - cut))
    if calibration != "mse":
        return Range(low, high)
    tried = [Range(low * k / N_CUTS, high * k / N_CUTS) for k in range(N_CUTS, 0, -1)]
    return min(tried, key=lambda one: float((one.round(values, bits) - values).square().mean()))


@dataclass(frozen=True)
class ChannelRanges:
    """Ranges of the channels of a normalised activation, each of shape (n_channels,)."""

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, values: Tensor, calibration: Calibration) -> Self:
        """Clipped ranges of values (n, n_channels); ``mse`` is taken for ``min-max`` here."""
        cut = PERCENTILE if calibration == "percentile" else 0.0
        low, high = (torch.quantile(values, q, dim=0) for q in (cut, 1 - cut))
        width = high - low
        lower, upper = (torch.quantile(width, q) for q in (0.25, 0.75))
        outlying = ((width - upper - FENCE * (upper - lower)) / 2).clamp(min=0)
        return cls(low + outlying, high - outlying)

    def fold(self, bits: int) -> tuple[Tensor, Tensor, Range]:
        """How channels are brought to one grid: x' = x / r - s.

        Returns r and s, of shape (n_channels,), the ratio of each channel's scale to their mean and
        the shift; and the range of x' for all channels. Rounding x' with it is rounding each
        channel of x with its own scale.
        """
        steps = 2**bits - 1
        scales = ((self.high - self.low) / steps).clamp(min=1e-8)
        mean = scales.mean()
        zero = torch.round(-self.low.mean() / mean).clamp(0, steps)
        ratio = scales / mean
        low = -zero * mean
        return ratio, self.low / ratio - low, Range(float(low), float(low + steps * mean))
