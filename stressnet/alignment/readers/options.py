"""What a reader may need to know besides the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stressnet.errors import AlignmentError
from stressnet.intervals import SILENCE, Alignment, Interval, marks_silence


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Choices that a file leaves open.

    Parameters
    ----------
    speaker : str or None
        Whose tiers to take where tiers or rows carry speakers' names.
    rate_hz : int or None
        Samples per second of times given in samples; None takes the format's own (TIMIT: 16,000).
    channel : str or None
        Which channel of a CTM file that has several.
    """

    speaker: str | None = None
    rate_hz: int | None = None
    channel: str | None = None


def made_interval(start_s: float, end_s: float, label: str) -> Interval:
    """An interval whose label is ``""`` if it is one of the field's marks for silence."""
    return Interval(start_s, end_s, SILENCE if marks_silence(label) else label)


def number(text: str, path: Path, line: int, what: str) -> float:
    """A number from a file.

    Raises
    ------
    AlignmentError
        Naming file and line if it is none, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise AlignmentError(
            f"{path}, line {line}: {what} '{text.strip()}' is no number; correct or remove the line"
        )
    return value


def companion(path: Path, suffix: str) -> Path | None:
    """The file beside ``path`` with another suffix, whatever its case; None if there is none.

    Both ``SA1.WRD`` + ``SA1.PHN`` and ``sa1.wrd`` + ``sa1.phn`` are pairs.
    """
    wanted = (path.stem + suffix).lower()
    exact = path.with_suffix(suffix)
    if exact.is_file():
        return exact
    if not path.parent.is_dir():
        return None
    matches = sorted(p for p in path.parent.iterdir() if p.name.lower() == wanted and p.is_file())
    return matches[0] if matches else None


Alignments = dict[str, Alignment]
"""Alignment by utterance id."""
