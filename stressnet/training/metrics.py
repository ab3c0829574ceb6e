"""How good predictions are, with intervals that respect who spoke and what was said.

Intervals come from the pigeonhole bootstrap (Owen 2007, *Annals of Applied Statistics* 1:386-411):
speakers and words are drawn with replacement independently of each other, and a token counts as
often as its speaker times its word was drawn. Tokens of one speaker or one word resemble each
other; intervals that took them for independent would be too narrow. This one is somewhat too wide
rather than too narrow. The limits are percentiles. Where a network makes no error at all, every
resample is perfect too and the interval is a point: then n is what tells how much that means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sklearn_metrics

from stressnet.errors import ConfigError
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.training.data import MINIMAL_PAIRS

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "mcc",
    "auroc",
    "recall_initial",
    "recall_final",
)
"""Names of what is measured. Balanced accuracy is the mean of the two recalls (chance: 0.5); MCC is
Matthews' correlation (chance: 0); AUROC is the chance that a token with initial stress gets a
higher logit difference than one with final stress (chance: 0.5)."""

_CHUNK = 100  # resamples held in memory at a time


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; nan where it does not exist, and why."""

    value: float
    low: float
    high: float
    reason: str = ""

    def columns(self, name: str = "") -> dict[str, float]:
        """For tables: ``estimate``, ``low``, ``high``, or ``name``, ``name_low``, ``name_high``."""
        keys = (name, f"{name}_low", f"{name}_high") if name else ("estimate", "low", "high")
        return dict(zip(keys, (self.value, self.low, self.high), strict=True))


@dataclass(frozen=True)
class Evaluation:
    """How a set of predictions fares.

    Parameters
    ----------
    n, n_initial, n_final, n_speakers, n_words : int
        Tokens, tokens of each class, different speakers and words.
    majority_rate : float
        Accuracy of always saying the more frequent class; nan for no tokens.
    metrics : dict of Estimate
        One per name in :data:`METRICS`.
    """

    n: int
    n_initial: int
    n_final: int
    n_speakers: int
    n_words: int
    majority_rate: float
    metrics: dict[str, Estimate]

    @property
    def counts(self) -> dict[str, float]:
        """For tables: everything but the metrics."""
        return {key: value for key, value in vars(self).items() if key != "metrics"}


def evaluate(
    labels: ArrayLike,
    logit_difference: ArrayLike,
    speakers: ArrayLike,
    words: ArrayLike,
    *,
    seed: int = 0,
    n_resamples: int = 2000,
) -> Evaluation:
    """Metrics of one test set.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Class indices (:attr:`Stress.class_index <stressnet.lexicon.stress.Stress.class_index>`).
    logit_difference : array_like of float, shape (n,)
        Logit of INITIAL minus logit of FINAL; INITIAL is predicted where it is >= 0.
    speakers, words : array_like, shape (n,)
        Clusters. Words should be families (``present`` with ``presents``).
    seed : int
        Fixes the resamples.
    n_resamples : int
        Resamples of the bootstrap.

    Returns
    -------
    Evaluation
        A metric that needs both classes is nan, with a reason, where only one is present. An
        interval is nan, with a reason, where there is only one speaker and one word, or where more
        than half of the resamples lack what the metric needs.

    Raises
    ------
    ConfigError
        If lengths differ or a logit difference is not finite.
    """
    truth = np.asarray(labels, dtype=np.int64)
    scores = np.asarray(logit_difference, dtype=np.float64)
    speaker_codes, n_speakers = _codes(speakers)
    word_codes, n_words = _codes(words)
    if not len(truth) == len(scores) == len(speaker_codes) == len(word_codes):
        raise ConfigError("labels, logit differences, speakers and words differ in length")
    if not np.isfinite(scores).all():
        raise ConfigError("a logit difference is not finite; the network or an image is damaged")
    is_initial = truth == Stress.INITIAL.class_index
    n, n_initial = len(truth), int(is_initial.sum())
    points = _points(is_initial, scores)
    reasons = _reasons(n_initial, n - n_initial)
    if n and max(n_speakers, n_words) > 1:
        resamples = _resample(
            is_initial, scores, speaker_codes, word_codes, np.random.default_rng(seed), n_resamples
        )
    else:
        resamples = {name: np.full(1, np.nan) for name in METRICS}
    found = {}
    for name in METRICS:
        defined = resamples[name][np.isfinite(resamples[name])]
        reason = reasons[name]
        low = high = math.nan
        if not reason and 2 * len(defined) < len(resamples[name]):
            reason = "no interval: too few speakers and words to resample"
        elif not reason:
            low, high = (float(v) for v in np.quantile(defined, (0.025, 0.975)))
        found[name] = Estimate(points[name], low, high, reason)
    return Evaluation(
        n=n,
        n_initial=n_initial,
        n_final=n - n_initial,
        n_speakers=n_speakers,
        n_words=n_words,
        majority_rate=max(n_initial, n - n_initial) / n if n else math.nan,
        metrics=found,
    )


