"""A word from its parameters, by source-filter synthesis with Praat's KlattGrid.

Conventions
-----------
Every cue of a vowel acts within the vowel and moves nothing else:

- oral formants are in parallel, so that moving one leaves the levels of the others alone;
- between the vowels the tract rests at positions that belong to the consonants, and formants glide
  from there to the vowel's own values inside the vowel;
- consonants are voiceless, so that F0 exists in the vowels only;
- intensity and spectral tilt are what is *measured* in the finished vowel: the word is synthesised,
  measured, and synthesised again with corrected amplitudes until it fits. A formant or F0 that
  moves does not take the level or the tilt with it.

Levels are decibels re 20 µPa with full scale 1 Pa, Praat's convention. Noise comes from Praat's
generator, seeded per word, and numpy's for the background: the same plan gives the same samples.
Klatt & Klatt (1990) describe the synthesiser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.tracks import N_FORMANTS, FormantTrack, PitchTrack, Tracks
from stressnet.audio import WORKING_RATE_HZ
from stressnet.axes import FloatArray
from stressnet.errors import AudioError, ConfigError
from stressnet.intervals import Interval
from stressnet.lab.voices import Voice

if TYPE_CHECKING:
    import parselmouth

RATE_HZ = WORKING_RATE_HZ
LEAD_S = 0.12
"""Sound before the word; after it there is as much."""

NEUTRAL_HZ = (500.0, 1600.0, 2600.0, 3600.0, 4500.0, 5500.0)
"""Formants of a tract of average length that does nothing (schwa)."""

BANDWIDTHS_HZ = (70.0, 100.0, 140.0, 200.0, 260.0, 320.0)
_AMPLITUDES_DB = (0.0, -3.0, -8.0, -15.0, -24.0, -32.0)
_N_ORAL = len(NEUTRAL_HZ)

BACKGROUND_DB = 26.0
"""White noise under the whole recording, about 40 dB below the vowels."""

TILT_SPLIT_HZ = 1000.0
TILT_TOP_HZ = 4000.0
_TILT_PER_DB = 1.5  # source tilt at 3 kHz for one dB of measured tilt
_MAX_SOURCE_TILT_DB = 30.0

TRANSITION_S = 0.030
"""Longest glide between a consonant's and a vowel's formants; at most 30 % of the vowel."""

_BURST_S = 0.008
_RING_S = 0.012
_PEAK_WIDTH = 0.25  # of the vowel, standard deviation of an F0 peak
_MAX_ROUNDS = 6
_CLOSE_DB = 0.3

TOLERANCE_DB = 1.0
"""How far a vowel may miss its planned level and tilt."""

_OFF_DB = -60.0

STOPS = ("P", "T", "K")
FRICATIVES = ("F", "S", "SH")

_FRICATION: dict[str, tuple[tuple[float, float, float], ...]] = {
    "P": ((900, 600, 60), (2300, 1500, 54), (5000, 2500, 50)),
    "T": ((2600, 900, 46), (4300, 900, 60), (6200, 1500, 56)),
    "K": ((1800, 350, 60), (3600, 900, 52), (5600, 1500, 44)),
    "F": ((1500, 1500, 52), (4500, 2500, 56), (7000, 2000, 58)),
    "S": ((3200, 900, 40), (5200, 900, 60), (6800, 1200, 58)),
    "SH": ((2500, 500, 58), (4200, 1000, 58), (6200, 1500, 50)),
}
"""Frequency, bandwidth and amplitude of the noise's three resonances."""

_LOCI: dict[str, tuple[float, float, float]] = {
    "P": (0.75, 0.80, 0.95),
    "F": (0.75, 0.82, 0.97),
    "T": (0.70, 1.10, 1.03),
    "S": (0.72, 1.08, 1.02),
    "SH": (0.70, 1.18, 1.00),
    "K": (0.72, 1.22, 0.93),
}
"""Factors on the neutral F1 to F3 at a consonant."""


