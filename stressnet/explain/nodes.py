"""Operations with the exact forward value and a modified gradient.

The gradient that travels backwards is the *propagation coefficient* ``c``: the relevance of any
tensor ``a`` is ``a * c``. A plain linear operation, a ReLU and a max pooling need nothing: autograd
already does the right thing. All others are one of the nodes below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.ledger import Ledger, _Entry, at_least_float32
from stressnet.explain.maps import LinearMap
from stressnet.explain.rules import Layer, Rule, stabilise
from stressnet.explain.tracking import Uses


class _Route(torch.autograd.Function):
    """Forward: ``node.run(x)``; backward: ``node.pull(gradient)``."""

    @staticmethod
    def forward(ctx: Any, node: Any, x: Tensor) -> Tensor:
        ctx.node = node
        return node.run(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None]:
        with torch.no_grad():
            return None, ctx.node.pull(gradients[0])


def route(node: Any, x: Tensor) -> Tensor:
    """Send ``x`` through a node."""
    return _Route.apply(node, x)


def _once(node: Any) -> Callable[[Tensor], Tensor]:
    """The node's operation, forgotten by the node so that it keeps no tensors alive."""
    compute = node.compute
    node.compute = None
    return compute


@dataclass
class Context:
    """What nodes share in one explanation.

    Parameters
    ----------
    ledger : Ledger
        Where shares go.
    root : Tensor
        The model's input, with gradient.
    input_relevance : list of (Tensor, Tensor)
        Tensors that hold (moved) input values, with the relevance that rules for the first layer
        gave them directly.
    keep : dict
        Channels that may carry relevance, by module path.
    watched : set
        Module paths whose relevance is wanted.
    seen : dict
        Relevance of the watched outputs.
    keep_graph : bool
        Relevance given to moved values of the input must still be moved back to it.
    """

    ledger: Ledger
    root: Tensor
    input_relevance: list[tuple[Tensor, Tensor]]
    keep: dict[str, tuple[int, ...]]
    watched: frozenset[str]
    seen: dict[str, Tensor]
    keep_graph: bool = False


class LayerNode:
    """A layer with parameters, under a rule.

    Parameters
    ----------
    context : Context
        Shared state of this explanation.
    path : str
        Module path (with ``#2`` for the second use).
    kind : str
        ``convolution``, ``linear``, ``batch_norm`` or ``pooling``.
    rule : Rule
        How relevance passes.
    map : LinearMap
        The linear part.
    weight, bias : Tensor, Tensor or None
        Effective parameters, detached.
    compute : callable
        The original operation on its input.
    reads_input : bool
        The input is the model's input.
    x_is_nonnegative : bool
        Known from data flow.
    bounds : tuple of Tensor or None
        Range of the input for rule zB.
    """

    def __init__(
        self,
        context: Context,
        path: str,
        kind: str,
        rule: Rule,
        map: LinearMap,
        weight: Tensor,
        bias: Tensor | None,
        compute: Callable[[Tensor], Tensor],
        *,
        reads_input: bool = False,
        x_is_nonnegative: bool = False,
        bounds: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.context, self.path, self.kind, self.rule, self.map = context, path, kind, rule, map
        self.weight, self.bias, self.compute = weight, bias, compute
        self.reads_input, self.bounds = reads_input, bounds
        self.x_is_nonnegative = x_is_nonnegative
        self.uses = Uses()
        self.source: Tensor | None = None  # input with its history: folding, first-layer rules
        self.saved: dict[str, Tensor] = {}
        self.versions: dict[str, int] = {}
        self.entry: _Entry | None = None

    def folded(
        self, scale: Tensor, shift: Tensor, compute: Callable[[Tensor], Tensor]
    ) -> LayerNode:
        """This layer followed by ``scale * z + shift`` per channel, as one layer."""
        bias = shift if self.bias is None else self.bias.to(scale) * scale + shift
        return LayerNode(
            self.context,
            self.path,
            self.kind,
            self.rule,
            self.map,
            self.map.scale_outputs(self.weight.to(scale), scale),
            bias,
            compute,
            reads_input=self.reads_input,
            x_is_nonnegative=self.x_is_nonnegative,
            bounds=self.bounds,
        )

    def open(self) -> None:
        """Take a row in the ledger."""
        self.entry = self.context.ledger.open(self.path, self.kind, str(self.rule))

    def run(self, x: Tensor) -> Tensor:
        """The exact forward value; input and output are kept as aliases."""
        value = _once(self)(x)
        for slot, tensor in (("x", x), ("z", value)):
            self.saved[slot] = tensor.detach()
            self.versions[slot] = tensor._version
        return value

    def keep_copy(self, slot: str) -> None:
        """Called before the tensor in ``slot`` is overwritten in place."""
        if slot in self.saved:
            self.saved[slot] = self.saved[slot].clone()
            self.versions[slot] = self.saved[slot]._version

    def allow_rectified(self) -> None:
        """The output is about to be rectified in place: relevance is zero where it changes."""
        self.versions["z"] += 1

    def pull(self, coefficient: Tensor) -> Tensor | None:
        """Relevance of the output to coefficients of the input."""
        for slot, tensor in self.saved.items():
            if tensor._version != self.versions[slot]:
                raise ExplainError(
                    f"{self.path} ({self.kind}): its {'input' if slot == 'x' else 'output'} was "
                    "changed in place through a view; use the out-of-place operation there"
                )
        x, z = at_least_float32(self.saved["x"]), at_least_float32(self.saved["z"])
        dtype = x.dtype
        context, entry = self.context, self.entry
        assert entry is not None  # opened when the node was made
        ledger = context.ledger
        ledger.check(z, self.path)
        r = z * at_least_float32(coefficient)
        total = r.reshape(ledger.batch, -1).sum(dim=1)
        ledger.add(entry, "relevance_out", total)
        if self.path in context.watched:
            context.seen[self.path] = r
        if self.path in context.keep:
            mask = torch.zeros(z.shape[1], dtype=r.dtype, device=r.device)
            mask[list(context.keep[self.path])] = 1
            r = r * mask.reshape(1, -1, *(1,) * (z.dim() - 2))
            left = r.reshape(ledger.batch, -1).sum(dim=1)
            ledger.add(entry, "unaccounted_share", total - left)
        layer = Layer(
            x,
            z,
            self.weight.to(dtype),
            None if self.bias is None else self.bias.to(dtype),
            self.map,
            ledger.batch,
            self.x_is_nonnegative,
            self.uses.only_rectified(),
            self.bounds,
        )
        passed = self.rule(layer, r)
        ledger.add(entry, "bias_share", passed.bias_share)
        ledger.add(entry, "stabiliser_share", passed.stabiliser_share)
        if passed.relevance is not None:
            source = self.source
            assert source is not None  # the engine sets it for layers that read the input
            context.input_relevance.append((source, passed.relevance))
            arrived = passed.relevance.reshape(ledger.batch, -1).sum(dim=1)
        else:
            assert passed.coefficient is not None  # every rule returns one of the two
            arrived = ledger.sum_of_products(x, passed.coefficient, self.path)
        ledger.add(entry, "relevance_in", arrived)
        self.saved.clear()
        return None if passed.coefficient is None else passed.coefficient.to(coefficient.dtype)


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
        value = _once(self)(x)
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
        return _once(self)(x)

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
