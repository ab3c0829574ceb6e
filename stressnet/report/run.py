"""A folder of relevance maps, opened lazily for figures and pages.

Layout
------
::

    run/
      manifest.json      kind "relevance"; parameters, versions, hashes
      maps.npy           (n, n_bins, n_frames) float32: signed relevance for the logit difference
                         INITIAL - FINAL (of longer words: for their class), memory-mapped
      axes.json          axes of the maps and the spectrogram preset
      tokens.parquet     one row per map, in any order; ``map_index`` points into ``maps.npy``
      relevance.parquet  one row per token and region (optional)
      summary.csv        per region and class of stress (optional)
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.axes import Axes
from stressnet.corpus.images import Images, read_axes
from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError, StressnetError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.runs.arrays import open_array
from stressnet.runs.manifest import FILE_NAME, read_manifest
from stressnet.runs.tables import read_table

TOKEN_COLUMNS = ("token_id", "map_index", "stress")


def probability_of(row: Mapping[Hashable, Any] | pd.Series, contrast: Contrast = STRESS) -> float:
    """Probability of the class that a row of ``tokens.parquet`` says was predicted."""
    said = row[contrast.predicted]
    if contrast.p in row:
        p = float(row[contrast.p])
        return p if said == contrast.classes[0] else 1.0 - p
    return float(row["p_own_class"]) if said == row["stress"] else math.nan


@dataclass(frozen=True)
class RelevanceRun:
    """A finished run of ``stressnet explain``.

    ``maps``, shape (n, n_bins, n_frames), are memory-mapped; positive relevance speaks for INITIAL
    (another contrast's first class), of longer words for their class.
    Time zero of their ``axes`` is the word's onset. CorpusError, by any method: the folder is no
    finished run, its parts do not fit each other, it has no map of a token, or the corpus is not
    the one that was explained.
    """

    path: Path
    manifest: dict[str, Any]
    maps: NDArray[np.float32]
    axes: Axes
    preset: dict[str, Any]
    tokens: pd.DataFrame

    @classmethod
    def open(cls, path: Path | str) -> RelevanceRun:
        """Open a run folder; maps are not read until asked for."""
        path = Path(path)
        manifest = read_manifest(path, "relevance")
        for name in ("maps.npy", "axes.json", "tokens.parquet"):
            if not (path / name).is_file():
                raise CorpusError(f"{path}: {name} is missing; run explain again")
        axes, header = read_axes(path / "axes.json")
        maps = open_array(path / "maps.npy")
        contrast = Contrast.in_manifest(manifest.get("parameters", {}))
        columns = dict.fromkeys((*TOKEN_COLUMNS, contrast.column, contrast.predicted))
        tokens = read_table(path / "tokens.parquet", tuple(columns))
        if maps.ndim != 3 or maps.shape[1:] != axes.shape:
            raise CorpusError(
                f"{path}: maps are {maps.shape}, axes {axes.shape}; run explain again"
            )
        if len(tokens) and not tokens["map_index"].between(0, len(maps) - 1).all():
            raise CorpusError(
                f"{path}: tokens.parquet points beyond the {len(maps)} maps; run explain again"
            )
        return cls(path, manifest, maps, axes, header["preset"], tokens)

    @classmethod
    def find(cls, path: Path | str) -> RelevanceRun:
        """Open a run folder, or the ``run`` inside a study's folder such as the demo's."""
        path = Path(path)
        inner = path / "run"
        return cls.open(inner if not (path / "maps.npy").exists() and inner.is_dir() else path)

    def open_corpus(self) -> Corpus:
        """The corpus that was explained: where the manifest says, or beside the run."""
        place = self.place_of("corpus")
        corpus = Corpus.of_any_length(place)
        if self.manifest["inputs"].get("corpus") != corpus.fingerprint:
            raise CorpusError(f"{self.path}: explains another corpus than the one now in {place}")
        return corpus

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the run: corpus, model, composite, seed."""
        return dict(self.manifest.get("parameters", {}))

    @cached_property
    def contrast(self) -> Contrast:
        """What was told apart, with the classes of its words."""
        named = Contrast.in_manifest(self.parameters)
        return replace(named, classes=named.among(self.tokens[named.column]))

    @property
    def output(self) -> str:
        """What is explained, in words."""
        if self.contrast.is_pair:
            return self.contrast.difference
        against = {"best-other": " minus the best other", "mean-others": " minus the others' mean"}
        return f"logit of its class{against.get(str(self.parameters.get('seed_output')), '')}"

    @property
    def composite(self) -> str:
        """Name of the rule set, empty if the manifest does not say."""
        return str(self.parameters.get("composite", ""))

    @property
    def preset_name(self) -> str:
        """Name of the spectrogram preset."""
        return str(self.preset.get("name") or self.parameters.get("preset", ""))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(t): i for i, t in enumerate(self.tokens["token_id"])}

    def __contains__(self, token_id: object) -> bool:
        return token_id in self._rows

    def row(self, token_id: str) -> pd.Series:
        """A token's row."""
        if token_id not in self._rows:
            raise CorpusError(
                f"{self.path}: no map of token '{token_id}'; see tokens.parquet for those there are"
            )
        return self.tokens.iloc[self._rows[token_id]]

    def map_of(self, token_id: str) -> NDArray[np.float32]:
        """A token's map, shape (n_bins, n_frames)."""
        return np.array(self.maps[int(self.row(token_id)["map_index"])])

    def images(self, corpus: Corpus) -> Images:
        """The spectrograms that were explained."""
        images = corpus.images(self.preset_name)
        own, other = self.axes, images.axes
        if own.shape != other.shape or not (
            np.allclose(other.time_s, own.time_s)
            and np.allclose(other.frequency_hz, own.frequency_hz)
        ):
            raise CorpusError(
                f"{self.path}: its maps lie on other axes than the spectrograms of {corpus.path}; "
                "give the corpus that was explained"
            )
        return images

    def place_of(self, what: str) -> Path:
        """The corpus or the model: where the manifest says, or beside the run if it moved."""
        named = Path(str(self.parameters.get(what, "")))
        places = [named, self.path.parent / named.name, self.path.parent / what]
        return next((p for p in places if (p / FILE_NAME).is_file()), named)

    @cached_property
    def relevance(self) -> pd.DataFrame | None:
        """Relevance per token and region; None if the run has none."""
        return table_if_there(self.path / "relevance.parquet")

    @cached_property
    def summary(self) -> pd.DataFrame | None:
        """Relevance per region and class; None if the run has none."""
        return table_if_there(self.path / "summary.csv")


def model_manifest(folder: Path | None) -> dict[str, Any] | None:
    """A checkpoint's manifest; None, which pages say, if there is no finished one."""
    try:
        return None if folder is None else read_manifest(folder, "model")
    except StressnetError:
        return None


def table_if_there(file: Path) -> pd.DataFrame | None:
    """A table; None if there is no such file."""
    return read_table(file) if file.is_file() else None
