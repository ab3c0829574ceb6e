"""STM: ``recording channel speaker start end <labels> text``, one segment per line (TED-LIUM)."""

import re
from pathlib import Path

from stressnet.alignment.encoding import finite_number, read_text
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.alignment.readers.timed_text import Turn, voices_of_turns
from stressnet.errors import AlignmentError

_LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+<[^>]*>)?(?:\s+(.*))?")
_NOT_SCORED = "ignore_time_segment_in_scoring"  # Nothing was written down there
_NO_SPEECH = re.compile(r"<unk>|\{[^{}]*\}|\(\d+\)", re.IGNORECASE)  # `{NOISE}`, `the(2)`
_CLITIC = re.compile(r"(?<!\s)\s+(?=')")  # `i 'm` is one word


def read_stm(path: Path, options: ReadOptions) -> Alignments:
    """Segments of each recording, by speaker."""
    turns: dict[str, list[Turn]] = {}
    for number, line in enumerate(read_text(path, windows=True).splitlines(), start=1):
        if not line.strip() or line.startswith(";;"):
            continue
        place = f"{path}, line {number}"
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise AlignmentError(f"{place}: expected recording, channel, speaker, start, end, text")
        recording, _, speaker, start, end, text = match.groups(default="")
        if _NOT_SCORED not in text:
            start_s, end_s = (finite_number(value, place, "time") for value in (start, end))
            plain = _CLITIC.sub("", _NO_SPEECH.sub(" ", text))
            turns.setdefault(recording, []).append(Turn(speaker, start_s, end_s, plain))
    alignments = Alignments()
    for recording, own in turns.items():
        alignments.add(recording, voices_of_turns(path, [turn for turn in own if turn.is_timed]))
    return alignments
