"""All tokens' spectrograms under one preset, on disk."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes
from stressnet.errors import CorpusError
from stressnet.runs.manifest import hash_data, write_json

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Images:
    """All tokens' spectrograms under one preset.

    Parameters
    ----------
    values : ndarray, shape (n_tokens, n_bins, n_frames)
        Memory-mapped, read-only, in the order of the token table.
    mask : ndarray of bool, shape (n_tokens, n_frames)
        True where a frame holds sound.
    axes : Axes
        Shared by all tokens; time zero is the word's onset.
    preset : dict
        The preset's fields.
    n_truncated : int
        Words longer than the images.
    """

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]
    axes: Axes
    preset: dict[str, Any]
    n_truncated: int = 0

    @property
    def fingerprint(self) -> str:
        """Hash of the preset, which a checkpoint must share to accept these images."""
        return hash_data(self.preset)


def write_images_header(
    folder: Path,
    axes: Axes,
    preset: dict[str, Any],
    mask: NDArray[np.bool_],
    n_truncated: int = 0,
) -> None:
    """Write what turns ``values.npy`` into :class:`Images`; written last, it marks the end.

    ``n_truncated`` is the number of words longer than the images.
    """
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


def read_images(folder: Path) -> Images:
    """Open the spectrograms in ``folder`` without loading them."""
    header = json.loads((folder / "axes.json").read_text(encoding="utf-8"))
    axes = Axes(np.array(header["time_s"]), np.array(header["frequency_hz"]))
    values = np.load(folder / "values.npy", mmap_mode="r")
    if values.shape[1:] != axes.shape:
        raise CorpusError(
            f"{folder}: images are {values.shape[1:]}, axes {axes.shape}; build again"
        )
    mask = np.load(folder / "mask.npy")
    return Images(values, mask, axes, header["preset"], header.get("n_truncated", 0))
