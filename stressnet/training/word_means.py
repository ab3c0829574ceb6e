"""Mean over the words that show both readings."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stressnet.lexicon.stress import Stress
from stressnet.training.metrics import _CHUNK, Estimate, _codes, _draw, interval_of


def mean_over_words(
    labels: ArrayLike,
    logit_difference: ArrayLike,
    speakers: ArrayLike,
    words: ArrayLike,
    *,
    seed: int = 0,
    n_resamples: int = 2000,
) -> tuple[Estimate, pd.DataFrame]:
    """Mean over the words that show both readings of their balanced accuracy.

    A word that (almost) always has one reading in the test can be got right by knowing the word;
    here it does not count, and frequent words count no more than rare ones.

    Parameters
    ----------
    labels, logit_difference, speakers, words, seed, n_resamples
        As for :func:`evaluate`.

    Returns
    -------
    estimate : Estimate
        Chance is 0.5; nan, with a reason, where no word shows both readings.
    by_word : DataFrame
        One row per such word: ``word``, ``n_initial``, ``n_final``, ``recall_initial``,
        ``recall_final``, ``balanced_accuracy``.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    hit = (np.asarray(logit_difference, dtype=np.float64) >= 0) == is_initial
    names, codes = np.unique(np.asarray(words, dtype=np.str_), return_inverse=True)
    codes = codes.reshape(-1)
    counts = np.array(
        [np.bincount(codes[m], minlength=len(names)) for m in (is_initial, ~is_initial)]
    )
    both = np.flatnonzero((counts > 0).all(axis=0)) if len(names) else np.empty(0, dtype=np.int64)
    rows = []
    for word in both:
        recalls = [hit[(codes == word) & side].mean() for side in (is_initial, ~is_initial)]
        rows.append([names[word], *counts[:, word], *recalls, float(np.mean(recalls))])
    columns = "word n_initial n_final recall_initial recall_final balanced_accuracy".split()
    by_word = pd.DataFrame(rows, columns=columns)
    if not len(both):
        return Estimate(math.nan, math.nan, math.nan, "no word shows both readings"), by_word
    value = float(by_word["balanced_accuracy"].mean())
    kept = np.isin(codes, both)
    member = (codes[kept][:, None] == both).astype(np.float64)
    side, right = is_initial[kept], hit[kept].astype(np.float64)
    speaker_codes, _ = _codes(np.asarray(speakers)[kept])
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, n_resamples, _CHUNK):
        size = min(_CHUNK, n_resamples - start)
        drawn = _draw(rng, speaker_codes, size).astype(np.float64)
        times = _draw(rng, np.arange(len(both)), size)
        with np.errstate(invalid="ignore", divide="ignore"):
            recalls = [
                (drawn[:, s] @ (member[s] * right[s, None])) / (drawn[:, s] @ member[s])
                for s in (side, ~side)
            ]
            scores = np.mean(recalls, axis=0)
            weight = np.where(np.isfinite(scores), times, 0)
            means.append((np.nan_to_num(scores) * weight).sum(axis=1) / weight.sum(axis=1))
    return interval_of(value, np.concatenate(means), n_resamples), by_word
