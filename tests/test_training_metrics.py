"""Metrics with values by hand, and intervals that cover what they should."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress
from stressnet.training.metrics import METRICS, _weighted, evaluate, evaluate_splits


def test_by_hand() -> None:
    # initial: 3 right 1 wrong; final: 1 right 1 wrong
    labels = [0, 0, 0, 0, 1, 1]
    scores = [3.0, 2.0, 1.0, -1.0, -2.0, 0.5]
    result = evaluate(labels, scores, list("aabbcc"), list("xyxyxy"), n_resamples=50)
    values = {name: estimate.value for name, estimate in result.metrics.items()}
    assert values["accuracy"] == pytest.approx(4 / 6)
    assert values["recall_initial"] == pytest.approx(3 / 4)
    assert values["recall_final"] == pytest.approx(1 / 2)
    assert values["balanced_accuracy"] == pytest.approx(5 / 8)
    # (3*1 - 1*1) / sqrt(4 * 4 * 2 * 2)
    assert values["mcc"] == pytest.approx(2 / 8)
    # of 8 pairs, -1 < 0.5 is the only wrong one
    assert values["auroc"] == pytest.approx(7 / 8)
    assert (result.n, result.n_initial, result.n_final) == (6, 4, 2)
    assert (result.n_speakers, result.n_words) == (3, 2)
    assert result.majority_rate == pytest.approx(4 / 6)
    for estimate in result.metrics.values():
        assert estimate.low <= estimate.value <= estimate.high


def test_weighted_metrics_equal_repeated_tokens() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.6
    scores = np.sort(np.round(rng.normal(size=60), 1))  # rounding makes ties
    weights = rng.integers(0, 4, size=(5, 60))
    found = _weighted(weights.astype(float), truth, scores)
    for row, weight in enumerate(weights):
        y, s = np.repeat(truth, weight), np.repeat(scores, weight)
        expected = {
            "accuracy": sklearn_metrics.accuracy_score(y, s >= 0),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(y, s >= 0),
            "mcc": sklearn_metrics.matthews_corrcoef(y, s >= 0),
            "auroc": sklearn_metrics.roc_auc_score(y, s),
            "recall_initial": sklearn_metrics.recall_score(y, s >= 0),
            "recall_final": sklearn_metrics.recall_score(~y, s < 0),
            "precision_initial": sklearn_metrics.precision_score(y, s >= 0),
            "precision_final": sklearn_metrics.precision_score(~y, s < 0),
            "f1_initial": sklearn_metrics.f1_score(y, s >= 0),
            "f1_final": sklearn_metrics.f1_score(~y, s < 0),
        }
        for name in METRICS:
            assert found[name][row] == pytest.approx(expected[name]), name


def test_always_the_same_answer_has_no_correlation() -> None:
    labels = np.arange(40) % 2
    result = evaluate(labels, np.ones(40), np.arange(40) % 7, np.arange(40) % 5, n_resamples=200)
    mcc, balanced = result.metrics["mcc"], result.metrics["balanced_accuracy"]
    assert (mcc.value, mcc.low, mcc.high) == (0, 0, 0)
    assert (balanced.value, balanced.low, balanced.high) == (0.5, 0.5, 0.5)


def test_same_seed_same_interval() -> None:
    rng = np.random.default_rng(1)
    arguments = (rng.integers(0, 2, 50), rng.normal(size=50), rng.integers(0, 9, 50))
    words = rng.integers(0, 9, 50)
    one = evaluate(*arguments, words, seed=1, n_resamples=100)
    assert one == evaluate(*arguments, words, seed=1, n_resamples=100)
    assert one != evaluate(*arguments, words, seed=2, n_resamples=100)


def simulate(rng: np.random.Generator, spread: float) -> tuple[np.ndarray, ...]:
    """Tokens whose score depends on their speaker; 12 speakers, 400 words said once."""
    speakers = np.repeat(np.arange(12), 34)[:400]
    labels = rng.integers(0, 2, 400)
    scores = np.where(labels == 0, 1.0, -1.0) * (1 + spread * rng.normal(size=12)[speakers])
    return labels, scores + rng.normal(size=400), speakers, np.arange(400)


def test_interval_covers_the_truth_when_speakers_differ() -> None:
    """Accuracy over all speakers there could be lies in the interval about 95 times in 100."""
    rng = np.random.default_rng(3)
    truth_rng = np.random.default_rng(4)
    truth = np.mean(
        [
            ((s >= 0) == (y == 0)).mean()
            for y, s, _, _ in (simulate(truth_rng, 1.0) for _ in range(400))
        ]
    )
    hits = naive_hits = 0
    for _ in range(60):
        labels, scores, speakers, words = simulate(rng, 1.0)
        found = evaluate(labels, scores, speakers, words, n_resamples=200).metrics["accuracy"]
        hits += found.low <= truth <= found.high
        half = 1.96 * np.sqrt(found.value * (1 - found.value) / 400)
        naive_hits += abs(found.value - truth) <= half
    assert hits >= 50
    assert naive_hits < 45  # as if tokens were independent: far too narrow


def test_single_class_is_nan_with_a_reason_and_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate([0, 0, 0], [1.0, -1.0, 2.0], list("abc"), list("xyz"), n_resamples=100)
    for name in ("balanced_accuracy", "mcc", "auroc", "recall_final"):
        assert np.isnan(found.metrics[name].value)
        assert np.isnan(found.metrics[name].low)
        assert found.metrics[name].reason == "no token with FINAL stress"
    assert found.metrics["accuracy"].value == pytest.approx(2 / 3)
    assert found.metrics["accuracy"].low < 2 / 3 < found.metrics["accuracy"].high
    assert found.majority_rate == 1


def test_one_speaker_and_one_word_has_no_interval() -> None:
    found = evaluate([0, 1], [1.0, -1.0], ["a", "a"], ["x", "x"]).metrics["balanced_accuracy"]
    assert found.value == 1
    assert np.isnan([found.low, found.high]).all()
    assert found.reason.startswith("no interval")


def test_no_tokens() -> None:
    found = evaluate([], [], [], [])
    assert found.n == 0
    assert np.isnan(found.majority_rate)
    assert {estimate.reason for estimate in found.metrics.values()} == {"no tokens"}


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match="length"):
        evaluate([0, 1], [1.0], ["a"], ["x"])
    with pytest.raises(ConfigError, match="finite"):
        evaluate([0], [np.nan], ["a"], ["x"])


def test_splits_table() -> None:
    n = 48
    number = np.arange(n)
    table = pd.DataFrame(
        {
            "token_id": [f"t{i}" for i in number],
            "split": np.where(number < 24, "test", "minimal_pairs"),
            "speaker": [f"s{i % 6}" for i in number],
            "lemma": [f"w{i % 5}" for i in number],
            "speaker_is_known": (number >= 24) & (number % 6 < 2),
            "stress_true": np.where(number % 2, "FINAL", "INITIAL"),
            "logit_initial": np.where(number % 2, 0.0, 2.0),
            "logit_final": np.where(number % 2, 1.0, 0.0),
        }
    )
    found = evaluate_splits(table, n_resamples=100)
    sizes = found.drop_duplicates("test_set").set_index("test_set")["n"].to_dict()
    assert sizes == {
        "test": 24,
        "minimal_pairs": 24,
        "minimal_pairs/new_speakers": 16,
        "minimal_pairs/known_speakers": 8,
    }
    assert len(found) == 4 * len(METRICS)
    assert (found["estimate"] == 1).all()
    assert evaluate_splits(table.iloc[:0]).empty


def test_no_error_in_a_few_tokens_is_no_certainty() -> None:
    labels = [Stress.INITIAL.class_index] * 8 + [Stress.FINAL.class_index] * 8
    scores = [2.0] * 8 + [-2.0] * 8
    speakers, words = list(range(16)), [f"{i // 8} {i % 4}" for i in range(16)]
    found = evaluate(labels, scores, speakers, words, n_resamples=200).metrics
    four = 0.025 ** (1 / 4)  # exact limit of 4 right answers in 4
    assert found["accuracy"].low == pytest.approx(0.025 ** (1 / 8))
    for name in ("balanced_accuracy", "recall_initial", "auroc"):
        assert (found[name].value, found[name].high) == (1.0, 1.0)
        assert found[name].low == pytest.approx(four)
    assert found["mcc"].low == pytest.approx(2 * four - 1)
    scores[0] = -2.0  # one error: the bootstrap's own interval
    found = evaluate(labels, scores, speakers, words, n_resamples=200).metrics
    assert found["recall_final"].low == pytest.approx(four)
    assert found["accuracy"].low < found["accuracy"].value < 1.0
