"""DeepLIFT (rescale rule) computed by captum, for the models that captum explains correctly.

Captum replaces gradients at *modules* and so is blind to some models. On a copy of the model this
wrapper turns in-place activations off and, because captum 0.9 takes the first sample's gradient for
all where max pooling sees no difference, explains models with max pooling one sample at a time.
What remains wrong shows in the sum, which must be ``f(input) - f(baseline)``: a warning states how
much of it is missing. Known causes: activations called as functions and modules of kinds captum has
no rule for (both get the plain gradient), and max pooling, whose shares captum does not always add
up. A module used twice is refused. Shrikumar et al. (2017) ICML; Ancona et al. (2018) ICLR (rescale
rule as a modified gradient).
"""

import copy
import warnings
from collections import Counter
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.errors import ExplainError, MissingPartError
from stressnet.explain.engine.mode import ExplainWarning
from stressnet.explain.engine.route import at_least_float32
from stressnet.explain.methods.problem import Problem

TOLERANCE = 1e-3  # Part of a sample's difference to the baseline that may be missing silently


class _Explained(nn.Module):
    """``f`` as a module; captum stacks the baselines under the inputs."""

    def __init__(self, model: nn.Module, weights: Tensor) -> None:
        super().__init__()
        self.model, self.weights = model, weights

    def forward(self, x: Tensor) -> Tensor:
        logits = self.model(x)
        copies = len(logits) // len(self.weights)
        return (logits * self.weights.repeat(copies, 1)).sum(dim=1)


def deeplift(problem: Problem, *, baseline: float | Tensor = 0.0) -> tuple[Tensor, Tensor]:
    """Contributions relative to the baseline by the rescale rule."""
    try:
        from captum.attr import DeepLift
    except ImportError as error:
        raise MissingPartError(
            "method deeplift needs captum, which is not installed: pip install captum"
        ) from error
    # Captum's hooks and the switched-off in-place operations stay off the user's model.
    model = copy.deepcopy(problem.model)
    for module in model.modules():
        if getattr(module, "inplace", False):
            vars(module)["inplace"] = False
    _refuse_reused(model, problem.inputs[:1])
    start = problem.values(problem.inputs)
    reference = problem.filled(baseline).clone()
    pooled = any(isinstance(m, (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)) for m in model.modules())
    size = 1 if pooled else len(problem.inputs)
    maps = []
    for first in range(0, len(problem.inputs), size):
        part = slice(first, first + size)
        explained = _Explained(model, start.weights[part]).eval()
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # captum announces its hooks
            leaf = problem.inputs[part].clone().requires_grad_(True)
            contributions = DeepLift(explained).attribute(leaf, reference[part])
        maps.append(at_least_float32(contributions.detach()))
    relevance = torch.cat(maps)
    elsewhere = problem.values(reference).output
    _warn_if_incomplete(relevance, start.output - elsewhere)
    return relevance, elsewhere.cpu()


def _refuse_reused(model: nn.Module, sample: Tensor) -> None:
    """Captum's result for a non-linear module that runs twice is wrong without a word."""
    times: Counter[str] = Counter()

    def count(path: str, *_: Any) -> None:
        times[path] += 1

    handles = [
        module.register_forward_pre_hook(partial(count, path))
        for path, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        with torch.no_grad():
            model(sample)
    finally:
        for handle in handles:
            handle.remove()
    reused = [path for path, number in times.items() if number > 1]
    if reused:
        raise ExplainError(
            f"{', '.join(reused)}: module used more than once, which captum's DeepLIFT gets wrong; "
            "give each use its own module, or choose integrated-gradients"
        )


def _warn_if_incomplete(relevance: Tensor, difference: Tensor) -> None:
    flat = relevance.double().reshape(len(relevance), -1)
    scale = torch.maximum(difference.abs(), flat.abs().sum(dim=1))
    missing = (difference - flat.sum(dim=1)).abs() / scale.clamp(min=1e-30)
    if float(missing.max()) > TOLERANCE:
        warnings.warn(
            f"deeplift leaves {float(missing.max()):.1%} of a sample unexplained: captum does not "
            "see activations called as functions, and its max pooling does not always add up; use "
            "method integrated-gradients",
            ExplainWarning,
            stacklevel=4,
        )
