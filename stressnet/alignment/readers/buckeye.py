"""Buckeye: ``.words`` and ``.phones``, each line the *end* of a stretch.

After a header that ends with a line ``#`` every line is ``end colour label; ...``; a stretch begins
where the one before it ended. One file holds several minutes of an interview.

Marks in braces or angle brackets are not words. Pauses, noises and the interviewer become silence.
What is spoken but damaged (``<LAUGH-really>``, ``<CUTOFF-prob=probably>``, ``<EXT-so>``) keeps its
mark as its label, so that it is counted as no dictionary word instead of vanishing.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stressnet.alignment.encoding import finite_number, made_interval, numbered_lines, shown
from stressnet.alignment.readers.options import ReadOptions, pair
from stressnet.alignment.readers.phone_sets import BUCKEYE, fold, resolve_flaps
from stressnet.errors import AlignmentError
from stressnet.intervals import SILENCE, Alignment, Interval

buckeye_files = partial(pair, words_suffix=".words", phones_suffix=".phones", corpus="Buckeye")
"""The ``.words`` and the ``.phones`` of a recording, given either."""

_LINE = re.compile(r"\s*(\S+)\s+(\d+)(?:\s+(.*))?$")
_DAMAGED_WORD = re.compile(r"<[A-Za-z_]+-.+>")
_NOISES = frozenset(
    "SIL NOISE VOCNOISE IVER LAUGH UNKNOWN CUTOFF ERROR EXCLUDE B_TRANS E_TRANS".split()
)
_MARK = re.compile(r"[{<].*[}>]|[{<].*|.*[}>]")


def read_buckeye(path: Path, options: ReadOptions) -> Alignment:
    """Words and phones of a Buckeye file, given its ``.words`` or its ``.phones``."""
    words, phones = buckeye_files(path)
    phone_tier = fold(_tier(phones, _is_silent_phone), BUCKEYE)
    alignment = Alignment(_tier(words, _is_silent_word), phone_tier, source="buckeye")
    return resolve_flaps(alignment)


def _is_silent_word(label: str) -> bool:
    return bool(_MARK.fullmatch(label)) and not _DAMAGED_WORD.fullmatch(label)


def _is_silent_phone(label: str) -> bool:
    return bool(_MARK.fullmatch(label)) or label.split("-")[0].upper() in _NOISES


def _tier(path: Path, is_silent: Callable[[str], bool]) -> tuple[Interval, ...]:
    """Every line after the header as a stretch."""
    lines = numbered_lines(path)
    if not any(line.strip() == "#" for _, line in lines):  # leaves the lines after it
        raise AlignmentError(
            f"{path}: no line '#', which ends the header of a Buckeye file; the file is cut off or "
            "of another format"
        )
    tier = []
    start_s = 0.0
    for place, line in lines:
        match = _LINE.match(line)
        if match is None:
            raise AlignmentError(f"{place}: {shown(line)} is not 'end colour label'; correct it")
        end_s = finite_number(match[1], place, "end")
        label = (match[3] or "").split(";")[0].strip()
        tier.append(made_interval(start_s, end_s, SILENCE if is_silent(label) else label, place))
        start_s = end_s
    return tuple(tier)
