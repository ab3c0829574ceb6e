"""Stage *tracks*: F0 and formants of every token, with settings found per speaker."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stressnet.acoustics.speakers import SpeakerSettings, speaker_settings, tracks_of
from stressnet.acoustics.track_types import tracks_frame
from stressnet.audio import read_audio
from stressnet.corpus.store import TOKENS, TRACKS
from stressnet.corpus.tables import TableWriter
from stressnet.corpus.tokens import vowel_spans
from stressnet.errors import CorpusError, StressnetError
from stressnet.runs.folder import RunFolder
from stressnet.runs.names import inside
from stressnet.runs.problems import warnings_about
from stressnet.runs.tables import write_parquet

_NUCLEUS_TIME = re.compile(r"nucleus_\d_(start|end)_s")

_SPEAKER_SAMPLE = 40  # Most excerpts per speaker from which the pitch range is estimated
_CHUNK = 64  # Tokens per task
_ROWS_PER_GROUP = 100_000  # Frames of the joined table that are held before they are written


def _settings_of_speaker(task: tuple[Path, str, list[dict[Any, Any]]]) -> dict[str, Any]:
    """One speaker's pitch range and formant ceiling, from a sample of the tokens."""
    out, sex, rows = task
    sample = (read_audio(inside(out, row["excerpt_file"])) for row in rows)
    settings = speaker_settings(
        ((audio.samples, audio.rate_hz) for audio in sample),
        sex or None,
        spans_s=[vowel_spans(row) for row in rows],
    )
    return settings.to_dict()


def _write_tracks(
    task: tuple[Path, Path, dict[str, Any], list[dict[Any, Any]]],
) -> list[tuple[str, str]]:
    """Write F0 and formants of some of a speaker's tokens; time zero is the word's onset."""
    out, file, settings, rows = task
    tracks, failures = {}, []
    known = SpeakerSettings.from_dict(settings)
    for row in rows:
        audio = read_audio(inside(out, row["excerpt_file"]))
        origin_s = row["start_s"] - row["excerpt_start_s"]
        try:
            found = tracks_of(audio.samples, audio.rate_hz, known, origin_s=origin_s)
        except StressnetError as error:
            failures.append((row["token_id"], str(error)))
            continue
        tracks[row["token_id"]] = found
    write_parquet(tracks_frame(tracks), file)
    return failures


def compute_tracks(folder: RunFolder) -> None:
    """Write ``tracks.parquet`` and the trackers' settings per speaker, ``speakers.csv``."""
    out = folder.path
    vowels = [name for name in pq.read_schema(out / TOKENS).names if _NUCLEUS_TIME.match(name)]
    columns = ["token_id", "excerpt_file", "start_s", "excerpt_start_s", *vowels]
    tokens = pd.read_parquet(out / TOKENS, columns=["speaker", "sex", *columns])
    parts = folder.state / "tracks"
    parts.mkdir(exist_ok=True)
    settings = _speakers_settings(folder, tokens)
    chunks = list(_chunks(tokens, parts))
    tasks = (
        (file.stem, (out, file, settings[speaker], tokens.iloc[rows][columns].to_dict("records")))
        for file, speaker, rows in chunks
    )
    for _, failures in folder.chunks(
        "tracks", tasks, _write_tracks, total=len(tokens), n_items=lambda task: len(task[3])
    ):
        for token_id, reason in failures:
            folder.problems += warnings_about(token_id, "tracks", [reason])
    speakers = [{"speaker": name, **_flat(found)} for name, found in settings.items()]
    folder.table("speakers.csv", pd.DataFrame(speakers))
    _join([file for file, *_ in chunks], folder.file(TRACKS))


def _speakers_settings(folder: RunFolder, tokens: pd.DataFrame) -> Mapping[str, dict[str, Any]]:
    """Settings of all speakers, in the order of their names."""
    tasks = []
    for name, part in tokens.groupby("speaker", sort=True):
        rows = part.index[:: -(-len(part) // _SPEAKER_SAMPLE)]
        sample = tokens.iloc[rows].to_dict("records")
        tasks.append((str(name), (folder.path, str(part["sex"].iloc[0] or ""), sample)))
    return dict(
        folder.chunks("voices", tasks, _settings_of_speaker, total=len(tasks), unit="speaker")
    )


def _chunks(tokens: pd.DataFrame, folder: Path) -> Iterator[tuple[Path, str, NDArray[np.intp]]]:
    """Tokens by speaker, a few at a time, so that one speaker's many keep all workers busy."""
    indices = tokens.groupby("speaker", sort=True).indices
    groups = {str(speaker): np.asarray(rows, dtype=np.intp) for speaker, rows in indices.items()}
    for number, (speaker, rows) in enumerate(sorted(groups.items())):
        for k, first in enumerate(range(0, len(rows), _CHUNK)):
            file = folder / f"{number:06d}-{k:06d}.parquet"
            yield file, speaker, rows[first : first + _CHUNK]


def _join(files: list[Path], out: Path) -> None:
    """Concatenate Parquet files of one schema without holding more than a few in memory."""
    schema = pq.read_schema(files[0]).remove_metadata()
    waiting: list[pa.Table] = []
    with TableWriter(out, schema) as writer:
        for number, file in enumerate(files, start=1):
            waiting.append(pq.read_table(file, schema=schema))
            if sum(map(len, waiting)) >= _ROWS_PER_GROUP or number == len(files):
                writer.add_table(pa.concat_tables(waiting))
                waiting = []
        if not writer.n_rows:
            raise CorpusError(
                f"{out}: no token could be analysed; see failures.csv for the reasons"
            )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with dotted names, one level deep."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        is_nested = isinstance(value, Mapping)
        flat |= {f"{key}.{inner}": v for inner, v in value.items()} if is_nested else {key: value}
    return flat
