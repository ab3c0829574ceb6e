"""How phones are written elsewhere, and how the package writes them.

Files write ARPAbet, in upper or lower case, the IPA with or without tie bars and marks of stress,
as the Montreal Forced Aligner's models do, or X-SAMPA, as WebMAUS does. Which it is, their symbols
tell. English is read as ARPAbet, every other language as the IPA.

Sources: X-SAMPA through https://github.com/jhasegaw/phonecodes; the phones of ``english_mfa`` in
https://mfa-models.readthedocs.io.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from stressnet.errors import LexiconError
from stressnet.espeak.symbols import arpabet
from stressnet.languages import Language
from stressnet.languages.phones import bare, is_arpabet, is_ipa, is_vowel

ARPABET, ARPABET_LOWER, IPA, X_SAMPA = "ARPAbet", "ARPAbet in lower case", "IPA", "X-SAMPA"

FLAP = "DX"  # Stands for `T` or `D` until the word is known
_ARPABET_SHARE = 0.9  # Least share of labels that makes a file ARPAbet; IPA shares a third

_PRIMARY, _SECONDARY = _STRESS_MARKS = "ˈˌ"
_TIDY = {ord("g"): "ɡ", 0x0361: None, 0x035C: None}

_MFA = {
    "aj": "aɪ", "aw": "aʊ", "ej": "eɪ", "ow": "oʊ", "əw": "əʊ", "ɔj": "ɔɪ", "ɒː": "ɒ", "ɛː": "ɛ",
    "ʉ": "u", "ʉː": "u", "ɫ\u0329": "l\u0329", "c": "k", "ɟ": "ɡ", "kp": "k", "ɡb": "ɡ", "ɱ": "m",
    "ɲ": "n", "ɾ\u0303": "n", "ʎ": "l", "ç": "h",
}  # fmt: skip
"""What ``english_mfa`` writes otherwise than espeak-ng."""

_DETAILS = "[ʰʷʲ\u032a\u031f\u0320]"  # Marks of allophones that ARPAbet does not have


def phone_set(labels: Sequence[str], language: Language | None = None) -> str:
    """The set that most labels belong to; lower-case ARPAbet is looked for in English only."""
    names = set(labels)
    if 2 * sum(map(is_arpabet, names)) >= len(names):
        return ARPABET
    n_folded = sum(name.islower() and is_arpabet(name.upper()) for name in names)
    if (language is None or language.is_english) and n_folded >= _ARPABET_SHARE * len(names):
        return ARPABET_LOWER
    return X_SAMPA if sum(map(_is_x_sampa, names)) > sum(map(_is_ipa, names)) else IPA


def read(
    labels: Sequence[str], language: Language | None = None, name: str | None = None
) -> tuple[str, list[tuple[str, ...]]]:
    """Labels as the package writes the phones of a language, and the set that they are of.

    ``labels``: all of one file, without silences; or some of it. ``language``: where it is not
    given, the IPA stays what it is. ``name``: their set, if it is not to be told from these labels
    alone. Returns for each label its phones; a syllabic consonant is two in ARPAbet. Labels that do
    not belong to the set stay as they are, so that whoever checks can name them; all do if the set
    cannot be that of the language.

    >>> from stressnet.languages import language
    >>> read(["h", '"aU', "s"], language("de"))
    ('X-SAMPA', [('h',), ('aʊ1',), ('s',)])
    """
    name = name or phone_set(labels, language)
    if name == ARPABET or (name == IPA and language is None):
        return ARPABET, [(label,) for label in labels]
    if name == ARPABET_LOWER:
        return name, [(label.upper(),) for label in labels]
    phones = as_ipa(labels, name)
    if language is None or not language.is_english:
        return name, [(phone,) for phone in phones]
    mapped = [_arpabet_of(phone) for phone in phones]
    return (name, mapped) if all(mapped) else (ARPABET, [(label,) for label in labels])


def as_ipa(labels: Sequence[str], name: str = IPA) -> list[str]:
    """Labels in the package's IPA: decomposed, without tie bars, with digits for marks of stress.

    A mark before a consonant belongs to the next vowel. Where no vowel is marked none gets a digit.
    """
    if name == X_SAMPA:
        labels = [_from_x_sampa(label) if _is_x_sampa(label) else label for label in labels]
    is_marked = any(label[0] in _STRESS_MARKS for label in labels)
    phones, digit = [], "0"
    for label in labels:
        if not _is_ipa(label):
            phones.append(label)
            continue
        if label[0] in _STRESS_MARKS:
            digit = "1" if label[0] == _PRIMARY else "2"
        phone = unicodedata.normalize("NFD", label.strip(_STRESS_MARKS)).replace("c\u0327", "ç")
        phone = phone.translate(_TIDY)
        if is_marked and is_vowel(phone):
            phone, digit = bare(phone) + digit, "0"
        phones.append(phone)
    return phones


def _is_ipa(label: str) -> bool:
    return is_ipa(label.strip(_STRESS_MARKS))


def _is_x_sampa(label: str) -> bool:
    return label.isascii() and _is_ipa(_from_x_sampa(label))


@cache
def _from_x_sampa(label: str) -> str:
    from phonecodes.phonecodes import xsampa2ipa

    return str(xsampa2ipa(label, "")).strip()


def _arpabet_of(phone: str) -> tuple[str, ...]:
    """A phone of the IPA as ARPAbet; empty if English has none like it."""
    name = re.sub(_DETAILS, "", bare(phone))
    name = _MFA.get(name, name)
    if name == "ɾ":
        return (FLAP,)
    try:
        names = arpabet(name)
    except LexiconError:
        return ()
    if is_vowel(phone) and not name.startswith(("ə", "ɚ")) and len(names) == 1:
        return (bare(names[0]) + phone[len(bare(phone)) :],)
    return names
