"""The stress of disyllabic words in recordings, with a trained network.

The way from sound to image is that of ``build-corpus``: the same excerpt around a word through the
same 16-bit FLAC, the same preset. No step knows the speaker or other recordings, so one file gives
the same answer alone and among others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.audio import Audio, check_rate, read_audio
from stressnet.errors import AlignmentError, AudioError, ConfigError, LexiconError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.progress import Progress
from stressnet.stages.predict.sources import Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stressnet.models.checkpoint import TrainedNetwork
    from stressnet.training.calibration import Calibration

TRIM_DB = 40.0
"""Around a single word, what is so far below its loudest 25 ms counts as silence."""

ONE_WORD_S = 2.0
"""A recording without transcript must not have more sound than this: no word lasts longer."""


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


def predict_words(
    sources: Sequence[Source],
    network: TrainedNetwork | Path | str = "pretrained",
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
        From :func:`stressnet.stages.predict.sources.sources_of`.
    network : TrainedNetwork or Path
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
    from stressnet.models.checkpoint import TrainedNetwork
    from stressnet.training.calibration import load_calibration

    progress = progress or Progress(verbose=False)
    if not isinstance(network, TrainedNetwork):
        network = TrainedNetwork.load(network)
    calibration = load_calibration(network.path, network.digest)
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
                audio = read_audio(source.audio, channel=source.channel)
                alignment = _alignment_of(source, audio, aligned)
                if alignment is None:  # its aligner failed, which is among the problems
                    continue
                found = _predict_file(name, audio, alignment, network, calibration, function_words)
            except (AudioError, AlignmentError) as error:
                problems.append(Problem(name, "predict", Severity.ERROR, str(error)))
                continue
            words += found
            alignments[name], durations_s[name] = alignment, audio.duration_s
    about = {
        "path": str(network.path),
        "architecture": network.info.architecture,
        "preset": network.info.preset,
        "weights_sha256": network.digest,
        "temperature": None if calibration is None else calibration.temperature,
    }
    return Predicted(tuple(words), alignments, durations_s, tuple(problems), about)


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
            utterances.append(Utterance(name, name, source.audio, source.words, source.channel))
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
    from stressnet.alignment.readers import has_many, read_alignment
    from stressnet.alignment.validation import fit_to_audio

    if source.words:
        return aligned.get(str(source.audio))
    if source.alignment is None:
        return Alignment((spoken_part(audio, source.audio),), (), "silence trimmed")
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
    network: TrainedNetwork,
    calibration: Calibration | None,
    function_words: bool,
) -> list[WordPrediction]:
    from scipy.special import expit

    from stressnet.corpus.tokens import word_key

    words = skip_reasons(alignment, function_words)
    chosen = [word for word, reason in words if not reason]
    scores = iter(_logit_differences(audio, chosen, network))
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
    audio: Audio, words: Sequence[Interval], network: TrainedNetwork
) -> NDArray[np.float64]:
    """INITIAL minus FINAL for some words of a recording."""
    import numpy as np
    import torch

    from stressnet.acoustics.spectrogram import SpectrogramPreset
    from stressnet.acoustics.token_image import image_in_recording

    if not words:
        return np.empty(0)
    preset = SpectrogramPreset.from_dict(network.info.preset_parameters)
    network.info.check_input(preset.name, preset.to_dict(), preset.shape)
    images = np.stack(
        [image_in_recording(preset, audio, word.start_s, word.end_s).values for word in words]
    )
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            batch = torch.from_numpy(images[start : start + 64]).unsqueeze(1)
            parts.append(network.model(batch.to(network.device)).cpu())
    logits = torch.cat(parts).double().numpy()
    return np.asarray(logit_difference(logits))
