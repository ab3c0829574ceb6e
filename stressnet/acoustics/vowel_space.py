"""Where a vowel lies in its speaker's vowel space: Bark, centroid, peripherality, reduction."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_VOWELS = 10  # With fewer measured vowels a speaker's centroid means little and is missing


def bark(frequency_hz: ArrayLike) -> NDArray[np.float64]:
    """Critical-band rate as Praat has it: 7 asinh(f / 650) (Schroeder, Atal & Hall 1979)."""
    return 7.0 * np.arcsinh(np.asarray(frequency_hz, dtype=np.float64) / 650.0)


def centroid_bark(f1_hz: ArrayLike, f2_hz: ArrayLike) -> NDArray[np.float64]:
    """A speaker's centroid, shape (2,): medians of F1 and F2 in Bark over all the vowels.

    Medians, since a formant that Praat missed must not move it. NaN with fewer than
    :data:`MIN_VOWELS` measured vowels.
    """
    points = bark(np.stack([np.asarray(f1_hz), np.asarray(f2_hz)]))
    points = points[:, np.isfinite(points).all(axis=0)]
    if points.shape[1] < MIN_VOWELS:
        return np.full(2, np.nan)
    return np.median(points, axis=1)


def peripherality_bark(
    f1_hz: ArrayLike, f2_hz: ArrayLike, centroid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of vowels from the centroid in the F1-F2 plane, Bark."""
    return np.hypot(bark(f1_hz) - centroid[0], bark(f2_hz) - centroid[1])


def is_reduced(
    peripherality: ArrayLike,
    duration: ArrayLike,
    median_peripherality: float,
    median_duration: float,
) -> NDArray[np.float64]:
    """Whether vowels are central and short for their speaker: 1, 0, NaN where unknown.

    Both the distance from the centroid and the duration (in any one unit) must be below the medians
    of all the speaker's vowels.
    """
    distance, length = (np.asarray(v, dtype=np.float64) for v in (peripherality, duration))
    reduced = (distance < median_peripherality) & (length < median_duration)
    unknown = ~np.isfinite(distance) | ~np.isfinite(length) | ~np.isfinite(median_peripherality)
    return np.where(unknown, np.nan, reduced.astype(np.float64))
