"""Crossed clusters: coverage, textbook cases, honest refusals."""

from __future__ import annotations

import numpy as np
import pytest

from stressnet.errors import ConfigError
from stressnet.inference.jackknife import jackknife, mean_of
from stressnet.inference.twoway import (
    Spread,
    add_seeds,
    benjamini_hochberg,
    cluster_weights,
    crossed_variance,
    infer,
    ratio_intervals,
    sums_by,
)
from stressnet.statistics import sums as sums_module
from stressnet.statistics.sums import Clusters, SampleSums, StratifiedSums, TokenCodes, combined

N_SETS = 600


def crossed_tokens(
    n_speakers: int, n_words: int, n_tokens: int, sd: tuple[float, float, float], zipf: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Speakers, words, and many sets of values (n_tokens, N_SETS) with mean 10."""
    rng = np.random.default_rng(1)
    p = np.arange(1, n_words + 1) ** -zipf
    speaker = rng.integers(0, n_speakers, n_tokens)
    word = rng.choice(n_words, n_tokens, p=p / p.sum())
    values = 10 + sd[0] * rng.standard_normal((n_speakers, N_SETS))[speaker]
    values += sd[1] * rng.standard_normal((n_words, N_SETS))[word]
    return speaker, word, values + sd[2] * rng.standard_normal((n_tokens, N_SETS))


def clusters_of(speaker: np.ndarray, word: np.ndarray, n_seeds: int = 1) -> Clusters:
    cells = tuple(sorted(set(zip(speaker.tolist(), word.tolist(), strict=True))))
    names = [
        tuple(f"{c}{i:04d}" for i in range(x.max() + 1))
        for c, x in zip("sw", (speaker, word), strict=True)
    ]
    return Clusters(names[0], names[1], cells, n_seeds)


def sums_of(
    speaker: np.ndarray, word: np.ndarray, *members: np.ndarray, clusters: Clusters | None = None
) -> SampleSums:
    clusters = clusters or clusters_of(speaker, word)
    table = StratifiedSums(clusters, 1, members[0].shape[1], len(members))
    table.add(TokenCodes.of(clusters, speaker, word), np.zeros(len(speaker), np.intp), members)
    return table.level(0)


@pytest.mark.parametrize(
    ("shape", "sd", "zipf"),
    [
        ((60, 150, 800), (0.3, 0.6, 1.0), 0.6),
        ((14, 150, 800), (1.0, 0.2, 1.0), 0.5),
        ((12, 30, 500), (1.0, 1.0, 1.0), 0.0),
        ((40, 80, 600), (0.0, 0.0, 1.0), 0.5),
    ],
    ids=["both", "speakers", "few", "none"],
)
def test_intervals_cover_under_crossed_effects(
    shape: tuple[int, int, int], sd: tuple[float, float, float], zipf: float
) -> None:
    speaker, word, values = crossed_tokens(*shape, sd, zipf)
    found = sums_of(speaker, word, values).linear((1,))
    covered = np.mean((found.low <= 10) & (found.high >= 10))
    assert 0.925 <= covered <= 0.99
    # No wider than it must be: half-widths against the estimates' own spread.
    assert np.median(found.high - found.low) < 1.5 * 3.92 * np.std(found.value)


def test_speakers_alone_are_not_enough_where_words_matter() -> None:
    speaker, word, values = crossed_tokens(60, 40, 800, (0.2, 0.8, 1.0))
    k = int(speaker.max()) + 1
    alone = ratio_intervals(sums_by(values, speaker, k), sums_by(np.ones_like(values), speaker, k))
    assert np.mean((alone.low <= 10) & (alone.high >= 10)) < 0.7
    both = sums_of(speaker, word, values).linear((1,))
    assert np.mean((both.low <= 10) & (both.high >= 10)) > 0.92


def test_variance_is_that_of_cameron_gelbach_miller() -> None:
    speaker, word = (x.ravel() for x in np.meshgrid(np.arange(6), np.arange(8)))
    values = np.random.default_rng(0).standard_normal((48, 1)) + 0.5 * speaker[:, None]
    values += 0.5 * word[:, None]
    error = values - values.mean()
    by_speaker = sums_by(error, speaker, 6)
    by_word = sums_by(error, word, 8)
    expected = 6 / 5 * (by_speaker**2).sum() + 8 / 7 * (by_word**2).sum() - (error**2).sum()
    found = sums_of(speaker, word, values).linear((1,))
    assert found.error[0] == pytest.approx(np.sqrt(expected) / 48)
    assert found.value[0] == pytest.approx(values.mean())


def test_weights_of_equal_clusters_are_textbook() -> None:
    w = cluster_weights(np.full((9, 1), 4.0))
    assert (w.n[0], w.effective[0]) == (9, pytest.approx(9))
    assert w.correction[0] == pytest.approx(9 / 8)
    assert w.df[0] == pytest.approx(8)


def test_degrees_of_freedom_of_unequal_clusters_equal_the_matrix_formula() -> None:
    sizes = np.array([50.0, 20, 9, 4, 4, 1])
    w = sizes / sizes.sum()
    centre = np.eye(6) - np.outer(np.ones(6), w)
    matrix = centre.T @ np.diag(w**2) @ centre
    found = cluster_weights(sizes[:, None])
    assert found.df[0] == pytest.approx(np.trace(matrix) ** 2 / np.trace(matrix @ matrix))
    assert found.correction[0] == pytest.approx((w**2).sum() / np.trace(matrix))


def test_with_few_speakers_an_interval_is_over_words_and_says_so() -> None:
    speaker, word, values = crossed_tokens(4, 30, 200, (1, 1, 1))
    few = sums_of(speaker, word, values).linear((1,))
    assert set(few.reason) == {""}
    assert set(few.remark) == {"these speakers only, over words; 4 speakers: fewer than 5"}
    alone = jackknife(mean_of(values), len(values), {"words": word})
    np.testing.assert_allclose(few.value, alone.value)
    np.testing.assert_allclose(few.low, alone.low)
    np.testing.assert_allclose(few.p_value, alone.p_value)
    rng = np.random.default_rng(0)
    speaker = np.r_[np.zeros(500, int), np.arange(1, 8)]  # one speaker says nearly everything
    word = rng.integers(0, 30, len(speaker))
    unequal = sums_of(speaker, word, rng.standard_normal((len(speaker), 3))).linear((1,))
    assert unequal.remark[0].startswith(
        "these speakers only, over words; 8 speakers weigh like 1.0"
    )
    assert np.isfinite(unequal.low).all()


def test_too_few_words_get_a_reason_and_no_interval() -> None:
    values = np.random.default_rng(0).standard_normal((50, 1))
    for n_speakers in (10, 3):
        speaker = np.arange(50) % n_speakers
        one = sums_of(speaker, np.zeros(50, int), values).linear((1,))
        assert "fewer than 5" in one.reason[0] and one.remark[0] == one.reason[0]
        assert np.isnan([one.low[0], one.p_value[0]]).all()
        assert np.isfinite(one.value).all()


def test_words_nested_in_speakers_leave_the_speakers_variance() -> None:
    rng = np.random.default_rng(0)
    word = np.repeat(np.arange(60), 5)
    speaker = word // 5
    values = rng.standard_normal((12, 1))[speaker] + rng.standard_normal((300, 1))
    found = sums_of(speaker, word, values).linear((1,))
    u = sums_by(values - values.mean(), speaker, 12) / 300
    alone = np.sqrt(12 / 11 * (u**2).sum())
    assert found.error[0] == pytest.approx(alone, rel=0.02)


def test_constant_values_have_a_point_as_interval_and_no_p_value() -> None:
    speaker, word, values = crossed_tokens(10, 30, 200, (0, 0, 0))
    found = sums_of(speaker, word, 0.3 * values / 10).linear((1,))
    np.testing.assert_allclose(found.low, 0.3)
    np.testing.assert_allclose(found.high, 0.3)
    assert np.isnan(found.p_value).all()


def test_ratios_of_means_and_of_ratios() -> None:
    speaker, word, values = crossed_tokens(30, 60, 600, (0.3, 0.3, 1.0))
    rng = np.random.default_rng(2)
    other = 5 + rng.standard_normal(values.shape)
    table = sums_of(speaker, word, values, other)
    ratio = table.linear((1, -1), logarithmic=True)
    np.testing.assert_allclose(ratio.value, values.mean(axis=0) / other.mean(axis=0))
    assert np.mean((ratio.low <= 2) & (ratio.high >= 2)) > 0.92
    assert (ratio.p_value < 1e-6).all()
    four = sums_of(speaker, word, values, other, 2 * other, other).linear(
        (1, -1, -1, 1), logarithmic=True
    )
    np.testing.assert_allclose(four.value, ratio.value / 2)
    assert np.mean((four.low <= 1) & (four.high >= 1)) > 0.92
    signed = sums_of(speaker, word, values - 20, other).linear((1, -1), logarithmic=True)
    assert np.isnan(signed.value).all()
    with pytest.raises(ConfigError, match="2 members"):
        table.linear((1,))


def test_difference_between_groups_that_share_speakers_and_words() -> None:
    speaker, word, values = crossed_tokens(20, 50, 900, (1.0, 0.5, 1.0))
    group = np.arange(900) % 2
    clusters = clusters_of(speaker, word)
    table = StratifiedSums(clusters, 2, N_SETS, 1)
    table.add(TokenCodes.of(clusters, speaker, word), group, [values + (group == 0)[:, None]])
    found = combined([table.level(0), table.level(1)], (1,))
    np.testing.assert_allclose(found.value.mean(), 1.0, atol=0.02)
    assert np.mean((found.low <= 1) & (found.high >= 1)) > 0.92
    # What the groups share cancels: much narrower than two independent groups.
    apart = table.level(0).linear((1,))
    assert np.median(found.high - found.low) < 0.7 * np.median(apart.high - apart.low)
    ratio = combined([table.level(0), table.level(1)], (1,), logarithmic=True)
    np.testing.assert_allclose(ratio.value.mean(), 1.1, atol=0.01)


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_seeds_enter_as_a_level(n_seeds: int) -> None:
    rng = np.random.default_rng(3)
    speaker, word, values = crossed_tokens(20, 50, 400, (0.3, 0.3, 1.0))
    clusters = clusters_of(speaker, word, n_seeds)
    table = StratifiedSums(clusters, 1, N_SETS, 1)
    for k in range(n_seeds):
        codes = TokenCodes.of(clusters, speaker, word, seed=k)
        table.add(codes, np.zeros(400, np.intp), [values + 0.5 * rng.standard_normal(N_SETS)])
    found = table.level(0).linear((1,))
    given = found.reason == ""
    assert given.mean() > 0.9
    assert (
        np.mean(((found.low <= 10) & (found.high >= 10))[given]) > 0.90
    )  # Satterthwaite, few seeds
    assert table.level(0).counts["n_seeds"][0] == n_seeds
    assert table.level(0).counts["n_tokens"][0] == 400
    # One seed says nothing about other seeds: its interval misses the truth over seeds.
    alone = sums_of(speaker, word, values + 0.5 * rng.standard_normal(N_SETS)).linear((1,))
    assert np.mean((alone.low <= 10) & (alone.high >= 10)) < 0.75


def test_two_seeds_that_disagree_are_no_interval() -> None:
    spread = Spread(np.array([1e-6, 1.0]), np.array([20.0, 20.0]), np.array(["", ""], dtype=object))
    both = add_seeds(spread, np.array([[0.0, 0.0], [1.0, 0.1]]))
    assert both.reason[0] == "2 seeds disagree: 1.0 degrees of freedom"
    assert both.reason[1] == ""
    assert both.variance[1] == pytest.approx(1.0 + 0.005 / 2)


def test_bins_with_signs_stand_in_for_too_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker, word, values = crossed_tokens(60, 150, 3000, (0.3, 0.5, 1.0))
    exact = sums_of(speaker, word, values).linear((1,))
    known = clusters_of(speaker, word)
    monkeypatch.setattr(sums_module, "CELL_LIMIT", 512)
    binned = sums_of(speaker, word, values, clusters=Clusters(known.speakers, known.words))
    np.testing.assert_allclose(binned.linear((1,)).error, exact.error, rtol=0.15)
    assert np.mean(binned.linear((1,)).error / exact.error) == pytest.approx(1.0, abs=0.02)


def test_benjamini_hochberg_is_the_textbook_procedure() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, 0.04, np.nan, 0.04, 0.02])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_tests_are_calibrated() -> None:
    speaker, word, values = crossed_tokens(30, 60, 500, (0.5, 0.5, 1.0))
    table = sums_of(speaker, word, values, np.full(values.shape, 10.0))
    assert np.mean(table.linear((1, -1)).p_value < 0.05) == pytest.approx(0.05, abs=0.035)


def test_nonsense_is_refused() -> None:
    spread = crossed_variance({"speakers": np.ones((6, 1))}, {"speakers": np.ones((6, 1))})
    with pytest.raises(ConfigError, match="level"):
        infer(np.zeros(1), spread, level=95)
