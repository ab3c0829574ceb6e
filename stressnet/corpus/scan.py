"""Look through a folder with a recipe: which recordings are there, who speaks, what is said."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from stressnet.audio import audio_facts
from stressnet.corpus.recipe import Recipe, SpeakerTable, TranscriptSource, find_audio
from stressnet.errors import AudioError, CorpusError, TranscriptError
from stressnet.problems import Problem, Severity

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*['’]?", re.UNICODE)
_SEXES = {"f": "female", "m": "male", "female": "female", "male": "male", "w": "female"}


@dataclass(frozen=True)
class Recording:
    """One utterance as found on disk.

    Parameters
    ----------
    utterance_id, speaker : str
        Unique within the corpus.
    sex : str
        ``"female"``, ``"male"`` or ``""``.
    audio_path : Path
        The recording.
    words : tuple of str
        Transcript in upper case; empty if an alignment takes its place.
    alignment_path : Path or None
        A TextGrid that came with the corpus.
    duration_s : float
        From the header.
    """

    utterance_id: str
    speaker: str
    sex: str
    audio_path: Path
    words: tuple[str, ...]
    alignment_path: Path | None
    duration_s: float


@dataclass(frozen=True)
class Scan:
    """What a folder holds: usable recordings, problems, and the user's stress labels.

    ``labels`` maps (utterance id, word index) to ``"INITIAL"``, ``"FINAL"`` or ``"VARIES"``.
    """

    recordings: tuple[Recording, ...]
    problems: tuple[Problem, ...]
    labels: Mapping[tuple[str, int], str] = field(default_factory=dict)


def split_words(text: str) -> tuple[str, ...]:
    """Words of a transcript: upper case, punctuation dropped, apostrophes kept, hyphens split.

    Examples
    --------
    >>> split_words("The rebel's well-known protest -- didn’t last.")
    ('THE', "REBEL'S", 'WELL', 'KNOWN', 'PROTEST', "DIDN'T", 'LAST')
    """
    text = unicodedata.normalize("NFC", text)
    return tuple(word.replace("’", "'").upper() for word in _WORD.findall(text))


def read_text(path: Path) -> str:
    """Read a text file in UTF-8 (with or without BOM), UTF-16 with BOM, or Latin-1.

    Raises
    ------
    TranscriptError
        If it cannot be opened.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TranscriptError(f"{path}: cannot be read ({error.strerror})") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@cache
def _lines_of(path: Path) -> dict[str, str]:
    lines = (line.strip().split(maxsplit=1) for line in read_text(path).splitlines())
    return {parts[0]: parts[1] if len(parts) == 2 else "" for parts in lines if parts}


@cache
def _table_of(path: Path, source: TranscriptSource) -> dict[str, str]:
    table = {}
    needed = max(source.id_column, source.text_column)
    for line in read_text(path).splitlines():
        cells = line.split(source.delimiter)
        if len(cells) > needed:
            table[cells[source.id_column].strip()] = cells[source.text_column]
    return table


def _resolve(template: str, fields: Mapping[str, str], folder: Path) -> Path:
    return Path(template.format(folder=folder.as_posix(), **fields))


