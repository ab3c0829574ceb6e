"""What an attribution method works on: the explained value as a function of the inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from stressnet.explain.checks import check_inputs, check_model, expanded
from stressnet.explain.engine.route import at_least_float32
from stressnet.explain.seeds import Seeded, Target, check_logits, make_seed


@dataclass(frozen=True)
class Problem:
    """The function ``f`` of the inputs, with its class fixed.

    Arguments are as in :func:`stressnet.explain.explain_batch`; inputs are detached, and a
    predicted class is fixed at them.
    """

    model: nn.Module
    inputs: Tensor
    seed: str | Tensor
    target: Target

    @classmethod
    def fixed(
        cls, model: nn.Module, inputs: Tensor, seed: str | Tensor, target: Target
    ) -> tuple[Problem, Tensor, Seeded]:
        """The problem with the predicted class fixed, and the logits and value at ``inputs``."""
        check_model(model)
        check_inputs(inputs)
        inputs = inputs.detach().clone()
        with torch.no_grad():
            logits = check_logits(model(inputs), len(inputs))
        start = make_seed(logits, seed, target)
        target = target if start.target is None else start.target
        return cls(model, inputs, seed, target), logits, start

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

    def of_samples(self, samples: list[int]) -> Problem:
        """The same for chosen samples, in this order, each as often as it is named."""
        batch = len(self.inputs)
        seed, target = self.seed, self.target
        if isinstance(seed, Tensor) and seed.dim() == 2:
            seed = seed[samples]
        if isinstance(target, Tensor) and target.numel() == batch > 1:
            target = target.reshape(-1)[samples]
        return replace(self, inputs=self.inputs[samples], seed=seed, target=target)

    def filled(self, baseline: float | Tensor) -> Tensor:
        """``baseline`` with shape, dtype and device of the inputs, to which it must broadcast."""
        inputs = self.inputs
        values = torch.as_tensor(baseline, dtype=inputs.dtype, device=inputs.device)
        return expanded(values, inputs.shape, "baseline")

    @property
    def spread(self) -> Tensor:
        """Largest minus smallest value of each sample, broadcastable to the inputs."""
        flat = self.inputs.reshape(len(self.inputs), -1)
        spread = flat.amax(dim=1) - flat.amin(dim=1)
        return spread.reshape(-1, *(1,) * (self.inputs.dim() - 1))


Method = Callable[..., tuple[Tensor, Tensor]]
"""``method(problem, **options) -> (map, value of f that belongs to no input)``."""


def nothing(problem: Problem) -> Tensor:
    """Zeros, for methods that know of no part of ``f`` that belongs to no input."""
    return torch.zeros(len(problem.inputs), dtype=torch.float64)


class Chance:
    """Random numbers of each sample, whatever batch it comes in.

    Every sample gets its own stream, started by one draw from ``generator``: a batch of n and the
    same n samples one after another see the same numbers. Numbers are drawn on the CPU, so that
    they do not depend on the model's device.
    """

    def __init__(self, generator: torch.Generator, batch: int) -> None:
        draw = {"generator": generator, "device": generator.device}
        seeds = [int(torch.randint(2**62, (1,), **draw)) for _ in range(batch)]  # type: ignore[call-overload]
        self.streams = [torch.Generator().manual_seed(seed) for seed in seeds]

    def normal(self, like: Tensor) -> Tensor:
        """Standard Gaussian noise shaped like ``like``, shape (batch, ...)."""
        rows = [
            torch.randn(like.shape[1:], generator=g, dtype=at_least_float32(like).dtype)
            for g in self.streams
        ]
        return torch.stack(rows).to(like)

    def uniform(self, like: Tensor) -> Tensor:
        """A number in [0, 1) for each sample, broadcastable to ``like``."""
        rows = [torch.rand((), generator=g, dtype=torch.float64) for g in self.streams]
        return torch.stack(rows).to(like).reshape(-1, *(1,) * (like.dim() - 1))

    def integer(self, high: int) -> list[int]:
        """A number in 0 … ``high`` - 1 for each sample."""
        return [int(torch.randint(high, (), generator=g)) for g in self.streams]
