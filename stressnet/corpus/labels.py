"""Stress decided by a person: tables of utterance, word and stress."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from stressnet.corpus.plain_table import header_of, read_rows
from stressnet.corpus.written import split_words
from stressnet.errors import CorpusError
from stressnet.runs.problems import Problem, Severity

_INDEX = re.compile(r"\d{1,9}")

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
    rows = read_rows(path)
    header = header_of(path, rows[0][1]) if rows else []
    missing = set(_LABEL_COLUMNS) - set(header)
    if missing:
        raise CorpusError(
            f"{path}: lacks the column {', '.join(sorted(missing))}; the first line names the "
            f"columns, separated by tabs, commas or semicolons"
        )
    labels: dict[tuple[str, int], StressLabel] = {}
    for number, row in rows[1:]:
        cells = dict(zip_longest(header, row[: len(header)], fillvalue=""))
        stress, index = cells["stress"].upper(), cells["word_index"]
        if stress not in ("INITIAL", "FINAL", "VARIES") or not _INDEX.fullmatch(index):
            raise CorpusError(
                f"{path}, line {number}: word_index '{index[:20]}', stress '{stress[:20]}'; "
                f"expected a number from 0 and INITIAL, FINAL or VARIES"
            )
        key = (cells["utterance_id"], int(index))
        if key in labels and labels[key].stress != stress:
            raise CorpusError(
                f"{path}, line {number}: word {index} of '{key[0]}' is {stress} here and "
                f"{labels[key].stress} further up; keep one"
            )
        labels[key] = StressLabel(stress, " ".join(split_words(cells.get("word", ""))), path.name)
    return labels


def idle_labels(labels: Labels, words: Iterable[tuple[str, int, str, str]]) -> list[Problem]:
    """A warning per table that decides about words which can be no tokens.

    Parameters
    ----------
    labels : Labels
        All decisions.
    words : iterable of (str, int, str, str)
        Utterance, index and spelling of words that can be none, and the reason.
    """
    idle: dict[str, list[str]] = {}
    for utterance_id, index, word, reason in words:
        label = labels.get((utterance_id, index))
        if label is not None:
            text = f"{word} in '{utterance_id}': {reason}"
            idle.setdefault(label.table, []).append(text)
    return [
        Problem(
            table,
            "labels",
            Severity.WARNING,
            f"{table}: {len(texts)} of its words are no tokens, so it does not matter what it says "
            f"of them ({'; '.join(texts[:3])}{'; ...' * (len(texts) > 3)}); check that word_index "
            f"counts from 0",
        )
        for table, texts in idle.items()
    ]


def labels_by_utterance(labels: Labels) -> dict[str, dict[tuple[str, int], StressLabel]]:
    """The decisions about each utterance."""
    found: dict[str, dict[tuple[str, int], StressLabel]] = {}
    for (utterance_id, index), label in labels.items():
        found.setdefault(utterance_id, {})[utterance_id, index] = label
    return found
