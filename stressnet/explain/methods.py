"""Other attribution methods with the interface of :func:`stressnet.explain.explain_batch`.

=========================== ===================================================================
method                      map
=========================== ===================================================================
``gradient``                derivative of ``f``
``input-times-gradient``    input times derivative; the same as LRP-0 on ReLU networks
``integrated-gradients``    (input - baseline) times the mean derivative on the way between them
``smoothgrad``              mean derivative at noisy copies of the input
``occlusion``               drop of ``f`` when a rectangle is replaced by the baseline
``random``                  Gaussian noise: what a method must beat
=========================== ===================================================================

Only integrated gradients, and input times gradient of a piecewise linear network without biases,
add up to a known value; the ledger states what is left over.

References
----------
Sundararajan et al. (2017) ICML (integrated gradients); Smilkov et al. (2017) arXiv:1706.03825
(SmoothGrad); Zeiler & Fergus (2014) ECCV (occlusion).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain.checks import check_inputs, check_model, plain_model
from stressnet.explain.ledger import Ledger, at_least_float32
from stressnet.explain.result import Explanation
from stressnet.explain.seeds import Seeded, Target, check_logits, make_seed


@dataclass(frozen=True)
class Problem:
    """What a method works on: the function ``f`` of the inputs, with its class fixed.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    inputs : Tensor, shape (batch, ...)
        Detached.
    seed, target
        As in :func:`stressnet.explain.explain_batch`; a predicted class is fixed at ``inputs``.
    """

    model: nn.Module
    inputs: Tensor
    seed: str | Tensor
    target: Target

    def values(self, inputs: Tensor) -> Seeded:
        """``f`` of other inputs, without gradient."""
        with torch.no_grad():
            logits = check_logits(self.model(inputs), len(inputs))
        return make_seed(logits, self.seed, self.target)

    def gradient(self, inputs: Tensor) -> Tensor:
        """Derivative of ``f`` at ``inputs``; parameters' ``grad`` is not touched."""
        with torch.enable_grad():
            leaf = inputs.detach().clone().requires_grad_(True)
            logits = check_logits(self.model(leaf), len(leaf))
            weights = make_seed(logits, self.seed, self.target).weights
            (gradient,) = torch.autograd.grad(logits, leaf, weights)
        return at_least_float32(gradient)


Method = Callable[..., tuple[Tensor, Tensor]]
"""``method(problem, **options) -> (map, value of f that belongs to no input)``."""


def _none(problem: Problem) -> Tensor:
    return torch.zeros(len(problem.inputs), dtype=torch.float64)


def _baseline(problem: Problem, baseline: float | Tensor) -> Tensor:
    inputs = problem.inputs
    values = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device)
    try:
        return values.expand_as(inputs)
    except RuntimeError:
        raise ConfigError(
            f"baseline of shape {tuple(values.shape)} does not broadcast to {tuple(inputs.shape)}"
        ) from None


def gradient(problem: Problem) -> tuple[Tensor, Tensor]:
    """Derivative of ``f``: sensitivity, not contribution."""
    return problem.gradient(problem.inputs), _none(problem)


def input_times_gradient(problem: Problem) -> tuple[Tensor, Tensor]:
    """Input times derivative."""
    return at_least_float32(problem.inputs) * problem.gradient(problem.inputs), _none(problem)