def evaluate_splits(
    predictions: pd.DataFrame, *, seed: int = 0, n_resamples: int = 2000
) -> pd.DataFrame:
    """Metrics of every split in a table of predictions.

    Parameters
    ----------
    predictions : DataFrame
        As :func:`stressnet.training.predict.predictions_table` makes it.
    seed, n_resamples
        As for :func:`evaluate`.

    Returns
    -------
    DataFrame
        One row per test set and metric: ``test_set``, ``metric``, ``estimate``, ``low``, ``high``,
        ``n``, ``n_initial``, ``n_final``, ``n_speakers``, ``n_words``, ``majority_rate``,
        ``reason`` (why a number is missing, else empty). Minimal pairs come as a whole and, where
        both occur, apart for speakers with and without tokens in the training split
        (``minimal_pairs/known_speakers``, ``minimal_pairs/new_speakers``).
    """
    sets: list[tuple[str, pd.DataFrame]] = []
    for split in predictions["split"].unique():
        rows = predictions[predictions["split"] == split]
        sets.append((split, rows))
        if split == MINIMAL_PAIRS and rows["speaker_is_known"].nunique() == 2:
            known = rows["speaker_is_known"].to_numpy(dtype=bool)
            sets.append((f"{split}/new_speakers", rows[~known]))
            sets.append((f"{split}/known_speakers", rows[known]))
    lines = []
    for name, rows in sets:
        result = evaluate(
            rows["stress_true"].map({stress.value: stress.class_index for stress in CLASSES}),
            rows["logit_initial"] - rows["logit_final"],
            rows["speaker"],
            rows["lemma"],
            seed=seed,
            n_resamples=n_resamples,
        )
        for metric, estimate in result.metrics.items():
            row = {"test_set": name, "metric": metric, **estimate.columns(), **result.counts}
            lines.append({**row, "reason": estimate.reason})
    columns = "test_set metric estimate low high n n_initial n_final n_speakers n_words".split()
    return pd.DataFrame(lines, columns=[*columns, "majority_rate", "reason"])


def cluster_weights(
    speakers: ArrayLike, words: ArrayLike, *, seed: int = 0, n_resamples: int = 2000
) -> Iterator[NDArray[np.float64]]:
    """How often each token counts in the resamples of the pigeonhole bootstrap.

    For figures that :func:`evaluate` does not know, such as differences between two networks.

    Parameters
    ----------
    speakers, words : array_like, shape (n,)
        Clusters.
    seed, n_resamples
        As for :func:`evaluate`.

    Yields
    ------
    ndarray, shape (some resamples, n)
        Until ``n_resamples`` rows were given in all.
    """
    speaker_codes, n_speakers = _codes(speakers)
    word_codes, n_words = _codes(words)
    if max(n_speakers, n_words) > 1:
        yield from _draws(speaker_codes, word_codes, np.random.default_rng(seed), n_resamples)


def interval_of(value: float, resamples: ArrayLike, n_resamples: int) -> Estimate:
    """A figure with the percentile interval of its resamples.

    Parameters
    ----------
    value : float
        The figure.
    resamples : array_like
        The figure in each resample, nan where it does not exist.
    n_resamples : int
        How many there should be; where fewer than half exist, the interval is nan.
    """
    values = np.asarray(resamples, dtype=np.float64)
    defined = values[np.isfinite(values)]
    if not math.isfinite(value):
        return Estimate(value, math.nan, math.nan, "not defined for these tokens")
    if 2 * len(defined) < n_resamples or not len(defined):
        return Estimate(
            value, math.nan, math.nan, "no interval: too few speakers and words to resample"
        )
    low, high = (float(v) for v in np.quantile(defined, (0.025, 0.975)))
    return Estimate(value, low, high)


def _codes(values: ArrayLike) -> tuple[NDArray[np.int64], int]:
    unique, codes = np.unique(np.asarray(values, dtype=np.str_), return_inverse=True)
    return codes.reshape(-1), len(unique)


