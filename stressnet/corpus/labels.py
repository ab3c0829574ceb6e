"""Tables of words that a person decided about: their stress, or their class in another contrast."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from stressnet.corpus.plain_table import read_named
from stressnet.corpus.written import split_words
from stressnet.errors import CorpusError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import Stress
from stressnet.runs.problems import Problem, warnings_about

_INDEX = re.compile(r"\d{1,9}")

BAD = "BAD"
_DECISIONS = (*Stress, "VARIES", BAD)


@dataclass(frozen=True, slots=True)
class StressLabel:
    """A person's decision on one word: ``INITIAL``, ``FINAL``, ``VARIES``, or ``BAD``: no token.

    `word`, in upper case, is which it was made for, empty if the table does not say. `value` is its
    class in another contrast than stress; then `stress` may be empty.
    """

    stress: str
    word: str = ""
    table: str = "label table"
    value: str = ""

    @classmethod
    def of_every_word(cls, value: str, contrast: Contrast, folder: str) -> Self:
        """What the name of a folder says of the words in it."""
        stress, other = (value, "") if contrast.is_stress else ("", value)
        return cls(stress, table=f"folder {folder}", value=other)


Labels = Mapping[tuple[str, int], StressLabel]
"""Decisions by utterance id and index of the word, from 0; :data:`EVERY_WORD` is all of them."""

EVERY_WORD = -1


def read_labels(
    path: Path, contrast: Contrast = STRESS, speakers: Mapping[str, str] | None = None
) -> dict[tuple[str, int], StressLabel]:
    """A user's table of stress or another contrast: utterance_id, word_index (from 0), its column.

    A column ``word``, if there, is compared with the transcript later on, so that a table made for
    another transcript does not label the wrong words. Of another contrast, a table without
    word_index speaks of all words of an utterance, one with ``speaker`` instead of utterance_id of
    all that somebody says (``speakers``, by utterance), and empty cells leave words out. Raises
    `CorpusError` naming the line if a column or value is wrong, or a word is decided twice in two
    ways, `TranscriptError` if the file cannot be read.
    """
    of, known = contrast.column, _DECISIONS if contrast.is_stress else ("", BAD, *contrast.classes)
    remedy = "the first line names the columns, separated by tabs, commas or semicolons"
    needed = (of, "utterance_id", "word_index") if contrast.is_stress else (of,)
    labels: dict[tuple[str, int], StressLabel] = {}
    for number, cells in read_named(path, needed, remedy):
        value, index = cells[of].upper(), cells.get("word_index")
        ids = [cells.get("utterance_id", "")]
        if not ids[0]:
            who = cells.get("speaker")
            if who is None:
                raise CorpusError(f"{path}: lacks the column utterance_id or speaker; {remedy}")
            ids = [name for name, one in (speakers or {}).items() if one == who] or [f"of {who}"]
        if value not in known or not _INDEX.fullmatch("0" if index is None else index):
            also = ", VARIES, BAD or, of longer words, PENULTIMATE and the like"
            raise CorpusError(
                f"{path}, line {number}: word_index '{(index or '')[:20]}', {of} '{value[:20]}'; "
                f"expected a number from 0 and {', '.join(map(str, contrast.classes))}"
                f"{also if contrast.is_stress else ', BAD or an empty cell'}"
            )
        is_own = not contrast.is_stress and value != BAD
        word = " ".join(split_words(cells.get("word", "")))
        label = StressLabel("" if is_own else value, word, path.name, value if is_own else "")
        place = EVERY_WORD if index is None else int(index)
        for name in ids if value else []:
            old = labels.setdefault((name, place), label)
            if (old.stress, old.value) != (label.stress, label.value):
                raise CorpusError(
                    f"{path}, line {number}: word {index or 'any'} of '{name}' is {value} here and "
                    f"{old.stress or old.value} further up; keep one"
                )
    return labels


def with_table(
    labels: Labels, path: Path, contrast: Contrast, speakers: Mapping[str, str]
) -> dict[tuple[str, int], StressLabel]:
    """Decisions, and those of a table of stress or of another contrast, which win."""
    both = dict(labels)
    for key, label in read_labels(path, contrast, speakers).items():
        old = both.get(key, label)
        both[key] = replace(
            label, stress=label.stress or old.stress, value=label.value or old.value
        )
    return both


def idle_labels(labels: Labels, words: Iterable[tuple[str, int, str, str]]) -> list[Problem]:
    """A warning per table that decides about words which can be no tokens."""
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


def check_labels(utterance_id: str, words: tuple[str, ...], labels: Labels) -> None:
    """Raise if a table decides about words that are not there: it was made for other words."""
    for (name, index), label in labels.items():
        if name != utterance_id or index == EVERY_WORD:
            continue
        found = repr(words[index]) if index < len(words) else "missing"
        if index >= len(words) or (label.word and label.word != words[index]):
            raise CorpusError(
                f"{label.table}: word {index} of '{name}' is {found}, the table decides "
                f"about {repr(label.word) if label.word else 'it'}; correct its word_index (from 0)"
            )


def label_of(labels: Labels, utterance_id: str, index: int) -> StressLabel | None:
    """The decision about a word, of its own or of all in its utterance."""
    return labels.get((utterance_id, index)) or labels.get((utterance_id, EVERY_WORD))


def labels_by_utterance(labels: Labels) -> dict[str, dict[tuple[str, int], StressLabel]]:
    """The decisions about each utterance."""
    by_utterance: dict[str, dict[tuple[str, int], StressLabel]] = {}
    for key, label in labels.items():
        by_utterance.setdefault(key[0], {})[key] = label
    return by_utterance
