"""Methods that rest on the derivative of the explained value.

References
----------
Sundararajan et al. (2017) ICML (integrated gradients). Smilkov et al. (2017) arXiv:1706.03825
(SmoothGrad). Lundberg & Lee (2017) NeurIPS and Erion et al. (2021) Nature Machine Intelligence 3:
620-631 (GradientSHAP, expected gradients).
"""

import numpy as np
import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.checks import at_least_one
from stressnet.explain.engine.route import at_least_float32
from stressnet.explain.methods.problem import Chance, Problem, nothing


def gradient(problem: Problem) -> tuple[Tensor, Tensor]:
    """Derivative of ``f``: sensitivity, not contribution."""
    return problem.gradient(problem.inputs), nothing(problem)


def input_times_gradient(problem: Problem) -> tuple[Tensor, Tensor]:
    """Input times derivative."""
    return at_least_float32(problem.inputs) * problem.gradient(problem.inputs), nothing(problem)


def integrated_gradients(
    problem: Problem, *, baseline: float | Tensor = 0.0, n_steps: int = 32
) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre quadrature with ``n_steps`` points on the line from the baseline."""
    at_least_one("n_steps", n_steps)
    points, weights = np.polynomial.legendre.leggauss(n_steps)
    start = problem.filled(baseline)
    step = problem.inputs - start
    total = torch.zeros_like(at_least_float32(step))
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        total += float(weight) * problem.gradient(start + float(point) * step)
    return total * step, problem.values(start).output.cpu()


def smoothgrad(
    problem: Problem, *, generator: torch.Generator, n_samples: int = 20, noise_sd: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Mean of the derivative at copies with Gaussian noise, relative to each sample's range."""
    at_least_one("n_samples", n_samples)
    inputs = problem.inputs
    chance = Chance(generator, len(inputs))
    total = torch.zeros_like(at_least_float32(inputs))
    for _ in range(n_samples):
        noise = chance.normal(inputs)
        total += problem.gradient(inputs + noise_sd * problem.spread * noise)
    return total / n_samples, nothing(problem)


def gradient_shap(
    problem: Problem,
    *,
    generator: torch.Generator,
    baselines: float | Tensor = 0.0,
    n_samples: int = 20,
    noise_sd: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Expected gradients: integrated gradients averaged over baselines drawn at random.

    Mean over draws of ``(x - b) * gradient(b + a (x - b))`` with ``b`` one of the baselines and
    ``a`` uniform in [0, 1), one draw in each of ``n_samples`` equal parts of the interval. In
    expectation it adds up to ``f`` minus the mean ``f`` of the baselines, which is booked as the
    part that belongs to no input. ``baselines``, of shape (n_baselines, ...), are inputs of
    training data, say, a number is one flat baseline; ``noise_sd`` is Gaussian noise on the input,
    relative to each sample's range.
    """
    at_least_one("n_samples", n_samples)
    inputs = problem.inputs
    pool = _pool(problem, baselines)
    of_pool = _values_of_pool(problem, pool)
    rows = range(len(inputs))
    chance = Chance(generator, len(inputs))
    total = torch.zeros_like(at_least_float32(inputs))
    elsewhere = nothing(problem)
    for part in range(n_samples):
        drawn = chance.integer(len(pool))
        place = (chance.uniform(inputs) + part) / n_samples
        end = inputs
        if noise_sd:
            end = inputs + noise_sd * problem.spread * chance.normal(inputs)
        step = end - pool[drawn]
        total += at_least_float32(step) * problem.gradient(pool[drawn] + place * step)
        elsewhere += of_pool[rows, drawn]
    return total / n_samples, elsewhere / n_samples


def _pool(problem: Problem, baselines: float | Tensor) -> Tensor:
    inputs = problem.inputs
    pool = torch.as_tensor(baselines, dtype=inputs.dtype, device=inputs.device)
    if pool.dim() == 0:
        return pool.expand(1, *inputs.shape[1:])
    if pool.shape[1:] != inputs.shape[1:] or len(pool) == 0:
        raise ConfigError(
            f"baselines must have shape (n_baselines, {str(tuple(inputs.shape[1:]))[1:]}, "
            f"not {tuple(pool.shape)}"
        )
    return pool


def _values_of_pool(problem: Problem, pool: Tensor) -> Tensor:
    """``f`` of every baseline under every sample's seed, shape (batch, n_baselines)."""
    batch, columns = len(problem.inputs), []
    with torch.no_grad():
        for reference in pool:
            altered = reference.expand(batch, *reference.shape)
            columns.append(problem.values(altered).output.cpu())
    return torch.stack(columns, dim=1)
