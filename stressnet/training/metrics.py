"""How good predictions are, with intervals over speakers and words.

Intervals come from the bootstrap (:mod:`stressnet.inference.bootstrap`). Where a network makes no
error at all, every resample is perfect, too; there the lower limit is the exact one of as many
right answers as there are words (Clopper & Pearson 1934, *Biometrika* 26:404-413).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from stressnet.errors import ConfigError
from stressnet.inference import bootstrap
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import CLASSES, Stress

METRICS = (
    *("accuracy", "balanced_accuracy", "mcc", "auroc", "recall_initial", "recall_final"),
    *("precision_initial", "precision_final", "f1_initial", "f1_final"),
)
"""Names of what is measured. Balanced accuracy is the mean of the two recalls (chance: 0.5); MCC is
Matthews' correlation (chance: 0); AUROC is the chance that a token with initial stress gets a
higher logit difference than one with final stress (chance: 0.5). Precision is 0 for a class that
is never said; F1 is the harmonic mean of precision and recall."""


@dataclass(frozen=True)
class Evaluation:
    """How a set of predictions fares: numbers of tokens and clusters, and ``metrics`` by name."""

    n: int
    n_initial: int
    n_final: int
    n_speakers: int
    n_words: int
    majority_rate: float
    metrics: dict[str, bootstrap.Estimate]

    @property
    def counts(self) -> dict[str, float]:
        """For tables: everything but the metrics."""
        return {key: value for key, value in vars(self).items() if key != "metrics"}


def evaluate(
    labels: ArrayLike,
    logit_difference: ArrayLike,
    speakers: ArrayLike,
    words: ArrayLike,
    **draws: int,
) -> Evaluation:
    """Metrics of one test set.

    A metric that needs both classes is nan, with a reason, where only one is present. An interval
    is nan, with a reason, where there is only one speaker and one word, or where more than half of
    the resamples lack what the metric needs. Raises :class:`ConfigError` if lengths differ or a
    logit difference is not finite.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Class indices (:attr:`Stress.class_index <stressnet.lexicon.stress.Stress.class_index>`).
    logit_difference : array_like of float, shape (n,)
        Logit of INITIAL minus logit of FINAL; INITIAL is predicted where it is >= 0.
    speakers, words : array_like, shape (n,)
        Clusters. Words should be families (``present`` with ``presents``).
    **draws
        ``seed`` and ``n_resamples`` of the bootstrap
        (:func:`stressnet.inference.bootstrap.cluster_weights`).
    """
    truth = np.asarray(labels, dtype=np.int64)
    scores = np.asarray(logit_difference, dtype=np.float64)
    n_speakers, n_words = (len(np.unique(np.asarray(c, dtype=np.str_))) for c in (speakers, words))
    if not len(truth) == len(scores) == len(np.asarray(speakers)) == len(np.asarray(words)):
        raise ConfigError("labels, logit differences, speakers and words differ in length")
    if not np.isfinite(scores).all():
        raise ConfigError("a logit difference is not finite; the network or an image is damaged")
    is_initial = truth == Stress.INITIAL.class_index
    n, n_initial = len(truth), int(is_initial.sum())
    reasons = _reasons(n_initial, n - n_initial)
    order = np.argsort(scores, kind="stable")
    points, *parts = (
        _weighted(weights[:, order], is_initial[order], scores[order])
        for weights in (np.ones((1, n)), *bootstrap.cluster_weights(speakers, words, **draws))
    )
    if 0 < n_initial < n:  # scikit-learn's rounding
        points["mcc"][0] = matthews_corrcoef(is_initial, scores >= 0)
        points["auroc"][0] = roc_auc_score(is_initial, scores)
    metrics = {}
    for name in METRICS:
        value, resamples = float(points[name][0]), [part[name] for part in parts]
        metrics[name] = bootstrap.interval_of(value, np.concatenate([*resamples, []]))
        if value == 1.0 and math.isclose(metrics[name].low, 1.0):
            low = _perfect_limit(name, is_initial, np.asarray(words))
            metrics[name] = bootstrap.Estimate(value, low, 1.0)
        if reasons[name]:
            metrics[name] = bootstrap.Estimate(value, math.nan, math.nan, reasons[name])
    return Evaluation(
        n=n,
        n_initial=n_initial,
        n_final=n - n_initial,
        n_speakers=n_speakers,
        n_words=n_words,
        majority_rate=max(n_initial, n - n_initial) / n if n else math.nan,
        metrics=metrics,
    )


def _perfect_limit(name: str, is_initial: NDArray[np.bool_], words: NDArray[Any]) -> float:
    """Lower limit of a metric that is 1 in all tokens."""
    everything = np.ones_like(is_initial)
    sides = {
        "accuracy": [everything],
        "recall_initial": [is_initial],
        "recall_final": [~is_initial],
        "precision_initial": [is_initial],
        "precision_final": [~is_initial],
    }.get(name, [side for side in (is_initial, ~is_initial) if side.any()])
    low = float(np.mean([0.025 ** (1 / len(np.unique(words[side]))) for side in sides]))
    return 2 * low - 1 if name == "mcc" else low


def evaluate_splits(
    predictions: pd.DataFrame, contrast: Contrast = STRESS, **draws: int
) -> pd.DataFrame:
    """Metrics of every split in a table of predictions.

    ``predictions`` are as :func:`stressnet.training.data.predictions_table` makes them, the rest
    as for :func:`evaluate`. Returns one row per test set and metric: ``test_set``, ``metric``,
    ``estimate``, ``low``, ``high``, ``n``, ``n_initial``, ``n_final``, ``n_speakers``, ``n_words``,
    ``majority_rate``, ``reason`` (why a number is missing, else empty). Minimal pairs come as a
    whole and, where both occur, apart for speakers with and without tokens in the training split
    (``minimal_pairs/known_speakers``, ``minimal_pairs/new_speakers``). Words of more than two
    syllables have accuracy, balanced accuracy and a recall for each of their classes.
    """
    sets: list[tuple[str, pd.DataFrame]] = []
    for split in predictions["split"].unique():
        rows = predictions[predictions["split"] == split]
        sets.append((split, rows))
        if split == "minimal_pairs" and rows["speaker_is_known"].nunique() == 2:
            known = rows["speaker_is_known"].to_numpy(dtype=bool)
            sets.append((f"{split}/new_speakers", rows[~known]))
            sets.append((f"{split}/known_speakers", rows[known]))
    lines = []
    classes = contrast.among(predictions[contrast.true])
    first, second = (f"logit_{name}" for name in (contrast.keys[0], contrast.keys[-1]))
    for name, rows in sets:
        if contrast.is_stress and classes != CLASSES:
            lines += [{"test_set": name, **row} for row in _of_longer_words(rows, classes, draws)]
            continue
        result = evaluate(
            rows[contrast.true].map({str(one): index for index, one in enumerate(classes)}),
            rows[first] - rows[second],
            rows["speaker"],
            rows["lemma"],
            **draws,
        )
        for metric, estimate in result.metrics.items():
            row = {"test_set": name, "metric": metric, **estimate.columns(), **result.counts}
            lines.append({**row, "reason": estimate.reason})
    counts = [f"n_{one.lower()}" for one in (classes if contrast.is_stress else CLASSES)]
    columns = ["test_set", "metric", "estimate", "low", "high", "n", *counts]
    columns += ["n_speakers", "n_words", "majority_rate", "reason"]
    return contrast.named(pd.DataFrame(lines, columns=columns))


def _of_longer_words(
    rows: pd.DataFrame, classes: Sequence[str], draws: dict[str, int]
) -> list[dict[str, Any]]:
    """Rows of :func:`evaluate_splits` for one set of words of more than two syllables."""
    truth = rows["stress_true"].to_numpy(dtype=np.str_)
    right = truth == rows["stress_predicted"].to_numpy(dtype=np.str_)
    counts = {f"n_{stress.lower()}": int((truth == stress).sum()) for stress in classes}
    about: dict[str, Any] = {
        "n": len(rows),
        **counts,
        "n_speakers": rows["speaker"].nunique(),
        "n_words": rows["lemma"].nunique(),
        "majority_rate": max(counts.values()) / len(rows) if len(rows) else math.nan,
    }

    sides = {f"recall_{stress.lower()}": [truth == stress] for stress in classes}
    sides["balanced_accuracy"] = [side for (side,) in sides.values()]
    sides["accuracy"] = [np.ones_like(right)]
    table = []
    for metric in reversed(sides):
        estimate = bootstrap.bootstrapped(
            partial(bootstrap.mean_of_sides, values=right, sides=sides[metric]),
            rows["speaker"],
            rows["lemma"],
            **draws,
        )
        row = {"metric": metric, **estimate.columns(), **about, "reason": estimate.reason}
        table.append(row)
    return table


WORD_METRICS = ("balanced_accuracy", "auroc")
"""What :func:`mean_over_words` gives of every word."""


def mean_over_words(
    labels: ArrayLike,
    logit_difference: ArrayLike,
    speakers: ArrayLike,
    words: ArrayLike,
    *,
    seed: int = 0,
    n_resamples: int = 2000,
) -> tuple[dict[str, bootstrap.Estimate], pd.DataFrame]:
    """Balanced accuracy and AUROC within the words that show both readings, as means over words.

    A word that (almost) always has one reading in the test can be got right by knowing the word;
    here it does not count, and frequent words count no more than rare ones. AUROC asks which of two
    tokens of one word has initial stress, so that no threshold and no knowledge of words helps.
    Parameters are those of :func:`evaluate`.

    Returns an estimate per name in :data:`WORD_METRICS` (chance is 0.5; nan, with a reason, where
    no word shows both readings), and a row per such word: ``word``, ``n_initial``, ``n_final``,
    ``recall_initial``, ``recall_final``, ``balanced_accuracy``, ``auroc``.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    scores = np.asarray(logit_difference, dtype=np.float64)
    speaker_codes, word_names = bootstrap.codes_of(speakers), np.asarray(words, dtype=np.str_)
    shown = [set(word_names[side]) for side in (is_initial, ~is_initial)]
    parts = []
    for word in sorted(shown[0] & shown[1]):
        sides = [np.flatnonzero((word_names == word) & side) for side in (is_initial, ~is_initial)]
        hits = [(scores[sides[0]] >= 0).astype(float), (scores[sides[1]] < 0).astype(float)]
        apart = scores[sides[0]][:, None] - scores[sides[1]]
        above = (apart > 0) + (apart == 0) / 2
        parts.append((word, sides, hits, above))
    columns = ["word", "n_initial", "n_final", "recall_initial", "recall_final", *WORD_METRICS]
    rows = [
        [word, *map(len, sides), *(r := [h.mean() for h in hits]), np.mean(r), above.mean()]
        for word, sides, hits, above in parts
    ]
    by_word = pd.DataFrame(rows, columns=columns)
    if not parts:
        nothing = bootstrap.Estimate(math.nan, math.nan, math.nan, "no word shows both readings")
        return dict.fromkeys(WORD_METRICS, nothing), by_word
    rng = np.random.default_rng(seed)
    kept = np.concatenate([side for _, sides, _, _ in parts for side in sides])
    known = np.unique(speaker_codes[kept], return_inverse=True)[1]
    place = np.zeros(len(scores), dtype=np.intp)
    place[kept] = np.arange(len(kept))
    means: list[NDArray[np.float64]] = []
    for start in range(0, n_resamples, bootstrap.AT_ONCE):
        size = min(bootstrap.AT_ONCE, n_resamples - start)
        drawn = bootstrap.draw(rng, known, size).astype(np.float64)
        times = bootstrap.draw(rng, np.arange(len(parts)), size)
        values = np.empty((len(WORD_METRICS), size, len(parts)))
        with np.errstate(invalid="ignore", divide="ignore"):
            for number, (_, sides, hits, above) in enumerate(parts):
                one, two = (drawn[:, place[side]] for side in sides)
                n_one, n_two = one.sum(axis=1), two.sum(axis=1)
                values[0, :, number] = (one @ hits[0] / n_one + two @ hits[1] / n_two) / 2
                values[1, :, number] = ((one @ above) * two).sum(axis=1) / (n_one * n_two)
            weight = np.where(np.isfinite(values), times, 0)
            means.append((np.nan_to_num(values) * weight).sum(axis=2) / weight.sum(axis=2))
    resamples = np.concatenate(means, axis=1)
    estimates = {
        name: bootstrap.interval_of(float(by_word[name].mean()), resamples[i])
        for i, name in enumerate(WORD_METRICS)
    }
    return estimates, by_word


