"""Other attribution methods with the interface of :func:`stressnet.explain.explain_batch`.

``docs/explain.md`` says what each one shows and what its sum means; the ledger states what a sum
leaves over. Each method's module names its source.
"""

import inspect
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from stressnet.axes import Axes
from stressnet.errors import ConfigError, check_names
from stressnet.explain.api import explain_batch
from stressnet.explain.checks import check_axes, check_images, full_precision, plain_model
from stressnet.explain.composites import COMPOSITES, Composite
from stressnet.explain.engine.route import Ledger, at_least_float32
from stressnet.explain.functional import refuse_mapped
from stressnet.explain.methods import cam, deeplift, gradients, occlusion
from stressnet.explain.methods.problem import Chance, Method, Problem, nothing
from stressnet.explain.reference import REFERENCED
from stressnet.explain.result import Explanation
from stressnet.explain.seeds import Target

Normalisation = Literal["absolute-sum", "maximum"]


def ensemble(
    problem: Problem,
    *,
    members: Mapping[str, Mapping[str, Any]],
    normalisation: Normalisation = "absolute-sum",
    weights: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean of the normalised maps of methods or composites.

    ``members`` maps each one's name to its options, e.g.
    ``{"epsilon-plus": {}, "smoothgrad": {"generator": generator}}``.
    """
    maps = []
    for name, options in members.items():
        explain = explain_batch if name in COMPOSITES else attribute_batch
        explained = explain(
            problem.model, problem.inputs, name, problem.seed, problem.target, **options
        )
        maps.append(explained.relevance)
    return mean_of_maps(maps, normalisation, weights), nothing(problem)


def mean_of_maps(
    maps: Sequence[Tensor],
    normalisation: Normalisation = "absolute-sum",
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Mean of maps, each divided by its scale within every sample; a map of zeros stays zero.

    Parameters
    ----------
    maps : sequence of Tensor, shape (batch, ...)
        Signed or unsigned. The mean is without unit, and its sum means nothing.
    normalisation : {"absolute-sum", "maximum"}
        Scale of a sample's map: sum of its absolute values, or the largest of them.
    weights : sequence of float, optional
        One per map, not negative; only their ratios matter.
    """
    if not maps:
        raise ConfigError("an ensemble needs at least one map")
    if len({tuple(one.shape) for one in maps}) > 1:
        raise ConfigError(f"maps differ in shape: {', '.join(str(tuple(m.shape)) for m in maps)}")
    if normalisation not in ("absolute-sum", "maximum"):
        raise ConfigError(f"normalisation is 'absolute-sum' or 'maximum', not {normalisation!r}")
    shares = [1.0] * len(maps) if weights is None else [float(weight) for weight in weights]
    if len(shares) != len(maps) or min(shares) < 0 or sum(shares) == 0:
        raise ConfigError(f"weights must be {len(maps)} numbers >= 0, not all zero: {shares}")
    total = torch.zeros_like(maps[0])
    for one, share in zip(maps, shares, strict=True):
        size = one.abs().reshape(len(one), -1)
        scale = size.sum(dim=1) if normalisation == "absolute-sum" else size.amax(dim=1)
        scale = torch.where(scale == 0, 1, scale).reshape(-1, *(1,) * (one.dim() - 1))
        total = total + share / sum(shares) * one / scale
    return total


def random(problem: Problem, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Standard Gaussian noise."""
    values = at_least_float32(problem.inputs)
    return Chance(generator, len(values)).normal(values), nothing(problem)


def sobel(problem: Problem) -> tuple[Tensor, Tensor]:
    """Magnitude of the input's own gradient by Sobel's 3 x 3 filters, in input units per cell.

    An explanation that looks like an edge detector may well be one (Adebayo et al. 2018, NeurIPS).
    Borders repeat the last value, so that they are no edges. Inputs have shape (batch, channels,
    bins, frames).
    """
    values = at_least_float32(problem.inputs)
    check_images(values, "sobel")
    smooth = torch.tensor([1.0, 2.0, 1.0]).to(values) / 4
    slope = torch.tensor([-1.0, 0.0, 1.0]).to(values) / 2
    planes = fn.pad(values.flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    kernels = torch.stack([torch.outer(smooth, slope), torch.outer(slope, smooth)])[:, None]
    edges = fn.conv2d(planes, kernels)
    return torch.linalg.vector_norm(edges, dim=1).reshape(values.shape), nothing(problem)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "gradient": gradients.gradient,
        "input-times-gradient": gradients.input_times_gradient,
        "integrated-gradients": gradients.integrated_gradients,
        "gradient-shap": gradients.gradient_shap,
        "smoothgrad": gradients.smoothgrad,
        "deeplift": deeplift.deeplift,
        "grad-cam": cam.grad_cam,
        "grad-cam++": cam.grad_cam_plus_plus,
        "occlusion": occlusion.occlusion,
        "occlusion-by-masks": occlusion.mask_occlusion,
        "ensemble": ensemble,
        "sobel": sobel,
        "random": random,
    }
)
"""Methods by name."""


def attribute_batch(
    model: nn.Module,
    inputs: Tensor,
    method: str,
    seed: str | Tensor = "logit-difference",
    target: Target = None,
    *,
    axes: Axes | None = None,
    **options: Any,
) -> Explanation:
    """A map by one of :data:`METHODS`.

    The result's ``composite`` is the method's name; the ledger's only row per sample states the
    part of ``f`` that belongs to no input (the baseline's ``f``) and what the map leaves
    unaccounted. Raises :class:`ConfigError` for an unknown method or option, else what
    ``explain_batch`` does.

    Parameters
    ----------
    model, inputs, seed, target
        As in :func:`stressnet.explain.explain_batch`. The class that is predicted for the input
        stays the explained class for altered inputs.
    **options
        Parameters of the method: ``baseline``, ``n_steps``, ``window``, ``layer``, ``masks``,
        ``generator`` (a ``torch.Generator``, required where chance plays a part; a batch draws the
        same numbers as its samples one after another) and others, see the method.
    """
    check_names("method", [method], METHODS)
    check_axes(inputs, axes)
    model = plain_model(model)
    refuse_mapped(method, (inputs, seed, target, *options.values(), *model.parameters()))
    with full_precision():
        problem, logits, start = Problem.fixed(model, inputs, seed, target)
        _check_options(method, options)
        relevance, elsewhere = METHODS[method](problem, **options)
    ledger = Ledger(len(inputs))
    entry = ledger.open("(method)", method, "")
    total = relevance.double().reshape(len(inputs), -1).sum(dim=1).cpu()
    f = start.output.cpu()
    for column, values in (
        ("relevance_out", f),
        ("relevance_in", total),
        ("bias_share", elsewhere),
        ("unaccounted_share", f - total - elsewhere),
    ):
        ledger.add(entry, column, values)
    return Explanation(
        relevance=relevance,
        output=start.output,
        logits=logits,
        seed=start.name,
        target=start.target,
        composite=method,
        rules={},
        stabilisers={},
        ledger=ledger.records(),
        axes=axes,
    )


def relevance_by_name(
    model: nn.Module,
    inputs: Tensor,
    name: str | Composite,
    seed: str | Tensor,
    target: Tensor | None,
    chance_seed: int,
    **offered: Any,
) -> Tensor:
    """Map by a composite or by another method, also one with a reference.

    A method takes those of the ``offered`` options that it knows. Random numbers depend on
    ``chance_seed`` and the sample's values, so that samples differ, and not on the model.
    """
    if isinstance(name, Composite) or name in COMPOSITES:
        bounds = offered.get("bounds")
        return explain_batch(model, inputs, name, seed, target, bounds).relevance
    method = REFERENCED.get(name, name)
    known = _options_of(method)
    options = {key: value for key, value in offered.items() if key in known}
    if "generator" not in known:
        return attribute_batch(model, inputs, method, seed, target, **options).relevance
    maps = []
    for k, x in enumerate(inputs.split(1)):
        digest = zlib.crc32(x.detach().cpu().contiguous().numpy().tobytes())
        options["generator"] = torch.Generator().manual_seed(chance_seed * 2**32 + digest)
        own_seed = seed if isinstance(seed, str) else seed[k : k + 1]
        own_target = None if target is None else target[k : k + 1]
        maps.append(attribute_batch(model, x, method, own_seed, own_target, **options).relevance)
    return torch.cat(maps)


def _options_of(method: str) -> dict[str, Any]:
    """Options of a method, with their defaults."""
    parameters = inspect.signature(METHODS[method]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _check_options(method: str, options: Mapping[str, Any]) -> None:
    known = _options_of(method)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(
            f"method {method} has no option {', '.join(unknown)}; "
            f"it has {', '.join(known) or 'none'}"
        )
    needed = {name for name, default in known.items() if default is inspect.Parameter.empty}
    missing = sorted(needed - set(options) - {"generator"})
    if missing:
        raise ConfigError(f"method {method} needs {', '.join(missing)}; see its documentation")
    if "generator" in known and not isinstance(options.get("generator"), torch.Generator):
        raise ConfigError(f"method {method} needs generator=torch.Generator().manual_seed(...)")
