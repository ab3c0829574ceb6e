"""F0 and duration of vowels by Praat's overlap-add (PSOLA), spliced into an untouched word.

Praat's *Manipulation* resynthesises the whole excerpt from pitch periods. Only the vowels are taken
from it: at each edge they are cross-faded, inside the vowel, with the recording, at the place
within half a period where both agree best, so that neither periods nor samples jump. Everything
outside the vowels is the recording, sample by sample. The price is that a vowel is longer or
shorter than asked by at most half a period; the times returned are the real ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import parselmouth
from parselmouth.praat import call, run

from stressnet.acoustics.cues import Segments
from stressnet.axes import FloatArray
from stressnet.errors import AudioError, ConfigError
from stressnet.intervals import Interval
from stressnet.manipulation.cues import CueChange
from stressnet.manipulation.envelope import ramp_samples

Span = tuple[float, float]

_EDGE_S = 1e-5  # Distance of the two tier points that make a step

_LONGEST_PERIOD_S = 0.020

_SEED = 1


@dataclass(frozen=True)
class TimeMap:
    """From times before a change to times after it, in seconds of the excerpt."""

    before_s: tuple[float, ...]
    after_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.before_s) != len(self.after_s) or len(self.before_s) < 2:
            raise ConfigError("a time map needs two knots or more, as many after as before")
        if min(np.diff(self.before_s)) < 0 or min(np.diff(self.after_s)) < 0:
            raise ConfigError("the knots of a time map must rise")

    @classmethod
    def stretched(
        cls, spans_s: Sequence[tuple[float, float]], factors: Sequence[float], end_s: float
    ) -> Self:
        """The map under which each span gets ``factor`` times as long and the rest only moves."""
        before, after, now_s, last_s = [0.0], [0.0], 0.0, 0.0
        for (start_s, stop_s), factor in zip(spans_s, factors, strict=True):
            now_s += start_s - last_s
            before.append(start_s)
            after.append(now_s)
            now_s += (stop_s - start_s) * factor
            before.append(stop_s)
            after.append(now_s)
            last_s = stop_s
        return cls((*before, end_s), (*after, now_s + end_s - last_s))

    def __call__(self, time_s: float) -> float:
        """A time after the change; beyond the knots it moves with the nearest one."""
        inside = np.interp(time_s, self.before_s, self.after_s)
        first = min(time_s - self.before_s[0], 0.0)
        last = max(time_s - self.before_s[-1], 0.0)
        return float(inside + first + last)

    def segments(self, segments: Segments) -> Segments:
        """A token's parts after the change."""
        word, first, second = (
            (self(start_s), self(end_s)) for start_s, end_s in (segments.word, *segments.nuclei)
        )
        return Segments(word, self(segments.boundary_s), (first, second))

    def intervals(self, intervals: Sequence[Interval]) -> tuple[Interval, ...]:
        """Intervals after the change."""
        return tuple(Interval(self(i.start_s), self(i.end_s), i.label) for i in intervals)


def overlap_add(
    samples: FloatArray,
    rate_hz: int,
    pitch: parselmouth.Pitch,
    spans_s: Sequence[Span],
    changes: Sequence[CueChange],
) -> tuple[FloatArray, TimeMap]:
    """The excerpt with resynthesised vowels, and where its times went.

    Of each vowel's change, F0 and duration count; a vowel without change is resynthesised too.
    Vowels are in order of time and do not overlap; ``pitch``, of the same excerpt, decides what is
    voiced. Raises :class:`AudioError` if Praat cannot resynthesise the excerpt.
    """
    try:
        raw = _praat_overlap_add(samples, rate_hz, pitch, spans_s, changes)
    except parselmouth.PraatError as error:
        first = str(error).strip().splitlines()[0]
        raise AudioError(f"Praat cannot resynthesise the word: {first}") from error
    factors = [change.duration_factor for change in changes]
    planned = TimeMap.stretched(spans_s, factors, len(samples) / rate_hz)
    pieces: list[FloatArray] = []
    before, after = [0.0], [0.0]
    n_read = 0
    for span_s in spans_s:
        start, end = (round(t * rate_hz) for t in span_s)
        vowel = _spliced(samples, raw, rate_hz, pitch, (start, end), planned)
        for piece, at, edge_s in (
            (samples[n_read:start], start, span_s[0]),
            (vowel, end, span_s[1]),
        ):
            pieces.append(piece)
            before.append(edge_s)
            after.append(sum(map(len, pieces)) / rate_hz + edge_s - at / rate_hz)
        n_read = end
    result = np.concatenate([*pieces, samples[n_read:]])
    return result, TimeMap((*before, len(samples) / rate_hz), (*after, len(result) / rate_hz))


