"""Mains hum and rumble below the voice, and how pitch analysis is kept from following them.

Home recordings carry hum of 50 or 60 Hz that can be as strong as the voice's first harmonic. An
autocorrelation tracker then finds a perfectly periodic voice of 60 Hz, the filtered one above all,
since its low-pass takes away the harmonics that speak for the real F0. Where a speaker's excerpts
show it, Praat's *Filter (stop Hann band)* removes everything below 67 Hz before the pitch analysis.
Nothing else is measured on the filtered sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import parselmouth

HUM_BAND_HZ = (45.0, 65.0)
VOICE_BAND_HZ = (75.0, 400.0)
HUM_THRESHOLD_DB = -12.0
"""Level of the hum's band re the voice's above which a speaker's recordings count as humming. Of
177 LibriSpeech speakers the median is -32 dB, and nine in ten are below -20 dB."""

HIGH_PASS_HZ = 67.0
SMOOTHING_HZ = 10.0


def hum_level_db(samples: NDArray, rate_hz: int) -> float:
    """Energy from 45 to 65 Hz re that from 75 to 400 Hz in an excerpt, dB; NaN for silence."""
    windowed = np.asarray(samples, dtype=np.float64) * np.hanning(len(samples))
    power = np.abs(np.fft.rfft(windowed)) ** 2
    axis_hz = np.fft.rfftfreq(len(samples), 1.0 / rate_hz)
    low, voice = (
        power[(axis_hz >= band[0]) & (axis_hz < band[1])].sum()
        for band in (HUM_BAND_HZ, VOICE_BAND_HZ)
    )
    return float(10.0 * np.log10(low / voice)) if low > 0 and voice > 0 else float("nan")


def high_passed(sound: parselmouth.Sound, high_pass_hz: float) -> parselmouth.Sound:
    """The sound without what lies below ``high_pass_hz`` (Praat's *Filter (stop Hann band)*)."""
    from parselmouth.praat import call

    return call(sound, "Filter (stop Hann band)", 0.0, high_pass_hz, SMOOTHING_HZ)
