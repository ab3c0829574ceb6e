"""Stage *longer words*: two-syllable stretches of longer words, kept beside the tokens.

They lie in a folder of their own, with a table, excerpts and spectrograms as the corpus has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.audio import read_stretches, write_flac
from stressnet.corpus.longer_words import Stretch, find_stretches
from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.store import LONGER_WORDS, TOKENS
from stressnet.corpus.tables import STRETCH_TYPES, TableWriter, arrow_schema
from stressnet.errors import AlignmentError, AudioError
from stressnet.intervals import Alignment
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.runs.names import safe_name

if TYPE_CHECKING:
    from stressnet.runs.folder import RunFolder
    from stressnet.stages.build_corpus import BuildConfig


@dataclass(frozen=True)
class _Task:
    recording: Recording
    alignment: Alignment
    dictionary: Path | None
    context_s: float
    out: Path


def _cut_one(task: _Task) -> list[dict[str, Any]]:
    """Rows of one utterance's stretches; the excerpt of a word serves all of its stretches."""
    recording = task.recording
    try:
        found = find_stretches(recording, task.alignment, load_dictionary(task.dictionary))
        words = list(_by_word(found))
        starts_s = [max(0.0, group[0].start_s - task.context_s) for group in words]
        spans_s = [(a, g[-1].end_s + task.context_s) for a, g in zip(starts_s, words, strict=True)]
        excerpts, _ = read_stretches(recording.audio_path, spans_s, channel=recording.channel)
    except (AlignmentError, AudioError):  # told by the stage that cuts the tokens
        return []
    rows = []
    folder = Path("excerpts") / safe_name(recording.speaker)
    if words:
        (task.out / folder).mkdir(parents=True, exist_ok=True)
    for group, start_s, excerpt in zip(words, starts_s, excerpts, strict=True):
        file = folder / f"{safe_name(group[0].token_id.rpartition('.')[0])}.flac"
        write_flac(task.out / file, excerpt)
        rows += [
            {
                "token_id": stretch.token_id,
                "utterance_id": stretch.utterance_id,
                "speaker": stretch.speaker,
                "word": stretch.word,
                "word_index": stretch.word_index,
                "first_syllable": stretch.first_syllable,
                "stress": stretch.stress.value,
                "pronunciation": " ".join(phone.label for phone in stretch.phones),
                "start_s": stretch.start_s,
                "end_s": stretch.end_s,
                "excerpt_file": file.as_posix(),
                "excerpt_start_s": round(start_s * excerpt.rate_hz) / excerpt.rate_hz,
                "excerpt_duration_s": excerpt.duration_s,
                "rate_hz": excerpt.rate_hz,
            }
            for stretch in group
        ]
    return rows


def _by_word(stretches: list[Stretch]) -> Iterable[list[Stretch]]:
    groups: dict[int, list[Stretch]] = {}
    for stretch in stretches:
        groups.setdefault(stretch.word_index, []).append(stretch)
    return groups.values()


def cut_longer_words(
    folder: RunFolder, found: Scan, aligned: Mapping[str, Alignment], config: BuildConfig
) -> int:
    """Write table and excerpts of all stretches into the corpus; return their number."""
    where = folder.tree(f"{LONGER_WORDS}/excerpts/*/*.flac").parent
    recordings = [r for r in found.recordings if r.utterance_id in aligned]
    tasks = (
        (
            r.utterance_id,
            _Task(r, aligned[r.utterance_id], config.dictionary, config.context_s, where),
        )
        for r in recordings
    )
    table_file = folder.file(f"{LONGER_WORDS}/{TOKENS}")
    with TableWriter(table_file, arrow_schema(STRETCH_TYPES)) as table:
        for _, rows in folder.chunks(
            "longer words", tasks, _cut_one, total=len(recordings), unit="utt"
        ):
            table.add(rows)
    return table.n_rows
