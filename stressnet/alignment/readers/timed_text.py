"""What is said in stretches of a recording, and by whom: subtitles, turns of a conversation."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from stressnet.alignment.encoding import made_interval, nfc
from stressnet.alignment.readers.options import Alignments
from stressnet.errors import AlignmentError
from stressnet.intervals import TIMED_TEXT, Alignment


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of speech.

    `speaker` is empty if that is not said; limits in seconds are nan if they are not known.
    """

    speaker: str
    start_s: float
    end_s: float
    text: str

    @property
    def is_timed(self) -> bool:
        """Whether both limits are known and in order."""
        return self.end_s > self.start_s


def with_times(
    turns: Sequence[Turn], start_s: float = 0.0, end_s: float = math.inf
) -> tuple[list[Turn], int]:
    """Turns that have times, and those without joined to them.

    Turns of one speaker without times lie between their neighbours, and if these leave no room, in
    the one before. The second value counts turns of several speakers between the same neighbours,
    which cannot be placed. ``start_s`` and ``end_s`` limit what the first and the last may be
    given.
    """
    kept: list[Turn] = []
    groups = [(timed, list(group)) for timed, group in groupby(turns, lambda t: t.is_timed)]
    n_lost = 0
    for place, (timed, group) in enumerate(groups):
        if timed:
            kept += group
            continue
        if len({turn.speaker for turn in group}) > 1:
            n_lost += len(group)
            continue
        first_s = kept[-1].end_s if kept else start_s
        last_s = groups[place + 1][1][0].start_s if place + 1 < len(groups) else end_s
        text = " ".join(turn.text for turn in group)
        if last_s > first_s:
            kept.append(Turn(group[0].speaker, first_s, last_s, text))
        elif kept and kept[-1].speaker == group[0].speaker:
            kept[-1] = replace(kept[-1], text=f"{kept[-1].text} {text}")
        else:
            n_lost += len(group)
    return kept, n_lost


def alignments_of(
    path: Path, turns: Iterable[Turn], source: str = TIMED_TEXT, notes: tuple[str, ...] = ()
) -> Alignments:
    """:func:`voices_of_turns` of the only recording of a file."""
    alignments = Alignments()
    alignments.add("", voices_of_turns(path, turns, source, notes))
    return alignments


def voices_of_turns(
    path: Path, turns: Iterable[Turn], source: str = TIMED_TEXT, notes: tuple[str, ...] = ()
) -> dict[str, Alignment]:
    """Turns of each speaker as intervals without phones; none is an `AlignmentError`."""
    voices: dict[str, list[Turn]] = {}
    for turn in turns:
        if turn.text.strip():
            voices.setdefault(nfc(turn.speaker), []).append(turn)
    if not voices:
        raise AlignmentError(f"{path}: holds no text; write down what is said")
    return {
        speaker: Alignment(
            tuple(
                made_interval(turn.start_s, turn.end_s, turn.text, str(path))
                for turn in sorted(of_speaker, key=lambda t: (t.start_s, t.end_s))
            ),
            (),
            source,
            notes=notes,
        )
        for speaker, of_speaker in voices.items()
    }
