"""How a vowel's energy is spread over frequency: bands, emphasis, tilt, and H1*-A3*.

Levels of bands are Praat's own queries of one spectrum, under one Hann window over the whole vowel
(*Extract part*, Hanning, relative width 1), which falls to zero at its edges, so that the
neighbours do not enter.

H1*-A3* is the level of the first harmonic minus the strongest one near F3, a measure of glottal
tilt (Hanson 1997; Okobi 2006 for stress): a tense voice has strong high harmonics, hence a small
one. The stars say that what the formants add to both levels has been subtracted, each formant as a
two-pole resonance (Iseli, Shue & Alwan 2007): F1 and F2 from H1; F1, F2 and F3 from A3. Bandwidths
come from the formants and F0 by the polynomial of Hawks & Miller (1995), because measured
bandwidths are too unreliable to divide by.
"""

import math

import numpy as np
import parselmouth
from numpy.typing import ArrayLike, NDArray
from parselmouth import WindowShape
from parselmouth.praat import call

from stressnet.acoustics.cue_table import BANDS_HZ, band_name

MIN_VOWEL_S = 0.025  # Less holds under two periods of a low voice: no 500 Hz bands
REFERENCE_PA2 = 4e-10  # Praat's auditory threshold, the square of 20 µPa: samples count as pascals
TILT_ARGUMENTS = (0, 1000, 1000, 4000, "energy")  # *Ltas: Get slope*: low, high band


def vowel_spectrum(
    sound: parselmouth.Sound, start_s: float, end_s: float
) -> parselmouth.Spectrum | None:
    """Spectrum of a vowel under one Hann window; None if it is shorter than 25 ms."""
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


# -- H1*-A3* --------------------------------------------------------------------------------------

MIN_PERIODS = 4.0  # Periods in a Hann window (main lobe ±2/T) that set harmonics apart

_NEAR_H1 = 0.2
_NEAR_F3 = 0.1
_LOW = (165.327516, -6.73636734e-1, 1.80874446e-3, -4.52201682e-6, 7.49514000e-9, -4.70219241e-12)
_HIGH = (15.8146139, 8.10159009e-2, -9.79728215e-5, 5.28725064e-8, -1.07099364e-11, 7.91528509e-16)


def expected_bandwidth_hz(formant_hz: ArrayLike, f0_hz: float) -> NDArray[np.float64]:
    """Bandwidth of a formant from its frequency and F0 (Hawks & Miller 1995, eq. 1)."""
    frequency = np.asarray(formant_hz, dtype=np.float64)
    low, high = (np.polynomial.polynomial.polyval(frequency, c) for c in (_LOW, _HIGH))
    return np.where(frequency < 500.0, low, high) * (1.0 + 0.25 * (f0_hz - 132.0) / 88.0)


def resonance_db(
    frequency_hz: float, formant_hz: float, bandwidth_hz: float, rate_hz: float
) -> float:
    """What a two-pole resonance adds at a frequency, in dB; 0 at 0 Hz."""
    radius = np.exp(-np.pi * bandwidth_hz / rate_hz)
    pole = radius * np.exp(2j * np.pi * formant_hz / rate_hz)
    z = np.exp(-2j * np.pi * frequency_hz / rate_hz)
    gain = abs(1 - pole) ** 2 / abs((1 - pole * z) * (1 - np.conj(pole) * z))
    return float(20.0 * np.log10(gain))


def h1_a3_corrected_db(
    samples: NDArray[np.float64], rate_hz: float, f0_hz: float, formants_hz: ArrayLike
) -> float:
    """H1*-A3* of a vowel in dB, from its samples alone, shape (n,), and its F1, F2 and F3.

    NaN if a frequency is missing, if F3 is out of order or beyond the spectrum, or if the vowel is
    shorter than four periods.
    """
    formants = np.asarray(formants_hz, dtype=np.float64)
    known = np.isfinite(f0_hz) and np.isfinite(formants).all()
    if not known or len(samples) < MIN_PERIODS * rate_hz / f0_hz:
        return float("nan")
    if not f0_hz < formants[2] * (1 - _NEAR_F3) < formants[2] * (1 + _NEAR_F3) < rate_hz / 2:
        return float("nan")
    n_fft = 1 << (4 * len(samples) - 1).bit_length()
    level = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), n_fft))
    axis_hz = np.fft.rfftfreq(n_fft, 1.0 / rate_hz)
    peaks = []
    for centre, width in ((f0_hz, _NEAR_H1), (formants[2], _NEAR_F3)):
        near = np.flatnonzero(np.abs(axis_hz - centre) <= width * centre)
        peaks.append(near[np.argmax(level[near])])
    h1_hz, a3_hz = axis_hz[peaks]
    if not level[peaks].all():
        return float("nan")
    h1_db, a3_db = 20.0 * np.log10(level[peaks])
    widths = expected_bandwidth_hz(formants, f0_hz)
    for formant, width in zip(formants, widths, strict=True):
        a3_db -= resonance_db(a3_hz, formant, width, rate_hz)
    for formant, width in zip(formants[:2], widths[:2], strict=True):
        h1_db -= resonance_db(h1_hz, formant, width, rate_hz)
    return float(h1_db - a3_db)


def vowel_samples(sound: parselmouth.Sound, start_s: float, end_s: float) -> NDArray[np.float64]:
    """The samples between two times, without a window."""
    rate_hz = sound.sampling_frequency
    first = max(0, round((start_s - sound.xmin) * rate_hz))
    return np.asarray(sound.values[0][first : max(first, round((end_s - sound.xmin) * rate_hz))])
