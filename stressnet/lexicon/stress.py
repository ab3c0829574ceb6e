"""The classes of words by the place of their stress, by name and never by bare number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stressnet.errors import ConfigError


class Stress(StrEnum):
    """Class of a word: the syllable that carries primary stress.

    Disyllables have INITIAL or FINAL stress. Longer words are counted from their end, where the
    rules of most languages look: the last but three, but two, but one, and FINAL.

    Members are strings, so tables hold ``"INITIAL"`` and ``"FINAL"``. Networks need their order,
    which :attr:`class_index` and :attr:`WordLengths.classes` fix.
    """

    INITIAL = "INITIAL"
    PREANTEPENULTIMATE = "PREANTEPENULTIMATE"
    ANTEPENULTIMATE = "ANTEPENULTIMATE"
    PENULTIMATE = "PENULTIMATE"
    FINAL = "FINAL"

    @property
    def class_index(self) -> int:
        """Position among the outputs of a network for disyllables: INITIAL is 0, FINAL is 1."""
        return CLASSES.index(self)

    def syllable(self, n_syllables: int) -> int:
        """Index, from 0, of the stressed syllable of a word of so many."""
        if self is Stress.INITIAL:
            return 0
        return n_syllables - MOST_SYLLABLES + FROM_THE_END.index(self)


CLASSES: tuple[Stress, ...] = (Stress.INITIAL, Stress.FINAL)
"""Order of a network's outputs for disyllables. A logit difference is always INITIAL minus FINAL.
"""

FROM_THE_END = tuple(Stress)[1:]

MOST_SYLLABLES = len(FROM_THE_END)  # Words may be so long


@dataclass(frozen=True)
class WordLengths:
    """How many syllables words have, from ``shortest`` to ``longest``, and hence their classes.

    Raises `ConfigError` if this is not 2 to 4, the shorter first.

    >>> [str(stress) for stress in WordLengths.parse("3").classes]
    ['ANTEPENULTIMATE', 'PENULTIMATE', 'FINAL']
    """

    shortest: int = 2
    longest: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.shortest <= self.longest <= MOST_SYLLABLES:
            raise ConfigError(
                f"words of {self} syllables; use 2, 3, 4, or a range of these such as 2-4"
            )

    @classmethod
    def parse(cls, text: str) -> WordLengths:
        """From ``2``, ``3``, ``2-4``."""
        numbers = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
        if not numbers:
            raise ConfigError(f"syllables {text!r}; use 2, 3, 4, or a range of these such as 2-4")
        return cls(int(numbers[1]), int(numbers[2] or numbers[1]))

    def __str__(self) -> str:
        one = self.shortest == self.longest
        return str(self.longest) if one else f"{self.shortest}-{self.longest}"

    def __contains__(self, n_syllables: int) -> bool:
        return self.shortest <= n_syllables <= self.longest

    @property
    def classes(self) -> tuple[Stress, ...]:
        """The classes, in the order of the syllables and of a network's outputs."""
        return CLASSES if self.longest == 2 else FROM_THE_END[-self.longest :]

    @property
    def adjective(self) -> str:
        """As in *three-syllable words* or *two- to four-syllable words*."""
        if self == DISYLLABLES:
            return "disyllabic"
        names = {2: "two", 3: "three", 4: "four"}
        first = "" if self.shortest == self.longest else f"{names[self.shortest]}- to "
        return f"{first}{names[self.longest]}-syllable"

    def stress_of(self, pattern: str) -> Stress | None:
        """The class of a word whose vowels have these stress digits.

        None if it is too short or too long, or has not exactly one digit 1: ``10`` and ``12`` are
        INITIAL, ``01`` and ``21`` FINAL; ``11`` and ``00`` have no single primary stress.
        """
        if len(pattern) not in self or pattern.count("1") != 1:
            return None
        return self.classes[pattern.index("1") - len(pattern)]


DISYLLABLES = WordLengths()


def logit_difference(logits: Any) -> Any:
    """INITIAL minus FINAL of a network's outputs, shape (..., 2): arrays or tensors."""
    return logits[..., Stress.INITIAL.class_index] - logits[..., Stress.FINAL.class_index]
