"""Audits: what can be known of the stress without hearing it, or of another kind than stress.

``docs/evaluation.md`` says what each sees. The aligner chose among the dictionary's variants by
listening, so ``phones`` is what knowing the segments is worth, above all the vowels' reduction. A
single deal of ``shuffled labels`` may by luck resemble the truth or its opposite, so it is done
several times, and the interval is that of the mean over deals (Student's t). Classifiers are
logistic regression or gradient boosting, whichever has the higher balanced accuracy in validation,
with both classes weighing the same.
"""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from stressnet.errors import ConfigError
from stressnet.inference.bootstrap import Estimate, bootstrapped, mean_of_sides
from stressnet.lexicon.controls import Use
from stressnet.lexicon.pronunciation import bare
from stressnet.lexicon.stress import CLASSES, Stress, logit_difference
from stressnet.training.cue_baselines import best_in_validation
from stressnet.training.data import TRAIN, VALID, StressData, predict_logits
from stressnet.training.fit import Origin, train
from stressnet.training.recipes import TrainConfig

SHUFFLED = "shuffled labels"
PART_OF_SPEECH = "part of speech"
CHANCE = 0.5  # Balanced accuracy of any answer that does not depend on the token

N_SHUFFLES, SHUFFLED_EPOCHS = 5, 2
MOST_SHUFFLED = 1200
"""Training tokens of a network on shuffled labels, and a third as many to validate; more would only
take longer."""

_READ = 512  # images in memory at a time


@dataclass(frozen=True)
class PartOfSpeechAudit:
    """How a network fares on nouns and verbs that do not shift.

    Congruent tokens have the stress of their part of speech (nouns INITIAL, verbs FINAL). Estimates
    are balanced accuracy of each and the first minus the second: zero for a network that does not
    care for part of speech.
    """

    n_congruent: int
    n_incongruent: int
    congruent: Estimate
    incongruent: Estimate
    difference: Estimate


