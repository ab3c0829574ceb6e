"""Plain tables (CSV, TSV), the Montreal Forced Aligner's CSV among them.

``docs/formats.md`` names the columns. Zero is the recording's first sample. A table without tiers,
such as Whisper's of ``start``, ``end`` and ``text``, holds what is said in stretches of speech;
whole numbers in one with just these columns are milliseconds, as Whisper writes them.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from stressnet.alignment.encoding import finite_number, made_interval, nfc, read_text, shown
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.alignment.readers.timed_text import Turn, voices_of_turns
from stressnet.alignment.tier_names import PHONE_TIERS, WORD_TIERS
from stressnet.errors import AlignmentError, UnknownFormatError
from stressnet.intervals import RECOGNISED, Alignment, Interval

_NAMES = {
    "start": ("start", "begin", "xmin", "onset"),
    "end": ("end", "xmax", "offset"),
    "label": ("label", "text", "symbol"),
    "tier": ("tier", "type", "level"),
    "utterance": ("utterance_id", "utterance", "file", "filename", "recording"),
    "speaker": ("speaker",),
}
_ENDINGS = frozenset(
    ".wav .wave .flac .mp3 .m4a .ogg .opus .aif .aiff .textgrid .lab .txt .csv .json".split()
)
_WHISPERS = frozenset({"start", "end", "speaker", "text"})
_UNITS_PER_S = {"": 1.0, "_s": 1.0, "_sec": 1.0, "_ms": 1000.0}


def read_table(path: Path, options: ReadOptions) -> Alignments:
    """All recordings of a table; the only one is named ``""`` if there is no such column."""
    text = read_text(path, windows=True)
    rows, columns, header = _table(path, text)
    picked, per_s = _columns(path, columns, options)
    if "tier" not in picked:
        return _timed_text(path, rows, picked, per_s, is_plain=set(columns) <= _WHISPERS)
    tiers: dict[str, dict[str, dict[str, list[Interval]]]] = {}
    for place, cells in _cells(rows, picked):
        speaker = nfc(cells.get("speaker", ""))
        tier = cells["tier"].strip().lower().rpartition(" - ")[2]
        level = "words" if tier in WORD_TIERS else "phones" if tier in PHONE_TIERS else None
        if level is None:
            continue  # a table may hold further tiers, as a TextGrid may
        name = _utterance(cells.get("utterance", ""))
        interval = made_interval(*_times_s(cells, place, per_s), cells["label"], place)
        voices = tiers.setdefault(name, {})
        voices.setdefault(speaker, {"words": [], "phones": []})[level].append(interval)
    if not tiers:
        raise AlignmentError(
            f"{path}: no row has the tier 'words' or 'phones'; name them so in the column "
            f"'{header[picked['tier']]}'"
        )
    alignments = Alignments()
    for name, voices in tiers.items():
        alignments.add(
            name,
            {
                speaker: Alignment(_sorted(of["words"]), _sorted(of["phones"]), source="table")
                for speaker, of in voices.items()
            },
        )
    return alignments


def check_columns(path: Path, text: str) -> None:
    """Raise `UnknownFormatError` if a table is of something else than words and their times."""
    _, columns, _ = _table(path, text)
    if columns:
        _columns(path, columns, ReadOptions(rate_hz=1))


def _table(
    path: Path, text: str
) -> tuple[Iterator[tuple[str, list[str]]], dict[str, int], list[str]]:
    """Rows of a table but the first, places of its columns, and their names as they stand."""
    first = text.split("\n", 1)[0]
    delimiter = max(",\t;", key=first.count)
    # Whisper writes quotation marks of its text as they are.
    is_quoted = delimiter != "\t" or '"' in first or "tier" in first.lower()
    rows = _rows(path, text, delimiter, csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE)
    _, header = next(rows, ("", []))
    return rows, {name.strip().lower(): index for index, name in enumerate(header)}, header


def _timed_text(
    path: Path,
    rows: Iterator[tuple[str, list[str]]],
    picked: dict[str, int],
    per_s: float,
    *,
    is_plain: bool,
) -> Alignments:
    """What is said in stretches of speech, by recording and speaker."""
    turns: dict[str, list[Turn]] = {}
    are_whole = is_plain
    for place, cells in _cells(rows, picked):
        times_s = _times_s(cells, place, per_s)
        are_whole &= all(cells[key].strip().isdigit() for key in ("start", "end"))
        turn = Turn(cells.get("speaker", ""), *times_s, cells["label"])
        turns.setdefault(_utterance(cells.get("utterance", "")), []).append(turn)
    scale = 1000.0 if are_whole else 1.0
    alignments = Alignments()
    for name, several in turns.items():
        scaled = (replace(t, start_s=t.start_s / scale, end_s=t.end_s / scale) for t in several)
        alignments.add(name, voices_of_turns(path, scaled, RECOGNISED))
    if not turns:
        raise AlignmentError(f"{path}: no row below the names of the columns; fill it in")
    return alignments


def _utterance(cell: str) -> str:
    """A recording's name from a name or path; only the ending of a file is no part of it."""
    name = PurePosixPath(cell.replace("\\", "/"))
    return nfc(name.stem if name.suffix.lower() in _ENDINGS else name.name)


