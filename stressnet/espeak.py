"""Speech with known times from espeak-ng, through the library inside ``espeakng_loader``.

The engine is a C library with *global* state: one voice, one set of parameters, one callback for
the whole process, and pitch flutter that runs on from utterance to utterance. A lock guards every
call, and :func:`speak` unloads the library and loads it afresh (3 ms), so that a text and a voice
always give the same samples, whatever was said before. Threads take turns; several processes work
side by side. Only if another package of the same process holds the same library open does flutter
run on.

Conventions
-----------
Phones are ARPAbet with stress digits as *spoken*: a function word that the engine destresses has
``0`` on its vowel, and a vowel that CMUdict gives ``2`` may come out with ``0``. As in CMUdict, no
R follows ER inside a word.

Whose times these are
---------------------
The engine reports the sample at which it begins to synthesise a phone; vowels after a liquid or
nasal begin after the transition. Four things it does not say are settled here:

* The silence before an obstruent (closure of a stop, 10 ms gap before a fricative) belongs to that
  obstruent: the engine's own mark sits after the silence, at the release. The silence is looked for
  in the waveform, between the previous phone's mark and this one's. Silence before a vowel or a
  sonorant is a pause when it is longer than 30 ms; shorter, it stays with the phone before it, and
  so does the glide without a symbol that links "the" to a vowel.
* Symbols that stand for several phones (``ɔːɹ``, ``əl``, ``aɪɚ``, ``n̩``) are cut at a fixed share
  of their length (:data:`SPLIT_SHARE`).
* A post-vocalic /l/ is spoken inside the end of the vowel, and its mark comes when it is almost
  over: it receives the last :data:`LATERAL_SHARE` of the stretch from the vowel's mark to its end.
* Words that the engine treats as one (``in the``, ``of a``) are divided where their phones fit the
  words' separate pronunciations best.

The second and third are conventions, not measurements: boundaries inside vowel plus /r/ or /l/ are
not truth. All others are where the synthesis changes; held against the sound, the tip of the
balance between high and low frequencies at 188 boundaries of sibilant and vowel lies a median
0.6 ms from the mark (90th percentile 6.6 ms; 14 voices, espeak-ng 1.52).
"""

from __future__ import annotations

import _ctypes
import ctypes
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from stressnet.errors import AlignmentError, ConfigError, LexiconError, MissingPartError
from stressnet.intervals import Interval

SPLIT_SHARE = 0.55
"""Share of a symbol for two phones that its first phone gets."""
LATERAL_SHARE = 0.45
"""Share of vowel plus post-vocalic /l/ that belongs to the /l/."""
QUIET_SHARE = 0.01
"""Below this share of the utterance's peak a sample counts as silence."""
SHORTEST_PAUSE_S = 0.030
"""Silence shorter than this before a sonorant is no pause."""
LONGEST_CLOSURE_S = 0.150
"""Silence longer than this before an obstruent is a pause."""
SHORTEST_LATERAL_S = 0.040
"""A post-vocalic /l/ at least this long by its own mark is left as marked."""

_VOWELS = {
    "i": "IY", "iː": "IY", "iːː": "IY", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "e": "EH", "ɛ": "EH",
    "æ": "AE", "a": "AE", "aː": "AA", "ɑ": "AA", "ɑː": "AA", "ɒ": "AA", "ɔ": "AO", "ɔː": "AO",
    "o": "OW", "oː": "AO", "ʊ": "UH", "u": "UW", "uː": "UW", "ʌ": "AH", "ə": "AH", "ɐ": "AH",
    "ɜ": "ER", "ɜː": "ER", "ɚ": "ER", "ɝ": "ER", "eɪ": "EY", "aɪ": "AY", "ɔɪ": "OY", "aʊ": "AW",
    "oʊ": "OW", "əʊ": "OW",
}  # fmt: skip
_CONSONANTS = {
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "g": "G", "tʃ": "CH", "dʒ": "JH",
    "f": "F", "v": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH",
    "m": "M", "n": "N", "ŋ": "NG", "l": "L", "ɫ": "L", "ɬ": "L", "ɹ": "R", "r": "R", "j": "Y",
    "w": "W", "ʍ": "W", "x": "K", "ʔ": "T",
}  # fmt: skip
_SEVERAL = {
    "ɪɹ": ("IH", "R"), "iːɹ": ("IH", "R"), "ɛɹ": ("EH", "R"), "ɑːɹ": ("AA", "R"), "ʊɹ": ("UH", "R"),
    "ɔːɹ": ("AO", "R"), "oːɹ": ("AO", "R"), "aɪɚ": ("AY", "ER"), "aʊɚ": ("AW", "ER"),
    "aɪə": ("AY", "AH"), "aʊə": ("AW", "AH"), "iə": ("IY", "AH"), "ɪə": ("IH", "R"),
    "eə": ("EH", "R"), "ɛː": ("EH", "R"), "ʊə": ("UH", "R"), "əl": ("AH", "L"), "l̩": ("AH", "L"),
    "n̩": ("AH", "N"), "m̩": ("AH", "M"), "ɑ̃": ("AA", "N"), "ɔ̃": ("AO", "N"), "nʲ": ("N", "Y"),
    "ɡʲ": ("G", "Y"),
}  # fmt: skip
_SYLLABIC = frozenset({"əl", "l̩", "n̩", "m̩"})
_RHOTIC = frozenset({"R", "ER"})  # CMUdict writes no R after these
_VOWEL_NAMES = frozenset(_VOWELS.values())
_OBSTRUENTS = frozenset("P B T D K G CH JH F V TH DH S Z SH ZH HH".split())

