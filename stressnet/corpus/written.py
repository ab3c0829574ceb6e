"""What is read of what is written in a transcript: one normaliser for all transcripts.

A convention (`conventions`) says what is no word. Digits, symbols (`numerals`) and abbreviations in
what remains are put into words. Every change is kept, so that a person can look. A test compares
the table in ``docs/transcripts.md`` with this module.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from stressnet.corpus.conventions import CONVENTIONS, DOUBTFUL, PLAIN, SOUND, Rule
from stressnet.corpus.numerals import SCALES, TRIGGERS, UNITS, ordinal, say
from stressnet.errors import RecipeError
from stressnet.languages import ENGLISH, capitals, language

_APOSTROPHES = dict.fromkeys(map(ord, "’‘‛´`ʼʹ′＇\x91\x92"), "'")
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF]
)  # soft hyphen, zero-width and direction marks
_MISREAD = re.compile(r"(?P<encoding>â€[\S\x9d]|Ã[\x80-\xbf])")
"""UTF-8 that was taken for Windows-1252 and saved again, such as ``â€™`` for an apostrophe."""

_ELISIONS = frozenset("em tis twas cause bout til round cos cuz n".split())
"""Words that begin with an apostrophe, which opens no quotation."""

_FROM, _TO, _END = "\ue001", "\ue002", "\ue003"
_OWN_LETTERS = dict.fromkeys(map(ord, (SOUND, _FROM, _TO, _END)), " ")  # private use, no text
_CLEAN = _INVISIBLE | _APOSTROPHES | _OWN_LETTERS

_WORD = re.compile(rf"{SOUND}|[^\W_]+(?:'[^\W_]+)*'?")

NOT_READABLE = "not readable"  # Rule of what cannot be said and stays as it is


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not read as it is written: the words it became, and which rule did it."""

    written: str
    read: str
    rule: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A transcript as it is read: words in upper case, and changes in the order of the rules.

    ``noises`` are numbers of the words before which something sounds that is no word; the number of
    words for what comes after the last.
    """

    words: tuple[str, ...]
    noises: tuple[int, ...] = ()
    changes: tuple[Change, ...] = ()


ABBREVIATIONS = {
    "mr": "mister",
    "mrs": "missus",
    "prof": "professor",
    "jr": "junior",
    "sr": "senior",
    "vs": "versus",
    "etc": "et cetera",
    "inc": "incorporated",
    "ltd": "limited",
    "dept": "department",
    "approx": "approximately",
    "ave": "avenue",
    "blvd": "boulevard",
    "mt": "mount",
}
"""Abbreviations that are read in one way, with a full stop or, *Mr*, *Mrs* and *etc*, without.

