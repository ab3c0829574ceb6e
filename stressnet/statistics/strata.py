"""Strata: into which groups tokens are sorted.

Each stratum is a function from a table of tokens to one level per token, missing where it does not
apply (a word without minimal-pair reading, say, or an unknown sex). Any other column of a run's
``tokens.parquet`` can serve too, and ``a+b`` crosses two strata.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.corpus.phrases import FINAL, HIGH, LOW, MEDIAL, MIN_PAUSE_S, MIN_RISE_ST
from stressnet.errors import ConfigError
from stressnet.languages import language_of
from stressnet.lexicon.pronunciation import REDUCED_VOWELS
from stressnet.lexicon.stress import MOST_SYLLABLES, Stress

ALL = "ALL"  # The stratum of all tokens, and its only level

NUCLEI = tuple(f"nucleus_{k}" for k in range(1, MOST_SYLLABLES + 1))
"""Columns of vowels; the third and fourth only in corpora of longer words."""

MAX_LEVELS = 60  # A stratum with more levels is taken for a mistake
DURATION_STEP_S = 0.001  # Resolution of the limits of duration tertiles


@dataclass(frozen=True)
class Stratum:
    """A way to sort tokens."""

    name: str
    definition: str
    columns: tuple[str, ...]  # Of the run's tokens or, failing that, of the corpus's
    # Makes levels, a Series of str or missing, from a table with the columns.
    level: Callable[[pd.DataFrame], pd.Series]


def _pick(conditions: Sequence[tuple[pd.Series, str]], index: pd.Index) -> pd.Series:
    """The first label whose condition holds; missing if none does."""
    result = pd.Series([None] * len(index), index=index, dtype=object)
    for condition, label in reversed(conditions):
        result[condition.fillna(False).astype(bool)] = label
    return result


def _correct(tokens: pd.DataFrame) -> pd.Series:
    right = tokens["correct"]
    return _pick([(right == True, "correct"), (right == False, "wrong")], tokens.index)  # noqa: E712


def _pair(tokens: pd.DataFrame) -> pd.Series:
    pair, same = tokens["is_minimal_pair"] == True, tokens["is_prosody_only_pair"] == True  # noqa: E712
    labels = [(pair & same, "prosody-only"), (pair & ~same, "vowel-changing")]
    return _pick([*labels, (~pair, "no pair")], tokens.index)


def _vowel_of(tokens: pd.DataFrame, *, stressed: bool) -> pd.Series:
    """Label of the stressed nucleus, or of a disyllable's other; missing where unknown."""
    labels = tokens[[name for name in NUCLEI if name in tokens]].to_numpy(object)
    n_syllables = pd.notna(labels).sum(axis=1)
    found = []
    for row, n, name in zip(labels, n_syllables, tokens["stress"], strict=True):
        place = Stress(name).syllable(n) if name in set(Stress) else None
        if place is not None and not stressed:
            place = 1 - place if n == 2 else None
        found.append(None if place is None else row[place])
    return pd.Series(found, index=tokens.index, dtype=object)


def _unstressed(tokens: pd.DataFrame) -> pd.Series:
    label = _vowel_of(tokens, stressed=False)
    reduced = label.isin(language_of(tokens).reduced)
    return _pick([(reduced, "reduced"), (~reduced & label.notna(), "full")], tokens.index)


