"""What a word is to be: who says it, segments, their times, and the paths of F0 and formants.

Times are seconds of the recording, which holds 120 ms of background before and after the word.
Levels are decibels re 20 µPa with full scale 1 Pa, Praat's convention. Five of the eight voices
speak so high that the default spectrogram (25 ms Hann) resolves their harmonics.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stressnet.acoustics.track_types import N_FORMANTS, FormantTrack, PitchTrack, Tracks
from stressnet.axes import FloatArray
from stressnet.errors import ConfigError, check_names
from stressnet.intervals import Interval


@dataclass(frozen=True)
class Voice:
    """A speaker."""

    name: str
    f0_hz: float
    # Factor on all formants: 1 for the average of the speakers of `natural_cues.csv`, more for
    # shorter vocal tracts.
    tract: float
    open_phase: float = 0.7  # Part of the glottal period
    # Fall of the source at 3 kHz beyond the glottal pulse's own, in vowels of average tilt.
    tilt_db: float = 8.0
    breath_db: float = 40.0  # Breathiness (dB re 20 µPa, KlattGrid's scale; voicing is at 90)
    flutter: float = 0.1  # Slow quasi-random wobble of F0, 0 to 1 (Klatt & Klatt 1990)

    def __post_init__(self) -> None:
        if not (60 <= self.f0_hz <= 400 and 0.7 <= self.tract <= 1.5):
            raise ConfigError(
                f"voice {self.name!r}: F0 must be 60 to 400 Hz and the tract factor 0.7 to 1.5"
            )

    @property
    def formant_ceiling_hz(self) -> float:
        """Ceiling under which Praat finds five formants of this voice."""
        return 5250.0 * self.tract


VOICES: dict[str, Voice] = {  # Voices by name
    voice.name: voice
    for voice in (
        Voice("alder", 104.0, 0.92, open_phase=0.55, tilt_db=6.0, breath_db=36.0, flutter=0.10),
        Voice("birch", 202.0, 1.06, open_phase=0.75, tilt_db=10.0, breath_db=50.0, flutter=0.08),
        Voice("cedar", 118.0, 0.95, open_phase=0.70, tilt_db=9.0, breath_db=46.0, flutter=0.20),
        Voice("elder", 216.0, 1.10, open_phase=0.65, tilt_db=7.0, breath_db=42.0, flutter=0.12),
        Voice("hazel", 188.0, 1.03, open_phase=0.60, tilt_db=8.0, breath_db=38.0, flutter=0.15),
        Voice("larch", 132.0, 0.98, open_phase=0.60, tilt_db=7.0, breath_db=40.0, flutter=0.12),
        Voice("maple", 226.0, 1.13, open_phase=0.70, tilt_db=11.0, breath_db=52.0, flutter=0.10),
        Voice("rowan", 196.0, 1.01, open_phase=0.70, tilt_db=9.0, breath_db=44.0, flutter=0.06),
    )
}


def get_voices(names: tuple[str, ...] | list[str] | None = None) -> list[Voice]:
    """Voices by name, or all."""
    if names is None:
        return list(VOICES.values())
    unknown = [name for name in names if name not in VOICES]
    if unknown or not names:
        raise ConfigError(
            f"no voice {', '.join(unknown) or 'given'}; there are {', '.join(VOICES)}"
        )
    return [VOICES[name] for name in names]


LEAD_S = 0.12  # Sound before the word; after it there is as much

NEUTRAL_HZ = (500.0, 1600.0, 2600.0, 3600.0, 4500.0, 5500.0)
"""Formants of a tract of average length that does nothing (schwa)."""

BANDWIDTHS_HZ = (70.0, 100.0, 140.0, 200.0, 260.0, 320.0)

TRANSITION_S = 0.030  # Longest glide between formants of consonant and vowel, or 30 % of the vowel
STEP_S = 1e-4  # Time in which a value jumps

_RING_S = 0.012
_PEAK_WIDTH = 0.25  # of the vowel, standard deviation of an F0 peak

STOPS = ("P", "T", "K")
FRICATIVES = ("F", "S", "SH")

_LOCI: dict[str, tuple[float, float, float]] = {  # Factors on the neutral F1 to F3 at a consonant
    "P": (0.75, 0.80, 0.95),
    "F": (0.75, 0.82, 0.97),
    "T": (0.70, 1.10, 1.03),
    "S": (0.72, 1.08, 1.02),
    "SH": (0.70, 1.18, 1.00),
    "K": (0.72, 1.22, 0.93),
}


@dataclass(frozen=True)
class VowelPlan:
    """What one vowel is to be."""

    duration_s: float
    f0_level_st: float  # Mean F0 in semitones above the voice's median
    f0_slope_st_per_s: float
    f0_rise_st: float  # Height of a bell on top of the slope
    f0_peak_position: float  # Place of the bell: 0 onset, 1 offset
    intensity_db: float
    tilt_db: float  # Level from 1 to 4 kHz above that from 0 to 1 kHz, under one Hann window
    f1_hz: float
    f2_hz: float
    f3_hz: float


@dataclass(frozen=True)
class ConsonantPlan:
    """What one consonant is to be: ``closure_s`` of silence before a stop's burst (0 for
    fricatives), then ``noise_s`` of burst and aspiration, or frication.
    """

    label: str
    closure_s: float
    noise_s: float
    level_db: float

    def __post_init__(self) -> None:
        check_names("consonant", [self.label], (*STOPS, *FRICATIVES))

    @property
    def duration_s(self) -> float:
        """Closure and noise."""
        return self.closure_s + self.noise_s


@dataclass(frozen=True)
class WordPlan:
    """Everything that decides a word's samples; consonants are before the first vowel, before the
    second, and after it if there are three.
    """

    voice: Voice
    consonants: tuple[ConsonantPlan, ...]
    vowels: tuple[VowelPlan, VowelPlan]
    noise_seed: int

    @property
    def segments(self) -> tuple[ConsonantPlan | VowelPlan, ...]:
        """Consonants and vowels in order of time."""
        first, second, *coda = self.consonants
        return (first, self.vowels[0], second, self.vowels[1], *coda)

    @cached_property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each segment in seconds of the recording."""
        edges = LEAD_S + np.concatenate([[0.0], np.cumsum([s.duration_s for s in self.segments])])
        return tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    @property
    def vowel_spans(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Start and end of both vowels in seconds of the recording."""
        return self.spans[1], self.spans[3]

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return self.spans[-1][1] + LEAD_S


def f0_contour(
    voice: Voice, vowel: VowelPlan, span: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Times and F0 in hertz of a vowel: level, slope and a bell, whose mean adds nothing."""
    n = max(3, int(np.ceil((span[1] - span[0]) / 0.005)) + 1)
    position = np.linspace(0.0, 1.0, n)
    time_s = span[0] + position * (span[1] - span[0])
    bell = np.exp(-0.5 * ((position - vowel.f0_peak_position) / _PEAK_WIDTH) ** 2)
    contour_st = (
        vowel.f0_level_st
        + vowel.f0_slope_st_per_s * (time_s - time_s.mean())
        + vowel.f0_rise_st * (bell - bell.mean())
    )
    return time_s, voice.f0_hz * 2.0 ** (contour_st / 12.0)


def formant_points(plan: WordPlan, number: int) -> tuple[FloatArray, FloatArray]:
    """Corners of one formant's path; ``number`` counts from 0. Straight lines in between."""
    neutral = NEUTRAL_HZ[number] * plan.voice.tract
    if number > 2:
        return np.array([0.0]), np.array([neutral])
    times, values = [], []
    loci = [neutral * _LOCI[c.label][number] for c in plan.consonants]
    for k, (vowel, (start, end)) in enumerate(zip(plan.vowels, plan.vowel_spans, strict=True)):
        target = (vowel.f1_hz, vowel.f2_hz, vowel.f3_hz)[number]
        before, after = loci[k], loci[k + 1] if k + 1 < len(loci) else neutral
        if number == 0:
            times += [start - STEP_S, start, end, end + STEP_S]
        else:
            glide = min(TRANSITION_S, 0.3 * (end - start))
            times += [start, start + glide, end - glide, end]
        values += [before, target, target, after]
    return np.array(times), np.array(values)


def true_tracks(plan: WordPlan) -> Tracks:
    """F0 and F1 to F4 as planned, zero at the word's onset; NaN outside the vowels."""
    time_s = np.arange(LEAD_S, plan.spans[-1][1] + 0.001, 0.002)
    voiced = np.zeros(len(time_s), dtype=bool)
    f0 = np.full(len(time_s), np.nan)
    for vowel, span in zip(plan.vowels, plan.vowel_spans, strict=True):
        inside = (time_s >= span[0]) & (time_s <= span[1])
        voiced |= inside
        f0[inside] = np.interp(time_s[inside], *f0_contour(plan.voice, vowel, span))
    formants = np.stack(
        [np.interp(time_s, *formant_points(plan, number)) for number in range(N_FORMANTS)]
    )
    formants[:, ~voiced] = np.nan
    widths = np.broadcast_to(np.array(BANDWIDTHS_HZ[:N_FORMANTS])[:, None], formants.shape)
    return Tracks(
        FormantTrack(time_s - LEAD_S, formants, np.where(voiced, widths, np.nan)),
        PitchTrack(time_s - LEAD_S, f0),
    )


def true_phones(plan: WordPlan, vowel_labels: tuple[str, str]) -> tuple[Interval, ...]:
    """Segments as labelled intervals in seconds of the recording."""
    first, second, *coda = (consonant.label for consonant in plan.consonants)
    labels = (first, vowel_labels[0], second, vowel_labels[1], *coda)
    return tuple(
        Interval(start, end, label) for (start, end), label in zip(plan.spans, labels, strict=True)
    )


def noise_spans(plan: WordPlan) -> list[tuple[float, float]]:
    """Start and end of each consonant's noise in seconds of the recording."""
    return [
        (span[0] + (consonant.closure_s or _RING_S), span[1])
        for consonant, span in zip(plan.consonants, plan.spans[0::2], strict=True)
    ]
