"""Explanations under ``torch.func.vmap``: the mapped axis becomes part of the batch.

Samples are explained independently, so mapping an explanation over an axis is explaining one batch
of all its entries. ``torch.autograd.Function`` lets an operation say so itself (its ``vmap``
method), and nests; the engine never sees a mapped tensor.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError, ExplainError
from stressnet.explain.engine.calls import is_mapped
from stressnet.explain.engine.taps import Tap
from stressnet.explain.result import Explanation

_functorch = torch._C._functorch

ARGUMENTS = ("inputs", "seed", "target", "low", "high")  # Of an explanation; low, high: bounds
Arguments = Mapping[str, Any]  # Values of `ARGUMENTS`


def is_transformed() -> bool:
    """The code runs within a function that ``torch.func`` transforms."""
    return _functorch.maybe_current_level() is not None


def refuse_derivatives(tensors: Iterable[object], model: nn.Module) -> None:
    """Explanations can be mapped, not differentiated; mapped parameters cannot be explained."""
    for tensor in tensors:
        while isinstance(tensor, Tensor) and _functorch.is_functorch_wrapped_tensor(tensor):
            if not _functorch.is_batchedtensor(tensor):
                raise ExplainError(
                    "explanations cannot be differentiated by torch.func (grad, vjp, jvp, …): they "
                    "make their own backward pass; vmap works"
                )
            tensor = _functorch.get_unwrapped(tensor)
    if any(map(is_mapped, (*model.parameters(), *model.buffers()))):
        raise ExplainError(
            "the model's parameters are mapped by torch.func.vmap; explanations can be mapped over "
            "inputs, seeds, classes and bounds: loop over the models"
        )


def refuse_mapped(method: str, tensors: Iterable[object]) -> None:
    """Raise :class:`ExplainError` under any ``torch.func`` transform: methods take one batch."""
    if any(map(is_mapped, tensors)):
        raise ExplainError(
            f"method {method} cannot be transformed by torch.func (vmap, grad, vjp); pass the "
            "samples as one batch"
        )


class _Mapped(torch.autograd.Function):
    """An explanation as tensors in, tensors out, so that ``vmap`` can be told what to do."""

    @staticmethod
    def forward(explain: Callable[[Arguments], Explanation], *values: Any) -> tuple[Tensor, ...]:
        made = explain(dict(zip(ARGUMENTS, values, strict=True)))
        classes = made.output.new_zeros(len(values[0])) if made.target is None else made.target
        taps = (part for tap in made.taps.values() for part in (tap.activation, tap.coefficient))
        layers = (*made.layer_relevance.values(), *taps)
        return (made.relevance, made.output, made.logits, classes, made.shares(), *layers)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept: there is no backward pass."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *arguments: Any) -> tuple[tuple[Tensor, ...], Any]:
        explain, inputs, seed, target, *bounds = arguments
        n = info.batch_size

        def entries(value: Tensor, dim: int | None) -> Tensor:
            """The mapped axis first, in entries that share the value too."""
            return value.movedim(dim, 0) if dim is not None else value.expand(n, *value.shape)

        inputs = entries(inputs, in_dims[1])
        batch = inputs.shape[1]
        if isinstance(seed, Tensor):
            rows = entries(seed, in_dims[2])
            rows = rows[:, None] if rows.dim() == 2 else rows
            if rows.dim() != 3 or rows.shape[1] not in (1, batch):
                raise ConfigError(
                    f"seed weights have shape {tuple(rows.shape[1:])}; give (n_classes,) or "
                    f"({batch}, n_classes) to each entry"
                )
            seed = rows.expand(n, batch, rows.shape[-1]).flatten(0, 1)
        if isinstance(target, Tensor):
            classes = entries(target, in_dims[3]).reshape(n, -1)
            if classes.shape[1] not in (1, batch):
                raise ConfigError(f"target must hold one class or {batch} for each entry")
            target = classes.expand(n, batch).flatten()
        limits = [
            value if value is None else _like(entries(value, dim), inputs).flatten(0, 1)
            for value, dim in zip(bounds, in_dims[4:], strict=True)
        ]
        results = _Mapped.apply(explain, inputs.flatten(0, 1), seed, target, *limits)
        return tuple(value.unflatten(0, (n, batch)) for value in results), (0,) * len(results)


def _like(value: Tensor, inputs: Tensor) -> Tensor:
    """Bounds of each entry, shape of ``inputs``, which has the entries first."""
    shape = (value.shape[0], *(1,) * (inputs.dim() - value.dim()), *value.shape[1:])
    return value.reshape(shape).expand_as(inputs)


def explain_mapped(
    explain: Callable[[Arguments], Explanation], arguments: Arguments
) -> Explanation:
    """One explanation of all entries, handed back as the entry that the caller sees."""
    every: list[Explanation] = []

    def run(arguments: Arguments) -> Explanation:
        every.append(explain(arguments))
        return every[0]

    values = (arguments[name] for name in ARGUMENTS)
    relevance, output, logits, classes, shares, *layers = _Mapped.apply(run, *values)
    (made,) = every
    n = len(made.layer_relevance)
    pairs = zip(layers[n::2], layers[n + 1 :: 2], strict=True)
    return replace(
        made,
        relevance=relevance,
        output=output,
        logits=logits,
        target=None if made.target is None else classes,
        ledger=made.with_shares(shares),
        layer_relevance=dict(zip(made.layer_relevance, layers[:n], strict=True)),
        taps={place: Tap(*pair) for place, pair in zip(made.taps, pairs, strict=True)},
    )