def _as_is(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    def level(tokens: pd.DataFrame) -> pd.Series:
        values = tokens[column].astype(object)
        return values.where(values.notna() & (values != ""), None).map(
            lambda v: None if v is None else str(v)
        )

    return level


STRATA = {
    stratum.name: stratum
    for stratum in (
        Stratum("stress", "the word's stress", ("stress",), _as_is("stress")),
        Stratum("correct", "whether the network was right", ("correct",), _correct),
        Stratum(
            "pair",
            "words with both readings, by whether the readings can have the same segments "
            "(prosody-only) or change a vowel, and other words",
            ("is_minimal_pair", "is_prosody_only_pair"),
            _pair,
        ),
        Stratum(
            "unstressed_vowel",
            f"reduced (English {', '.join(REDUCED_VOWELS)}) or full",
            ("stress", "nucleus_1", "nucleus_2"),
            _unstressed,
        ),
        Stratum(
            "vowel",
            "the stressed vowel",
            ("stress", "nucleus_1", "nucleus_2"),
            lambda tokens: _vowel_of(tokens, stressed=True).str.rstrip("012"),
        ),
        Stratum(
            "phrase_position",
            f"phrase-final: before a pause of {MIN_PAUSE_S:g} s or at the end of the recording",
            ("phrase_position",),
            _as_is("phrase_position"),
        ),
        Stratum(
            "pitch_prominence",
            f"high: F0 reaches {MIN_RISE_ST:g} st above the speaker's median, as accents do",
            ("pitch_prominence",),
            _as_is("pitch_prominence"),
        ),
        Stratum("sex", "the speaker's sex", ("sex",), _as_is("sex")),
        Stratum("corpus", "the corpus", ("corpus",), _as_is("corpus")),
        Stratum("split", "the set of the corpus", ("split",), _as_is("split")),
    )
}
"""Strata by name; ``duration`` (tertiles) needs limits and is made by :func:`get_strata`."""

DURATION_LEVELS = ("short", "medium", "long")
LEVEL_ORDER = (
    *(*Stress, "correct", "wrong", "prosody-only", "vowel-changing", "no pair"),
    *("full", "reduced", MEDIAL, FINAL, LOW, HIGH, *DURATION_LEVELS),
)


def _duration(limits_s: tuple[float, float]) -> Stratum:
    """Tertiles of the word's duration between given limits."""
    low_s, high_s = limits_s

    def level(tokens: pd.DataFrame) -> pd.Series:
        d = tokens["duration_s"]
        inside = (d < low_s, (d >= low_s) & (d < high_s), d >= high_s)
        return _pick(list(zip(inside, DURATION_LEVELS, strict=True)), tokens.index)

    definition = f"tertiles of the word's duration: limits {low_s:.3f} s and {high_s:.3f} s"
    return Stratum("duration", definition, ("duration_s",), level)


def tertile_limits(counts: NDArray[np.intp]) -> tuple[float, float]:
    """Limits of tertiles from a histogram in steps of :data:`DURATION_STEP_S` from zero."""
    cumulative = np.cumsum(counts)
    places = [int(np.searchsorted(cumulative, cumulative[-1] * k / 3)) + 1 for k in (1, 2)]
    return places[0] * DURATION_STEP_S, places[1] * DURATION_STEP_S


def get_strata(
    names: Sequence[str], available: Sequence[str], limits_s: tuple[float, float] | None = None
) -> list[Stratum]:
    """Strata by name: one of :data:`STRATA`, ``duration``, a column, or two of these with ``+``.

    Columns of the tokens (the run's and the corpus's) are ``available``; a :class:`ConfigError`
    says which one a stratum lacks.
    """
    found = []
    for name in names:
        parts = [_single(part, available, limits_s) for part in name.split("+")]
        found.append(parts[0] if len(parts) == 1 else _crossed(name, parts))
    return found


def _single(name: str, available: Sequence[str], limits_s: tuple[float, float] | None) -> Stratum:
    if name == "duration":
        stratum = _duration(limits_s or (0.0, 0.0))
    elif name in STRATA:
        stratum = STRATA[name]
        if "nucleus_1" in stratum.columns:
            longer = [name for name in NUCLEI[2:] if name in available]
            stratum = replace(stratum, columns=(*stratum.columns, *longer))
        if "language" in available:
            stratum = replace(stratum, columns=(*stratum.columns, "language"))
    elif name in available:
        stratum = Stratum(name, f"column {name} of the tokens", (name,), _as_is(name))
    else:
        known = ", ".join([*STRATA, "duration"])
        raise ConfigError(f"no stratum '{name}'; there are {known}, and the columns of the tokens")
    missing = [c for c in stratum.columns if c not in available]
    if missing:
        raise ConfigError(f"stratum '{name}' needs the column {missing[0]}, which the tokens lack")
    return stratum


def _crossed(name: str, parts: Sequence[Stratum]) -> Stratum:
    def level(tokens: pd.DataFrame) -> pd.Series:
        columns = [part.level(tokens) for part in parts]
        known = pd.concat(columns, axis=1).notna().all(axis=1)
        joined = columns[0].astype(str)
        for column in columns[1:]:
            joined = joined + ", " + column.astype(str)
        return joined.where(known, None)

    columns = tuple(dict.fromkeys(c for part in parts for c in part.columns))
    return Stratum(name, " by ".join(part.definition for part in parts), columns, level)


def sort_levels(levels: Sequence[str]) -> list[str]:
    """Levels in the order of tables: those known in their own order, others by name."""
    place = {name: i for i, name in enumerate(LEVEL_ORDER)}

    def key(level: str) -> list[tuple[int, str]]:
        return [(place.get(part, len(place)), part) for part in level.split(", ")]

    return sorted(levels, key=key)
