"""Scenes (times, tracks, axes) of a corpus's tokens, and the power of their sound."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from stressnet.acoustics.spectrogram import SpectrogramPreset, compute
from stressnet.acoustics.tracks import Tracks
from stressnet.axes import FloatArray
from stressnet.corpus.store import Corpus, Images
from stressnet.errors import CorpusError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions.scene import BandRule, Scene, TokenTimes

if TYPE_CHECKING:
    import pandas as pd


class SceneReader:
    """Makes scenes for the tokens of a corpus under one preset.

    Parameters
    ----------
    corpus : Corpus
        A built corpus.
    preset : str
        Preset whose axes and padding masks the scenes get.
    bands : BandRule, optional
        Width of formant bands.
    """

    def __init__(self, corpus: Corpus, preset: str, bands: BandRule | None = None) -> None:
        self.corpus = corpus
        self.images: Images = corpus.images(preset)
        self.preset = SpectrogramPreset.from_dict(self.images.preset)
        self.bands = bands or BandRule()

    @cached_property
    def _rows(self) -> pd.DataFrame:
        tokens = self.corpus.tokens.copy()
        tokens["image"] = range(len(tokens))
        return tokens.set_index("token_id")

    @cached_property
    def _tracks(self) -> dict[str, Tracks]:
        return Tracks.from_frame(self.corpus.tracks)

    def image_index(self, token_id: str) -> int:
        """Position of a token's image in the preset's array."""
        return int(self._row(token_id)["image"])

    def times(self, token_id: str) -> TokenTimes:
        """Word, phones, nuclei and syllables, from the word's onset."""
        row = self._row(token_id)
        start_s = float(row["start_s"])
        phones = self.corpus.phone_intervals(token_id)
        parts = self.corpus.phone_parts(token_id)
        first, second = (i for i, (_, role) in enumerate(parts) if role == "nucleus")
        boundary = next(i for i, (syllable, _) in enumerate(parts) if syllable == 2)
        return TokenTimes.from_phones(
            phones,
            (first, second),
            boundary,
            Stress(row["stress"]) if isinstance(row["stress"], str) else None,
            origin_s=start_s,
            word=Interval(start_s, float(row["end_s"]), str(row["word"])),
        )

    def scene(self, token_id: str) -> Scene:
        """What region masks are drawn from; a token that Praat could not analyse has no tracks."""
        return Scene(
            times=self.times(token_id),
            tracks=self._tracks.get(token_id, Tracks.missing()),
            axes=self.images.axes,
            sound=self.images.mask[self.image_index(token_id)],
            resolution_hz=self.preset.resolution_hz,
            bands=self.bands,
        )

    def power(self, token_id: str) -> FloatArray:
        """Linear power of the sound on the image's axes, shape (n_bins, n_frames)."""
        row = self._row(token_id)
        audio = self.corpus.excerpt(token_id)
        start_s = float(row["start_s"] - row["excerpt_start_s"])
        end_s = min(float(row["end_s"] - row["excerpt_start_s"]), audio.duration_s)
        image = compute(self.preset, audio.samples, audio.rate_hz, start_s, end_s)
        return image.power

    def _row(self, token_id: str) -> Any:
        if token_id not in self._rows.index:
            raise CorpusError(f"{self.corpus.path}: no token '{token_id}'")
        return self._rows.loc[str(token_id), :]
