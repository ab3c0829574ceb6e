"""The stress of disyllabic words in recordings, with a trained network.

The way from sound to image is that of ``build-corpus``: the same excerpt around a word through the
same 16-bit FLAC, the same preset. No step knows the speaker or other recordings, so one file gives
the same answer alone and among others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.token_image import image_in_recording
from stressnet.audio import Audio, read_audio
from stressnet.corpus.images import stacked
from stressnet.corpus.tokens import MAX_DURATION_S, MIN_DURATION_S, word_key
from stressnet.errors import AlignmentError, AudioError, ConfigError
from stressnet.intervals import Alignment, Interval
from stressnet.languages import ENGLISH, Language, language
from stressnet.languages.phones import is_vowel
from stressnet.lexicon.dictionary import default_function_words
from stressnet.lexicon.stress import DISYLLABLES, Stress, WordLengths
from stressnet.models.answer import Answer
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.models.ensemble import accuracy_by_agreement
from stressnet.runs import Problem, Progress, Severity
from stressnet.runs.options import SURE
from stressnet.stages.predict.alignments import UNKNOWN_WORD, align_words, alignment_of
from stressnet.stages.predict.sources import Source
from stressnet.training.calibration import Calibration, calibration_of
from stressnet.training.onnx_export import read_network

MOST_TOLD = 20  # Problems that are told on stderr


@dataclass(frozen=True)
class WordPrediction:
    """One word of a recording, with what :class:`~stressnet.models.answer.Answer` says of it.

    The word is as transcribed, in upper case; empty for a recording of one unknown word, and for
    one that could not be used. What was skipped has no stress, numbers that are nan, and a reason;
    the warning is what is doubtful about the recording; ``sure`` is ``yes`` or ``not sure``. Of an
    ensemble, ``n_agreeing`` of its ``n_members`` give this answer, and ``accuracy_so`` of such
    validation words were right.
    """

    file: str
    word: str
    start_s: float = math.nan
    end_s: float = math.nan
    stress: Stress | None = None
    probability: float = math.nan
    p_initial: float = math.nan
    logit_difference: float = math.nan
    reason: str = ""
    warning: str = ""
    sure: str = ""
    n_agreeing: int | None = None
    n_members: int | None = None
    accuracy_so: float | None = None


@dataclass(frozen=True)
class Predicted:
    """Predictions for several recordings; alignments and durations are by their files.

    Words are in the order of files and time, skipped ones among them; problems are recordings that
    could not be used, each once, and those that are doubtful. The text is what the terminal shows
    (empty if it was written into a file), which may list the reasons.
    """

    words: tuple[WordPrediction, ...]
    alignments: dict[str, Alignment]
    durations_s: dict[str, float]
    problems: tuple[Problem, ...]
    network: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    lists_reasons: bool = False

    @property
    def n_unused(self) -> int:
        """Recordings that could not be used."""
        return sum(problem.severity is Severity.ERROR for problem in self.problems)

    @property
    def n_predicted(self) -> int:
        """Words that were predicted."""
        return sum(word.stress is not None for word in self.words)

    @property
    def n_skipped(self) -> int:
        """Words that were skipped in recordings that could be used."""
        return len(self.words) - self.n_predicted - self.n_unused

    @property
    def n_failed(self) -> int:
        """Recordings that could not be used; at least 1 if no word was predicted."""
        return self.n_unused or int(not self.n_predicted)

    @property
    def is_empty(self) -> bool:
        """Whether no recording could be used."""
        return not self.alignments

    @property
    def messages(self) -> tuple[str, ...]:
        """What is told on stderr at the end: each problem once, then a count."""
        told = () if self.lists_reasons else self.problems
        lines = [f"stressnet: {problem.reason}" for problem in told[:MOST_TOLD]]
        if len(told) > MOST_TOLD:
            lines.append(f"... and {len(told) - MOST_TOLD} more; --format csv lists all")
        return (*lines, self.closing_line) if self.n_failed else tuple(lines)

    @property
    def closing_line(self) -> str:
        """How many words were predicted and skipped, and how many recordings were unusable."""
        words = "word" if self.n_predicted == 1 else "words"
        line = f"{self.n_predicted} {words} predicted, {self.n_skipped} skipped"
        if self.n_unused:
            n_files = len(self.alignments) + self.n_unused
            line += f"; {self.n_unused} of {n_files} recordings could not be used"
        if not self.n_predicted:
            line += "; nothing was predicted, see the reasons"
        return line


def predict_words(
    sources: Sequence[Source],
    network: TrainedNetwork | Path | str = "pretrained",
    *,
    aligner: str | None = None,
    dictionary: Path | None = None,
    function_words: bool = False,
    sure: float = SURE,
    progress: Progress | None = None,
) -> Predicted:
    """Predict the stress of every word that is as long as those the network was trained on.

    Sources are of :func:`stressnet.stages.predict.sources.sources_of`; the network is a checkpoint
    folder, or the one in the package. The aligner is for recordings with a transcript only; the
    default needs no training, so it works on one recording. For the other options see
    :class:`stressnet.stages.predict.PredictConfig`.
    """
    progress = progress or Progress(verbose=False)
    if not isinstance(network, TrainedNetwork):
        network = read_network(network)
    calibration = calibration_of(network)
    names = [str(source.audio) for source in sources]
    if len(set(names)) < len(names):
        raise ConfigError("a recording is given twice; give each once")
    problems: list[Problem] = []
    for text in {network.language_doubt(source.language) for source in sources} - {""}:
        problems.append(Problem("", "language", Severity.WARNING, text))
    aligned = align_words(sources, aligner, dictionary, problems, progress)
    words: list[WordPrediction] = []
    alignments: dict[str, Alignment] = {}
    durations_s: dict[str, float] = {}
    with progress.stage("predict", len(sources), "file") as bar:
        for name, source in zip(names, sources, strict=True):
            bar.update()
            try:
                if source.problem:
                    raise AlignmentError(source.problem)
                audio = read_audio(source.audio, channel=source.channel)
                alignment = alignment_of(source, audio, aligned, problems)
                spoken, lengths = language(source.language), network.info.lengths
                words_here = skip_reasons(alignment, function_words, spoken, lengths)
                own = _predict_file(name, audio, words_here, network, calibration, sure)
            except (AudioError, AlignmentError) as error:
                problems.append(Problem(name, "predict", Severity.ERROR, str(error)))
                words.append(WordPrediction(name, "", reason=str(error)))
                continue
            doubts = "; ".join(p.reason for p in problems if p.item == name)
            words += [replace(word, warning=doubts) for word in own]
            alignments[name], durations_s[name] = alignment, audio.duration_s
    about = {
        "path": str(network.path),
        "architecture": network.info.architecture,
        "preset": network.info.preset,
        "weights_sha256": network.digest,
        "temperature": calibration.temperature,
        "threshold": calibration.threshold,
        **network.info.contrast.noted,
    }
    return Predicted(tuple(words), alignments, durations_s, tuple(problems), about)


def skip_reasons(
    alignment: Alignment,
    function_words: bool,
    spoken: Language | None = None,
    lengths: WordLengths = DISYLLABLES,
) -> list[tuple[Interval, str]]:
    """Spoken words in order, each with the reason not to predict it, or an empty string."""
    spoken = spoken or language(ENGLISH)
    left_out = frozenset() if function_words else default_function_words(spoken.code)
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
        elif foreign := [phone for phone in phones if not spoken.is_phone(phone)]:
            reason = f"phone '{foreign[0]}' is not {'ARPAbet' if spoken.is_english else 'IPA'}"
        elif vowels not in lengths:
            reason = f"{vowels} syllable{'' if vowels == 1 else 's'}"
        elif not MIN_DURATION_S <= 2 * word.duration_s / vowels <= MAX_DURATION_S:
            reason = "implausible duration"
        found.append((word, reason))
    return found


def _predict_file(
    name: str,
    audio: Audio,
    words: Sequence[tuple[Interval, str]],
    network: TrainedNetwork,
    calibration: Calibration,
    sure: float,
) -> list[WordPrediction]:
    chosen = [word for word, reason in words if not reason]
    each = _logits(audio, chosen, network)
    logits, known = iter(np.moveaxis(each, 0, 1)), accuracy_by_agreement(network.path)
    predicted = []
    for word, reason in words:
        label = "" if word.label == UNKNOWN_WORD else word_key(word.label)
        own = WordPrediction(name, label, word.start_s, word.end_s, reason=reason)
        if not reason:
            said = next(logits)
            mean = said.mean(axis=0)
            answer = Answer.among(network.info.contrast, mean, calibration)
            told = "yes" if answer.probability >= sure else "not sure"
            own = replace(own, **vars(answer), sure=told)
            if len(each) > 1:
                n = int((said.argmax(axis=1) == mean.argmax()).sum())
                own = replace(own, n_agreeing=n, n_members=len(each), accuracy_so=known.get(n))
        predicted.append(own)
    return predicted


def _logits(
    audio: Audio, words: Sequence[Interval], network: TrainedNetwork
) -> NDArray[np.float64]:
    """Logits of some words of a recording by each member, shape (n_members, n, n_classes)."""
    if not words:
        return np.empty((1, 0, len(network.info.classes)))
    images = []
    for one in network.info.presets:
        preset = SpectrogramPreset.from_dict(one)
        made = [image_in_recording(preset, audio, word.start_s, word.end_s) for word in words]
        images.append(np.stack([image.values for image in made]))
    image = stacked(images)
    network.info.check_input(network.info.preset, network.info.preset_parameters, image.shape[1:])
    return network.each(image)
