"""Labelled stretches of time, the common currency of alignments.

Conventions
-----------
Times are seconds from the start of the recording. An interval is half-open, ``[start_s, end_s)``.
Silence carries the empty label ``""`` whatever a format calls it (``sp``, ``sil``, ``<eps>``).
Phones are ARPAbet with stress digits on vowels (``AH0``, ``IY1``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

SILENCE = ""
SILENCE_MARKS = frozenset({"", "sp", "sil", "spn", "<eps>", "<sil>", "#", "h#", "pau"})
"""What other programs write for silence. The word *silence* is a word."""

TIMED_TEXT = "timed text"
"""Source of alignments whose intervals hold text that is said somewhere in them, such as
utterances. Their limits are rough."""

RECOGNISED = "recognised"  # The same, where a recogniser may have misheard (also of subtitles)


def marks_silence(label: str) -> bool:
    """Whether a label from a file is one of the field's marks for silence."""
    return label.strip().lower() in SILENCE_MARKS


@dataclass(frozen=True, slots=True)
class Interval:
    """A labelled stretch of time."""

    # Limits in seconds.
    start_s: float
    end_s: float
    label: str  # What was said; `""` for silence

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    @property
    def middle_s(self) -> float:
        """Midpoint in seconds."""
        return 0.5 * (self.start_s + self.end_s)

    @property
    def is_silence(self) -> bool:
        """Whether nothing is said; readers turn a format's marks for silence into ``""``."""
        return self.label == SILENCE

    def contains(self, time_s: float) -> bool:
        """Whether a time falls inside, start included and end excluded."""
        return self.start_s <= time_s < self.end_s

    def shifted(self, offset_s: float) -> Interval:
        """The same interval moved by ``offset_s`` seconds."""
        return Interval(self.start_s + offset_s, self.end_s + offset_s, self.label)


@dataclass(frozen=True, slots=True)
class Alignment:
    """Words and phones of one utterance, in time order."""

    # The two tiers. Silences may be present with an empty label or left out.
    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]
    # Who made it: `"textgrid"`, `"kaldi-gmm"`, `"frame-net"`, `"pocketsphinx"`.
    source: str = "unknown"
    # One value per non-silent word (larger is better) where the aligner gives one.
    confidence: tuple[float, ...] | None = field(default=None)
    notes: tuple[str, ...] = ()  # What a file holds that could not be read, a line each

    def spoken_words(self) -> tuple[Interval, ...]:
        """Words without the silences."""
        return tuple(word for word in self.words if not word.is_silence)

    def spoken_phones(self) -> tuple[Interval, ...]:
        """Phones without the silences."""
        return tuple(phone for phone in self.phones if not phone.is_silence)

    def phones_of(self, word: Interval) -> tuple[Interval, ...]:
        """Phones whose midpoint lies inside ``word``, without silences."""
        return within(self.phones, word)


def within(intervals: Iterable[Interval], span: Interval) -> tuple[Interval, ...]:
    """Non-silent intervals whose midpoint lies inside ``span``."""
    return tuple(i for i in intervals if not i.is_silence and span.contains(i.middle_s))
