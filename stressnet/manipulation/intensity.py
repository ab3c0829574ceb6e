"""Levels of vowels, changed with ramps that lie inside the vowel and do not click."""

from __future__ import annotations

import numpy as np

from stressnet.axes import FloatArray

RAMP_S = 0.010
"""Longest ramp at a vowel's edge; a short vowel gives it a quarter of its length."""


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
    """The excerpt with a stretch made louder or softer between its ramps.

    The gain is interpolated in decibels, as the ear would have it.
    """
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