``Dr.`` and ``St.`` stay: the dictionary has both ways to say *DR* and *ST*, and the aligner hears
which it is.
"""

TITLES = {  # Read in full only before a capital letter: *gen.* may be much else
    "capt": "captain",
    "col": "colonel",
    "gen": "general",
    "gov": "governor",
    "hon": "honorable",
    "lt": "lieutenant",
    "rep": "representative",
    "rev": "reverend",
    "sen": "senator",
    "sgt": "sergeant",
}

_DOTTED = {"e.g.": "for example", "i.e.": "that is", "ph.d.": "P H D", "u.k.": "U K"}
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_SHORT = re.compile(
    r"(?P<address>(?<![\w@./])(?:www\.)?[a-z][\w-]{0,40}(?:\.[a-z][\w-]{0,40}){0,3}"
    r"(?:@[a-z][\w-]{0,40}(?:\.[a-z][\w-]{0,40}){1,3}|\.(?:com|org|net|edu|gov)\b(?!@)))"
    r"|(?P<dotted>(?<![\w.])(?:e\.g\.|i\.e\.|Ph\.D\.))"
    r"|(?P<initialism>(?<![\w.])(?:[a-z]\.){2,12}(?:[a-z](?!\w))?)"
    r"|(?P<count>(?<!\w)Nos?\.(?=\s?[0-9]))"
    rf"|(?P<abbreviation>(?<![\w'.])(?:(?:Mrs?|etc)\b\.?|(?:{'|'.join(ABBREVIATIONS)})\.))"
    rf"|(?P<title>(?<![\w'.])(?:{'|'.join(TITLES)})\.(?=\s+(?-i:[A-Z])))"
    rf"|(?P<date>(?<!\w)(?-i:{_MONTHS})\s[1-3]?[0-9](?=\s?(?:[,.;:!?]|$|[12][0-9]{{3}}\b)))",
    re.IGNORECASE | re.ASCII,
)


def _decoded(text: str) -> str:
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return {"â€\x9d": "”"}.get(text, text)


def _address(text: str) -> str:
    text = re.sub(r"^www\.", "W W W dot ", text, flags=re.IGNORECASE)
    return text.replace("@", " at ").replace(".", " dot ").replace("-", " dash ")


def _date(text: str) -> str:
    month, day = text.split()
    return f"{month} {ordinal(day)}" if 1 <= int(day) <= 31 else text


_SHORT_RULE = Rule(
    _SHORT,
    {
        "address": _address,
        "dotted": lambda text: f"{_DOTTED[text.lower()]} ",
        "initialism": lambda text: " ".join(text.replace(".", "").upper()),
        "count": lambda text: "numbers " if text[2] == "s" else "number ",
        "abbreviation": lambda text: f"{ABBREVIATIONS[text.rstrip('.').lower()]} ",
        "title": lambda text: f"{TITLES[text.rstrip('.').lower()]} ",
        "date": _date,
    },
)
_ENTITY = Rule(
    re.compile(r"(?P<entity>&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8}[0-9]?);)", re.IGNORECASE),
    {"entity": html.unescape},
)
_ENCODING = Rule(_MISREAD, {"encoding": _decoded})
_PIECE = re.compile(
    rf"(?<!\S)[^\s{TRIGGERS}]*[{TRIGGERS}]\S*"
    rf"(?: (?:{SCALES}|%|[123]/[234]|(?i:{'|'.join(map(re.escape, UNITS))}))(?![\w/]))?"
)
_LEFT = re.compile(r"[\[\]{}<>|~^\\§©®™♪]")


@dataclass(frozen=True)
class Normaliser:
    """How transcripts are read, in one of `CONVENTIONS` and a language, given by its code.

    ``rules`` are a person's own, before those of the convention: a regular expression in the syntax
    of RE2, whose search takes linear time, and what is put in its place, with ``\\1`` for groups.
    """

    convention: str = "plain"
    rules: tuple[tuple[str, str], ...] = ()
    language: str = ENGLISH

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise RecipeError(
                f"convention '{self.convention}' is unknown; there are {', '.join(CONVENTIONS)}"
            )
        language(self.language)
        for rule in self.rules:
            _replace_own(rule, "", [])

    def read(self, text: str) -> Reading:
        """The words of a transcript, and what is not read as it is written.

        >>> Normaliser().read("Susan: Mr. Hill has 21 [laughter] per- permits").words
        ('MISTER', 'HILL', 'HAS', 'TWENTY', 'ONE', 'PERMITS')
        """
        changes: list[Change] = []
        text = text.encode("utf-8", "replace").decode()
        text = _apply(_ENCODING, text, changes)
        if self.convention != "librispeech":
            text = _apply(_ENTITY, text, changes)
        text = unicodedata.normalize("NFC", text).translate(_CLEAN)
        for own in self.rules:
            text = _replace_own(own, text, changes)
        for rule in CONVENTIONS[self.convention]:
            text = _apply(rule, text, changes)
        if self.convention != "librispeech":
            text = self._in_words(text, changes)
        words: list[str] = []
        noises: list[int] = []
        for word in _without_quotes(text):
            if word != SOUND:
                words.append(capitals(word))
            elif noises[-1:] != [len(words)]:
                noises.append(len(words))
        return Reading(tuple(words), tuple(noises), tuple(changes))

    def _in_words(self, text: str, changes: list[Change]) -> str:
        """The text with abbreviations, numbers and symbols in words, as far as they can be said."""

        def replaced(match: re.Match[str]) -> str:
            piece = match[0].replace(SOUND, "")
            head, _, tail = piece.partition(" ")
            said = say(piece, numbers)
            if said is None and tail and (said := say(head, numbers)):
                said = f"{said[0]} {tail}", said[1]
            words, kind = said or (piece, NOT_READABLE)
            changes.append(Change(piece, words if said else "", kind))
            return words

        numbers = language(self.language).numbers
        if self.language == ENGLISH:
            text = _apply(_SHORT_RULE, text, changes)
        text = _PIECE.sub(replaced, text)
        for symbol in _LEFT.findall(text):
            changes.append(Change(symbol, "", "bracket" if symbol in "[]{}<>" else "symbol"))
        return text


def _without_quotes(text: str) -> Iterator[str]:
    """Words and sounds of a text, apostrophes that close a quotation left out."""
    matches = list(_WORD.finditer(text))
    n_ends = sum(match[0].endswith("'") for match in matches)
    is_open, end = False, 0
    for match in matches:
        word, start = match[0], match.start()
        gap, end = text[end:start], match.end()
        is_open = is_open and "'" not in gap[:-1]
        if gap.endswith("'") and word.rstrip("'").lower() not in _ELISIONS:
            is_open = True
        if word.endswith("'"):
            n_ends -= 1
            if is_open and not (n_ends and word[-2] in "sS"):
                word, is_open = word[:-1], False
        yield word


def _apply(rule: Rule, text: str, changes: list[Change]) -> str:
    """The text with what a rule's pattern finds replaced."""

    def replaced(match: re.Match[str]) -> str:
        kind = str(match.lastgroup)
        said = rule.read[kind]
        read = said if isinstance(said, str) else said(match[0])
        if read != match[0] or kind == DOUBTFUL:
            written, words = (" ".join(t.replace(SOUND, " ").split()) for t in (match[0], read))
            changes.append(Change(written, words, kind))
        return read

    return rule.pattern.sub(replaced, text)


