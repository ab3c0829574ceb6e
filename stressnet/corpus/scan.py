"""Look through a folder with a recipe: which recordings are there, who speaks, what is said."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stressnet.alignment.readers import has_many, holds
from stressnet.audio import audio_facts, check_rate
from stressnet.corpus.recipe import Recipe, SpeakerTable, find_audio
from stressnet.corpus.transcripts import Transcripts, _nfc, _resolve, read_text, split_words
from stressnet.errors import (
    AlignmentError,
    AudioError,
    CorpusError,
    MissingPartError,
    TranscriptError,
)
from stressnet.runs.problems import Problem, Severity

_LABEL_COLUMNS = ("utterance_id", "word_index", "stress")
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
        An alignment that came with the corpus.
    duration_s : float
        From the header.
    alignment_format : str
        How `alignment_path` is to be read; see `stressnet.alignment.readers`.
    """

    utterance_id: str
    speaker: str
    sex: str
    audio_path: Path
    words: tuple[str, ...]
    alignment_path: Path | None
    duration_s: float
    alignment_format: str = "auto"


@dataclass(frozen=True, slots=True)
class StressLabel:
    """A person's decision on one word.

    Parameters
    ----------
    stress : str
        ``"INITIAL"``, ``"FINAL"`` or ``"VARIES"``.
    word : str
        Which word it was made for, upper case; empty if the table does not say.
    table : str
        Name of the table, for messages.
    """

    stress: str
    word: str = ""
    table: str = "label table"


Labels = Mapping[tuple[str, int], StressLabel]
"""Decisions by utterance id and index of the word, counted from 0."""


@dataclass(frozen=True)
class Scan:
    """What a folder holds: usable recordings, problems, and the user's stress labels."""

    recordings: tuple[Recording, ...]
    problems: tuple[Problem, ...]
    labels: Labels = field(default_factory=dict)


def _given_alignment(
    recipe: Recipe, fields: Mapping[str, str], folder: Path, root: Path, utterance_id: str
) -> tuple[Path | None, str]:
    """The first alignment that exists for a recording, and its format.

    A file for many recordings that lacks this one is passed over, as if it were not there.
    """
    for source in recipe.alignments:
        path = _resolve(source.pattern, fields, folder, root, ignore_case=recipe.ignore_case)
        if not path.is_file():
            continue
        try:
            if not has_many(path, source.format) or holds(path, utterance_id, source.format):
                return path, source.format
        except (AlignmentError, MissingPartError):
            return path, source.format  # reported when it is read
    return None, "auto"


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
                sexes[_nfc(cells[table.speaker_column])] = sex
        return sexes
    return {}


def read_labels(path: Path) -> dict[tuple[str, int], StressLabel]:
    """A user's table of stress: columns utterance_id, word_index (from 0) and stress.

    A column ``word``, if there, is compared with the transcript later on, so that a table made for
    another transcript does not label the wrong words.

    Raises
    ------
    CorpusError
        Naming the line if a column or value is wrong, or a word is decided twice in two ways.
    TranscriptError
        If the file cannot be read.
    """
    delimiter = "," if path.suffix.lower() == ".csv" else "\t"
    rows = csv.DictReader(read_text(path).splitlines(), delimiter=delimiter)
    missing = set(_LABEL_COLUMNS) - set(rows.fieldnames or ())
    if missing:
        raise CorpusError(
            f"{path}: lacks the column {', '.join(sorted(missing))}; the first line names the "
            f"columns, separated by {'commas' if delimiter == ',' else 'tabs'}"
        )
    labels: dict[tuple[str, int], StressLabel] = {}
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() for name in (*_LABEL_COLUMNS, "word")}
        stress, index = cells["stress"].upper(), cells["word_index"]
        if stress not in ("INITIAL", "FINAL", "VARIES") or not index.isdecimal():
            raise CorpusError(
                f"{path}, line {number}: word_index '{index}', stress '{stress}'; expected a "
                f"number from 0 and INITIAL, FINAL or VARIES"
            )
        key = (_nfc(cells["utterance_id"]), int(index))
        if key in labels and labels[key].stress != stress:
            raise CorpusError(
                f"{path}, line {number}: word {index} of '{key[0]}' is {stress} here and "
                f"{labels[key].stress} further up; keep one"
            )
        labels[key] = StressLabel(stress, " ".join(split_words(cells["word"])), path.name)
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
        raise CorpusError(f"{root}: no such folder; check the path")
    sexes = read_speakers(root, recipe.speaker_tables)
    transcripts = Transcripts(recipe.transcripts, root, ignore_case=recipe.ignore_case)
    recordings: dict[str, Recording] = {}
    problems: list[Problem] = []
    n_audio = 0
    for path, fields in find_audio(recipe, root):
        n_audio += 1
        utterance_id = _nfc(recipe.utterance_id.format(**fields))
        fields.setdefault("utterance", utterance_id)
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
        alignment, format = _given_alignment(recipe, fields, path.parent, root, utterance_id)
        try:
            facts = audio_facts(path)
            check_rate(path, facts.rate_hz)
            words = () if alignment else transcripts.find(fields, path.parent)
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
        speaker = recipe.speaker_constant or _nfc(recipe.speaker_name.format(**fields))
        sex = (recipe.sex_constant or "").format(**fields)
        recordings[utterance_id] = Recording(
            utterance_id=utterance_id,
            speaker=speaker,
            sex=sexes.get(speaker, _SEXES.get(sex.lower(), sex)),
            audio_path=path,
            words=words,
            alignment_path=alignment,
            duration_s=facts.duration_s,
            alignment_format=format,
        )
    if not n_audio:
        raise CorpusError(
            f"{root}: no audio that recipe '{recipe.name}' recognises "
            f"({', '.join(recipe.audio_patterns)}); check the folder or choose another recipe"
        )
    labels: dict[tuple[str, int], StressLabel] = {}
    for table in recipe.label_tables:
        if (root / table).is_file():
            labels |= read_labels(root / table)
    return Scan(tuple(recordings.values()), tuple(problems), labels)
