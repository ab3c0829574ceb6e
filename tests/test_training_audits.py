"""Audits find what can be known without hearing, and only that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stressnet.errors import ConfigError
from stressnet.lexicon.controls import Use, control_base, guess_use, non_shifting_words
from stressnet.lexicon.dictionary import Entry, load_dictionary
from stressnet.models.registry import build_model
from stressnet.training import audits
from stressnet.training.data import StressData
from stressnet.training.metrics import evaluate

N = 240


def tokens(seed: int = 0) -> StressData:
    """Noise with random labels: nothing can be learnt."""
    rng = np.random.default_rng(seed)
    number = np.arange(N)
    return StressData(
        images=rng.standard_normal((N, 40, 48), dtype=np.float32),
        labels=rng.integers(0, 2, N),
        speakers=np.array([f"s{i % 12}" for i in number]),
        lemmas=np.array([f"w{i % 30}" for i in number]),
        splits=np.array([("train", "train", "valid", "test")[i % 4] for i in number]),
        token_ids=np.array([f"t{i}" for i in number]),
    )


def balanced_accuracy(data: StressData, scores: np.ndarray) -> float:
    rows = data.rows("test")
    found = evaluate(
        data.labels[rows], scores[rows], data.speakers[rows], data.lemmas[rows], n_resamples=10
    )
    return found.metrics["balanced_accuracy"].value


def test_duration_that_tells_the_label_is_found() -> None:
    data = tokens()
    longer = 20 + 20 * data.labels
    mask = np.arange(48) < longer[:, None]
    features = audits.padding_features(mask)
    assert features.tolist() == longer[:, None].tolist()
    scores, _ = audits.classify(features, data)
    assert balanced_accuracy(data, scores) == 1
    rng = np.random.default_rng(1)
    blind, _ = audits.classify(rng.normal(size=(N, 1)).astype(np.float32), data)
    assert 0.3 < balanced_accuracy(data, blind) < 0.7


def test_envelope_hears_level_but_not_frequency() -> None:
    data = tokens()
    louder = data.images.copy()
    louder[data.labels == 0, :, :24] += 1.0
    features = audits.envelope_features(louder)
    assert features.shape == (N, 48)
    assert features[5, 7] == pytest.approx(louder[5, :, 7].mean(), abs=1e-6)
    assert balanced_accuracy(data, audits.classify(features, data)[0]) > 0.9
    moved = data.images.copy()  # the same energy in other bins
    moved[data.labels == 0, :20] += 1.0
    moved[data.labels == 1, 20:] += 1.0
    scores, _ = audits.classify(audits.envelope_features(moved), data)
    assert 0.3 < balanced_accuracy(data, scores) < 0.7


def test_phones_have_no_stress_digits() -> None:
    phones = pd.DataFrame(
        {
            "token_id": ["a", "a", "b", "b", "other"],
            "syllable": [1, 2, 1, 2, 1],
            "role": ["nucleus"] * 5,
            "phone": ["AH1", "IY0", "AH0", "IY1", "AA1"],
        }
    )
    features = audits.phone_features(phones, ["b", "a"])
    assert features.shape == (2, 2)
    assert (features == 1).all()  # the same segments: nothing tells them apart


def test_classifier_needs_both_classes() -> None:
    data = tokens()
    one = StressData(
        data.images, np.zeros(N, int), data.speakers, data.lemmas, data.splits, data.token_ids
    )
    with pytest.raises(ConfigError, match="both classes"):
        audits.classify(np.zeros((N, 1), np.float32), one)


def test_shuffled_network_sees_other_labels_and_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    data, seen = tokens(), []

    def train(name: str, given: StressData, config: Any, *_: Any) -> SimpleNamespace:
        seen.append((given, config))
        return SimpleNamespace(model=build_model(name, 40, 48))

    monkeypatch.setattr(audits, "train", train)
    rows = data.rows("test")
    scores = audits.shuffled_network(data, rows, audits.Origin("p", {}), seed=3)
    given, config = seen[0]
    assert scores.shape == (len(rows),)
    for split in ("train", "valid"):
        there = data.rows(split)
        assert set(given.rows(split)) == set(there)
        assert given.labels[there].sum() == data.labels[there].sum()
        assert 0.3 < (given.labels[there] == data.labels[there]).mean() < 0.7
    assert set(given.splits[rows]) == {""}
    assert config.max_epochs == audits.SHUFFLED_EPOCHS


def test_mean_over_networks_is_as_sure_as_they_agree() -> None:
    labels = np.array([0, 0, 1, 1])
    truth = np.where(labels == 0, 1.0, -1.0)
    half = np.array([1.0, -1.0, 1.0, -1.0])
    found = audits.mean_balanced_accuracy(labels, np.stack([truth, -truth, half]))
    assert found.value == pytest.approx(0.5)
    assert found.high - found.value == pytest.approx(4.3027 * 0.5 / np.sqrt(3), rel=1e-3)
    sure = audits.mean_balanced_accuracy(labels, np.stack([truth, truth]))
    assert (sure.low, sure.value, sure.high) == (1, 1, 1)
    assert np.isnan(audits.mean_balanced_accuracy(labels, truth[None]).low)


def test_part_of_speech_audit_by_hand() -> None:
    # every verb is heard as FINAL, every noun as INITIAL
    labels = np.array([0, 0, 1, 1] * 10)
    uses = [Use.NOUN, Use.VERB] * 20
    scores = np.array([1.0 if use is Use.NOUN else -1.0 for use in uses])
    clusters = np.arange(40) % 9, np.arange(40) % 11
    found = audits.part_of_speech_audit(labels, scores, uses, *clusters, n_resamples=200)
    assert (found.n_congruent, found.n_incongruent) == (20, 20)
    assert (found.congruent.value, found.incongruent.value) == (1, 0)
    assert found.difference.value == 1
    heard = np.where(labels == 0, 1.0, -1.0)
    fair = audits.part_of_speech_audit(labels, heard, uses, *clusters, n_resamples=200)
    assert (fair.difference.value, fair.difference.low, fair.difference.high) == (0, 0, 0)


def test_controls_are_nouns_and_verbs_with_one_stress() -> None:
    from lemminflect import getAllLemmas

    dictionary = load_dictionary()
    words = non_shifting_words()
    assert len(words) > 150
    stresses = set()
    for word in words:
        entry = dictionary.entry(word)
        assert isinstance(entry, Entry), word
        assert entry.stress is not None, word
        stresses.add(entry.stress)
        assert {"NOUN", "VERB"} <= set(getAllLemmas(word.lower())), word
    assert len(stresses) == 2


@pytest.mark.parametrize(
    ("word", "base"),
    [
        ("answer", "ANSWER"),
        ("ANSWERS", "ANSWER"),
        ("replies", "REPLY"),
        ("promised", "PROMISE"),
        ("promises", "PROMISE"),
        ("record", None),
        ("answering", None),
    ],
)
def test_forms_of_controls(word: str, base: str | None) -> None:
    assert control_base(word) == base


@pytest.mark.parametrize(
    ("word", "previous", "use"),
    [
        ("answer", "the", Use.NOUN),
        ("answer", "to", Use.VERB),
        ("reply", "didn't", Use.VERB),
        ("replied", "", Use.VERB),
        ("damaged", "the", None),
        ("answer", "good", None),
        ("answer", "", None),
    ],
)
def test_guessed_use(word: str, previous: str, use: Use | None) -> None:
    assert guess_use(word, previous) is use
