"""Percentile intervals from the pigeonhole bootstrap over speakers and words.

Speakers and words are drawn with replacement independently of each other, and a token counts as
often as its speaker times its word was drawn (Owen 2007, *Annals of Applied Statistics* 1:386-411).
Intervals that took tokens of one speaker or word for independent would be too narrow; this one is
somewhat too wide rather than too narrow.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stressnet.inference.twoway import Estimate

Side = NDArray[np.bool_] | slice
Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From weights of tokens, shape (some, n), to values, shape (some,)."""

AT_ONCE = 100  # Resamples held in memory at a time


def cluster_weights(
    speakers: ArrayLike, words: ArrayLike, *, seed: int = 0, n_resamples: int = 2000
) -> Iterator[NDArray[np.float64]]:
    """How often each token counts in the resamples of the pigeonhole bootstrap.

    Yields arrays of shape (some resamples, n), until ``n_resamples`` rows were given; nothing where
    all tokens are of one speaker and one word.
    """
    speaker_codes, word_codes = codes_of(speakers), codes_of(words)
    if max(speaker_codes.max(initial=0), word_codes.max(initial=0)) > 0:
        rng = np.random.default_rng(seed)
        for start in range(0, n_resamples, AT_ONCE):
            size = min(AT_ONCE, n_resamples - start)
            counts = draw(rng, speaker_codes, size) * draw(rng, word_codes, size)
            yield counts.astype(np.float64)


def resampled(
    figure: Figure, speakers: ArrayLike, words: ArrayLike, **draws: int
) -> tuple[float, NDArray[np.float64]]:
    """A figure of the tokens as they are, and in each resample."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(figure(np.ones((1, len(np.asarray(speakers)))))[0])
        all_weights = cluster_weights(speakers, words, **draws)
        return value, np.concatenate([*(figure(weights) for weights in all_weights), np.empty(0)])


def bootstrapped(figure: Figure, speakers: ArrayLike, words: ArrayLike, **draws: int) -> Estimate:
    """A figure with its percentile interval; arguments are those of :func:`resampled`."""
    return interval_of(*resampled(figure, speakers, words, **draws))


def mean_of_sides(
    weights: NDArray[np.float64], values: NDArray[np.float64], sides: Sequence[Side]
) -> NDArray[np.float64]:
    """Mean over groups of tokens of their weighted mean value, shape (n_resamples,).

    With hits as values and the two classes as groups this is balanced accuracy; nan where a group
    has no weight.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [(weights[:, s] @ values[s]) / weights[:, s].sum(axis=1) for s in sides]
    return np.mean(means, axis=0)


def interval_of(value: float, resamples: ArrayLike) -> Estimate:
    """A figure with the percentile interval of its resamples, which are nan where it has none."""
    values = np.asarray(resamples, dtype=np.float64)
    defined = values[np.isfinite(values)]
    if not math.isfinite(value):
        reason = "not defined for these tokens"
    elif 2 * len(defined) < len(values) or not len(defined):
        reason = "no interval: too few speakers and words to resample"
    else:
        return Estimate(value, *percentile_limits(defined))
    return Estimate(value, math.nan, math.nan, reason)


def percentile_limits(resamples: NDArray[np.float64]) -> tuple[float, float]:
    """Limits between which 95 % of resampled figures lie; nan where there are none."""
    if not len(resamples):
        return math.nan, math.nan
    low, high = np.quantile(resamples, (0.025, 0.975))
    return float(low), float(high)


def codes_of(values: ArrayLike) -> NDArray[np.int64]:
    """A number for each cluster, shape (n,)."""
    return np.unique(np.asarray(values, dtype=np.str_), return_inverse=True)[1].reshape(-1)


def draw(rng: np.random.Generator, codes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How often each token's cluster is drawn, shape (size, n)."""
    n = int(codes.max()) + 1
    return rng.multinomial(n, np.full(n, 1 / n), size=size)[:, codes]
