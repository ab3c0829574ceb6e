"""Networks that answer for words, and where in the sound their answers lie."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes, Spectrogram
from stressnet.corpus.images import stacked
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.listen.words import Word, data_url, player
from stressnet.models.answer import Answer
from stressnet.regions.scene import TokenTimes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from stressnet.acoustics.spectrogram import TokenSpectrogram
    from stressnet.models.checkpoint import TrainedNetwork

PHONES_NEEDED = "its phones are not known; give load_word the word that is said, or a TextGrid"


@dataclass(frozen=True, eq=False)
class WordRelevance:
    """Where in a word's spectrogram the evidence for a network's answer lies.

    Parameters
    ----------
    relevance : ndarray, shape (n_bins, n_frames)
        Shares of the logit difference; positive speaks for INITIAL (the first class).
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
    contrast: Contrast = STRESS

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

        times, relevance = _known(self.word), self.relevance
        if self.contrast.is_stress:
            times = replace(times, stress=Stress(self.answer.stress))
        scene = Scene(
            times=times,
            tracks=self.word.tracks,
            axes=self.axes,
            sound=self.image.mask,
            resolution_hz=SpectrogramPreset.from_dict(self.preset).resolution_hz,
            bands=BandRule(),
        )
        if self.answer.stress == self.contrast.classes[1]:
            relevance = -relevance
        power = self.image.power
        found = project_map(relevance, scene, power=power, regions=regions, positive_for=None)
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
        code = ENGLISH if word.times is None else word.times.language
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
                said=self.answer.stress,
                contrast=self.contrast,
                output=self.contrast.difference,
                probability=self.answer.probability,
                composite=self.composite,
                image_name=self.preset["name"],
                language="" if code == ENGLISH else language(code).name,
            ),
            **options,
        )

    def _repr_html_(self) -> str:
        if self.word.times is None:
            return f"<p>{self.word!r}: {self.answer!r}; {PHONES_NEEDED}</p>"
        drawn = io.BytesIO()
        self.plot().savefig(drawn, format="png", dpi=110)
        return f'<img src="{data_url("image/png", drawn)}"><br>{player(self.word.audio)}'


class StressNetwork:
    """A trained network; called with a word it answers. Made by :func:`load_network`."""

    def __init__(self, network: TrainedNetwork) -> None:
        from stressnet.training.calibration import calibration_of

        self.network = network
        self._calibration = calibration_of(network)

    def __repr__(self) -> str:
        return f"StressNetwork({self.network.name}, {self.network.info.architecture})"

    def __call__(self, word: Word) -> Answer:
        """The network's answer for a word."""
        logits = self.network.logits(self._image(word)[None])
        difference = float(logit_difference(logits)[0])
        return Answer.of(difference, self._calibration, self.network.info.contrast)

    @overload
    def explain(self, word: Word, composite: str | None = None) -> WordRelevance: ...

    @overload
    def explain(
        self, word: Corpus, composite: str | None = None, **options: Any
    ) -> pd.DataFrame: ...

    def explain(
        self, word: Word | Corpus, composite: str | None = None, **options: Any
    ) -> WordRelevance | pd.DataFrame:
        """What the answer for a word rests on; for a corpus, a table of relevance by region.

        Parameters
        ----------
        composite : str, optional
            Rules of layer-wise relevance propagation; by default those that suit the network.
        **options
            For a corpus, options of ``stressnet explain``, e.g. ``splits=("test",)``. Its nulls are
            computed, too; the run with its maps is only kept by the command.
        """
        if isinstance(word, Corpus):
            return self._explain_corpus(word, composite, options)
        import torch

        from stressnet.explain.api import explain_batch
        from stressnet.explain.grids import on_first_grid

        info = self.network.info
        rules = composite or info.composite
        image = self._image(word)
        inputs = torch.from_numpy(image)[None, None].to(self.network.device)
        result = explain_batch(self.network.model, inputs, rules)
        images = [word.image(one) for one in info.presets]
        if len(images) > 1:
            result = on_first_grid(result, [one.axes for one in images])
        return WordRelevance(
            word,
            Answer.of(float(result.output[0]), self._calibration, info.contrast),
            result.relevance[0, 0].cpu().numpy(),
            images[0],
            rules,
            info.presets[0],
            info.contrast,
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
        image = stacked([word.image(one).values for one in info.presets])
        info.check_input(info.preset, info.preset_parameters, image.shape)
        return np.asarray(image, dtype=np.float32)


def load_network(model: Path | str = "pretrained", device: str = "cpu") -> StressNetwork:
    """A network from a folder of ``stressnet train``, or the one in the package.

    The device is ``cpu``, ``cuda`` or ``auto``.

    Raises
    ------
    CheckpointError
        If it is missing or damaged.

    Examples
    --------
    >>> stressnet.load_network()
    StressNetwork(nuclei, nuclei)
    """
    from stressnet.models.checkpoint import TrainedNetwork

    return StressNetwork(TrainedNetwork.of_disyllables(model, device))


def _known(word: Word) -> TokenTimes:
    if word.times is None:
        raise ConfigError(f"{word.source}: {PHONES_NEEDED}")
    return word.times
