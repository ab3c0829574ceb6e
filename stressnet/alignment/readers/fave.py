"""FAVE's five columns, between tabs: speaker's id, speaker's name, start, end, text.

ELAN exports the same (tab-delimited text with begin, end and participant). Times are seconds or
``hours:minutes:seconds``.
"""

import re
from pathlib import Path

from stressnet.alignment.encoding import finite_number, numbered_lines, shown
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.alignment.readers.timed_text import Turn, alignments_of
from stressnet.errors import AlignmentError

_TIME = re.compile(r"\s*(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)\s*", re.ASCII)


def read_fave(path: Path, options: ReadOptions) -> Alignments:
    """What each speaker says."""
    turns = []
    for number, (place, line) in enumerate(numbered_lines(path, windows=True)):
        cells = line.split("\t")
        if number == 0 and not is_fave(line):
            continue  # names of the columns
        if len(cells) < 5:
            raise AlignmentError(
                f"{place}: {shown(line)} is not 'id, name, start, end, text' between tabs; correct "
                f"it"
            )
        start_s, end_s = _seconds(cells[2], place, "start"), _seconds(cells[3], place, "end")
        speaker = cells[1].strip() or cells[0].strip()
        turns.append(Turn(speaker, start_s, end_s, "\t".join(cells[4:])))
    return alignments_of(path, turns)


def is_fave(line: str) -> bool:
    """Whether a line has the five columns."""
    cells = line.split("\t")
    return len(cells) >= 5 and all(_TIME.fullmatch(cell) is not None for cell in cells[2:4])


def _seconds(cell: str, place: str, name: str) -> float:
    match = _TIME.fullmatch(cell)
    if match is None:
        return finite_number(cell, place, name)
    hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in match.groups())
    return finite_number(3600 * hours + 60 * minutes + seconds, place, name)
