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

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.maps import ConvolutionMap, LinearMap


def stabilise(z: Tensor, stabiliser: float) -> tuple[Tensor, Tensor]:
    """``s(z)`` and ``s(z) - z``.

    Without a stabiliser only zeros are moved (to one), so that what would be divided by zero is
    booked as stabiliser share. (Written without masks: ``torch.where`` on a random pattern costs
    as much as a convolution.)
    """
    if stabiliser == 0:
        offset = (z == 0).to(z)
    else:
        offset = torch.copysign(torch.tensor(stabiliser, dtype=z.dtype, device=z.device), z)
    return z + offset, offset


def per_sample(a: Tensor, b: Tensor, batch: int) -> Tensor:
    """``sum(a * b)`` for each of ``batch`` samples, shape ``(batch,)``."""
    left, right = a.reshape(batch, -1), b.reshape(batch, -1)
    if a.device.type == "cpu":  # no temporary
        return torch.stack([torch.dot(x, y) for x, y in zip(left, right, strict=True)])
    return (left * right).sum(dim=1)


@dataclass(frozen=True)
class Layer:
    """A layer as its rule sees it.

    Parameters
    ----------
    x, z : Tensor
        Input and exact output; of a convolution with its batch normalisation folded, the output of
        the normalisation.
    weight, bias : Tensor, Tensor or None
        The effective (folded) parameters.
    map : LinearMap
        The linear part.
    batch : int
        Number of samples explained together.
    x_is_nonnegative : bool
        Known from data flow (after a ReLU, say), so that negative-input terms can be left out.
    z_is_rectified : bool
        Every consumer is a ReLU, so that outputs ``z < 0`` carry no relevance.
    bounds : tuple of Tensor or None
        Lowest and highest possible input, shaped like ``x``; only rule zB asks for them.
    """

    x: Tensor
    z: Tensor
    weight: Tensor
    bias: Tensor | None
    map: LinearMap
    batch: int
    x_is_nonnegative: bool = False
    z_is_rectified: bool = False
    bounds: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The linear part with other inputs or parameters."""
        return self.map.apply(x, weight, bias)

    def back(self, s: Tensor, weight: Tensor) -> Tensor:
        """``sum_j s_j w_ij``, shape of ``x``."""
        return self.map.transpose(s, weight, self.x)

    def bias_share(self, s: Tensor, bias: Tensor | None) -> Tensor:
        """``sum_j s_j b_j`` per sample."""
        if bias is None:
            return s.new_zeros(self.batch)
        return self.map.per_channel(s, self.batch) @ bias

    def total(self, a: Tensor, b: Tensor) -> Tensor:
        """``sum(a * b)`` per sample."""
        return per_sample(a, b, self.batch)


@dataclass(frozen=True)
class Passed:
    """What a rule returns: ``coefficient`` or ``relevance`` of the inputs, and the two shares."""

    bias_share: Tensor
    stabiliser_share: Tensor
    coefficient: Tensor | None = None
    relevance: Tensor | None = None


RuleFunction = Callable[..., Passed]


@dataclass(frozen=True)
class Rule:
    """A rule with its parameters; call it with a :class:`Layer` and the relevance of its outputs.

    Parameters
    ----------
    name : str
        Name in the documentation's table.
    function : callable
        ``function(layer, r, **parameters) -> Passed``.
    parameters : tuple of (str, value)
        Keyword parameters of ``function``.
    input_only : bool
        True for rules that do not vanish at ``x = 0``: they are for layers that read the input.
    """

    name: str
    function: RuleFunction
    parameters: tuple[tuple[str, Any], ...] = ()
    input_only: bool = False

    def __call__(self, layer: Layer, r: Tensor) -> Passed:
        return self.function(layer, r, **dict(self.parameters))

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value:g}' for key, value in self.parameters)})"


RULES: dict[str, Callable[..., Rule]] = {}


def rule(name: str, *, input_only: bool = False) -> Callable[[RuleFunction], Callable[..., Rule]]:
    """Turn a function into a rule's maker and list it in :data:`RULES`.

    Parameters
    ----------
    name : str
        Name shown in results.
    input_only : bool
        The function returns relevance, not a coefficient (see :class:`Rule`).

    Raises
    ------
    ConfigError
        When the maker is called with a parameter the function does not have.
    """

    def decorate(function: RuleFunction) -> Callable[..., Rule]:
        defaults = dict(function.__kwdefaults__ or {})

        def make(**parameters: Any) -> Rule:
            unknown = set(parameters) - set(defaults)
            if unknown:
                raise ConfigError(
                    f"rule {name} has no parameter {', '.join(sorted(unknown))}; "
                    f"it has {', '.join(defaults) or 'none'}"
                )
            return Rule(name, function, tuple({**defaults, **parameters}.items()), input_only)

        make.__doc__ = function.__doc__
        make.__name__ = function.__name__
        make.__module__ = function.__module__
        RULES[name] = make
        return make

    return decorate


@rule("lrp-0")
def zero(layer: Layer, r: Tensor) -> Passed:
    """LRP-0: ``R_i = sum_j x_i w_ij R_j / z_j``; outputs with ``z_j = 0`` carry none."""
    d, _ = stabilise(layer.z, 0.0)  # where z is zero, so is the relevance
    s = torch.div(r, d, out=d)
    none = r.new_zeros(layer.batch)
    return Passed(layer.bias_share(s, layer.bias), none, layer.back(s, layer.weight))


@rule("epsilon")
def epsilon(layer: Layer, r: Tensor, *, stabiliser: float = 1e-6) -> Passed:
    """Epsilon: ``R_i = sum_j x_i w_ij R_j / s(z_j)``."""
    d, offset = stabilise(layer.z, stabiliser)
    s = torch.div(r, d, out=d)
    return Passed(
        layer.bias_share(s, layer.bias),
        layer.total(s, offset),
        layer.back(s, layer.weight),
    )


def _stackable(layer: Layer) -> bool:
    """Positive and negative inputs as channels of one convolution: cheaper where there are few."""
    map = layer.map
    plain = isinstance(map, ConvolutionMap) and not map.transposed and map.groups == 1
    return plain and layer.x.shape[1] <= 4


def _signed_sum(layer: Layer, positive: Tensor, negative: Tensor, bias: Tensor | None) -> Tensor:
    """``sum_i x_i⁺ positive_ij + x_i⁻ negative_ij + bias_j``."""
    if layer.x_is_nonnegative:
        return layer.forward(layer.x, positive, bias)
    if _stackable(layer):
        parts = torch.cat([layer.x.clamp(min=0), layer.x.clamp(max=0)], dim=1)
        return layer.forward(parts, torch.cat([positive, negative], dim=1), bias)
    total = layer.forward(layer.x.clamp(min=0), positive, bias)
    return total.add_(layer.forward(layer.x.clamp(max=0), negative))


def _signed_back(layer: Layer, s: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Coefficients of :func:`_signed_sum`: through ``positive`` where ``x_i > 0``."""
    if layer.x_is_nonnegative:
        return layer.back(s, positive)
    if _stackable(layer):
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
    plus, minus = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
    bias = _part(layer.bias, 1)
    z = _signed_sum(layer, plus, minus, bias)
    d, offset = stabilise(z, stabiliser)
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
    d, offset = stabilise(z, stabiliser)
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
    up, down = w + gamma * w.clamp(min=0), w + gamma * w.clamp(max=0)
    coefficient: Tensor | None = None
    bias_share = stabiliser_share = r.new_zeros(layer.batch)
    for sign, first, second in ((1, up, down), (-1, down, up)):
        if sign < 0 and layer.z_is_rectified:
            continue
        bias = None if b is None else b + gamma * (b.clamp(min=0) if sign > 0 else b.clamp(max=0))
        z = _signed_sum(layer, first, second, bias)
        d, offset = stabilise(z, stabiliser)
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
    plus = layer.weight.clamp(min=0)
    z = layer.forward(layer.x, plus, layer.bias)
    d, offset = stabilise(z, stabiliser)
    s = torch.div(r, d, out=d)
    return Passed(layer.bias_share(s, layer.bias), layer.total(s, offset), layer.back(s, plus))


@rule("proportional")
def proportional(layer: Layer, r: Tensor, *, stabiliser: float = 1e-9) -> Passed:
    """Shares in proportion to the layer's own linear sum, whatever value it really returned.

    For max pooling seen as a sum: ``R_i = sum_j x_i R_j / s(sum_i x_i)`` over each window.
    """
    z = layer.forward(layer.x, layer.weight)
    d, offset = stabilise(z, stabiliser)
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
    stacked = _stackable(layer)
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
