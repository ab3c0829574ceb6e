"""One word, a network's answer, and what in the sound it rests on; from Python, without folders.

The names here are those of the package itself (``stressnet.load_word`` ...)::

    import stressnet

    word = stressnet.load_word("permit.wav", word="permit")
    network = stressnet.load_network()
    answer = network(word)
    why = network.explain(word)
    why.by_region()
    why.plot()

Images, answers and maps are those that ``build-corpus``, ``predict`` and ``explain`` would give.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from stressnet.audio import Audio, read_audio
from stressnet.axes import Axes, Spectrogram
from stressnet.corpus.store import Corpus
from stressnet.errors import AlignmentError, ConfigError, CorpusError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.regions.scene import TokenTimes
from stressnet.stages.predict.alignments import UNKNOWN_WORD, align_words, alignment_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from stressnet.acoustics.spectrogram import TokenSpectrogram
    from stressnet.acoustics.track_types import Tracks
    from stressnet.models.checkpoint import TrainedNetwork

PHONES_NEEDED = "its phones are not known; give load_word the word that is said, or a TextGrid"


@dataclass(frozen=True, eq=False)
class Word:
    """A word of two syllables with its sound; made by :func:`load_word` and :func:`open_corpus`.

    Parameters
    ----------
    label : str
        The word in upper case; empty if unknown.
    audio : Audio
        Its sound with a quarter of a second around it.
    start_s, end_s : float
        Its limits in ``audio``.
    times : TokenTimes or None
        Its phones, nuclei and syllables in seconds from its onset; None if unknown. Its class is
        the label of a corpus; a recording says none.
    source : str
        The recording, or the token's id.
    speaker : str

    Examples
    --------
    >>> word = stressnet.load_word("permit.wav", word="permit")
    >>> [phone.label for phone in word.times.phones]
    ['P', 'ER0', 'M', 'IH1', 'T']
    """

    label: str
    audio: Audio = field(repr=False)
    start_s: float
    end_s: float
    times: TokenTimes | None = field(repr=False, default=None)
    source: str = ""
    speaker: str = ""

    @property
    def stress(self) -> Stress | None:
        """Its labelled class, if there is one."""
        return None if self.times is None else self.times.stress

    @cached_property
    def tracks(self) -> Tracks:
        """Formants and F0, with settings made from this word alone; zero is its onset."""
        from stressnet.acoustics.speakers import speaker_settings, tracks_of

        sound = self.audio.samples, self.audio.rate_hz
        return tracks_of(*sound, speaker_settings([sound]), origin_s=self.start_s)

    def image(self, preset: dict[str, Any]) -> TokenSpectrogram:
        """Its spectrogram under the parameters of a preset."""
        from stressnet.acoustics.spectrogram import SpectrogramPreset
        from stressnet.acoustics.token_image import image_in_excerpt

        made = SpectrogramPreset.from_dict(preset)
        return image_in_excerpt(made, self.audio, self.start_s, self.end_s)

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{_player(self.audio)}"


@dataclass(frozen=True)
class Answer:
    """What a network says about a word.

    Parameters
    ----------
    stress : Stress
        The class.
    probability : float
        Of that class, calibrated if the network has a temperature.
    p_initial : float
        Probability of INITIAL.
    logit_difference : float
        INITIAL minus FINAL.

    Examples
    --------
    >>> answer = stressnet.load_network()(stressnet.load_word("permit.wav", word="permit"))
    >>> answer.stress.value in ("INITIAL", "FINAL"), 0.5 <= answer.probability <= 1
    (True, True)
    """

    stress: Stress
    probability: float
    p_initial: float
    logit_difference: float


@dataclass(frozen=True, eq=False)
class Why:
    """Where in a word's spectrogram the evidence for a network's answer lies.

    Parameters
    ----------
    word : Word
    answer : Answer
    relevance : ndarray, shape (n_bins, n_frames)
        Shares of the logit difference; positive speaks for INITIAL.
    image : TokenSpectrogram
        What the network was shown, with its axes in seconds from the word's onset and hertz.
    composite, preset : str
        Rules of the explanation; name of the spectrogram preset.

    Examples
    --------
    >>> why = stressnet.load_network().explain(stressnet.load_word("permit.wav", word="permit"))
    >>> why.relevance.shape == why.axes.shape
    True
    >>> why.by_region(["nucleus_1", "nucleus_2"])["region"].tolist()
    ['nucleus_1', 'nucleus_2']
    >>> why.plot().savefig("permit.png")
    """

    word: Word
    answer: Answer
    relevance: NDArray[np.floating] = field(repr=False)
    image: TokenSpectrogram = field(repr=False)
    composite: str
    preset: dict[str, Any] = field(repr=False)

    @property
    def axes(self) -> Axes:
        """Seconds from the word's onset, and hertz."""
        return self.image.axes

    def by_region(self, regions: list[str] | None = None) -> pd.DataFrame:
        """Relevance in regions (vowels, syllables, formants, F0 ...), a row each.

        Positive shares speak for the network's answer. ``stressnet regions`` lists regions,
        ``docs/regions.md`` the measures. One word has no null: compare words of a corpus.

        Raises
        ------
        ConfigError
            If the word's phones are not known.
        """
        import pandas as pd

        from stressnet.acoustics.spectrogram import SpectrogramPreset
        from stressnet.regions.projection import project_map
        from stressnet.regions.scene import BandRule, Scene

        scene = Scene(
            times=replace(_known(self.word), stress=self.answer.stress),
            tracks=self.word.tracks,
            axes=self.axes,
            sound=self.image.mask,
            resolution_hz=SpectrogramPreset.from_dict(self.preset).resolution_hz,
            bands=BandRule(),
        )
        found = project_map(self.relevance, scene, power=self.image.power, regions=regions)
        return pd.DataFrame(found.records())

    def plot(self, **options: Any) -> Figure:
        """Sound, spectrogram with formants and F0, relevance, phones and syllables.

        Options are those of :func:`stressnet.report.word.plot_word`, e.g. ``width="column"``.

        Raises
        ------
        ConfigError
            If the word's phones are not known.
        """
        from stressnet.report.word import plot_word
        from stressnet.report.word_data import WordData

        word = self.word
        return plot_word(
            WordData(
                token_id=word.source,
                word=word.label,
                speaker=word.speaker,
                times=_known(word),
                audio=word.audio,
                origin_s=word.start_s,
                tracks=word.tracks,
                image=Spectrogram(self.image.values, self.axes, self.image.mask),
                relevance=self.relevance,
                stress_predicted=self.answer.stress,
                p_initial=self.answer.p_initial,
                composite=self.composite,
                image_name=self.preset["name"],
            ),
            **options,
        )

    def _repr_html_(self) -> str:
        if self.word.times is None:
            return f"<p>{self.word!r}: {self.answer!r}; {PHONES_NEEDED}</p>"
        drawn = io.BytesIO()
        self.plot().savefig(drawn, format="png", dpi=110)
        return f'<img src="{_data_url("image/png", drawn)}"><br>{_player(self.word.audio)}'


