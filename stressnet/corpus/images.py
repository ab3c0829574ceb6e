"""All tokens' spectrograms under one preset, on disk."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes
from stressnet.errors import ConfigError, CorpusError
from stressnet.runs.arrays import open_array
from stressnet.runs.manifest import hash_data, read_json, write_json


@dataclass(frozen=True)
class Images:
    """All tokens' spectrograms under one preset.

    ``values``, shape (n_tokens, n_bins, n_frames), are memory-mapped, read-only, in the order of
    the token table; ``mask``, shape (n_tokens, n_frames), is True where a frame holds sound. All
    tokens share the axes, whose time zero is the word's onset. ``n_truncated`` words are longer
    than the images. Images of several presets one above the other (`stack_images`) have ``parts``,
    and the mask and the axes of the first.
    """

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]
    axes: Axes
    preset: dict[str, Any]
    n_truncated: int = 0
    parts: tuple["Images", ...] = ()

    @property
    def fingerprint(self) -> str:
        """Hash of the preset, which a checkpoint must share to accept these images."""
        return hash_data(self.preset)


def stacked(images: Sequence[NDArray]) -> NDArray:
    """Images of one sound under several presets, (..., n_bins, n_frames), one above the other."""
    if len(images) == 1:
        return images[0]
    n_frames = max(one.shape[-1] for one in images)
    rest = [[(0, 0)] * (one.ndim - 1) + [(0, n_frames - one.shape[-1])] for one in images]
    return np.concatenate([np.pad(*pair) for pair in zip(images, rest, strict=True)], axis=-2)


@dataclass(frozen=True)
class _Stack:
    """Arrays of images that are stacked when they are read."""

    arrays: tuple[NDArray, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        bins, frames = ([one.shape[axis] for one in self.arrays] for axis in (1, 2))
        return len(self.arrays[0]), sum(bins), max(frames)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> NDArray:
        return stacked([np.asarray(one[index]) for one in self.arrays])


def stack_images(parts: Sequence[Images]) -> Images:
    """Images of several presets as one, for networks that take several (ensembles)."""
    name = "+".join(one.preset["name"] for one in parts)
    preset = {"name": name, "parts": [one.preset for one in parts]}
    values: Any = _Stack(tuple(one.values for one in parts))
    first = parts[0]
    return Images(values, first.mask, first.axes, preset, first.n_truncated, tuple(parts))


def write_images_header(
    folder: Path, axes: Axes, preset: dict[str, Any], mask: NDArray[np.bool_], n_truncated: int = 0
) -> None:
    """Write what turns ``values.npy`` into :class:`Images`; written last, it marks the end."""
    # Through memory, since numpy reports a full disk without saying so.
    content = io.BytesIO()
    np.save(content, mask)
    (folder / "mask.npy").write_bytes(content.getbuffer())
    write_json(
        folder / "axes.json",
        {
            "preset": preset,
            "frequency_hz": axes.frequency_hz.tolist(),
            "time_s": axes.time_s.tolist(),
            "time_zero": "onset of the word",
            "order": ["token", "frequency", "time"],
            "n_truncated": n_truncated,
        },
    )


def read_axes(file: Path) -> tuple[Axes, dict[str, Any]]:
    """The axes of images or maps and all else in ``axes.json``; a `CorpusError` if damaged."""
    header = read_json(file)
    try:
        axes = Axes(np.array(header["time_s"]), np.array(header["frequency_hz"]))
        header = {"preset": {}, "n_truncated": 0} | header
        if not isinstance(header["preset"], dict) or not isinstance(header["n_truncated"], int):
            raise TypeError("preset or n_truncated")
    except (ConfigError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CorpusError(f"{file}: damaged ({error}); make the folder again") from None
    return axes, header


def read_images(folder: Path) -> Images:
    """Open the spectrograms in ``folder`` without loading them; a `CorpusError` if damaged."""
    axes, header = read_axes(folder / "axes.json")
    values, mask = open_array(folder / "values.npy"), np.array(open_array(folder / "mask.npy"))
    if values.shape[1:] != axes.shape:
        raise CorpusError(
            f"{folder}: images are {values.shape[1:]}, axes {axes.shape}; build again"
        )
    if mask.shape != (len(values), axes.shape[1]) or values.dtype.kind != "f":
        raise CorpusError(f"{folder}: images and mask do not fit each other; build again")
    return Images(values, mask, axes, header["preset"], header["n_truncated"])
