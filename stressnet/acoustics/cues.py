"""All acoustic cues to stress of one token, through Praat.

Conventions
-----------
Analyse wide, then slice: pitch, formants and intensity are computed on the padded excerpt and read
off between the syllable's or vowel's limits. Times are seconds in the excerpt. Nothing here knows
which syllable is stressed. What could not be measured is NaN, and ``missing_reason`` says why.

>>> row = measure_token(samples, 16000, segments, voice, speech_rate=5.1)  # doctest: +SKIP
>>> row["nucleus_diff_f0_max_st"]  # doctest: +SKIP
2.4

Peripherality and reduction need all vowels of a speaker: :func:`place_vowels`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import parselmouth
from numpy.typing import NDArray
from parselmouth.praat import call

from stressnet.acoustics.cue_table import BOTH, CUES, NUCLEUS, SYLLABLE, contrast_columns
from stressnet.acoustics.prosodic_cues import (
    intensity_cues,
    pitch_cues,
    pitch_range_st,
    praat_intensity,
    semitones,
)
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.acoustics.track_types import N_FORMANTS
from stressnet.acoustics.tracks import formant_track_of, praat_formant, praat_pitch, praat_sound
from stressnet.acoustics.vowel_space import centroid_bark, is_reduced, peripherality_bark
from stressnet.acoustics.vowel_spectrum import (
    balance_cues,
    h1_a3_corrected_db,
    missing_balance,
    vowel_samples,
    vowel_spectrum,
)
from stressnet.corpus.tokens import syllable_limits, vowel_spans
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.lexicon.pronunciation import is_vowel
from stressnet.lexicon.stress import MOST_SYLLABLES

MIDDLE = (0.3, 0.7)  # Part of a vowel in which formants are measured, away from transitions

SUSPECT_SHARE = 0.5  # Formants are suspect if more of the frames in the middle are wide-band

MIN_SYLLABLES = 3  # A rate of fewer syllables is the words' own duration over again and is missing

Span = tuple[float, float]


@dataclass(frozen=True)
class Segments:
    """A token's word, syllable boundaries and vowels in its excerpt, in seconds and in order."""

    word: Span
    boundary_s: float
    nuclei: tuple[Span, ...]
    further_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        limits = [self.word[0], *(s for span in self.nuclei for s in span), self.word[1]]
        gaps = [after - before for before, after in pairwise(limits)]
        vowels = gaps[1::2]
        if not (
            min(gaps) >= 0
            and min(vowels) > 0
            and self.word[0] < min(self.boundaries)
            and max(self.boundaries) < self.word[1]
        ):
            raise ConfigError(
                f"the parts of a token are out of order: word {self.word}, syllable boundary "
                f"{self.boundary_s}, vowels {self.nuclei}; check the alignment"
            )

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Limits between its syllables."""
        return (self.boundary_s, *self.further_s)

    @property
    def numbers(self) -> range:
        """Its syllables, counted from 1."""
        return range(1, len(self.nuclei) + 1)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Segments:
        """From a row of ``tokens.parquet``."""
        zero_s = row["excerpt_start_s"]
        start_s, *boundaries, end_s = (limit - zero_s for limit in syllable_limits(row))
        return cls((start_s, end_s), boundaries[0], tuple(vowel_spans(row)), tuple(boundaries[1:]))

    def span(self, domain: str, number: int) -> Span:
        """Limits of a syllable or nucleus, counted from 1."""
        if domain == NUCLEUS:
            return self.nuclei[number - 1]
        limits = (self.word[0], *self.boundaries, self.word[1])
        return limits[number - 1], limits[number]


@dataclass(frozen=True)
class Analysis:
    """An excerpt as Praat sees it, and what could not be measured."""

    sound: parselmouth.Sound
    pitch: parselmouth.Pitch | None
    formant: parselmouth.Formant | None
    intensity: parselmouth.Intensity | None
    median_hz: float
    reasons: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, samples: NDArray, rate_hz: int, voice: SpeakerSettings) -> Analysis:
        """The analysis of an excerpt under a speaker's settings."""
        return cls(
            sound=praat_sound(samples, rate_hz),
            pitch=praat_pitch(samples, rate_hz, voice.pitch),
            formant=praat_formant(samples, rate_hz, voice.formants),
            intensity=praat_intensity(samples, rate_hz),
            median_hz=voice.f0_median_hz,
        )