class Listener:
    """A trained network; called with a word it answers. Made by :func:`load_network`.

    Parameters
    ----------
    network : TrainedNetwork
    """

    def __init__(self, network: TrainedNetwork) -> None:
        from stressnet.training.calibration import temperature_of

        self.network = network
        self._temperature = temperature_of(network)

    def __repr__(self) -> str:
        return f"Listener({self.network.name}, {self.network.info.architecture})"

    def __call__(self, word: Word) -> Answer:
        """The network's answer for a word."""
        logits = self.network.logits(self._image(word)[None])
        return self._answer(float(logit_difference(logits)[0]))

    @overload
    def explain(self, word: Word, composite: str | None = None) -> Why: ...

    @overload
    def explain(
        self, word: Corpus, composite: str | None = None, **options: Any
    ) -> pd.DataFrame: ...

    def explain(
        self, word: Word | Corpus, composite: str | None = None, **options: Any
    ) -> Why | pd.DataFrame:
        """What the answer for a word rests on; for a corpus, a table of relevance by region.

        Parameters
        ----------
        word : Word or Corpus
        composite : str, optional
            Rules of layer-wise relevance propagation; by default those that suit the network.
        **options
            For a corpus, options of ``stressnet explain``, e.g. ``splits=("test",)``. Its nulls are
            computed, too; the run with its maps is only kept by the command.

        Returns
        -------
        Why, or DataFrame with the columns of ``relevance.parquet``
        """
        if isinstance(word, Corpus):
            return self._explain_corpus(word, composite, options)
        import torch

        from stressnet.explain.api import explain_batch
        from stressnet.models.registry import get_spec

        info = self.network.info
        rules = composite or get_spec(info.architecture).composite
        image = self._image(word)
        inputs = torch.from_numpy(image)[None, None].to(self.network.device)
        result = explain_batch(self.network.model, inputs, rules)
        return Why(
            word,
            self._answer(float(result.output[0])),
            result.relevance[0, 0].cpu().numpy(),
            word.image(info.preset_parameters),
            rules,
            info.preset_parameters,
        )

    def _explain_corpus(
        self, corpus: Corpus, composite: str | None, options: dict[str, Any]
    ) -> pd.DataFrame:
        import tempfile

        from stressnet.runs.tables import read_table
        from stressnet.stages.explain import explain_corpus

        with tempfile.TemporaryDirectory(prefix="stressnet-") as folder:
            out = Path(folder) / "run"
            explain_corpus(corpus, self.network, out, composite=composite, **options)
            return read_table(out / "relevance.parquet")

    def _image(self, word: Word) -> NDArray[np.float32]:
        info = self.network.info
        image = word.image(info.preset_parameters)
        info.check_input(info.preset, info.preset_parameters, image.axes.shape)
        return np.asarray(image.values, dtype=np.float32)

    def _answer(self, difference: float) -> Answer:
        p_initial = float(1 / (1 + np.exp(-difference / self._temperature)))
        stress = Stress.INITIAL if difference >= 0 else Stress.FINAL
        probability = p_initial if stress is Stress.INITIAL else 1 - p_initial
        return Answer(stress, probability, p_initial, difference)


