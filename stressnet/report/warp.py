"""Means of maps over words of different length, on a time axis warped to seven landmarks.

``docs/figures.md`` says how. Warping moves cells in time and leaves their values: a stretched vowel
is not given more relevance per cell. Each map is divided by its own Σ|R| first, so that the unit of
the mean is the share of a token's absolute relevance per cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes, FloatArray
from stressnet.corpus.images import Images
from stressnet.corpus.landmarks import SEGMENTS, landmarks_of, warp_columns
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.report.run import RelevanceRun

MARGIN_S = 0.03
"""Sound beside the word that is kept, not warped."""

STEP_S = 0.004
"""Step of the common axis."""


@dataclass(frozen=True)
class WarpedMean:
    """Mean map of some tokens on a common time axis.

    Parameters
    ----------
    stress : Stress
        Class of the tokens.
    relevance : ndarray, shape (n_bins, n_grid)
        Mean of R / Σ|R|; NaN where no token has a value.
    image : ndarray, shape (n_bins, n_grid)
        Mean of the network's images, for orientation.
    axes : Axes
        Seconds of the mean word, hertz of the maps.
    landmarks_s : ndarray, shape (7,)
        Where the landmarks lie on ``axes``.
    n_tokens, n_words, n_speakers : int
        What entered.
    """

    stress: Stress
    relevance: FloatArray
    image: FloatArray
    axes: Axes
    landmarks_s: FloatArray
    n_tokens: int
    n_words: int
    n_speakers: int


def warped_means(
    corpus: Corpus,
    run: RelevanceRun,
    *,
    correct_only: bool = False,
    max_tokens: int = 4000,
) -> list[WarpedMean]:
    """Mean relevance of INITIAL and of FINAL tokens, warped to common landmarks.

    Parameters
    ----------
    max_tokens : int
        Per class; of more, a random sample.

    Returns
    -------
    list of WarpedMean
        INITIAL before FINAL; a class without tokens is left out.

    Raises
    ------
    CorpusError
        If corpus and run do not belong together.
    """
    table = run.tokens[["token_id", "map_index", "stress_predicted"]].merge(
        corpus.tokens.assign(position=np.arange(len(corpus.tokens))), on="token_id", how="inner"
    )
    if table.empty:
        raise CorpusError(f"{run.path}: none of its tokens is in {corpus.path}; give its corpus")
    images = run.images(corpus)
    if correct_only:
        table = table[table["stress"] == table["stress_predicted"]]
    landmarks = landmarks_of(table, corpus.path)
    target_s = landmarks.mean(axis=0) if len(landmarks) else np.zeros(len(SEGMENTS) + 1)
    grid_s = np.arange(-MARGIN_S, target_s[-1] + MARGIN_S + STEP_S / 2, STEP_S)
    rng = np.random.default_rng(0)
    results = []
    for stress in CLASSES:
        rows = np.flatnonzero((table["stress"] == stress.value).to_numpy())
        if len(rows) > max_tokens:
            rows = np.sort(rng.choice(rows, max_tokens, replace=False))
        if len(rows) == 0:
            continue
        relevance, image = _means(
            run,
            images,
            table["map_index"].to_numpy()[rows],
            table["position"].to_numpy()[rows],
            landmarks[rows],
            target_s,
            grid_s,
        )
        part = table.iloc[rows]
        results.append(
            WarpedMean(
                stress,
                relevance,
                image,
                Axes(grid_s, run.axes.frequency_hz),
                target_s,
                n_tokens=len(part),
                n_words=part["word"].nunique(),
                n_speakers=part["speaker"].nunique(),
            )
        )
    if not results:
        raise ConfigError(f"{run.path}: no token with known stress to average")
    return results


def _means(
    run: RelevanceRun,
    images: Images,
    map_index: NDArray[np.intp],
    position: NDArray[np.intp],
    landmarks: FloatArray,
    target_s: FloatArray,
    grid_s: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Mean relevance and mean image, one token in memory at a time."""
    shape = (run.axes.shape[0], len(grid_s))
    sums, counts = np.zeros((2, *shape)), np.zeros(len(grid_s))
    for which, where, source_s in zip(map_index, position, landmarks, strict=True):
        relevance = np.asarray(run.maps[which], dtype=np.float64)
        total = np.abs(relevance).sum()
        if total == 0:
            continue
        left, weight = warp_columns(run.axes, source_s, target_s, grid_s)
        there = left >= 0
        left, weight = left[there], weight[there]
        counts[there] += 1
        for number, values in enumerate((relevance / total, np.asarray(images.values[where]))):
            sums[number][:, there] += values[:, left] * (1 - weight) + values[:, left + 1] * weight
    with np.errstate(invalid="ignore", divide="ignore"):
        relevance, image = sums / counts
    return relevance, image
