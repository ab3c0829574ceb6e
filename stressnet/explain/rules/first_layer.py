"""Rules for layers that read the model's input: they return relevance, also of zeros."""

from __future__ import annotations

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.rules.base import Layer, Passed, rule, stabilise
from stressnet.explain.rules.linear_maps import ConvolutionMap
from stressnet.explain.rules.propagating import stackable


@rule("w-square", input_only=True)
def w_square(
    layer: Layer, r: Tensor, *, stabiliser: float = 1e-6, bias_in_denominator: bool = False
) -> Passed:
    """w²: ``R_i = sum_j w_ij² R_j / s(sum_i w_ij²)``, over the inputs that ``j`` really has.

    With ``bias_in_denominator`` ``b_j²`` is added to the denominator (zennit's default).
    """
    squared = layer.weight**2
    bias = layer.bias**2 if bias_in_denominator and layer.bias is not None else None
    return _from_ones(layer, r, squared, bias, stabiliser)


@rule("flat", input_only=True)
def flat(layer: Layer, r: Tensor, *, stabiliser: float = 1e-6) -> Passed:
    """Flat: equal shares, ``R_i = sum_j R_j / n_j`` with ``n_j`` the number of inputs of ``j``."""
    return _from_ones(layer, r, torch.ones_like(layer.weight), None, stabiliser)


def _from_ones(
    layer: Layer, r: Tensor, weight: Tensor, bias: Tensor | None, stabiliser: float
) -> Passed:
    """Shares by ``weight`` alone, whatever the input."""
    z = layer.forward(torch.ones_like(layer.x[:1]), weight, bias)  # the same for all samples
    d, offset = stabilise(z, stabiliser)
    s = r / d
    return Passed(
        layer.bias_share(s, bias),
        layer.total(s, offset.expand_as(s)),
        relevance=layer.back(s, weight),
    )


@rule("z-box", input_only=True)
def z_box(
    layer: Layer, r: Tensor, *, stabiliser: float = 1e-6, bias_in_denominator: bool = False
) -> Passed:
    """zB for inputs in a box: ``R_i = sum_j (x_i w_ij - l_i w_ij⁺ - h_i w_ij⁻) R_j / s(sum_i …)``.

    The box ``[l_i, h_i]`` may differ per bin. With ``bias_in_denominator`` ``b_j`` is added to the
    denominator and takes its share; Montavon et al. (2017) leave it out.
    """
    if layer.bounds is None:
        raise ConfigError("rule z-box needs bounds=(low, high) of the input")
    low, high = layer.bounds
    plus, minus = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
    bias = layer.bias if bias_in_denominator else None
    stacked = stackable(layer)
    if stacked:  # three inputs as channels of one convolution
        parts = torch.cat([layer.x, low, high], dim=1)
        weight = torch.cat([layer.weight, -plus, -minus], dim=1)
        z = layer.forward(parts, weight, bias)
    else:
        z = layer.forward(layer.x, layer.weight, bias)
        z = z - layer.forward(low, plus) - layer.forward(high, minus)
    d, offset = stabilise(z, stabiliser)
    s = torch.div(r, d, out=d)
    if stacked:
        contributions = parts * layer.map.transpose(s, weight, parts)
        relevance = torch.stack(contributions.chunk(3, dim=1)).sum(dim=0)
    else:
        relevance = (
            layer.x * layer.back(s, layer.weight)
            - low * layer.back(s, plus)
            - high * layer.back(s, minus)
        )
    return Passed(layer.bias_share(s, bias), layer.total(s, offset), relevance=relevance)


@rule("identity", input_only=True)
def identity(layer: Layer, r: Tensor) -> Passed:
    """Identity: each output's relevance stays at its place.

    A convolution gives it to the input under the kernel's centre, in equal parts to the input
    channels; other layers need as many inputs as outputs.
    """
    weight = torch.zeros_like(layer.weight)
    if isinstance(layer.map, ConvolutionMap) and not layer.map.transposed:
        taps = weight.flatten(start_dim=2)
        centre = 0
        for size in weight.shape[2:]:
            centre = centre * size + size // 2
        taps[:, :, centre] = 1.0 / weight.shape[1]
    elif weight.dim() == 2 and weight.shape[0] == weight.shape[1]:
        weight.fill_diagonal_(1.0)
    else:
        raise ConfigError("rule identity needs a convolution or as many outputs as inputs")
    kept = layer.forward(torch.ones_like(layer.x), weight)
    return Passed(
        r.new_zeros(layer.batch), layer.total(r, 1 - kept), relevance=layer.back(r, weight)
    )
