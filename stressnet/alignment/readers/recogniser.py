"""JSON of speech recognisers: Whisper and its relatives, Vosk, Gentle; and Oyez's transcripts.

======================================  ======================================================
openai-whisper, WhisperX                ``segments`` of ``start``, ``end``, ``text``, ``words``
faster-whisper                          the same, or a list of such segments
whisper.cpp                             ``transcription`` of ``offsets`` in ms and ``text``
transformers                            ``chunks`` of ``timestamp`` and ``text``
Vosk                                    ``result`` of ``start``, ``end``, ``word``
Gentle                                  ``words`` of ``case``, ``start``, ``end``, ``word``
Oyez (US Supreme Court)                 ``transcript``, ``sections``, ``turns``, ``text_blocks``
======================================  ======================================================

Words are taken where they have times, else segments. What has no times of its own (numbers in
WhisperX) lies between its neighbours.
"""

import math
from pathlib import Path
from typing import Any

from stressnet.alignment.encoding import finite_number, foreign_json, parsed_json, read_text, shown
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.alignment.readers.timed_text import Turn, alignments_of, with_times
from stressnet.errors import AlignmentError
from stressnet.intervals import RECOGNISED, TIMED_TEXT

_LISTS = ("segments", "transcription", "chunks", "word_segments", "words", "result")


def read_recogniser(path: Path, options: ReadOptions) -> Alignments:
    """What a recogniser heard, by speaker where it tells speakers apart."""
    document = parsed_json(path, read_text(path, windows=True))
    items = items_of(document)
    if items is None:
        raise foreign_json(path, document)
    if any("case" in item for item in items):
        return _gentle(path, items)
    turns, n_lost = [], 0
    for number, item in enumerate(items, start=1):
        place = f"{path}, segment {number}"
        segment = _turn(item, place)
        words = item.get("words")
        if isinstance(words, list) and words:
            own = [_turn(w, place, segment.speaker) for w in words if isinstance(w, dict)]
            if any(word.is_timed for word in own):
                limits = (segment.start_s, segment.end_s) if segment.is_timed else ()
                own, n = with_times(own, *limits)
                turns += own
                n_lost += n
                continue
        turns.append(segment)
    turns, n = with_times(turns)
    notes = [f"{path}: {n_lost + n} words without times are left out"] if n_lost + n else []
    language = document.get("language") if isinstance(document, dict) else None
    if isinstance(language, str) and language.lower()[:2] != "en":
        notes.append(f"{path}: the recogniser heard the language '{language[:20]}', not English")
    source = TIMED_TEXT if _is_oyez(document) else RECOGNISED
    return alignments_of(path, turns, source, tuple(notes))


def items_of(document: object) -> list[dict[str, Any]] | None:
    """Segments or words of a recogniser's JSON, none if it heard none; None if it is foreign."""
    lists = [document]
    if isinstance(document, dict):
        if _is_oyez(document):
            return _blocks(document)
        lists = [document.get(key) for key in _LISTS]
        if isinstance(document.get("text"), str) and lists.count([]) == 1:
            return []
    for items in lists:
        if (
            isinstance(items, list)
            and items
            and all(isinstance(item, dict) for item in items)
            and isinstance(items[0].get("text", items[0].get("word")), str)
        ):
            return items
    return None


def _is_oyez(document: object) -> bool:
    return isinstance(document, dict) and isinstance(document.get("transcript"), dict)


def _blocks(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What people said before the Supreme Court, block by block; None if it is something else."""
    try:
        return [
            {
                "start": block["start"],
                "end": block["stop"],
                "text": block["text"],
                "speaker": (turn.get("speaker") or {}).get("name"),
            }
            for section in document["transcript"]["sections"]
            for turn in section["turns"]
            for block in turn["text_blocks"]
        ]
    except (KeyError, TypeError, AttributeError):
        return None


def _turn(item: dict[str, Any], place: str, speaker: str = "") -> Turn:
    """A segment or word in any of the forms, without times if it has none."""
    times = [item.get("start"), item.get("end")]
    per_s = 1.0
    if isinstance(item.get("timestamp"), list):
        times = item["timestamp"]
    elif isinstance(item.get("offsets"), dict):
        times, per_s = [item["offsets"].get("from"), item["offsets"].get("to")], 1000.0
    if len(times) != 2:
        raise AlignmentError(f"{place}: {shown(times)} is not a start and an end; correct it")
    start_s, end_s = (
        math.nan if value is None else finite_number(value, place, name) / per_s
        for value, name in zip(times, ("start", "end"), strict=True)
    )
    text = item.get("text", item.get("word", ""))
    if not isinstance(text, str):
        raise AlignmentError(f"{place}: {shown(text)} is not text; correct it")
    own = item.get("speaker")
    return Turn(own if isinstance(own, str) else speaker, start_s, end_s, text)


def _gentle(path: Path, items: list[dict[str, Any]]) -> Alignments:
    """Words of Gentle, which aligned them with a transcript: their times are measured."""
    turns = [_turn(item, f"{path}, word {n}") for n, item in enumerate(items, start=1)]
    found = [turn for turn in turns if turn.is_timed]
    lost = [turn.text for turn in turns if not turn.is_timed]
    notes: tuple[str, ...] = ()
    if lost:
        notes = (
            f"{path}: Gentle did not find {len(lost)} of {len(turns)} words in the sound "
            f"({', '.join(lost[:3])}{', ...' * (len(lost) > 3)}); they are left out",
        )
    return alignments_of(path, found, "gentle", notes)
