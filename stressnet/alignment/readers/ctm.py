"""CTM: ``recording channel start duration label [confidence]``, one line per word or phone.

One file holds many recordings. Words and phones are two files, ``X.words.ctm`` and
``X.phones.ctm`` (or ``word``/``phone`` anywhere in the names); a file of words alone gives
alignments without phones. Times are rounded to a few decimals by whoever wrote the file, so
neighbours may overlap by one unit of the last decimal: such an end is moved to the next start.
"""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from stressnet.alignment.encoding import finite_number, made_interval, nfc, numbered_lines, shown
from stressnet.alignment.readers.options import Alignments, ReadOptions, beside
from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval

_POSITION = re.compile(r"(?<=\S)_[BIES]$")  # Kaldi marks a phone's place in its word: `AH0_B`


def read_ctm(path: Path, options: ReadOptions) -> Alignments:
    """All recordings of a CTM file."""
    words_file, phones_file = ctm_files(path)
    words = _tiers(words_file, options)
    phones = _tiers(phones_file, options) if phones_file else {}
    alignments = Alignments()
    for name, channels in words.items():
        of_name = phones.get(name, {})
        if len(channels) == len(of_name) == 1:  # the two files may name it differently
            of_name = dict(zip(channels, of_name.values(), strict=True))
        alignments.add(
            name,
            {
                channel: Alignment(
                    tier,
                    tuple(
                        replace(p, label=_POSITION.sub("", p.label))
                        for p in of_name.get(channel, ())
                    ),
                    source="ctm",
                )
                for channel, tier in channels.items()
            },
        )
    return alignments


def ctm_files(path: Path) -> tuple[Path, Path | None]:
    """The file of words and the one of phones, given either."""
    name = path.name.lower()
    if "word" in name:
        return path, beside(path, name.replace("word", "phone"))
    if "phone" not in name:
        return path, None
    words = beside(path, name.replace("phone", "word"))
    if words is None:
        raise AlignmentError(
            f"{path}: phones without words; put the words beside it in a file "
            f"'{name.replace('phone', 'word')}'"
        )
    return words, path


def _tiers(path: Path, options: ReadOptions) -> dict[str, dict[str, tuple[Interval, ...]]]:
    """Intervals by recording and channel; of the channel asked for, where a recording has it."""
    rows: dict[str, dict[str, list[Interval]]] = {}
    decimals = 0
    for place, line in numbered_lines(path):
        if line.lstrip().startswith(";;"):
            continue
        cells = line.split()
        if len(cells) < 5:
            raise AlignmentError(
                f"{place}: {shown(line)} is not 'recording channel start duration label'; correct "
                "it"
            )
        start_s = finite_number(cells[2], place, "start")
        duration_s = finite_number(cells[3], place, "duration")
        decimals = max(decimals, *(len(cell.partition(".")[2]) for cell in cells[2:4]))
        # Rounded, since 0.1 + 0.2 s would overlap a start at 0.3 s.
        end_s = round(start_s + duration_s, 6)
        interval = made_interval(start_s, end_s, cells[4], place)
        rows.setdefault(nfc(cells[0]), {}).setdefault(cells[1], []).append(interval)
    unit_s = 10.0**-decimals
    return {
        name: {
            channel: _joined(sorted(intervals, key=lambda i: i.start_s), unit_s)
            for channel, intervals in channels.items()
            if channel == options.channel or options.channel not in channels
        }
        for name, channels in rows.items()
    }


def _joined(intervals: list[Interval], unit_s: float) -> tuple[Interval, ...]:
    """Ends that rounding moved past the next start, moved back."""
    joined = list(intervals)
    for k, (one, following) in enumerate(pairwise(intervals)):
        overlap_s = one.end_s - following.start_s
        if 0 < overlap_s <= unit_s * 1.001 and following.start_s > one.start_s:
            joined[k] = replace(one, end_s=following.start_s)
    return tuple(joined)
