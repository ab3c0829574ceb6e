"""Stage *tracks*: F0 and formants of every token, with settings found per speaker."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from stressnet.acoustics.speakers import speaker_settings, tracks_of
from stressnet.audio import read_audio
from stressnet.corpus.store import TOKENS, TRACKS, write_parquet
from stressnet.errors import CorpusError, StressnetError
from stressnet.problems import Problem, Severity
from stressnet.progress import Progress
from stressnet.workflows.journal import Journal
from stressnet.workflows.parallel import in_order

STATE_FOLDER = Path("state") / "tracks"

_SPEAKER_SAMPLE = 40
"""Most excerpts per speaker from which the pitch range is estimated."""

_NUCLEUS_TIMES = [f"nucleus_{k}_{edge}_s" for k in (1, 2) for edge in ("start", "end")]


def _vowel_spans(row: Mapping[Any, Any]) -> list[tuple[float, float]]:
    """Where a token's vowels are in its excerpt."""
    times = [row[name] - row["excerpt_start_s"] for name in _NUCLEUS_TIMES]
    return [(times[0], times[1]), (times[2], times[3])]


def _tracks_of_speaker(task: tuple[Path, str, list[dict[Any, Any]]]) -> Any:
    """F0 and formants of one speaker's tokens; time zero is the word's onset."""
    import pandas as pd

    out, sex, rows = task
    chosen = rows[:: -(-len(rows) // _SPEAKER_SAMPLE)]
    sample = (read_audio(out / row["excerpt_file"]) for row in chosen)
    settings = speaker_settings(
        ((audio.samples, audio.rate_hz) for audio in sample),
        sex or None,
        spans_s=[_vowel_spans(row) for row in chosen],
    )
    frames, failures = [], []
    for row in rows:
        audio = read_audio(out / row["excerpt_file"])
        origin_s = row["start_s"] - row["excerpt_start_s"]
        try:
            tracks = tracks_of(audio.samples, audio.rate_hz, settings, origin_s=origin_s)
        except StressnetError as error:
            failures.append((row["token_id"], str(error)))
            continue
        frames.append(tracks.to_frame(row["token_id"]))
    frame = pd.concat(frames, ignore_index=True) if frames else None
    return frame, settings.to_dict(), failures


def compute_tracks(
    out: Path,
    *,
    jobs: int,
    progress: Progress,
    problems: list[Problem],
    executor: Executor | None = None,
) -> None:
    """Write ``tracks.parquet`` and the trackers' settings per speaker, ``speakers.csv``."""
    import pandas as pd

    tokens = pd.read_parquet(out / TOKENS)
    columns = ["token_id", "excerpt_file", "start_s", "excerpt_start_s", *_NUCLEUS_TIMES]
    groups = {str(speaker): part for speaker, part in tokens.groupby("speaker", sort=True)}
    folder = out / STATE_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    files = {speaker: folder / f"{i:06d}.parquet" for i, speaker in enumerate(groups)}
    with (
        Journal(folder / "journal.jsonl") as journal,
        progress.stage("tracks", len(groups), "speaker") as bar,
    ):
        todo = [speaker for speaker in groups if speaker not in journal.done]
        bar.update(len(groups) - len(todo))
        tasks = (
            (out, str(groups[s]["sex"].iloc[0]), groups[s][columns].to_dict("records"))
            for s in todo
        )
        results = in_order(_tracks_of_speaker, tasks, jobs, executor)
        for speaker, (frame, settings, failures) in zip(todo, results, strict=True):
            if frame is not None:
                write_parquet(frame, files[speaker])
            journal.add(speaker, {"settings": settings, "failures": failures})
            bar.update()
        rows = []
        for speaker in groups:
            rows.append({"speaker": speaker, **_flat(journal.done[speaker]["settings"])})
            problems += [
                Problem(token_id, "tracks", Severity.WARNING, reason)
                for token_id, reason in journal.done[speaker]["failures"]
            ]
    pd.DataFrame(rows).to_csv(out / "speakers.csv", index=False)
    _join([file for file in files.values() if file.exists()], out / TRACKS)


def _join(files: list[Path], out: Path) -> None:
    """Concatenate Parquet files of one schema without holding more than one in memory."""
    import pyarrow.parquet as pq

    if not files:
        raise CorpusError(f"{out}: no token could be analysed; see failures.csv for the reasons")
    part = out.with_name(f".{out.name}.part")
    schema = pq.read_schema(files[0])
    with pq.ParquetWriter(part, schema) as writer:
        for file in files:
            writer.write_table(pq.read_table(file, schema=schema))
    part.replace(out)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with dotted names, one level deep."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": v for inner, v in value.items()}
        else:
            flat[key] = value
    return flat