class OpenedCorpus(Corpus):
    """A built corpus whose tokens are words; made by :func:`open_corpus`."""

    def words(self, word: str | None = None) -> list[Word]:
        """The tokens of a word, or all tokens, in the order of ``tokens.parquet``."""
        rows = self.tokens
        if word is not None:
            rows = rows[rows["word"] == word.upper()]
        return [self._word(row) for _, row in rows.iterrows()]

    def word(self, token_id: str) -> Word:
        """The token of an id.

        Raises
        ------
        CorpusError
            If there is none.
        """
        rows = self.tokens[self.tokens["token_id"] == token_id]
        if rows.empty:
            raise CorpusError(f"{self.path}: no token '{token_id}'; see tokens.parquet")
        return self._word(rows.iloc[0])

    def _word(self, row: Any) -> Word:
        from stressnet.corpus.tokens import span_of
        from stressnet.regions.from_corpus import token_times

        token_id = str(row["token_id"])
        return Word(
            str(row["word"]),
            self.excerpt(token_id),
            *span_of(row, "start_s", "end_s"),
            token_times(self, token_id, row),
            token_id,
            str(row["speaker"]),
        )


def load_word(
    recording: Path | str,
    word: str | None = None,
    *,
    textgrid: Path | str | None = None,
    transcript: Path | str | None = None,
    occurrence: int = 1,
    aligner: str = "pocketsphinx",
) -> Word:
    """A word of a recording.

    Parameters
    ----------
    recording : Path or str
        WAV, FLAC, or what else ``stressnet predict`` reads.
    word : str, optional
        The word. If nothing else is known of the recording, it says just this. Left out, it is the
        only word of two syllables in the recording.
    textgrid, transcript : Path or str, optional
        Where the words are, or which they are; what lies beside the recording under its name is
        found by itself.
    occurrence : int
        Which, if the word is said several times.
    aligner : str
        For recordings with a transcript only.

    Raises
    ------
    StressnetError
        If the recording cannot be read or aligned, or does not hold the word.

    Examples
    --------
    >>> stressnet.load_word("permit.wav", word="permit").label
    'PERMIT'
    """
    from stressnet.runs.progress import Progress
    from stressnet.stages.predict.sources import sources_of

    path = Path(recording)
    alignments, transcripts = (place and Path(place) for place in (textgrid, transcript))
    (source,) = sources_of([path], alignments or None, transcripts or None)
    if source.alignment is None and not source.words and word is not None:
        (source,) = sources_of([path], text=word)
    aligned = align_words([source], aligner, None, [], Progress(verbose=False), jobs=0)
    audio = read_audio(path)
    alignment = alignment_of(source, audio, aligned, [])
    return _cut(audio, alignment, _chosen(path, alignment, word, occurrence), path)


