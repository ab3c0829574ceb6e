"""Buckeye: ``.words`` and ``.phones``, each line the *end* of a stretch.

After a header that ends with a line ``#`` every line is ``end colour label; ...``; a stretch begins
where the one before it ended. One file holds several minutes of an interview.

Marks in braces or angle brackets are not words. Pauses, noises and the interviewer become silence.
What is spoken but damaged (``<LAUGH-really>``, ``<CUTOFF-prob=probably>``, ``<EXT-so>``) keeps its
mark as its label, so that it is counted as no dictionary word instead of vanishing.
"""

from __future__ import annotations

import re
from pathlib import Path

from stressnet.alignment.encoding import nfc, read_text
from stressnet.alignment.readers.options import ReadOptions, companion, number
from stressnet.alignment.readers.phone_sets import BUCKEYE, fold, resolve_flaps
from stressnet.errors import AlignmentError
from stressnet.intervals import SILENCE, Alignment, Interval, marks_silence

_LINE = re.compile(r"\s*(\S+)\s+(\d+)(?:\s+(.*))?$")
_DAMAGED_WORD = re.compile(r"<[A-Za-z_]+-.+>")
_NOISES = frozenset(
    "SIL NOISE VOCNOISE IVER LAUGH UNKNOWN CUTOFF ERROR EXCLUDE B_TRANS E_TRANS".split()
)
_MARK = re.compile(r"[{<].*[}>]|[{<].*|.*[}>]")


def read_buckeye(path: Path, options: ReadOptions) -> Alignment:
    """Words and phones of a Buckeye file.

    Parameters
    ----------
    path : Path
        Its ``.words`` or its ``.phones``; the other one must lie beside it.
    options : ReadOptions
        Not used.

    Raises
    ------
    AlignmentError
        If one of the two is missing, has no header, or a line is not ``end colour label``.
    """
    words, phones = buckeye_files(path)
    tiers = Alignment(_words(words), fold(_phones(phones), BUCKEYE), source="buckeye")
    return resolve_flaps(tiers)


def buckeye_files(path: Path) -> tuple[Path, Path]:
    """The ``.words`` and the ``.phones`` of a recording, given either."""
    words, phones = companion(path, ".words"), companion(path, ".phones")
    if words is None or phones is None:
        lacking = ".words" if words is None else ".phones"
        raise AlignmentError(
            f"{path}: no file '{path.stem}{lacking}' beside it; Buckeye's words and phones are two "
            "files, supply both"
        )
    return words, phones


def _words(path: Path) -> tuple[Interval, ...]:
    tier = []
    for start_s, end_s, label in _stretches(path):
        is_mark = _MARK.fullmatch(label) and not _DAMAGED_WORD.fullmatch(label)
        tier.append(Interval(start_s, end_s, SILENCE if is_mark or marks_silence(label) else label))
    return tuple(tier)


def _phones(path: Path) -> list[Interval]:
    return [
        Interval(
            start_s,
            end_s,
            SILENCE
            if _MARK.fullmatch(label)
            or marks_silence(label)
            or label.split("-")[0].upper() in _NOISES
            else label,
        )
        for start_s, end_s, label in _stretches(path)
    ]


def _stretches(path: Path) -> list[tuple[float, float, str]]:
    """Start, end and label of every line after the header."""
    lines = read_text(path).splitlines()
    header = next((k for k, line in enumerate(lines) if line.strip() == "#"), None)
    if header is None:
        raise AlignmentError(
            f"{path}: no line '#', which ends the header of a Buckeye file; the file is cut off or "
            "of another format"
        )
    stretches = []
    start_s = 0.0
    for line, text in enumerate(lines[header + 1 :], start=header + 2):
        if not text.strip():
            continue
        match = _LINE.match(text)
        if match is None:
            raise AlignmentError(
                f"{path}, line {line}: '{text.strip()}' is not 'end colour label'; correct it"
            )
        end_s = number(match[1], path, line, "end")
        label = nfc((match[3] or "").split(";")[0])
        stretches.append((start_s, end_s, label))
        start_s = end_s
    return stretches
