"""A word with one or more cues of its vowels changed, the rest of it untouched.

On the vowel as recorded: formants, then tilt (:mod:`~stressnet.manipulation.envelope`), each with
the vowel's level taken back to what it was. Then F0 and duration by overlap-add
(:mod:`~stressnet.manipulation.pitch`), which also keeps the level; last the level asked for. No
change of formants, tilt or level is exactly no change; overlap-add is a resynthesis even where F0
and duration stay, and ``psola=True`` sends a word through it in any case, so that all steps of a
continuum have gone the same way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import parselmouth
from numpy.typing import NDArray

from stressnet.acoustics.cues import Segments
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.acoustics.tracks import formant_track, pitch_track_of, praat_pitch, praat_sound
from stressnet.audio import Audio
from stressnet.axes import FloatArray
from stressnet.errors import AudioError, ConfigError
from stressnet.intervals import Interval
from stressnet.manipulation.cues import CueChange
from stressnet.manipulation.envelope import level_db, shift_formants, tilt, with_gain, with_level_of
from stressnet.manipulation.pitch import TimeMap, overlap_add

MAX_AMPLITUDE = 0.99  # Stimuli with larger samples are made softer, so that no file clips


@dataclass(frozen=True)
class Source:
    """A word as recorded, with what has to be known to change it; see :func:`analyse`.

    ``samples`` are its excerpt with context; ``segments``, ``phones`` (may be empty) and tracks are
    in seconds of the excerpt.
    """

    samples: FloatArray
    rate_hz: int
    segments: Segments
    phones: tuple[Interval, ...]
    tracks: Tracks
    pitch: parselmouth.Pitch | None


@dataclass(frozen=True)
class Stimulus:
    """A changed word, with its parts where they lie now, and what was done to each nucleus."""

    audio: Audio
    segments: Segments
    phones: tuple[Interval, ...]
    changes: tuple[CueChange, ...]
    psola: bool
    scaled_db: float = 0.0


def analyse(
    samples: NDArray,
    rate_hz: int,
    segments: Segments,
    voice: SpeakerSettings,
    phones: Sequence[Interval] = (),
) -> Source:
    """Find F0 and formants of an excerpt, once for all its stimuli."""
    sound = praat_sound(samples, rate_hz)
    if segments.word[0] < -1e-6 or segments.word[1] > sound.duration + 1.0 / rate_hz:
        raise AudioError(
            f"the word at {segments.word[0]:.3f}-{segments.word[1]:.3f} s does not lie inside its "
            f"excerpt of {sound.duration:.3f} s"
        )
    pitch = praat_pitch(samples, rate_hz, voice.pitch)
    f0 = PitchTrack(np.zeros(0), np.zeros(0)) if pitch is None else pitch_track_of(pitch)
    formants: FormantTrack = formant_track(samples, rate_hz, voice.formants)
    excerpt = np.asarray(samples, dtype=np.float64)
    return Source(excerpt, rate_hz, segments, tuple(phones), Tracks(formants, f0), pitch)


def resynthesise(
    source: Source, changes: Sequence[CueChange], *, psola: bool | None = None
) -> Stimulus:
    """Change cues of a word's nuclei, one change for each.

    ``psola`` sends the nuclei through overlap-add; by default only if F0 or duration changes.
    """
    spans = source.segments.nuclei
    if len(changes) != len(spans):
        raise ConfigError(f"{len(changes)} changes for {len(spans)} nuclei; give one for each")
    changes = tuple(changes)
    if psola is False and any(change.needs_psola for change in changes):
        raise ConfigError("F0 and duration cannot be changed without overlap-add (psola=False)")
    through_psola = any(c.needs_psola for c in changes) if psola is None else psola
    rate_hz, samples = source.rate_hz, source.samples
    for span, change in zip(spans, changes, strict=True):
        samples = _envelope(samples, source, span, change)
    where = TimeMap((0.0, len(samples) / rate_hz), (0.0, len(samples) / rate_hz))
    if through_psola:
        samples, where = _prosody(samples, source, changes)
    segments = where.segments(source.segments)
    for span, change in zip(segments.nuclei, changes, strict=True):
        samples = with_gain(samples, rate_hz, span, change.intensity_db)
    scaled_db, peak = 0.0, float(np.max(np.abs(samples)))
    if peak > MAX_AMPLITUDE and peak > float(np.max(np.abs(source.samples))):
        scaled_db = 20.0 * math.log10(MAX_AMPLITUDE / peak)
        samples = samples * (MAX_AMPLITUDE / peak)
    return Stimulus(
        Audio(samples.astype(np.float32), rate_hz),
        segments,
        where.intervals(source.phones),
        changes,
        through_psola,
        scaled_db,
    )


def _envelope(
    samples: FloatArray, source: Source, span: tuple[float, float], change: CueChange
) -> FloatArray:
    """Formants and tilt of one vowel, at its old level; moving formants keeps the tilt."""
    rate_hz = source.rate_hz
    if any(factor != 1.0 for factor in change.formants):
        shifted = shift_formants(samples, rate_hz, span, source.tracks.formants, change.formants)
        samples = with_level_of(shifted, samples, rate_hz, span, keep_tilt=True)
    if change.tilt_db_per_octave != 0.0:
        tilted = tilt(samples, rate_hz, span, change.tilt_db_per_octave)
        samples = with_level_of(tilted, samples, rate_hz, span, keep_tilt=False)
    return samples


def _prosody(
    samples: FloatArray, source: Source, changes: Sequence[CueChange]
) -> tuple[FloatArray, TimeMap]:
    """F0 and duration of the vowels, at their old levels."""
    if source.pitch is None:
        raise AudioError("the excerpt is too short for F0, so overlap-add cannot change it")
    spans, rate_hz = source.segments.nuclei, source.rate_hz
    for number, (span, change) in enumerate(zip(spans, changes, strict=True), start=1):
        voiced = source.tracks.pitch.between(*span).f0_hz
        if change.f0_st != 0.0 and not np.isfinite(voiced).any():
            raise AudioError(f"vowel {number} is unvoiced, so its F0 cannot be moved")
    result, where = overlap_add(samples, rate_hz, source.pitch, spans, changes)
    for span in spans:
        now = where(span[0]), where(span[1])
        gain_db = level_db(samples, rate_hz, span) - level_db(result, rate_hz, now)
        if np.isfinite(gain_db):
            result = with_gain(result, rate_hz, now, gain_db)
    return result, where
