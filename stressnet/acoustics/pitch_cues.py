"""F0 cues of a stretch of speech: level, peak, movement, and how much of it is voiced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stressnet.acoustics.tracks import pitch_track_of

if TYPE_CHECKING:
    import parselmouth

MIN_SLOPE_FRAMES = 3
"""With fewer voiced frames a slope says nothing."""


def semitones(f0_hz: float, reference_hz: float) -> float:
    """12 · log2(f0 / reference): semitones above a reference, usually the speaker's median."""
    return float(12.0 * np.log2(f0_hz / reference_hz))


def pitch_cues(
    pitch: parselmouth.Pitch, start_s: float, end_s: float, median_hz: float
) -> dict[str, float]:
    """F0 cues between two times of an excerpt; semitones are re the speaker's median F0.

    ``f0_mean_hz``: Praat's *Get mean* in hertz. ``f0_max_hz``: *Get maximum*, parabolic.
    ``f0_mean_st``: *Get mean* in semitones, hence the mean of the semitones and not the semitones
    of the mean. ``f0_max_st``: the maximum in semitones. ``f0_slope_st_per_s``: least squares over
    the voiced frames. ``voiced_fraction``: of the frames. NaN where nothing is voiced; the slope
    also with fewer than three voiced frames.
    """
    from parselmouth.praat import call

    mean_hz = call(pitch, "Get mean", start_s, end_s, "Hertz")
    mean_st = call(pitch, "Get mean", start_s, end_s, "semitones re 1 Hz")
    max_hz = call(pitch, "Get maximum", start_s, end_s, "Hertz", "Parabolic")
    frames = pitch_track_of(pitch).between(start_s, end_s)
    voiced = np.isfinite(frames.f0_hz)
    slope = np.nan
    if voiced.sum() >= MIN_SLOPE_FRAMES:
        pitch_st = 12.0 * np.log2(frames.f0_hz[voiced])
        slope = np.polyfit(frames.time_s[voiced] - start_s, pitch_st, 1)[0]
    return {
        "f0_mean_hz": mean_hz,
        "f0_max_hz": max_hz,
        "f0_mean_st": mean_st - semitones(median_hz, 1.0),
        "f0_max_st": semitones(max_hz, median_hz),
        "f0_slope_st_per_s": float(slope),
        "voiced_fraction": float(voiced.mean()) if len(voiced) else float("nan"),
    }


def pitch_range_st(pitch: parselmouth.Pitch, start_s: float, end_s: float) -> float:
    """Semitones from the 5 % to the 95 % quantile of F0 (Praat's *Get quantile*)."""
    from parselmouth.praat import call

    low, high = (call(pitch, "Get quantile", start_s, end_s, q, "Hertz") for q in (0.05, 0.95))
    return semitones(high, low)
