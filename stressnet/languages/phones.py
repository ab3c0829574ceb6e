"""Phones: what a symbol of ARPAbet or of the IPA stands for.

Inside the package a phone is one string: ARPAbet for English (``"AH0"``), the IPA for every other
language (``"tʃ"``, ``"aɪ̯1"``). Vowels of both carry the stress digit at their end: 1 primary, 2
secondary, 0 none; vowels that nobody marked for stress have no digit. ARPAbet is of upper-case
ASCII, which the IPA never is, so one function answers for both.
"""

import unicodedata
from functools import lru_cache

VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
"""ARPAbet vowels without stress digits; ``AX`` and ``AXR`` of other sets are folded by readers."""

MANNERS: dict[str, frozenset[str]] = {
    "stops": frozenset("P B T D K G".split()),
    "fricatives": frozenset("F V TH DH S Z SH ZH HH".split()),
    "affricates": frozenset("CH JH".split()),
    "nasals": frozenset("M N NG".split()),
    "liquids": frozenset("L R".split()),
    "glides": frozenset("W Y".split()),
}
"""ARPAbet consonants by manner of articulation."""

CONSONANTS = frozenset().union(*MANNERS.values())  # ARPAbet consonants as CMUdict uses them

OBSTRUENTS = frozenset({"stops", "affricates", "fricatives"})

IPA_VOWELS = "iyɨʉɯuɪʏʊeøɘɵɤoəɛœɜɞʌɔæɐaɶɑɒɚɝᵻᵿ"  # Letters of vowels in IPA

_IPA = {
    "vowels": IPA_VOWELS,
    "stops": "pbtdʈɖcɟkɡqɢʔʡɓɗʄɠʛ",
    "fricatives": "ɸβfvθðszʃʒʂʐçʝxɣχʁħʕhɦɕʑɬɮɧʍʜʢ",
    "nasals": "mɱnɳɲŋɴ",
    "liquids": "lɭʎʟɫɺrɹɻɾɽʀⱱʙ",
    "glides": "jwɥɰʋ",
}
_MANNER_OF = {letter: manner for manner, letters in _IPA.items() for letter in letters} | {
    phone: manner for manner, phones in MANNERS.items() for phone in phones
}
_NOT_SYLLABIC, _SYLLABIC = "\u032f\u0311", "\u0329\u030d"


def bare(phone: str) -> str:
    """The phone without its stress digit: ``bare("AH0") == "AH"``."""
    return phone.rstrip("012")


@lru_cache(maxsize=4096)
def manner(phone: str) -> str | None:
    """``"vowels"``, a key of `MANNERS`, or None if it is no phone of ARPAbet or the IPA.

    Diacritics, lengths and stress digits do not matter; a consonant that is marked as syllabic is
    among the vowels, a stop that ends in a fricative is an affricate.

    >>> manner("AH0"), manner("aɪ̯1"), manner("t̪ʰ"), manner("n̩"), manner("tʃː"), manner("x1")
    ('vowels', 'vowels', 'stops', 'vowels', 'affricates', None)
    """
    name = bare(phone)
    if name in VOWELS:
        return "vowels" if len(phone) - len(name) < 2 else None
    if name in CONSONANTS:
        return _MANNER_OF[name] if name == phone else None
    manners: list[str] = []
    for letter in unicodedata.normalize("NFD", name).replace("c\u0327", "ç"):
        if letter in _NOT_SYLLABIC and manners:
            manners[-1] = "glides"
        elif letter in _SYLLABIC:
            manners.append("vowels")
        elif letter in _MANNER_OF:
            manners.append(_MANNER_OF[letter])
        elif unicodedata.category(letter) not in ("Mn", "Lm", "Sk"):
            return None
    if "vowels" in manners:
        return "vowels" if len(phone) - len(name) < 2 else None
    if not manners or name != phone:
        return None
    return "affricates" if manners[-1] == "fricatives" and manners[0] == "stops" else manners[0]


def is_vowel(phone: str) -> bool:
    """Whether a phone of ARPAbet or the IPA, with or without digit, is a vowel."""
    return manner(phone) == "vowels"


def is_arpabet(phone: str) -> bool:
    """Whether ``phone`` is a consonant, or a vowel with or without its stress digit."""
    return phone in CONSONANTS or phone in VOWELS or (phone[:-1] in VOWELS and phone[-1] in "012")


def is_ipa(phone: str) -> bool:
    """Whether ``phone`` is written in the IPA, vowels with or without a stress digit at the end."""
    return not is_arpabet(phone) and manner(phone) is not None
