"""Praat TextGrids: words and phones read, and written so that Praat opens them.

Read are the long and the short text format and praatIO's JSON, in UTF-8 (with or without byte order
mark) or UTF-16, whatever the order and case of the tiers, with or without a speaker before the name
(``words``, ``Word``, ``ALICE - words``, ``ORT-MAU``). Written is the long format in UTF-8.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from praatio.utilities import errors as praatio_errors
from praatio.utilities import textgrid_io

from stressnet.alignment.encoding import read_text
from stressnet.alignment.validation import fit_to_audio, validate
from stressnet.errors import AlignmentError
from stressnet.intervals import SILENCE, Alignment, Interval, marks_silence

__all__ = ["read_textgrid", "validate", "write_textgrid"]

WORD_TIERS = frozenset({"word", "words", "wrd", "ort", "ort-mau", "orthography", "orthographic"})
PHONE_TIERS = frozenset(
    {"phone", "phones", "phn", "phoneme", "phonemes", "segment", "segments", "mau"}
)

_SPEAKER_SEPARATOR = " - "
_INTERVAL_TIER = ("IntervalTier", "interval")  # the latter in the Montreal Forced Aligner's JSON
_DECLARED_SIZE = re.compile(
    r'(?:intervals|points)\s*:\s*size\s*=\s*(\d+)|"(?:IntervalTier|TextTier)"\s*\n'
    r'\s*"(?:[^"]|"")*"\s*\n\s*[-\d.eE+]+\s*\n\s*[-\d.eE+]+\s*\n\s*(\d+)\s*(?:\n|$)'
)


def read_textgrid(path: Path | str, speaker: str | None = None) -> Alignment:
    """Read the word and phone tiers of a TextGrid.

    Parameters
    ----------
    path : path
        The TextGrid.
    speaker : str, optional
        Whose tiers to take where the tiers carry speakers' names (``ALICE - words``).
        Not needed if there is only one speaker.

    Returns
    -------
    Alignment
        Times in seconds; every mark for silence becomes ``""``; other labels as they stand, in
        Unicode normal form C. `source` is ``"textgrid"``. Overlaps and overhangs are kept as they
        are: `validate` lists them, `fit_to_audio` clamps the ends.

    Raises
    ------
    AlignmentError
        If the file cannot be read as a TextGrid or has no word or no phone tier.
    """
    path = Path(path)
    tiers = _interval_tiers(path)
    words = _pick(path, tiers, WORD_TIERS, "word", speaker)
    phones = _pick(path, tiers, PHONE_TIERS, "phone", speaker)
    return Alignment(words=words, phones=phones, source="textgrid")


def write_textgrid(
    path: Path | str,
    alignment: Alignment,
    duration_s: float,
    extra_tiers: Mapping[str, Sequence[Interval]] | None = None,
) -> None:
    """Write an alignment as a TextGrid in Praat's long text format, UTF-8.

    Parameters
    ----------
    path : path
        The file to write; its folder must exist.
    alignment : Alignment
        Becomes the tiers ``words`` and ``phones``.
    duration_s : float
        Length of the recording in seconds; ends up to 50 ms past it are clamped.
    extra_tiers : mapping of str to sequence of Interval, optional
        Further interval tiers, written after the two in the order given.

    Raises
    ------
    AlignmentError
        If a tier's intervals overlap, are empty or lie outside the recording, or an extra tier
        takes the name of one of the two.
    """
    path = Path(path)
    extra_tiers = extra_tiers or {}
    taken = {"words", "phones"} & set(extra_tiers)
    if taken:
        raise AlignmentError(f"{path}: an extra tier may not be called '{min(taken)}'; rename it")
    try:
        fitted = fit_to_audio(alignment, duration_s)
        tiers = {"words": fitted.words, "phones": fitted.phones}
        for name, intervals in extra_tiers.items():
            tiers[name] = fit_to_audio(Alignment(tuple(intervals), ()), duration_s).words
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from error
    document = {
        "xmin": 0.0,
        "xmax": float(duration_s),
        "tiers": [
            {
                "class": "IntervalTier",
                "name": name,
                "xmin": 0.0,
                "xmax": float(duration_s),
                "entries": _contiguous(path, name, intervals, duration_s),
            }
            for name, intervals in tiers.items()
        ],
    }
    text = textgrid_io.getTextgridAsStr(
        document, "long_textgrid", includeBlankSpaces=False, minimumIntervalLength=None
    )
    path.write_text(text, encoding="utf-8", newline="\n")


def _interval_tiers(path: Path) -> dict[str, tuple[Interval, ...]]:
    """All interval tiers of a file by their names as they stand."""
    text = read_text(path) + "\n"
    _refuse_chronological(path, text)
    try:
        document = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)
        tiers = [
            (tier["name"], tier["class"], [_interval(entry) for entry in tier["entries"]])
            if tier["class"] in _INTERVAL_TIER
            else (tier["name"], tier["class"], list(tier["entries"]))
            for tier in document["tiers"]
        ]
    except (praatio_errors.PraatioException, ValueError, IndexError, KeyError, TypeError) as error:
        raise AlignmentError(
            f"{path}: not a TextGrid in Praat's long or short text format ({error}); "
            "open it in Praat and save it again as a text file"
        ) from error
    declared = sum(int(a or b) for a, b in _DECLARED_SIZE.findall(text))
    found = sum(len(entries) for _, _, entries in tiers)
    if declared > found:
        raise AlignmentError(
            f"{path}: {declared} intervals are announced but only {found} are there; "
            "the file is cut off or damaged, make it again"
        )
    return {
        unicodedata.normalize("NFC", name.strip()): tuple(entries)
        for name, kind, entries in tiers
        if kind in _INTERVAL_TIER
    }


def _refuse_chronological(path: Path, text: str) -> None:
    """Raise for the third way in which Praat saves a TextGrid; praatIO does not read it."""
    if "chronological" in text.split("\n", 1)[0]:
        raise AlignmentError(
            f"{path}: a TextGrid in Praat's chronological format; open it in Praat and save it "
            "with 'Save as text file...'"
        )


def _interval(entry: Any) -> Interval:
    start, end, label = entry
    interval = Interval(float(start), float(end), unicodedata.normalize("NFC", label.strip()))
    if marks_silence(interval.label):
        return Interval(interval.start_s, interval.end_s, SILENCE)
    return interval


def _pick(
    path: Path,
    tiers: Mapping[str, tuple[Interval, ...]],
    names: frozenset[str],
    level: str,
    speaker: str | None,
) -> tuple[Interval, ...]:
    """The one tier of a level, by name without regard to case or speaker prefix."""
    matching = {}
    for name, intervals in tiers.items():
        prefix, _, base = name.rpartition(_SPEAKER_SEPARATOR)
        if base.strip().lower() in names and (speaker is None or prefix.strip() == speaker):
            matching[name] = intervals
    found = ", ".join(f"'{name}'" for name in tiers) or "none"
    if not matching:
        of_speaker = f" of speaker '{speaker}'" if speaker is not None else ""
        raise AlignmentError(
            f"{path}: no {level} tier{of_speaker}; interval tiers found: {found}; "
            f"name one '{level}s'"
        )
    if len(matching) > 1:
        raise AlignmentError(
            f"{path}: more than one {level} tier; interval tiers found: {found}; "
            "name the speaker whose tiers to take, or remove the others"
        )
    return next(iter(matching.values()))


def _contiguous(
    path: Path, tier: str, intervals: Sequence[Interval], duration_s: float
) -> list[tuple[float, float, str]]:
    """Intervals in time order with empty ones in the gaps, as Praat wants them."""
    entries: list[tuple[float, float, str]] = []
    now_s = 0.0
    for interval in sorted(intervals, key=lambda i: i.start_s):
        start_s, end_s = float(interval.start_s), float(interval.end_s)
        if abs(start_s - now_s) < 1e-9:  # rounding, not a gap
            start_s = now_s
        if start_s < now_s or end_s <= start_s:
            raise AlignmentError(
                f"{path}: tier '{tier}': '{interval.label}' at {start_s:.3f} s overlaps what is "
                "before it or has no length; a TextGrid tier cannot hold this"
            )
        if start_s > now_s:
            entries.append((now_s, start_s, SILENCE))
        entries.append((start_s, end_s, SILENCE if interval.is_silence else interval.label))
        now_s = end_s
    if now_s < duration_s:
        if entries and duration_s - now_s < 1e-9:
            start_s, _, label = entries[-1]
            entries[-1] = (start_s, float(duration_s), label)
        else:
            entries.append((now_s, float(duration_s), SILENCE))
    return entries
