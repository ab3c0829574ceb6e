"""Pronunciation by rule, held against CMUdict."""

from __future__ import annotations

import random

import pytest

from stressnet.errors import LexiconError
from stressnet.espeak import edit_distance
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.lexicon.g2p import g2p
from stressnet.lexicon.pronunciation import VOWELS, Pronunciation

CONSONANTS = frozenset("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split())


@pytest.fixture(scope="module")
def sample() -> list[tuple[str, Pronunciation, tuple[Pronunciation, ...]]]:
    dictionary = load_dictionary()
    words = sorted(w for w in dictionary.words() if w.isalpha() and w.isascii() and len(w) > 1)
    chosen = random.Random(1).sample(words, 600)
    return [(w, Pronunciation(g2p(w)), dictionary.variants(w)) for w in chosen]


def test_phones_and_digits_are_cmudicts(sample):
    for word, pronunciation, _ in sample:
        assert {p.rstrip("012") for p in pronunciation.phones} <= VOWELS | CONSONANTS, word
        vowels = [p for p in pronunciation.phones if p.rstrip("012") in VOWELS]
        assert all(v[-1] in "012" for v in vowels), word
        assert pronunciation.stress_pattern.count("1") == 1, word


def test_phone_error_rate(sample):
    errors = total = 0
    for _, guess, variants in sample:
        distance, length = min(
            (edit_distance(guess.segments, v.segments), len(v.phones)) for v in variants
        )
        errors, total = errors + distance, total + length
    assert errors / total < 0.12


def test_stress_of_disyllables(sample):
    agree = [
        guess.stress_pattern.index("1") in {v.stress_pattern.find("1") for v in variants}
        for _, guess, variants in sample
        if guess.n_syllables == 2 and any(v.n_syllables == 2 for v in variants)
    ]
    assert len(agree) > 200
    assert sum(agree) / len(agree) > 0.88


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("blick", "B L IH1 K"),
        ("city", "S IH1 T IY0"),
        ("button", "B AH1 T AH0 N"),
        ("little", "L IH1 T AH0 L"),
        ("north", "N AO1 R TH"),
        ("BEER", "B IH1 R"),
        ("idea", "AY0 D IY1 AH0"),
    ],
)
def test_known_words(word, phones):
    assert " ".join(g2p(word)) == phones


@pytest.mark.parametrize("word", ["", " ", "1234", "a1", "two words", "--", "'"])
def test_no_word(word):
    with pytest.raises(LexiconError):
        g2p(word)


@pytest.mark.parametrize("word", ["hmm", "psst", "tsk", "x", "o'clock", "mother-in-law"])
def test_every_word_has_a_vowel(word):
    assert Pronunciation(g2p(word)).n_syllables >= 1
