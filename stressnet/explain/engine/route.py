"""Operations with the exact forward value and a modified gradient.

The gradient that travels backwards is the *propagation coefficient* ``c``: the relevance of any
tensor ``a`` is ``a * c``. A plain linear operation, a ReLU and a max pooling need nothing: autograd
already does the right thing. All others are nodes: a
:class:`~stressnet.explain.engine.layer_node.LayerNode`, or one of
:mod:`stressnet.explain.engine.nodes` and :mod:`stressnet.explain.engine.attention`.

The ledger says how much of the explained value each layer passed on or kept. For every sample

    f = sum R + sum bias share + sum stabiliser share (+ sum unaccounted share).

Shares have the unit of ``f``. The unaccounted share is zero unless operations without a rule were
let through with ``strict=False`` or channels were masked out on purpose.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from stressnet.errors import ExplainError
from stressnet.explain.rules.base import per_sample

COLUMNS = ("relevance_out", "relevance_in", "bias_share", "stabiliser_share", "unaccounted_share")

LedgerRecord = dict[str, Any]  # Sample, layer, operation, rule and the columns of `COLUMNS`


@dataclass
class LedgerEntry:
    labels: dict[str, str]
    columns: dict[str, Tensor] = field(default_factory=dict)


class Ledger:
    """Collects shares of ``batch`` samples during the backward pass, a row per operation."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._entries: list[LedgerEntry] = []

    def open(self, layer: str, operation: str, rule: str) -> LedgerEntry:
        """A new row, in order of the forward pass; fill it with :meth:`add`."""
        entry = LedgerEntry({"layer": layer, "operation": operation, "rule": rule})
        self._entries.append(entry)
        return entry

    def add(self, entry: LedgerEntry, column: str, values: Tensor) -> None:
        """Add per-sample ``values``, shape ``(batch,)``."""
        values = values.detach().double()
        before = entry.columns.get(column)
        entry.columns[column] = values if before is None else before + values

    def sum_of_products(self, a: Tensor, b: Tensor, where: str) -> Tensor:
        """``sum(a * b)`` per sample in at least float32."""
        self.check(a, where)
        return per_sample(at_least_float32(a), at_least_float32(b), self.batch)

    def check(self, values: Tensor, where: str) -> None:
        """Raise :class:`ExplainError` unless the first dimension can hold the samples."""
        if values.dim() == 0 or values.shape[0] % self.batch:
            raise ExplainError(
                f"{where}: tensor of shape {tuple(values.shape)} does not keep the {self.batch} "
                "samples in its first dimension; explain one sample at a time"
            )

    def records(self) -> tuple[LedgerRecord, ...]:
        """Tidy rows, all layers of the first sample first."""
        used = [entry for entry in self._entries if entry.columns]
        if not used:
            return ()
        device = next(iter(used[0].columns.values())).device
        none = torch.zeros(self.batch, dtype=torch.float64, device=device)
        table = torch.stack(
            [torch.stack([entry.columns.get(name, none) for name in COLUMNS]) for entry in used]
        )
        values = table.permute(2, 0, 1).tolist()
        return tuple(
            {"sample": sample, **entry.labels, **dict(zip(COLUMNS, row, strict=True))}
            for sample, rows in enumerate(values)
            for entry, row in zip(used, rows, strict=True)
        )


def at_least_float32(values: Tensor) -> Tensor:
    """float32 copy of half-precision tensors, others unchanged."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


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


def forgotten(node: Any) -> Callable[[Tensor], Tensor]:
    """The node's operation, forgotten by the node so that it keeps no tensors alive."""
    compute = node.compute
    node.compute = None
    return compute


@dataclass
class Context:
    """What nodes share in one explanation; layers go by their module path."""

    ledger: Ledger
    root: Tensor  # the model's input, with gradient
    keep: dict[str, tuple[int, ...]]  # channels that may carry relevance
    watched: frozenset[str]  # layers whose relevance is wanted
    seen: dict[str, Tensor] = field(default_factory=dict)  # relevance of the watched layers
    # Tensors that hold (moved) input values, with the relevance that rules for the first layer
    # gave them directly; keep_graph if it must still be moved back to the input.
    input_relevance: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    keep_graph: bool = False
    tapped: list[GradientEdge] = field(default_factory=list)  # where the backward pass may end
    propagated: bool = False  # the coefficients have arrived; what follows moves relevance