def measure_token(
    samples: NDArray,
    rate_hz: int,
    segments: Segments,
    voice: SpeakerSettings,
    *,
    speech_rate: float = float("nan"),
) -> dict[str, Any]:
    """Cues of a token, of its syllables and vowels, and their contrasts.

    ``samples`` are an excerpt with context, one channel, shape (n_samples,); ``speech_rate`` is in
    syllables per second of the utterance (:func:`articulation_rate`). These are the measured
    columns of :func:`~stressnet.acoustics.cue_table.table_columns`; peripherality and reduction are
    NaN until :func:`place_vowels`.
    """
    return measure_analysed(Analysis.of(samples, rate_hz, voice), segments, speech_rate)


def measure_analysed(analysis: Analysis, segments: Segments, speech_rate: float) -> dict[str, Any]:
    """The same of an excerpt that is analysed already; contrasts are only of disyllables."""
    reasons = analysis.reasons
    if not np.isfinite(speech_rate):
        reasons.append("utterance: no speech rate")
    if not np.isfinite(analysis.median_hz):
        reasons.append("speaker: no median F0")
    row = _word_cues(analysis, segments, speech_rate)
    for domain in BOTH:
        for number in segments.numbers:
            cues = part_cues(analysis, domain, number, segments.span(domain, number), speech_rate)
            row |= {f"{domain}_{number}_{name}": value for name, value in cues.items()}
    if len(segments.nuclei) == 2:
        row |= contrasts(row)
    row["missing_reason"] = "; ".join(reasons)
    return row


def contour_rows(analysis: Analysis, segments: Segments, n_points: int) -> list[dict[str, Any]]:
    """F0 and intensity in the middles of ``n_points`` equal parts of the word and of each vowel."""
    vowels = {f"vowel_{k}": segments.span(NUCLEUS, k) for k in segments.numbers}
    rows = []
    for part, (start_s, end_s) in {"word": segments.word, **vowels}.items():
        for point in range(1, n_points + 1):
            time_s = start_s + (point - 0.5) / n_points * (end_s - start_s)
            f0_hz = level = np.nan
            if analysis.pitch is not None:
                f0_hz = call(analysis.pitch, "Get value at time", time_s, "Hertz", "Linear")
            if analysis.intensity is not None:
                level = call(analysis.intensity, "Get value at time", time_s, "Cubic")
            row = {"part": part, "point": point, "time_s": time_s - segments.word[0]}
            pitch = {"f0_hz": f0_hz, "f0_st": semitones(f0_hz, analysis.median_hz)}
            rows.append({**row, **pitch, "intensity_db": level})
    return rows


def articulation_rate(phones: Iterable[Interval]) -> float:
    """Syllables (vowels) per second of an utterance's phones, silences left out."""
    spoken = [phone for phone in phones if phone.label]
    n_syllables = sum(is_vowel(phone.label) for phone in spoken)
    seconds = sum(phone.duration_s for phone in spoken)
    return n_syllables / seconds if n_syllables >= MIN_SYLLABLES and seconds > 0 else float("nan")


def _word_cues(analysis: Analysis, segments: Segments, speech_rate: float) -> dict[str, Any]:
    duration_s = segments.word[1] - segments.word[0]
    pitch, level = _levels(analysis, segments.word)
    range_st = np.nan
    if analysis.pitch is not None:
        range_st = pitch_range_st(analysis.pitch, *segments.word)
    return {
        "word_duration_s": duration_s,
        "word_relative_duration": duration_s * speech_rate,
        "word_f0_mean_hz": pitch["f0_mean_hz"],
        "word_f0_mean_st": pitch["f0_mean_st"],
        "word_f0_range_st": range_st,
        "word_voiced_fraction": pitch["voiced_fraction"],
        "word_intensity_mean_db": level["intensity_mean_db"],
        "speech_rate_syllables_per_s": speech_rate,
    }


