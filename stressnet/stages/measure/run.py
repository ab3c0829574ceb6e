"""Cues of every token: speakers first, then tokens in chunks, then what needs all of a speaker.

The tokens' stress is copied into the table but never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.acoustics.intensity import IntensitySettings
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.audio import read_audio
from stressnet.corpus.store import Corpus
from stressnet.errors import AlignmentError, CorpusError, StressnetError
from stressnet.runs.folder import RunFolder
from stressnet.runs.names import inside
from stressnet.runs.problems import Problem, Severity, count_problems
from stressnet.runs.tables import write_parquet
from stressnet.runs.work import Step
from stressnet.stages.measure.config import MeasureConfig
from stressnet.stages.measure.speakers import (
    find_voices,
    first_pass,
    records_of,
    settings_of,
    span_of,
    speaker_rows,
)

if TYPE_CHECKING:
    import pandas as pd

TABLE, TABLE_CSV, SPEAKERS = "cues.parquet", "cues.csv", "speakers.csv"
CHUNK = 40
"""Tokens of one speaker per task."""


@dataclass(frozen=True)
class Measured:
    """What ``stressnet measure`` wrote.

    Parameters
    ----------
    path : Path
        The folder.
    cues : DataFrame
        One row per token, see ``docs/cues.md``.
    problems : list of Problem
        Tokens that could not be measured, speakers to look at.
    manifest : dict
        Its manifest.
    """

    path: Path
    cues: pd.DataFrame
    problems: list[Problem]
    manifest: dict[str, Any]


@dataclass(frozen=True)
class _ChunkTask:
    corpus: Path
    rows: list[dict[str, Any]]
    voice: SpeakerSettings
    file: Path
    intensity: IntensitySettings = field(default_factory=IntensitySettings)


def run(config: MeasureConfig, corpus: Corpus, folder: RunFolder) -> Measured:
    """Measure all tokens of a corpus.

    Raises
    ------
    CorpusError
        If the corpus is damaged, or no token could be measured.
    """
    import pandas as pd

    from stressnet.acoustics.cue_table import ID_COLUMNS, table_columns

    tokens = corpus.tokens
    folder.begin(
        config,
        inputs={"corpus": corpus.fingerprint},
        notes={
            "corpus": str(corpus.path),
            "corpus_name": corpus.name,
            "f0_ceiling_factor": config.f0_ceiling_factor,
            "first_pass": first_pass(config.pitch_method).praat_arguments(),
        },
        steps=[Step("measure", len(tokens), seconds_each=0.15)],
    )
    voices = find_voices(corpus, config, folder)
    measured = _measure_tokens(corpus, voices, folder)
    with folder.progress.stage("tables"):
        ids = tokens[list(ID_COLUMNS)]
        table = ids.merge(_placed(measured, tokens), on="token_id", validate="1:1")
        table = _typed(table[table_columns()])
        folder.table(TABLE, table)
        folder.table(TABLE_CSV, table, lineterminator="\n")
        speakers = pd.DataFrame(speaker_rows(voices))
        folder.table(SPEAKERS, speakers, lineterminator="\n")
    results = {**_results(table, folder.problems), "praat": _praat_arguments(voices)}
    return Measured(folder.path, table, folder.problems, folder.finish(results))


def measured_text(result: Measured) -> str:
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


# -- tokens ----------------------------------------------------------------------------------------


def _measure_tokens(
    corpus: Corpus, voices: dict[str, dict[str, Any]], folder: RunFolder
) -> pd.DataFrame:
    """Cues of every token, without the vowel space."""
    import pandas as pd

    parts = folder.state / "chunks"
    parts.mkdir(exist_ok=True)

    def tasks() -> Iterator[tuple[str, _ChunkTask]]:
        number = 0
        for speaker, part in corpus.tokens.groupby("speaker", sort=True):
            rows, voice = records_of(part), settings_of(voices[str(speaker)])
            for start in range(0, len(rows), CHUNK):
                file = parts / f"{number:06d}.parquet"
                yield (
                    str(number),
                    _ChunkTask(corpus.path, rows[start : start + CHUNK], voice, file),
                )
                number += 1

    for _, failures in folder.chunks(
        "measure",
        tasks(),
        _measure_chunk,
        total=len(corpus.tokens),
        n_items=lambda task: len(task.rows),
    ):
        folder.problems += [
            Problem(token_id, "measure", Severity.ERROR, reason) for token_id, reason in failures
        ]
    tables = [pd.read_parquet(file) for file in sorted(parts.glob("*.parquet"))]
    if not tables:
        first = folder.problems[0].reason if folder.problems else "it has no tokens"
        raise CorpusError(f"{corpus.path}: no token could be measured; {first}")
    return pd.concat(tables, ignore_index=True)


def _measure_chunk(task: _ChunkTask) -> list[tuple[str, str]]:
    """Measure some tokens of one speaker into a file; returns what failed."""
    import pandas as pd

    from stressnet.acoustics.cues import Segments, measure_token

    rows, failures = [], []
    for row in task.rows:
        try:
            audio = read_audio(inside(task.corpus, row["excerpt_file"]))
            segments = Segments(
                word=span_of(row, "start_s", "end_s"),
                boundary_s=row["boundary_s"] - row["excerpt_start_s"],
                nuclei=(
                    span_of(row, "nucleus_1_start_s", "nucleus_1_end_s"),
                    span_of(row, "nucleus_2_start_s", "nucleus_2_end_s"),
                ),
            )
            cues = measure_token(
                audio.samples,
                audio.rate_hz,
                segments,
                task.voice,
                speech_rate=_speech_rate(task.corpus, row["utterance_id"]),
                intensity=task.intensity,
            )
        except StressnetError as error:
            failures.append((row["token_id"], str(error)))
            continue
        rows.append({"token_id": row["token_id"], **cues})
    if rows:
        write_parquet(pd.DataFrame(rows), task.file)
    return failures


@lru_cache(maxsize=8)
def _speech_rate(corpus: Path, utterance_id: str) -> float:
    """Articulation rate of an utterance from the corpus's TextGrid; NaN if that is unusable."""
    from stressnet.acoustics.rate import articulation_rate
    from stressnet.alignment.textgrid import read_textgrid

    path = Corpus.open(corpus).textgrid_file(utterance_id)
    if not path.is_file():
        return float("nan")
    try:
        return articulation_rate(read_textgrid(path).phones)
    except AlignmentError:
        return float("nan")


