"""What came with a recording: words and phones, words, stretches of text, or only a transcript.

The best that can be had is used, and said: an alignment with phones is taken as it is; words keep
their times and get phones inside; text of which only the stretch is known is aligned in that
stretch; where an alignment cannot be used and a transcript is there, the transcript is aligned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from math import inf
from pathlib import Path
from typing import Any

from stressnet.alignment.validation import OVERHANG_TOLERANCE_S, fit_to_audio, overhang_s
from stressnet.corpus.building.stretches import Stretch, corrected, stretches_of
from stressnet.corpus.scan import Recording
from stressnet.corpus.speaking_rate import rate_warning
from stressnet.corpus.tokens import check_phones
from stressnet.corpus.written import Change
from stressnet.errors import AlignmentError, LexiconError, MissingPartError
from stressnet.intervals import RECOGNISED, TIMED_TEXT, Alignment
from stressnet.lexicon.dictionary import Dictionary

_NO_NEWS_S = 0.001  # Ends past the audio by less are rounding, not worth a line each


@dataclass(frozen=True)
class Given:
    """What is known of a recording's words before anything is aligned.

    `alignment` has words and phones; it is None where `words` must be aligned. `stretches` are
    where these are said; empty if somewhere in the recording, whose `noises` are then as of a
    `Reading`. `is_told` says whether the warnings tell already why the words are aligned.
    """

    alignment: Alignment | None
    words: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    warnings: tuple[str, ...] = ()
    is_told: bool = False
    changes: tuple[Change, ...] = ()
    noises: tuple[int, ...] = ()


def read_given(recording: Recording, path: Path) -> Alignment:
    """The alignment that came with a recording, as it stands, with times from its first sample."""
    alignment, duration_s = _read(recording, path), recording.duration_s
    intervals = (*alignment.words, *alignment.phones)
    first_s = min((i.start_s for i in intervals), default=0.0)
    last_s = max((i.end_s for i in intervals), default=0.0)
    tolerance_s = OVERHANG_TOLERANCE_S
    if last_s <= duration_s + tolerance_s or abs(last_s - first_s - duration_s) > tolerance_s:
        return alignment
    # A part that was cut out of a longer recording, counted from the start of that.
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
    how["language"] = recording.language
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
    """What a build makes of the alignment that came with a recording."""
    try:
        alignment = read_given(recording, path)
        if not alignment.spoken_words():
            raise AlignmentError(f"{path}: holds no words; write down what is said")
        given = (_with_phones if alignment.phones else _without_phones)(recording, path, alignment)
        if alignment.source == RECOGNISED:
            given = _with_transcript(recording, path, given)
        return replace(given, warnings=(*alignment.notes, *given.warnings))
    except (AlignmentError, MissingPartError) as error:
        if recording.transcript is None:
            raise
        text = f"{error}; the transcript of the recording was aligned instead"
        reading = recording.transcript
        return Given(None, reading.words, (), (text,), True, reading.changes, reading.noises)


def _with_transcript(recording: Recording, path: Path, given: Given) -> Given:
    """Words of a transcript, which a person may have corrected, where the recogniser heard them."""
    reading = recording.transcript
    if reading is None or given.words == reading.words:
        return given
    pairs = zip_longest(given.words, reading.words, fillvalue="nothing")
    heard, written = next(pair for pair in pairs if pair[0] != pair[1])
    differ = f"{path}: says '{heard}' where the transcript says '{written}'"
    stretches = corrected(given.stretches, reading.words)
    if stretches is None:
        raise AlignmentError(f"{differ}, and little is the same; remove the one that is not right")
    text = f"{differ}; the transcript's words are aligned where the recogniser heard them"
    return Given(None, reading.words, stretches, (*given.warnings, text), True, reading.changes)


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
    outside = [word for word in spoken if is_rough and word.start_s >= duration_s]
    if 0 < len(outside) < len(spoken):
        spoken = spoken[: -len(outside)]
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
    stretches = stretches_of(parts, duration_s)
    return Given(None, words, stretches, tuple(warnings), changes=tuple(changes))


def pronounceable(recording: Recording, given: Given, dictionary: Dictionary) -> Given:
    """What can be aligned: stretches with a word that cannot be pronounced are left out.

    Nothing left is an `AlignmentError`.
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

    A rate at which nobody speaks is an `AlignmentError`.
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
