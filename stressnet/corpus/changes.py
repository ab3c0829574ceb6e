"""What is told of transcripts that are not read as they are written: warnings, counts, a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stressnet.corpus.conventions import DOUBTFUL, MARKS
from stressnet.corpus.written import NOT_READABLE, Change
from stressnet.runs.problems import Problem, Severity

if TYPE_CHECKING:
    import pandas as pd

READINGS = "readings.csv"
"""Table of a corpus: what is not read as it is written."""

READING_COLUMNS = ("utterance_id", "written", "read", "rule")

Changes = Mapping[str, Sequence[Change]]
"""By utterance, what is not read as its transcript has it."""

_LEFT_OUT = (
    "marks that are no words: {}; they were left out, write out those that are said, or name "
    "their convention in the recipe ([transcripts] convention)"
)
_UNREADABLE = (
    "pieces that cannot be said for certain, or brackets that are not closed: {}; write them out "
    "in words, or correct the bracket"
)
_DOUBTFUL = (
    "beginnings of lines that may name who speaks: {}; they were read as words, remove those that "
    "are not said"
)


_LOOKS = {
    "chat": re.compile(r"&[-=+~]\w|\[/+\]|\+\.\.\.|\*[A-Z]{3}:"),
    "fave": re.compile(r"\{(?:LG|NS|BR|CG|SL|LS)\}"),
}
"""Marks that no other convention has."""


def _looks_like(changes: Changes) -> str:
    """The convention that marks read as plain text look like; empty if none."""
    for convention, pattern in _LOOKS.items():
        if any(pattern.search(c.written) for own in changes.values() for c in own):
            return convention
    return ""


def warnings_of(changes: Changes, convention: str) -> Iterator[Problem]:
    """Warnings: marks that no convention was chosen for, and what cannot be read."""
    kinds: list[tuple[Collection[str], str]] = [
        ((NOT_READABLE, "bracket"), _UNREADABLE),
        ((DOUBTFUL,), _DOUBTFUL),
    ]
    if convention == "plain":  # somebody who chose another knows the marks
        kinds.insert(0, (MARKS, _LEFT_OUT))
        if looks := _looks_like(changes):
            text = (
                f"transcripts look like the convention '{looks}' and were read as plain text; "
                f'write convention = "{looks}" under [transcripts] into the recipe'
            )
            yield Problem(next(iter(changes)), "scan", Severity.WARNING, text)
    for rules, text in kinds:
        items = [(name, c.written) for name, own in changes.items() for c in own if c.rule in rules]
        if not items:
            continue
        counts = Counter(written for _, written in items)
        shown = ", ".join(f"'{written}' ({n})" for written, n in counts.most_common(5))
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        yield Problem(
            items[0][0],
            "scan",
            Severity.WARNING,
            f"the transcripts of {len(dict(items))} recordings hold {len(items)} "
            f"{text.format(shown + more)}",
        )


def count_changes(changes: Changes) -> dict[str, int]:
    """Number of changes by rule, the most frequent first."""
    return dict(Counter(c.rule for own in changes.values() for c in own).most_common())


def counts_text(counts: Mapping[str, int]) -> str:
    """The counts in one line; empty if every transcript is read as it is written."""
    listed = ", ".join(f"{n} {rule}" for rule, n in counts.items())
    return f"not read as written: {listed}" if listed else ""


def readings_table(changes: Changes) -> pd.DataFrame:
    """One row per change, in the order of the recordings."""
    import pandas as pd

    rows = [(name, c.written, c.read, c.rule) for name, own in changes.items() for c in own]
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))
