"""Cues of a lab word as Praat measures them in the sound, between the true boundaries.

F0 level and slope, intensity and formants are those of :mod:`stressnet.acoustics`; tilt and the
level of consonants are levels of stretches of sound. Names end in ``_1`` or ``_2`` for the vowel
(or the consonant before it), ``_diff`` is the second minus the first.
"""

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.prosodic_cues import intensity_cues, pitch_cues, praat_intensity
from stressnet.acoustics.tracks import (
    FormantSettings,
    PitchSettings,
    pitch_track_of,
    praat_formant,
    praat_pitch,
)
from stressnet.errors import AudioError
from stressnet.lab.klatt import RATE_HZ, cut, level_db, tilt_db
from stressnet.lab.plans import NEUTRAL_HZ, WordPlan, noise_spans

VOWEL_MEASURES = tuple(
    "f0_level_st f0_slope_st_per_s f0_peak_position log_duration intensity_db tilt_db log_f1 "
    "log_f2 log_f3 peripherality consonant_db".split()
)
MEASURES: tuple[str, ...] = (  # All measured cues
    *(f"{name}_{k}" for k in ("1", "2", "diff") for name in VOWEL_MEASURES),
    "word_duration_s",
)

TOLERANCES: dict[str, float] = {
    "f0_level_st": 1.0,
    "f0_slope_st_per_s": 14.0,
    "f0_peak_position": 0.03,
    "intensity_db": 1.0,
    "tilt_db": 1.0,
    "log_f1": 0.03,
    "log_f2": 0.06,
    "log_f3": 0.04,
    "peripherality": 0.03,
    "consonant_db": 1.5,
}
"""By how much a cue may be measured differently in the two words of a pair in which it is the same:
a third of a natural standard deviation or less."""

_MIDDLE = (0.3, 0.7)
_ENOUGH_FRAMES = 3


def measure_word(plan: WordPlan, samples: NDArray) -> dict[str, float]:
    """All of :data:`MEASURES` of a word; AudioError where Praat finds no F0 or formants."""
    voice = plan.voice
    octaves = PitchSettings(floor_hz=0.5 * voice.f0_hz, ceiling_hz=2.0 * voice.f0_hz)
    pitch = praat_pitch(samples, RATE_HZ, octaves)
    formant = praat_formant(
        samples, RATE_HZ, FormantSettings(ceiling_hz=min(voice.formant_ceiling_hz, RATE_HZ / 2))
    )
    intensity = praat_intensity(samples, RATE_HZ)
    if pitch is None or formant is None or intensity is None:
        raise AudioError("word is too short for Praat to analyse")
    row: dict[str, float] = {}
    for k, span in enumerate(plan.vowel_spans, start=1):
        f0 = pitch_cues(pitch, *span, voice.f0_hz)
        track = pitch_track_of(pitch).between(*span)
        voiced = np.isfinite(track.f0_hz)
        if voiced.sum() < _ENOUGH_FRAMES:
            raise AudioError(f"Praat finds no F0 in vowel {k}")
        weight = track.f0_hz[voiced] - 0.999 * track.f0_hz[voiced].min()
        position = (track.time_s[voiced] - span[0]) / (span[1] - span[0])
        length = span[1] - span[0]
        low_s, high_s = (span[0] + part * length for part in _MIDDLE)
        times = np.arange(low_s, high_s, 0.003)
        formants = [
            np.nanmedian([formant.get_value_at_time(number, t) for t in times] or [np.nan])
            for number in (1, 2, 3)
        ]
        if not np.isfinite(formants).all():
            raise AudioError(f"Praat does not find three formants in vowel {k}")
        schwa = np.array(NEUTRAL_HZ[:2]) * voice.tract
        row |= {
            f"f0_level_st_{k}": f0["f0_mean_st"],
            f"f0_slope_st_per_s_{k}": f0["f0_slope_st_per_s"],
            f"f0_peak_position_{k}": float((weight * position).sum() / weight.sum()),
            f"log_duration_{k}": float(np.log(length)),
            f"intensity_db_{k}": intensity_cues(intensity, *span)["intensity_mean_db"],
            f"tilt_db_{k}": tilt_db(cut(samples, span)),
            **{f"log_f{i + 1}_{k}": float(np.log(f)) for i, f in enumerate(formants)},
            f"peripherality_{k}": float(np.hypot(*np.log(np.array(formants[:2]) / schwa))),
            f"consonant_db_{k}": level_db(cut(samples, noise_spans(plan)[k - 1])),
        }
    for name in VOWEL_MEASURES:
        row[f"{name}_diff"] = row[f"{name}_2"] - row[f"{name}_1"]
    row["word_duration_s"] = plan.spans[-1][1] - plan.spans[0][0]
    wrong = [name for name, value in row.items() if not np.isfinite(value)]
    if wrong:
        raise AudioError(f"Praat cannot measure {wrong[0]}")
    return {name: row[name] for name in MEASURES}
