"""Syllable boundaries of every disyllable in the dictionary, and of words by hand."""

from __future__ import annotations

import pytest

from stressnet.errors import LexiconError
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.lexicon.pronunciation import bare, is_vowel
from stressnet.lexicon.syllables import RULE_NAME, syllabify

LEGAL_ONSETS = {(), *(tuple(onset.split()) for onset in language(ENGLISH).onsets)}


def test_every_disyllable_divides_before_its_longest_legal_onset() -> None:
    dictionary = load_dictionary()
    n_disyllables = 0
    for word in dictionary.words():
        for variant in dictionary.variants(word):
            if variant.n_syllables != 2:
                continue
            n_disyllables += 1
            phones = variant.phones
            parts = syllabify(phones)
            first, second = parts.nuclei
            assert is_vowel(phones[first]) and is_vowel(phones[second]), word
            assert first < parts.starts[1] <= second, word
            onset = tuple(bare(phone) for phone in phones[parts.starts[1] : second])
            assert onset in LEGAL_ONSETS, (word, onset)
            if parts.starts[1] > first + 1:
                longer = (bare(phones[parts.starts[1] - 1]), *onset)
                assert longer not in LEGAL_ONSETS, (word, longer)
            roles = [parts.role_of(i) for i in range(len(phones))]
            assert roles.count("nucleus") == 2, word
            assert [parts.syllable_of(i) for i in range(len(phones))] == [1] * parts.starts[1] + [
                2
            ] * (len(phones) - parts.starts[1]), word
    assert n_disyllables == 61_958 + 5


@pytest.mark.parametrize(
    ("phones", "divided"),
    [
        ("EH1 K S T R AH0", "EH1 K . S T R AH0"),
        ("W AO1 T ER0", "W AO1 . T ER0"),
        ("AE1 T L AH0 S", "AE1 T . L AH0 S"),
        ("S IH1 NG ER0", "S IH1 NG . ER0"),
        ("P ER0 M IH1 T", "P ER0 . M IH1 T"),
        ("K EY1 AA0 S", "K EY1 . AA0 S"),
        ("IH0 N S T R AH1 K T", "IH0 N . S T R AH1 K T"),
        ("AH0 B AW1 T", "AH0 . B AW1 T"),
        ("W AO T ER", "W AO . T ER"),
    ],
)
def test_divisions_by_hand(phones: str, divided: str) -> None:
    before = divided.split(" . ")[0].split()
    assert syllabify(phones.split()).starts[1] == len(before)


def test_roles() -> None:
    parts = syllabify("S T R IH1 NG IH0 Z".split())
    assert [parts.role_of(i) for i in range(7)] == [
        "onset",
        "onset",
        "onset",
        "nucleus",
        "coda",
        "nucleus",
        "coda",
    ]


def test_longer_words_and_monosyllables() -> None:
    banana = syllabify("B AH0 N AE1 N AH0".split())
    assert (banana.nuclei, banana.starts) == ((1, 3, 5), (0, 2, 4))
    assert [banana.syllable_of(k) for k in range(6)] == [1, 1, 2, 2, 3, 3]
    assert banana.role_of(4) == "onset"
    assert syllabify("K AE1 T".split()).starts == (0,)
    with pytest.raises(LexiconError, match="has no vowel"):
        syllabify(["T"])


def test_no_onset_holds_what_english_forbids() -> None:
    assert RULE_NAME == "maximal-onset"
    assert () in LEGAL_ONSETS
    assert not any("NG" in onset for onset in LEGAL_ONSETS)
    assert not {("T", "L"), ("D", "L"), ("K", "N"), ("P", "S")} & LEGAL_ONSETS
    assert {("S", "T", "R"), ("S", "K", "W"), ("TH", "R"), ("ZH",)} <= LEGAL_ONSETS
