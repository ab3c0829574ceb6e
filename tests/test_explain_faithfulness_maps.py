"""Localisation, agreement, readability and baselines on arrays small enough to check by hand."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain import faithfulness as ff
from stressnet.explain.faithfulness.map_measures import (
    EMPTY_MASK,
    FULL_MASK,
    NO_POSITIVE,
    top_membership,
)

MEASURES = (
    ff.relevance_mass_accuracy,
    ff.relevance_rank_accuracy,
    ff.pointing_game,
    ff.average_precision,
)


def image(rows: list[list[float]]) -> Tensor:
    return torch.tensor([[rows]], dtype=torch.float64)


def mask(rows: list[list[int]]) -> Tensor:
    return torch.tensor([[rows]], dtype=torch.bool)


MAP = image([[3, -9, 1], [2, 0, 4]])
LEFT = mask([[1, 1, 0], [1, 0, 0]])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_mass_counts_positive_relevance_only() -> None:
    value, chance = ff.relevance_mass_accuracy(MAP, LEFT)
    assert value.values.item() == pytest.approx(5 / 10)
    assert chance.values.item() == pytest.approx(3 / 6)


def test_mass_takes_parts_of_cells() -> None:
    half = LEFT.double() / 2
    half[0, 0, 0, 0] = 1.0
    value, chance = ff.relevance_mass_accuracy(MAP, half)
    assert value.values.item() == pytest.approx((3 + 1) / 10)
    assert chance.values.item() == pytest.approx(2 / 6)


def test_rank_accuracy_by_hand() -> None:
    value, chance = ff.relevance_rank_accuracy(MAP, LEFT)  # top three: 4, 3, 2
    assert value.values.item() == pytest.approx(2 / 3)
    assert chance.values.item() == pytest.approx(0.5)


def test_ties_count_by_their_chance() -> None:
    tied = image([[1, 0, 0], [0, 0, 0]])  # two of five zeros join the top three; two are inside
    value, _ = ff.relevance_rank_accuracy(tied, LEFT)
    assert value.values.item() == pytest.approx((1 + 2 * 2 / 5) / 3)
    both = image([[5, 0, 5], [0, 0, 0]])
    assert ff.pointing_game(both, LEFT)[0].values.item() == 0.5


def test_pointing_with_and_without_tolerance() -> None:
    right = mask([[0, 0, 1], [0, 0, 0]])
    value, chance = ff.pointing_game(MAP, right)
    assert (value.values.item(), chance.values.item()) == (0.0, pytest.approx(1 / 6))
    value, chance = ff.pointing_game(MAP, right, tolerance=(1, 0))
    assert (value.values.item(), chance.values.item()) == (1.0, pytest.approx(2 / 6))
    value, chance = ff.pointing_game(MAP, right, tolerance=(0, 1))
    assert (value.values.item(), chance.values.item()) == (0.0, pytest.approx(2 / 6))


def test_average_precision_agrees_with_scikit_learn() -> None:
    draw = generator(3)
    maps = torch.randn(5, 1, 8, 7, generator=draw).round(decimals=1)  # with ties
    masks = torch.rand(5, 1, 8, 7, generator=draw) < 0.2
    values, chance = ff.average_precision(maps, masks)
    for k in range(5):
        expected = average_precision_score(masks[k].flatten(), maps[k].flatten())
        assert values.values[k].item() == pytest.approx(expected)
        assert chance.values[k].item() == pytest.approx(masks[k].double().mean().item())


@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_to_localise_is_no_hit(measure: object) -> None:
    maps = torch.cat([MAP, MAP, -MAP.abs(), 0 * MAP])
    masks = torch.cat([LEFT & False, LEFT | True, LEFT, LEFT])
    value, chance = measure(maps, masks)  # type: ignore[operator]
    assert value.reasons == (EMPTY_MASK, FULL_MASK, NO_POSITIVE, NO_POSITIVE)
    assert value.values.isnan().all()
    assert chance.values.isnan().all()
    assert math.isnan(value.mean)


@pytest.mark.parametrize("measure", MEASURES)
def test_random_maps_localise_at_chance(measure: object) -> None:
    maps = torch.randn(400, 1, 6, 6, generator=generator(1))
    masks = torch.zeros(400, 1, 6, 6, dtype=torch.bool)
    masks[..., :2] = True
    value, chance = measure(maps, masks)  # type: ignore[operator]
    error = float(value.values.std()) / 20
    # Average precision of few cells exceeds prevalence a little.
    slack = 0.06 if measure is ff.average_precision else 0.0
    assert abs(value.mean - chance.mean) < 4 * error + slack


def test_only_cells_that_count_enter() -> None:
    cells = mask([[1, 1, 1], [0, 0, 0]])
    value, chance = ff.relevance_mass_accuracy(MAP, LEFT, cells=cells)
    assert value.values.item() == pytest.approx(3 / 4)
    assert chance.values.item() == pytest.approx(2 / 3)


def test_a_wide_mask_is_not_full_because_of_the_tolerance_alone() -> None:
    value, _ = ff.pointing_game(MAP, LEFT, tolerance=(2, 2))
    assert value.reasons == (FULL_MASK,)  # widened, it covers everything: no test is left


@pytest.mark.parametrize("factor", [1e-6, 3.0])
def test_the_unit_of_relevance_does_not_matter(factor: float) -> None:
    maps = torch.randn(6, 1, 5, 4, generator=generator(2), dtype=torch.float64)
    masks = torch.rand(6, 1, 5, 4, generator=generator(3)) < 0.4
    for measure in MEASURES:
        one, other = measure(maps, masks)[0].values, measure(factor * maps, masks)[0].values
        torch.testing.assert_close(one, other)
        assert ((one >= 0) & (one <= 1)).all()
    for measure in (ff.sparseness, ff.complexity, ff.histogram_entropy):
        torch.testing.assert_close(measure(maps).values, measure(factor * maps).values)


def test_top_membership_is_the_mean_over_random_orders() -> None:
    values = torch.tensor([2.0, 1.0, 1.0, 0.0])
    assert top_membership(values, 2).tolist() == [1.0, 0.5, 0.5, 0.0]
    orders = [values[list(order)] for order in permutations(range(4))]
    assert all(float(top_membership(order, 3).sum()) == 3 for order in orders)


def test_rank_correlation_agrees_with_scipy() -> None:
    draw = generator(7)
    a = torch.randn(3, 1, 5, 5, generator=draw).round(decimals=1)
    b = a + torch.randn(3, 1, 5, 5, generator=draw)
    found = ff.rank_correlation(a, b).values
    for k in range(3):
        expected = spearmanr(a[k].flatten(), b[k].flatten()).statistic
        assert found[k].item() == pytest.approx(expected)
    assert ff.rank_correlation(a, -a).values.tolist() == pytest.approx([-1.0] * 3)
    assert ff.rank_correlation(a, 0 * a).values.isnan().all()


def test_top_overlap_by_hand_and_by_chance() -> None:
    a = torch.arange(10.0).reshape(1, 1, 2, 5)
    b = a.clone()
    b[0, 0, 1, 4] = -1  # the largest of a is the smallest of b
    assert ff.top_overlap(a, a, fraction=0.2).values.item() == 1.0
    assert ff.top_overlap(a, b, fraction=0.2).values.item() == 0.5
    noise = torch.randn(2, 300, 1, 10, 10, generator=generator())
    assert ff.top_overlap(noise[0], noise[1], fraction=0.2).mean == pytest.approx(0.2, abs=0.02)


def test_sparseness_and_complexity_of_known_maps() -> None:
    one = torch.zeros(1, 1, 2, 5, dtype=torch.float64)
    one[0, 0, 1, 2] = -3.0
    equal = torch.ones_like(one)
    assert ff.sparseness(one).values.item() == pytest.approx(0.9)  # (n - 1) / n
    assert ff.sparseness(equal).values.item() == pytest.approx(0.0)
    assert ff.complexity(one).values.item() == pytest.approx(0.0)
    assert ff.complexity(equal).values.item() == pytest.approx(math.log(10))
    assert ff.sparseness(0 * one).reasons == ("the map is zero",)
    noise = torch.randn(1, 1, 200, 200, generator=generator(), dtype=torch.float64)
    assert ff.sparseness(noise).mean == pytest.approx(math.sqrt(2) - 1, abs=0.01)
    assert ff.complexity(noise).mean == pytest.approx(ff.gaussian_complexity(40_000), abs=0.01)


def test_histogram_entropy_counts_cells() -> None:
    levels = torch.tensor([0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]).reshape(1, 1, 2, 4)
    assert ff.histogram_entropy(levels, n_bins=4).values.item() == pytest.approx(math.log(4))
    assert ff.histogram_entropy(levels * 0).values.isnan().all()


INPUTS = torch.arange(1.0, 13.0, dtype=torch.float64).reshape(1, 1, 3, 4)
HOLE = torch.zeros(1, 1, 3, 4, dtype=torch.bool)
HOLE[0, 0, 1, 1] = True


def test_every_baseline_keeps_what_is_kept() -> None:
    inputs = torch.randn(3, 1, 6, 7, generator=generator(2), dtype=torch.float64)
    removed = torch.rand(3, 1, 6, 7, generator=generator(3)) < 0.5
    mean, sd = torch.zeros(6, 1), torch.ones(6, 1)
    for name in ff.BASELINES:
        baseline = ff.make_baseline(name, inputs, generator(), mean=mean, sd=sd)
        altered = baseline(inputs, removed)
        assert torch.equal(altered[~removed], inputs[~removed]), name
        assert not torch.equal(altered[removed], inputs[removed]), name
        assert torch.equal(altered, baseline(inputs, removed)), name
        everything = baseline(inputs, torch.ones_like(removed))
        assert torch.isfinite(everything).all(), name


def test_local_mean_takes_the_smallest_square() -> None:
    around = INPUTS[0, 0, :, :3].flatten()
    kept = torch.cat([around[:4], around[5:]])
    filled = ff.local_mean(INPUTS, HOLE)
    assert filled[0, 0, 1, 1].item() == pytest.approx(kept.mean().item())
    rest = torch.ones(1, 1, 3, 4, dtype=torch.bool)
    rest[0, 0, 0, 0] = False
    assert ff.local_mean(INPUTS, rest).unique().tolist() == [1.0]


def test_linear_imputation_solves_the_system() -> None:
    baseline = ff.noisy_linear(INPUTS, generator(), noise_sd=0.0)
    # A plane is harmonic: single holes inside it are filled exactly.
    torch.testing.assert_close(baseline(INPUTS, HOLE), INPUTS)
    corner = torch.zeros_like(HOLE)
    corner[0, 0, 0, 0] = True
    expected = (2 / 6 + 5 / 6 + 6 / 12) / (1 / 6 + 1 / 6 + 1 / 12)
    assert baseline(INPUTS, corner)[0, 0, 0, 0].item() == pytest.approx(expected)
    # Two holes side by side: each depends on the other.
    pair = HOLE.clone()
    pair[0, 0, 1, 2] = True
    torch.testing.assert_close(baseline(INPUTS, pair), INPUTS)


def test_noise_has_the_given_mean_and_spread() -> None:
    inputs = torch.zeros(200, 1, 2, 50)
    mean, sd = torch.tensor([[1.0], [-2.0]]), torch.tensor([[0.5], [2.0]])
    made = ff.fill_with_noise(inputs, mean, sd, generator())
    filled = made(inputs, torch.ones_like(inputs, dtype=torch.bool))
    assert filled.mean(dim=(0, 1, 3)).numpy() == pytest.approx(np.array([1, -2]), abs=0.06)
    assert filled.std(dim=(0, 1, 3)).numpy() == pytest.approx(np.array([0.5, 2]), rel=0.03)


def test_every_metric_states_direction_chance_and_source() -> None:
    for name, metric in ff.METRICS.items():
        assert metric.name == name
        assert metric.direction in ("higher", "lower")
        assert metric.chance
        assert metric.citation
        assert metric.title


def test_bad_maps_and_masks() -> None:
    with pytest.raises(ConfigError, match="must lie within"):
        ff.relevance_mass_accuracy(MAP, 2 * LEFT.double())
    with pytest.raises(ConfigError, match="shape"):
        ff.pointing_game(MAP, LEFT[..., :2])
    with pytest.raises(ConfigError, match="tolerance"):
        ff.pointing_game(MAP, LEFT, tolerance=(-1, 0))
    with pytest.raises(ConfigError, match="fraction"):
        ff.top_overlap(MAP, MAP, fraction=1.5)
    with pytest.raises(ConfigError, match="bool mask"):
        ff.fill_with(0.0)(MAP, LEFT.double())
