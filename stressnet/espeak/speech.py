"""Words and texts in, phones and sound out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stressnet.errors import AlignmentError, LexiconError
from stressnet.espeak.engine import ENGINE_LOCK, Voice, running_engine
from stressnet.espeak.symbols import RHOTIC, arpabet
from stressnet.espeak.timing import divide, marked_groups, with_onsets
from stressnet.intervals import Interval

_DICTIONARY_VOICE = Voice()
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Speech:
    """What was said, and when.

    Parameters
    ----------
    samples : ndarray of float32, shape (n_samples,)
        Full scale is 1.
    rate_hz : int
        22050 with the voices of the wheel.
    words, phones : tuple of Interval
        In time order, without gaps inside a word. Words carry the text as written, phones ARPAbet.
        Pauses are left out.
    """

    samples: npt.NDArray[np.float32]
    rate_hz: int
    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]


def phonemize(word: str) -> list[str]:
    """Pronunciation of a word by itself, in American English, as the engine gives it.

    Returns
    -------
    list of str
        ARPAbet with stress digits. Stress is left as the engine marks it; see
        :func:`stressnet.lexicon.g2p.g2p` for pronunciations in CMUdict's conventions.

    Raises
    ------
    LexiconError
        If a symbol is not known or nothing is pronounced.

    Examples
    --------
    >>> phonemize("contract")
    ['K', 'AA1', 'N', 'T', 'R', 'AE0', 'K', 'T']
    """
    return list(_phonemized(word))


@lru_cache(maxsize=4096)
def _phonemized(word: str) -> tuple[str, ...]:
    with ENGINE_LOCK:
        engine = running_engine()
        engine.use(_DICTIONARY_VOICE)
        raw = engine.symbols(word)
    phones: list[str] = []
    for symbol in raw.replace(" ", "_").split("_"):
        if symbol.strip("ˈˌ"):
            phones.extend(arpabet(symbol, spelling=word))
    if not phones:
        raise LexiconError(f"espeak-ng pronounces nothing for {word!r}; give it letters")
    return tuple(
        phone
        for before, phone in pairwise(["", *phones])
        if phone != "R" or before.rstrip("012") not in RHOTIC
    )


def speak(text: str, voice: Voice) -> Speech:
    """Speak a text and say when each word and phone was spoken.

    Parameters
    ----------
    text : str
        English in plain letters: words, apostrophes, punctuation; no digits.
    voice : Voice
        Who speaks.

    Returns
    -------
    Speech
        The same text and voice always give the same samples.

    Raises
    ------
    AlignmentError
        If the engine's events do not fit the text.
    ConfigError
        If there is no such voice.
    LexiconError
        If a phone has no ARPAbet.
    """
    matches = list(_WORD.finditer(text))
    if not matches or re.search(r"\d", text):
        raise AlignmentError(f"cannot speak {text!r} with times; write words, without digits")
    with ENGINE_LOCK:
        engine = running_engine(fresh=True)
        engine.use(voice)
        samples, marks = engine.synthesise(text)
        rate_hz = engine.rate_hz
    groups = marked_groups(text, matches, marks, len(samples))
    level = np.abs(samples.astype(np.int32))
    words: list[Interval] = []
    phones: list[Interval] = []
    for spelling, segments in with_onsets(groups, level, rate_hz):
        for label, members in divide(spelling, segments, phonemize):
            words.append(Interval(members[0].start / rate_hz, members[-1].end / rate_hz, label))
            phones.extend(Interval(m.start / rate_hz, m.end / rate_hz, m.label) for m in members)
    return Speech((samples / 32768.0).astype(np.float32), rate_hz, tuple(words), tuple(phones))
