"""What is told of transcripts that are not read as they are written: warnings, counts, a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from stressnet.corpus.conventions import DOUBTFUL, MARKS
from stressnet.corpus.written import NOT_READABLE, Change
from stressnet.runs.problems import Problem, warnings_about

if TYPE_CHECKING:
    import pandas as pd

READINGS = "readings.csv"  # Table of a corpus: what is not read as it is written

READING_COLUMNS = ("utterance_id", "written", "read", "rule")

Changes = Mapping[str, Sequence[Change]]  # By utterance, what is not read as its transcript has it

_LOOKS = {  # Marks that no other convention has
    "chat": re.compile(r"&[-=+~]\w|\[/+\]|\+\.\.\.|\*[A-Z]{3}:"),
    "fave": re.compile(r"\{(?:LG|NS|BR|CG|SL|LS)\}"),
}


def warnings_of(changes: Changes, convention: str) -> Iterator[Problem]:
    """Warnings: marks that no convention was chosen for, and what cannot be read."""
    marks, unreadable, doubtful = (
        "marks that are no words: {}; they were left out, write out those that are said, or name "
        "their convention in the recipe ([transcripts] convention)",
        "pieces that cannot be said for certain, or brackets that are not closed: {}; write them "
        "out in words, or correct the bracket",
        "beginnings of lines that may name who speaks: {}; they were read as words, remove those "
        "that are not said",
    )
    kinds = {marks: MARKS, unreadable: (NOT_READABLE, "bracket"), doubtful: (DOUBTFUL,)}
    if convention != "plain":  # somebody who chose another knows the marks
        del kinds[marks]
    else:
        written = [change.written for own in changes.values() for change in own]
        looks = [name for name, pattern in _LOOKS.items() if any(map(pattern.search, written))]
        if looks:
            text = (
                f"transcripts look like the convention '{looks[0]}' and were read as plain text; "
                f'write convention = "{looks[0]}" under [transcripts] into the recipe'
            )
            yield from warnings_about(next(iter(changes)), "scan", [text])
    for text, rules in kinds.items():
        items = [(name, c.written) for name, own in changes.items() for c in own if c.rule in rules]
        if items:
            start = f"the transcripts of {len(dict(items))} recordings hold {len(items)} "
            counts = Counter(written for _, written in items)
            shown = ", ".join(f"'{written}' ({n})" for written, n in counts.most_common(5))
            more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
            yield from warnings_about(items[0][0], "scan", [start + text.format(shown + more)])


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
