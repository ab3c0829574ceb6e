"""What networks tell apart: classes of words by name and in order, and the column that holds them.

Stress is one contrast; accented or not, question or statement, a speaker's first language are
others. Nothing else fixes which class comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stressnet.errors import ConfigError, StressnetError
from stressnet.lexicon.stress import CLASSES, DISYLLABLES, FROM_THE_END, Stress, WordLengths

if TYPE_CHECKING:
    import pandas as pd

_TEXT = re.compile(r"(?:([^:=]*):)?([^:=]*)=([^:=]*)")
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")
_CLASS = re.compile(r"[^\W_][\w-]*")
_TAKEN = {
    *Stress,
    *"ALL BAD VARIES TOKENS WORDS SPEAKERS SEEDS MISSING EXPLAINED VALUE HOLM BH".split(),
}
"""What class names would be mistaken for, in cells or in names of columns such as ``n_words``."""


@dataclass(frozen=True)
class Contrast:
    """A column of the tables, and its classes in the order of a network's outputs.

    Positive relevance of the difference of two outputs speaks for the first class. Raises
    :class:`ConfigError` if column or classes cannot be names of columns and files.

    Examples
    --------
    >>> accent = Contrast.parse("sentence accent: accent = ACCENTED, UNACCENTED")
    >>> accent.column, accent.classes, accent.predicted, accent.p
    ('accent', ('ACCENTED', 'UNACCENTED'), 'accent_predicted', 'p_accented')
    """

    column: str = "stress"
    classes: tuple[str, ...] = CLASSES
    name: str = "stress"

    def __post_init__(self) -> None:
        if self.is_stress:
            return
        where, twice = f"contrast {self.column!r}", len(set(self.classes)) < len(self.classes)
        if not _COLUMN.fullmatch(self.column):
            raise ConfigError(f"{where}: names a column; use small letters a to z, digits and _")
        if len(self.classes) != 2 or twice:
            raise ConfigError(f"{where}: classes are {', '.join(self.classes)}; name two")
        for one in self.classes:
            if not _CLASS.fullmatch(one) or one in _TAKEN:
                why = "means something else" if one in _TAKEN else "is no name"
                raise ConfigError(f"{where}: class {one!r} {why}; use letters, digits, _ and -")

    @classmethod
    def parse(cls, text: str) -> Contrast:
        """From ``COLUMN=FIRST,SECOND``, with ``NAME:`` in front if that is not its column."""
        found = _TEXT.fullmatch(text)
        if not found or found[2].strip() == STRESS.column:
            raise ConfigError(
                f"contrast {text!r}: expected COLUMN=FIRST,SECOND, such as "
                f"accent=ACCENTED,UNACCENTED; stress is what is told apart without one"
            )
        name, column, classes = (part.strip() for part in (found[1] or "", *found.groups()[1:]))
        upper = tuple(one.strip().upper() for one in classes.split(","))
        return cls(column, upper, name or column.replace("_", " "))

    def __str__(self) -> str:
        return f"{self.name}:{self.column}={','.join(self.classes)}"

    @property
    def is_stress(self) -> bool:
        """Whether the classes are places of stress."""
        return self.column == "stress"

    @property
    def noted(self) -> dict[str, str]:
        """What a manifest says of it: nothing of stress."""
        return {} if self.is_stress else {"contrast": str(self)}

    @classmethod
    def in_manifest(cls, parameters: Mapping[str, Any]) -> Contrast:
        """What a manifest's parameters name, or stress."""
        text = parameters.get("contrast")
        return cls.parse(str(text)) if text else STRESS

    @property
    def is_pair(self) -> bool:
        """Whether the difference of two outputs is explained, and speaks for one or the other."""
        return not self.is_stress or self.classes == CLASSES

    @property
    def true(self) -> str:
        """Column of the class in tables of answers."""
        return f"{self.column}_true"

    @property
    def predicted(self) -> str:
        """Column of the class that a network says."""
        return f"{self.column}_predicted"

    @property
    def keys(self) -> tuple[str, ...]:
        """The classes in names of columns, ``n_initial``."""
        return tuple(one.lower() for one in self.classes)

    @property
    def p(self) -> str:
        """Column of the probability of the first class."""
        return f"p_{self.keys[0]}"

    @property
    def difference(self) -> str:
        """What is explained of a pair, in words."""
        return f"logit difference {self.classes[0]} − {self.classes[-1]}"

    @property
    def told_apart(self) -> str:
        """The classes in a sentence: *INITIAL from FINAL stress*."""
        return self.say(f"{', '.join(self.classes[:-1])} from {self.classes[-1]}")

    def indices_in(self, tokens: pd.DataFrame) -> pd.Series:
        """The number of each token's class, from 0; missing where it has none."""
        return tokens[self.column].map({one: k for k, one in enumerate(self.classes)})

    def say(self, one: object) -> str:
        """A class in a sentence: *INITIAL stress*, *ACCENTED*."""
        return f"{one} stress" if self.is_stress else str(one)

    def only_stress(self, path: object, error: type[StressnetError]) -> None:
        """Raise ``error`` for a corpus or network of another contrast."""
        if not self.is_stress:
            raise error(
                f"{path}: tells {self.told_apart}, and this is only done for stress; see "
                f"docs/contrasts.md for what can be done"
            )

    def among(self, values: Iterable[object]) -> tuple[str, ...]:
        """The classes of some words: both of a pair; of longer words those that occur, in order."""
        if not self.is_stress:
            return self.classes
        there = {str(one) for one in set(values)}
        longer = tuple(one for one in FROM_THE_END if one in there)
        return longer if set(longer) - {Stress.FINAL} else CLASSES

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table whose columns and metrics, named after INITIAL and FINAL, get the own names."""
        if self.is_stress:
            return table
        ours = dict(zip(("_initial", "_final"), (f"_{key}" for key in self.keys), strict=True))

        def renamed(text: object) -> str:
            return re.sub("_(initial|final)(?=_|$)", lambda found: ours[found[0]], str(text))

        table = table.rename(columns=renamed)
        return table.assign(metric=table["metric"].map(renamed)) if "metric" in table else table


STRESS = Contrast()
"""INITIAL or FINAL stress of disyllables; :meth:`Contrast.among` finds those of longer words."""


@dataclass(frozen=True)
class Wanted:
    """Which words are tokens: how long, with which classes, which stress if not any, how sure."""

    lengths: WordLengths = DISYLLABLES
    contrast: Contrast = STRESS
    only_stress: str = ""
    min_confidence: float = 0.0


ORDINARY = Wanted()  # Disyllables, for their stress
