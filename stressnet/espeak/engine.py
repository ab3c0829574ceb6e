"""The espeak-ng library: one engine for the whole process.

The engine is a C library with *global* state: one voice, one set of parameters, one callback for
the whole process, and pitch flutter that runs on from utterance to utterance. A lock guards every
call, and :func:`speak` unloads the library and loads it afresh (3 ms), so that a text and a voice
always give the same samples, whatever was said before. Threads take turns; several processes work
side by side. Only if another package of the same process holds the same library open does flutter
run on.
"""

import _ctypes
import ctypes
import threading
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stressnet.errors import AlignmentError, ConfigError, MissingPartError

_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7


@dataclass(frozen=True, slots=True)
class Voice:
    """A way of speaking.

    ``name`` is the engine's language, such as ``"en-us"`` or ``"de"``, ``variant`` a voice variant
    file (``"f1"``, ``"m3"``, ``"Annie"``), ``""`` for none. Pitch and its range are the engine's
    settings from 0 to 99, where 50 is the variant's own; the rate is 80 to 400 words per minute.
    ``sex`` (``"F"`` or ``"M"``) is for the corpus table; the variant decides the sound.
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
class Mark:
    """One event: a word's position in the text, or a phone's symbol, at a sample."""

    sample: int
    text_position: int
    symbol: str | None  # None marks a word


class Engine:
    """The C library, loaded and started. All calls under :data:`ENGINE_LOCK`."""

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
        self._marks: list[Mark] = []
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
                self._marks.append(Mark(event.sample, event.text_position - 1, None))
            elif event.type == _EVENT_PHONEME:
                symbol = bytes(event.id.string).split(b"\0")[0].decode("utf-8", "replace")
                self._marks.append(Mark(event.sample, event.text_position - 1, symbol))
            index += 1
        return 0

    def use(self, voice: Voice) -> None:
        if self.lib.espeak_SetVoiceByName(voice.identifier.encode()) != 0:
            raise ConfigError(
                f"espeak-ng has no voice {voice.identifier!r}; use en-us, de, ... with f1..m8"
            )
        rate, pitch, pitch_range = 1, 3, 4
        for parameter, value in (
            (rate, voice.rate_wpm), (pitch, voice.pitch), (pitch_range, voice.pitch_range)
        ):  # fmt: skip
            self.lib.espeak_SetParameter(parameter, value, 0)

    def synthesise(
        self, text: str, emphasised: tuple[int, int] = (0, 0)
    ) -> tuple[npt.NDArray[np.int16], list[Mark]]:
        """Sound and marks of a text, of which a part from character to character is emphasised."""
        self._blocks, self._marks = [], []
        first, last = emphasised
        before, after = ('<emphasis level="strong">', "</emphasis>") if last else ("", "")
        marked = f"{text[:first]}{before}{text[first:last]}{after}{text[last:]}"
        data = marked.encode("utf-8")
        by_character, utf8, ssml = 1, 1, 0x10
        flags = utf8 | ssml if last else utf8
        status = self.lib.espeak_Synth(data, len(data) + 1, 0, by_character, 0, flags, None, None)
        if status != 0 or not self._blocks:
            raise AlignmentError(f"espeak-ng spoke nothing for {text!r}; give it words")
        shifts = (first, len(before)), (last, len(after))
        for place, length in shifts if last else ():
            self._marks = [
                replace(m, text_position=m.text_position - length * (m.text_position > place))
                for m in self._marks
            ]
        return np.concatenate(self._blocks), self._marks

    def symbols(self, word: str) -> str:
        pointer = ctypes.c_char_p(word.encode("utf-8"))
        utf8, ipa_with_underscores = 1, (ord("_") << 8) | 0x2
        pieces = []
        while pointer.value:
            out = self.lib.espeak_TextToPhonemes(ctypes.byref(pointer), utf8, ipa_with_underscores)
            pieces.append((out or b"").decode("utf-8"))
        return "_".join(pieces)


ENGINE_LOCK = threading.RLock()
_running: list[Engine] = []  # at most one


def running_engine(*, fresh: bool = False) -> Engine:
    """The running engine, started if need be; ``fresh`` restarts it. Call under the lock."""
    if fresh and _running:
        _running.pop().close()
    if not _running:
        _running.append(Engine())
    return _running[0]


def version() -> str:
    """The engine's version, such as ``"1.52.0"``."""
    with ENGINE_LOCK:
        info = running_engine().lib.espeak_Info
        info.restype = ctypes.c_char_p
        return bytes(info(None) or b"").decode()
