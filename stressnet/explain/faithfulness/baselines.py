"""What takes the place of removed cells; no choice is neutral, so every result names its own.

A constant is far from anything the model was trained on; noise and imputation stay closer to it,
but imputation can leak what was removed by the outline of the hole (Rong et al. 2022).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from stressnet.errors import ConfigError, check_names
from stressnet.explain.checks import check_images, expanded
from stressnet.explain.faithfulness.scores import check_generator

Baseline = Callable[[Tensor, Tensor], Tensor]
"""``baseline(inputs, removed) -> inputs with the cells of the bool mask ``removed`` replaced``."""

BASELINES: Mapping[str, str] = MappingProxyType(
    {
        "fill": "a constant: zero, or what pads the image",
        "mean": "mean of the given data per bin",
        "noise": "Gaussian noise with the given data's mean and variance per bin",
        "local": "mean of kept cells in the smallest square that holds any",
        "linear": "noisy linear imputation from the neighbours (ROAD)",
    }
)
"""Baselines by name, with what removed cells become."""


def fill_with(value: float | Tensor) -> Baseline:
    """Replace by a constant or by a tensor that broadcasts to the inputs (``fill``, ``mean``)."""

    def replace(inputs: Tensor, removed: Tensor) -> Tensor:
        _check_mask(inputs, removed)
        values = torch.as_tensor(value, dtype=inputs.dtype, device=inputs.device)
        values = expanded(values, inputs.shape, "baseline")
        return torch.where(removed.to(inputs.device), values, inputs)

    return replace


def fill_with_noise(
    inputs: Tensor, mean: Tensor, sd: Tensor, generator: torch.Generator
) -> Baseline:
    """Replace by Gaussian noise, drawn once for these inputs (``noise``).

    The same noise serves every removal, so that methods and thresholds are compared on it. ``mean``
    and ``sd`` broadcast to the inputs, e.g. from shape (n_bins, 1).
    """
    check_generator(generator)
    return fill_with(mean.to(inputs) + sd.to(inputs) * _noise(inputs, generator))


def local_mean(inputs: Tensor, removed: Tensor) -> Tensor:
    """Replace by the mean of kept cells in the smallest square of odd side with any (``local``).

    Where nothing is kept, by the sample's mean. Needs inputs (batch, channels, bins, frames).
    """
    _check_mask(inputs, removed)
    check_images(inputs, "imputation")
    removed = removed.to(inputs.device)
    kept = (~removed).double()
    values = torch.where(removed, 0.0, inputs.double())
    result, open_cells = inputs.double().clone(), removed.clone()
    half, largest = 1, max(inputs.shape[-2:])
    while bool(open_cells.any()) and half < 2 * largest:
        total, count = _box_sum(values, half), _box_sum(kept, half).round()
        reached = open_cells & (count > 0)
        result = torch.where(reached, total / count.clamp(min=1), result)
        open_cells &= ~reached
        half = 2 * half
    mean = inputs.double().mean(dim=(1, 2, 3), keepdim=True)
    return torch.where(open_cells, mean, result).to(inputs.dtype)


def noisy_linear(inputs: Tensor, generator: torch.Generator, noise_sd: float = 0.01) -> Baseline:
    """ROAD's imputation (``linear``): removed cells are weighted means of their neighbours.

    Each removed cell equals the mean of its neighbours, removed or not, with weight 1/6 for the
    four next to it and 1/12 for the diagonal ones, renormalised at the image's border; the sparse
    linear system over the removed cells is solved exactly, and Gaussian noise of ``noise_sd`` times
    the sample's standard deviation is added (Rong et al. 2022, ICML, "A consistent and efficient
    evaluation strategy for attribution methods", section 4). Where nothing is kept, the sample's
    mean takes its place.
    """
    check_generator(generator)
    check_images(inputs, "imputation")
    spread = inputs.double().std(dim=(1, 2, 3), keepdim=True)
    noise = noise_sd * spread.nan_to_num(0.0) * _noise(inputs.double(), generator)

    def replace(inputs: Tensor, removed: Tensor) -> Tensor:
        _check_mask(inputs, removed)
        values, holes = inputs.double().cpu().numpy(), removed.cpu().numpy()
        solved = values.copy()
        for sample in range(len(values)):
            for channel in range(values.shape[1]):
                solved[sample, channel] = _solve(values[sample, channel], holes[sample, channel])
        imputed = torch.from_numpy(solved).to(noise) + noise
        return torch.where(removed.to(inputs.device), imputed.to(inputs), inputs)

    return replace


def make_baseline(
    name: str,
    inputs: Tensor,
    generator: torch.Generator,
    *,
    fill: float | Tensor = 0.0,
    mean: Tensor | None = None,
    sd: Tensor | None = None,
) -> Baseline:
    """A baseline by name for these inputs."""
    check_names("baseline", [name], BASELINES)
    if name == "fill":
        return fill_with(fill)
    if name == "local":
        return local_mean
    if name == "linear":
        return noisy_linear(inputs, generator)
    if mean is not None and name == "mean":
        return fill_with(mean)
    if mean is None or sd is None:
        raise ConfigError(f"baseline {name} needs the data's mean (and sd) per bin")
    return fill_with_noise(inputs, mean, sd, generator)


def _check_mask(inputs: Tensor, removed: Tensor) -> None:
    if removed.dtype != torch.bool or removed.shape != inputs.shape:
        raise ConfigError(
            f"removed must be a bool mask of the inputs' shape {tuple(inputs.shape)}, not "
            f"{removed.dtype} {tuple(removed.shape)}"
        )


def _noise(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Standard noise, sample after sample, on the generator's device."""
    device = generator.device
    draws = [torch.randn(one.shape, generator=generator, device=device) for one in inputs]
    return torch.stack(draws).to(inputs)


