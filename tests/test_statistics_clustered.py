"""Clustered intervals and tests: coverage, calibration, textbook answers."""

from __future__ import annotations

import numpy as np
import pytest

from stressnet.errors import ConfigError
from stressnet.inference.twoway import holm, ratio_intervals, sign_flip_p, sums_by


def clustered_data(
    rng: np.random.Generator, n_clusters: int, n_sets: int, mean: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts (n_clusters, n_sets): cluster effects as large as token noise."""
    sizes = rng.integers(3, 30, size=(n_clusters, n_sets))
    effects = rng.standard_normal((n_clusters, n_sets))
    noise = rng.standard_normal((n_clusters, n_sets)) / np.sqrt(sizes)
    return sizes * (mean + effects + noise), sizes.astype(float)


@pytest.mark.parametrize("n_clusters", [12, 40])
def test_intervals_cover_the_truth_as_often_as_they_say(n_clusters: int) -> None:
    rng = np.random.default_rng(1)
    sums, sizes = clustered_data(rng, n_clusters, 2000, mean=3.0)
    found = ratio_intervals(sums, sizes)
    coverage = np.mean((found.low <= 3.0) & (found.high >= 3.0))
    assert 0.93 <= coverage <= 0.975
    # Tokens as units would be far too sure of themselves.
    naive = 1.96 * np.sqrt(2.0 / sizes.sum(axis=0))
    assert np.mean(np.abs(found.value - 3.0) <= naive) < 0.75


def test_intervals_of_skewed_data_cover_too() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(3, 30, size=(25, 1000)).astype(float)
    sums = sizes * rng.gamma(2.0, 0.5, size=sizes.shape)  # mean 1
    found = ratio_intervals(sums, sizes)
    assert np.mean((found.low <= 1.0) & (found.high >= 1.0)) > 0.92


def test_value_is_the_mean_over_tokens() -> None:
    values = np.array([[1.0], [2.0], [6.0], [np.nan]])
    codes = np.array([0, 0, 1, 1])
    sums = sums_by(values, codes, 2)
    counts = sums_by(np.isfinite(values).astype(float), codes, 2)
    found = ratio_intervals(sums, counts)
    assert found.value[0] == pytest.approx(3.0)
    assert np.isnan(found.low[0])  # two clusters give no interval


def test_constant_values_have_a_point_as_interval() -> None:
    counts = np.arange(1.0, 9.0)[:, None]
    found = ratio_intervals(0.3 * counts, counts)
    assert found.value[0] == pytest.approx(0.3)
    assert found.low[0] == pytest.approx(0.3)
    assert found.high[0] == pytest.approx(0.3)


def test_absent_clusters_do_not_count() -> None:
    rng = np.random.default_rng(3)
    sums, sizes = clustered_data(rng, 20, 3)
    sums[4:, 0] = sizes[4:, 0] = 0  # four clusters left
    c = ratio_intervals(sums, sizes)
    assert np.isnan(c.low[0])
    assert np.isfinite(c.low[1])
    sums[:, 2] = sizes[:, 2] = 0
    assert np.isnan(ratio_intervals(sums, sizes).value[2])


def test_widths_stay_finite_where_few_clusters_outweigh_the_others() -> None:
    rng = np.random.default_rng(5)
    sizes = np.array([300.0, 200, 100, 20, 10, 5, 3, 2, 1, 1])[:, None] * np.ones((1, 400))
    sums = sizes * (5.0 + rng.standard_normal(sizes.shape))
    found = ratio_intervals(sums, sizes)
    assert np.isnan(found.low).all()  # they weigh like less than three
    sizes[3:6] *= 10
    sums = sizes * (5.0 + rng.standard_normal(sizes.shape))
    found = ratio_intervals(sums, sizes)
    width = found.high - found.low
    assert np.isfinite(width).all()
    assert np.mean((found.low <= 5.0) & (found.high >= 5.0)) > 0.93
    spread = np.std(found.value)
    assert np.median(width) < 4 * 1.96 * spread
    assert np.max(width) < 30 * spread


def test_sign_flips_are_calibrated_and_find_effects() -> None:
    rng = np.random.default_rng(4)
    null, _ = clustered_data(rng, 20, 2000)
    p = sign_flip_p(null, rng, n_resamples=999)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.015)
    effect, _ = clustered_data(rng, 20, 50, mean=2.0)
    assert np.all(sign_flip_p(effect, rng, n_resamples=999) < 0.01)


def test_sign_flips_equal_enumeration() -> None:
    differences = np.array([3.0, 1.0, 2.0, -0.5, 4.0, 0.7])[:, None]
    signs = 2.0 * (np.arange(64)[:, None] >> np.arange(6) & 1) - 1
    exact = np.mean(np.abs(signs @ differences) >= differences.sum() - 1e-12)
    p = sign_flip_p(differences, np.random.default_rng(0), n_resamples=20_000)
    assert p[0] == pytest.approx(exact, abs=0.01)


def test_holm_is_the_textbook_procedure() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.9])), [1.0, 1.0])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ConfigError, match="level"):
        ratio_intervals(np.ones((6, 1)), np.ones((6, 1)), level=95)
    with pytest.raises(ConfigError, match="shapes"):
        ratio_intervals(np.ones((6, 1)), np.ones((6, 2)))
