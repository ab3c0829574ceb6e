"""How a vowel's energy is spread over frequency: levels of four bands, emphasis and tilt.

One Hann window over the whole vowel (Praat's *Extract part*, Hanning, relative width 1), one
spectrum, and Praat's own queries of it. The window falls to zero at the vowel's edges, so that the
neighbours do not enter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stressnet.acoustics.cue_table import BANDS_HZ, band_name

if TYPE_CHECKING:
    import parselmouth

MIN_VOWEL_S = 0.025
"""A shorter window has fewer than two periods of a low voice and cannot tell 500 Hz bands apart."""

REFERENCE_PA2 = 4e-10
"""Praat's auditory threshold, the square of 20 µPa: samples count as pascals."""

TILT_ARGUMENTS = (0, 1000, 1000, 4000, "energy")
"""Of Praat's *Ltas: Get slope*: low band, high band, averaging."""


def vowel_spectrum(
    sound: parselmouth.Sound, start_s: float, end_s: float
) -> parselmouth.Spectrum | None:
    """Spectrum of a vowel under one Hann window; None if it is shorter than 25 ms."""
    from parselmouth import WindowShape

    if end_s - start_s < MIN_VOWEL_S or start_s < sound.xmin or end_s > sound.xmax:
        return None
    part = sound.extract_part(start_s, end_s, WindowShape.HANNING, 1.0, False)
    return part.to_spectrum(True)


def balance_cues(spectrum: parselmouth.Spectrum, duration_s: float) -> dict[str, float]:
    """Levels of the four bands, emphasis and tilt of a :func:`vowel_spectrum`.

    ``level_<low>_<high>_hz_db``: 10 log10 of Praat's *Get band energy* by the window's
    energy-equivalent duration (3/8 of the vowel) and (20 µPa)². ``spectral_emphasis_db``: energy
    from 0.5 to 4 kHz re that below 0.5 kHz. ``spectral_tilt_db``: mean level from 1 to 4 kHz minus
    mean level below 1 kHz (Praat's *Ltas: Get slope* with "energy").
    """
    from parselmouth.praat import call

    energies = [spectrum.get_band_energy(low, high) for low, high in BANDS_HZ]
    window_s = duration_s * 3.0 / 8.0  # mean square of a Hann window
    cues = {
        band_name(*band): decibels(energy / window_s / REFERENCE_PA2)
        for band, energy in zip(BANDS_HZ, energies, strict=True)
    }
    cues["spectral_emphasis_db"] = decibels(sum(energies[1:]) / energies[0] if energies[0] else 0)
    ltas = call(spectrum, "To Ltas (1-to-1)")
    cues["spectral_tilt_db"] = call(ltas, "Get slope", *TILT_ARGUMENTS)
    return cues


def decibels(power_ratio: float) -> float:
    """10 log10, NaN for nothing."""
    return 10.0 * math.log10(power_ratio) if power_ratio > 0 else float("nan")


def missing_balance() -> dict[str, float]:
    """The cues of a vowel that is too short."""
    names = [*(band_name(*b) for b in BANDS_HZ), "spectral_emphasis_db", "spectral_tilt_db"]
    return dict.fromkeys(names, np.nan)
