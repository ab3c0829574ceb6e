"""What the explorer shows of one token: sound, pictures, tracks, tiers, relevance, outlines."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.acoustics.track_types import Tracks
from stressnet.audio import Audio
from stressnet.axes import Axes
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.registry import REGIONS
from stressnet.regions.scene import Scene
from stressnet.report.explorer.pack import compand, rounded, runs_of
from stressnet.report.ipa import syllable_labels, to_ipa
from stressnet.report.layers import is_loud, wide_band
from stressnet.report.run import RelevanceRun
from stressnet.report.style import relevance_limit
from stressnet.report.word_data import phone_relevance

CONTEXT_S = 0.12  # Sound shown before and after the word, if the excerpt has as much
WAVE_STEP_S = 0.0008  # The waveform is drawn as its minimum and maximum in steps of this length

SPECTROGRAM_STEP_S, SPECTROGRAM_STEP_HZ = 0.0018, 50.0
SPECTROGRAM_RANGE_DB = 60.0
SPECTROGRAM_TOP_HZ = 5500.0
IMAGE_LEVELS = 63  # Steps of grey in the network's image

MEASURES = ("positive_share", "area_share", "density", "null_density")
"""Columns of a run's ``relevance.parquet`` that the explorer lists per region."""


@dataclass(frozen=True)
class Method:
    """A run under the name that the explorer gives it."""

    label: str
    run: RelevanceRun
    model: dict[str, Any] | None = None

    @property
    def description(self) -> str:
        """What was explained, how, and where it lies."""
        network = (self.model or {}).get("parameters", {}).get("architecture", "network unknown")
        rules = self.run.composite or "rules unknown"
        return f"{network}, {rules}, preset {self.run.preset_name or 'unknown'} ({self.run.path})"

    @cached_property
    def regions(self) -> list[str]:
        """Regions of the run's table, in its order."""
        table = self.run.relevance
        return [] if table is None else [str(r) for r in table["region"].unique()]

    @cached_property
    def rows_of(self) -> dict[str, pd.DataFrame]:
        """Rows of the table of relevance by token."""
        table = self.run.relevance
        if table is None:
            return {}
        columns = ["token_id", "region", "missing", *MEASURES]
        table = table[[c for c in columns if c in table.columns]]
        return {str(k): part for k, part in table.groupby("token_id", sort=False, observed=True)}


