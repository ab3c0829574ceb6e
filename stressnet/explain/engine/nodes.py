"""Nodes of operations without a rule of their own: stabilisers, activations, sums, products.

See :mod:`stressnet.explain.engine.route` for what a node is.
"""

import torch
from torch import Tensor

from stressnet.explain.engine.calls import Call
from stressnet.explain.engine.layers import Normalisation
from stressnet.explain.engine.route import Context, at_least_float32, forgotten
from stressnet.explain.rules import stabilise


class LedgerNode:
    """A node with a row in the ledger."""

    def __init__(self, context: Context, path: str, operation: str, rule: str) -> None:
        self.ledger, self.path = context.ledger, path
        self.entry = self.ledger.open(path, operation, rule)

    def run(self, x: Tensor) -> Tensor:
        """A copy of the value, which is kept as another (an alias could be overwritten later)."""
        self.value = x.detach().clone()
        return x.clone()

    def book(self, column: str, a: Tensor, b: Tensor) -> Tensor:
        """Add ``sum(a * b)`` of each sample to a column; also returned, shape (batch,)."""
        total = self.ledger.sum_of_products(a, b, self.path)
        self.ledger.add(self.entry, column, total)
        return total


class StabiliserNode(LedgerNode):
    """Divides by the stabilised value instead of the value: epsilon rule of a plain linear step."""

    def __init__(self, context: Context, path: str, operation: str, stabiliser: float) -> None:
        super().__init__(context, path, operation, f"epsilon(stabiliser={stabiliser:g})")
        self.stabiliser = stabiliser

    def pull(self, coefficient: Tensor) -> Tensor:
        """Shrink the coefficient by ``z / s(z)``."""
        z = at_least_float32(self.value)
        d, offset = stabilise(z, self.stabiliser)
        s = z * at_least_float32(coefficient) / d
        self.book("relevance_out", z, coefficient)
        self.book("relevance_in", z, s)
        self.book("stabiliser_share", offset, s)
        return s.to(coefficient.dtype)


class ActivationNode(LedgerNode):
    """Identity rule of an element-wise activation: ``c_z = c_a * a / s(z)``."""

    def __init__(
        self, context: Context, path: str, call: Call, x: Tensor, stabiliser: float
    ) -> None:
        super().__init__(context, path, call.name, f"identity(stabiliser={stabiliser:g})")
        self.stabiliser, self.compute = stabiliser, call.function_of(x)

    def run(self, x: Tensor) -> Tensor:
        value = forgotten(self)(x)
        d, offset = stabilise(at_least_float32(x), self.stabiliser)
        self.ratio = at_least_float32(value) / d
        self.lost = self.ratio * offset
        return value

    def pull(self, coefficient: Tensor) -> Tensor:
        """Pass relevance unchanged, up to the stabiliser."""
        c = at_least_float32(coefficient)
        self.book("stabiliser_share", self.lost, c)
        return (c * self.ratio).to(coefficient.dtype)


class OffsetNode(LedgerNode):
    """Books the part of a sum that does not depend on the input."""

    def __init__(self, context: Context, path: str, operation: str, constant: Tensor) -> None:
        super().__init__(context, path, operation, "lrp-0()")
        self.constant = constant

    def run(self, x: Tensor) -> Tensor:
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        """The constant takes ``constant * coefficient`` as bias share."""
        constant = self.constant.to(coefficient.dtype).expand_as(coefficient)
        if bool(constant.isinf().any()):  # masks of attention; nothing passes there
            constant = torch.where(coefficient == 0, 0, constant)
        self.book("bias_share", constant, coefficient)
        return coefficient


class ExpansionNode(LedgerNode):
    """Product of two branches by its gradient; the constant of the Taylor expansion is bias."""

    def pull(self, coefficient: Tensor) -> Tensor:
        """Each branch gets all of the relevance, so that the constant takes it off once."""
        self.book("bias_share", -self.value, coefficient)
        return coefficient


class HalfNode:
    """Product of two branches: each gets half of the relevance."""

    def run(self, x: Tensor) -> Tensor:
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        return coefficient * 0.5


class NormalisationNode(LedgerNode):
    """Layer, group, instance or RMS normalisation with the scale held constant.

    ``y = (x - mean) * k * weight + bias`` with ``k = 1 / std`` taken as a constant (Ali et al.
    2022, ICML); the bias takes its share.
    """

    def __init__(
        self, context: Context, path: str, call: Call, x: Tensor, details: Normalisation
    ) -> None:
        super().__init__(context, path, call.name, "constant-scale()")
        self.details, self.compute = details, call.function_of(x)

    def run(self, x: Tensor) -> Tensor:
        grouped = at_least_float32(x).reshape(self.details.groups_shape)
        if self.details.centred:
            square = grouped.var(dim=-1, unbiased=False, keepdim=True)
        else:
            square = (grouped**2).mean(dim=-1, keepdim=True)
        self.factor = (square + self.details.eps).rsqrt()
        return forgotten(self)(x)

    def pull(self, coefficient: Tensor) -> Tensor:
        """Transpose of the map with constant scale."""
        details, c = self.details, at_least_float32(coefficient)
        if details.bias is not None:
            self.book("bias_share", c, details.bias.to(c.dtype).expand_as(c))
        if details.weight is not None:
            c = c * details.weight.to(c.dtype)
        grouped = c.reshape(details.groups_shape) * self.factor
        if details.centred:
            grouped = grouped - grouped.mean(dim=-1, keepdim=True)
        return grouped.reshape(coefficient.shape).to(coefficient.dtype)


class ProbeNode:
    """Measures relevance at the ``"in"`` or ``"out"`` side of an operation without a rule."""

    def __init__(self, owner: LedgerNode, side: str) -> None:
        self.owner, self.side = owner, side

    def run(self, x: Tensor) -> Tensor:
        self.value = x.detach().clone()
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        owner = self.owner
        total = owner.book(f"relevance_{self.side}", self.value, coefficient)
        owner.ledger.add(owner.entry, "unaccounted_share", total if self.side == "out" else -total)
        return coefficient
