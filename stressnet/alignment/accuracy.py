"""How far the boundaries of two alignments of one recording are apart.

Conventions
-----------
Differences are absolute, in milliseconds, of starts and of ends; an edge between two words counts
for both. Words are matched by their order and must agree; phones are matched inside matched words
whose strings of phones agree, stress digits aside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Distribution of boundary errors.

    Parameters
    ----------
    n : int
        Boundaries compared.
    median_ms, mean_ms, p90_ms : float
        Of the absolute differences; NaN if there are none.
    within_20_ms, within_25_ms, within_50_ms : float
        Share of boundaries that differ by at most so much, 0 to 1.
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
    """Absolute differences of starts and ends.

    Parameters
    ----------
    reference, hypothesis : Alignment
        Two alignments of the same recording with the same words (case is ignored).
    level : {"word", "phone"}
        What to compare.

    Returns
    -------
    ndarray of float, shape (2 * matched intervals,)
        In milliseconds: start, end, start, end, in time order.

    Raises
    ------
    AlignmentError
        If the words differ.
    """
    return np.abs(signed_boundary_errors(reference, hypothesis, level)).ravel()


def signed_boundary_errors(
    reference: Alignment, hypothesis: Alignment, level: Literal["word", "phone"] = "word"
) -> np.ndarray:
    """Differences of starts and ends, positive where the hypothesis is later.

    Parameters, errors and order as in `boundary_errors`.

    Returns
    -------
    ndarray of float, shape (matched intervals, 2)
        In milliseconds: column 0 starts, column 1 ends.
    """
    pairs = matched_words(reference, hypothesis)
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


def matched_words(reference: Alignment, hypothesis: Alignment) -> list[tuple[Interval, Interval]]:
    """Spoken words side by side, after checking that they are the same."""
    ours, theirs = reference.spoken_words(), hypothesis.spoken_words()
    for index, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        if a.label.casefold() != b.label.casefold():
            raise AlignmentError(
                f"word {index} is '{a.label}' at {a.start_s:.3f} s in one alignment and "
                f"'{b.label}' in the other; compare alignments of the same transcript"
            )
    if len(ours) != len(theirs):
        raise AlignmentError(
            f"the alignments have {len(ours)} and {len(theirs)} words; "
            "compare alignments of the same transcript"
        )
    return list(zip(ours, theirs, strict=True))


def summarise(errors_ms: Iterable[float] | np.ndarray) -> ErrorSummary:
    """Median, mean, 90th percentile and shares of absolute errors.

    Parameters
    ----------
    errors_ms : iterable of float
        Differences in milliseconds; signs are dropped.
    """
    errors = np.abs(np.fromiter(errors_ms, dtype=float))
    if len(errors) == 0:
        nan = float("nan")
        return ErrorSummary(0, nan, nan, nan, nan, nan, nan)
    shares = [float(np.mean(errors <= limit + 1e-6)) for limit in (20.0, 25.0, 50.0)]
    return ErrorSummary(
        len(errors),
        float(np.median(errors)),
        float(errors.mean()),
        float(np.percentile(errors, 90)),
        *shares,
    )


def _matched_phones(
    reference: tuple[Interval, ...], hypothesis: tuple[Interval, ...]
) -> list[tuple[Interval, Interval]]:
    if [_segment(p.label) for p in reference] != [_segment(p.label) for p in hypothesis]:
        return []
    return list(zip(reference, hypothesis, strict=True))


def _segment(label: str) -> str:
    return label.rstrip("012").upper()
