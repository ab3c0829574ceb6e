"""Everything that a word's picture shows, gathered from corpus and run."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.acoustics.track_types import Tracks
from stressnet.audio import Audio
from stressnet.axes import Axes, Spectrogram
from stressnet.corpus.store import TRACKS, Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import Stress
from stressnet.regions.from_corpus import token_times
from stressnet.regions.projection import Record, project_masks
from stressnet.regions.scene import Scene, TokenTimes
from stressnet.report.run import RelevanceRun, probability_of
from stressnet.runs.tables import read_table


@dataclass(frozen=True)
class WordData:
    """All that a word's picture shows; times are seconds from the word's onset.

    ``origin_s`` is the time of the word's onset in the excerpt. Positive ``relevance``, of the
    shape of the image, speaks for the first class of the ``contrast``, or if ``of_own_class`` for
    the token's; ``output`` is what was explained, ``own_class`` the token's class and ``said`` what
    the network says. ``probability``, of the answer, is NaN where it is not known; the name of
    the ``language``, for the title, is empty for English.
    """

    token_id: str
    word: str
    speaker: str
    times: TokenTimes
    audio: Audio
    origin_s: float
    tracks: Tracks | None = None
    image: Spectrogram | None = None
    relevance: NDArray[np.floating] | None = None
    said: str | None = None
    probability: float = math.nan
    output: str = STRESS.difference
    of_own_class: bool = False
    composite: str = ""
    image_name: str = ""
    language: str = ""
    contrast: Contrast = STRESS
    own_class: str | None = None

    def __post_init__(self) -> None:
        if self.relevance is not None:
            if self.image is None:
                raise ConfigError(f"{self.token_id}: a relevance map needs the image it belongs to")
            self.image.axes.check(self.relevance, f"{self.token_id}: relevance")

    @property
    def stress(self) -> Stress | None:
        """The token's stress; None where unknown."""
        return self.times.stress

    @property
    def known_class(self) -> str | None:
        """The token's class; None where unknown."""
        return self.stress if self.contrast.is_stress else self.own_class


def word_data(corpus: Corpus, run: RelevanceRun | None, token_id: str) -> WordData:
    """Gather what a word's picture shows; without a run a picture without relevance."""
    rows = corpus.tokens[corpus.tokens["token_id"] == token_id]
    if rows.empty:
        raise CorpusError(f"{corpus.path}: no token '{token_id}'; see tokens.parquet")
    at, row = int(rows.index[0]), rows.iloc[0]
    of_run: dict[str, Any] = {}
    if run is not None:
        answer, images = run.row(token_id), run.images(corpus)
        of_run = {
            "image": Spectrogram(np.array(images.values[at]), images.axes, images.mask[at]),
            "relevance": run.map_of(token_id),
            "said": str(answer[run.contrast.predicted]),
            "probability": probability_of(answer, run.contrast),
            "output": run.output,
            "of_own_class": not run.contrast.is_pair,
            "composite": run.composite,
            "image_name": run.preset_name,
        }
    return WordData(
        token_id=token_id,
        word=str(row["word"]),
        speaker=str(row["speaker"]),
        times=token_times(corpus, token_id, row),
        audio=corpus.excerpt(token_id),
        origin_s=float(row["start_s"]) - float(row["excerpt_start_s"]),
        tracks=tracks_of_token(corpus, token_id),
        **of_run,
        contrast=corpus.contrast,
        own_class=row[corpus.contrast.column],
        language="" if corpus.language == ENGLISH else language(corpus.language).name,
    )


def map_table(values: NDArray[np.floating], axes: Axes) -> pd.DataFrame:
    """A row per frequency: ``frequency_hz``, then a column per time, named in seconds."""
    table = pd.DataFrame(values, columns=[f"{time:.4f}" for time in axes.time_s])
    table.insert(0, "frequency_hz", axes.frequency_hz)
    return table


def tracks_of_token(corpus: Corpus, token_id: str) -> Tracks | None:
    """A token's tracks without reading those of all others; None if not measured."""
    file = corpus.path / TRACKS
    if not file.is_file():
        return None
    rows = read_table(file, filters=[("token_id", "==", token_id)])
    return Tracks.from_frame(rows).get(token_id) if len(rows) else None


def phone_relevance(
    relevance: NDArray, scene: Scene, *, towards_class: bool = True
) -> list[Record]:
    """The measures of regions (shares, densities) of every phone of a word.

    ``relevance`` (shape (n_bins, n_frames)): positive values speak for INITIAL. ``towards_class``:
    turn signs so that positive values speak for the token's own class. Where the class is unknown,
    and if False, positive values speak for INITIAL. Returns a row per phone in time order, as
    :func:`stressnet.regions.projection.project_masks` makes them; ``region`` is the phone's place,
    ``missing`` says why a phone has no value (outside the image).
    """
    oriented = towards_class and scene.times.stress is not None
    masks: dict[str, NDArray] = {}
    for number, phone in enumerate(scene.times.phones):
        cover = scene.in_time(phone)
        masks[str(number)] = np.repeat(cover[None], scene.axes.shape[0], axis=0)
    records = project_masks(
        relevance, scene, masks, positive_for=Stress.INITIAL if oriented else None
    )
    for record, mask in zip(records, masks.values(), strict=True):
        if not mask.any():
            record["missing"] = "outside the image"
    return records
