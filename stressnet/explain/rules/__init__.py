"""Rules of layer-wise relevance propagation: one function each.

Notation: a layer computes ``z_j = sum_i x_i w_ij + b_j`` and receives relevance ``R_j``. A rule
returns the relevance of the inputs, and what did not reach them: the share that the bias takes and
the share that the stabiliser takes, so that for every sample

    sum_j R_j = sum_i R_i + bias share + stabiliser share.

A rule hands back either a *coefficient* ``c_i`` with ``R_i = x_i c_i`` (what the engine passes on
as the gradient), or the relevance itself where the rule does not vanish at ``x_i = 0`` (flat, w²,
zB, identity); these are for layers that read the model's input.

Divisions use ``s(z) = z + stabiliser * sign(z)`` with ``sign(0) = +1``; ``x⁺ = max(x, 0)``,
``x⁻ = min(x, 0)``.

References
----------
Bach et al. (2015) PLoS ONE 10(7): e0130140 (LRP, epsilon, alpha-beta). Montavon et al. (2017)
Pattern Recognition 65: 211-222 (z+, w², zB). Montavon et al. (2019) in Explainable AI, LNCS 11700
(gamma, composites). Anders et al. (2021) arXiv:2106.13200 (gamma for signed inputs).
"""

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.rules.base import RULES, Layer, Passed, Rule, rule, stabilise
from stressnet.explain.rules.linear_maps import ConvolutionMap


@rule("lrp-0")
def zero(layer: Layer, r: Tensor) -> Passed:
    """LRP-0: ``R_i = sum_j x_i w_ij R_j / z_j``; outputs with ``z_j = 0`` carry none."""
    d, _ = stabilise(layer.z, 0.0)  # where z is zero, so is the relevance
    s = torch.div(r, d, out=d)
    none = r.new_zeros(layer.batch)
    return Passed(layer.bias_share(s, layer.bias), none, layer.back(s, layer.weight))


@rule("gradient")
def gradient(layer: Layer, r: Tensor) -> Passed:
    """LRP-0 without its division: ``R_i = sum_j x_i w_ij c_j``, where ``R_j = z_j c_j``.

    Unlike :func:`zero` it also passes the coefficients of outputs that are zero.
    """
    c = layer.c
    assert c is not None  # the engine always has it
    return Passed(
        layer.bias_share(c, layer.bias), r.new_zeros(layer.batch), layer.back(c, layer.weight)
    )


@rule("epsilon")
def epsilon(layer: Layer, r: Tensor, *, stabiliser: float = 1e-6) -> Passed:
    """Epsilon: ``R_i = sum_j x_i w_ij R_j / s(z_j)``."""
    d, offset = stabilise(layer.z, stabiliser)
    s = torch.div(r, d, out=d)
    return Passed(
        layer.bias_share(s, layer.bias), layer.total(s, offset), layer.back(s, layer.weight)
    )


def stackable(layer: Layer) -> bool:
    """Positive and negative inputs as channels of one convolution: cheaper where there are few."""
    map = layer.map
    plain = isinstance(map, ConvolutionMap) and not map.transposed and map.groups == 1
    return plain and layer.x.shape[1] <= 4


def _signed_sum(layer: Layer, positive: Tensor, negative: Tensor, bias: Tensor | None) -> Tensor:
    """``sum_i x_i⁺ positive_ij + x_i⁻ negative_ij + bias_j``."""
    if layer.x_is_nonnegative:
        return layer.forward(layer.x, positive, bias)
    if stackable(layer):
        parts = torch.cat([layer.x.clamp(min=0), layer.x.clamp(max=0)], dim=1)
        return layer.forward(parts, torch.cat([positive, negative], dim=1), bias)
    total = layer.forward(layer.x.clamp(min=0), positive, bias)
    return total.add_(layer.forward(layer.x.clamp(max=0), negative))


