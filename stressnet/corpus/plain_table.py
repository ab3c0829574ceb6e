"""Tables that people write: any delimiter, quotes, byte order marks, comments, odd blanks."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from itertools import islice, zip_longest
from pathlib import Path

from stressnet.corpus.transcripts import read_text
from stressnet.errors import CorpusError

DELIMITERS = ("\t", ";", ",", "|")

Row = tuple[int, list[str]]  # The number of a line, from 1, and its cells

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_LINE_BREAK = re.compile("[\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_SEP_LINE = re.compile(r"sep=(.)", re.IGNORECASE)  # Names the delimiter in Excel's tables


def read_rows(
    path: Path, *, prefer: str = "\t", comment: str = "", blanks: bool = False
) -> list[Row]:
    """Rows of a table, without empty ones.

    The delimiter is the one that parts each of the first three rows into most cells; ``prefer`` is
    tried first. Lines that begin with ``comment`` are left out; before the first row, those with
    ``#``, too. With ``blanks``, cells may be parted by blanks where no delimiter occurs. Raises
    `CorpusError` if it is no table, `TranscriptError` if it cannot be read.
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = ["" if line.startswith(comment or "\0") else line for line in text.split("\n")]
    for number, line in enumerate(lines):
        if line.strip() and not line.startswith("#"):
            break
        lines[number] = ""
    first = next((line for line in lines if line.strip()), "")
    named = _SEP_LINE.fullmatch(first.strip(" "))
    if named:
        lines[lines.index(first)] = ""
        first = next((line for line in lines if line.strip()), "")
    sample = list(islice((line for line in lines if line.strip()), 3))
    try:
        delimiter = max(
            [named[1]] if named else dict.fromkeys((prefer, *DELIMITERS)),
            key=lambda one: _n_cells(sample, one),
        )
        if blanks and delimiter not in first:
            rows = [(number, line.split()) for number, line in enumerate(lines, start=1)]
        else:
            reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
            rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise CorpusError(f"{path}: not a table ({error}); correct the file") from error
    cleaned = ((number, [clean(cell) for cell in row]) for number, row in rows)
    return [(number, cells) for number, cells in cleaned if any(cells)]


def _n_cells(lines: list[str], delimiter: str) -> tuple[int, int]:
    """Cells of the shortest row and of the first."""
    counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
    return min(counts, default=0), counts[0] if counts else 0


def clean(cell: str) -> str:
    """A cell in Unicode form C and one line, without quotes, blanks around it, and hidden signs."""
    cell = _LINE_BREAK.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", cell)))
    cell = cell.strip().strip('"').strip()
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == "'"
    return cell[1:-1] if is_quoted else cell


def read_named(
    path: Path, columns: Sequence[str], remedy: str, *, prefer: str = "\t"
) -> list[tuple[int, dict[str, str]]]:
    """Rows below the header of a table, with their numbers, cells by the names of their columns.

    Names are compared in lower case with ``_`` for blanks.
    """
    rows = read_rows(path, prefer=prefer)
    header = _header_of(path, rows[0][1]) if rows else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise CorpusError(f"{path}: lacks the column {', '.join(missing)}; {remedy}")
    return [
        (number, dict(zip_longest(header, row[: len(header)], fillvalue="")))
        for number, row in rows[1:]
    ]


def _header_of(path: Path, cells: list[str]) -> list[str]:
    names = [re.sub(r"[\s-]+", "_", cell.lower()) for cell in cells]
    twice = next((one for one in names if one and names.count(one) > 1), None)
    if twice is not None:
        raise CorpusError(f"{path}: has two columns '{twice}'; keep one")
    return names
