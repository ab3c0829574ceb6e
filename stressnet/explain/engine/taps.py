"""Taps: where an explanation hands out coefficients of inner tensors.

The coefficient ``c`` of a tensor ``a`` is what the rules multiply it by: its relevance is
``R = a * c``. It is read off the backward pass, never computed as ``R / a``. A batch normalisation
that is folded leaves its layer's own output outside the graph; that output's coefficient is the
normalisation's times its scale, so that the shift is no part of its relevance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from stressnet.errors import ExplainError
from stressnet.explain.boundaries import check_read
from stressnet.explain.engine.calls import Tag, known_tag, tag_of
from stressnet.explain.engine.route import Context, at_least_float32, route

if TYPE_CHECKING:
    from stressnet.explain.engine.mode import RelevanceMode


@dataclass(frozen=True)
class Tap:
    """An inner tensor, shape (batch, ...), and its propagation coefficient, of the same shape."""

    activation: Tensor
    coefficient: Tensor

    @property
    def relevance(self) -> Tensor:
        """Relevance of every value."""
        return at_least_float32(self.activation) * at_least_float32(self.coefficient)


class TapNode:
    """Reads value and coefficient of the tensor at one place."""

    def __init__(self, context: Context, place: str) -> None:
        self.context, self.place = context, place
        self.coefficient: Tensor | None = None
        self.from_input = False

    def follow(self, engine: RelevanceMode, tensor: Tensor) -> Tensor:
        """The same tensor, which must depend on the input, with this node behind it."""
        tag = tag_of(tensor)
        if tag is None:
            raise ExplainError(f"{self.place} does not depend on the model's input: no relevance")
        self.from_input = tag.is_input
        self.context.tapped.append(get_gradient_edge(tensor))
        result = engine.tag(
            route(self, tensor), Tag(tag.nonnegative, tag.is_input, tag.bounds, tag.node, tag.uses)
        )
        known_tag(result).taps = [*tag.taps, (self, 1.0)]
        return result

    def run(self, x: Tensor) -> Tensor:
        self.activation = x.detach().clone()
        return x.clone()

    def pull(self, coefficient: Tensor) -> Tensor:
        if not self.context.propagated:
            before = self.coefficient
            self.coefficient = coefficient if before is None else before + coefficient
        return coefficient

    def read(self, overwritten: set[str]) -> Tap:
        """Value and coefficient after the backward pass."""
        if self.from_input and self.context.input_relevance:
            raise ExplainError(
                f"{self.place} holds input values, to which the first layer's rule gives relevance "
                "whatever their value, so they have no coefficient; choose a composite without "
                "such a rule"
            )
        if self.coefficient is None:
            check_read(self.place, overwritten)
            return Tap(self.activation, torch.zeros_like(self.activation))
        return Tap(self.activation, self.coefficient)


def hand_to_taps(
    taps: Sequence[tuple[TapNode, Tensor | float]], result: Tensor, scale: Tensor
) -> None:
    """Taps of what was folded get the coefficient of ``result`` times ``scale``."""
    inner: list[tuple[TapNode, Tensor | float]] = [(tap, scale * factor) for tap, factor in taps]

    def hand(coefficient: Tensor) -> None:
        for tap, factor in inner:
            tap.pull((coefficient * factor).to(coefficient.dtype))

    if inner:
        inner[0][0].context.tapped.append(get_gradient_edge(result))
        known_tag(result).taps = inner
        result.register_hook(hand)