def _signed_back(layer: Layer, s: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Coefficients of :func:`_signed_sum`: through ``positive`` where ``x_i > 0``."""
    if layer.x_is_nonnegative:
        return layer.back(s, positive)
    if stackable(layer):
        weight, shape = torch.cat([positive, negative], dim=1), torch.cat([layer.x] * 2, dim=1)
        up, down = layer.map.transpose(s, weight, shape).chunk(2, dim=1)
        return torch.where(layer.x > 0, up, down)
    return torch.where(layer.x > 0, layer.back(s, positive), layer.back(s, negative))


def _part(values: Tensor | None, sign: int) -> Tensor | None:
    """Positive (``sign = 1``) or negative (``sign = -1``) part; None stays None."""
    if values is None:
        return None
    return values.clamp(min=0) if sign > 0 else values.clamp(max=0)


@rule("alpha-beta")
def alpha_beta(
    layer: Layer, r: Tensor, *, alpha: float = 2.0, beta: float = 1.0, stabiliser: float = 1e-6
) -> Passed:
    """Alpha-beta: excitation ``P`` and inhibition ``N`` weighted separately, ``alpha - beta = 1``.

    ``P_j = sum_i (x_i⁺ w_ij⁺ + x_i⁻ w_ij⁻) + b_j⁺`` and
    ``N_j = sum_i (x_i⁺ w_ij⁻ + x_i⁻ w_ij⁺) + b_j⁻``; ``R_i`` is ``alpha`` times the share in ``P``
    minus ``beta`` times the share in ``N``.
    """
    if alpha < 0 or beta < 0 or abs(alpha - beta - 1) > 1e-12:
        raise ConfigError(f"alpha - beta must be 1 and both >= 0, not {alpha:g} and {beta:g}")
    plus = layer.once("positive weights", lambda: layer.weight.clamp(min=0))
    minus = plus  # not needed where neither inputs nor beta ask for negative weights
    if beta or not layer.x_is_nonnegative:
        minus = layer.once("negative weights", lambda: layer.weight.clamp(max=0))
    bias = _part(layer.bias, 1)
    z = _signed_sum(layer, plus, minus, bias)
    d, offset = stabilise(z, stabiliser, overwrite=True)
    s = torch.div(r, d, out=d)
    if alpha != 1:
        s *= alpha
    coefficient = _signed_back(layer, s, plus, minus)
    bias_share = layer.bias_share(s, bias)
    stabiliser_share = layer.total(s, offset)
    if beta == 0:
        return Passed(bias_share, stabiliser_share, coefficient)
    bias = _part(layer.bias, -1)
    z = _signed_sum(layer, minus, plus, bias)
    d, offset = stabilise(z, stabiliser, overwrite=True)
    s = torch.div(r, d, out=d).mul_(-beta)
    return Passed(
        bias_share + layer.bias_share(s, bias),
        stabiliser_share + layer.total(s, offset),
        coefficient + _signed_back(layer, s, minus, plus),
    )


@rule("z-plus")
def z_plus(layer: Layer, r: Tensor, *, stabiliser: float = 1e-6) -> Passed:
    """z+ for inputs of either sign; the same as alpha-beta with ``alpha = 1``, ``beta = 0``."""
    return alpha_beta(alpha=1.0, beta=0.0, stabiliser=stabiliser)(layer, r)


@rule("gamma")
def gamma(layer: Layer, r: Tensor, *, gamma: float = 0.25, stabiliser: float = 1e-6) -> Passed:
    """Gamma for inputs of either sign: favour contributions that agree with the output's sign.

    Where ``z_j > 0``: numerators ``x_i⁺ (w + γ w⁺) + x_i⁻ (w + γ w⁻)``, denominator their sum
    plus ``b + γ b⁺``. Where ``z_j < 0``: the same with ``w⁺``, ``w⁻`` exchanged and ``b⁻``.
    """
    w, b = layer.weight, layer.bias
    up = layer.once("favoured", lambda: w.clamp(min=0).mul_(gamma).add_(w))
    down = up  # not needed where only positive inputs and outputs carry relevance
    if not (layer.x_is_nonnegative and layer.z_is_rectified):
        down = layer.once("disfavoured", lambda: w.clamp(max=0).mul_(gamma).add_(w))
    coefficient: Tensor | None = None
    bias_share = stabiliser_share = r.new_zeros(layer.batch)
    for sign, first, second in ((1, up, down), (-1, down, up)):
        if sign < 0 and layer.z_is_rectified:
            continue
        bias = None if b is None else b + gamma * (b.clamp(min=0) if sign > 0 else b.clamp(max=0))
        z = _signed_sum(layer, first, second, bias)
        d, offset = stabilise(z, stabiliser, overwrite=True)
        s = torch.div(r, d, out=d)
        if not layer.z_is_rectified:
            s *= (sign * layer.z).sign_().clamp_(min=0)
        part = _signed_back(layer, s, first, second)
        coefficient = part if coefficient is None else coefficient + part
        bias_share = bias_share + layer.bias_share(s, bias)
        stabiliser_share = stabiliser_share + layer.total(s, offset)
    return Passed(bias_share, stabiliser_share, coefficient)


@rule("clamped-weights")
def clamped_weights(layer: Layer, r: Tensor, *, stabiliser: float = 1e-9) -> Passed:
    """What Captum 0.9 calls Alpha1Beta0: weights clamped at zero, inputs and bias as they are.

    ``R_i = sum_j x_i w_ij⁺ R_j / s(sum_i x_i w_ij⁺ + b_j)``. On non-negative inputs it differs from
    the published rule by the bias; on signed inputs it is another rule altogether. Only for
    comparison with published results.
    """
    plus = layer.once("positive weights", lambda: layer.weight.clamp(min=0))
    z = layer.forward(layer.x, plus, layer.bias)
    d, offset = stabilise(z, stabiliser, overwrite=True)
    s = torch.div(r, d, out=d)
    return Passed(layer.bias_share(s, layer.bias), layer.total(s, offset), layer.back(s, plus))


@rule("proportional")
def proportional(layer: Layer, r: Tensor, *, stabiliser: float = 1e-9) -> Passed:
    """Shares in proportion to the layer's own linear sum, whatever value it really returned.

    For max pooling seen as a sum: ``R_i = sum_j x_i R_j / s(sum_i x_i)`` over each window.
    """
    z = layer.forward(layer.x, layer.weight)
    d, offset = stabilise(z, stabiliser, overwrite=True)
    s = torch.div(r, d, out=d)
    return Passed(r.new_zeros(layer.batch), layer.total(s, offset), layer.back(s, layer.weight))


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
