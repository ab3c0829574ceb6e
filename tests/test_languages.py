"""Languages as data: phones of every set, packs, syllables."""

from __future__ import annotations

from pathlib import Path

import pytest

from stressnet.errors import ConfigError, LexiconError
from stressnet.languages import available_languages, language
from stressnet.languages.phones import is_ipa, is_vowel, manner
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.lexicon.families import word_families
from stressnet.lexicon.notation import read
from stressnet.lexicon.stress import Stress
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


@pytest.mark.parametrize(
    ("labels", "code", "name", "phones"),
    [
        ("t ˈe ɾ m i n o", "es", "IPA", "t e1 ɾ m i0 n o0"),
        ("ˈt a v o l a t͡ʃ", "it", "IPA", "t a1 v o0 l a0 tʃ"),
        ("a1 s a0", "es", "IPA", "a1 s a0"),
        ("h aU s E: t C @ S 2: 6", "de", "X-SAMPA", "h aʊ s ɛː t ç ə ʃ øː ɐ"),
        ("HH AW S", "de", "ARPAbet", "HH AW S"),
        ("dh ah0 k ae1 t", "en", "ARPAbet in lower case", "DH AH0 K AE1 T"),
        ("t̪ ej pʰ ɫ̩ ɾ ə ɟ ʎ ɔj", "en", "IPA", "T EY P AH0 L DX AH0 G L OY"),
        ("p ə ˈɹ aɪ", "en", "IPA", "P AH0 R AY1"),
        ("P AH noise brth R IY D", "en", "ARPAbet", "P AH noise brth R IY D"),
    ],
)
def test_phone_sets_are_told_by_their_symbols(
    labels: str, code: str, name: str, phones: str
) -> None:
    told, found = read(labels.split(), language(code))
    assert told == name
    assert " ".join(phone for several in found for phone in several) == phones


def test_stress_of_words_in_other_languages() -> None:
    spanish = load_dictionary(None, "es")
    entries = {word: spanish.entry(word) for word in ("casa", "reloj", "llegó", "término", "x1")}
    assert [getattr(entry, "stress", None) for entry in entries.values()] == [
        Stress.INITIAL, Stress.FINAL, Stress.FINAL, None, None
    ]  # fmt: skip
    assert entries["casa"].source == "espeak" and entries["casa"].second is None
    german = load_dictionary(None, "de")
    assert german.pronounce("Maße") != german.pronounce("Masse")


def test_a_dictionary_of_ones_own_wins(tmp_path: Path) -> None:
    own = tmp_path / "own.dict"
    own.write_text("casa\t0.99\t0.2\t1.0\t1.0\tk a ˈs a\nfin  f i n\n", encoding="utf-8")
    entry = load_dictionary(own, "es").entry("CASA")
    assert entry.stress is Stress.FINAL
    assert (entry.source, entry.second) == ("dictionary", Stress.INITIAL)
    own.write_text("casa  k a s a\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=r"own.dict, line 1: vowel 'a' in 'casa' lacks its"):
        load_dictionary(own, "es")
    own.write_text("casa  K AA1 S AA0\n", encoding="utf-8")
    with pytest.raises(LexiconError, match="'K' in 'casa' is no phone of the IPA or X-SAMPA"):
        load_dictionary(own, "es")


def test_families_of_other_languages() -> None:
    families = word_families(["CANTA", "CANTÓ", "RELOJ", "RELOJES"], "es")
    assert families["CANTA"] == families["CANTÓ"] != families["RELOJ"] == families["RELOJES"]
