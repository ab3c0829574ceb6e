"""Stress decided by a person: tables of utterance, word and stress."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stressnet.corpus.plain_table import read_named
from stressnet.corpus.written import split_words
from stressnet.errors import CorpusError
from stressnet.lexicon.stress import Stress
from stressnet.runs.problems import Problem, warnings_about

_INDEX = re.compile(r"\d{1,9}")

BAD = "BAD"
_DECISIONS = (*Stress, "VARIES", BAD)
_LABEL_COLUMNS = ("stress", "utterance_id", "word_index")


@dataclass(frozen=True, slots=True)
class StressLabel:
    """A person's decision on one word: ``INITIAL``, ``FINAL``, ``VARIES``, or ``BAD``: no token.

    `word`, in upper case, is which it was made for, empty if the table does not say.
    """

    stress: str
    word: str = ""
    table: str = "label table"


Labels = Mapping[tuple[str, int], StressLabel]
"""Decisions by utterance id and index of the word, counted from 0."""


def read_labels(path: Path) -> dict[tuple[str, int], StressLabel]:
    """A user's table of stress: columns utterance_id, word_index (from 0) and stress.

    A column ``word``, if there, is compared with the transcript later on, so that a table made for
    another transcript does not label the wrong words. Raises `CorpusError` naming the line if a
    column or value is wrong, or a word is decided twice in two ways, `TranscriptError` if the file
    cannot be read.
    """
    remedy = "the first line names the columns, separated by tabs, commas or semicolons"
    labels: dict[tuple[str, int], StressLabel] = {}
    for number, cells in read_named(path, _LABEL_COLUMNS, remedy):
        stress, index = cells["stress"].upper(), cells["word_index"]
        if stress not in _DECISIONS or not _INDEX.fullmatch(index):
            raise CorpusError(
                f"{path}, line {number}: word_index '{index[:20]}', stress '{stress[:20]}'; "
                f"expected a number from 0 and INITIAL, FINAL, VARIES, BAD or, "
                f"of longer words, PENULTIMATE and the like"
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

    ``words`` are utterance, index and spelling of such words, and the reason.
    """
    idle: dict[str, list[str]] = {}
    for utterance_id, index, word, reason in words:
        label = labels.get((utterance_id, index))
        if label is not None:
            text = f"{word} in '{utterance_id}': {reason}"
            idle.setdefault(label.table, []).append(text)
    problems = []
    for table, texts in idle.items():
        text = (
            f"{table}: {len(texts)} of its words are no tokens, so it does not matter what it says "
            f"of them ({'; '.join(texts[:3])}{'; ...' * (len(texts) > 3)}); check that word_index "
            f"counts from 0"
        )
        problems += warnings_about(table, "labels", [text])
    return problems


def labels_by_utterance(labels: Labels) -> dict[str, dict[tuple[str, int], StressLabel]]:
    """The decisions about each utterance."""
    by_utterance: dict[str, dict[tuple[str, int], StressLabel]] = {}
    for key, label in labels.items():
        by_utterance.setdefault(key[0], {})[key] = label
    return by_utterance