def _box_sum(values: Tensor, half: int) -> Tensor:
    """Sums over squares of side ``2 half + 1``, cut at the border, from a table of sums."""
    table = torch.nn.functional.pad(values.cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    bins, frames = values.shape[-2:]
    row, column = torch.arange(bins), torch.arange(frames)
    low, high = (row - half).clamp(min=0), (row + half + 1).clamp(max=bins)
    first, last = (column - half).clamp(min=0), (column + half + 1).clamp(max=frames)
    upper, lower = table[..., high, :], table[..., low, :]
    return upper[..., last] - upper[..., first] - lower[..., last] + lower[..., first]


_NEIGHBOURS = (
    *((step, 1 / 6) for step in ((0, 1), (0, -1), (1, 0), (-1, 0))),
    *((step, 1 / 12) for step in ((1, 1), (1, -1), (-1, 1), (-1, -1))),
)


def _solve(values: NDArray[np.float64], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values with the holes filled by the harmonic function of the neighbourhood weights."""
    n = int(holes.sum())
    if n == 0:
        return values
    if n == holes.size:
        return np.full_like(values, values.mean())
    bins, frames = values.shape
    number = np.full(values.shape, -1)
    number[holes] = np.arange(n)
    row, column = np.nonzero(holes)
    unknown = np.arange(n)
    diagonal, known = np.zeros(n), np.zeros(n)
    rows, columns, weights = [], [], []
    for (down, right), weight in _NEIGHBOURS:
        r, c = row + down, column + right
        inside = (r >= 0) & (r < bins) & (c >= 0) & (c < frames)
        r, c, i = r[inside], c[inside], unknown[inside]
        diagonal[i] += weight
        hole = holes[r, c]
        known[i[~hole]] += weight * values[r[~hole], c[~hole]]
        rows.append(i[hole])
        columns.append(number[r[hole], c[hole]])
        weights.append(np.full(int(hole.sum()), -weight))
    rows.append(unknown)
    columns.append(unknown)
    weights.append(diagonal)
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    matrix = coo_matrix(entries, shape=(n, n)).tocsc()
    result = values.copy()
    result[holes] = splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(known)
    return result
