"""Nouns and verbs that are spelled alike and do not move their stress, and a guess which it is.

A network may judge part of speech, by accent or place in the sentence, instead of stress: in pairs
such as *record* the two go together. In *answer* and *report* they do not.
"""

from enum import StrEnum
from functools import cache

from stressnet.lexicon.dictionary import read_word_list, shipped_text

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
    return read_word_list(shipped_text("non_shifting.txt"))


def control_base(word: str) -> str | None:
    """The base form behind a word or its form in -s or -ed, None if it is no control.

    >>> control_base("answers"), control_base("REPLIED"), control_base("record")
    ('ANSWER', 'REPLY', None)
    """
    word = word.upper()
    bases = [word.removesuffix(end) + "Y" for end in ("IES", "IED") if word.endswith(end)]
    bases += [word.removesuffix(end) for end in ("ES", "S", "ED", "D")]
    return next((base for base in (word, *bases) if base in non_shifting_words()), None)


def guess_use(word: str, previous: str) -> Use | None:
    """Noun or verb, from the form and the word before, None where they do not tell.

    A determiner, possessive or preposition before makes a noun; *to*, an auxiliary, *not* or a
    subject pronoun makes a verb; forms in -ed are verbs unless a noun is expected. A rule of thumb:
    *to* is sometimes a preposition. ``previous`` is empty at the start of a sentence.
    """
    word, previous = word.upper(), previous.upper()
    if previous in _BEFORE_NOUNS:
        return None if word.endswith("ED") else Use.NOUN
    if previous in _BEFORE_VERBS or previous.endswith(("N'T", "'LL")) or word.endswith("ED"):
        return Use.VERB
    return None
