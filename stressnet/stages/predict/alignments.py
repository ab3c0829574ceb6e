"""Where the words of a recording are: as its alignment says, or as an aligner finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stressnet.alignment.aligner import AlignmentFailure, Utterance
from stressnet.audio import WORKING_RATE_HZ, Audio, check_rate, read_audio
from stressnet.corpus.speaking_rate import frame_levels, rate_warning, speech_time_s
from stressnet.corpus.tokens import MIN_DURATION_S
from stressnet.errors import AlignmentError, AudioError, LexiconError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.progress import Progress
from stressnet.stages.predict.sources import Source

TRIM_DB = 40.0
"""Around a single word, what is so far below its loudest 25 ms counts as silence."""

ONE_WORD_S = 2.0
"""A recording without transcript must not have more sound than this: no word lasts longer."""

UNKNOWN_WORD = "<word>"
"""Label of the only word of a recording without transcript."""

Aligned = dict[str, Alignment | str]
"""Alignments by file, or why there is none."""


def align_transcripts(
    sources: Sequence[Source],
    aligner: str,
    dictionary: Path | None,
    problems: list[Problem],
    progress: Progress,
) -> Aligned:
    """Align the recordings that have a transcript.

    A doubtful speaking rate becomes a problem.

    Raises
    ------
    ConfigError
        If the aligner is unknown.
    """
    from stressnet.alignment.choose import get_aligner

    pronounce = load_dictionary(dictionary).pronounce
    aligned: Aligned = {}
    utterances = []
    for source in sources:
        name = str(source.audio)
        if not source.words:
            continue
        try:
            for word in source.words:
                pronounce(word)
            sound = read_audio(source.audio, minimum_rate_hz=0, channel=source.channel)
            speech_s = speech_time_s(frame_levels(sound.samples, WORKING_RATE_HZ))
            warning = rate_warning(source.audio, source.words, pronounce, speech_s)
        except LexiconError as error:
            aligned[name] = f"{name}: {error}; spell it out or add it with --dictionary"
        except (AlignmentError, AudioError) as error:
            aligned[name] = str(error)
        else:
            if warning:
                problems.append(Problem(name, "align", Severity.WARNING, warning))
            # Every recording is its own speaker: nothing may depend on what else is given.
            utterances.append(Utterance(name, name, source.audio, source.words, source.channel))
    if utterances:
        with progress.stage("align", len(utterances), "file") as bar:
            for name, result in get_aligner(aligner).align(utterances, pronounce):
                aligned[name] = result.detail if isinstance(result, AlignmentFailure) else result
                bar.update()
    return aligned


def alignment_of(
    source: Source, audio: Audio, aligned: Mapping[str, Alignment | str], problems: list[Problem]
) -> Alignment:
    """Words and phones of a recording; one interval without label for an unknown word.

    Words that an aligner was given are compared with the sound; doubtful ones become a problem.

    Raises
    ------
    AlignmentError, AudioError
        If there are none.
    """
    from stressnet.alignment.fit import fit_to_sound

    if not source.words:
        return _given(source, audio) if source.alignment else _one_word(source, audio)
    alignment = aligned[str(source.audio)]
    if isinstance(alignment, str):
        raise AlignmentError(alignment)
    fit = fit_to_sound(alignment, audio.samples)
    if fit is not None and fit.severity is not None:
        text = f"{source.audio}: {fit.text}"
        if fit.severity is Severity.ERROR:
            raise AlignmentError(text)
        problems.append(Problem(str(source.audio), "align", fit.severity, text))
    return alignment


def _given(source: Source, audio: Audio) -> Alignment:
    from stressnet.alignment.readers import has_many, read_alignment
    from stressnet.alignment.validation import fit_to_audio

    assert source.alignment is not None
    check_rate(source.audio, audio.rate_hz)
    try:
        alignment = read_alignment(
            source.alignment,
            utterance_id=source.audio.stem if has_many(source.alignment) else None,
            speaker=source.speaker,
        )
        return fit_to_audio(alignment, audio.duration_s)
    except AlignmentError as error:
        text = str(error)
        named = text if str(source.alignment) in text else f"{source.alignment}: {text}"
        raise AlignmentError(named) from error


def _one_word(source: Source, audio: Audio) -> Alignment:
    return Alignment((spoken_part(audio, source.audio),), (), "silence trimmed")


def spoken_part(audio: Audio, path: Path) -> Interval:
    """The sound of a recording that holds one word, without the silence around it.

    Raises
    ------
    AudioError
        If what is left is longer than a word, or too short for one.
    """
    import librosa

    frame = round(0.025 * audio.rate_hz)
    _, (first, last) = librosa.effects.trim(
        audio.samples, top_db=TRIM_DB, frame_length=frame, hop_length=frame // 4
    )
    start_s, end_s = first / audio.rate_hz, min(last / audio.rate_hz, audio.duration_s)
    if not MIN_DURATION_S <= end_s - start_s <= ONE_WORD_S:
        raise AudioError(
            f"{path}: {end_s - start_s:.2f} s of sound is not one word of two syllables; give a "
            f"transcript or TextGrid"
        )
    return Interval(start_s, end_s, UNKNOWN_WORD)
