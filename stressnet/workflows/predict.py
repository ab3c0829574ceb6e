"""``stressnet predict``: the stress of disyllabic words in recordings, with a trained network.

The way from sound to image is that of ``build-corpus``: the same excerpt around a word through the
same 16-bit FLAC, the same preset. No step knows the speaker or other recordings, so one file gives
the same answer alone and among others.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.audio import Audio, check_rate, read_audio
from stressnet.errors import AlignmentError, AudioError, ConfigError, LexiconError, TranscriptError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.stress import Stress
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stressnet.models.checkpoint import CheckpointInfo
    from stressnet.training.calibration import Calibration

CONTEXT_S = 0.25
"""Sound kept around a word, as ``build-corpus`` does."""

TRIM_DB = 40.0
"""Around a single word, what is so far below its loudest 25 ms counts as silence."""

ONE_WORD_S = 2.0
"""A recording without transcript must not have more sound than this: no word lasts longer."""

_ALIGNMENTS = (".TextGrid", ".textgrid", ".json")
_TRANSCRIPTS = (".txt", ".lab")


@dataclass(frozen=True)
class WordPrediction:
    """One word of a recording.

    Parameters
    ----------
    file : str
        The recording.
    word : str
        As transcribed, in upper case; empty for a recording of one unknown word.
    start_s, end_s : float
        In the recording.
    stress : Stress or None
        None for a word that was skipped.
    probability : float
        Of that class, calibrated if the network has a temperature; nan if skipped.
    p_initial : float
        Probability of INITIAL; nan if skipped.
    logit_difference : float
        INITIAL minus FINAL, not calibrated; nan if skipped.
    skipped : str
        Why the word was skipped, else empty.
    """

    file: str
    word: str
    start_s: float
    end_s: float
    stress: Stress | None = None
    probability: float = math.nan
    p_initial: float = math.nan
    logit_difference: float = math.nan
    skipped: str = ""


@dataclass(frozen=True)
class Source:
    """A recording and what is known of its words.

    Parameters
    ----------
    audio : Path
        The recording.
    alignment : Path or None
        TextGrid or another format with words and phones.
    words : tuple of str
        Transcript, if there is no alignment; empty for a recording of one unknown word.
    """

    audio: Path
    alignment: Path | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predicted:
    """Predictions for several recordings.

    Parameters
    ----------
    words : tuple of WordPrediction
        In the order of files and time, skipped ones among them.
    alignments : dict
        Alignment of each recording by its file.
    durations_s : dict
        Length of each recording.
    problems : tuple of Problem
        Recordings that could not be used.
    network : dict
        Which network it was.
    """

    words: tuple[WordPrediction, ...]
    alignments: dict[str, Alignment]
    durations_s: dict[str, float]
    problems: tuple[Problem, ...]
    network: dict[str, Any] = field(default_factory=dict)


def sources_of(
    files: Sequence[Path],
    alignments: Path | None = None,
    transcripts: Path | None = None,
    text: str | None = None,
) -> list[Source]:
    """Bring recordings together with their alignments or transcripts.

    Parameters
    ----------
    files : sequence of Path
        Recordings.
    alignments, transcripts : Path, optional
        A file if there is one recording, else a folder with a file named like each recording
        (``.TextGrid``; ``.txt`` or ``.lab``) in it or in folders below. A transcript may also be a
        line of a file in LibriSpeech's form, ``*.trans.txt``: the recording's name, then what is
        said. With neither of them, nor a text, what lies beside a recording is taken.
    text : str, optional
        The transcript itself, for one recording.

    Raises
    ------
    ConfigError
        If more than one is given, or one text is to serve many recordings.
    TranscriptError, AlignmentError
        If a file is missing or a transcript holds no words.
    """
    from stressnet.corpus.scan import split_words

    if sum(value is not None for value in (alignments, transcripts, text)) > 1:
        raise ConfigError("give one of alignment, transcript and text, not several")
    if text is not None:
        if len(files) != 1:
            raise ConfigError(f"one text cannot be that of {len(files)} recordings; use a folder")
        return [Source(files[0], words=_nonempty(split_words(text), "the text given"))]
    if alignments is not None:
        found = [_beside(file, alignments, _ALIGNMENTS) for file in files]
        for file, path in zip(files, found, strict=True):
            if path is None:
                raise AlignmentError(f"{alignments}: no TextGrid for {file.name}; add it")
        return [Source(file, alignment=path) for file, path in zip(files, found, strict=True)]
    if transcripts is not None:
        return [Source(file, words=_words_said(file, transcripts)) for file in files]
    return [_source_beside(file) for file in files]


def _source_beside(file: Path) -> Source:
    """A recording with the alignment or transcript of its name in its folder, if there is one."""
    alignment = _beside(file, file.parent, _ALIGNMENTS[:2])
    if alignment is not None:
        return Source(file, alignment=alignment)
    if _beside(file, file.parent, _TRANSCRIPTS) is not None:
        return Source(file, words=_words_said(file, file.parent))
    return Source(file)


def _beside(file: Path, place: Path, endings: tuple[str, ...]) -> Path | None:
    """The file in a folder that belongs to a recording, or the file given."""
    if not place.is_dir():
        return place
    names = [f"{file.stem}{ending}" for ending in endings]
    folders = [place, file.parent] if place in file.parents else [place]
    for path in (folder / name for folder in folders for name in names):
        if path.is_file():
            return path
    if place == file.parent:
        return None
    below = (path for name in names for path in sorted(place.rglob(name)))
    return next((path for path in below if path.is_file()), None)


def _words_said(file: Path, place: Path) -> tuple[str, ...]:
    """Words of a recording: from its own file, or from its line of a file of many."""
    from stressnet.corpus.scan import LINES_ENDING, read_lines, read_text, split_words

    own = _beside(file, place, _TRANSCRIPTS)
    if own is not None and not own.name.endswith(LINES_ENDING):
        return _nonempty(split_words(read_text(own)), str(own))
    many = sorted(place.rglob(f"*{LINES_ENDING}")) if place.is_dir() else [place]
    for path in many:
        if file.stem in (lines := read_lines(path)):
            return _nonempty(lines[file.stem], f"{path}, line of {file.stem}")
    raise TranscriptError(f"{place}: no transcript for {file.name}; add it")


def _nonempty(words: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not words:
        raise TranscriptError(f"{where}: holds no words; write down what is said")
    return words


def predict_words(
    sources: Sequence[Source],
    model_path: Path | None = None,
    *,
    aligner: str = "pocketsphinx",
    dictionary: Path | None = None,
    function_words: bool = False,
    progress: Progress | None = None,
) -> Predicted:
    """Predict the stress of every disyllabic word.

    Parameters
    ----------
    sources : sequence of Source
        From :func:`sources_of`.
    model_path : Path, optional
        A checkpoint folder; the network in the package if left out.
    aligner : str
        For recordings with a transcript only. The default needs no training, so it works on one
        recording.
    dictionary : Path, optional
        Further pronunciations in CMUdict's format.
    function_words : bool
        Predict disyllabic function words (*into*) too, which the networks were not trained on.

    Raises
    ------
    CheckpointError
        If the network is damaged.
    ConfigError
        If two transcribed recordings share a path, or the aligner is unknown.
    """
    from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
    from stressnet.pretrained import pretrained_folder
    from stressnet.runs.manifest import hash_file
    from stressnet.training.calibration import load_calibration

    progress = progress or Progress(verbose=False)
    path = model_path or pretrained_folder()
    model, info = load_checkpoint(path)
    digest = hash_file(path / WEIGHTS_NAME)
    calibration = load_calibration(path, digest)
    problems: list[Problem] = []
    aligned = _aligned(sources, aligner, dictionary, problems, progress)
    words: list[WordPrediction] = []
    alignments: dict[str, Alignment] = {}
    durations_s: dict[str, float] = {}
    with progress.stage("predict", len(sources), "file") as bar:
        for source in sources:
            bar.update()
            name = str(source.audio)
            try:
                audio = read_audio(source.audio)
                alignment = _alignment_of(source, audio, aligned)
                if alignment is None:  # its aligner failed, which is among the problems
                    continue
                found = _predict_file(
                    name, audio, alignment, model, info, calibration, function_words
                )
            except (AudioError, AlignmentError) as error:
                problems.append(Problem(name, "predict", Severity.ERROR, str(error)))
                continue
            words += found
            alignments[name], durations_s[name] = alignment, audio.duration_s
    network = {
        "path": str(path),
        "architecture": info.architecture,
        "preset": info.preset,
        "weights_sha256": digest,
        "temperature": None if calibration is None else calibration.temperature,
    }
    return Predicted(tuple(words), alignments, durations_s, tuple(problems), network)


def _aligned(
    sources: Sequence[Source],
    aligner: str,
    dictionary: Path | None,
    problems: list[Problem],
    progress: Progress,
) -> dict[str, Alignment]:
    """Alignments of the sources that have a transcript; failures go to the problems."""
    from stressnet.alignment.aligner import AlignmentFailure, Utterance
    from stressnet.alignment.choose import get_aligner
    from stressnet.lexicon.dictionary import load_dictionary

    pronounce = load_dictionary(dictionary).pronounce
    utterances = []
    for source in sources:
        try:
            for word in source.words:
                pronounce(word)
        except LexiconError as error:
            reason = f"{source.audio}: {error}; spell it out or add it with --dictionary"
            problems.append(Problem(str(source.audio), "align", Severity.ERROR, reason))
            continue
        if source.words:
            # Every recording is its own speaker: nothing may depend on what else is given.
            name = str(source.audio)
            utterances.append(Utterance(name, name, source.audio, source.words))
    if len({utterance.utterance_id for utterance in utterances}) < len(utterances):
        raise ConfigError("a recording is given twice; give each once")
    found: dict[str, Alignment] = {}
    if not utterances:
        return found
    with progress.stage("align", len(utterances), "file") as bar:
        for name, result in get_aligner(aligner).align(utterances, pronounce):
            bar.update()
            if isinstance(result, AlignmentFailure):
                problems.append(Problem(name, "align", Severity.ERROR, result.detail))
            else:
                found[name] = result
    return found


def _alignment_of(source: Source, audio: Audio, aligned: dict[str, Alignment]) -> Alignment | None:
    """Words and phones of a recording; one interval without label for an unknown word."""
    from stressnet.alignment.readers import read_alignment
    from stressnet.alignment.validation import fit_to_audio

    if source.words:
        return aligned.get(str(source.audio))
    if source.alignment is None:
        return Alignment((spoken_part(audio, source.audio),), (), "silence trimmed")
    check_rate(source.audio, audio.rate_hz)
    try:
        return fit_to_audio(read_alignment(source.alignment), audio.duration_s)
    except AlignmentError as error:
        text = str(error)
        named = text if str(source.alignment) in text else f"{source.alignment}: {text}"
        raise AlignmentError(named) from error


def spoken_part(audio: Audio, path: Path) -> Interval:
    """The sound of a recording that holds one word, without the silence around it.

    Raises
    ------
    AudioError
        If what is left is longer than a word, or too short for one.
    """
    import librosa

    from stressnet.corpus.tokens import MIN_DURATION_S

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


UNKNOWN_WORD = "<word>"
"""Label of the only word of a recording without transcript."""


def skip_reasons(alignment: Alignment, function_words: bool) -> list[tuple[Interval, str]]:
    """Spoken words in order, each with the reason not to predict it, or an empty string."""
    from stressnet.corpus.tokens import MAX_DURATION_S, MIN_DURATION_S, word_key
    from stressnet.lexicon.dictionary import default_function_words
    from stressnet.lexicon.pronunciation import is_arpabet, is_vowel

    left_out = frozenset() if function_words else default_function_words()
    found = []
    for word in alignment.spoken_words():
        phones = [phone.label for phone in alignment.phones_of(word)]
        vowels = sum(is_vowel(phone) for phone in phones)
        reason = ""
        if word.label == UNKNOWN_WORD:
            pass
        elif word_key(word.label) in left_out:
            reason = "function word"
        elif not phones:
            reason = "no phones aligned"
        elif not all(is_arpabet(phone) for phone in phones):
            foreign = next(phone for phone in phones if not is_arpabet(phone))
            reason = f"phone '{foreign}' is not ARPAbet"
        elif vowels != 2:
            reason = f"{vowels} syllable{'' if vowels == 1 else 's'}"
        elif not MIN_DURATION_S <= word.duration_s <= MAX_DURATION_S:
            reason = "implausible duration"
        found.append((word, reason))
    return found


def _predict_file(
    name: str,
    audio: Audio,
    alignment: Alignment,
    model: Any,
    info: CheckpointInfo,
    calibration: Calibration | None,
    function_words: bool,
) -> list[WordPrediction]:
    from scipy.special import expit

    from stressnet.corpus.tokens import word_key

    words = skip_reasons(alignment, function_words)
    chosen = [word for word, reason in words if not reason]
    scores = iter(_logit_differences(audio, chosen, model, info))
    found = []
    for word, reason in words:
        label = "" if word.label == UNKNOWN_WORD else word_key(word.label)
        if reason:
            found.append(WordPrediction(name, label, word.start_s, word.end_s, skipped=reason))
            continue
        score = float(next(scores))
        temperature = 1.0 if calibration is None else calibration.temperature
        p_initial = float(expit(score / temperature))
        stress = Stress.INITIAL if score >= 0 else Stress.FINAL
        found.append(
            WordPrediction(
                name,
                label,
                word.start_s,
                word.end_s,
                stress,
                p_initial if stress is Stress.INITIAL else 1.0 - p_initial,
                p_initial,
                score,
            )
        )
    return found


def _logit_differences(
    audio: Audio, words: Sequence[Interval], model: Any, info: CheckpointInfo
) -> NDArray[np.float64]:
    """INITIAL minus FINAL for some words of a recording."""
    import numpy as np
    import torch

    from stressnet.acoustics.spectrogram import SpectrogramPreset

    if not words:
        return np.empty(0)
    preset = SpectrogramPreset.from_dict(info.preset_parameters)
    info.check_input(preset.name, preset.to_dict(), preset.shape)
    images = np.stack([word_image(audio, word, preset) for word in words])
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            parts.append(model(torch.from_numpy(images[start : start + 64]).unsqueeze(1)))
    logits = torch.cat(parts).double().numpy()
    return logits[:, Stress.INITIAL.class_index] - logits[:, Stress.FINAL.class_index]


def word_image(audio: Audio, word: Interval, preset: Any) -> NDArray[np.float32]:
    """The image of a word exactly as a built corpus would hold it.

    Parameters
    ----------
    audio : Audio
        The recording.
    word : Interval
        Limits of the word.
    preset : SpectrogramPreset
        What to compute.
    """
    import soundfile

    from stressnet.acoustics.spectrogram import compute

    start_s = max(0.0, word.start_s - CONTEXT_S)
    excerpt = audio.cut(start_s, word.end_s + CONTEXT_S)
    buffer = io.BytesIO()  # excerpts of a corpus are 16-bit FLAC
    soundfile.write(buffer, excerpt.samples, excerpt.rate_hz, format="FLAC", subtype="PCM_16")
    buffer.seek(0)
    samples, rate_hz = soundfile.read(buffer, dtype="float32")
    origin_s = round(start_s * rate_hz) / rate_hz
    end_s = min(word.end_s - origin_s, len(samples) / rate_hz)
    return compute(preset, samples, rate_hz, word.start_s - origin_s, end_s).values
