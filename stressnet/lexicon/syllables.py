"""Syllabification of disyllables by the maximal-onset principle.

Between two vowels, the longest consonant string that may begin an English word goes to the second
syllable: *e.xtra*-like clusters split as ``EH K | S T R AH``. The rule's name, ``maximal-onset``,
belongs into manifests, since the boundary of *lemon*-type words is contested; the two nuclei are
not, and are the primary regions everywhere in stressnet.

Legal onsets are those attested word-initially in CMUdict's ordinary vocabulary (Kahn 1976; Hayes
2009, *Introductory Phonology*, ch. 12), written out below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stressnet.errors import LexiconError
from stressnet.lexicon.pronunciation import bare, is_vowel

RULE_NAME = "maximal-onset"

_SINGLE = "B CH D DH F G HH JH K L M N P R S SH T TH V W Y Z ZH".split()
_CLUSTERS = """
P L|P R|P Y|B L|B R|B Y|T R|T W|T Y|D R|D W|D Y|K L|K R|K W|K Y|G L|G R|G W|G Y
F L|F R|F Y|V Y|TH R|TH W|SH R|HH Y|HH W|M Y|N Y|L Y|S L|S W|S M|S N|S P|S T|S K|S F|S Y
S P L|S P R|S P Y|S T R|S T Y|S K L|S K R|S K W|S K Y
"""
LEGAL_ONSETS: frozenset[tuple[str, ...]] = frozenset(
    {(), *((c,) for c in _SINGLE)}
    | {tuple(c.split()) for c in _CLUSTERS.replace("\n", "|").split("|") if c.strip()}
)
"""Consonant strings that may begin an English syllable, without ``NG``."""


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


def syllabify(phones: Sequence[str]) -> Syllables:
    """Divide the phones of a disyllable, digits optional; not two vowels is a `LexiconError`."""
    vowels = [index for index, phone in enumerate(phones) if is_vowel(phone)]
    if len(vowels) != 2:
        raise LexiconError(
            f"'{' '.join(phones)}' has {len(vowels)} vowels; only disyllables are divided"
        )
    first, second = vowels
    medial = tuple(bare(phone) for phone in phones[first + 1 : second])
    onset_length = next(
        length
        for length in range(len(medial), -1, -1)
        if medial[len(medial) - length :] in LEGAL_ONSETS
    )
    return Syllables((first, second), second - onset_length)
