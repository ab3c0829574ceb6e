"""Calibration, comparison of networks, and the mean over words with both readings, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from stressnet.errors import CheckpointError, ConfigError
from stressnet.inference.bootstrap import cluster_weights
from stressnet.lexicon.stress import Stress
from stressnet.models.answer import Answer
from stressnet.training.calibration import (
    Calibration,
    calibrate,
    calibration_error,
    load_calibration,
    reliability,
    save_calibration,
)
from stressnet.training.comparison import compare
from stressnet.training.metrics import majority_readings, mean_over_words


def drawn(n: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn with the probabilities that scores have at a temperature."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=4.0, size=n)
    return np.where(rng.random(n) < expit(scores / temperature), 0, 1), scores


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_fit_finds_the_temperature(temperature: float) -> None:
    labels, scores = drawn(20_000, temperature)
    found = calibrate(labels, scores)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.loss_after <= found.loss_before
    assert found.n == 20_000


def test_balanced_fit_does_not_follow_the_more_frequent_class() -> None:
    labels, scores = drawn(20_000, 2.0)
    keep = (labels == 0) | (np.arange(20_000) % 4 == 0)  # three of four FINAL lost
    found = calibrate(labels[keep], scores[keep], balanced=True)
    assert found.temperature == pytest.approx(2.0, rel=0.06)


def test_threshold_finds_both_classes_equally_often_by_hand() -> None:
    # at 0 all three INITIAL but only one of three FINAL are found, from 1.5 on two of three of both
    labels, scores = [0, 0, 0, 1, 1, 1], [1.0, 4.0, 5.0, -2.0, 0.5, 2.0]
    found = calibrate(labels, scores)
    assert found.threshold == pytest.approx(1.5)
    assert found.p_initial(1.5) == pytest.approx(0.5)
    first = Answer.of(1.4, found)
    assert (first.stress, first.p_initial < 0.5) == (Stress.FINAL, True)
    assert calibrate([0, 0, 1, 1], [3.0, 1.0, -1.0, -3.0]).threshold == 0.0  # equal already


def test_fit_needs_both_classes() -> None:
    with pytest.raises(ConfigError, match="both classes"):
        calibrate([0, 0], [1.0, 2.0])


def test_reliability_and_error_by_hand() -> None:
    # 0.85: two of four INITIAL; 0.15: none of two
    labels = [0, 0, 1, 1, 1, 1]
    p = [0.85, 0.85, 0.85, 0.85, 0.15, 0.15]
    bins = reliability(labels, p).set_index("n")
    assert bins.loc[4, "observed"] == pytest.approx(0.5)
    assert bins.loc[4, "predicted"] == pytest.approx(0.85)
    assert bins["weight"].sum() == pytest.approx(1.0)
    found = calibration_error(labels, p, list("abcdef"), list("uvwxyz"), n_resamples=200)
    assert found.value == pytest.approx(4 / 6 * 0.35 + 2 / 6 * 0.15)
    assert found.low <= found.value <= found.high
    # both INITIAL weigh 0.25 each, the four FINAL 0.125 each: at 0.85 INITIAL has 2/3
    equal = calibration_error(labels, p, list("abcdef"), list("uvwxyz"), balanced=True)
    assert equal.value == pytest.approx(0.75 * (0.85 - 2 / 3) + 0.25 * 0.15)


def test_p_of_exactly_one_has_a_bin() -> None:
    assert reliability([0, 1], [1.0, 0.0])["n"].tolist() == [1, *[0] * 8, 1]


def test_interval_of_a_calibrated_network_holds_its_error() -> None:
    labels, scores = drawn(400, 1.0, seed=5)
    clusters = np.arange(400) % 40, np.arange(400) % 60
    found = calibration_error(labels, expit(scores), *clusters, n_resamples=300)
    assert found.low <= found.value <= found.high
    assert found.value < 0.06
    bad = calibration_error(labels, expit(6 * scores), *clusters, n_resamples=300)
    assert bad.low > found.value


def test_calibration_on_disk(tmp_path: Path) -> None:
    assert load_calibration(tmp_path, "abc") is None
    written = Calibration(1.5, True, 100, 0.4, 0.3, "abc")
    save_calibration(tmp_path, written)
    assert load_calibration(tmp_path, "abc") == written
    assert written.p_initial([0.0, 3.0]) == pytest.approx([0.5, expit(2.0)])
    with pytest.raises(CheckpointError, match="other weights"):
        load_calibration(tmp_path, "def")
    (tmp_path / "calibration.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        load_calibration(tmp_path, "abc")


def test_mean_over_words_counts_words_with_both_readings_only() -> None:
    # present: 2 of 3 and 1 of 1 right; record: 0 of 1 and 1 of 1; subject: one reading only
    labels = [0, 0, 0, 1, 0, 1, 0, 0, 0]
    scores = [1, 1, -1, -1, -1, -1, 1, 1, 1]
    words = ["present"] * 4 + ["record"] * 2 + ["subject"] * 3
    found, table = mean_over_words(labels, scores, list("abcabcabc"), words, n_resamples=200)
    assert table["word"].tolist() == ["present", "record"]
    assert table["balanced_accuracy"].tolist() == pytest.approx([(2 / 3 + 1) / 2, 0.5])
    assert found["balanced_accuracy"].value == pytest.approx(((2 / 3 + 1) / 2 + 0.5) / 2)
    # present: 1 > -1 twice, -1 = -1 once; record: -1 = -1
    assert table["auroc"].tolist() == pytest.approx([2.5 / 3, 0.5])
    assert found["auroc"].value == pytest.approx((2.5 / 3 + 0.5) / 2)
    nothing, empty = mean_over_words([0, 1], [1, 1], ["a", "b"], ["x", "y"])
    assert np.isnan(nothing["auroc"].value)
    assert nothing["auroc"].reason == "no word shows both readings"
    assert empty.empty


def test_auroc_within_words_needs_no_threshold_and_no_knowledge_of_words() -> None:
    """Scores that know only the word, and scores that are right within words but shifted."""
    words = np.repeat(["record", "present", "permit"], [6, 6, 6])
    labels = np.tile([0, 1], 9)
    of_word = np.repeat([5.0, -5.0, 0.5], 6)
    only_word, _ = mean_over_words(labels, of_word, np.arange(18), words, n_resamples=100)
    assert only_word["auroc"].value == 0.5
    shifted, _ = mean_over_words(labels, of_word - labels, np.arange(18), words, n_resamples=100)
    assert shifted["auroc"].value == 1.0
    assert shifted["balanced_accuracy"].value == pytest.approx((0.5 + 0.5 + 1.0) / 3)


def test_the_oracle_gives_each_word_its_majority_reading() -> None:
    labels = [0, 0, 1, 1, 1, 0, 0, 1]
    words = ["record"] * 3 + ["permit"] * 3 + ["even"] * 2
    answers = majority_readings(labels, words)
    assert answers == pytest.approx([1 / 6] * 3 + [-1 / 6] * 3 + [0.0, 0.0])


def test_mean_over_words_resamples_words() -> None:
    """Words that are all right or all wrong: the interval must be wide, however many tokens."""
    words = np.repeat(np.arange(8), 50)
    labels = np.tile([0, 1], 200)
    right = words < 4
    scores = np.where((labels == 0) == right, 1.0, -1.0)
    estimates, _ = mean_over_words(labels, scores, np.arange(400), words, n_resamples=500)
    found = estimates["balanced_accuracy"]
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.25 and found.high > 0.75


def test_comparison_by_hand() -> None:
    labels = np.array([0] * 12 + [1] * 8)
    truth = np.where(labels == 0, 1.0, -1.0)
    first, second = truth.copy(), truth.copy()
    second[:6] *= -1  # only the first is right on six INITIAL
    first[19] *= -1  # only the second on one FINAL
    found = compare(labels, first, second, np.arange(20) % 5, np.arange(20) % 7)
    assert (found.n, found.only_first, found.only_second) == (20, 6, 1)
    assert found.mcnemar_p == pytest.approx(2 * (1 + 7) / 2**7)
    assert found.accuracy.value == pytest.approx(5 / 20)
    assert found.balanced_accuracy.value == pytest.approx((6 / 12 - 1 / 8) / 2)
    assert found.accuracy.low < 5 / 20 < found.accuracy.high
    same = compare(labels, first, first, np.arange(20) % 5, np.arange(20) % 7)
    assert same.mcnemar_p == 1
    assert (same.accuracy.low, same.accuracy.high) == (0, 0)
    with pytest.raises(ConfigError, match="different tokens"):
        compare(labels, first, second[:3], labels, labels)


def test_clusters_make_a_comparison_less_sure() -> None:
    """One odd speaker with many tokens: McNemar is sure, the clustered interval is not."""
    n = 200
    speakers = np.repeat(np.arange(10), 20)
    labels = np.tile([0, 1], n // 2)
    truth = np.where(labels == 0, 1.0, -1.0)
    second = np.where(speakers == 0, -truth, truth)
    found = compare(labels, truth, second, speakers, np.arange(n), n_resamples=500)
    assert found.mcnemar_p < 1e-4
    assert found.accuracy.low == 0


def test_weights_are_the_product_of_two_draws() -> None:
    speakers, words = np.arange(12) % 3, np.arange(12) % 4
    weights = np.concatenate(list(cluster_weights(speakers, words, n_resamples=150)))
    assert weights.shape == (150, 12)
    assert weights.sum(axis=1) == pytest.approx(np.full(150, 12.0))  # each cell once: 3 x 4
    assert list(cluster_weights(["a"], ["x"])) == []
