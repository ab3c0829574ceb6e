"""Level, formants and spectral tilt of a vowel, moved without touching its source.

A formant is a pair of poles: a filter that cancels the poles where Praat's LPC found them and puts
new ones elsewhere, with the same bandwidth, follows the formant track every 5 ms. Poles that do not
move cancel and need not be known; no change is exactly no change. A tilt is a filter without phase
whose gain is a straight line in decibels over octaves.

Moving one formant of a cascade changes the level of everything above it. :func:`with_level_of`
takes the level, and on demand the tilt, back to what they were, so that one cue moves at a time.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import median_filter
from scipy.optimize import brentq
from scipy.signal import lfilter

from stressnet.acoustics.track_types import FormantTrack
from stressnet.axes import FloatArray
from stressnet.errors import AudioError

RAMP_S = 0.010  # Longest ramp at a vowel's edge; a short vowel gives it a quarter of its length
HOP_S = 0.005  # Distance of the filter's settings

TILT_PIVOT_HZ = 1000.0
TILT_FROM_HZ = 100.0  # Below this the gain of a tilt is constant: there is no speech to tilt

STEEPEST_DB_PER_OCTAVE = 12.0

_CONTEXT_S = 0.050
_SMOOTH_FRAMES = 5
_NARROWEST_HZ = 30.0


def ramp_samples(n_samples: int, rate_hz: int) -> int:
    """Length of the ramp at either edge of a stretch."""
    return max(1, min(round(RAMP_S * rate_hz), n_samples // 4))


def plateau(n_samples: int, rate_hz: int) -> FloatArray:
    """A weight that rises to 1 and falls to 0 with raised cosines at the edges of a stretch."""
    n_ramp = ramp_samples(n_samples, rate_hz)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_ramp) + 0.5) / n_ramp)
    weight = np.ones(n_samples)
    weight[:n_ramp] = rise
    weight[n_samples - n_ramp :] = rise[::-1]
    return weight


def part_of(rate_hz: int, span_s: tuple[float, float]) -> slice:
    """The samples of a stretch of time."""
    start, end = (round(t * rate_hz) for t in span_s)
    return slice(start, end)


def level_db(samples: FloatArray, rate_hz: int, span_s: tuple[float, float]) -> float:
    """Level of a stretch without its ramps, re full scale; -inf for digital silence."""
    part = samples[part_of(rate_hz, span_s)]
    n_ramp = ramp_samples(len(part), rate_hz)
    core = part[n_ramp : len(part) - n_ramp]
    power = float(np.mean(core**2)) if len(core) else 0.0
    return 10.0 * np.log10(power) if power > 0 else -np.inf


def with_gain(
    samples: FloatArray, rate_hz: int, span_s: tuple[float, float], gain_db: float
) -> FloatArray:
    """The excerpt with a stretch made louder or softer between its ramps."""
    if gain_db == 0.0:
        return samples
    part, result = part_of(rate_hz, span_s), samples.copy()
    result[part] *= 10.0 ** (gain_db * plateau(part.stop - part.start, rate_hz) / 20.0)
    return result


def replaced(
    samples: FloatArray, rate_hz: int, span_s: tuple[float, float], changed: FloatArray
) -> FloatArray:
    """The excerpt with a changed stretch, cross-faded at its ramps."""
    part, result = part_of(rate_hz, span_s), samples.copy()
    weight = plateau(part.stop - part.start, rate_hz)
    result[part] = weight * changed + (1 - weight) * samples[part]
    return result


def shift_formants(
    samples: FloatArray,
    rate_hz: int,
    span_s: tuple[float, float],
    track: FormantTrack,
    factors: Sequence[float],
) -> FloatArray:
    """The excerpt with some formants of one vowel multiplied by factors.

    ``factors`` are for F1, F2, F3; 1 leaves a formant alone. They rise from 1 and fall back to it
    at the vowel's edges, see :data:`RAMP_S`.
    """
    moved = [k for k, factor in enumerate(factors) if factor != 1.0]
    if not moved:
        return samples
    start, end = (round(t * rate_hz) for t in span_s)
    weight = plateau(end - start, rate_hz)
    n_knots = max(2, round((end - start) / rate_hz / HOP_S) + 1)
    knots = np.linspace(0, end - start - 1, n_knots)
    at_s = span_s[0] + knots / rate_hz
    settings = [(*_formant_at(track, k, at_s, span_s, rate_hz), factors[k]) for k in moved]
    # Filters with constant settings over the vowel and what rings into it, cross-faded.
    n_context = min(start, round(_CONTEXT_S * rate_hz))
    stretch = samples[start - n_context : end]
    numbers = np.arange(end - start)
    vowel = np.zeros(end - start)
    for index, knot in enumerate(knots):
        share = np.interp(numbers, knots, np.eye(n_knots)[index])
        active = np.flatnonzero(share)
        filtered = stretch[: n_context + active[-1] + 1]
        strength = weight[round(knot)]
        for frequency_hz, bandwidth_hz, factor in settings:
            old_hz, width_hz = frequency_hz[index], bandwidth_hz[index]
            new_hz = old_hz * factor**strength
            filtered = lfilter(
                _poles(old_hz, width_hz, rate_hz), _poles(new_hz, width_hz, rate_hz), filtered
            )
        vowel[active] += share[active] * filtered[n_context + active]
    return replaced(samples, rate_hz, span_s, vowel)


def tilt(
    samples: FloatArray, rate_hz: int, span_s: tuple[float, float], db_per_octave: float
) -> FloatArray:
    """The excerpt with a steeper (negative) or flatter (positive) spectrum in one vowel."""
    if db_per_octave == 0.0:
        return samples
    start, end = (round(t * rate_hz) for t in span_s)
    n_context = round(_CONTEXT_S * rate_hz)
    first, last = max(0, start - n_context), min(len(samples), end + n_context)
    stretch = samples[first:last]
    n_fft = 1 << (2 * len(stretch) - 1).bit_length()
    frequency_hz: FloatArray = np.arange(n_fft // 2 + 1, dtype=np.float64) * (rate_hz / n_fft)
    gain = 10.0 ** (tilt_gain_db(frequency_hz, db_per_octave) / 20.0)
    tilted = np.fft.irfft(np.fft.rfft(stretch, n_fft) * gain, n_fft)[: len(stretch)]
    return replaced(samples, rate_hz, span_s, tilted[start - first : end - first])


def tilt_gain_db(frequency_hz: FloatArray, db_per_octave: float) -> FloatArray:
    """Gain of a tilt: a line over octaves through 0 dB at 1 kHz, level below 100 Hz."""
    return db_per_octave * np.log2(np.maximum(frequency_hz, TILT_FROM_HZ) / TILT_PIVOT_HZ)


def slope_for_tilt(
    samples: FloatArray, rate_hz: int, span_s: tuple[float, float], change_db: float
) -> float:
    """The slope in dB per octave that changes the cue ``spectral_tilt_db`` by ``change_db``.

    The cue is the mean level from 1 to 4 kHz minus that below 1 kHz under one Hann window
    (:mod:`stressnet.acoustics.vowel_spectrum`); the slope is found on the vowel's own spectrum.
    It is limited to :data:`STEEPEST_DB_PER_OCTAVE`.
    """
    if change_db == 0.0:
        return 0.0
    power, frequency_hz = _power(samples, rate_hz, span_s)
    now_db = _balance_db(power, frequency_hz)

    def miss(slope: float) -> float:
        tilted = power * 10.0 ** (tilt_gain_db(frequency_hz, slope) / 10.0)
        return _balance_db(tilted, frequency_hz) - now_db - change_db

    most = STEEPEST_DB_PER_OCTAVE
    if miss(-most) > 0:
        return -most
    if miss(most) < 0:
        return most
    return float(brentq(miss, -most, most, xtol=1e-4))


def tilt_db(samples: FloatArray, rate_hz: int, span_s: tuple[float, float]) -> float:
    """The cue ``spectral_tilt_db`` of a vowel, without Praat, to compare two versions of it."""
    return _balance_db(*_power(samples, rate_hz, span_s))


def with_level_of(
    changed: FloatArray,
    original: FloatArray,
    rate_hz: int,
    span_s: tuple[float, float],
    *,
    keep_tilt: bool,
) -> FloatArray:
    """A vowel whose level, and on demand whose tilt, is again that of the original."""
    if keep_tilt:
        missing_db = tilt_db(original, rate_hz, span_s) - tilt_db(changed, rate_hz, span_s)
        slope = slope_for_tilt(changed, rate_hz, span_s, missing_db)
        changed = tilt(changed, rate_hz, span_s, slope)
    gain_db = level_db(original, rate_hz, span_s) - level_db(changed, rate_hz, span_s)
    # Only what was changed is scaled, so the ramps lead from the recording to the changed vowel.
    return with_gain(changed, rate_hz, span_s, gain_db) if np.isfinite(gain_db) else changed


def _formant_at(
    track: FormantTrack, index: int, time_s: FloatArray, span_s: tuple[float, float], rate_hz: int
) -> tuple[FloatArray, FloatArray]:
    """Frequency and bandwidth of a formant at some times of a vowel, without jumps."""
    frequency_hz, bandwidth_hz = track.frequency_hz[index], track.bandwidth_hz[index]
    found = np.isfinite(frequency_hz) & np.isfinite(bandwidth_hz)
    inside = found & (track.time_s >= span_s[0]) & (track.time_s <= span_s[1])
    if not inside.any():
        raise AudioError(
            f"F{index + 1} was not found in the vowel at {span_s[0]:.3f}-{span_s[1]:.3f} s, so it "
            f"cannot be moved"
        )
    smooth_hz = median_filter(frequency_hz[inside], _SMOOTH_FRAMES, mode="nearest")
    smooth_width_hz = median_filter(bandwidth_hz[inside], _SMOOTH_FRAMES, mode="nearest")
    at_hz = np.interp(time_s, track.time_s[inside], smooth_hz)
    width_hz = np.interp(time_s, track.time_s[inside], smooth_width_hz)
    return at_hz, np.clip(width_hz, _NARROWEST_HZ, None)


def _poles(frequency_hz: float, bandwidth_hz: float, rate_hz: int) -> FloatArray:
    """Polynomial of a pole pair, one at 0 Hz, so that shifting it does not change the bass."""
    if not 0 < frequency_hz < rate_hz / 2:
        raise AudioError(
            f"a formant cannot be moved to {frequency_hz:.0f} Hz in audio at {rate_hz} Hz"
        )
    radius = np.exp(-np.pi * bandwidth_hz / rate_hz)
    angle = 2 * np.pi * frequency_hz / rate_hz
    polynomial = np.array([1.0, -2 * radius * np.cos(angle), radius**2])
    return polynomial / polynomial.sum()


def _power(
    samples: FloatArray, rate_hz: int, span_s: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    stretch = samples[part_of(rate_hz, span_s)]
    stretch = stretch * np.hanning(len(stretch))
    n_fft = 1 << (len(stretch) - 1).bit_length()
    power: FloatArray = np.abs(np.fft.rfft(stretch, n_fft)) ** 2
    frequency_hz: FloatArray = np.arange(len(power), dtype=np.float64) * (rate_hz / n_fft)
    return power, frequency_hz


def _balance_db(power: FloatArray, frequency_hz: FloatArray) -> float:
    low = power[frequency_hz < 1000.0].mean()
    high = power[(frequency_hz >= 1000.0) & (frequency_hz < 4000.0)].mean()
    return float(10.0 * np.log10(max(high, 1e-30) / max(low, 1e-30)))
