"""Subtitles: SubRip (``.srt``) and WebVTT (``.vtt``), read with pysubs2.

Speakers are WebVTT's voices (``<v Anna>``), or names at the start of lines, as WhisperX and Zoom
write them (``[SPEAKER_00]: ...``, ``Anna Berg: ...``), if at least half of the subtitles have one.
"""

import html
import re
from pathlib import Path

from stressnet.alignment.encoding import read_text
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.alignment.readers.timed_text import Turn, alignments_of
from stressnet.errors import AlignmentError
from stressnet.intervals import RECOGNISED

_VOICE = re.compile(r"<v[.\w]*+[ \t]++([^<>\n]*+)>")
_TAG = re.compile(r"<[^<>\n]*+>")
_NAME = re.compile(r"\s*(?:\[([^\]\n]{1,40})\]|([A-Z][\w.'-]*(?: [A-Z][\w.'-]*){0,3})):[ \t]+")
_ROLLS = re.compile(r"<(?:\d+:)?\d\d:\d\d\.\d+>|<u>")
"""Times of words, or a word underlined while it is said: the text then stands there repeatedly."""


def read_subtitles(path: Path, options: ReadOptions) -> Alignments:
    """What is said in each subtitle."""
    import pysubs2

    text = re.sub(r"\n{3,}", "\n\n", read_text(path, windows=True))  # pysubs2 is slow with many
    is_vtt = text.lstrip().startswith("WEBVTT")
    if is_vtt:
        text = _cues(text)
    try:
        events = pysubs2.SSAFile.from_string(
            # The number keeps pysubs2 from taking the last line for one, where it is "21".
            f"{text}\n\n0\n",
            format_="vtt" if is_vtt else "srt",
            keep_html_tags=True,
        ).events
    except (ValueError, OverflowError, pysubs2.exceptions.Pysubs2Error) as error:
        raise AlignmentError(f"{path}: damaged subtitles ({error}); correct the file") from error
    if not events:
        raise AlignmentError(
            f"{path}: holds no subtitles (00:00:01,000 --> 00:00:02,000); make the file again"
        )
    rolls = _ROLLS.search(text) is not None
    turns: list[Turn] = []
    shown: list[str] = []
    for event in events:
        raw = event.text.replace(r"\N", "\n")
        lines = [line for line in raw.split("\n") if _plain(line)]
        new = [line for line in lines if not (rolls and _plain(line) in shown)]
        shown = [_plain(line) for line in lines]
        turns += _turns("\n".join(new), event.start / 1000, event.end / 1000)
        if rolls and lines and not new and turns:
            last = turns[-1]
            turns[-1] = Turn(last.speaker, last.start_s, event.end / 1000, last.text)
    timed = [turn for turn in turns if turn.is_timed]
    notes: tuple[str, ...] = ()
    if len(timed) < len(turns):
        notes = (f"{path}: {len(turns) - len(timed)} subtitles end before they start; left out",)
    return alignments_of(path, _by_name(timed), RECOGNISED, notes)


def _cues(text: str) -> str:
    """Cues of WebVTT, numbered, without comments and styles, which pysubs2 takes for text."""
    kept = []
    for block in text.split("\n\n"):
        head, arrow, rest = block.partition("-->")
        if arrow:
            kept.append(head.rpartition("\n")[2] + arrow + rest)
    return "WEBVTT\n\n" + "\n\n1\n".join(kept)


def _plain(line: str) -> str:
    return html.unescape(_TAG.sub("", line)).strip()


def _turns(raw: str, start_s: float, end_s: float) -> list[Turn]:
    """What is said in a subtitle, by voice."""
    first, *voices = _VOICE.split(raw)
    parts = [("", first), *zip(voices[::2], voices[1::2], strict=True)]
    return [
        Turn(html.unescape(voice).strip(), start_s, end_s, _plain_lines(text))
        for voice, text in parts
        if _plain_lines(text)
    ]


def _plain_lines(text: str) -> str:
    return "\n".join(filter(None, map(_plain, text.split("\n"))))


def _by_name(turns: list[Turn]) -> list[Turn]:
    """Names before a colon as speakers; a subtitle without one goes on with the last."""
    names = [_NAME.match(turn.text) for turn in turns]
    if any(turn.speaker for turn in turns) or 2 * sum(n is not None for n in names) < len(turns):
        return turns
    found, speaker = [], ""
    for turn, name in zip(turns, names, strict=True):
        if name is not None:
            speaker = name[1] or name[2]
        text = turn.text[name.end() :] if name else turn.text
        found.append(Turn(speaker, turn.start_s, turn.end_s, text))
    return found
