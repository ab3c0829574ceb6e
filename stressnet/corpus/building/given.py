"""What came with a recording: words and phones, words, stretches of text, or only a transcript.

The best that can be had is used, and said: an alignment with phones is taken as it is; words keep
their times and get phones inside; text of which only the stretch is known is aligned in that
stretch; where an alignment cannot be used and a transcript is there, the transcript is aligned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, pairwise, zip_longest
from math import inf
from pathlib import Path
from typing import Any

from stressnet.alignment.validation import OVERHANG_TOLERANCE_S, fit_to_audio, overhang_s
from stressnet.corpus.scan import Recording
from stressnet.corpus.speaking_rate import rate_warning
from stressnet.corpus.tokens import check_phones
from stressnet.corpus.written import Change
from stressnet.errors import AlignmentError, LexiconError, MissingPartError
from stressnet.intervals import RECOGNISED, TIMED_TEXT, Alignment, Interval
from stressnet.lexicon.dictionary import Dictionary

_NO_NEWS_S = 0.001
"""Ends past the audio by less are rounding, not worth a line each."""

_PAUSE_S = 0.3
"""Words further apart are in different stretches."""

_MARGIN_S = 0.15
"""Stretches are cut out with so much of the pauses around them, since their limits are rough."""

_FAR_S = 0.1
"""Words that begin or end further from where the aligner hears them are counted in a warning."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a recording in which some of its words are said.

    Parameters
    ----------
    start_s, end_s : float
        Limits in seconds.
    words : tuple of str
        What is said.
    kept : tuple of (float, float, int)
        Intervals whose times are kept, in seconds, with the number of words in each; empty if it is
        only known that the words are said somewhere in the stretch.
    noises : tuple of int
        As of a `Reading`.
    """

    start_s: float
    end_s: float
    words: tuple[str, ...]
    kept: tuple[tuple[float, float, int], ...] = ()
    noises: tuple[int, ...] = ()


@dataclass(frozen=True)
class Given:
    """What is known of a recording's words before anything is aligned.

    Parameters
    ----------
    alignment : Alignment or None
        Words and phones; None where they must be aligned.
    words : tuple of str
        Words to align otherwise.
    stretches : tuple of Stretch
        Where they are said; empty if somewhere in the recording.
    warnings : tuple of str
        What is odd about it.
    is_told : bool
        Whether the warnings say already why the words are aligned.
    changes : tuple of Change
        What is not read as it is written.
    noises : tuple of int
        As of a `Reading`, where there are no stretches.
    """

    alignment: Alignment | None
    words: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    warnings: tuple[str, ...] = ()
    is_told: bool = False
    changes: tuple[Change, ...] = ()
    noises: tuple[int, ...] = ()


def read_given(recording: Recording, path: Path) -> Alignment:
    """The alignment that came with a recording, as it stands, with times from its first sample.

    Raises
    ------
    AlignmentError
        If it cannot be read.
    """
    return _from_zero(_read(recording, path), recording.duration_s, path)


def _from_zero(alignment: Alignment, duration_s: float, path: Path) -> Alignment:
    """Times of a part that was cut out of a longer recording, counted from its start."""
    intervals = (*alignment.words, *alignment.phones)
    first_s = min((i.start_s for i in intervals), default=0.0)
    last_s = max((i.end_s for i in intervals), default=0.0)
    tolerance_s = OVERHANG_TOLERANCE_S
    if last_s <= duration_s + tolerance_s or abs(last_s - first_s - duration_s) > tolerance_s:
        return alignment
    text = f"{path}: begins at {first_s:.3f} s and is as long as the audio; counted from there"
    return replace(
        alignment,
        words=tuple(word.shifted(-first_s) for word in alignment.words),
        phones=tuple(phone.shifted(-first_s) for phone in alignment.phones),
        notes=(*alignment.notes, text),
    )


def _read(recording: Recording, path: Path) -> Alignment:
    from stressnet.alignment.readers import read_alignment

    name = recording.alignment_id or recording.utterance_id
    how: Any = {"format": recording.alignment_format, "utterance_id": name}
    if recording.voice is not None:
        return read_alignment(path, **how, speaker=recording.voice)
    try:
        return read_alignment(path, **how)
    except AlignmentError as error:
        try:  # several speakers' tiers in one file: take this speaker's
            return read_alignment(path, **how, speaker=recording.speaker)
        except AlignmentError:
            raise error from None


def use_given(recording: Recording, path: Path) -> Given:
    """What a build makes of the alignment that came with a recording.

    Raises
    ------
    AlignmentError, MissingPartError
        If it cannot be used and there is no transcript.
    """
    try:
        alignment = read_given(recording, path)
        if not alignment.spoken_words():
            raise AlignmentError(f"{path}: holds no words; write down what is said")
        given = (_with_phones if alignment.phones else _without_phones)(recording, path, alignment)
        if alignment.source == RECOGNISED:
            _check_transcript(recording, path, given)
        return replace(given, warnings=(*alignment.notes, *given.warnings))
    except (AlignmentError, MissingPartError) as error:
        if recording.transcript is None:
            raise
        text = f"{error}; the transcript of the recording was aligned instead"
        reading = recording.transcript
        return Given(None, reading.words, (), (text,), True, reading.changes, reading.noises)


def _check_transcript(recording: Recording, path: Path, given: Given) -> None:
    """Raise if a transcript, which a person may have corrected, says something else."""
    if recording.transcript is None:
        return
    pairs = zip_longest(given.words, recording.transcript.words, fillvalue="nothing")
    differing = [pair for pair in pairs if pair[0] != pair[1]]
    if differing:
        heard, written = differing[0]
        raise AlignmentError(
            f"{path}: says '{heard}' where the transcript says '{written}'; remove the one that is "
            f"not right"
        )


def words_only_text(recordings: Sequence[Recording]) -> str:
    """The warning that recordings came with words but no phones."""
    return (
        f"{recordings[0].alignment_path}: holds words without phones, as do the alignments of "
        f"{len(recordings)} recordings in all; their words were aligned anew, within the times "
        f"given; if there are phones, name their tier 'phones'"
    )


def _with_phones(recording: Recording, path: Path, alignment: Alignment) -> Given:
    try:
        fitted = fit_to_audio(alignment, recording.duration_s)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from error
    over_s = overhang_s(alignment, recording.duration_s)
    warnings = []
    if over_s > _NO_NEWS_S:
        warnings.append(
            f"{path}: ends {1000 * over_s:.0f} ms past the audio ({recording.duration_s:.3f} s); "
            f"cut off there"
        )
    try:
        check_phones(recording, fitted)
    except AlignmentError as error:
        given = _without_phones(recording, path, replace(fitted, phones=()))
        text = f"{error}; until then phones are aligned anew inside its words"
        return replace(given, warnings=(text, *warnings), is_told=True)
    return Given(fitted, warnings=tuple(warnings))


def _without_phones(recording: Recording, path: Path, alignment: Alignment) -> Given:
    duration_s = recording.duration_s
    spoken = sorted(alignment.spoken_words(), key=lambda word: (word.start_s, word.end_s))
    is_rough = alignment.source in (TIMED_TEXT, RECOGNISED)
    warnings = []
    if is_rough:
        outside = [word for word in spoken if word.start_s >= duration_s]
        inside = spoken[: len(spoken) - len(outside)]
        if inside and outside:
            spoken = inside
            warnings.append(
                f"{path}: '{outside[0].label[:40]}' at {outside[0].start_s:.2f} s and what follows "
                f"lie past the end of the audio ({duration_s:.2f} s) and are left out; check that "
                f"both belong together"
            )
    for word in spoken:
        if word.start_s < 0 or not word.start_s < min(word.end_s, duration_s):
            raise AlignmentError(
                f"{path}: '{word.label[:40]}' from {word.start_s:.3f} to {word.end_s:.3f} s has no "
                f"length or lies outside the audio ({duration_s:.3f} s); check that both belong "
                f"together"
            )
    has_times = not is_rough and not any(" " in word.label for word in spoken)
    parts: list[Stretch] = []
    changes: list[Change] = []
    sounded = False
    for word in spoken:
        reading = recording.normaliser.read(word.label)
        words = reading.words
        changes += reading.changes
        if not words:
            sounded = bool(reading.noises)
        else:
            end_s = min(word.end_s, duration_s)
            kept = ((word.start_s, end_s, len(words)),) if has_times else ()
            noises = tuple(sorted({*reading.noises} | ({0} if sounded else set())))
            parts.append(Stretch(word.start_s, end_s, words, kept, noises))
            sounded = False
    if not parts:
        raise AlignmentError(f"{path}: holds no words; write down what is said")
    over_s = max(word.end_s for word in spoken) - duration_s
    if OVERHANG_TOLERANCE_S < over_s < inf:
        warnings.append(f"{path}: ends {over_s:.2f} s past the audio; cut off there")
    words = tuple(word for part in parts for word in part.words)
    stretches = _stretches(parts, duration_s)
    return Given(None, words, stretches, tuple(warnings), changes=tuple(changes))


def _stretches(parts: Sequence[Stretch], duration_s: float) -> tuple[Stretch, ...]:
    """Words joined up to the next pause, with margins that reach into no neighbour."""
    stretches = [parts[0]]
    for part in parts[1:]:
        last = stretches[-1]
        are_words = len(part.words) == 1 or bool(part.kept)
        if part.start_s < last.end_s or (are_words and part.start_s - last.end_s < _PAUSE_S):
            stretches[-1] = Stretch(
                last.start_s,
                max(last.end_s, part.end_s),
                (*last.words, *part.words),
                (*last.kept, *part.kept),
                tuple(dict.fromkeys((*last.noises, *(len(last.words) + n for n in part.noises)))),
            )
        else:
            stretches.append(part)
    middles_s = [(a.end_s + b.start_s) / 2 for a, b in pairwise(stretches)]
    return tuple(
        replace(
            stretch,
            start_s=max(earliest_s, stretch.start_s - _MARGIN_S),
            end_s=min(latest_s, stretch.end_s + _MARGIN_S),
        )
        for stretch, earliest_s, latest_s in zip(
            stretches, [0.0, *middles_s], [*middles_s, duration_s], strict=True
        )
    )


def pronounceable(recording: Recording, given: Given, dictionary: Dictionary) -> Given:
    """What can be aligned: stretches with a word that cannot be pronounced are left out.

    Raises
    ------
    AlignmentError
        If nothing is left.
    """
    whole = Stretch(0.0, recording.duration_s, given.words)
    kept, reasons = [], []
    for stretch in given.stretches or [whole]:
        reason = next(filter(None, (_reason(word, dictionary) for word in stretch.words)), None)
        if reason is None:
            kept.append(stretch)
        else:
            reasons.append((stretch, reason))
    remedy = "spell the word out in the transcript or add it with --dictionary"
    if not kept:
        raise AlignmentError(f"{recording.audio_path}: {reasons[0][1]}; {remedy}")
    if not reasons:
        return given
    texts = [left_out(recording, stretch, reason, remedy) for stretch, reason in reasons]
    words = tuple(word for stretch in kept for word in stretch.words)
    return replace(given, words=words, stretches=tuple(kept), warnings=(*given.warnings, *texts))


@lru_cache(maxsize=1 << 16)
def _reason(word: str, dictionary: Dictionary) -> str | None:
    try:
        dictionary.pronounce(word)
    except LexiconError as error:
        return str(error)
    return None


def speakable(recording: Recording, given: Given, dictionary: Dictionary) -> Given:
    """What can be aligned, with a warning if its words are spoken at a doubtful rate.

    Raises
    ------
    AlignmentError
        If nobody speaks so.
    """
    least_s, most_s = recording.speech_s or (0.0, recording.duration_s)
    if given.stretches or recording.voice is not None:  # others may speak, too
        least_s = 0.0
    if given.stretches:
        most_s = min(most_s, sum(part.end_s - part.start_s for part in given.stretches))
    text = rate_warning(recording.audio_path, given.words, dictionary.pronounce, (least_s, most_s))
    return replace(given, warnings=(*given.warnings, text)) if text else given


def left_out(recording: Recording, stretch: Stretch, reason: str, remedy: str) -> str:
    """A line about a stretch that is not aligned."""
    words = " ".join(stretch.words[:5]) + " ..." * (len(stretch.words) > 5)
    return (
        f"{recording.audio_path}: {len(stretch.words)} words from {stretch.start_s:.2f} s on "
        f"({words}) are left out: {reason}; {remedy}"
    )


def joined(
    stretches: Sequence[Stretch], alignments: Sequence[Alignment | None]
) -> tuple[Alignment, int]:
    """The alignment of a recording from those of its stretches; None for one that failed.

    Returns
    -------
    alignment : Alignment
        Words whose times were given keep them.
    n_far : int
        Words that the aligner hears more than 0.1 s away from them.
    """
    words: list[Interval] = []
    phones: list[Interval] = []
    confidence: list[float] = []
    source, n_far = "", 0
    for stretch, alignment in zip(stretches, alignments, strict=True):
        if alignment is None:
            continue
        source = alignment.source
        spoken = alignment.spoken_words()
        confidence += alignment.confidence or [float("nan")] * len(spoken)
        heard = [
            (word.shifted(stretch.start_s), [p.shifted(stretch.start_s) for p in phones_])
            for word, phones_ in ((word, alignment.phones_of(word)) for word in spoken)
        ]
        if stretch.kept and len(spoken) == len(stretch.words):
            following = iter(heard)
            heard = []
            for start_s, end_s, n in stretch.kept:
                group = list(islice(following, n))
                far_s = max(abs(group[0][0].start_s - start_s), abs(group[-1][0].end_s - end_s))
                n_far += n if far_s > _FAR_S else 0
                heard += _within(group, start_s, end_s)
        for word, own in heard:
            words.append(word)
            phones += own
    return Alignment(tuple(words), tuple(phones), source, tuple(confidence)), n_far


def _within(
    group: Sequence[tuple[Interval, list[Interval]]], start_s: float, end_s: float
) -> Iterator[tuple[Interval, list[Interval]]]:
    """Words and phones between limits that were given.

    The first and the last phone reach the limits; where an inner boundary would lie outside, all
    are stretched or pressed between them.
    """
    first_s, last_s = group[0][0].start_s, group[-1][0].end_s
    inner_s = [p.start_s for _, phones in group for p in phones][1:]
    fits = all(start_s < time_s < end_s for time_s in inner_s)

    def moved(interval: Interval) -> Interval:
        def time(time_s: float) -> float:
            if time_s <= first_s:
                return start_s
            if time_s >= last_s:
                return end_s
            if fits:
                return time_s
            return start_s + (time_s - first_s) * (end_s - start_s) / (last_s - first_s)

        return replace(interval, start_s=time(interval.start_s), end_s=time(interval.end_s))

    for word, phones in group:
        yield moved(word), [moved(phone) for phone in phones]
