"""Salient Relevance: the planted focus is found, in the axes' units, and stays a display."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from lrp_nets import CompactCNN, randomise, signed_input
from torch import Tensor

from stressnet.axes import Axes
from stressnet.errors import ConfigError
from stressnet.explain import Explanation, SalientMap, explain_batch, salient_map

SCALES = {"time_scale_s": 0.2, "frequency_scale_hz": 1000.0}


def axes(n_bins: int = 60, n_frames: int = 50) -> Axes:
    """0 … 3 kHz, 0 … 0.5 s, whatever the number of cells."""
    return Axes(
        (np.arange(n_frames) + 0.5) * 0.5 / n_frames, (np.arange(n_bins) + 0.5) * 3000 / n_bins
    )


def planted(
    where: list[tuple[float, float]], grid: Axes, noise: float = 0.02, sign: float = 1.0
) -> Explanation:
    """A map with a blob of 0.03 s and 150 Hz at each (seconds, hertz)."""
    values = torch.zeros(grid.shape, dtype=torch.float64)
    for time_s, frequency_hz in where:
        rows = np.exp(-0.5 * ((grid.frequency_hz - frequency_hz) / 150) ** 2)
        columns = np.exp(-0.5 * ((grid.time_s - time_s) / 0.03) ** 2)
        values += sign * torch.from_numpy(np.outer(rows, columns))
    generator = torch.Generator().manual_seed(0)
    values += noise * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    result = explain_batch(randomise(CompactCNN(2)), signed_input(1, (16, 16)))
    return replace(result, relevance=values[None, None])


def peak(display: Tensor, grid: Axes) -> tuple[float, float]:
    row, column = np.unravel_index(int(display.argmax()), grid.shape)
    return float(grid.time_s[column]), float(grid.frequency_hz[row])


@pytest.mark.parametrize(("time_s", "frequency_hz"), [(0.12, 700.0), (0.4, 2200.0), (0.25, 1500.0)])
def test_a_planted_focus_is_found(time_s: float, frequency_hz: float) -> None:
    grid = axes()
    result = salient_map(planted([(time_s, frequency_hz)], grid), grid, **SCALES)
    display, foci = result.display[0], result.foci[0]
    assert display.shape == grid.shape and 0 <= float(display.min()) <= float(display.max()) == 1
    found_s, found_hz = peak(display, grid)
    assert abs(found_s - time_s) < 0.05 and abs(found_hz - frequency_hz) < 250
    rows, columns = np.nonzero(foci.numpy())
    assert len(rows) > 0
    assert np.abs(grid.time_s[columns] - time_s).max() < 0.12
    assert np.abs(grid.frequency_hz[rows] - frequency_hz).max() < 600
    far = (np.abs(grid.time_s[None, :] - time_s) > 0.2) | (
        np.abs(grid.frequency_hz[:, None] - frequency_hz) > 1000
    )
    assert float(display[torch.from_numpy(far)].mean()) < 0.2


def test_two_foci_and_the_part_that_is_shown() -> None:
    grid = axes()
    both = [(0.1, 600.0), (0.4, 2300.0)]
    result = salient_map(planted(both, grid), grid, **SCALES).display[0]
    for time_s, frequency_hz in both:
        row = int(np.abs(grid.frequency_hz - frequency_hz).argmin())
        column = int(np.abs(grid.time_s - time_s).argmin())
        assert float(result[row, column]) > 0.7
    against = planted([(0.1, 600.0)], grid, sign=-1.0)
    assert salient_map(against, grid, **SCALES).foci[0, 10:14, 9:11].any()
    shown = salient_map(against, grid, part="positive", **SCALES)
    assert not shown.foci[0, 12, 10] and shown.made_from == "epsilon-gamma, positive relevance"


def test_units_are_those_of_the_axes_not_of_cells() -> None:
    coarse, fine = axes(60, 50), axes(60, 100)
    one, other = (
        salient_map(planted([(0.12, 700.0)], grid, noise=0.0), grid, **SCALES).display[0]
        for grid in (coarse, fine)
    )
    halved = other.reshape(60, 50, 2).mean(dim=2)
    correlation = np.corrcoef(one.flatten(), halved.flatten())[0, 1]
    assert correlation > 0.97


def test_the_scale_of_an_axis_decides_how_far_attention_reaches() -> None:
    grid = axes()
    explained = planted([(0.25, 1500.0)], grid, noise=0.05)
    wide = salient_map(explained, grid, time_scale_s=2.0, frequency_scale_hz=300.0).display[0]
    tall = salient_map(explained, grid, time_scale_s=0.05, frequency_scale_hz=30e3).display[0]
    row, column = 30, 25
    along_time = wide[row].mean() / wide[:, column].mean()
    assert float(along_time) > float(tall[row].mean() / tall[:, column].mean())


def test_it_cannot_be_taken_for_relevance() -> None:
    grid = axes(20, 20)
    result = salient_map(planted([(0.2, 1000.0)], grid), grid, patch_hz=400, patch_s=0.07, **SCALES)
    assert isinstance(result, SalientMap) and not isinstance(result, Explanation)
    taken = {field.name for field in fields(Explanation)} - {"axes"} | {"conservation"}
    assert not taken & set(dir(result))
    for take in (np.asarray, lambda m: np.mean(m), lambda m: np.add(m, 1)):
        with pytest.raises(TypeError, match="must not enter statistics"):
            take(result)
    with pytest.raises((TypeError, RuntimeError)):
        torch.as_tensor(result)


def test_samples_do_not_see_each_other_and_nothing_is_nothing() -> None:
    grid = axes(24, 24)
    one = planted([(0.1, 700.0)], grid)
    two = planted([(0.4, 2300.0)], grid)
    both = replace(one, relevance=torch.cat([one.relevance, two.relevance]))
    together = salient_map(both, grid, **SCALES)
    assert torch.equal(together.display[1], salient_map(two, grid, **SCALES).display[0])
    empty = salient_map(replace(one, relevance=torch.zeros(1, 1, 24, 24)), grid, **SCALES)
    assert not empty.display.any() and not empty.foci.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_scale_s": 0.0}, "must be positive"),
        ({"part": "signed"}, "not 'signed'"),
        ({"patch_s": 3.0}, "smaller than a patch"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    grid = axes(24, 24)
    explained = planted([(0.1, 700.0)], grid)
    with pytest.raises(ConfigError, match=message):
        salient_map(explained, grid, **{**SCALES, **options})
    with pytest.raises(ConfigError, match="as the axes say"):
        salient_map(explained, axes(24, 25), **SCALES)