def _cells(
    rows: Iterator[tuple[str, list[str]]], picked: dict[str, int]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Places of rows, and their cells by meaning."""
    for place, row in rows:
        yield place, {key: row[k] if k < len(row) else "" for key, k in picked.items()}


def _times_s(cells: dict[str, str], place: str, per_s: float) -> tuple[float, float]:
    """Start and end, which may be written with a decimal comma."""
    start_s, end_s = (
        finite_number(text if "." in text else text.replace(",", "."), place, key) / per_s
        for key, text in (("start", cells["start"]), ("end", cells["end"]))
    )
    return start_s, end_s


def _rows(
    path: Path, text: str, delimiter: str, quoting: Literal[0, 3]
) -> Iterator[tuple[str, list[str]]]:
    """Rows of a table, each with its place for messages."""
    reader = csv.reader(text.splitlines(), delimiter=delimiter, quoting=quoting)
    try:
        for row in reader:
            if any(row):
                yield f"{path}, line {reader.line_num}", row
    except csv.Error as error:
        raise AlignmentError(
            f"{path}, line {reader.line_num}: not a row of a table ({error}); correct the file"
        ) from error


def _sorted(intervals: list[Interval]) -> tuple[Interval, ...]:
    return tuple(sorted(intervals, key=lambda i: (i.start_s, i.end_s)))


def _columns(
    path: Path, columns: dict[str, int], options: ReadOptions
) -> tuple[dict[str, int], float]:
    """Column per meaning, and units of time per second."""
    picked: dict[str, int] = {}
    per_s: set[float] = set()
    for key, names in _NAMES.items():
        units = {"": 1.0}
        if key in ("start", "end"):
            units = dict(_UNITS_PER_S)
            units["_samples"] = float(options.rate_hz or 0)
        matches = [(name + unit, units[unit]) for name in names for unit in units]
        name, per = next(((name, per) for name, per in matches if name in columns), ("", 0.0))
        if name:
            picked[key] = columns[name]
            if key in ("start", "end"):
                per_s.add(per)
        elif key not in ("utterance", "speaker") and not (key == "tier" and "text" in columns):
            raise UnknownFormatError(
                f"{path}: no column '{key}'; the first line names the columns start, end, label, "
                f"tier (there are: {shown(', '.join(columns))})"
            )
    if len(per_s) != 1:
        raise AlignmentError(f"{path}: start and end are in different units; use one for both")
    (unit,) = per_s
    if not unit:
        raise AlignmentError(
            f"{path}: times in samples need the sampling rate; give rate_hz, or write seconds"
        )
    return picked, unit