def load_network(model: Path | str = "pretrained", device: str = "cpu") -> Listener:
    """A trained network.

    Parameters
    ----------
    model : Path or str
        A folder of ``stressnet train``; the network in the package if left out.
    device : str
        ``cpu``, ``cuda`` or ``auto``.

    Raises
    ------
    CheckpointError
        If it is missing or damaged.

    Examples
    --------
    >>> stressnet.load_network()
    Listener(nuclei, nuclei)
    """
    from stressnet.models.checkpoint import TrainedNetwork

    return Listener(TrainedNetwork.load(model, device))


def open_corpus(path: Path | str) -> OpenedCorpus:
    """A corpus of ``stressnet build-corpus``.

    Raises
    ------
    CorpusError
        If it is not a finished corpus.

    Examples
    --------
    >>> corpus = stressnet.open_corpus("corpus")
    >>> words = corpus.words(corpus.tokens["word"].iloc[0])
    >>> stressnet.load_network()(words[0]).stress.value in ("INITIAL", "FINAL")
    True
    """
    return OpenedCorpus.checked(path)  # type: ignore[return-value]


def _known(word: Word) -> TokenTimes:
    if word.times is None:
        raise ConfigError(f"{word.source}: {PHONES_NEEDED}")
    return word.times


def _chosen(path: Path, alignment: Alignment, word: str | None, occurrence: int) -> Interval:
    """The word that is asked for, among those that ``predict`` would not skip."""
    from stressnet.corpus.tokens import word_key
    from stressnet.stages.predict.words import skip_reasons

    words = skip_reasons(alignment, function_words=True)
    if word is not None and not any(w.label == UNKNOWN_WORD for w, _ in words):
        words = [(w, why) for w, why in words if word_key(w.label) == word_key(word)]
    usable = [w for w, reason in words if not reason]
    if not 1 <= occurrence <= len(usable) or (word is None and len(usable) > 1):
        reasons = sorted({reason for _, reason in words if reason})
        said = f"'{word}' with two syllables" if word else "words of two syllables"
        raise AlignmentError(
            f"{path}: {len(usable)} {said}{f' ({reasons[0]})' if reasons and not usable else ''}; "
            f"say which with word and occurrence (from 1)"
        )
    return usable[occurrence - 1]


def _cut(audio: Audio, alignment: Alignment, chosen: Interval, path: Path) -> Word:
    """A word of a recording as a corpus would hold it."""
    from stressnet.acoustics.token_image import excerpt_of
    from stressnet.corpus.tokens import word_key
    from stressnet.lexicon.syllables import syllabify

    excerpt, origin_s = excerpt_of(audio, chosen.start_s, chosen.end_s)
    phones, times = alignment.phones_of(chosen), None
    label = "" if chosen.label == UNKNOWN_WORD else word_key(chosen.label)
    if phones:
        parts = syllabify([phone.label for phone in phones])
        times = TokenTimes.from_phones(
            phones,
            parts.nuclei,
            parts.boundary,
            None,
            origin_s=chosen.start_s,
            word=replace(chosen, label=label),
        )
    within = chosen.start_s - origin_s, chosen.end_s - origin_s
    return Word(label, excerpt, *within, times, str(path))


def _player(audio: Audio) -> str:
    import soundfile

    sound = io.BytesIO()
    soundfile.write(sound, audio.samples, audio.rate_hz, format="WAV", subtype="PCM_16")
    return f'<audio controls src="{_data_url("audio/wav", sound)}"></audio>'


def _data_url(kind: str, data: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
