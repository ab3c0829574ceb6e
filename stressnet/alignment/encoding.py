"""Text of annotation files in whatever encoding they come."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

from stressnet.errors import AlignmentError


def read_text(path: Path) -> str:
    """Read UTF-8 (with or without byte order mark) or UTF-16 (with or without it).

    Returns
    -------
    str
        With ``\\n`` for every kind of line end.

    Raises
    ------
    AlignmentError
        If the file cannot be read or is in another encoding.
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
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise AlignmentError(
            f"{path}: neither UTF-8 nor UTF-16 ({error.reason} at byte {error.start}); save it "
            "again as UTF-8 (in Praat: 'Text writing preferences: UTF-8')"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def nfc(text: str) -> str:
    """Unicode normal form C without blanks around it, the form in which labels are compared."""
    return unicodedata.normalize("NFC", text.strip())
