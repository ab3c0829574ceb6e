"""Operations with the exact forward value and a modified gradient.

The gradient that travels backwards is the *propagation coefficient* ``c``: the relevance of any
tensor ``a`` is ``a * c``. A plain linear operation, a ReLU and a max pooling need nothing: autograd
already does the right thing. All others are nodes: a
:class:`~stressnet.explain.engine.layer_node.LayerNode`, or one of
:mod:`stressnet.explain.engine.nodes` and :mod:`stressnet.explain.engine.attention`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stressnet.explain.engine.ledger import Ledger


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
    propagated: bool = False  # the coefficients have arrived; what follows moves relevance
