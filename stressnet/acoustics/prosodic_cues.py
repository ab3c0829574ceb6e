"""F0 and intensity of a stretch of speech, through Praat.

Intensity is in dB re 20 µPa, samples counted as pascals. Recordings are rarely calibrated, so
levels compare syllables of one recording, not recordings.
"""

import numpy as np
import parselmouth
from numpy.typing import NDArray
from parselmouth.praat import call

from stressnet.acoustics.tracks import pitch_track_of, praat_sound

INTENSITY_ARGUMENTS = {"minimum_pitch_hz": 100.0, "time_step_s": 0.005, "subtract_mean": True}
"""Of Praat's *To Intensity*; its window lasts 6.4 / ``minimum_pitch_hz`` seconds."""


def praat_intensity(samples: NDArray, rate_hz: int) -> parselmouth.Intensity | None:
    """Praat's Intensity of an excerpt, to be queried; None if the excerpt is too short."""
    sound = praat_sound(samples, rate_hz)
    if sound.duration <= 6.4 / INTENSITY_ARGUMENTS["minimum_pitch_hz"] + 1.0 / rate_hz:
        return None
    return sound.to_intensity(*INTENSITY_ARGUMENTS.values())


def intensity_cues(
    intensity: parselmouth.Intensity, start_s: float, end_s: float
) -> dict[str, float]:
    """Mean (Praat's *Get mean*, energy) and maximum (*Get maximum*, parabolic) between two times.

    Digital silence has no level: NaN.
    """
    cues = {
        "intensity_mean_db": call(intensity, "Get mean", start_s, end_s, "energy"),
        "intensity_max_db": call(intensity, "Get maximum", start_s, end_s, "Parabolic"),
    }
    # Praat writes -300 dB for silence.
    return {name: value if value > -200.0 else np.nan for name, value in cues.items()}


MIN_SLOPE_FRAMES = 3  # With fewer voiced frames a slope says nothing


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
    low, high = (call(pitch, "Get quantile", start_s, end_s, q, "Hertz") for q in (0.05, 0.95))
    return semitones(high, low)
