"""Where the words of a recording are: as its alignment says, or as an aligner finds them."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stressnet.alignment.aligner import Utterance
from stressnet.alignment.choose import get_aligner
from stressnet.alignment.fit import fit_to_sound
from stressnet.audio import WORKING_RATE_HZ, Audio, audio_facts, check_rate, read_audio
from stressnet.corpus.building.align import from_record, record_of, utterances_of
from stressnet.corpus.building.given import Given, pronounceable, speakable, use_given
from stressnet.corpus.scan import Recording
from stressnet.corpus.speaking_rate import frame_levels, speech_time_s
from stressnet.corpus.tokens import MIN_DURATION_S
from stressnet.corpus.written import Normaliser, Reading
from stressnet.errors import AlignmentError, AudioError, MissingPartError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.runs import Problem, Progress, Severity
from stressnet.runs.problems import warnings_about
from stressnet.stages.predict.sources import Source

TRIM_DB = 40.0  # Around a single word, what is so far below its loudest 25 ms counts as silence

ABOVE_NOISE_DB, CLEAR_DB, STEADY_DB = 8.0, 15.0, 2.5
"""Speech is so far above the quietest tenth of the recording, and at most so far below its loudest
25 ms; the level of a room's noise varies by less than the last (standard deviation)."""

ONE_WORD_S = 2.0  # Most sound in a recording without transcript: no word lasts longer
UNKNOWN_WORD = "<word>"  # Label of the only word of a recording without transcript
Aligned = dict[str, Alignment | str]  # Alignments by file, or why there is none


def align_words(
    sources: Sequence[Source],
    aligner: str | None,
    dictionary_file: Path | None,
    problems: list[Problem],
    progress: Progress,
    jobs: int = 1,
) -> Aligned:
    """Words and phones of the recordings whose words are known, from their files or an aligner.

    What a build would warn of becomes problems. Where no aligner is named it is pocketsphinx, which
    needs no training, in English, and kaldi-gmm in other languages.
    """
    dictionary = load_dictionary(dictionary_file, *{source.language for source in sources})
    of = dictionary.language
    aligner = aligner or ("pocketsphinx" if of.is_english else "kaldi-gmm")
    aligned: Aligned = {}
    todo = []
    for source in sources:
        name = str(source.audio)
        if not source.words and source.alignment is None:
            continue
        try:
            recording = _recording(source)
            given = Given(None, source.words)
            if recording.alignment_path is not None:
                given = use_given(recording, recording.alignment_path)
            if given.alignment is None:
                given = pronounceable(recording, given, dictionary)
                given = speakable(recording, given, dictionary)
                todo.append((recording, given))
            else:
                aligned[name] = given.alignment
        except (AlignmentError, AudioError, MissingPartError) as error:
            aligned[name] = str(error)
        else:
            problems += warnings_about(name, "align", given.warnings)
    if todo:
        with (
            progress.stage("align", len(todo), "file") as bar,
            tempfile.TemporaryDirectory(prefix="stressnet-") as folder,
        ):
            asked = list(utterances_of(todo, Path(folder)))
            utterances = [u for _, _, parts in asked for u in parts if isinstance(u, Utterance)]
            chosen = get_aligner(aligner, of.code)
            results = chosen.align(utterances, dictionary.pronounce, jobs=jobs)
            for recording, given, parts in asked:
                own = [next(results)[1] if isinstance(u, Utterance) else u for u in parts]
                record = record_of(recording, given, own)
                name = recording.utterance_id
                aligned[name] = record["failure"] if "failure" in record else from_record(record)
                problems += warnings_about(name, "align", record.get("warnings", ()))
                bar.update()
    return aligned


def _recording(source: Source) -> Recording:
    """A recording as builds know it; it is its own speaker: nothing may depend on others."""
    sound = read_audio(source.audio, minimum_rate_hz=0, channel=source.channel)
    if source.alignment is not None:
        check_rate(source.audio, audio_facts(source.audio).rate_hz)
    name = str(source.audio)
    return Recording(
        utterance_id=name,
        speaker=name,
        sex="",
        audio_path=source.audio,
        words=source.words,
        alignment_path=source.alignment,
        duration_s=sound.duration_s,
        alignment_id=source.audio.stem,
        voice=source.speaker,
        channel=source.channel,
        transcript=Reading(source.words) if source.words else None,
        normaliser=Normaliser(language=source.language),
        speech_s=speech_time_s(frame_levels(sound.samples, WORKING_RATE_HZ)),
    )


def alignment_of(
    source: Source, audio: Audio, aligned: Mapping[str, Alignment | str], problems: list[Problem]
) -> Alignment:
    """Words and phones of a recording; one interval without label for an unknown word."""
    alignment = aligned.get(str(source.audio))
    if alignment is None:
        return Alignment((spoken_part(audio, source.audio),), (), "silence trimmed")
    if isinstance(alignment, str):
        raise AlignmentError(alignment)
    if alignment.confidence is None:  # not from an aligner
        return alignment
    fit = fit_to_sound(alignment, audio.samples)
    if fit is not None and fit.severity is not None:
        text = f"{source.audio}: {fit.text}"
        if fit.severity is Severity.ERROR and source.alignment is None:
            raise AlignmentError(text)
        problems.append(Problem(str(source.audio), "align", Severity.WARNING, text))
    return alignment


def spoken_part(audio: Audio, path: Path) -> Interval:
    """The sound of a recording that holds one word, without the silence around it.

    Silence is what lies :data:`TRIM_DB` below the loudest 25 ms. A pause of at least 100 ms whose
    level hardly varies is silence, too, so that the noise of a room does not count as the word.
    """
    import librosa

    frame = round(0.025 * audio.rate_hz)
    hop = frame // 4
    rms = librosa.feature.rms(y=audio.samples, frame_length=frame, hop_length=hop)[0]
    level_db = librosa.amplitude_to_db(rms, ref=np.max, top_db=None)
    silence_db = -TRIM_DB
    noise_db = np.quantile(level_db, 0.1) + ABOVE_NOISE_DB
    sound = np.flatnonzero(level_db > silence_db)
    clear = np.flatnonzero(level_db > min(max(noise_db, silence_db), -CLEAR_DB))
    first, last = int(sound[0]), int(sound[-1])
    if _is_pause(level_db[1 : clear[0] - 2], hop / audio.rate_hz):
        first = int(clear[0])
    if _is_pause(level_db[clear[-1] + 3 : -1], hop / audio.rate_hz):
        last = int(clear[-1])
    start_s = first * hop / audio.rate_hz
    end_s = min((last + 1) * hop / audio.rate_hz, audio.duration_s)
    if not MIN_DURATION_S <= end_s - start_s <= ONE_WORD_S:
        raise AudioError(
            f"{path}: {end_s - start_s:.2f} s of sound is not one word of two syllables; give a "
            f"transcript or TextGrid"
        )
    return Interval(start_s, end_s, UNKNOWN_WORD)


def _is_pause(level_db: NDArray[np.floating], step_s: float) -> bool:
    """Whether a stretch at an end of a recording is long and steady enough for the room's noise."""
    return len(level_db) * step_s >= 0.08 and float(np.std(level_db)) < STEADY_DB
