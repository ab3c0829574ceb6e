"""Text, numbers and labels of annotation files, in whatever encoding they come."""

import codecs
import json
import math
import re
import reprlib
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from stressnet.errors import AlignmentError, UnknownFormatError
from stressnet.intervals import SILENCE, Interval, marks_silence

_SHORTENED = reprlib.Repr()
_SHORTENED.maxstring = _SHORTENED.maxother = 80


def read_text(path: Path, *, windows: bool = False) -> str:
    """Read UTF-8 or UTF-16, with or without byte order mark, with ``\\n`` for every line end.

    With ``windows``, what is neither is read as Windows-1252 or, if its apostrophes say so, Mac
    Roman. Raises `AlignmentError` if the file cannot be read or is in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AlignmentError(f"{path}: cannot be read ({error.strerror})") from error
    if data.startswith(b"ooBinaryFile"):
        raise AlignmentError(
            f"{path}: in Praat's binary format; open it in Praat and save it with "
            "'Save as text file...'"
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data[1:2] == b"\0":
        encoding = "utf-16-le"
    elif data[:1] == b"\0":
        encoding = "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        if windows and encoding == "utf-8-sig":
            text = _utf8_or_windows(data)
        else:
            text = data.decode(encoding)
    except UnicodeDecodeError as error:
        what = "neither UTF-8 nor UTF-16" if encoding == "utf-8-sig" else "damaged UTF-16"
        raise AlignmentError(
            f"{path}: {what} ({error.reason} at byte {error.start}); save it again as UTF-8 (in "
            f"Praat: 'Text writing preferences: UTF-8')"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _utf8_or_windows(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        is_mac = re.search(rb"[a-z]\xd5[a-z]", data)  # an apostrophe there, else no small letter
        return data.decode("mac_roman" if is_mac else "cp1252", errors="replace")


def parsed_json(path: Path, text: str) -> Any:
    """What a JSON file holds; an `AlignmentError` if it is damaged."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AlignmentError(f"{path}: not a JSON file ({error}); make it again") from error


def foreign_json(path: Path, document: object) -> UnknownFormatError:
    """The error for JSON that is no alignment, with what it holds."""
    keys = ", ".join(list(document)[:5]) if isinstance(document, dict) else "none"
    return UnknownFormatError(
        f"{path}: JSON of another program (keys: {shown(keys)[1:-1]}); remove it, or write its "
        "words into a TextGrid"
    )


def numbered_lines(path: Path, *, windows: bool = False) -> Iterator[tuple[str, str]]:
    """Lines of a file that are not blank, each with its place (``FILE, line 3``) for messages."""
    for number, line in enumerate(read_text(path, windows=windows).splitlines(), start=1):
        if line.strip():
            yield f"{path}, line {number}", line


def nfc(text: str) -> str:
    """Unicode normal form C without blanks around it, the form in which labels are compared."""
    return unicodedata.normalize("NFC", text.strip())


def shown(value: object) -> str:
    """A value from a file as messages quote it: one line, shortened."""
    return _SHORTENED.repr(value.strip() if isinstance(value, str) else value)


def finite_number(value: object, place: str, name: str) -> float:
    """A finite number from a file, given as text or number; all else is an `AlignmentError`."""
    number = math.nan
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise AlignmentError(f"{place}: {name} {shown(value)} is no number; correct or remove it")
    return number + 0.0  # without the sign of -0


def made_interval(start_s: float, end_s: float, label: object, place: str) -> Interval:
    """An interval whose label is in normal form C, ``""`` if it is one of the marks for silence."""
    if not isinstance(label, str):
        raise AlignmentError(
            f"{place}: label {shown(label)} is not text; put it in quotation marks or remove it"
        )
    return Interval(start_s, end_s, SILENCE if marks_silence(label) else nfc(label))
