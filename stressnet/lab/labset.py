"""A set of words of which it is known where the cue to their class lies.

Everything a network, an explanation and a score need: images on the axes of one spectrogram preset,
classes, splits, voices, the true region as masks, and scenes (times and tracks) from which rival
regions are drawn. A set is written as plain arrays and JSON; nothing is pickled.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.track_types import N_FORMANTS, FormantTrack, PitchTrack, Tracks
from stressnet.axes import Axes, BoolArray
from stressnet.errors import ConfigError, CorpusError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.regions.scene import Scene, TokenTimes
from stressnet.runs.manifest import hash_data, write_json

SPLITS = ("train", "valid", "test")

_TIERS = ("phones", "nuclei", "syllables")
_COLUMNS = ("labels", "splits", "voices", "words", "word_ids")

_IMAGES, _ARRAYS, _DESCRIPTION = "images.npy", "arrays.npz", "labset.json"
_KIND = "labset"
_DAMAGED = (OSError, EOFError, ValueError, TypeError, AttributeError, KeyError, RecursionError)


@dataclass(frozen=True)
class LabSet:
    """Words with a known cue; columns are parallel."""

    name: str
    # What tells the classes apart: a cue of `stressnet.lab.designs`, `none`, or several joined by
    # `+`.
    cue: str
    images: NDArray[np.float32]  # One image per word under `preset`; shape (n, n_bins, n_frames)
    labels: NDArray[np.int64]  # Class indices (`class_index`); shape (n,)
    splits: NDArray[np.str_]  # `train`, `valid` or `test`. A word is in one split only. Shape (n,).
    # Who speaks; what is said (its phones); unique name; shape (n,)
    voices: NDArray[np.str_]
    words: NDArray[np.str_]
    word_ids: NDArray[np.str_]
    # Cells in which the cue is. All False where the cue has no cells of its own. Shape (n, n_bins,
    # n_frames).
    truth: BoolArray
    # The same with a margin for what the analysis window smears: relevance there is not held
    # against a map. Holds `truth`. Shape (n, n_bins, n_frames).
    wide: BoolArray
    # Times, tracks, axes and sounding frames of each word. Tracks are the synthesis's own, or
    # measured.
    scenes: tuple[Scene, ...]
    # Names of the candidate regions (`stressnet.lab.candidates`) that are the true one; empty for
    # cues without cells of their own.
    true_regions: tuple[str, ...]
    preset: SpectrogramPreset
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.images)
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.int64))
        for name in _COLUMNS[1:]:
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.str_))
        for name in _COLUMNS:
            if getattr(self, name).shape != (n,):
                raise ConfigError(f"lab set {self.name}: {name} must have one value per image")
        if problem := self._problem():
            raise ConfigError(f"lab set {self.name}: {problem}")

    def _problem(self) -> str | None:
        shape = (len(self.images), *self.preset.shape)
        if self.images.shape != shape or self.images.dtype != np.float32:
            return f"images must be float32 of shape {shape}, not {self.images.shape}"
        for name in ("truth", "wide"):
            mask = getattr(self, name)
            if mask.shape != shape or mask.dtype != np.bool_:
                return f"{name} must be a bool array of shape {shape}"
        if len(self.scenes) != len(self.images):
            return f"{len(self.scenes)} scenes for {len(self.images)} images"
        if not np.isin(self.labels, range(len(CLASSES))).all():
            return f"labels must be class indices below {len(CLASSES)}"
        unknown = sorted(set(self.splits.tolist()) - set(SPLITS))
        if unknown:
            return f"split {unknown[0]!r} is none of {', '.join(SPLITS)}"
        if len(np.unique(self.word_ids)) != len(self.word_ids):
            return "word_ids must be unique"
        pairs = np.unique(np.stack([self.words, self.splits], axis=1), axis=0)
        twice, counts = np.unique(pairs[:, 0], return_counts=True)
        if (counts > 1).any():
            return f"word {twice[counts > 1][0]!r} is in more than one split; split by word"
        if bool((self.truth & ~self.wide).any()):
            return "truth reaches beyond its wide mask"
        return None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def axes(self) -> Axes:
        """Seconds and hertz of the images."""
        return self.preset.axes()

    @property
    def has_place(self) -> bool:
        """Whether the cue has cells of its own, so that a map can be right or wrong."""
        return bool(self.true_regions)

    @property
    def sound(self) -> BoolArray:
        """Frames with sound, shape (n, n_frames)."""
        return np.stack([scene.sound for scene in self.scenes])

    def rows(self, split: str) -> NDArray[np.int64]:
        """Positions of the words of one split, in order."""
        return np.flatnonzero(self.splits == split)

    def take(self, rows: NDArray[np.integer] | Sequence[int]) -> Self:
        """Some of the words, in the given order."""
        at = np.asarray(rows, dtype=np.int64)
        arrays = ("images", "truth", "wide", *_COLUMNS)
        return replace(
            self,
            **{name: getattr(self, name)[at] for name in arrays},
            scenes=tuple(self.scenes[i] for i in at),
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over images, labels, splits, masks and description."""
        parts = {}
        for name in ("images", "truth", "wide"):
            values = np.ascontiguousarray(getattr(self, name)).tobytes()
            parts[name] = hash_data(hashlib.sha256(values).hexdigest())
        return hash_data(
            [
                *(self.name, self.cue, self.true_regions, self.preset.to_dict(), parts),
                *(self.labels.tolist(), self.splits.tolist(), self.word_ids.tolist()),
            ]
        )

    def save(self, folder: Path) -> None:
        """Write the set as ``images.npy``, ``arrays.npz`` and ``labset.json``."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _DESCRIPTION).unlink(missing_ok=True)
            np.save(folder / _IMAGES, self.images, allow_pickle=False)
            np.savez_compressed(folder / _ARRAYS, **self._arrays())
            description = {
                "kind": _KIND,
                "name": self.name,
                "cue": self.cue,
                "true_regions": list(self.true_regions),
                "preset": self.preset.to_dict(),
                "provenance": dict(self.provenance),
                "times": [_times_to_json(scene.times) for scene in self.scenes],
            }
            write_json(folder / _DESCRIPTION, description)
        except OSError as error:
            raise CorpusError(f"{folder}: lab set cannot be written ({error.strerror})") from error

    def _arrays(self) -> dict[str, Any]:
        pitch = [scene.tracks.pitch for scene in self.scenes]
        formants = [scene.tracks.formants for scene in self.scenes]
        return {
            **{name: getattr(self, name) for name in _COLUMNS},
            "truth": np.packbits(self.truth, axis=None),
            "wide": np.packbits(self.wide, axis=None),
            "sound": self.sound,
            "n_pitch": np.array([len(one.time_s) for one in pitch], dtype=np.int64),
            "pitch": np.concatenate(
                [np.stack([one.time_s, one.f0_hz]) for one in pitch] or [np.zeros((2, 0))], axis=1
            ),
            "n_formants": np.array([len(one.time_s) for one in formants], dtype=np.int64),
            "formants": np.concatenate(
                [np.vstack([f.time_s[None], f.frequency_hz, f.bandwidth_hz]) for f in formants]
                or [np.zeros((1 + 2 * N_FORMANTS, 0))],
                axis=1,
            ),
        }

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; images stay on disk until they are used."""
        try:
            described = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
            if described.get("kind") != _KIND:
                raise CorpusError(f"{folder}: holds no lab set but {described.get('kind')!r}")
            images = np.load(folder / _IMAGES, mmap_mode="r", allow_pickle=False)
            with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
                return cls._from_parts(described, images, {k: arrays[k] for k in arrays.files})
        except (*_DAMAGED, BadZipFile) as error:
            raise CorpusError(
                f"{folder}: no readable lab set ({type(error).__name__}); remove it and run the "
                "command that makes it again"
            ) from error

    @classmethod
    def _from_parts(
        cls, described: dict[str, Any], images: NDArray, arrays: dict[str, Any]
    ) -> Self:
        preset = SpectrogramPreset.from_dict(described["preset"])
        axes = preset.axes()
        pitch = np.split(arrays["pitch"], np.cumsum(arrays["n_pitch"])[:-1], axis=1)
        formants = np.split(arrays["formants"], np.cumsum(arrays["n_formants"])[:-1], axis=1)
        scenes = tuple(
            Scene(
                times=_times_from_json(times),
                tracks=Tracks(
                    FormantTrack(f[0], f[1 : 1 + N_FORMANTS], f[1 + N_FORMANTS :]),
                    PitchTrack(p[0], p[1]),
                ),
                axes=axes,
                sound=sound,
                resolution_hz=preset.resolution_hz,
            )
            for times, f, p, sound in zip(
                described["times"], formants, pitch, arrays["sound"], strict=True
            )
        )
        masks: dict[str, Any] = {
            name: np.unpackbits(arrays[name], count=images.size).reshape(images.shape).astype(bool)
            for name in ("truth", "wide")
        }
        return cls(
            name=described["name"],
            cue=described["cue"],
            images=images,
            **{name: arrays[name] for name in _COLUMNS},
            **masks,
            scenes=scenes,
            true_regions=tuple(described["true_regions"]),
            preset=preset,
            provenance=described["provenance"],
        )


def _times_to_json(times: TokenTimes) -> dict[str, Any]:
    return {
        "word": astuple(times.word),
        **{name: [astuple(one) for one in getattr(times, name)] for name in _TIERS},
        "stress": None if times.stress is None else times.stress.value,
    }


def _times_from_json(values: Mapping[str, Any]) -> TokenTimes:
    tiers: dict[str, Any] = {
        name: tuple(Interval(*each) for each in values[name]) for name in _TIERS
    }
    stress = None if values["stress"] is None else Stress(values["stress"])
    return TokenTimes(word=Interval(*values["word"]), stress=stress, **tiers)