def integrated_gradients(
    problem: Problem, *, baseline: float | Tensor = 0.0, n_steps: int = 32
) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre quadrature with ``n_steps`` points on the line from the baseline."""
    _at_least_one("n_steps", n_steps)
    import numpy as np

    points, weights = np.polynomial.legendre.leggauss(n_steps)
    start = _baseline(problem, baseline)
    step = problem.inputs - start
    total = torch.zeros_like(at_least_float32(step))
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        total += float(weight) * problem.gradient(start + float(point) * step)
    return total * step, problem.values(start).output.cpu()


def smoothgrad(
    problem: Problem,
    *,
    generator: torch.Generator,
    n_samples: int = 20,
    noise_sd: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """Mean of the derivative at ``n_samples`` copies with Gaussian noise.

    ``noise_sd`` is relative to the range of each sample.
    """
    _at_least_one("n_samples", n_samples)
    inputs = problem.inputs
    flat = inputs.reshape(len(inputs), -1)
    spread = (flat.amax(dim=1) - flat.amin(dim=1)).reshape(-1, *(1,) * (inputs.dim() - 1))
    total = torch.zeros_like(at_least_float32(inputs))
    for _ in range(n_samples):
        noise = _noise(inputs, generator)
        total += problem.gradient(inputs + noise_sd * spread * noise)
    return total / n_samples, _none(problem)


def occlusion(
    problem: Problem,
    *,
    window: tuple[int, int] = (16, 8),
    stride: tuple[int, int] | None = None,
    baseline: float | Tensor = 0.0,
) -> tuple[Tensor, Tensor]:
    """Drop of ``f`` when ``window`` (bins, frames) is replaced; overlapping windows are averaged.

    The last window of a row or column is moved back to end at the border, so that every value is
    covered. ``stride`` is the window by default.
    """
    inputs = problem.inputs
    if inputs.dim() != 4:
        raise ConfigError(f"occlusion needs inputs (batch, 1, bins, frames), not {inputs.dim()}-D")
    for value in (*window, *(stride or window)):
        _at_least_one("window and stride", value)
    start = _baseline(problem, baseline)
    f = problem.values(inputs).output
    total = torch.zeros_like(at_least_float32(inputs))
    covered = torch.zeros_like(total)
    bins, frames = inputs.shape[2:]
    for low in _starts(bins, window[0], (stride or window)[0]):
        for first in _starts(frames, window[1], (stride or window)[1]):
            cut = (..., slice(low, low + window[0]), slice(first, first + window[1]))
            altered = inputs.clone()
            altered[cut] = start[cut]
            drop = (f - problem.values(altered).output).to(total)
            total[cut] += drop.reshape(-1, 1, 1, 1)
            covered[cut] += 1
    return total / covered, _none(problem)


def random(problem: Problem, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Standard Gaussian noise."""
    return _noise(at_least_float32(problem.inputs), generator), _none(problem)


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Noise drawn on the generator's device, so that it does not depend on the model's."""
    device = generator.device
    return torch.randn(like.shape, generator=generator, device=device).to(like)


def _starts(size: int, window: int, stride: int) -> list[int]:
    last = max(size - window, 0)
    return [*range(0, last, stride), last]


def _at_least_one(what: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{what} must be at least 1, not {value}")


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "gradient": gradient,
        "input-times-gradient": input_times_gradient,
        "integrated-gradients": integrated_gradients,
        "smoothgrad": smoothgrad,
        "occlusion": occlusion,
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
    **options: Any,
) -> Explanation:
    """A map by one of :data:`METHODS`.

    Parameters
    ----------
    model, inputs, seed, target
        As in :func:`stressnet.explain.explain_batch`. The class that is predicted for the input
        stays the explained class for altered inputs.
    method : str
        Name of the method.
    **options
        Parameters of the method: ``baseline``, ``n_steps``, ``window``, ``generator`` (a
        ``torch.Generator``, required where chance plays a part).

    Returns
    -------
    Explanation
        With ``composite`` the method's name; the ledger's only row per sample states the part of
        ``f`` that belongs to no input (the baseline's ``f``) and what the map leaves unaccounted.

    Raises
    ------
    ConfigError
        For an unknown method or option.
    ExplainError
        For a model in training mode or one that does not return logits.
    """
    if method not in METHODS:
        raise ConfigError(f"no method named {method!r}; choose from {', '.join(METHODS)}")
    model = plain_model(model)
    check_model(model)
    check_inputs(inputs)
    with torch.inference_mode(False):
        data = inputs.detach().clone()
        problem = Problem(model, data, seed, target)
        with torch.no_grad():
            logits = check_logits(model(data), len(data))
        start = make_seed(logits, seed, target)
        if start.target is not None:
            problem = Problem(model, data, seed, start.target)
        _check_options(method, options)
        relevance, elsewhere = METHODS[method](problem, **options)
    ledger = Ledger(len(data))
    entry = ledger.open("(method)", method, "")
    total = relevance.double().reshape(len(data), -1).sum(dim=1).cpu()
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
    )


def _check_options(method: str, options: Mapping[str, Any]) -> None:
    function = METHODS[method]
    code = function.__code__
    known = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(
            f"method {method} has no option {', '.join(unknown)}; "
            f"it has {', '.join(known) or 'none'}"
        )
    if "generator" in known and not isinstance(options.get("generator"), torch.Generator):
        raise ConfigError(f"method {method} needs generator=torch.Generator().manual_seed(...)")
