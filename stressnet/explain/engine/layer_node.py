"""A layer with parameters under its rule."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.engine.calls import Uses
from stressnet.explain.engine.route import Context, LedgerEntry, at_least_float32, forgotten
from stressnet.explain.rules import Layer, Rule
from stressnet.explain.rules.base import per_sample
from stressnet.explain.rules.linear_maps import LinearMap

PART = 2**20
"""Values of a layer's input or output that pass through its rule at once, per thread of a CPU.

A rule makes several tensors of the size of its layer. Of a large batch these would be fetched from
the operating system page by page and leave the processor's cache before they are used again, which
costs more than the arithmetic; a few samples at a time reuse the same memory.
"""


@dataclass(frozen=True)
class LayerSpec:
    """A layer with parameters, at its place in the model."""

    path: str  # module path, with "#2" for the second use
    kind: str  # convolution, linear, batch_norm or pooling
    rule: Rule
    map: LinearMap
    weight: Tensor  # effective parameters, detached
    bias: Tensor | None
    x_is_nonnegative: bool = False  # known from data flow
    reads_input: bool = False  # its input is the model's
    bounds: tuple[Tensor, Tensor] | None = None  # range of the input, for rule zB

    def followed_by(self, scale: Tensor, shift: Tensor) -> Self:
        """This layer and then ``scale * z + shift`` per channel, as one layer."""
        bias = shift if self.bias is None else self.bias.to(scale) * scale + shift
        weight = self.map.scale_outputs(self.weight.to(scale), scale)
        return replace(self, weight=weight, bias=bias)


class LayerNode:
    """A layer under its rule; ``compute`` is the model's own operation on the layer's input."""

    def __init__(
        self, context: Context, spec: LayerSpec, compute: Callable[[Tensor], Tensor]
    ) -> None:
        self.context, self.spec, self.compute = context, spec, compute
        self.uses = Uses()
        self.source: Tensor | None = None  # input with its history: folding, first-layer rules
        self.saved: dict[str, Tensor] = {}
        self.versions: dict[str, int] = {}
        self.entry: LedgerEntry | None = None

    def open(self) -> None:
        """Take a row in the ledger."""
        self.entry = self.context.ledger.open(self.spec.path, self.spec.kind, str(self.spec.rule))

    def run(self, x: Tensor) -> Tensor:
        """The exact forward value; input and output are kept as aliases."""
        value = forgotten(self)(x)
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
        self._refuse_changes()
        context, entry, path = self.context, self.entry, self.spec.path
        ledger = context.ledger
        assert entry is not None  # opened when the node was made
        ledger.check(self.saved["z"], path)
        ledger.check(self.saved["x"], path)
        parts = self._parts()
        coefficients = None if len(parts) == 1 else torch.empty_like(self.saved["x"])
        shares: dict[str, list[Tensor]] = {}
        direct: list[Tensor] = []
        watched: list[Tensor] = []
        made: dict[str, Tensor] = {}
        for part in parts:
            x, z = (at_least_float32(self._rows(self.saved[slot], part)) for slot in ("x", "z"))
            c = at_least_float32(self._rows(coefficient, part))
            size = len(part)
            r = z * c
            if path in context.watched:
                watched.append(r)
            booked = {"relevance_out": r.reshape(size, -1).sum(dim=1)}
            if path in context.keep:
                mask = r.new_zeros(r.shape[1])  # one for the channels that may carry relevance
                mask[list(context.keep[path])] = 1
                mask = mask.reshape(1, -1, *(1,) * (r.dim() - 2))
                r, c = r * mask, c * mask
                left = r.reshape(size, -1).sum(dim=1)
                booked["unaccounted_share"] = booked["relevance_out"] - left
            passed = self.spec.rule(self._layer((x, z, c), size, part, made), r)
            booked["bias_share"] = passed.bias_share
            booked["stabiliser_share"] = passed.stabiliser_share
            if passed.relevance is not None:
                direct.append(passed.relevance)
                booked["relevance_in"] = passed.relevance.reshape(size, -1).sum(dim=1)
            else:
                assert passed.coefficient is not None  # every rule returns one of the two
                booked["relevance_in"] = per_sample(x, passed.coefficient, size)
                if coefficients is None:
                    coefficients = passed.coefficient.to(coefficient.dtype)
                else:
                    self._rows(coefficients, part).copy_(passed.coefficient)
            for column, values in booked.items():
                shares.setdefault(column, []).append(values)
        for column, pieces in shares.items():
            ledger.add(entry, column, torch.cat(pieces))
        if watched:
            context.seen[path] = torch.cat(watched)
        self.saved.clear()
        if not direct:
            return coefficients
        assert self.source is not None  # the engine sets it for layers that read the input
        context.input_relevance.append((self.source, torch.cat(direct)))
        return None

    def _refuse_changes(self) -> None:
        for slot, tensor in self.saved.items():
            if tensor._version != self.versions[slot]:
                side = "input" if slot == "x" else "output"
                raise ExplainError(
                    f"{self.spec.path} ({self.spec.kind}): its {side} was changed in place through "
                    "a view; use the out-of-place operation there"
                )

    def _parts(self) -> list[range]:
        """Samples that go through the rule together."""
        batch, z = self.context.ledger.batch, self.saved["z"]
        if z.device.type != "cpu":
            return [range(batch)]
        largest = max(z.numel(), self.saved["x"].numel()) // batch
        size = max(1, PART * torch.get_num_threads() // max(1, largest))
        return [range(start, min(start + size, batch)) for start in range(0, batch, size)]

    def _rows(self, values: Tensor, part: range) -> Tensor:
        """Images that belong to these samples."""
        each = len(values) // self.context.ledger.batch
        return values[part.start * each : part.stop * each]

    def _layer(
        self, values: tuple[Tensor, ...], size: int, part: range, made: dict[str, Tensor]
    ) -> Layer:
        """What the rule sees of some samples."""
        spec, bounds = self.spec, None
        x, z, c = values
        if spec.bounds is not None:
            bounds = self._rows(spec.bounds[0], part), self._rows(spec.bounds[1], part)
        return Layer(
            x,
            z,
            spec.weight.to(x.dtype),
            None if spec.bias is None else spec.bias.to(x.dtype),
            spec.map,
            size,
            spec.x_is_nonnegative,
            self.uses.only_rectified(),
            bounds,
            made,
            c,
        )
