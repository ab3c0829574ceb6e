"""Figures of an evaluation in words: intervals, audits, warnings."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from stressnet.evaluation.sets import TITLES


def heard_text(heard: int, n: int, n_left_out: int = 0) -> str:
    """A warning if a corpus repeats what was trained on, else nothing.

    Of ``n`` tokens that are tested on, ``heard`` are by speakers who may have been trained on;
    ``n_left_out`` further ones are of recordings that were.
    """
    parts = []
    if n_left_out:
        parts.append(
            f"{n_left_out} of {n + n_left_out} tokens are of recordings that were trained on and "
            f"are left out"
        )
    if heard:
        parts.append(
            f"{heard} of {n} tokens are by speakers who may have been trained on, by their name or "
            f"in recordings that are left out; 'other speakers' has the figures without them"
        )
    return "; ".join(parts)


def set_title(row: Any) -> str:
    """The test set of a row in words."""
    return TITLES.get(row["test_set"], row["test_set"])


def level_text(row: Any) -> str:
    """The level of a group in words."""
    return {"True": "yes", "False": "no"}.get(row["level"], row["level"])


def interval_rows(scores: pd.DataFrame, metrics: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
    """Per test set: its first row, and the figures of some metrics with their intervals."""
    for _, part in scores.groupby("test_set", sort=False):
        values = part.set_index("metric")
        yield part.iloc[0], [interval_text(values.loc[metric]) for metric in metrics]


def interval_text(row: Any, name: str = "", *, signed: bool = False) -> str:
    """``0.871 [0.826, 0.909]``."""
    form = "+.3f" if signed else ".3f"
    value = row[name or "estimate"]
    low, high = (row[f"{name}_{end}" if name else end] for end in ("low", "high"))
    if value != value:
        return "-"
    if low != low:
        return f"{value:{form}} [no interval]"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
