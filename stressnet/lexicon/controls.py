"""Nouns and verbs that are spelled alike and do not move their stress, and a guess which it is.

A network may judge part of speech, by accent or place in the sentence, instead of stress: in pairs
such as *record* the two go together. In *answer* and *report* they do not.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources

from stressnet.lexicon.dictionary import read_word_list

_BEFORE_NOUNS = frozenset(
    "THE A AN THIS THESE THOSE HIS HER MY YOUR OUR THEIR ITS WHOSE NO EVERY EACH ANY SOME ANOTHER "
    "SUCH OF IN WITH FOR BY WITHOUT FROM AT ON UPON INTO".split()
)
_BEFORE_VERBS = frozenset(
    "TO WILL WOULD SHALL SHOULD CAN COULD MAY MIGHT MUST CANNOT DO DOES DID NOT LET I WE YOU THEY "
    "HE SHE IT WHO".split()
)


class Use(StrEnum):
    """Use of a word in a sentence."""

    NOUN = "noun"
    VERB = "verb"


@cache
def non_shifting_words() -> frozenset[str]:
    """Base forms in upper case; see ``non_shifting.txt`` for the reasons."""
    file = resources.files("stressnet.lexicon").joinpath("non_shifting.txt")
    return read_word_list(file.read_text(encoding="utf-8"))


def control_base(word: str) -> str | None:
    """The base form behind a word or its form in -s or -ed, None if it is no control.

    Examples
    --------
    >>> control_base("answers"), control_base("REPLIED"), control_base("record")
    ('ANSWER', 'REPLY', None)
    """
    word = word.upper()
    for ending, instead in (
        ("", ""),
        ("IES", "Y"),
        ("IED", "Y"),
        ("ES", ""),
        ("S", ""),
        ("ED", ""),
        ("D", ""),
    ):
        if word.endswith(ending):
            base = word.removesuffix(ending) + instead
            if base in non_shifting_words():
                return base
    return None


def guess_use(word: str, previous: str) -> Use | None:
    """Noun or verb, from the form and the word before, None where they do not tell.

    A determiner, possessive or preposition before makes a noun; *to*, an auxiliary, *not* or a
    subject pronoun makes a verb; forms in -ed are verbs unless a noun is expected. A rule of thumb:
    *to* is sometimes a preposition.

    Parameters
    ----------
    word : str
        The control.
    previous : str
        The word before it in the sentence, empty at its start.
    """
    word, previous = word.upper(), previous.upper()
    if previous in _BEFORE_NOUNS:
        return None if word.endswith("ED") else Use.NOUN
    if previous in _BEFORE_VERBS or previous.endswith(("N'T", "'LL")) or word.endswith("ED"):
        return Use.VERB
    return None