def padding_features(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Frames of sound, shape (n, 1), from masks of shape (n, n_frames)."""
    return mask.sum(axis=1, keepdims=True).astype(np.float32)


def envelope_features(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mean over frequency of every frame, shape (n, n_frames), as the network gets it."""
    parts = [
        np.asarray(images[start : start + _READ], dtype=np.float32).mean(axis=1)
        for start in range(0, len(images), _READ)
    ]
    return np.concatenate([*parts, np.empty((0, images.shape[2]), np.float32)])


def phone_features(phones: pd.DataFrame, token_ids: Sequence[str]) -> NDArray[np.float32]:
    """Which phones stand where, without stress digits: how often each ``syllable role phone``.

    ``phones`` are a corpus's ``phones.parquet``: ``token_id``, ``phone``, ``syllable``, ``role``.
    The result has shape (n, n_features), in the order of ``token_ids``.
    """
    names: dict[str, dict[str, float]] = {token_id: {} for token_id in token_ids}
    columns = (phones[name] for name in ("token_id", "syllable", "role", "phone"))
    for token_id, syllable, role, phone in zip(*columns, strict=True):
        if token_id in names:
            key = f"{syllable} {role} {bare(phone)}"
            names[token_id][key] = names[token_id].get(key, 0.0) + 1.0
    vectors = DictVectorizer(dtype=np.float32, sparse=False)
    return vectors.fit_transform([names[token_id] for token_id in token_ids])


def classify(
    features: NDArray[np.float32], data: StressData, *, seed: int = 0
) -> tuple[NDArray[np.float64], str]:
    """Train on the training split, which must have both classes, what is best in validation.

    ``features``, of shape (n, n_features), are those of all tokens of ``data``, whose images are
    not looked at; the ``seed`` is for gradient boosting. Returns logit differences INITIAL minus
    FINAL of all tokens, shape (n,), and the name of the classifier.
    """
    rows = data.rows(TRAIN)
    if len(np.unique(data.labels[rows])) < len(CLASSES):
        raise ConfigError("audits need a training split with both classes")
    candidates: dict[str, Any] = {
        "logistic regression": make_pipeline(
            StandardScaler(), LogisticRegression(C=0.3, max_iter=2000, class_weight="balanced")
        ),
        "gradient boosting": HistGradientBoostingClassifier(
            max_iter=150,
            learning_rate=0.05,
            min_samples_leaf=10,
            l2_regularization=1.0,
            class_weight="balanced",
            random_state=seed,
        ),
    }
    # So little work that threads only wait for each other, for minutes on a busy machine.
    with threadpool_limits(1):
        best = best_in_validation(candidates, features, data.labels, rows, data.rows(VALID))
    # scikit-learn's decision is for the class with the larger index, which is FINAL.
    decision = np.asarray(candidates[best].decision_function(features), dtype=np.float64)
    initial_is_first = Stress.INITIAL.class_index < Stress.FINAL.class_index
    return (-decision if initial_is_first else decision), best


def shuffled_network(
    data: StressData, rows: NDArray[np.int64], origin: Origin, *, seed: int = 0
) -> NDArray[np.float64]:
    """Logits (INITIAL minus FINAL) of some tokens, of a network trained on shuffled labels.

    Labels are exchanged within the training split and within the validation split, so that the
    numbers of the classes stay. ``origin`` says of which preset the images are.
    """
    rng = np.random.default_rng([seed, 7])
    labels, splits = data.labels.copy(), np.full_like(data.splits, "")
    for split, most in ((TRAIN, MOST_SHUFFLED), (VALID, MOST_SHUFFLED // 3)):
        there = rng.permutation(data.rows(split))[:most]
        labels[there] = labels[rng.permutation(there)]
        splits[there] = split
    config = TrainConfig(SHUFFLED, max_epochs=SHUFFLED_EPOCHS, patience=SHUFFLED_EPOCHS, seed=seed)
    shuffled = replace(data, labels=labels, splits=splits)
    with tempfile.TemporaryDirectory() as folder:
        result = train("compact", shuffled, config, Path(folder), origin)
    logits = predict_logits(result.model, data, rows).astype(np.float64)
    return logit_difference(logits)


def mean_balanced_accuracy(labels: ArrayLike, logit_differences: NDArray[np.float64]) -> Estimate:
    """Balanced accuracy, averaged over networks that differ by chance only.

    ``labels`` are class indices, ``logit_differences``, of shape (n_networks, n), INITIAL minus
    FINAL. The interval is Student's; there is none for a single network.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    hits = ((logit_differences >= 0) == is_initial).astype(np.float64)
    each = np.mean([hits[:, side].mean(axis=1) for side in (is_initial, ~is_initial)], axis=0)
    if len(each) < 2:
        return Estimate(float(each[0]), math.nan, math.nan, "no interval: one network only")
    reach = float(student.ppf(0.975, len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each)))
    value = float(each.mean())
    return Estimate(value, value - reach, value + reach)


def part_of_speech_audit(
    labels: ArrayLike,
    logit_difference: ArrayLike,
    uses: Sequence[Use],
    speakers: ArrayLike,
    words: ArrayLike,
    **draws: int,
) -> PartOfSpeechAudit:
    """Compare tokens whose stress is and is not that of their part of speech."""
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    is_noun = np.array([use is Use.NOUN for use in uses], dtype=bool)
    congruent = is_noun == is_initial
    hits = ((np.asarray(logit_difference) >= 0) == is_initial).astype(np.float64)
    one, other = ([group & is_initial, group & ~is_initial] for group in (congruent, ~congruent))
    figures = (
        lambda weights: mean_of_sides(weights, hits, one),
        lambda weights: mean_of_sides(weights, hits, other),
        lambda weights: mean_of_sides(weights, hits, one) - mean_of_sides(weights, hits, other),
    )
    estimates = (bootstrapped(figure, speakers, words, **draws) for figure in figures)
    return PartOfSpeechAudit(int(congruent.sum()), int((~congruent).sum()), *estimates)