_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Voice:
    """A way of speaking.

    Parameters
    ----------
    name : str
        The engine's language, ``"en-us"``.
    variant : str
        A voice variant file (``"f1"``, ``"m3"``, ``"Annie"``); ``""`` for none.
    pitch, pitch_range : int
        The engine's settings from 0 to 99; 50 is the variant's own.
    rate_wpm : int
        Words per minute, 80 to 400.
    sex : str
        ``"F"`` or ``"M"``, for the corpus table; the variant decides the sound.
    """

    name: str = "en-us"
    variant: str = ""
    pitch: int = 50
    pitch_range: int = 50
    rate_wpm: int = 170
    sex: str = "M"

    def __post_init__(self) -> None:
        for what, value, low, high in (
            ("pitch", self.pitch, 0, 99),
            ("pitch_range", self.pitch_range, 0, 99),
            ("rate_wpm", self.rate_wpm, 80, 400),
        ):
            if not low <= value <= high:
                raise ConfigError(f"voice {self.identifier}: {what}={value}; use {low} to {high}")

    @property
    def identifier(self) -> str:
        """The engine's own name, ``en-us+f2``."""
        return f"{self.name}+{self.variant}" if self.variant else self.name


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


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class _Mark:
    """One event: a word's position in the text, or a phone's symbol, at a sample."""

    sample: int
    text_position: int
    symbol: str | None  # None marks a word