class TokenReader:
    """Gathers tokens of one corpus under the presets of several runs."""

    def __init__(self, corpus: Corpus, methods: Sequence[Method]) -> None:
        if not methods:
            raise ConfigError("an explorer needs at least one run")
        self.corpus = corpus
        self.methods = list(methods)
        self.presets = list(dict.fromkeys(m.run.preset_name for m in methods))
        self._readers = [SceneReader(corpus, name) for name in self.presets]
        self._rows: dict[Any, Any] = corpus.tokens.set_index("token_id").to_dict("index")

    def row(self, token_id: str) -> dict[str, Any]:
        """A token's row of the corpus."""
        return self._rows[token_id]

    def token(self, token_id: str) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """A token's data before packing."""
        scenes, row = self._scenes(token_id), self.row(token_id)
        scene = scenes[0]
        audio = self.corpus.excerpt(token_id)
        origin_s = float(row["start_s"]) - float(row["excerpt_start_s"])
        start_s = max(-CONTEXT_S, -origin_s)
        end_s = min(scene.times.word.end_s + CONTEXT_S, audio.duration_s - origin_s)
        header: dict[str, Any] = {
            "id": token_id,
            "sound": {"duration_s": rounded(audio.duration_s, 6), "origin_s": rounded(origin_s, 6)},
            "view": [rounded(start_s, 5), rounded(end_s, 5)],
            **_tiers(scene, self.corpus.phone_parts(token_id)),
        }
        arrays: dict[str, NDArray] = {}
        view = _View(audio, origin_s, start_s, end_s)
        header["wave"], arrays["wave"] = _wave(view)
        header["spectrogram"], arrays["spectrogram"] = _picture(view)
        header["tracks"] = _tracks(arrays, scene.tracks, view)
        for number, reader in enumerate(self._readers):
            position = reader.image_index(token_id)
            mask = reader.images.mask[position]
            # Frame by frame: padding is then one stretch, which takes next to no bytes.
            arrays[f"image{number}"] = _grey(np.asarray(reader.images.values[position]), mask).T
            arrays[f"sound{number}"] = mask.astype(np.uint8)
            self._outlines(arrays, number, scenes[number])
        header["runs"] = [
            self._relevance(arrays, number, method, scenes[self.preset_of(method)], token_id)
            for number, method in enumerate(self.methods)
        ]
        return header, arrays

    def preset_of(self, method: Method) -> int:
        """Place of a method's preset in :attr:`presets`."""
        return self.presets.index(method.run.preset_name)

    def axes_of(self, preset: int) -> Axes:
        """Axes of the images and maps under a preset."""
        return self._readers[preset].images.axes

    def _scenes(self, token_id: str) -> list[Scene]:
        """The token on the axes of every preset; times and tracks are read once."""
        first = self._readers[0].scene(token_id)
        others = [
            replace(
                first,
                axes=reader.images.axes,
                sound=reader.images.mask[reader.image_index(token_id)],
                resolution_hz=reader.preset.resolution_hz,
            )
            for reader in self._readers[1:]
        ]
        return [first, *others]

    def _outlines(self, arrays: dict[str, NDArray], number: int, scene: Scene) -> None:
        """Cells of which at least half belongs to a region, per region of any run."""
        names = [r for m in self.methods if self.preset_of(m) == number for r in m.regions]
        for name in dict.fromkeys(names):
            mask = REGIONS[name].mask(scene) if name in REGIONS else None
            if isinstance(mask, np.ndarray) and (mask >= 0.5).any():
                arrays[f"outline{number}:{name}"] = runs_of(mask >= 0.5)

    def _relevance(
        self, arrays: dict[str, NDArray], number: int, method: Method, scene: Scene, token_id: str
    ) -> dict[str, Any] | None:
        if token_id not in method.run:
            return None
        values = method.run.map_of(token_id)
        steps, peak = compand(values)
        arrays[f"relevance{number}"] = steps.T
        row = method.run.row(token_id)
        shares = phone_relevance(values, scene, towards_class=False)
        data: dict[str, Any] = {
            "peak": rounded(peak, 6),
            "limit": rounded(relevance_limit(values)),
            "sum": rounded(float(values.sum())),
            "output": rounded(float(row["output"])) if "output" in row else None,
            "phones": [rounded(float(r["signed_share"]), 3) for r in shares],  # type: ignore[arg-type]
        }
        table = method.rows_of.get(token_id)
        if table is not None:
            table = table.set_index("region")
            data["measures"] = [c for c in MEASURES if c in table.columns]
            measures = table[data["measures"]].astype(np.float64).T.to_dict("list")
            data["regions"] = {str(r): [rounded(v, 3) for v in row] for r, row in measures.items()}
            if "missing" in table.columns:
                missing = table["missing"].to_dict()
                data["missing"] = {
                    str(r): m for r, m in missing.items() if isinstance(m, str) and m
                }
        return data


