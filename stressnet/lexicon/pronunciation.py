"""A pronunciation and what can be read off it: syllable count and stress.

Conventions
-----------
Vowels carry a digit: 1 primary stress, 2 secondary, 0 none. The stress pattern of a word is the
string of its digits, e.g. ``"10"`` for *record* (noun) and ``"21"`` for *import* (verb).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stressnet.languages import ENGLISH, language
from stressnet.languages.phones import CONSONANTS, VOWELS, bare, is_arpabet, is_vowel
from stressnet.lexicon.stress import DISYLLABLES, Stress, WordLengths

__all__ = [
    "CONSONANTS",
    "REDUCED_VOWELS",
    "VOWELS",
    "Pronunciation",
    "bare",
    "is_arpabet",
    "is_vowel",
    "segment_identical",
]


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One dictionary variant of a word, e.g. of the phones ``("P", "ER0", "M", "IH1", "T")``."""

    phones: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Pronunciation:
        """From phones separated by spaces."""
        return cls(tuple(text.split()))

    def __str__(self) -> str:
        return " ".join(self.phones)

    @property
    def stress_pattern(self) -> str:
        """Stress digits of the vowels in order, ``""`` where a vowel has none."""
        return "".join(phone[-1] for phone in self.phones if phone[-1:].isdigit())

    def with_stress(self, pattern: str) -> Pronunciation:
        """The same phones with other digits on the vowels, one for each."""
        digits = iter(pattern)
        return Pronunciation(
            tuple(bare(p) + next(digits) if is_vowel(p) else p for p in self.phones)
        )

    @property
    def n_syllables(self) -> int:
        """Number of vowels."""
        return sum(is_vowel(phone) for phone in self.phones)

    def stress(self, lengths: WordLengths = DISYLLABLES) -> Stress | None:
        """The class, or None for another length, a vowel without digit, or not exactly one 1."""
        pattern = self.stress_pattern
        return lengths.stress_of(pattern) if len(pattern) == self.n_syllables else None

    @property
    def segments(self) -> tuple[str, ...]:
        """Phones without stress digits."""
        return tuple(bare(phone) for phone in self.phones)


REDUCED_VOWELS = tuple(language(ENGLISH).reduced)
"""Labels of English reduced vowels: schwas, barred i, and CMUdict's unstressed AH, ER, IH. IH0 is
the vowel of *exact*; any other vowel is full, also without stress."""


def segment_identical(first: Sequence[Pronunciation], second: Sequence[Pronunciation]) -> bool:
    """Whether some variant of ``first`` has the same segments as some variant of ``second``.

    A vowel without stress (digit 0) is another segment than the same vowel with primary or
    secondary stress: AH0 is a schwa, AH1 the vowel of *but*, and CMUdict writes AA0 and ER0 where
    speakers reduce, too.
    """

    def without_degree(variants: Sequence[Pronunciation]) -> set[tuple[str, ...]]:
        return {tuple(phone.replace("2", "1") for phone in v.phones) for v in variants}

    return bool(without_degree(first) & without_degree(second))
