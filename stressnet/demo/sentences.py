"""What the demo corpus says: frame sentences filled with target words.

Design
------
A frame has slots for nouns, transitive verbs and adjectives, early, in the middle and late in
statements and questions. Whatever the slot, a coin decides the stress class and then a shuffled
deck of that part of speech and class gives the next word: position, frame, part of speech and
stress class are independent, and every type comes up about equally often, with different voices.
Noun/verb pairs stand in noun slots ``{N}`` and verb slots ``{V}``. The words of the frames
themselves are monosyllables or function words, so they add no tokens.

The words are in ``words.tsv``, written by ``scripts/make-demo-words``, which also says how they
were chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from stressnet.errors import ConfigError
from stressnet.espeak import Speech
from stressnet.lexicon.pronunciation import Pronunciation
from stressnet.lexicon.stress import CLASSES, Stress

FRAMES: tuple[str, ...] = (
    "The {n} and the {a} {n} {v} the {a} {n} of the {n}.",
    "Will the {a} {n} {v} the {n} and the {a} {n}?",
    "Should we {v} the {a} {n} or {v} the {a} {n}?",
    "They {v} the {a} {n} and {v} the {a} {n}.",
    "This {a} {n} is as {a} as the {a} {n} they {v}.",
    "The {a} {n} and the {a} {n} seem {a} and {a}.",
    "Is the {a} {n} of the {a} {n} and the {n} {a}?",
    "If they {v} the {a} {n} we {v} the {a} {n}.",
    "To {v} the {a} {n} is to {v} the {a} {n}.",
    "We {v} and {v} the {a} {n} and the {a} {n}.",
    "Would the {a} {n} and the {a} {n} be {a} and {a}?",
    "The {a} {n} of the {n} is the {a} {n} they {v}.",
    "What {n} and what {n} {v} the {a} {n} and the {n}?",
    "Do the {n} and the {a} {n} {v} and {v}?",
    "{v} the {a} {n} and {v} the {a} {n} and the {n}.",
    "{a} {n} and {a} {n} {v} the {a} {n}.",
    "The {N} of the {n} and the {n} is {a} and {a}.",
    "Is the {N} of the {a} {n} and the {n} {a}?",
    "The {a} {n} and the {n} {v} and {v} the {N}.",
    "The {N} and the {N} {v} the {a} {n} of the {n}.",
    "The {N} will {V} the {a} {n} of the {a} {n}.",
    "They {V} and {v} the {a} {n} and the {n}.",
    "To {V} the {a} {n} is {a} and {a}.",
    "Should we {V} the {a} {n} or {v} the {N}?",
    "The {a} {n} and the {a} {n} will {V}.",
    "Will they {V} the {a} {n} and then {V} the {n}?",
)
"""Sentences with slots: ``{n}`` noun, ``{v}`` verb, ``{a}`` adjective, ``{N}``/``{V}`` pairs."""

_SLOT = re.compile(r"\{[nvaNV]\}")
_PART_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adjective", "N": "noun", "V": "verb"}


@dataclass(frozen=True, slots=True)
class Target:
    """A disyllabic word in a sentence.

    Parameters
    ----------
    word_index : int
        Position among the sentence's words, from 0.
    word : str
        Lower case.
    part_of_speech : str
        ``"noun"``, ``"verb"`` or ``"adjective"``.
    stress : Stress
        The class to be spoken.
    is_minimal_pair : bool
        Whether the word also has the other reading.
    """

    word_index: int
    word: str
    part_of_speech: str
    stress: Stress
    is_minimal_pair: bool


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text to speak, with its target words."""

    text: str
    targets: tuple[Target, ...]


@lru_cache(maxsize=1)
def target_words() -> dict[tuple[str, Stress], tuple[str, ...]]:
    """The target words by slot (``n v a N V``) and stress class."""
    text = resources.files("stressnet.demo").joinpath("words.tsv").read_text(encoding="utf-8")
    words: dict[tuple[str, Stress], list[str]] = {}
    for line in text.splitlines()[1:]:
        word, slot, stress = line.split("\t")
        words.setdefault((slot, Stress(stress)), []).append(word)
    return {key: tuple(value) for key, value in words.items()}


def frame_words(frame: str) -> list[str]:
    """The words of a frame without punctuation; slots keep their braces."""
    return re.findall(r"\{[nvaNV]\}|[A-Za-z']+", frame)


def spoken_stress(speech: Speech, word_index: int) -> Stress | None:
    """Stress class of a word as its spoken vowels have it, or None if they have no clear one."""
    word = speech.words[word_index]
    phones = [p.label for p in speech.phones if word.contains(p.middle_s)]
    return Pronunciation(tuple(phones)).stress


def compose(n_sentences: int, rng: np.random.Generator) -> Iterator[Sentence]:
    """Sentences in which class, part of speech, frame and position are independent.

    Parameters
    ----------
    n_sentences : int
        How many.
    rng : numpy.random.Generator
        Decides everything.
    """
    if n_sentences < 0:
        raise ConfigError(f"n_sentences={n_sentences}; use 0 or more")
    decks = {key: _deck(words, rng) for key, words in target_words().items()}
    coins = {slot: _deck(CLASSES, rng) for slot in "nva"}
    frames = _deck(FRAMES, rng)
    for _ in range(n_sentences):
        yield _fill(next(frames), decks, coins)


def _deck(cards: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """Cards without end, each once per shuffle; classes come in blocks of two of each."""
    cards = list(cards) * (2 if len(cards) == 2 else 1)
    while True:
        for index in rng.permutation(len(cards)):
            yield cards[index]


def _fill(
    frame: str, decks: dict[tuple[str, Stress], Iterator[str]], coins: dict[str, Iterator[str]]
) -> Sentence:
    targets: list[Target] = []
    text = frame
    for index, token in enumerate(frame_words(frame)):
        if not _SLOT.fullmatch(token):
            continue
        slot = token[1]
        if slot in coins:
            stress = Stress(next(coins[slot]))
        else:
            stress = Stress.INITIAL if slot == "N" else Stress.FINAL
        used = {target.word for target in targets}
        word = next(word for word in decks[slot, stress] if word not in used)
        targets.append(Target(index, word, _PART_OF_SPEECH[slot], stress, slot in "NV"))
        text = text.replace(token, word, 1)
    return Sentence(text, tuple(targets))