def majority_readings(labels: ArrayLike, words: ArrayLike) -> NDArray[np.float64]:
    """Answers of an oracle without sound that gives each word the reading that it has most often.

    For each token the share of its word's tokens with initial stress minus a half, to be used like
    a logit difference.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    share = pd.Series(is_initial, dtype=float).groupby(np.asarray(words, dtype=np.str_))
    return share.transform("mean").to_numpy() - 0.5


def _reasons(n_initial: int, n_final: int) -> dict[str, str]:
    """Why a metric does not exist for these numbers of tokens, or an empty string."""
    missing = [s.value for s, n in zip(CLASSES, (n_initial, n_final), strict=True) if not n]
    if len(missing) == 2:
        return dict.fromkeys(METRICS, "no tokens")
    reason = f"no token with {missing[0]} stress" if missing else ""
    need_both = dict.fromkeys(("balanced_accuracy", "mcc", "auroc"), reason)
    of_class = ("recall", "precision", "f1")
    lacking = {f"{metric}_{name.lower()}": reason for name in missing for metric in of_class}
    return dict.fromkeys(METRICS, "") | need_both | lacking


def _weighted(
    weights: NDArray[np.float64], is_initial: NDArray[np.bool_], scores: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Metrics with weights of shape (resamples, n) for tokens sorted by increasing score."""
    said_initial = scores >= 0
    tp, fn, fp, tn = (
        weights[:, side & said].sum(axis=1)
        for side in (is_initial, ~is_initial)
        for said in (said_initial, ~said_initial)
    )
    starts = np.flatnonzero(np.diff(scores, prepend=-np.inf) > 0)  # of runs of equal scores
    positive = np.add.reduceat(weights * is_initial, starts, axis=1)
    negative = np.add.reduceat(weights * ~is_initial, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    with np.errstate(invalid="ignore", divide="ignore"):
        recall_initial, recall_final = tp / (tp + fn), tn / (tn + fp)
        product = np.sqrt((tp + fp) * (tn + fn)) * np.sqrt((tp + fn) * (tn + fp))
        one_answer = ((tp + fp) * (tn + fn) == 0) & ((tp + fn) * (tn + fp) > 0)
        precision_initial = np.where(tp + fp > 0, tp / (tp + fp), 0.0)
        precision_final = np.where(tn + fn > 0, tn / (tn + fn), 0.0)
        return {
            "accuracy": (tp + tn) / (tp + tn + fp + fn),
            "balanced_accuracy": (recall_initial + recall_final) / 2,
            "mcc": np.where(one_answer, 0.0, (tp * tn - fp * fn) / product),
            "auroc": (positive * (below + negative / 2)).sum(axis=1) / ((tp + fn) * (tn + fp)),
            "recall_initial": recall_initial,
            "recall_final": recall_final,
            "precision_initial": precision_initial,
            "precision_final": precision_final,
            "f1_initial": 2 * tp / (2 * tp + fp + fn),
            "f1_final": 2 * tn / (2 * tn + fp + fn),
        }
