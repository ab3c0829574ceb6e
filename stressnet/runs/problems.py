"""What went wrong with single items, collected instead of raised.

A build over thousands of recordings must not stop at the first bad one, nor hide it. Stages add
:class:`Problem` rows; the table is written as ``failures.csv``, counted in the manifest, and
decides the exit code.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from stressnet.runs.tables import no_formula


class Severity(StrEnum):
    """``ERROR``: the item is missing from the result. ``WARNING``: it is there, but look at it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of the failure table.

    ``item`` is an utterance or token id, or the file where there is no id yet; ``stage`` a step of
    the command; ``reason`` one line: file, what is wrong, what to do.
    """

    item: str
    stage: str
    severity: Severity
    reason: str


def warnings_about(item: str, stage: str, reasons: Iterable[str]) -> list[Problem]:
    """One row per warning about an item."""
    return [Problem(item, stage, Severity.WARNING, reason) for reason in reasons]


def write_rows(path: Path, kind: type, rows: Iterable[Any]) -> None:
    """Write rows of a dataclass as CSV; an empty table has its header all the same."""
    # Names of files may be of another encoding.
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        names = [field.name for field in fields(kind)]
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: no_formula(cell) for name, cell in asdict(row).items()})


def read_problems(folder: Path) -> list[Problem]:
    """The problems that a finished folder lists, e.g. one within another."""
    path = folder / "failures.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Problem(row["item"], row["stage"], Severity(row["severity"]), row["reason"])
            for row in csv.DictReader(file)
        ]


def count_problems(problems: Iterable[Problem]) -> dict[str, int]:
    """Number of problems per ``severity: stage``."""
    return dict(sorted(Counter(f"{p.severity}: {p.stage}" for p in problems).items()))


def count_lost(problems: Iterable[Problem]) -> int:
    """Number of problems that cost an item, for the exit code."""
    return sum(problem.severity is Severity.ERROR for problem in problems)