def _tiers(scene: Scene, parts: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """Phones, syllables and word with times in seconds from the word's onset."""
    times = scene.times
    phones = [
        [rounded(p.start_s, 5), rounded(p.end_s, 5), p.label, to_ipa(p.label), role]
        for p, (_, role) in zip(times.phones, parts, strict=True)
    ]
    labels = syllable_labels(times)
    return {
        "phones": phones,
        "syllables": [
            [rounded(s.start_s, 5), rounded(s.end_s, 5), label]
            for s, label in zip(times.syllables, labels, strict=True)
        ],
        "stressed": times.stressed,
        "end_s": rounded(times.word.end_s, 5),
    }


class _View(NamedTuple):
    """A sound, the word's onset in it, and what is shown of it in seconds from there."""

    audio: Audio
    origin_s: float
    start_s: float
    end_s: float


def _wave(view: _View) -> tuple[dict[str, Any], NDArray[np.int8]]:
    """Minimum and maximum per step, shape (n, 2), as parts of the largest magnitude."""
    audio, origin_s, start_s, end_s = view
    part = audio.cut(origin_s + start_s, origin_s + end_s).samples
    step = max(1, round(WAVE_STEP_S * audio.rate_hz))
    peak = float(np.abs(part).max(initial=1e-6))
    steps = np.pad(part, (0, -len(part) % step), mode="edge").reshape(-1, step)
    pairs = np.stack([steps.min(axis=1), steps.max(axis=1)], axis=1) / peak
    info = {"start_s": rounded(start_s, 6), "step_s": step / audio.rate_hz, "peak": rounded(peak)}
    return info, np.round(127 * pairs).astype(np.int8)


def _picture(view: _View) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """The wide-band spectrogram as a compressed grey image, dark where loud."""
    from PIL import Image, features

    level_db, axes = wide_band(view.audio, SPECTROGRAM_TOP_HZ)
    axes = axes.shifted(-view.origin_s)
    shown = axes.frames_within(view.start_s, view.end_s)
    white = np.clip(-level_db[::-1, shown] / SPECTROGRAM_RANGE_DB, 0.0, 1.0)
    half_s, half_hz = axes.time_step_s / 2, axes.frequency_step_hz / 2
    time_s = axes.time_s[shown]
    size = (
        max(2, round((time_s[-1] - time_s[0]) / SPECTROGRAM_STEP_S)),
        round(SPECTROGRAM_TOP_HZ / SPECTROGRAM_STEP_HZ),
    )
    image = Image.fromarray(np.round(255 * white).astype(np.uint8))
    image = image.resize(size, Image.Resampling.BOX)
    file = io.BytesIO()
    kind = "webp" if features.check("webp") else "jpeg"
    image.save(file, kind, quality=50, method=4)  # the method is webp's
    info = {
        "kind": f"image/{kind}",
        "time_s": [rounded(float(time_s[0]) - half_s, 6), rounded(float(time_s[-1]) + half_s, 6)],
        "frequency_hz": [
            rounded(max(0.0, float(axes.frequency_hz[0]) - half_hz), 6),
            rounded(float(axes.frequency_hz[-1]) + half_hz, 6),
        ],
    }
    return info, np.frombuffer(file.getvalue(), np.uint8)


def _tracks(arrays: dict[str, NDArray], tracks: Tracks, view: _View) -> dict[str, Any]:
    """Formants, bandwidths and F0 in whole hertz; 0 is missing."""
    shown = tracks.between(view.start_s, view.end_s)
    formants, pitch = shown.formants, shown.pitch
    arrays["formants"] = _hertz(formants.frequency_hz)
    arrays["bandwidths"] = _hertz(formants.bandwidth_hz)
    arrays["loud"] = is_loud(view.audio, formants.time_s + view.origin_s).astype(np.uint8)
    arrays["f0"] = _hertz(10 * pitch.f0_hz)
    return {"formants": _grid(formants.time_s), "f0": {**_grid(pitch.time_s), "scale": 0.1}}


def _grid(time_s: NDArray[np.float64]) -> dict[str, Any]:
    if len(time_s) < 2:
        return {"start_s": 0.0, "step_s": 0.005}
    step = (time_s[-1] - time_s[0]) / (len(time_s) - 1)
    return {"start_s": rounded(time_s[0], 6), "step_s": rounded(step, 6)}


def _hertz(values: NDArray[np.float64]) -> NDArray[np.uint16]:
    return np.clip(np.round(np.nan_to_num(values, nan=0.0)), 0, 65535).astype(np.uint16)


def _grey(values: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The network's image as steps of darkness, 0 (white) to 63; padding is 0."""
    sound = values[:, mask] if mask.any() else values
    low, high = np.percentile(sound, (10.0, 99.7))
    dark = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0)
    return np.round(IMAGE_LEVELS * np.where(mask[None], dark, 0.0)).astype(np.uint8)


def method_labels(
    runs: Sequence[RelevanceRun], models: Sequence[dict[str, Any] | None]
) -> list[str]:
    """Short names that tell runs apart: rules, then network, then folder."""
    networks = [str((m or {}).get("parameters", {}).get("architecture", "")) for m in models]
    rules = [run.composite or run.path.name for run in runs]
    labels = rules
    if len(set(networks)) > 1:
        labels = [f"{n}, {r}" if n else r for n, r in zip(networks, rules, strict=True)]
    if len(set(labels)) < len(labels):
        labels = [f"{label} ({r.path.name})" for label, r in zip(labels, runs, strict=True)]
    if len(set(labels)) < len(labels):
        labels = [f"{label} #{i}" for i, label in enumerate(labels, 1)]
    return labels
