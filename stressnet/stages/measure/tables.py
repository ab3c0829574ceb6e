"""The table of cues, and what is said of it in the manifest."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from stressnet.acoustics.cue_table import CUES, ID_COLUMNS
from stressnet.acoustics.cues import MIDDLE, place_vowels
from stressnet.acoustics.prosodic_cues import IntensitySettings
from stressnet.acoustics.tracks import versions
from stressnet.acoustics.vowel_spectrum import TILT_ARGUMENTS
from stressnet.runs.problems import Problem, count_problems
from stressnet.stages.measure.speakers import settings_of


def with_vowel_space(measured: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """With the vowel-space cues, which need all tokens of a speaker."""
    speaker = tokens.set_index("token_id")["speaker"]
    groups = measured.groupby(measured["token_id"].map(speaker), sort=True)
    return pd.concat([place_vowels(part) for _, part in groups], ignore_index=True)


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Flags as booleans that may be missing, everything else measured as a float."""
    flags = {f"nucleus_{k}_{cue.name}" for cue in CUES if cue.is_flag for k in (1, 2)}
    measured = table.columns.difference([*ID_COLUMNS, "missing_reason"])
    table = table.astype(dict.fromkeys(measured, "float64"))
    return table.astype(dict.fromkeys(measured.intersection(list(flags)), "boolean"))


def praat_arguments(voices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What Praat was called with; values that differ between speakers are in ``speakers.csv``."""
    first = settings_of(next(iter(voices.values())))
    pitch, formants = first.pitch.praat_arguments(), first.formants.praat_arguments()
    each = "per speaker, see speakers.csv"
    pitch |= dict.fromkeys(("floor_hz", "ceiling_hz", "high_pass_hz"), each)
    formants["ceiling_hz"] = each
    return {
        **versions(),
        "pitch": pitch,
        "formants": formants,
        "formants_measured_in": f"middle of the vowel, {MIDDLE[0]:g} to {MIDDLE[1]:g}, median",
        "intensity": IntensitySettings().praat_arguments(),
        "spectrum": {"command": "Extract part, Hanning, 1.0, no; To Spectrum, yes"},
        "tilt": {"command": "To Ltas (1-to-1); Get slope", "arguments": list(TILT_ARGUMENTS)},
    }


def measured_counts(table: pd.DataFrame, problems: list[Problem]) -> dict[str, Any]:
    texts = table["missing_reason"]
    reasons = Counter(part for text in texts for part in text.split("; ") if part)
    return {
        "n_tokens": len(table),
        "n_complete": int((texts == "").sum()),
        "missing": dict(reasons.most_common()),
        "problems": count_problems(problems),
    }