def _reasons(n_initial: int, n_final: int) -> dict[str, str]:
    """Why a metric does not exist for these numbers of tokens, or an empty string."""
    missing = [s.value for s, n in zip(CLASSES, (n_initial, n_final), strict=True) if not n]
    if len(missing) == 2:
        return dict.fromkeys(METRICS, "no tokens")
    reason = f"no token with {missing[0]} stress" if missing else ""
    need_both = dict.fromkeys(("balanced_accuracy", "mcc", "auroc"), reason)
    lacking = {f"recall_{name.lower()}": reason for name in missing}
    return dict.fromkeys(METRICS, "") | need_both | lacking


def _points(is_initial: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    """Metrics of the tokens as they are; nan where undefined."""
    points = dict.fromkeys(METRICS, math.nan)
    if not len(scores):
        return points
    said_initial = scores >= 0
    points["accuracy"] = float(sklearn_metrics.accuracy_score(is_initial, said_initial))
    if is_initial.any():
        points["recall_initial"] = float(said_initial[is_initial].mean())
    if not is_initial.all():
        points["recall_final"] = float((~said_initial)[~is_initial].mean())
    if is_initial.any() and not is_initial.all():
        points["balanced_accuracy"] = float(
            sklearn_metrics.balanced_accuracy_score(is_initial, said_initial)
        )
        points["mcc"] = float(sklearn_metrics.matthews_corrcoef(is_initial, said_initial))
        points["auroc"] = float(sklearn_metrics.roc_auc_score(is_initial, scores))
    return points


def _resample(
    is_initial: NDArray[np.bool_],
    scores: NDArray[np.float64],
    speakers: NDArray[np.int64],
    words: NDArray[np.int64],
    rng: np.random.Generator,
    n_resamples: int,
) -> dict[str, NDArray[np.float64]]:
    """Metrics of resamples, each an array of ``n_resamples`` values."""
    order = np.argsort(scores, kind="stable")
    is_initial, scores = is_initial[order], scores[order]
    draws = _draws(speakers[order], words[order], rng, n_resamples)
    parts = [_weighted(weights, is_initial, scores) for weights in draws]
    return {name: np.concatenate([part[name] for part in parts]) for name in METRICS}


def _draws(
    speakers: NDArray[np.int64],
    words: NDArray[np.int64],
    rng: np.random.Generator,
    n_resamples: int,
) -> Iterator[NDArray[np.float64]]:
    """Weights of the tokens in chunks of resamples."""
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        yield (_draw(rng, speakers, size) * _draw(rng, words, size)).astype(np.float64)


def _draw(rng: np.random.Generator, codes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How often each token's cluster is drawn, shape (size, n)."""
    n = int(codes.max()) + 1
    return rng.multinomial(n, np.full(n, 1 / n), size=size)[:, codes]


def _weighted(
    weights: NDArray[np.float64], is_initial: NDArray[np.bool_], scores: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Metrics with weighted tokens.

    Parameters
    ----------
    weights : ndarray, shape (resamples, n)
    is_initial, scores : ndarray, shape (n,)
        Sorted by increasing score.
    """
    said_initial = scores >= 0
    tp = weights[:, is_initial & said_initial].sum(axis=1)
    fn = weights[:, is_initial & ~said_initial].sum(axis=1)
    fp = weights[:, ~is_initial & said_initial].sum(axis=1)
    tn = weights[:, ~is_initial & ~said_initial].sum(axis=1)
    starts = np.flatnonzero(np.r_[True, np.diff(scores) > 0])  # of runs of equal scores
    positive = np.add.reduceat(weights * is_initial, starts, axis=1)
    negative = np.add.reduceat(weights * ~is_initial, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    with np.errstate(invalid="ignore", divide="ignore"):
        recall_initial, recall_final = tp / (tp + fn), tn / (tn + fp)
        product = np.sqrt((tp + fp) * (tn + fn)) * np.sqrt((tp + fn) * (tn + fp))
        one_answer = ((tp + fp) * (tn + fn) == 0) & ((tp + fn) * (tn + fp) > 0)
        return {
            "accuracy": (tp + tn) / (tp + tn + fp + fn),
            "balanced_accuracy": (recall_initial + recall_final) / 2,
            "mcc": np.where(one_answer, 0.0, (tp * tn - fp * fn) / product),
            "auroc": (positive * (below + negative / 2)).sum(axis=1) / ((tp + fn) * (tn + fp)),
            "recall_initial": recall_initial,
            "recall_final": recall_final,
        }
