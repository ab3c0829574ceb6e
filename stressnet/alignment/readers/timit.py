"""TIMIT: ``.WRD`` and ``.PHN``, times in samples, 61 phones.

Each line is ``first_sample last_sample label``. Words of the corpus overlap here and there, since
neighbours may share a segment; the overlap is kept and validation lists it.
"""

from functools import partial
from pathlib import Path

from stressnet.alignment.encoding import finite_number, made_interval, numbered_lines, shown
from stressnet.alignment.readers.options import ReadOptions, pair
from stressnet.alignment.readers.phone_sets import TIMIT, fold, merge_closures, resolve_flaps
from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval

timit_files = partial(pair, words_suffix=".WRD", phones_suffix=".PHN", corpus="TIMIT")
"""The ``.WRD`` and the ``.PHN`` of an utterance, given either."""

RATE_HZ = 16_000  # In which TIMIT's times are counted whatever the audio was converted to


def read_timit(path: Path, options: ReadOptions) -> Alignment:
    """Words and phones of a TIMIT utterance, given its ``.WRD`` or its ``.PHN`` in any case."""
    files = timit_files(path)
    rate_hz = options.rate_hz or RATE_HZ
    words = _tier(files[0], rate_hz)
    phones = fold(merge_closures(_tier(files[1], rate_hz)), TIMIT)
    return resolve_flaps(Alignment(words, phones, source="timit"))


def _tier(path: Path, rate_hz: int) -> tuple[Interval, ...]:
    intervals = []
    for place, line in numbered_lines(path):
        cells = line.split(maxsplit=2)
        if len(cells) != 3:
            raise AlignmentError(f"{place}: {shown(line)} is not 'first last label'; correct it")
        start_s = finite_number(cells[0], place, "first sample") / rate_hz
        end_s = finite_number(cells[1], place, "last sample") / rate_hz
        # "epi" is no mark for silence here: it stays for the merging of closures to see it.
        intervals.append(made_interval(start_s, end_s, cells[2], place))
    return tuple(intervals)