def _praat_overlap_add(
    samples: FloatArray,
    rate_hz: int,
    pitch: parselmouth.Pitch,
    spans_s: Sequence[Span],
    changes: Sequence[CueChange],
) -> FloatArray:
    """Praat's resynthesis of the whole excerpt under new tiers."""
    f0_hz = pitch.selected_array["frequency"]
    voiced = f0_hz > 0
    if not voiced.any():
        raise AudioError("nothing is voiced, so there are no pitch periods to move")
    sound = parselmouth.Sound(samples, sampling_frequency=rate_hz)
    manipulation = call([sound, pitch], "To Manipulation")
    tier = call(manipulation, "Extract pitch tier")
    durations = call("Create DurationTier", "duration", sound.xmin, sound.xmax)
    for (start_s, end_s), change in zip(spans_s, changes, strict=True):
        edges_s = (start_s - _EDGE_S, start_s, end_s, end_s + _EDGE_S)
        values = np.interp(edges_s, pitch.xs()[voiced], f0_hz[voiced])
        lengths = (1.0, change.duration_factor, change.duration_factor, 1.0)
        for edge_s, value_hz, length in zip(edges_s, values, lengths, strict=True):
            call(tier, "Add point", edge_s, float(value_hz))
            call(durations, "Add point", edge_s, length)
    for (start_s, end_s), change in zip(spans_s, changes, strict=True):
        inside = f"x >= {start_s - _EDGE_S / 2!r} and x <= {end_s + _EDGE_S / 2!r}"
        shift = f"2 ^ (({float(change.f0_st)!r}) / 12)"
        call(tier, "Formula", f"if {inside} then self * {shift} else self fi")
    call([manipulation, tier], "Replace pitch tier")
    call([manipulation, durations], "Replace duration tier")
    # Praat fills stretched noise from random places; the same word must give the same bytes.
    run(f"random_initializeWithSeedUnsafelyButPredictably ({_SEED})")
    try:
        return call(manipulation, "Get resynthesis (overlap-add)").values[0]
    finally:
        run("random_initializeSafelyAndUnpredictably ()")


def _spliced(
    samples: FloatArray,
    raw: FloatArray,
    rate_hz: int,
    pitch: parselmouth.Pitch,
    span: tuple[int, int],
    planned: TimeMap,
) -> FloatArray:
    """The resynthesised vowel between cross-fades with the recording."""
    start, end = span
    new_start, new_end = (round(planned(n / rate_hz) * rate_hz) for n in span)
    n_fade = min(ramp_samples(end - start, rate_hz), max(1, (new_end - new_start) // 4))
    head, tail = samples[start : start + n_fade], samples[end - n_fade : end]
    # Where the vowel ends is sought around where it begins, so that its length stays within half
    # a period of what was asked.
    shift = _best_shift(raw, new_start, head, _half_period(pitch, start, rate_hz))
    new_start, new_end = new_start + shift, new_end + shift
    half = _half_period(pitch, end, rate_hz)
    new_end += _best_shift(raw, new_end - n_fade, tail, half)
    new_start, new_end = max(0, new_start), min(len(raw), new_end)
    vowel = raw[new_start:new_end].copy()
    n_fade = min(n_fade, len(vowel) // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_fade) + 0.5) / n_fade)
    vowel[:n_fade] = rise * vowel[:n_fade] + (1 - rise) * head[:n_fade]
    fall = rise[::-1]
    vowel[-n_fade:] = fall * vowel[-n_fade:] + (1 - fall) * tail[len(tail) - n_fade :]
    return vowel


def _half_period(pitch: parselmouth.Pitch, sample: int, rate_hz: int) -> int:
    """Half a period near a time, in samples; 0 where nothing is voiced nearby."""
    times = pitch.xs()
    f0_hz = pitch.selected_array["frequency"]
    near = np.abs(times - sample / rate_hz) < _LONGEST_PERIOD_S
    voiced = f0_hz[near & (f0_hz > 0)]
    return int(0.5 * rate_hz / np.median(voiced)) if len(voiced) else 0


def _best_shift(raw: FloatArray, at: int, wanted: FloatArray, most: int) -> int:
    """By how many samples to read ``raw`` later so that it agrees best with ``wanted``."""
    if most == 0 or not wanted.any():
        return 0
    shifts = [s for s in range(-most, most + 1) if 0 <= at + s <= len(raw) - len(wanted)]
    if not shifts:
        return 0
    windows = np.stack([raw[at + s : at + s + len(wanted)] for s in shifts])
    norm = np.sqrt(np.sum(windows**2, axis=1)) + 1e-12
    likeness = windows @ wanted / norm
    # Of equally good places the nearest.
    likeness = likeness - 1e-9 * np.abs(shifts) * np.linalg.norm(wanted)
    return int(shifts[int(np.argmax(likeness))])