class _Engine:
    """The C library, loaded and started. All calls under :data:`_LOCK`."""

    def __init__(self) -> None:
        try:
            import espeakng_loader

            self.lib = ctypes.CDLL(espeakng_loader.get_library_path())
        except (ImportError, OSError) as err:
            raise MissingPartError(f"espeak-ng: {err}; install espeakng-loader") from err
        synchronous, phoneme_events, ipa, dont_exit = 2, 0x1, 0x2, 0x8000
        data_path = espeakng_loader.get_data_path().encode()
        rate = self.lib.espeak_Initialize(
            synchronous, 0, data_path, phoneme_events | ipa | dont_exit
        )
        if rate <= 0:
            raise MissingPartError(f"espeak-ng: cannot start with {data_path.decode()}; reinstall")
        self.rate_hz = int(rate)
        self.lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.lib.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int
        ]  # fmt: skip
        self._blocks: list[npt.NDArray[np.int16]] = []
        self._marks: list[_Mark] = []
        self._callback = _Callback(self._collect)  # kept: the library holds only the address
        self.lib.espeak_SetSynthCallback(self._callback)

    def close(self) -> None:
        """Stop and unload, so that the next load starts from the library's initial state."""
        self.lib.espeak_Terminate()
        name = "dlclose" if hasattr(_ctypes, "dlclose") else "FreeLibrary"  # the latter on Windows
        getattr(_ctypes, name)(self.lib._handle)

    def _collect(self, wave: ctypes._Pointer, n: int, events: ctypes._Pointer) -> int:
        if wave and n > 0:
            self._blocks.append(np.ctypeslib.as_array(wave, (n,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_WORD:
                self._marks.append(_Mark(event.sample, event.text_position - 1, None))
            elif event.type == _EVENT_PHONEME:
                symbol = bytes(event.id.string).split(b"\0")[0].decode("utf-8", "replace")
                self._marks.append(_Mark(event.sample, event.text_position - 1, symbol))
            index += 1
        return 0

    def use(self, voice: Voice) -> None:
        if self.lib.espeak_SetVoiceByName(voice.identifier.encode()) != 0:
            raise ConfigError(f"espeak-ng has no voice {voice.identifier!r}; use en-us with f1..m8")
        rate, pitch, pitch_range = 1, 3, 4
        for parameter, value in (
            (rate, voice.rate_wpm), (pitch, voice.pitch), (pitch_range, voice.pitch_range)
        ):  # fmt: skip
            self.lib.espeak_SetParameter(parameter, value, 0)

    def synthesise(self, text: str) -> tuple[npt.NDArray[np.int16], list[_Mark]]:
        self._blocks, self._marks = [], []
        data = text.encode("utf-8")
        by_character, utf8 = 1, 1
        status = self.lib.espeak_Synth(data, len(data) + 1, 0, by_character, 0, utf8, None, None)
        if status != 0 or not self._blocks:
            raise AlignmentError(f"espeak-ng spoke nothing for {text!r}; give it words")
        return np.concatenate(self._blocks), self._marks

    def symbols(self, word: str) -> str:
        pointer = ctypes.c_char_p(word.encode("utf-8"))
        utf8, ipa_with_underscores = 1, (ord("_") << 8) | 0x2
        pieces = []
        while pointer.value:
            out = self.lib.espeak_TextToPhonemes(ctypes.byref(pointer), utf8, ipa_with_underscores)
            pieces.append((out or b"").decode("utf-8"))
        return "_".join(pieces)


_LOCK = threading.RLock()
_DICTIONARY_VOICE = Voice()
_running: list[_Engine] = []  # at most one


def _engine(*, fresh: bool = False) -> _Engine:
    """The running engine, started if need be; ``fresh`` restarts it. Call under the lock."""
    if fresh and _running:
        _running.pop().close()
    if not _running:
        _running.append(_Engine())
    return _running[0]


def version() -> str:
    """The engine's version, such as ``"1.52.0"``."""
    with _LOCK:
        info = _engine().lib.espeak_Info
        info.restype = ctypes.c_char_p
        return bytes(info(None) or b"").decode()


def arpabet(symbol: str, *, spelling: str = "") -> tuple[str, ...]:
    """One symbol of the engine's IPA as ARPAbet.

    Parameters
    ----------
    symbol : str
        With its stress mark, such as ``"ˈɔːɹ"``.
    spelling : str
        The word, to tell a flapped /d/ from a flapped /t/: a flap in a word spelt without *t* is D.

    Returns
    -------
    tuple of str
        One or two phones; the first vowel takes the stress digit, a second vowel ``0``.

    Raises
    ------
    LexiconError
        If the symbol is not known.

    Examples
    --------
    >>> arpabet("ˈɔːɹ"), arpabet("ᵻ"), arpabet("ɾ", spelling="city")
    (('AO1', 'R'), ('IH0',), ('T',))
    """
    bare = symbol.strip("ˈˌ")
    digit = "1" if "ˈ" in symbol else "2" if "ˌ" in symbol else "0"
    if bare == "ɾ":
        return ("D",) if spelling and "t" not in spelling.lower() else ("T",)
    if bare in _CONSONANTS:
        return (_CONSONANTS[bare],)
    if bare in _VOWELS:
        return (_VOWELS[bare] + digit,)
    if bare not in _SEVERAL:
        raise LexiconError(
            f"espeak-ng symbol {symbol!r} has no ARPAbet here"
            f"{f' (in {spelling!r})' if spelling else ''}; use an en-us voice"
        )
    if bare in _SYLLABIC and digit == "2":
        digit = "0"
    phones = []
    for name in _SEVERAL[bare]:
        phones.append(name + digit if name in _VOWEL_NAMES else name)
        if name in _VOWEL_NAMES:
            digit = "0"
    return tuple(phones)


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
    with _LOCK:
        engine = _engine()
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
        if phone != "R" or before.rstrip("012") not in _RHOTIC
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
    with _LOCK:
        engine = _engine(fresh=True)
        engine.use(voice)
        samples, marks = engine.synthesise(text)
        rate_hz = engine.rate_hz
    groups = _groups(text, matches, marks, len(samples))
    level = np.abs(samples.astype(np.int32))
    words: list[Interval] = []
    phones: list[Interval] = []
    for spelling, segments in _with_onsets(groups, level, rate_hz):
        for label, members in _divide(spelling, segments):
            words.append(Interval(members[0].start / rate_hz, members[-1].end / rate_hz, label))
            phones.extend(Interval(m.start / rate_hz, m.end / rate_hz, m.label) for m in members)
    return Speech((samples / 32768.0).astype(np.float32), rate_hz, tuple(words), tuple(phones))


@dataclass(slots=True)
class _Segment:
    """A phone in samples; limits are adjusted in place."""

    start: int
    end: int
    label: str

    @property
    def name(self) -> str:
        return self.label.rstrip("012")


_Group = tuple[tuple[str, ...], list[_Segment]]


def _groups(
    text: str, matches: Sequence[re.Match[str]], marks: Sequence[_Mark], n_samples: int
) -> list[_Group]:
    """Words that the engine marked together, with their phones from mark to mark."""
    owners = [_owner(m.text_position, matches) for m in marks if m.symbol is None]
    firsts = sorted({k for k in owners if k is not None})
    if not firsts or owners[0] != 0 or firsts != [k for k in owners if k is not None]:
        raise AlignmentError(f"espeak-ng's word marks do not fit {text!r}; use plain words")
    lasts = [*firsts[1:], len(matches)]
    groups: dict[int, _Group] = {
        first: (tuple(m.group() for m in matches[first:last]), [])
        for first, last in zip(firsts, lasts, strict=True)
    }
    owner = 0
    ends = [*[m.sample for m in marks if m.symbol is not None][1:], n_samples]
    for mark in marks:
        if mark.symbol is None:  # a word's mark can precede the sound of the phone before it
            first = _owner(mark.text_position, matches)
            owner = owner if first is None else first
            continue
        end = ends.pop(0)
        spelling, segments = groups[owner]
        if not mark.symbol.strip("ˈˌ"):
            continue  # a pause
        names = arpabet(mark.symbol, spelling=" ".join(spelling))
        if names == ("R",) and segments and segments[-1].name in _RHOTIC:  # as in CMUdict
            segments[-1].end = end
            continue
        cuts = [mark.sample, end]
        if len(names) == 2:
            cuts.insert(1, mark.sample + round(SPLIT_SHARE * (end - mark.sample)))
        for name, (start, stop) in zip(names, pairwise(cuts), strict=True):
            segments.append(_Segment(start, stop, name))
    silent = [spelling for spelling, segments in groups.values() if not segments]
    if silent:
        raise AlignmentError(f"espeak-ng spoke no phone for {silent[0]} in {text!r}; reword it")
    return list(groups.values())


def _owner(position: int, matches: Sequence[re.Match[str]]) -> int | None:
    """The word that a mark begins; None for a mark inside a word ("for a while" has such)."""
    for k, match in enumerate(matches):
        if position <= match.start():
            return k
        if position < match.end():
            return None
    return None


def _with_onsets(groups: list[_Group], level: npt.NDArray[np.int32], rate_hz: int) -> list[_Group]:
    """Put silences where they belong and give post-vocalic laterals their share, in place."""
    threshold = QUIET_SHARE * float(level.max())
    flat = [segment for _, segments in groups for segment in segments]
    for before, segment in pairwise(flat):
        loud = np.flatnonzero(level[before.start : segment.start] >= threshold)
        if not loud.size:  # a glottal stop is silence itself
            before.end = segment.start
            continue
        quiet_from = before.start + int(loud[-1]) + 1
        pause = segment.start - quiet_from
        if segment.name in _OBSTRUENTS and pause <= LONGEST_CLOSURE_S * rate_hz:
            segment.start = before.end = quiet_from
        elif pause > SHORTEST_PAUSE_S * rate_hz:
            before.end = quiet_from
        else:
            before.end = segment.start
    last = flat[-1]
    loud = np.flatnonzero(level[last.start : last.end] >= threshold)
    last.end = last.start + (int(loud[-1]) + 1 if loud.size else last.end - last.start)
    for before, segment in pairwise(flat):
        own, both = segment.end - segment.start, segment.end - before.start
        lateral = segment.label == "L" and before.label[-1].isdigit()
        early = own < min(SHORTEST_LATERAL_S * rate_hz, LATERAL_SHARE * both)
        if lateral and early and before.end == segment.start:
            before.end = segment.start = segment.end - round(LATERAL_SHARE * both)
    return groups


def _divide(
    spelling: tuple[str, ...], segments: list[_Segment]
) -> list[tuple[str, list[_Segment]]]:
    """Divide phones spoken under one mark among the words written."""
    if len(spelling) == 1:
        return [(spelling[0], segments)]
    alone = [[p.rstrip("012") for p in phonemize(word)] for word in spelling]
    names = [segment.name for segment in segments]
    if len(names) < len(spelling):
        raise AlignmentError(f"espeak-ng merged {' '.join(spelling)!r}; reword the sentence")
    best: tuple[int, ...] = ()
    best_cost: int | None = None
    for inner in combinations(range(1, len(names)), len(spelling) - 1):
        cuts = (0, *inner, len(names))
        cost = sum(
            edit_distance(names[a:b], word)
            for (a, b), word in zip(pairwise(cuts), alone, strict=True)
        )
        if best_cost is None or cost < best_cost:
            best, best_cost = cuts, cost
    return [(word, segments[a:b]) for word, (a, b) in zip(spelling, pairwise(best), strict=True)]


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """Number of insertions, deletions and substitutions between two sequences (Levenshtein)."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
