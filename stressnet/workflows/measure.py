"""``stressnet measure``: acoustic cues to stress of every token of a corpus.

Speakers first (pitch range, formant ceiling), then tokens in chunks, then what needs all tokens of
a speaker (vowel space). Speakers and chunks are journalled, so an interrupted run continues with
the same command. The tokens' stress is copied into the table but never looked at.
"""

from __future__ import annotations

import shutil
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.acoustics.intensity import IntensitySettings
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.audio import read_audio
from stressnet.corpus.store import Corpus
from stressnet.errors import AlignmentError, CorpusError, StressnetError
from stressnet.runs.journal import Journal
from stressnet.runs.manifest import hash_data, write_manifest
from stressnet.runs.parallel import in_order, worker_pool
from stressnet.runs.problems import Problem, Severity, count_lost, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.workflows.build_tokens import safe_name
from stressnet.workflows.measure_speakers import (
    CueConfig,
    find_voices,
    records_of,
    settings_of,
    span_of,
    speaker_rows,
)
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

TABLE, TABLE_CSV, FAILURES, SPEAKERS = "cues.parquet", "cues.csv", "failures.csv", "speakers.csv"
CHUNK = 40
"""Tokens of one speaker per task."""


@dataclass(frozen=True)
class Measured:
    """What ``stressnet measure`` left on disk.

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

    @property
    def n_failed(self) -> int:
        """Tokens without a row."""
        return count_lost(self.problems)


@dataclass(frozen=True)
class _ChunkTask:
    corpus: Path
    rows: list[dict[str, Any]]
    voice: SpeakerSettings
    file: Path
    intensity: IntensitySettings = field(default_factory=IntensitySettings)


def measure_corpus(
    corpus_path: Path,
    out: Path,
    config: CueConfig | None = None,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure all tokens of a corpus; an interrupted run continues.

    Parameters
    ----------
    corpus_path : Path
        A built corpus. Ceilings found by search are kept in it, if it can be written.
    out : Path
        Folder to write.
    config : CueConfig, optional
    jobs : int
        Worker processes; the tables do not depend on it.
    overwrite : bool
        Replace an earlier measurement in ``out``.
    executor : Executor, optional
        Used instead of own processes.

    Raises
    ------
    CheckpointError
        If ``out`` holds something else or cannot be written.
    CorpusError
        If the corpus is damaged, or no token could be measured.
    """
    import pandas as pd

    from stressnet.acoustics.cue_table import ID_COLUMNS, table_columns

    progress = progress or Progress(verbose=False)
    config = config or CueConfig()
    corpus = Corpus.open(corpus_path)
    content = {**asdict(config), "first_pass": config.first_pass.praat_arguments()}
    request = hash_data([content, corpus.fingerprint])
    claim_folder(out, request, overwrite, "measurement")
    problems: list[Problem] = []
    tokens = corpus.tokens
    own = worker_pool(jobs) if executor is None else None
    if own is not None:
        with own as pool:
            voices = find_voices(corpus, out, config, jobs, pool, progress, problems)
            measured = _measure_tokens(corpus, out, voices, jobs, pool, progress, problems)
    else:
        voices = find_voices(corpus, out, config, jobs, executor, progress, problems)
        measured = _measure_tokens(corpus, out, voices, jobs, executor, progress, problems)
    with progress.stage("tables"):
        ids = tokens[list(ID_COLUMNS)]
        table = ids.merge(_placed(measured, tokens), on="token_id", validate="1:1")
        table = _typed(table[table_columns()])
        write_parquet(table, out / TABLE)
        _write_csv(table, out / TABLE_CSV)
        speakers = pd.DataFrame(speaker_rows(voices))
        _write_csv(speakers, out / SPEAKERS)
        write_problems(out / FAILURES, problems)
    manifest = write_manifest(
        out,
        "cues",
        parameters={
            "corpus": str(corpus_path),
            "corpus_name": corpus.name,
            **content,
            "request": request,
            "praat": _praat_arguments(voices),
        },
        inputs={"corpus": corpus.fingerprint},
        outputs=[out / name for name in (TABLE, TABLE_CSV, FAILURES, SPEAKERS)],
        results=_results(table, problems),
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    return Measured(out, table, problems, manifest)


# -- tokens ----------------------------------------------------------------------------------------


def _measure_tokens(
    corpus: Corpus,
    out: Path,
    voices: dict[str, dict[str, Any]],
    jobs: int,
    executor: Executor | None,
    progress: Progress,
    problems: list[Problem],
) -> pd.DataFrame:
    """Cues of every token, without the vowel space."""
    import pandas as pd

    folder = out / "state" / "chunks"
    folder.mkdir(parents=True, exist_ok=True)
    chunks: list[tuple[str, list[dict[str, Any]]]] = []
    for speaker, part in corpus.tokens.groupby("speaker", sort=True):
        rows = records_of(part)
        chunks += [(str(speaker), rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)]
    files = [folder / f"{index:06d}.parquet" for index in range(len(chunks))]
    with (
        Journal(out / "state" / "chunks.jsonl") as journal,
        progress.stage("measure", len(corpus.tokens), "token") as bar,
    ):
        todo = [index for index in range(len(chunks)) if str(index) not in journal.done]
        bar.update(sum(len(rows) for _, rows in chunks) - sum(len(chunks[i][1]) for i in todo))
        tasks = (
            _ChunkTask(corpus.path, chunks[i][1], settings_of(voices[chunks[i][0]]), files[i])
            for i in todo
        )
        for index, failures in zip(
            todo, in_order(_measure_chunk, tasks, jobs, executor), strict=True
        ):
            journal.add(str(index), failures)
            bar.update(len(chunks[index][1]))
        for index in range(len(chunks)):
            problems += [
                Problem(token_id, "measure", Severity.ERROR, reason)
                for token_id, reason in journal.done[str(index)]
            ]
    tables = [pd.read_parquet(file) for file in files if file.exists()]
    if not tables:
        first = problems[0].reason if problems else "it has no tokens"
        raise CorpusError(f"{corpus.path}: no token could be measured; {first}")
    return pd.concat(tables, ignore_index=True)


def _measure_chunk(task: _ChunkTask) -> list[tuple[str, str]]:
    """Measure some tokens of one speaker into a file; returns what failed."""
    import pandas as pd

    from stressnet.acoustics.cues import Segments, measure_token

    rows, failures = [], []
    for row in task.rows:
        try:
            audio = read_audio(task.corpus / row["excerpt_file"])
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

    path = corpus / "textgrids" / f"{safe_name(utterance_id)}.TextGrid"
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


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    table.to_csv(part, index=False, lineterminator="\n")
    part.replace(path)


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
