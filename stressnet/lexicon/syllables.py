"""Syllabification of disyllables by the maximal-onset principle.

Between two vowels, the longest consonant string that may begin a word of the language goes to the
second syllable: *e.xtra*-like clusters split as ``EH K | S T R AH``. The rule's name,
``maximal-onset``, belongs into manifests, since the boundary of *lemon*-type words is contested;
the two nuclei are not, and are the primary regions everywhere in stressnet.

What may begin a word stands in the language's ``language.toml``. The onsets of English are those
attested word-initially in CMUdict's ordinary vocabulary (Kahn 1976; Hayes 2009, *Introductory
Phonology*, ch. 12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stressnet.errors import LexiconError
from stressnet.languages import ENGLISH, Language, language
from stressnet.languages.phones import bare, is_arpabet, is_vowel

RULE_NAME = "maximal-onset"

_UNKNOWN = Language("", "", "", "", [])


@dataclass(frozen=True, slots=True)
class Syllables:
    """Division of a disyllable.

    Parameters
    ----------
    nuclei : tuple of int
        Indices of the two vowels among the phones.
    boundary : int
        Index of the second syllable's first phone.
    """

    nuclei: tuple[int, int]
    boundary: int

    def syllable_of(self, index: int) -> int:
        """1 or 2, the syllable of the phone at ``index``."""
        return 1 if index < self.boundary else 2

    def role_of(self, index: int) -> str:
        """``"onset"``, ``"nucleus"`` or ``"coda"`` of the phone at ``index``."""
        nucleus = self.nuclei[self.syllable_of(index) - 1]
        if index == nucleus:
            return "nucleus"
        return "onset" if index < nucleus else "coda"


def syllabify(phones: Sequence[str], spoken: Language | None = None) -> Syllables:
    """Divide the phones of a disyllable, digits optional; not two vowels is a `LexiconError`.

    ``spoken`` is their language; where it is not given, the IPA is divided by sonority.
    """
    vowels = [index for index, phone in enumerate(phones) if is_vowel(phone)]
    if len(vowels) != 2:
        raise LexiconError(
            f"'{' '.join(phones)}' has {len(vowels)} vowels; only disyllables are divided"
        )
    first, second = vowels
    rule = spoken or (language(ENGLISH) if is_arpabet(phones[first]) else _UNKNOWN)
    medial = tuple(bare(phone) for phone in phones[first + 1 : second])
    start = next(k for k in range(len(medial) + 1) if rule.is_onset(medial[k:]))
    return Syllables((first, second), first + 1 + start)
