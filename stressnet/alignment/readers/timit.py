"""TIMIT: ``.WRD`` and ``.PHN``, times in samples, 61 phones.

Each line is ``first_sample last_sample label``. Words of the corpus overlap here and there, since
neighbours may share a segment; the overlap is kept and validation lists it.
"""

from __future__ import annotations

from pathlib import Path

from stressnet.alignment.encoding import nfc, read_text
from stressnet.alignment.readers.options import ReadOptions, companion, made_interval, number
from stressnet.alignment.readers.phone_sets import TIMIT, fold, merge_closures, resolve_flaps
from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval

RATE_HZ = 16_000
"""TIMIT's sampling rate, in which its times are counted whatever the audio was converted to."""


def read_timit(path: Path, options: ReadOptions) -> Alignment:
    """Words and phones of a TIMIT utterance.

    Parameters
    ----------
    path : Path
        Its ``.WRD`` or its ``.PHN``, in any case; the other one must lie beside it.
    options : ReadOptions
        ``rate_hz`` if times are not counted at 16 kHz.

    Raises
    ------
    AlignmentError
        If one of the two is missing, or a line is not ``first last label``.
    """
    files = timit_files(path)
    rate_hz = options.rate_hz or RATE_HZ
    words = _tier(files[0], rate_hz)
    phones = fold(merge_closures(_tier(files[1], rate_hz)), TIMIT)
    return resolve_flaps(Alignment(words, phones, source="timit"))


def timit_files(path: Path) -> tuple[Path, Path]:
    """The ``.WRD`` and the ``.PHN`` of an utterance, given either."""
    words, phones = companion(path, ".wrd"), companion(path, ".phn")
    if words is None or phones is None:
        lacking = ".WRD" if words is None else ".PHN"
        raise AlignmentError(
            f"{path}: no file '{path.stem}{lacking}' beside it; TIMIT's words and phones are two "
            "files, supply both"
        )
    return words, phones


def _tier(path: Path, rate_hz: int) -> tuple[Interval, ...]:
    intervals = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        cells = text.split(maxsplit=2)
        if not cells:
            continue
        if len(cells) != 3:
            raise AlignmentError(
                f"{path}, line {line}: '{text.strip()}' is not 'first last label'; correct it"
            )
        first = number(cells[0], path, line, "first sample")
        last = number(cells[1], path, line, "last sample")
        label = nfc(cells[2])
        if label.lower() == "epi":  # within words, so it must stay for merging to see it
            intervals.append(Interval(first / rate_hz, last / rate_hz, label))
        else:
            intervals.append(made_interval(first / rate_hz, last / rate_hz, label))
    return tuple(intervals)
