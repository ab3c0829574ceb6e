"""Checks of an alignment against its recording and against itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval

OVERHANG_TOLERANCE_S = 0.05  # Largest overhang in seconds over the audio that is clamped

_EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an alignment.

    The tier (``words`` or ``phones``), the time in seconds of the recording, the word or phone, and
    the problem, to be read after these.
    """

    tier: str
    time_s: float
    label: str
    problem: str

    def __str__(self) -> str:
        return f"{self.tier}: '{self.label}' at {self.time_s:.3f} s {self.problem}"


def validate(
    alignment: Alignment, duration_s: float, tolerance_s: float = OVERHANG_TOLERANCE_S
) -> list[str]:
    """What is wrong with an alignment to a recording of a length, a line per problem.

    Lines name tier, label and time: negative starts, lengths of zero or less, overlaps and
    disorder, ends past the audio (by more than `tolerance_s`, which `fit_to_audio` clamps), spoken
    phones that cross the edge of a word or lie in none, and words without phones.
    """
    return [str(finding) for finding in findings(alignment, duration_s, tolerance_s)]


def findings(
    alignment: Alignment, duration_s: float, tolerance_s: float = OVERHANG_TOLERANCE_S
) -> list[Finding]:
    """The problems that `validate` lists, in parts for tables."""
    problems: list[Finding] = []
    for tier, intervals in (("words", alignment.words), ("phones", alignment.phones)):
        problems += _tier_problems(tier, intervals, duration_s, tolerance_s)
    if alignment.phones:  # formats of words alone have no hierarchy to check
        problems += _hierarchy_problems(alignment)
    return problems


def fit_to_audio(alignment: Alignment, duration_s: float) -> Alignment:
    """An alignment that runs a few milliseconds past its recording, clamped to its length.

    Silence may overhang by any length, and is left out where it vanishes. The very same object when
    nothing had to be done.
    """
    if overhang_s(alignment, duration_s) <= 0:
        return alignment
    spoken = (*alignment.spoken_words(), *alignment.spoken_phones())
    last_s = max((i.end_s for i in spoken), default=0.0)
    if last_s > duration_s + OVERHANG_TOLERANCE_S + _EPSILON_S:
        raise AlignmentError(
            f"the alignment ends at {last_s:.3f} s but the audio at {duration_s:.3f} s, more than "
            f"{1000 * OVERHANG_TOLERANCE_S:.0f} ms apart; check that both belong to the same "
            f"recording"
        )
    return replace(
        alignment,
        words=_clamped(alignment.words, duration_s),
        phones=_clamped(alignment.phones, duration_s),
    )


def overhang_s(alignment: Alignment, duration_s: float) -> float:
    """Time from the end of the audio to that of the alignment in seconds; negative if before."""
    ends = (i.end_s for i in (*alignment.words, *alignment.phones))
    return max(ends, default=0.0) - duration_s


def without_overlaps(alignment: Alignment) -> Alignment:
    """The tiers as a TextGrid can hold them, in time order and disjoint.

    An interval that starts before the one before it ends starts there instead, and what has no
    length is left out. The very same object when nothing had to be done.
    """
    words, phones = _disjoint(alignment.words), _disjoint(alignment.phones)
    if words == alignment.words and phones == alignment.phones:
        return alignment
    return replace(alignment, words=words, phones=phones, confidence=None)


def _disjoint(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    kept: list[Interval] = []
    now_s = 0.0
    for interval in sorted(intervals, key=lambda i: (i.start_s, i.end_s)):
        overlaps = interval.start_s < now_s - _EPSILON_S
        start_s = now_s if overlaps else interval.start_s
        if interval.end_s > start_s:
            kept.append(replace(interval, start_s=start_s))
            now_s = interval.end_s
    return tuple(kept)


def _clamped(intervals: Iterable[Interval], duration_s: float) -> tuple[Interval, ...]:
    kept = []
    for interval in intervals:
        end_s = min(interval.end_s, duration_s)
        if end_s > interval.start_s:
            kept.append(replace(interval, end_s=end_s))
        elif not interval.is_silence:
            raise AlignmentError(
                f"'{interval.label}' at {interval.start_s:.3f} s lies past the end of the audio "
                f"({duration_s:.3f} s); check that alignment and audio belong together"
            )
    return tuple(kept)


def _tier_problems(
    tier: str, intervals: tuple[Interval, ...], duration_s: float, tolerance_s: float
) -> Iterator[Finding]:
    previous: Interval | None = None
    for interval in intervals:
        finding = partial(Finding, tier, interval.start_s, interval.label)
        if interval.start_s < -_EPSILON_S:
            yield finding("starts before the recording")
        if interval.end_s <= interval.start_s:
            yield finding(f"has no length (ends at {interval.end_s:.3f} s)")
        if interval.end_s > duration_s + tolerance_s + _EPSILON_S:
            yield finding(f"ends at {interval.end_s:.3f} s, past the audio ({duration_s:.3f} s)")
        if previous is not None and interval.start_s < previous.end_s - _EPSILON_S:
            yield finding(f"overlaps '{previous.label}', which ends at {previous.end_s:.3f} s")
        previous = interval


def _hierarchy_problems(alignment: Alignment) -> Iterator[Finding]:
    words = sorted(alignment.spoken_words(), key=lambda word: word.start_s)
    phones = sorted(alignment.spoken_phones(), key=lambda phone: phone.start_s)
    filled = [False] * len(words)
    index = 0
    for phone in phones:
        while index < len(words) and words[index].end_s <= phone.middle_s:
            index += 1
        if index == len(words) or not words[index].contains(phone.middle_s):
            yield Finding("phones", phone.start_s, phone.label, "lies in no word")
            continue
        word = words[index]
        filled[index] = True
        if phone.start_s < word.start_s - _EPSILON_S or phone.end_s > word.end_s + _EPSILON_S:
            crossing = f"crosses the edge of the word '{word.label}'"
            yield Finding("phones", phone.start_s, phone.label, crossing)
    for word, has_phones in zip(words, filled, strict=True):
        if not has_phones and word.duration_s > 0:
            yield Finding("words", word.start_s, word.label, "has no phones")
