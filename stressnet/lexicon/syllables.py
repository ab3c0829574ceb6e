"""Syllabification by the maximal-onset principle.

Between two vowels, the longest consonant string that may begin a word of the language goes to the
later syllable: *e.xtra*-like clusters split as ``EH K | S T R AH``. The rule's name,
``maximal-onset``, belongs into manifests, since the boundary of *lemon*-type words is contested;
the nuclei are not, and are the primary regions everywhere in stressnet.

What may begin a word stands in the language's ``language.toml``. The onsets of English are those
attested word-initially in CMUdict's ordinary vocabulary (Kahn 1976; Hayes 2009, *Introductory
Phonology*, ch. 12).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stressnet.errors import LexiconError
from stressnet.languages import ENGLISH, Language, language
from stressnet.languages.phones import bare, is_arpabet, is_vowel

RULE_NAME = "maximal-onset"

_UNKNOWN = Language("", "", "", "", [])


@dataclass(frozen=True, slots=True)
class Syllables:
    """Division of a word."""

    nuclei: tuple[int, ...]  # Indices of the vowels among the phones
    starts: tuple[int, ...]  # Index of every syllable's first phone

    def syllable_of(self, index: int) -> int:
        """The number, from 1, of the syllable of the phone at ``index``."""
        return sum(start <= index for start in self.starts)

    def role_of(self, index: int) -> str:
        """``"onset"``, ``"nucleus"`` or ``"coda"`` of the phone at ``index``."""
        nucleus = self.nuclei[self.syllable_of(index) - 1]
        if index == nucleus:
            return "nucleus"
        return "onset" if index < nucleus else "coda"


def syllabify(phones: Sequence[str], spoken: Language | None = None) -> Syllables:
    """Divide the phones of a word, digits optional; one without vowels is a `LexiconError`."""
    vowels = tuple(index for index, phone in enumerate(phones) if is_vowel(phone))
    if not vowels:
        raise LexiconError(f"'{' '.join(phones)}' has no vowel, and so no syllables")
    rule = spoken or (language(ENGLISH) if is_arpabet(phones[vowels[0]]) else _UNKNOWN)
    starts = [0]
    for first, second in pairwise(vowels):
        medial = tuple(bare(phone) for phone in phones[first + 1 : second])
        start = next(k for k in range(len(medial) + 1) if rule.is_onset(medial[k:]))
        starts.append(first + 1 + start)
    return Syllables(vowels, tuple(starts))
