"""Pitch and formant tracks over time, and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

N_FORMANTS = 4
_FORMANT_COLUMNS = [f"f{k}_hz" for k in range(1, N_FORMANTS + 1)]
_BANDWIDTH_COLUMNS = [f"b{k}_hz" for k in range(1, N_FORMANTS + 1)]
TRACK_COLUMNS = ["token_id", "track", "time_s", "f0_hz", *_FORMANT_COLUMNS, *_BANDWIDTH_COLUMNS]
"""Columns of ``tracks.parquet``: one row per token, track (``pitch``, ``formants``) and frame."""


@dataclass(frozen=True)
class FormantTrack:
    """F1 to F4 and their bandwidths, each of shape (4, n), at frame centres ``time_s``."""

    time_s: FloatArray
    frequency_hz: FloatArray
    bandwidth_hz: FloatArray

    def __post_init__(self) -> None:
        for name in ("frequency_hz", "bandwidth_hz"):
            if getattr(self, name).shape != (N_FORMANTS, len(self.time_s)):
                raise ConfigError(
                    f"formant track: {name} has shape {getattr(self, name).shape}, "
                    f"not {(N_FORMANTS, len(self.time_s))}"
                )

    def at(self, time_s: NDArray[np.floating]) -> tuple[FloatArray, FloatArray]:
        """Frequencies and bandwidths at given times, each of shape (4, len(time_s)).

        Linear between neighbouring frames; NaN outside the track and beside a missing value.
        """
        both = np.concatenate([self.frequency_hz, self.bandwidth_hz])
        values = _read(self.time_s, both, np.asarray(time_s, dtype=np.float64))
        return values[:N_FORMANTS], values[N_FORMANTS:]

    @property
    def wide_band_share(self) -> float:
        """Share of frames whose F2 is wider than 500 Hz or F3 wider than 600 Hz.

        Near 1 inside vowels, the ceiling is too low and Praat has spent a formant on nothing;
        near 0 it is plausible. NaN without frames. The limits are FastTrack's (Barreda 2021).
        """
        wide = (self.bandwidth_hz[1] > 500) | (self.bandwidth_hz[2] > 600)
        missing = np.isnan(self.frequency_hz[1:3]).any(axis=0)
        return float(np.mean(wide | missing)) if len(self.time_s) else float("nan")

    def between(self, start_s: float, end_s: float) -> FormantTrack:
        """The frames in ``[start_s, end_s)``."""
        keep = (self.time_s >= start_s) & (self.time_s < end_s)
        return FormantTrack(
            self.time_s[keep], self.frequency_hz[:, keep], self.bandwidth_hz[:, keep]
        )


@dataclass(frozen=True)
class PitchTrack:
    """Fundamental frequency at frame centres ``time_s``, both of shape (n,); NaN where unvoiced."""

    time_s: FloatArray
    f0_hz: FloatArray

    def at(self, time_s: NDArray[np.floating]) -> FloatArray:
        """F0 at given times; NaN outside the track and beside an unvoiced frame."""
        return _read(self.time_s, self.f0_hz[None], np.asarray(time_s, dtype=np.float64))[0]

    def between(self, start_s: float, end_s: float) -> PitchTrack:
        """The frames in ``[start_s, end_s)``."""
        keep = (self.time_s >= start_s) & (self.time_s < end_s)
        return PitchTrack(self.time_s[keep], self.f0_hz[keep])


@dataclass(frozen=True)
class Tracks:
    """The tracks of one token, with a common time zero."""

    formants: FormantTrack
    pitch: PitchTrack

    @classmethod
    def missing(cls) -> Tracks:
        """Tracks without a single frame: what a token has for which nothing could be measured."""
        return cls(
            FormantTrack(np.zeros(0), *np.zeros((2, N_FORMANTS, 0))),
            PitchTrack(np.zeros(0), np.zeros(0)),
        )

    def between(self, start_s: float, end_s: float) -> Tracks:
        """The frames in ``[start_s, end_s)``."""
        return Tracks(self.formants.between(start_s, end_s), self.pitch.between(start_s, end_s))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> dict[str, Tracks]:
        """The tracks of every token in a table with :data:`TRACK_COLUMNS`."""
        missing = [c for c in TRACK_COLUMNS if c not in frame.columns]
        if missing:
            raise ConfigError(f"table of tracks lacks column {', '.join(missing)}")
        result = {}
        for token_id, rows in frame.groupby("token_id", sort=False, observed=True):
            is_pitch = (rows["track"] == "pitch").to_numpy()
            time_s = rows["time_s"].to_numpy(np.float64)
            formants = rows[[*_FORMANT_COLUMNS, *_BANDWIDTH_COLUMNS]].to_numpy(np.float64).T
            result[str(token_id)] = cls(
                FormantTrack(
                    time_s[~is_pitch],
                    formants[:N_FORMANTS, ~is_pitch],
                    formants[N_FORMANTS:, ~is_pitch],
                ),
                PitchTrack(time_s[is_pitch], rows["f0_hz"].to_numpy(np.float64)[is_pitch]),
            )
        return result


def tracks_frame(tracks: Mapping[str, Tracks]) -> pd.DataFrame:
    """Rows of ``tracks.parquet`` (:data:`TRACK_COLUMNS`) for tokens by their ids."""
    import pandas as pd

    ids, kinds, n_rows = [], [], []
    values: list[FloatArray] = [np.zeros((2 + 2 * N_FORMANTS, 0))]
    for token_id, one in tracks.items():
        n_pitch, n_formants = len(one.pitch.time_s), len(one.formants.time_s)
        block = np.full((2 + 2 * N_FORMANTS, n_pitch + n_formants), np.nan)
        block[0] = np.concatenate([one.pitch.time_s, one.formants.time_s])
        block[1, :n_pitch] = one.pitch.f0_hz
        block[2 : 2 + N_FORMANTS, n_pitch:] = one.formants.frequency_hz
        block[2 + N_FORMANTS :, n_pitch:] = one.formants.bandwidth_hz
        values.append(block)
        ids += [token_id, token_id]
        kinds += ["pitch", "formants"]
        n_rows += [n_pitch, n_formants]
    columns = np.concatenate(values, axis=1)
    names = TRACK_COLUMNS[2:]
    frame = pd.DataFrame(dict(zip(names, columns, strict=True)))
    frame.insert(0, "token_id", pd.Series(ids, dtype="str").repeat(n_rows).to_numpy())
    frame.insert(1, "track", pd.Series(kinds, dtype="str").repeat(n_rows).to_numpy())
    return frame


def _read(grid_s: FloatArray, values: FloatArray, time_s: FloatArray) -> FloatArray:
    """Rows of ``values`` at ``time_s``: linear, NaN outside the grid and beside NaN."""
    if len(grid_s) < 2:
        return np.full((len(values), len(time_s)), np.nan)
    step = float(np.median(np.diff(grid_s)))
    position = np.clip(np.searchsorted(grid_s, time_s, side="right") - 1, 0, len(grid_s) - 2)
    weight = (time_s - grid_s[position]) / (grid_s[position + 1] - grid_s[position])
    inside = (time_s >= grid_s[0] - step / 2) & (time_s <= grid_s[-1] + step / 2)
    weight = np.clip(weight, 0.0, 1.0)
    left, right = values[:, position], values[:, position + 1]
    # On a frame only that frame counts, so that a missing neighbour does not erase it.
    result = np.where(weight <= 1e-9, left, np.where(weight >= 1 - 1e-9, right, np.nan))
    between = (weight > 1e-9) & (weight < 1 - 1e-9)
    mixed = left * (1 - weight) + right * weight
    return np.where(inside, np.where(between, mixed, result), np.nan)