@dataclass(frozen=True)
class VowelPlan:
    """What one vowel is to be.

    Parameters
    ----------
    duration_s : float
    f0_level_st : float
        Mean F0 in semitones above the voice's median.
    f0_slope_st_per_s : float
    f0_rise_st, f0_peak_position : float
        Height of a bell on top of the slope, and where it stands (0 onset, 1 offset).
    intensity_db : float
        Level of the whole vowel.
    tilt_db : float
        Level from 1 to 4 kHz above that from 0 to 1 kHz, under one Hann window.
    f1_hz, f2_hz, f3_hz : float
    """

    duration_s: float
    f0_level_st: float
    f0_slope_st_per_s: float
    f0_rise_st: float
    f0_peak_position: float
    intensity_db: float
    tilt_db: float
    f1_hz: float
    f2_hz: float
    f3_hz: float


@dataclass(frozen=True)
class ConsonantPlan:
    """What one consonant is to be.

    Parameters
    ----------
    label : str
        One of :data:`STOPS` and :data:`FRICATIVES`.
    closure_s : float
        Silence of a stop before its burst; 0 for fricatives.
    noise_s : float
        Burst and aspiration, or frication.
    level_db : float
        Level of that noise.
    """

    label: str
    closure_s: float
    noise_s: float
    level_db: float

    def __post_init__(self) -> None:
        if self.label not in _FRICATION:
            raise ConfigError(f"no consonant {self.label!r}; there are {', '.join(_FRICATION)}")

    @property
    def duration_s(self) -> float:
        """Closure and noise."""
        return self.closure_s + self.noise_s


@dataclass(frozen=True)
class WordPlan:
    """Everything that decides a word's samples.

    Parameters
    ----------
    voice : Voice
    consonants : tuple of ConsonantPlan
        Before the first vowel, before the second, and after it if there are three.
    vowels : pair of VowelPlan
    noise_seed : int
        Of frication, aspiration and background.
    mean_tilt_db : float
        Tilt at which the source has the voice's own.
    """

    voice: Voice
    consonants: tuple[ConsonantPlan, ...]
    vowels: tuple[VowelPlan, VowelPlan]
    noise_seed: int
    mean_tilt_db: float = -11.5

    @property
    def segments(self) -> tuple[ConsonantPlan | VowelPlan, ...]:
        """Consonants and vowels in order of time."""
        first, second, *coda = self.consonants
        return (first, self.vowels[0], second, self.vowels[1], *coda)

    @property
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


@dataclass
class _Settings:
    """Amplitudes that the second synthesis corrects."""

    voicing_db: FloatArray
    first_formant_db: FloatArray
    noise_db: FloatArray


def synthesise(plan: WordPlan) -> NDArray[np.float32]:
    """Samples of a word at :data:`RATE_HZ`.

    Raises
    ------
    AudioError
        If Praat cannot synthesise the word, or what it made is not what was planned: silent,
        clipped, or more than 1 dB off in level or tilt.
    """
    settings = _Settings(np.full(2, 90.0), np.zeros(2), np.full(len(plan.consonants), 60.0))
    wanted_level = np.array([v.intensity_db for v in plan.vowels])
    wanted_tilt = np.array([v.tilt_db for v in plan.vowels])
    wanted_noise = np.array([c.level_db for c in plan.consonants])
    for _ in range(_MAX_ROUNDS):
        samples = _render(plan, settings)
        level, tilt, noise = _measure(plan, samples)
        missing_tilt = wanted_tilt - tilt
        if max(np.abs(missing_tilt).max(), np.abs(wanted_noise - noise).max()) < _CLOSE_DB:
            break
        # A stronger first formant tilts the spectrum, and the vowel's level goes with it.
        settings.first_formant_db -= missing_tilt
        settings.voicing_db += wanted_level - level + missing_tilt
        settings.noise_db += wanted_noise - noise
    samples = _levelled(plan, samples)
    level, tilt, _ = _measure(plan, samples)
    for k, vowel in enumerate(plan.vowels):
        for name, wanted, got in (
            ("level", vowel.intensity_db, level[k]),
            ("tilt", vowel.tilt_db, tilt[k]),
        ):
            if not abs(wanted - got) <= TOLERANCE_DB:
                raise AudioError(
                    f"word cannot be synthesised: {name} of vowel {k + 1} is {got:.1f} dB, not the "
                    f"{wanted:.1f} dB it was to be"
                )
    if np.abs(samples).max() >= 1.0:
        raise AudioError("word cannot be synthesised: it clips; lower its intensity")
    return samples.astype(np.float32)


