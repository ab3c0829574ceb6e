"""Languages as data: phones of every set, packs, syllables."""

from __future__ import annotations

import pytest

from stressnet.errors import ConfigError
from stressnet.languages import available_languages, language
from stressnet.languages.phones import is_ipa, is_vowel, manner
from stressnet.lexicon.syllables import syllabify


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("a1", "vowels"), ("ɛː2", "vowels"), ("aɪ̯1", "vowels"), ("aj", "vowels"), ("ĩ", "vowels"),
        ("n̩", "vowels"), ("ɫ̩0", "vowels"), ("ʊ̯", "glides"), ("tʃ", "affricates"),
        ("t͡ʃ", "affricates"), ("pf", "affricates"), ("pʰ", "stops"), ("t̪", "stops"),
        ("ɟ", "stops"), ("kʷ", "stops"), ("tː", "stops"), ("ç", "fricatives"), ("ʎ", "liquids"),
        ("AH0", "vowels"), ("T", "stops"), ("T0", None), ("a12", None), ("1", None), ("a?", None),
    ],
)  # fmt: skip
def test_manner_of_phones_of_both_alphabets(phone: str, expected: str | None) -> None:
    assert manner(phone) == expected
    assert is_vowel(phone) == (expected == "vowels")
    assert is_ipa(phone) == (expected is not None and phone not in ("AH0", "T"))


@pytest.mark.parametrize(
    ("code", "divided"),
    [
        ("es", "ɾ i1 t . m o0"), ("es", "i1 s . l a0"), ("es", "o1 . t ɾ o0"),
        ("es", "a1 . ɣ w a0"), ("it", "p a1 . s t a0"), ("de", "f ɛ1 n s . t ɐ0"),
        ("ru", "v o1 l . k u0"), ("de", "z ɪ1 ŋ . ə0 n"),
    ],
)  # fmt: skip
def test_syllables_by_the_rule_of_the_language(code: str, divided: str) -> None:
    phones = divided.replace(". ", "").split()
    assert syllabify(phones, language(code)).boundary == divided.split().index(".")


def test_packs_are_whole() -> None:
    assert {"de", "en", "es", "it", "nl", "pt", "ru"} <= set(available_languages())
    for code in available_languages():
        pack = language(code)
        assert pack.name and pack.labels and pack.checked and pack.voices
        assert all(map(is_vowel, pack.reduced)) or pack.is_english
        assert all(pack.is_phone(phone) for onset in pack.onsets for phone in onset.split())


def test_an_unknown_language_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"'xx'; there are de, en, es.*docs/languages"):
        language("xx")
