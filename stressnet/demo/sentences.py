"""What the demo corpus says: frame sentences filled with target words.

Design
------
A frame has slots, in English for nouns, transitive verbs and adjectives, else for any word, early,
in the middle and late in statements and questions. Whatever the slot, a coin decides the stress
class and then a shuffled deck of that slot and class gives the next word: position, frame, slot and
stress class are independent, and every type comes up about equally often, with different voices.
English noun/verb pairs stand in noun slots ``{N}`` and verb slots ``{V}``. The words of the frames
themselves are no disyllables or function words, so they add no tokens.

Frames and words are ``demo.toml`` of each language's folder; the English words were written by
``scripts/make-demo-words``, which also says how they were chosen.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from stressnet.errors import ConfigError
from stressnet.espeak import Speech
from stressnet.languages import ENGLISH, available_languages, language
from stressnet.lexicon.pronunciation import Pronunciation
from stressnet.lexicon.stress import DISYLLABLES, Stress, WordLengths

_TOKEN = re.compile(r"\{\w\}|[^\W\d_]+(?:'[^\W\d_]+)*")
_PART_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adjective", "N": "noun", "V": "verb", "w": ""}


@dataclass(frozen=True, slots=True)
class Target:
    """A target word in a sentence."""

    word_index: int  # Position among the sentence's words, from 0
    word: str  # Lower case
    part_of_speech: str  # `"noun"`, `"verb"`, `"adjective"`, or `""` where the frame takes any
    stress: Stress  # The class to be spoken
    is_minimal_pair: bool  # Whether the word also has the other reading


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text to speak, with its target words."""

    text: str
    targets: tuple[Target, ...]


@cache
def demo_texts(code: str) -> dict[str, Any]:
    """The language's ``demo.toml``: its ``frames``, and its ``words`` by slot and class."""
    text = language(code).text("demo.toml")
    if not text:
        have = [code for code in available_languages() if language(code).text("demo.toml")]
        raise ConfigError(
            f"the language '{code}' has no demo.toml, which says what to speak; use one of "
            f"{', '.join(have)}"
        )
    return tomllib.loads(text)


def frames(code: str = ENGLISH) -> list[str]:
    """Sentences with slots: ``{n}`` noun, ``{v}`` verb, ``{a}`` adjective, ``{N}``/``{V}`` pairs,
    ``{w}`` any word."""
    return list(demo_texts(code)["frames"])


def target_words(
    code: str = ENGLISH, lengths: WordLengths = DISYLLABLES
) -> dict[tuple[str, Stress], tuple[str, ...]]:
    """The target words by slot and stress class; a `ConfigError` if there are none so long."""
    texts = demo_texts(code)
    words_by_slot = texts.get("words" if lengths == DISYLLABLES else "longer")
    if words_by_slot is None or lengths not in (DISYLLABLES, WordLengths(3, 3)):
        raise ConfigError(
            f"the demo in '{code}' has no words of {lengths} syllables; use --syllables 2, or 3 in "
            f"es"
        )
    return {
        (slot, Stress(stress)): tuple(words.split())
        for slot, classes in words_by_slot.items()
        for stress, words in classes.items()
    }


def frame_words(frame: str) -> list[str]:
    """The words of a frame without punctuation; slots keep their braces."""
    return _TOKEN.findall(frame)


def spoken_stress(
    speech: Speech, word_index: int, lengths: WordLengths = DISYLLABLES
) -> Stress | None:
    """Stress class of a word as its spoken vowels have it, or None if they have no clear one."""
    word = speech.words[word_index]
    phones = [p.label for p in speech.phones if word.contains(p.middle_s)]
    return Pronunciation(tuple(phones)).stress(lengths)


def compose(
    n_sentences: int,
    rng: np.random.Generator,
    code: str = ENGLISH,
    lengths: WordLengths = DISYLLABLES,
) -> Iterator[Sentence]:
    """Sentences in which class, slot, frame and position are independent; all by ``rng``."""
    if n_sentences < 0:
        raise ConfigError(f"n_sentences={n_sentences}; use 0 or more")
    decks = {key: _deck(words, rng) for key, words in target_words(code, lengths).items()}
    coins = {slot: _deck(lengths.classes, rng) for slot in "nvaw"}
    deck = _deck(frames(code), rng)
    for _ in range(n_sentences):
        yield _fill(next(deck), decks, coins)


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
        if not token.startswith("{"):
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
