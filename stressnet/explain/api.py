"""Layer-wise relevance propagation of a batch."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.axes import Axes
from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import checks
from stressnet.explain.boundaries import changed_at
from stressnet.explain.composites import Composite, find_composite
from stressnet.explain.engine.calls import Tag, set_tag, tag_of
from stressnet.explain.engine.mode import ExplainWarning, RelevanceMode
from stressnet.explain.engine.route import Context, Ledger, at_least_float32
from stressnet.explain.engine.taps import Tap, TapNode
from stressnet.explain.functional import (
    ARGUMENTS,
    Arguments,
    explain_mapped,
    is_transformed,
    refuse_derivatives,
)
from stressnet.explain.result import Explanation
from stressnet.explain.seeds import Seeded, Target, check_logits, make_seed

Bounds = tuple[float | Tensor, float | Tensor]


@dataclass(frozen=True)
class Details:
    """What else an explanation can be asked for."""

    # Raise at operations without a rule. With False, warn, use the plain gradient there and state
    # its share in the ledger.
    strict: bool = True
    # Module paths of convolutions or dense layers whose output relevance is wanted. Where a batch
    # normalisation is folded, it is the relevance of the normalised output.
    layers: Sequence[str] = ()
    # Let relevance pass only through these channels of a layer (conditional relevance).
    keep_channels: Mapping[str, Sequence[int]] | None = None
    # Seconds and hertz of the inputs' last two dimensions; they travel with the result.
    axes: Axes | None = None
    # Places (`stressnet.explain.boundaries`) whose value and coefficient are wanted:
    # `"block1.attention"` is that module's output, `"block1.attention.out:input"` what this module
    # reads.
    taps: Sequence[str] = ()


@checks.never_compiled
def explain_batch(
    model: nn.Module,
    inputs: Tensor,
    composite: str | Composite = "epsilon-gamma",
    seed: str | Tensor = "logit-difference",
    target: Target = None,
    bounds: Bounds | None = None,
    **details: Any,
) -> Explanation:
    """Layer-wise relevance propagation through an unmodified model.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode; returns logits of shape (batch, n_classes). It is left as it was.
    inputs : Tensor, shape (batch, 1, n_bins, n_frames) or any other with the batch first
        Same device and dtype as the model expects.
    composite : str or Composite
        Rules; names in :data:`stressnet.explain.COMPOSITES`.
    seed : str or Tensor
        What is explained, see :mod:`stressnet.explain.seeds`.
    target : int, Tensor of shape (batch,), or None
        Class for ``logit`` and ``log-odds``; None is the predicted class.
    bounds : tuple of float or Tensor, optional
        Lowest and highest possible input for rule zB, broadcastable to the inputs (per bin: shape
        ``(n_bins, 1)``).
    **details
        ``strict``, ``layers``, ``keep_channels``, ``axes`` and ``taps``, see :class:`Details`.
    """
    recipe, wanted = find_composite(composite), Details(**details)
    checks.check_axes(inputs, wanted.axes)
    model = checks.plain_model(model)
    refuse_derivatives((inputs, seed, target, *(bounds or ())), model)
    checks.check_model(model)
    checks.check_paths(model, (*wanted.layers, *(wanted.keep_channels or ())))

    def explain(arguments: Arguments) -> Explanation:
        return _explain(model, recipe, arguments, wanted)

    low, high = bounds or (None, None)
    if is_transformed():
        low, high = (None if b is None else torch.as_tensor(b).to(inputs) for b in (low, high))
    arguments = dict(zip(ARGUMENTS, (inputs, seed, target, low, high), strict=True))
    return explain_mapped(explain, arguments) if is_transformed() else explain(arguments)


@checks.never_compiled
def coefficients_at(
    model: nn.Module,
    inputs: Tensor,
    composite: str | Composite,
    places: Sequence[str],
    *,
    strict: bool = True,
) -> tuple[Tensor, dict[str, Tap]]:
    """The logit difference, shape (batch,), and value and coefficient at some places."""
    recipe, model = find_composite(composite), checks.plain_model(model)
    arguments = dict(zip(ARGUMENTS, (inputs, "logit-difference", None, None, None), strict=True))
    wanted = Details(strict=strict, taps=places)
    with checks.full_precision(), torch.enable_grad():
        seen = _watched(model, recipe, arguments, wanted)
        torch.autograd.grad(seen.logits, seen.context.tapped, seen.start.weights, allow_unused=True)
    return seen.start.output, {
        place: tap.read(seen.overwritten) for place, tap in seen.taps.items()
    }


@dataclass(frozen=True)
class _Watched:
    """A forward pass that the engine has seen."""

    logits: Tensor
    start: Seeded
    leaf: Tensor
    context: Context
    mode: RelevanceMode
    taps: dict[str, TapNode]
    overwritten: set[str]


def _watched(
    model: nn.Module, recipe: Composite, arguments: Arguments, wanted: Details
) -> _Watched:
    """Run the model on one batch of plain tensors; gradients must be on."""
    inputs, seed, target = (arguments[name] for name in ("inputs", "seed", "target"))
    checks.check_inputs(inputs)
    limits = _limits(recipe, inputs, arguments["low"], arguments["high"])
    ledger = Ledger(len(inputs))
    leaf = inputs.detach().clone().requires_grad_(True)
    root = leaf.clone()
    set_tag(root, Tag(is_input=True, bounds=limits))
    keep = {path: tuple(chosen) for path, chosen in (wanted.keep_channels or {}).items()}
    context = Context(ledger, root, keep, frozenset(wanted.layers))
    mode = RelevanceMode(model, recipe, context, strict=wanted.strict)
    taps = {place: TapNode(context, place) for place in wanted.taps}
    changes = {place: partial(tap.follow, mode) for place, tap in taps.items()}
    with changed_at(model, changes) as overwritten, checks.eager(), mode:
        logits = model(root)
    logits = check_logits(logits, len(inputs))
    output_tag = tag_of(logits)
    if output_tag is None:
        raise ExplainError(
            "the model's output does not depend on its input through operations that can be "
            "seen; scripted, compiled or data-parallel models cannot be explained, nor can "
            "custom autograd functions: pass the plain module"
        )
    output_tag.uses.other += 1
    if recipe.first is not None and str(recipe.first) not in mode.rules.values():
        raise ExplainError(
            f"composite {recipe.name}: no layer reads the model's input directly, so rule "
            f"{recipe.first.name} has no place; choose a composite without a first-layer rule"
        )
    start = make_seed(logits, seed, target)
    if bool((start.offset != 0).any()):
        entry = ledger.open("(seed)", start.name, "entropy of the other classes")
        ledger.add(entry, "bias_share", start.offset)
    return _Watched(logits, start, leaf, context, mode, taps, overwritten)


def _explain(
    model: nn.Module, recipe: Composite, arguments: Arguments, wanted: Details
) -> Explanation:
    """One batch of plain tensors."""
    with checks.full_precision(), torch.enable_grad():
        seen = _watched(model, recipe, arguments, wanted)
        start = seen.start
        relevance = _propagate(seen.logits, start.weights, seen.leaf, seen.context)
    result = Explanation(
        relevance=relevance,
        output=start.output,
        logits=seen.logits.detach(),
        seed=start.name,
        target=start.target,
        composite=recipe.name,
        rules=seen.mode.rules,
        stabilisers=_stabilisers(recipe),
        ledger=seen.context.ledger.records(),
        layer_relevance=seen.context.seen,
        taps={place: tap.read(seen.overwritten) for place, tap in seen.taps.items()},
        axes=wanted.axes,
    )
    _warn_if_open(result, arguments["inputs"].dtype)
    return result


def _propagate(logits: Tensor, weights: Tensor, leaf: Tensor, context: Context) -> Tensor:
    """One backward pass; input times coefficient, plus what first-layer rules gave directly."""
    (coefficient,) = torch.autograd.grad(
        logits, leaf, weights, retain_graph=context.keep_graph, allow_unused=True
    )
    context.propagated = True
    values = at_least_float32(leaf.detach())
    relevance = torch.zeros_like(values)
    if coefficient is not None:
        relevance = values * at_least_float32(coefficient)
    for source, part in context.input_relevance:
        if source is not context.root:
            (part,) = torch.autograd.grad(source, leaf, part.to(source.dtype), retain_graph=True)
        relevance = relevance + part
    return relevance


def _warn_if_open(result: Explanation, dtype: torch.dtype) -> None:
    """A ledger far from closing means that samples were mixed or precision ran out."""
    worst = float(result.conservation().relative_residual.max())
    if worst > (0.2 if dtype in (torch.float16, torch.bfloat16) else 1e-2):
        warnings.warn(
            f"the ledger leaves {worst:.0%} of a sample's value open: either the model moves "
            "samples out of the first dimension (explain one sample at a time) or its precision "
            "is too low (use float64)",
            ExplainWarning,
            stacklevel=6,
        )


def _limits(
    composite: Composite, inputs: Tensor, low: float | Tensor | None, high: float | Tensor | None
) -> tuple[Tensor, Tensor] | None:
    if not composite.needs_bounds:
        return None
    if low is None or high is None:
        raise ConfigError(
            f"composite {composite.name} needs bounds=(low, high): the smallest and largest value "
            "an input can have, e.g. the range of the training set per bin"
        )
    low, high = (torch.as_tensor(b, dtype=inputs.dtype, device=inputs.device) for b in (low, high))
    low = checks.expanded(low, inputs.shape, "the lower bound").contiguous()
    high = checks.expanded(high, inputs.shape, "the upper bound").contiguous()
    if bool((low > high).any()):
        raise ConfigError("bounds: low exceeds high")
    outside = int(((inputs < low) | (inputs > high)).sum())
    if outside:
        warnings.warn(
            f"{outside} input values lie outside the bounds; rule zB assumes they do not",
            ExplainWarning,
            stacklevel=6,
        )
    return low, high


def _stabilisers(composite: Composite) -> dict[str, float]:
    return {
        **{
            rule.name: float(value)
            for rule in composite.all_rules
            for name, value in rule.parameters
            if name == "stabiliser"
        },
        "pooling": composite.pooling_stabiliser,
        "addition": composite.addition_stabiliser,
        "activation": composite.activation_stabiliser,
    }