def _render(plan: WordPlan, settings: _Settings) -> FloatArray:
    import parselmouth
    from parselmouth.praat import call

    # Praat's generator is one for the whole process; it is left in a random state afterwards.
    parselmouth.praat.run(
        f"random_initializeWithSeedUnsafelyButPredictably ({int(plan.noise_seed)})"
    )
    try:
        grid = _grid(plan, settings)
        made = call(grid, "To Sound (special)", 0, 0, RATE_HZ, *_TO_SOUND)
    except parselmouth.PraatError as error:
        reason = str(error).strip().splitlines()[0]
        raise AudioError(f"word cannot be synthesised: Praat says {reason}") from error
    finally:
        parselmouth.praat.run("random_initializeSafelyAndUnpredictably ()")
    samples = made.values[0]
    if not np.isfinite(samples).all() or not samples.any():
        raise AudioError("word cannot be synthesised: Praat made no finite sound")
    return samples


_TO_SOUND = (
    *("no", "yes", "yes", "yes", "yes", "yes", "Powers in tiers", "yes", "yes", "yes"),
    *("Parallel", 1, _N_ORAL, *(1, 1) * 6, 1, 3, "yes"),
)
"""No scaling of the peak, everything voiced and noisy on, six oral and three noise resonances."""


def _grid(plan: WordPlan, settings: _Settings) -> parselmouth.Data:
    from parselmouth.praat import call

    grid = call("Create KlattGrid", "word", 0, plan.duration_s, _N_ORAL, 0, 0, 3, 0, 0, 0)

    def add(tier: str, *values: float) -> None:
        call(grid, f"Add {tier} point", *values)

    def hold(tier: str, span: tuple[float, float], value: float, outside: float) -> None:
        """A value between two times and another just outside."""
        add(tier, span[0] - 1e-4, outside)
        add(tier, span[0], value)
        add(tier, span[1], value)
        add(tier, span[1] + 1e-4, outside)

    voice = plan.voice
    add("open phase", 0.0, voice.open_phase)
    add("flutter", 0.0, voice.flutter)
    for k, (vowel, span) in enumerate(zip(plan.vowels, plan.vowel_spans, strict=True)):
        for time_s, f0 in zip(*f0_contour(voice, vowel, span), strict=True):
            add("pitch", time_s, f0)
        hold("voicing amplitude", span, settings.voicing_db[k], _OFF_DB)
        hold("breathiness amplitude", span, voice.breath_db, _OFF_DB)
        tilt = voice.tilt_db - _TILT_PER_DB * (vowel.tilt_db - plan.mean_tilt_db)
        hold("spectral tilt", span, float(np.clip(tilt, 0.0, _MAX_SOURCE_TILT_DB)), 0.0)
    for number in range(_N_ORAL):
        times, values = formant_points(plan, number)
        for time_s, value in zip(times, values, strict=True):
            add("oral formant frequency", number + 1, time_s, value)
        add("oral formant bandwidth", number + 1, 0.0, BANDWIDTHS_HZ[number])
        add("oral formant amplitude", number + 1, 0.0, _AMPLITUDES_DB[number])
    for k, span in enumerate(plan.vowel_spans):
        base = _AMPLITUDES_DB[0]
        for time_s, value in zip(
            (span[0] - 1e-4, span[0], span[1], span[1] + 1e-4),
            (base, *(base + settings.first_formant_db[k],) * 2, base),
            strict=True,
        ):
            add("oral formant amplitude", 1, time_s, value)
    spans = [*plan.spans[0::2]]
    for consonant, span, level in zip(plan.consonants, spans, settings.noise_db, strict=True):
        start, end = span[0] + consonant.closure_s, span[1]
        burst_end = min(start + _BURST_S, end) if consonant.label in STOPS else end
        hold("frication amplitude", (start, burst_end - 1e-3), level, _OFF_DB)
        if burst_end < end:
            hold("aspiration amplitude", (burst_end, end - 1e-3), level - 10.0, _OFF_DB)
        for i, (f, b, a) in enumerate(_FRICATION[consonant.label]):
            for time_s in (span[0], span[1] - 2e-3):
                add("frication formant frequency", i + 1, time_s, f)
                add("frication formant bandwidth", i + 1, time_s, b)
                add("frication formant amplitude", i + 1, time_s, a - 60.0)
    return grid