def _replace_own(rule: tuple[str, str], text: str, changes: list[Change]) -> str:
    """The text after a person's own rule, which RE2 searches in linear time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pattern, replacement = rule
    between = f"{_FROM}\\0{_TO}{replacement}{_END}"
    try:
        (result,) = pc.replace_substring_regex(
            pa.array([text]), pattern=pattern, replacement=between
        ).to_pylist()
    except pa.ArrowInvalid as error:
        raise RecipeError(
            f"rule '{pattern}' -> '{replacement}' cannot be used ({str(error).splitlines()[0]}); "
            f"write it in the syntax of RE2, without lookaround and backreferences"
        ) from error

    def replaced(match: re.Match[str]) -> str:
        if match[1] != match[2]:
            written, words = (" ".join(part.split()) for part in match.groups())
            changes.append(Change(written, words, "own rule"))
        return match[2]

    return re.sub(f"{_FROM}([^{_TO}]*){_TO}([^{_END}]*){_END}", replaced, str(result))


def is_mark(label: str) -> bool:
    """Whether the label of an interval is nothing but a mark, such as ``[laughter]``."""
    return PLAIN.pattern.fullmatch(unicodedata.normalize("NFC", label).strip()) is not None


def split_words(text: str, code: str = ENGLISH) -> tuple[str, ...]:
    """Words of a transcript in the convention ``plain``, in a language.

    >>> split_words("The rebel's well-known protest -- didn’t last.")
    ('THE', "REBEL'S", 'WELL', 'KNOWN', 'PROTEST', "DIDN'T", 'LAST')
    """
    return Normaliser(language=code).read(text).words
