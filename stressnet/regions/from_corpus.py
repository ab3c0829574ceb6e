"""Scenes (times, tracks, axes) of a corpus's tokens, and the power of their sound."""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.token_image import image_in_excerpt
from stressnet.acoustics.track_types import Tracks
from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.images import Images, stacked
from stressnet.corpus.store import TRACKS, Corpus
from stressnet.corpus.tokens import span_of
from stressnet.errors import CorpusError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions.registry import Missing
from stressnet.regions.scene import BandRule, Scene, TokenTimes
from stressnet.runs.tables import open_parquet

BESIDE_S = 0.25  # How far before and after a word its surroundings are looked up

MAX_GROUPS = 256  # Groups of rows of `tracks.parquet` in memory; builds write about 1 MB each


class _TrackReader:
    """Tracks of single tokens from ``tracks.parquet``, in bounded memory.

    The file is read by groups of rows; the last :data:`MAX_GROUPS` stay in memory. A corpus of some
    thousand tokens fits whole, a large one is read again where needed.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise CorpusError(f"{path}: file is missing; build the corpus again")
        self._file = open_parquet(path)
        self._read = lru_cache(MAX_GROUPS)(self._read_group)

    @cached_property
    def _groups(self) -> dict[str, list[int]]:
        """Groups of rows that hold a token's tracks; usually one, two at a limit."""
        places: dict[str, list[int]] = {}
        for group in range(self._file.metadata.num_row_groups):
            column = self._file.read_row_group(group, columns=["token_id"]).column(0)
            for token_id in column.unique().to_pylist():
                places.setdefault(str(token_id), []).append(group)
        return places

    def get(self, token_id: str) -> Tracks:
        """A token's tracks; none if Praat could not analyse it."""
        groups = self._groups.get(token_id, [])
        if len(groups) > 1:
            import pandas as pd

            frames = [self._file.read_row_group(group).to_pandas() for group in groups]
            whole = pd.concat(frame[frame["token_id"] == token_id] for frame in frames)
            return Tracks.from_frame(whole)[token_id]
        return self._read(groups[0])[token_id] if groups else Tracks.missing()

    def _read_group(self, group: int) -> dict[str, Tracks]:
        return Tracks.from_frame(self._file.read_row_group(group).to_pandas())


class SceneReader:
    """Makes scenes for the tokens of a corpus, with axes and padding masks of one preset."""

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
    def _tracks(self) -> _TrackReader:
        return _TrackReader(self.corpus.path / TRACKS)

    def image_index(self, token_id: str) -> int:
        """Position of a token's image in the preset's array."""
        return int(self._row(token_id)["image"])

    def times(self, token_id: str, *, surroundings: bool = True) -> TokenTimes:
        """Word, phones, nuclei and syllables, from the word's onset."""
        row = self._row(token_id)
        beside = self._beside(row) if surroundings else None
        return token_times(self.corpus, token_id, row, beside)

    def _beside(self, row: Any) -> tuple[Interval, ...] | None:
        """Words and silences around a token in the recording; None without a TextGrid."""
        file = self.corpus.textgrid_file(row["utterance_id"])
        if not file.is_file():
            return None
        start_s, end_s = float(row["start_s"]), float(row["end_s"])
        return tuple(
            word
            for word in _words(file)
            if word.end_s > start_s - BESIDE_S
            and word.start_s < end_s + BESIDE_S
            and not start_s < word.middle_s < end_s
        )

    def scene(self, token_id: str, *, surroundings: bool = True) -> Scene:
        """What region masks are drawn from; a token that Praat could not analyse has no tracks."""
        return Scene(
            times=self.times(token_id, surroundings=surroundings),
            tracks=self._tracks.get(token_id),
            axes=self.images.axes,
            sound=self.images.mask[self.image_index(token_id)],
            resolution_hz=self.preset.resolution_hz,
            bands=self.bands,
        )

    def power(self, token_id: str) -> NDArray[np.floating]:
        """Linear power of the sound on the image's axes, shape (n_bins, n_frames)."""
        start_s, end_s = map(float, span_of(self._row(token_id), "start_s", "end_s"))
        excerpt = self.corpus.excerpt(token_id)
        return image_in_excerpt(self.preset, excerpt, start_s, end_s).power

    def _row(self, token_id: str) -> Any:
        if token_id not in self._rows.index:
            raise CorpusError(f"{self.corpus.path}: no token '{token_id}'")
        return self._rows.loc[str(token_id), :]


def drawn_on(scenes: Sequence[Scene], draw: Callable[[Scene], Any]) -> Any:
    """A mask on a token's images of one or several presets, one above the other.

    ``draw`` makes it of a scene: values by frame or by cell, or :class:`Missing`, which remains.
    """
    masks = [draw(scene) for scene in scenes]
    absent = [mask for mask in masks if isinstance(mask, Missing)]
    if absent:
        return absent[0]
    pairs = zip(masks, scenes, strict=True)
    return stacked([np.broadcast_to(mask, scene.axes.shape) for mask, scene in pairs])


def token_times(
    corpus: Corpus, token_id: str, row: Any, beside: Sequence[Interval] | None = None
) -> TokenTimes:
    """Word, phones, nuclei and syllables, from the word's onset."""
    start_s = float(row["start_s"])
    parts = corpus.phone_parts(token_id)
    syllables = [syllable for syllable, _ in parts]
    return TokenTimes.from_phones(
        corpus.phone_intervals(token_id),
        [i for i, (_, role) in enumerate(parts) if role == "nucleus"],
        [syllables.index(number) for number in sorted(set(syllables))],
        Stress(row["stress"]) if isinstance(row["stress"], str) else None,
        origin_s=start_s,
        word=Interval(start_s, float(row["end_s"]), str(row["word"])),
        beside=beside,
        language=corpus.language,
    )


@lru_cache(maxsize=64)
def _words(file: Path) -> tuple[Interval, ...]:
    """The word tier of a TextGrid; neighbouring tokens share one."""
    return read_textgrid(file).words
