"""The engine's symbols as phones: ARPAbet for American English, IPA for every other language.

Vowels carry stress digits as *spoken*: a function word that the engine destresses has ``0`` on its
vowel, and a vowel that CMUdict gives ``2`` may come out with ``0``. As in CMUdict, no R follows ER
inside an American word.
"""

import re
import unicodedata

from stressnet.errors import LexiconError
from stressnet.languages.phones import IPA_VOWELS

ARPABET_VOICE = "en-us"  # The engine's language whose phones are written in ARPAbet

_VOWELS = {
    "i": "IY", "iː": "IY", "iːː": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "e": "EH", "ɛ": "EH",
    "æ": "AE", "a": "AE", "aː": "AA", "ɑ": "AA", "ɑː": "AA", "ɒ": "AA", "ɔ": "AO", "ɔː": "AO",
    "o": "OW", "oː": "AO", "ʊ": "UH", "u": "UW", "uː": "UW", "ʌ": "AH", "ə": "AH", "ɐ": "AH",
    "ɜ": "ER", "ɜː": "ER", "ɚ": "ER", "ɝ": "ER", "eɪ": "EY", "aɪ": "AY", "ɔɪ": "OY", "aʊ": "AW",
    "oʊ": "OW", "əʊ": "OW",
}  # fmt: skip
_CONSONANTS = {
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "g": "G", "tʃ": "CH", "dʒ": "JH",
    "f": "F", "v": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH",
    "m": "M", "n": "N", "ŋ": "NG", "l": "L", "ɫ": "L", "ɬ": "L", "ɹ": "R", "r": "R", "j": "Y",
    "w": "W", "ʍ": "W", "x": "K", "ʔ": "T",
}  # fmt: skip
_SEVERAL = {
    "ɪɹ": ("IH", "R"), "iːɹ": ("IH", "R"), "ɛɹ": ("EH", "R"), "ɑːɹ": ("AA", "R"), "ʊɹ": ("UH", "R"),
    "ɔːɹ": ("AO", "R"), "oːɹ": ("AO", "R"), "aɪɚ": ("AY", "ER"), "aʊɚ": ("AW", "ER"),
    "aɪə": ("AY", "AH"), "aʊə": ("AW", "AH"), "iə": ("IY", "AH"), "ɪə": ("IH", "R"),
    "eə": ("EH", "R"), "ɛː": ("EH", "R"), "ʊə": ("UH", "R"), "əl": ("AH", "L"), "l̩": ("AH", "L"),
    "n̩": ("AH", "N"), "m̩": ("AH", "M"), "ɑ̃": ("AA", "N"), "ɔ̃": ("AO", "N"), "nʲ": ("N", "Y"),
    "ɡʲ": ("G", "Y"),
}  # fmt: skip
_SYLLABIC = frozenset({"əl", "l̩", "n̩", "m̩"})
RHOTIC = frozenset({"R", "ER"})  # CMUdict writes no R after these

_VOWEL_NAMES = frozenset(_VOWELS.values())

_MARKS = "\u0300-\u036f\u02b0-\u02c1\u02d0\u02d1\u02e0-\u02e4"  # not the marks of stress
_VOWEL, _CONSONANT = rf"[{IPA_VOWELS}][{_MARKS}]*", rf"[^\W\d_{IPA_VOWELS}{_MARKS}][{_MARKS}]*"
_PHONE = re.compile(
    rf"(?P<vowel>{_CONSONANT}(?<=\u0329)|(?:{_VOWEL})+)|(?:{_CONSONANT})+|[{_MARKS}]+"
)
_NASAL = re.compile(rf"([{IPA_VOWELS}]\u0303[{IPA_VOWELS}])$")


def arpabet(symbol: str, *, spelling: str = "") -> tuple[str, ...]:
    """One symbol of the engine's IPA, with its stress mark, as ARPAbet.

    One or two phones; the first vowel takes the stress digit, a second vowel ``0``. The word's
    ``spelling`` tells a flapped /d/ from a flapped /t/: a flap in a word spelt without *t* is D. A
    symbol that is not known is a `LexiconError`.

    >>> arpabet("ˈɔːɹ"), arpabet("ᵻ"), arpabet("ɾ", spelling="city")
    (('AO1', 'R'), ('IH0',), ('T',))
    """
    bare = symbol.strip("ˈˌ")
    digit = "1" if "ˈ" in symbol else "2" if "ˌ" in symbol else "0"
    if bare == "ɾ":
        return ("D",) if spelling and "t" not in spelling.lower() else ("T",)
    if bare in _CONSONANTS:
        return (_CONSONANTS[bare],)
    if bare in _VOWELS:
        return (_VOWELS[bare] + digit,)
    if bare not in _SEVERAL:
        raise LexiconError(
            f"espeak-ng symbol {symbol!r} has no ARPAbet here"
            f"{f' (in {spelling!r})' if spelling else ''}; use an en-us voice"
        )
    if bare in _SYLLABIC and digit == "2":
        digit = "0"
    phones = []
    for name in _SEVERAL[bare]:
        phones.append(name + digit if name in _VOWEL_NAMES else name)
        if name in _VOWEL_NAMES:
            digit = "0"
    return tuple(phones)


def ipa(symbol: str) -> tuple[str, ...]:
    """One symbol of the engine's IPA, with its stress mark, as phones.

    Some stand for two phones (``"ja"``, ``"əl"``). Vowels, diphthongs and syllabic consonants end
    in a stress digit; affricates are one phone. Marks stay with their letter. Empty for a pause; a
    mark alone belongs to the phone before.

    >>> ipa("ˈaɪ"), ipa("tsː"), ipa("ˈja"), ipa("n̩")
    (('aɪ1',), ('tsː',), ('j', 'a1'), ('n̩0',))
    """
    digit = "1" if "ˈ" in symbol else "2" if "ˌ" in symbol else "0"
    letters = unicodedata.normalize("NFD", symbol.replace("g", "ɡ").replace("ɪ^", "ʲ"))
    phones = []
    for match in _PHONE.finditer(re.sub("[ˈˌ]", "", letters)):
        phone = match.group().replace("c\u0327", "ç")
        if match["vowel"]:
            # The engine's events hold eight bytes, too few for the second of two nasal vowels.
            phone, digit = _NASAL.sub("\\1\u0303", phone) + digit, "0"
        phones.append(phone)
    return tuple(phones)


def phones_of(symbol: str, language: str, spelling: str = "") -> tuple[str, ...]:
    """One symbol in the phones of a language of the engine, ``"en-us"`` or ``"de"``."""
    if language != ARPABET_VOICE:
        # The engine writes y for the last vowel of Brazilian "tarde", which is not rounded.
        return ipa(symbol.replace("y", "ɪ") if language == "pt-br" else symbol)
    return arpabet(symbol, spelling=spelling) if symbol.strip("ˈˌ") else ()


def merged(before: str, phone: str, language: str) -> str | None:
    """The one phone that two symbols in a row stand for, or None if they are two.

    The engine gives Russian ``vʲ`` and the long consonants of Italian as two, and in Portuguese
    has a vowel after taps that is no syllable, and the second part of *ãe* by itself.
    """
    if language.startswith("pt"):
        if (before, phone) == ("ɾ", "ə0"):
            return before
        if before[1:-1] == "\u0303" and phone == "ɪ0":
            return f"{before[:-1]}ɪ\u0303{before[-1]}"
    if before.rstrip("012") in RHOTIC and phone == "R":  # as in CMUdict
        return before
    if re.match(f"[{_MARKS}]", phone):
        return before + phone
    return before + "ː" if before == phone and phone.islower() and phone.isalpha() else None
