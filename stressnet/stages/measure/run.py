"""Cues of every token: speakers first, then tokens in chunks, then what needs all of a speaker.

The tokens' stress is copied into the table but never looked at.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.acoustics.cue_table import CUES, ID_COLUMNS, table_columns
from stressnet.acoustics.cues import MIDDLE, place_vowels
from stressnet.acoustics.prosodic_cues import INTENSITY_ARGUMENTS
from stressnet.acoustics.tracks import versions
from stressnet.acoustics.vowel_spectrum import TILT_ARGUMENTS
from stressnet.corpus.store import Corpus
from stressnet.runs import Problem, Result, RunFolder, Step
from stressnet.runs.problems import count_problems
from stressnet.stages.measure import MeasureConfig
from stressnet.stages.measure.speakers import find_voices, first_pass, settings_of, speaker_rows
from stressnet.stages.measure.tokens import measure_tokens

TABLE, TABLE_CSV, SPEAKERS = "cues.parquet", "cues.csv", "speakers.csv"
CONTOURS = "contours.parquet"


def run(config: MeasureConfig, corpus: Corpus, folder: RunFolder) -> Result:
    """Measure all tokens of a corpus; ``cues`` has a row per token, see ``docs/cues.md``."""
    tokens = corpus.tokens
    is_there = folder.begin(
        config,
        {"corpus": corpus},
        notes={
            "corpus_name": corpus.name,
            "language": corpus.language,
            **corpus.contrast.noted,
            "f0_ceiling_factor": config.f0_ceiling_factor,
            "first_pass": first_pass(config.pitch_method).praat_arguments(),
        },
        steps=[Step("measure", len(tokens), seconds_each=0.15)],
    )
    if is_there:
        return Result.kept(folder)
    voices = find_voices(corpus, config, folder)
    measured, contours = measure_tokens(corpus, voices, folder, config.contours)
    with folder.progress.stage("tables"):
        measured = _with_vowel_space(measured, tokens)
        of = corpus.contrast.column
        columns = table_columns(corpus.lengths.longest, of)
        ids = tokens[[name for name in columns if name in tokens]]
        table = ids.merge(measured, on="token_id", validate="1:1")
        table = _typed(table.reindex(columns=columns), of)
        if contours is not None:
            folder.table(CONTOURS, contours)
            folder.table("contours.csv", contours, float_format="%.6g")
        folder.table(TABLE, table)
        folder.table(TABLE_CSV, table, lineterminator="\n")
        speakers = pd.DataFrame(speaker_rows(voices))
        folder.table(SPEAKERS, speakers, lineterminator="\n")
    results = {**_counts(table, folder.problems), "praat": _praat_arguments(voices)}
    return Result.of(folder, results, cues=table)


def _with_vowel_space(measured: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """With the vowel-space cues, which need all tokens of a speaker."""
    speaker = tokens.set_index("token_id")["speaker"]
    groups = measured.groupby(measured["token_id"].map(speaker), sort=True)
    return pd.concat([place_vowels(part) for _, part in groups], ignore_index=True)


def _typed(table: pd.DataFrame, classes: str) -> pd.DataFrame:
    """Flags as booleans that may be missing, everything else measured as a float."""
    names = [str(name) for name in table]
    flags = [name for name in names if name.endswith(tuple(c.name for c in CUES if c.is_flag))]
    ids = (*ID_COLUMNS, classes)
    kept = [name for name in names if name in ids or name[len("nucleus_") :].isdigit()]
    measured = table.columns.difference([*kept, "missing_reason"])
    return table.astype({**dict.fromkeys(measured, "float64"), **dict.fromkeys(flags, "boolean")})


def _praat_arguments(voices: dict[str, dict[str, Any]]) -> dict[str, Any]:
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
        "intensity": {"command": "To Intensity", **INTENSITY_ARGUMENTS},
        "spectrum": {"command": "Extract part, Hanning, 1.0, no; To Spectrum, yes"},
        "tilt": {"command": "To Ltas (1-to-1); Get slope", "arguments": list(TILT_ARGUMENTS)},
    }


def _counts(table: pd.DataFrame, problems: list[Problem]) -> dict[str, Any]:
    texts = table["missing_reason"]
    reasons = Counter(part for text in texts for part in text.split("; ") if part)
    return {
        "n_tokens": len(table),
        "n_complete": int((texts == "").sum()),
        "missing": dict(reasons.most_common()),
        "problems": count_problems(problems),
    }


def measured(corpus: Corpus, folder: RunFolder) -> Path:
    """The folder of the cues of a whole corpus, measured into ``cues/`` unless they are there."""
    with folder.folder("cues", "cues") as child:
        return run(MeasureConfig(), corpus, child).path


def measured_text(result: Result) -> str:
    """How many tokens were measured, and what they lack."""
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_tokens']} tokens measured, {counts['n_complete']} of them completely; "
        f"the others lack a cue, see missing_reason",
        *(f"  {n:6d}  {reason}" for reason, n in list(counts["missing"].items())[:6]),
    ]
    if result.problems:
        lines.append(f"problems: {counts['problems']}, see {result.path / 'failures.csv'}")
    return "\n".join(lines)