def find_transcript(recipe: Recipe, fields: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Words of an utterance from the first transcript source that has it.

    Raises
    ------
    TranscriptError
        If none has it, or it holds no words.
    """
    tried = []
    for source in recipe.transcripts:
        path = _resolve(source.pattern, fields, folder)
        tried.append(path.name)
        if not path.is_file():
            continue
        if source.kind == "beside":
            text: str | None = read_text(path)
        elif source.kind == "lines":
            text = _lines_of(path).get(fields["utterance"])
        else:
            text = _table_of(path, source).get(fields["utterance"])
        if text is None:
            continue
        words = split_words(text)
        if not words:
            raise TranscriptError(f"{path}: holds no words for {fields['utterance']}; fill it in")
        return words
    raise TranscriptError(
        f"no transcript for '{fields['utterance']}' in {folder} "
        f"(looked for {', '.join(dict.fromkeys(tried)) or 'nothing'}); add it"
    )


def read_speakers(root: Path, tables: tuple[SpeakerTable, ...]) -> dict[str, str]:
    """Sex per speaker from the first table that exists in ``root``; empty if there is none."""
    for table in tables:
        path = root / table.file
        if not path.is_file():
            continue
        sexes: dict[str, str] = {}
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(table.comment)]
        for line in lines[1:] if table.header else lines:
            cells = [cell.strip() for cell in line.split(table.delimiter)]
            if len(cells) > max(table.speaker_column, table.sex_column):
                sex = _SEXES.get(cells[table.sex_column].lower(), "")
                sexes[cells[table.speaker_column]] = sex
        return sexes
    return {}


def read_labels(path: Path) -> dict[tuple[str, int], str]:
    """A user's table of stress: columns utterance_id, word_index (from 0) and stress.

    Raises
    ------
    CorpusError
        Naming the line if a column or value is wrong.
    """
    delimiter = "," if path.suffix.lower() == ".csv" else "\t"
    rows = csv.DictReader(read_text(path).splitlines(), delimiter=delimiter)
    missing = {"utterance_id", "word_index", "stress"} - set(rows.fieldnames or ())
    if missing:
        raise CorpusError(f"{path}: lacks the column {', '.join(sorted(missing))}")
    labels: dict[tuple[str, int], str] = {}
    for number, row in enumerate(rows, start=2):
        stress, index = row["stress"].strip().upper(), row["word_index"].strip()
        if stress not in ("INITIAL", "FINAL", "VARIES") or not index.isdigit():
            raise CorpusError(
                f"{path}, line {number}: word_index '{index}', stress '{stress}'; expected a "
                f"number from 0 and INITIAL, FINAL or VARIES"
            )
        labels[row["utterance_id"], int(index)] = stress
    return labels


def scan(recipe: Recipe, root: Path) -> Scan:
    """Find the recordings of a corpus.

    Parameters
    ----------
    recipe : Recipe
        Where things are.
    root : Path
        The corpus folder.

    Raises
    ------
    CorpusError
        If the folder does not exist or holds no audio the recipe recognises.
    """
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder")
    sexes = read_speakers(root, recipe.speaker_tables)
    recordings: dict[str, Recording] = {}
    problems: list[Problem] = []
    n_audio = 0
    for path, fields in find_audio(recipe, root):
        n_audio += 1
        utterance_id = unicodedata.normalize("NFC", fields["utterance"])
        if utterance_id in recordings:
            problems.append(
                Problem(
                    utterance_id,
                    "scan",
                    Severity.ERROR,
                    f"{path}: second recording with the id '{utterance_id}' (first: "
                    f"{recordings[utterance_id].audio_path}); rename one",
                )
            )
            continue
        alignments = [_resolve(p, fields, path.parent) for p in recipe.alignment_patterns]
        alignment = next((file for file in alignments if file.is_file()), None)
        try:
            facts = audio_facts(path)
            words = () if alignment else find_transcript(recipe, fields, path.parent)
        except (AudioError, TranscriptError) as error:
            problems.append(Problem(utterance_id, "scan", Severity.ERROR, str(error)))
            continue
        if facts.channels > 1:
            problems.append(
                Problem(
                    utterance_id,
                    "scan",
                    Severity.WARNING,
                    f"{path}: {facts.channels} channels, averaged to one; if only one holds the "
                    f"speaker, extract it first",
                )
            )
        speaker = recipe.speaker_constant or unicodedata.normalize("NFC", fields["speaker"])
        recordings[utterance_id] = Recording(
            utterance_id=utterance_id,
            speaker=speaker,
            sex=sexes.get(speaker, recipe.sex_constant or ""),
            audio_path=path,
            words=words,
            alignment_path=alignment,
            duration_s=facts.duration_s,
        )
    if not n_audio:
        raise CorpusError(
            f"{root}: no audio that recipe '{recipe.name}' recognises "
            f"({', '.join(recipe.audio_patterns)}); check the folder or choose another recipe"
        )
    labels: dict[tuple[str, int], str] = {}
    for table in recipe.label_tables:
        if (root / table).is_file():
            labels |= read_labels(root / table)
    return Scan(tuple(recordings.values()), tuple(problems), labels)
