"""Stress decided by a person: tables of utterance, word and stress."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stressnet.corpus.transcripts import _nfc, read_text
from stressnet.corpus.written import split_words
from stressnet.errors import CorpusError

_LABEL_COLUMNS = ("utterance_id", "word_index", "stress")


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
    lines = read_text(path).splitlines()
    delimiter = "," if path.suffix.lower() == ".csv" else "\t"
    if lines and delimiter not in lines[0]:
        delimiter = next((other for other in ";,\t" if other in lines[0]), delimiter)
    rows = csv.DictReader(lines, delimiter=delimiter)
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    missing = set(_LABEL_COLUMNS) - set(rows.fieldnames)
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


def labels_by_utterance(labels: Labels) -> dict[str, dict[tuple[str, int], StressLabel]]:
    """The decisions about each utterance."""
    found: dict[str, dict[tuple[str, int], StressLabel]] = {}
    for (utterance_id, index), label in labels.items():
        found.setdefault(utterance_id, {})[utterance_id, index] = label
    return found