def _levels(analysis: Analysis, span: Span) -> tuple[dict[str, float], dict[str, float]]:
    """F0 and intensity cues of a stretch; NaN where the excerpt was too short for Praat."""
    pitch = dict.fromkeys((c.name for c in CUES if c.group == "f0"), np.nan)
    level = dict.fromkeys((c.name for c in CUES if c.group == "intensity"), np.nan)
    if analysis.pitch is not None:
        pitch = pitch_cues(analysis.pitch, *span, analysis.median_hz)
    if analysis.intensity is not None:
        level = intensity_cues(analysis.intensity, *span)
    return pitch, level


def part_cues(
    analysis: Analysis, domain: str, number: int, span: Span, speech_rate: float = float("nan")
) -> dict[str, float]:
    """Cues of one syllable or nucleus, in the order of the table."""
    pitch, level = _levels(analysis, span)
    part, reasons = f"{domain} {number}", analysis.reasons
    if analysis.pitch is None:
        reasons.append(f"{part}: excerpt too short for F0")
    elif np.isnan(pitch["f0_mean_hz"]):
        reasons.append(f"{part}: unvoiced")
    elif np.isnan(pitch["f0_slope_st_per_s"]):
        reasons.append(f"{part}: too few voiced frames for a slope")
    if np.isnan(level["intensity_mean_db"]):
        why = "silent" if analysis.intensity is not None else "excerpt too short for intensity"
        reasons.append(f"{part}: {why}")
    duration_s = span[1] - span[0]
    cues = {"duration_s": duration_s, "relative_duration": duration_s * speech_rate}
    cues |= pitch | level
    if domain == NUCLEUS:
        cues |= _vowel_cues(analysis, part, span, cues["f0_mean_hz"])
    return cues


def _vowel_cues(analysis: Analysis, part: str, span: Span, f0_hz: float) -> dict[str, float]:
    """Spectral cues of a vowel."""
    reasons = analysis.reasons
    cues = missing_balance()
    spectrum = vowel_spectrum(analysis.sound, *span)
    if spectrum is None:
        reasons.append(f"{part}: shorter than a spectrum needs")
    else:
        cues = balance_cues(spectrum, span[1] - span[0])
    middle = middle_formants(analysis.formant, span)
    trusted = middle.medians_hz[:3] if middle.is_suspect == 0 else np.full(3, np.nan)
    cues["h1_a3_corrected_db"] = h1_a3_corrected_db(
        vowel_samples(analysis.sound, *span), analysis.sound.sampling_frequency, f0_hz, trusted
    )
    if np.isnan(cues["h1_a3_corrected_db"]):
        reasons.append(f"{part}: no H1*-A3* (needs F0, trusted formants and four periods)")
    if not middle.n_frames:
        reasons.append(f"{part}: excerpt too short for formants")
    for index in range(N_FORMANTS):
        cues[f"f{index + 1}_hz"] = middle.medians_hz[index]
        if middle.n_frames and np.isnan(middle.medians_hz[index]):
            reasons.append(f"{part}: F{index + 1} not found")
    cues |= {f"b{k + 1}_hz": middle.bandwidths_hz[k] for k in range(N_FORMANTS)}
    cues |= {"peripherality_bark": np.nan, "is_reduced": np.nan}
    cues["formants_suspect"] = middle.is_suspect
    return cues


@dataclass(frozen=True)
class MiddleFormants:
    """Formants in the middle of a vowel."""

    n_frames: int
    medians_hz: NDArray[np.float64]
    bandwidths_hz: NDArray[np.float64]
    is_suspect: float