def f0_contour(
    voice: Voice, vowel: VowelPlan, span: tuple[float, float], step_s: float = 0.005
) -> tuple[FloatArray, FloatArray]:
    """Times and F0 in hertz of a vowel: level, slope and a bell, whose mean adds nothing."""
    n = max(3, int(np.ceil((span[1] - span[0]) / step_s)) + 1)
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
        glide = min(TRANSITION_S, 0.3 * (end - start))
        after = loci[k + 1] if k + 1 < len(loci) else neutral
        times += [start, start + glide, end - glide, end]
        values += [loci[k], target, target, after]
    return np.array(times), np.array(values)


def true_tracks(plan: WordPlan, step_s: float = 0.002) -> Tracks:
    """F0 and F1 to F4 as planned, zero at the word's onset; NaN outside the vowels."""
    time_s = np.arange(LEAD_S, plan.spans[-1][1] + step_s / 2, step_s)
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


def level_db(samples: FloatArray) -> float:
    """Level of samples re 20 µPa."""
    return float(10 * np.log10(np.mean(np.square(samples)) / 4e-10 + 1e-30))


def tilt_db(samples: FloatArray, rate_hz: int = RATE_HZ) -> float:
    """Level of 1 to 4 kHz above that of 0 to 1 kHz, under one Hann window over all samples."""
    n_fft = 1 << int(np.ceil(np.log2(len(samples))) + 1)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), n_fft)) ** 2
    frequency = np.fft.rfftfreq(n_fft, 1 / rate_hz)
    low = power[frequency < TILT_SPLIT_HZ].sum()
    high = power[(frequency >= TILT_SPLIT_HZ) & (frequency < TILT_TOP_HZ)].sum()
    return float(10 * np.log10((high + 1e-30) / (low + 1e-30)))


def cut(samples: NDArray, span: tuple[float, float]) -> FloatArray:
    """Samples between two times of the recording."""
    return np.asarray(samples[round(span[0] * RATE_HZ) : round(span[1] * RATE_HZ)], dtype=float)


def noise_spans(plan: WordPlan) -> list[tuple[float, float]]:
    """Start and end of each consonant's noise in seconds of the recording.

    That of a fricative counts from where the vowel before it has died away.
    """
    return [
        (span[0] + (consonant.closure_s or _RING_S), span[1])
        for consonant, span in zip(plan.consonants, plan.spans[0::2], strict=True)
    ]


def _measure(plan: WordPlan, samples: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Level and tilt of the vowels, level of the consonants' noise."""
    vowels = [cut(samples, span) for span in plan.vowel_spans]
    noises = [cut(samples, span) for span in noise_spans(plan)]
    return (
        np.array([level_db(part) for part in vowels]),
        np.array([tilt_db(part) for part in vowels]),
        np.array([level_db(part) for part in noises]),
    )


def _levelled(plan: WordPlan, samples: FloatArray) -> FloatArray:
    """What is left of the levels' error, by a gain that changes over 6 ms; then the background."""
    level, _, noise = _measure(plan, samples)
    times, gains = [0.0], [0.0]
    wanted = [
        *zip(plan.vowel_spans, [v.intensity_db for v in plan.vowels] - level, strict=True),
        *zip(noise_spans(plan), [c.level_db for c in plan.consonants] - noise, strict=True),
    ]
    for (start, end), gain in sorted(wanted):
        edge = min(0.003, 0.25 * (end - start))
        times += [start - 1e-4 if start - 1e-4 > times[-1] else times[-1] + 1e-6]
        times += [start + edge, end - edge]
        gains += [0.5 * (gains[-1] + gain), gain, gain]
    clock = np.arange(len(samples)) / RATE_HZ
    samples = samples * 10 ** (np.interp(clock, times, gains) / 20)
    background = np.random.default_rng([plan.noise_seed, 1]).standard_normal(len(samples))
    return samples + background * 2e-5 * 10 ** (BACKGROUND_DB / 20)
