"""Whether one network is better than another on the same tokens.

Two answers. McNemar's exact test looks at the tokens on which the two disagree and takes tokens for
independent, which tokens of one speaker or word are not: its p-values are too small wherever errors
come in clusters. The paired pigeonhole bootstrap resamples speakers and words and gives an interval
for the difference; that is the one to believe.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress
from stressnet.training.metrics import Estimate, cluster_weights, interval_of


@dataclass(frozen=True)
class Comparison:
    """A first network against a second one.

    Parameters
    ----------
    n : int
        Tokens.
    only_first, only_second : int
        Tokens that only this one gets right.
    mcnemar_p : float
        Exact two-sided p-value; 1 where they never disagree.
    accuracy, balanced_accuracy : Estimate
        First minus second, with clustered intervals.
    """

    n: int
    only_first: int
    only_second: int
    mcnemar_p: float
    accuracy: Estimate
    balanced_accuracy: Estimate


def compare(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    speakers: ArrayLike,
    words: ArrayLike,
    *,
    seed: int = 0,
    n_resamples: int = 2000,
) -> Comparison:
    """Compare two networks token by token.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Class indices.
    first, second : array_like of float, shape (n,)
        Logits INITIAL minus FINAL of the two; INITIAL is predicted where they are >= 0.
    speakers, words, seed, n_resamples
        As for :func:`stressnet.training.metrics.evaluate`.

    Raises
    ------
    ConfigError
        If lengths differ.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    said = [np.asarray(scores, dtype=np.float64) >= 0 for scores in (first, second)]
    if not len(is_initial) == len(said[0]) == len(said[1]):
        raise ConfigError("the two networks predict different tokens; evaluate them on the same")
    hits = [answers == is_initial for answers in said]
    only_first, only_second = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    n_apart = only_first + only_second
    p = float(binomtest(only_first, n_apart, 0.5).pvalue) if n_apart else 1.0
    gain = hits[0].astype(np.float64) - hits[1].astype(np.float64)
    found = []
    for balanced in (False, True):
        value = float(_difference(np.ones((1, len(gain))), gain, is_initial, balanced)[0])
        draws = cluster_weights(speakers, words, seed=seed, n_resamples=n_resamples)
        parts = [_difference(weights, gain, is_initial, balanced) for weights in draws]
        found.append(interval_of(value, np.concatenate([*parts, np.empty(0)]), n_resamples))
    return Comparison(len(gain), only_first, only_second, p, *found)


def _difference(
    weights: NDArray[np.float64],
    gain: NDArray[np.float64],
    is_initial: NDArray[np.bool_],
    balanced: bool,
) -> NDArray[np.float64]:
    """Weighted difference of (balanced) accuracy, shape (resamples,); nan where undefined."""
    if not len(gain):
        return np.full(len(weights), math.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        if not balanced:
            return (weights @ gain) / weights.sum(axis=1)
        sides = [
            (weights[:, side] @ gain[side]) / weights[:, side].sum(axis=1)
            for side in (is_initial, ~is_initial)
        ]
    return np.mean(sides, axis=0)
