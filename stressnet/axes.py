"""Axes in seconds and hertz that travel with every spectrogram-shaped array.

Conventions
-----------
Arrays are ``(frequency, time)``. Frames are labelled by the time of their centre, bins by their
centre frequency. Grids are mapped onto each other by these values, never by index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import ConfigError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Axes:
    """Centres of frames and bins."""

    # Frame centres in seconds, increasing. Time zero is stated by whoever makes the axes; for a
    # token's image it is the start of the word. Shape (n_frames,).
    time_s: FloatArray
    frequency_hz: FloatArray  # Bin centres in hertz, increasing; shape (n_bins,)

    def __post_init__(self) -> None:
        for name in ("time_s", "frequency_hz"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.ndim != 1 or len(values) < 2 or np.any(np.diff(values) <= 0):
                raise ConfigError(f"axis {name} must be one-dimensional and increasing")
            object.__setattr__(self, name, values)

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_bins, n_frames)``, the shape of arrays on these axes."""
        return len(self.frequency_hz), len(self.time_s)

    @property
    def time_step_s(self) -> float:
        """Distance between frame centres in seconds (median)."""
        return float(np.median(np.diff(self.time_s)))

    @property
    def frequency_step_hz(self) -> float:
        """Distance between bin centres in hertz (median; linear axes have only one)."""
        return float(np.median(np.diff(self.frequency_hz)))

    def shifted(self, offset_s: float) -> Axes:
        """The same axes with ``offset_s`` added to all times."""
        return Axes(self.time_s + offset_s, self.frequency_hz)

    def frames_within(self, start_s: float, end_s: float) -> BoolArray:
        """Frames whose centre lies in ``[start_s, end_s)``, shape (n_frames,)."""
        return (self.time_s >= start_s) & (self.time_s < end_s)

    def bins_within(self, low_hz: float, high_hz: float) -> BoolArray:
        """Bins whose centre lies in ``[low_hz, high_hz)``, shape (n_bins,)."""
        return (self.frequency_hz >= low_hz) & (self.frequency_hz < high_hz)

    def check(self, values: NDArray, what: str = "array") -> None:
        """Raise :class:`ConfigError` unless ``values`` has the shape of these axes."""
        if values.shape != self.shape:
            raise ConfigError(f"{what} has shape {values.shape}, but its axes say {self.shape}")


def cell_edges(centres: FloatArray) -> NDArray[np.float64]:
    """Limits of cells around increasing centres, halfway to their neighbours, shape (n + 1,)."""
    centres = np.asarray(centres, dtype=np.float64)
    middle = 0.5 * (centres[1:] + centres[:-1])
    first, last = 2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


@dataclass(frozen=True)
class Spectrogram:
    """A spectrogram with its axes and the part of it that is sound."""

    values: NDArray[np.floating]  # Levels in the unit the preset states; shape (n_bins, n_frames)
    axes: Axes  # Seconds (zero = word onset) and hertz
    # True where a frame holds recorded sound, False where it is padding; shape (n_frames,)
    mask: BoolArray

    def __post_init__(self) -> None:
        self.axes.check(self.values, "spectrogram")
