"""Boundary errors between two alignments of one recording.

Conventions
-----------
Differences are absolute, in milliseconds, of starts and of ends; an edge between two words counts
for both. Words are matched by their order and must agree; phones are matched inside matched words
whose strings of phones agree, stress digits aside.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.pronunciation import bare


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Median, mean and 90th percentile of `n` absolute boundary errors, in milliseconds.

    ``within_20_ms`` and so on are the shares of boundaries that differ by at most so much, 0 to 1.
    All but `n` are NaN if there are no boundaries.
    """

    n: int
    median_ms: float
    mean_ms: float
    p90_ms: float
    within_20_ms: float
    within_25_ms: float
    within_50_ms: float


def boundary_errors(
    reference: Alignment, hypothesis: Alignment, level: Literal["word", "phone"] = "word"
) -> np.ndarray:
    """Absolute differences of starts and ends in milliseconds: start, end, start, end."""
    return np.abs(signed_boundary_errors(reference, hypothesis, level)).ravel()


def signed_boundary_errors(
    reference: Alignment, hypothesis: Alignment, level: Literal["word", "phone"] = "word"
) -> np.ndarray:
    """Differences of starts and ends of words or phones, positive where the hypothesis is later.

    In milliseconds, shape (matched intervals, 2): column 0 starts, column 1 ends. Raises
    `AlignmentError` if the words differ, case aside.
    """
    pairs = _matched_words(reference, hypothesis)
    if level == "phone":
        pairs = [
            phones
            for word, other in pairs
            for phones in _matched_phones(reference.phones_of(word), hypothesis.phones_of(other))
        ]
    elif level != "word":
        raise AlignmentError(f"level must be 'word' or 'phone', not '{level}'")
    return 1000.0 * np.array(
        [(b.start_s - a.start_s, b.end_s - a.end_s) for a, b in pairs], dtype=float
    ).reshape(-1, 2)


def _matched_words(reference: Alignment, hypothesis: Alignment) -> list[tuple[Interval, Interval]]:
    """Spoken words side by side, after checking that they are the same."""
    expected, given = reference.spoken_words(), hypothesis.spoken_words()
    for index, (a, b) in enumerate(zip(expected, given, strict=False)):
        if a.label.casefold() != b.label.casefold():
            raise AlignmentError(
                f"word {index} is '{a.label}' at {a.start_s:.3f} s in one alignment and "
                f"'{b.label}' in the other; compare alignments of the same transcript"
            )
    if len(expected) != len(given):
        raise AlignmentError(
            f"the alignments have {len(expected)} and {len(given)} words; compare alignments of "
            "the same transcript"
        )
    return list(zip(expected, given, strict=True))


def summarise(errors_ms: Iterable[float] | np.ndarray) -> ErrorSummary:
    """Median, mean, 90th percentile and shares of errors in milliseconds; signs are dropped."""
    errors = np.abs(np.fromiter(errors_ms, dtype=float))
    if len(errors) == 0:
        return ErrorSummary(0, *[float("nan")] * 6)
    values = [np.median(errors), errors.mean(), np.percentile(errors, 90)]
    values += [np.mean(errors <= limit + 1e-6) for limit in (20.0, 25.0, 50.0)]
    return ErrorSummary(len(errors), *map(float, values))


def _matched_phones(
    reference: tuple[Interval, ...], hypothesis: tuple[Interval, ...]
) -> list[tuple[Interval, Interval]]:
    """Phones side by side; none if their strings differ, stress digits aside."""
    strings = [[bare(phone.label).upper() for phone in tier] for tier in (reference, hypothesis)]
    return list(zip(reference, hypothesis, strict=True)) if strings[0] == strings[1] else []
