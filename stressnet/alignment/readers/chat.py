"""CHAT, the transcripts of CHILDES and TalkBank (``.cha``), read with rustling.

Utterances have the times of their bullets; those without lie between their neighbours. Taken is
what is heard: repetitions and corrected words too, not what was left unsaid (``(re)bel``).
"""

import math
import re
import warnings
from pathlib import Path

from stressnet.alignment.encoding import read_text
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.alignment.readers.timed_text import Turn, alignments_of, with_times
from stressnet.errors import AlignmentError

_NOT_SAID = re.compile(r"(?<!\S)(?:&=|\+|0)\S*|@\S*|[:^]|\x15[^\x15\n]*\x15?")
"""Events, linkers, omitted words, marks of a word's kind, length and pauses inside it, bullets."""

_MANY_TIMES = re.compile(r"\[\s*x\s*\d{3}")


def read_chat(path: Path, options: ReadOptions) -> Alignments:
    """What each participant says."""
    from rustling.chat import CHAT

    text = read_text(path, windows=True)
    if many := _MANY_TIMES.search(text):
        raise AlignmentError(f"{path}: '{many[0][:40]}' is no number of repetitions; correct it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dependent tiers, which are not used
            utterances = CHAT.from_strs([text], strict=False).utterances()
    except BaseException as error:  # a panic of Rust is no Exception
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        reason = str(error).split("\n", 1)[0]
        raise AlignmentError(f"{path}: damaged CHAT ({reason}); check it with CLAN") from error
    turns = []
    for utterance in utterances:
        start_ms, end_ms = utterance.time_marks or (math.nan, math.nan)
        said = _NOT_SAID.sub("", utterance.audible or "").replace("_", " ").replace("+", " ")
        turns.append(Turn(utterance.participant or "", start_ms / 1000, end_ms / 1000, said))
    if not any(turn.is_timed for turn in turns) and len({turn.speaker for turn in turns}) > 1:
        raise AlignmentError(
            f"{path}: several speakers and no times; link the utterances to the sound in CLAN"
        )
    turns, n_lost = with_times(turns)
    notes = (f"{path}: {n_lost} utterances without times are left out",) if n_lost else ()
    return alignments_of(path, turns, notes=notes)
