"""Words and texts in, phones and sound out."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

from stressnet.errors import AlignmentError, LexiconError
from stressnet.espeak.engine import ENGINE_LOCK, Voice, running_engine
from stressnet.espeak.symbols import ARPABET_VOICE, merged, phones_of
from stressnet.espeak.timing import Segment, divide, marked_groups, with_onsets
from stressnet.intervals import Interval

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SWITCH = re.compile(r"\([a-z-]+\)")  # "(en)": what follows is pronounced as in another language


@dataclass(frozen=True, slots=True)
class Speech:
    """What was said, and when.

    Samples are float32, shape (n_samples,), full scale 1; the rate is 22050 with the voices of the
    wheel. Words and phones are in time order, without gaps inside a word. Words carry the text as
    written, phones ARPAbet or, in other languages than American English, IPA. Pauses are left out.
    """

    samples: npt.NDArray[np.float32]
    rate_hz: int
    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]


def phonemize(word: str, language: str = ARPABET_VOICE) -> list[str]:
    """Pronunciation of a word by itself, as the engine gives it.

    ``language`` is the engine's name of it, ``"de"``. Phones are ARPAbet (``"en-us"``) or IPA,
    vowels with stress digits. Stress is left as the engine marks it; see
    :func:`stressnet.lexicon.g2p.g2p` for pronunciations in CMUdict's conventions. Raises
    `LexiconError` if a symbol is not known or nothing is pronounced, `ConfigError` if the engine
    does not know the language.

    >>> phonemize("contract")
    ['K', 'AA1', 'N', 'T', 'R', 'AE0', 'K', 'T']
    >>> phonemize("Straße", "de")
    ['ʃ', 't', 'ɾ', 'ɑː1', 's', 'ə0']
    """
    return list(_phonemized(word, language))


@lru_cache(maxsize=4096)
def _phonemized(word: str, language: str) -> tuple[str, ...]:
    with ENGINE_LOCK:
        engine = running_engine()
        engine.use(Voice(language))
        raw = _SWITCH.sub("", engine.symbols(word))
    phones: list[str] = []
    for symbol in raw.replace(" ", "_").split("_"):
        for phone in phones_of(symbol, language, word):
            single = merged(phones[-1], phone, language) if phones else None
            if single is None:
                phones.append(phone)
            else:
                phones[-1] = single
    if not phones:
        raise LexiconError(f"espeak-ng pronounces nothing for {word!r}; give it letters")
    return tuple(phones)


def speak(text: str, voice: Voice, *, emphasised: int | None = None) -> Speech:
    """Speak a text and say when each word and phone was spoken.

    The text is in the letters of the voice's language: words, apostrophes, punctuation; no digits.
    One word, counted from 0, may be ``emphasised``: it gets the sentence accent. The same text and
    voice always give the same samples.
    """
    text = unicodedata.normalize("NFC", text)
    matches = list(_WORD.finditer(text))
    if not matches or re.search(r"\d", text):
        raise AlignmentError(f"cannot speak {text!r} with times; write words, without digits")
    with ENGINE_LOCK:
        engine = running_engine(fresh=True)
        engine.use(voice)
        span = (0, 0) if emphasised is None else matches[emphasised].span()
        samples, marks = engine.synthesise(text, span)
        rate_hz = engine.rate_hz
    groups = marked_groups(matches, marks, len(samples), voice.name)
    pronounce = partial(phonemize, language=voice.name)
    level = np.abs(samples.astype(np.int32))
    words: list[Interval] = []
    phones: list[Interval] = []
    for spelling, segments in with_onsets(groups, level, rate_hz):
        for label, members in divide(spelling, segments, pronounce):
            if voice.name != ARPABET_VOICE:
                _lengthen(members, pronounce(label))
            words.append(Interval(members[0].start / rate_hz, members[-1].end / rate_hz, label))
            phones.extend(Interval(m.start / rate_hz, m.end / rate_hz, m.label) for m in members)
    return Speech((samples / 32768.0).astype(np.float32), rate_hz, tuple(words), tuple(phones))


def _lengthen(spoken: list[Segment], alone: list[str]) -> None:
    """Give consonants the length that the engine's events leave out."""
    for segment, phone in zip(spoken, alone, strict=False):
        if phone == segment.label + "ː":
            segment.label = phone