def middle_formants(formant: parselmouth.Formant | None, span: Span) -> MiddleFormants:
    """Praat's medians over :data:`MIDDLE`; of a vowel so short that no frame lies there, the values
    at its centre."""
    nothing = np.full(N_FORMANTS, np.nan)
    if formant is None:
        return MiddleFormants(0, nothing, nothing, float("nan"))
    length_s = span[1] - span[0]
    limits = span[0] + MIDDLE[0] * length_s, span[0] + MIDDLE[1] * length_s
    numbers = range(1, N_FORMANTS + 1)
    frames = formant_track_of(formant).between(*limits)
    if len(frames.time_s):
        ask = (*limits, "hertz", 0.5)
        values, widths = (
            [call(formant, command, k, *ask) for k in numbers]
            for command in ("Get quantile", "Get quantile of bandwidth")
        )
    else:
        centre_s = sum(span) / 2
        values = [formant.get_value_at_time(k, centre_s) for k in numbers]
        widths = [formant.get_bandwidth_at_time(k, centre_s) for k in numbers]
        near = formant.dx
        frames = formant_track_of(formant).between(centre_s - near, centre_s + near)
    share = frames.wide_band_share
    return MiddleFormants(
        n_frames=len(frames.time_s),
        medians_hz=np.array(values),
        bandwidths_hz=np.array(widths),
        is_suspect=float(share > SUSPECT_SHARE) if np.isfinite(share) else float("nan"),
    )


def contrasts(row: dict[str, Any]) -> dict[str, float]:
    """First minus second syllable, or log2 of first by second, for every cue that has both."""
    result = {}
    for column, cue in contrast_columns().items():
        domain = NUCLEUS if column.startswith(NUCLEUS) else SYLLABLE
        first, second = (row[f"{domain}_{number}_{cue.name}"] for number in (1, 2))
        is_difference = cue.contrast == "difference"
        result[column] = first - second if is_difference else float(np.log2(first / second))
    return result


def place_vowels(table: pd.DataFrame) -> pd.DataFrame:
    """A copy of rows of :func:`measure_token` of one speaker with peripherality and reduction.

    The centroid and the medians are those of all the speaker's vowels in the table, in whichever
    syllable; vowels with suspect formants do not enter the centroid. With too few vowels for a
    centroid the values stay NaN and ``missing_reason`` says so.
    """
    table = table.copy()
    numbers = [k for k in range(1, MOST_SYLLABLES + 1) if f"nucleus_{k}_f1_hz" in table]
    values = {
        name: np.concatenate([table[f"nucleus_{k}_{name}"].to_numpy(np.float64) for k in numbers])
        for name in ("f1_hz", "f2_hz", "duration_s", "relative_duration", "formants_suspect")
    }
    sound = values["formants_suspect"] == 0
    centroid = centroid_bark(values["f1_hz"][sound], values["f2_hz"][sound])
    distance = peripherality_bark(values["f1_hz"], values["f2_hz"], centroid)
    rate = values["relative_duration"]
    there = np.isfinite(values["duration_s"])  # shorter words have fewer vowels
    length = rate if np.isfinite(rate[there]).all() else values["duration_s"]
    known = np.isfinite(distance) & sound
    median = float(np.median(distance[known])) if known.any() else float("nan")
    reduced = is_reduced(distance, length, median, float(np.median(length[there])))
    parts = (np.split(values, len(numbers)) for values in (distance, reduced))
    for number, own, is_short in zip(numbers, *parts, strict=True):
        table[f"nucleus_{number}_peripherality_bark"] = own
        table[f"nucleus_{number}_is_reduced"] = is_short
    if len(numbers) == 2:
        table["nucleus_diff_peripherality_bark"] = (
            table["nucleus_1_peripherality_bark"] - table["nucleus_2_peripherality_bark"]
        )
    if np.isnan(centroid).any():
        note = "speaker: too few vowels for a vowel space"
        table["missing_reason"] = [f"{r}; {note}" if r else note for r in table["missing_reason"]]
    return table
