"""Cues of tokens, in chunks of one speaker."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.acoustics.cues import (
    Analysis,
    Segments,
    articulation_rate,
    contour_rows,
    measure_analysed,
)
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.alignment.textgrid import read_textgrid
from stressnet.audio import read_audio
from stressnet.corpus.store import Corpus
from stressnet.errors import AlignmentError, CorpusError, StressnetError
from stressnet.runs import Problem, RunFolder, Severity
from stressnet.runs.names import inside
from stressnet.runs.tables import write_parquet
from stressnet.stages.measure.speakers import records_of, settings_of

CHUNK = 40  # Tokens of one speaker per task


_ChunkTask = tuple[Path, list[dict[str, Any]], SpeakerSettings, Path, int]
"""Corpus, rows of tokens, their speaker's settings, the file to write, and points of contours."""

_CONTOURS = "-contours"


def measure_tokens(
    corpus: Corpus, voices: dict[str, dict[str, Any]], folder: RunFolder, n_points: int
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Cues of every token, without the vowel space, and contours if points are asked for."""
    parts = folder.state / "chunks"
    parts.mkdir(exist_ok=True)

    def tasks() -> Iterator[tuple[str, _ChunkTask]]:
        number = 0
        for speaker, part in corpus.tokens.groupby("speaker", sort=True):
            rows, voice = records_of(part), settings_of(voices[str(speaker)])
            for start in range(0, len(rows), CHUNK):
                file = parts / f"{number:06d}.parquet"
                yield str(number), (corpus.path, rows[start : start + CHUNK], voice, file, n_points)
                number += 1

    n = len(corpus.tokens)
    for _, failures in folder.chunks(
        "measure", tasks(), _measure_chunk, total=n, n_items=lambda task: len(task[1])
    ):
        folder.problems += [
            Problem(token_id, "measure", Severity.ERROR, reason) for token_id, reason in failures
        ]
    cues, contours = (_together(parts, f"*{end}.parquet") for end in ("[0-9]", _CONTOURS))
    if cues is None:
        first = folder.problems[0].reason if folder.problems else "it has no tokens"
        raise CorpusError(f"{corpus.path}: no token could be measured; {first}")
    return cues, contours


def _together(folder: Path, pattern: str) -> pd.DataFrame | None:
    """Tables of some files as one; None if there are no files."""
    tables = [pd.read_parquet(file) for file in sorted(folder.glob(pattern))]
    return pd.concat(tables, ignore_index=True) if tables else None


def _measure_chunk(task: _ChunkTask) -> list[tuple[str, str]]:
    """Measure some tokens of one speaker into a file; returns what failed."""
    corpus, tokens, voice, file, n_points = task
    rows, contours, failures = [], [], []
    for row in tokens:
        try:
            audio = read_audio(inside(corpus, row["excerpt_file"]))
            segments = Segments.of_row(row)
            analysis = Analysis.of(audio.samples, audio.rate_hz, voice)
            rate = _speech_rate(corpus, row["utterance_id"])
            cues = measure_analysed(analysis, segments, rate)
        except StressnetError as error:
            failures.append((row["token_id"], str(error)))
            continue
        named = {"token_id": row["token_id"]}
        rows.append({**named, **cues})
        contours += [{**named, **point} for point in contour_rows(analysis, segments, n_points)]
    if contours:
        write_parquet(pd.DataFrame(contours), file.with_stem(file.stem + _CONTOURS))
    if rows:
        write_parquet(pd.DataFrame(rows), file)
    return failures


@lru_cache(maxsize=8)
def _speech_rate(corpus: Path, utterance_id: str) -> float:
    """Articulation rate of an utterance from the corpus's TextGrid; NaN if that is unusable."""
    path = Corpus.open(corpus).textgrid_file(utterance_id)
    if not path.is_file():
        return float("nan")
    try:
        return articulation_rate(read_textgrid(path).phones)
    except AlignmentError:
        return float("nan")