# -- tables ----------------------------------------------------------------------------------------


def _placed(measured: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """With the vowel-space cues, which need all tokens of a speaker."""
    import pandas as pd

    from stressnet.acoustics.cues import place_vowels

    speaker = tokens.set_index("token_id")["speaker"]
    groups = measured.groupby(measured["token_id"].map(speaker), sort=True)
    return pd.concat([place_vowels(part) for _, part in groups], ignore_index=True)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Flags as booleans that may be missing, everything else measured as a float."""
    from stressnet.acoustics.cue_table import CUES, ID_COLUMNS

    table = table.copy()
    flags = {cue.name for cue in CUES if cue.is_flag}
    for column in table.columns.difference([*ID_COLUMNS, "missing_reason"]):
        is_flag = column.removeprefix("nucleus_1_").removeprefix("nucleus_2_") in flags
        table[column] = table[column].astype("float64")
        if is_flag:
            table[column] = table[column].astype("boolean")
    return table


def _praat_arguments(voices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What Praat was called with; values that differ between speakers are in ``speakers.csv``."""
    from stressnet.acoustics.cues import MIDDLE
    from stressnet.acoustics.spectral_balance import TILT_ARGUMENTS
    from stressnet.acoustics.tracks import versions

    first = settings_of(next(iter(voices.values())))
    pitch, formants = first.pitch.praat_arguments(), first.formants.praat_arguments()
    pitch |= dict.fromkeys(
        ("floor_hz", "ceiling_hz", "high_pass_hz"), "per speaker, see speakers.csv"
    )
    formants["ceiling_hz"] = "per speaker, see speakers.csv"
    return {
        **versions(),
        "pitch": pitch,
        "formants": formants,
        "formants_measured_in": f"middle of the vowel, {MIDDLE[0]:g} to {MIDDLE[1]:g}, median",
        "intensity": IntensitySettings().praat_arguments(),
        "spectrum": {"command": "Extract part, Hanning, 1.0, no; To Spectrum, yes"},
        "tilt": {"command": "To Ltas (1-to-1); Get slope", "arguments": list(TILT_ARGUMENTS)},
    }


def _results(table: pd.DataFrame, problems: list[Problem]) -> dict[str, Any]:
    from collections import Counter

    reasons: Counter[str] = Counter()
    for text in table["missing_reason"]:
        reasons.update(part for part in text.split("; ") if part)
    return {
        "n_tokens": len(table),
        "n_complete": int((table["missing_reason"] == "").sum()),
        "missing": dict(reasons.most_common()),
        "problems": count_problems(problems),
    }
