"""Nodes of operations without a rule of their own: stabilisers, activations, sums, products.

See :mod:`stressnet.explain.engine.route` for what a node is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stressnet.explain.engine.ledger import at_least_float32
from stressnet.explain.engine.route import Context, forgotten
from stressnet.explain.rules import stabilise


class StabiliserNode:
    """Divides by the stabilised value instead of the value: epsilon rule of a plain linear step."""

    def __init__(self, context: Context, path: str, operation: str, stabiliser: float) -> None:
        self.ledger, self.stabiliser = context.ledger, stabiliser
        self.path = path
        self.entry = self.ledger.open(path, operation, f"epsilon(stabiliser={stabiliser:g})")
        self.value: Tensor | None = None

    def run(self, x: Tensor) -> Tensor:
        """A copy of the value (an alias could be overwritten later)."""
        self.value = x.detach().clone()
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        """Shrink the coefficient by ``z / s(z)``."""
        assert self.value is not None  # run() came first
        z = at_least_float32(self.value)
        d, offset = stabilise(z, self.stabiliser)
        s = z * at_least_float32(coefficient) / d
        total = self.ledger.sum_of_products(z, coefficient, self.path)
        kept = self.ledger.sum_of_products(z, s, self.path)
        lost = self.ledger.sum_of_products(offset, s, self.path)
        self.ledger.add(self.entry, "relevance_out", total)
        self.ledger.add(self.entry, "relevance_in", kept)
        self.ledger.add(self.entry, "stabiliser_share", lost)
        return s.to(coefficient.dtype)


class ActivationNode:
    """Identity rule of an element-wise activation: ``c_z = c_a * a / s(z)``."""

    def __init__(
        self,
        context: Context,
        path: str,
        operation: str,
        stabiliser: float,
        compute: Callable[[Tensor], Tensor],
    ) -> None:
        self.ledger, self.stabiliser, self.compute = context.ledger, stabiliser, compute
        self.path = path
        self.entry = self.ledger.open(path, operation, f"identity(stabiliser={stabiliser:g})")
        self.ratio: Tensor | None = None
        self.lost: Tensor | None = None

    def run(self, x: Tensor) -> Tensor:
        """The activation; its ratio to the input is kept."""
        value = forgotten(self)(x)
        z, a = at_least_float32(x), at_least_float32(value)
        d, offset = stabilise(z, self.stabiliser)
        self.ratio = a / d
        self.lost = self.ratio * offset
        return value

    def pull(self, coefficient: Tensor) -> Tensor:
        """Pass relevance unchanged, up to the stabiliser."""
        assert self.ratio is not None and self.lost is not None  # run() came first
        c = at_least_float32(coefficient)
        lost = self.ledger.sum_of_products(self.lost, c, self.path)
        self.ledger.add(self.entry, "stabiliser_share", lost)
        return (c * self.ratio).to(coefficient.dtype)


class OffsetNode:
    """Books the part of a sum that does not depend on the input."""

    def __init__(self, context: Context, path: str, operation: str, constant: Tensor) -> None:
        self.ledger, self.constant, self.path = context.ledger, constant, path
        self.entry = self.ledger.open(path, operation, "lrp-0()")

    def run(self, x: Tensor) -> Tensor:
        """The value itself."""
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        """The constant takes ``constant * coefficient`` as bias share."""
        constant = self.constant.to(coefficient.dtype).expand_as(coefficient)
        if bool(constant.isinf().any()):  # masks of attention; nothing passes there
            constant = torch.where(coefficient == 0, 0, constant)
        share = self.ledger.sum_of_products(constant, coefficient, self.path)
        self.ledger.add(self.entry, "bias_share", share)
        return coefficient


class HalfNode:
    """Product of two branches: each gets half of the relevance."""

    def run(self, x: Tensor) -> Tensor:
        """The value itself."""
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        """Half of the coefficient."""
        return coefficient * 0.5


class NormalisationNode:
    """Layer, group, instance or RMS normalisation with the scale held constant.

    ``y = (x - mean) * k * weight + bias`` with ``k = 1 / std`` taken as a constant (Ali et al.
    2022, ICML); the bias takes its share. Statistics run over the last axis of ``x`` reshaped to
    ``groups_shape``.
    """

    def __init__(
        self,
        context: Context,
        path: str,
        operation: str,
        compute: Callable[[Tensor], Tensor],
        *,
        groups_shape: tuple[int, ...],
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        centred: bool = True,
    ) -> None:
        self.ledger, self.compute, self.path = context.ledger, compute, path
        self.entry = self.ledger.open(path, operation, "constant-scale()")
        self.groups_shape, self.eps, self.centred = groups_shape, eps, centred
        self.weight, self.bias = weight, bias
        self.factor: Tensor | None = None

    def run(self, x: Tensor) -> Tensor:
        """The normalisation; its scale is kept."""
        grouped = at_least_float32(x).reshape(self.groups_shape)
        if self.centred:
            square = grouped.var(dim=-1, unbiased=False, keepdim=True)
        else:
            square = (grouped**2).mean(dim=-1, keepdim=True)
        self.factor = (square + self.eps).rsqrt()
        return forgotten(self)(x)

    def pull(self, coefficient: Tensor) -> Tensor:
        """Transpose of the map with constant scale."""
        assert self.factor is not None  # run() came first
        c = at_least_float32(coefficient)
        if self.bias is not None:
            share = self.ledger.sum_of_products(c, self.bias.to(c.dtype).expand_as(c), self.path)
            self.ledger.add(self.entry, "bias_share", share)
        if self.weight is not None:
            c = c * self.weight.to(c.dtype)
        grouped = c.reshape(self.groups_shape) * self.factor
        if self.centred:
            grouped = grouped - grouped.mean(dim=-1, keepdim=True)
        return grouped.reshape(coefficient.shape).to(coefficient.dtype)


class UnknownNode:
    """Measures the relevance before and after an operation without a rule (``strict=False``)."""

    def __init__(self, context: Context, path: str, operation: str) -> None:
        self.ledger, self.path = context.ledger, path
        self.entry = self.ledger.open(path, operation, "plain gradient")

    def at(self, side: str) -> _Probe:
        """A probe at the ``"in"`` or ``"out"`` side."""
        return _Probe(self, side)


class _Probe:
    def __init__(self, owner: UnknownNode, side: str) -> None:
        self.owner, self.side = owner, side
        self.value: Tensor | None = None

    def run(self, x: Tensor) -> Tensor:
        self.value = x.detach().clone()
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        assert self.value is not None  # run() came first
        ledger, entry = self.owner.ledger, self.owner.entry
        total = ledger.sum_of_products(self.value, coefficient, self.owner.path)
        ledger.add(entry, f"relevance_{self.side}", total)
        ledger.add(entry, "unaccounted_share", total if self.side == "out" else -total)
        return coefficient
