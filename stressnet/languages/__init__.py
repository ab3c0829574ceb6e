"""Languages as data: a folder each, with ``language.toml`` and lists of words.

See ``docs/languages.md`` for what a folder holds and how to write another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stressnet.errors import ConfigError
from stressnet.languages.phones import OBSTRUENTS, is_arpabet, is_ipa, manner
from stressnet.runs.toml_file import entry, read_toml

if TYPE_CHECKING:
    import pandas as pd

ENGLISH = "en"  # Code of the language that everything is in where nothing else is said


@dataclass(frozen=True)
class Language:
    """What stressnet knows of a language; the fields are the entries of ``language.toml``."""

    code: str  # As in ISO 639: the folder's name
    name: str  # In English
    labels: str  # Where stress labels come from, in a line
    checked: str  # How far they were checked, in a line
    voices: list[str]  # espeak-ng's names; the first pronounces words
    phones: str = "ipa"  # `"arpabet"` or `"ipa"`: how phones are written inside the package
    numbers: str = ""  # As num2words calls it; empty where it does not speak the language
    # Package with a lexicon that marks stress (gruut's), used if it is installed.
    lexicon_package: str = ""
    stemmer: str = ""  # Snowball's name of the language, for word families
    mfa: str = ""  # Dictionary and acoustic model of the Montreal Forced Aligner
    aligner: str = "auto"  # Used where none is asked for
    # Whether a consonant, an obstruent with a liquid, and anything with a glide may begin a
    # syllable.
    sonority: bool = True
    # What may begin one beside or instead: consonants or clusters, phones separated by blanks.
    onsets: list[str] = field(default_factory=list)
    no_onsets: list[str] = field(default_factory=list)  # What may not
    # Corrections of what espeak-ng says, three texts each: which words (a regular expression on the
    # spelling in lower case, empty for all), which phones (one on phones with a blank before and
    # behind each), and what stands instead.
    rewrite: list[str] = field(default_factory=list)
    # Reduced vowels as they are labelled, digits included; empty: the language has none.
    reduced: list[str] = field(default_factory=list)

    def __hash__(self) -> int:
        return hash(self.code)

    @property
    def is_english(self) -> bool:
        """Whether CMUdict, ARPAbet and the models in the package fit."""
        return self.code == ENGLISH

    @property
    def voice(self) -> str:
        """espeak-ng's voice that pronounces words."""
        return self.voices[0]

    @cached_property
    def _clusters(self) -> tuple[frozenset[tuple[str, ...]], frozenset[tuple[str, ...]]]:
        legal, illegal = ({tuple(c.split()) for c in cs} for cs in (self.onsets, self.no_onsets))
        return frozenset(legal), frozenset(illegal)

    def is_onset(self, cluster: tuple[str, ...]) -> bool:
        """Whether consonants without digits may begin a syllable; none may always."""
        legal, illegal = self._clusters
        if cluster in legal or not cluster:
            return True
        if not self.sonority or cluster in illegal:
            return False
        manners = map(manner, cluster)
        return all(
            (after == "glides" and before != "glides")
            or (after == "liquids" and before in OBSTRUENTS)
            for before, after in pairwise(manners)
        )

    @cached_property
    def exceptions(self) -> dict[str, tuple[str, ...]]:
        """Stress patterns of words that espeak-ng gets wrong, from ``exceptions.txt``."""
        lines = (line.split("#")[0].split() for line in self.text("exceptions.txt").splitlines())
        return {capitals(word): tuple(patterns) for word, *patterns in filter(None, lines)}

    def rewritten(self, word: str, phones: Sequence[str]) -> tuple[str, ...]:
        """Phones of a word with the corrections of `rewrite`."""
        text = f" {' '.join(phones)} "
        rules = iter(self.rewrite)
        for spelling, pattern, new in zip(rules, rules, rules, strict=True):
            if re.search(spelling, word.lower()):
                text = re.sub(pattern, new, text)
        return tuple(text.split())

    def is_phone(self, label: str) -> bool:
        """Whether a label is a phone as this language's are written."""
        return is_arpabet(label) if self.phones == "arpabet" else is_ipa(label)

    def text(self, name: str) -> str:
        """A file of the language's folder; empty if there is none."""
        file = _FOLDER / self.code / name
        return file.read_text(encoding="utf-8") if file.is_file() else ""


def language_of(tokens: pd.DataFrame) -> Language:
    """The language of a corpus's table: English where it has no column ``language``."""
    codes = list(tokens["language"].dropna().unique()) if "language" in tokens else []
    return language(*codes[:1])


def capitals(word: str) -> str:
    """A word in upper case; ß becomes ẞ, so that *Maße* and *Masse* stay two words.

    Greek ΐ and ΰ stay, since their capitals would be two characters each.
    """
    upper = word.replace("ß", "ẞ").upper()
    return upper.replace("ΐ".upper(), "ΐ").replace("ΰ".upper(), "ΰ")


_FOLDER = Path(str(resources.files("stressnet.languages")))


def available_languages() -> tuple[str, ...]:
    """Codes of all languages, in alphabetical order."""
    return tuple(sorted(file.parent.name for file in _FOLDER.glob("*/language.toml")))


@cache
def language(code: str = ENGLISH) -> Language:
    """A language by its code.

    Raises `ConfigError` if there is no such language, or its ``language.toml`` lacks or mistypes an
    entry.

    >>> language("es").name, language("es").reduced
    ('Spanish', [])
    """
    if code not in available_languages():
        raise ConfigError(
            f"no language is called '{code}'; there are {', '.join(available_languages())}; "
            f"docs/languages.md says how to add one"
        )
    path = _FOLDER / code / "language.toml"
    values = {"code": code, **read_toml(path, ConfigError)}
    return entry(Language, values, path, "language", ConfigError)
