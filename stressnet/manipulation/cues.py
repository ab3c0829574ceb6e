"""The cues that can be changed, and the scale on which each is moved and measured again.

Conventions
-----------
A cue's **value** in a nucleus is on the scale on which it is interpolated: semitones re the
speaker's median F0, log2 seconds, decibels, log2 hertz. Its **contrast** is the first nucleus minus
the second, as everywhere in stressnet. Values come from the columns of ``cues.parquet``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stressnet.errors import ConfigError

Pair = tuple[float, float]
"""A value for each of the two nuclei."""


@dataclass(frozen=True)
class ManipulatedCue:
    """One cue that can be changed.

    Parameters
    ----------
    column : str
        The measured cue, see ``docs/cues.md``.
    is_log2 : bool
        Whether the scale is the binary logarithm of the measured cue.
    tolerance : float
        A miss that is within what measuring the same sound twice through overlap-add gives.
    most : float
        How far one nucleus is moved at most; beyond, resynthesis no longer sounds like speech.
    """

    name: str
    column: str
    unit: str
    is_log2: bool
    tolerance: float
    most: float
    needs_psola: bool = False

    @property
    def is_formant(self) -> bool:
        """Whether it is F1, F2 or F3."""
        return self.column in ("f1_hz", "f2_hz", "f3_hz")

    def values(self, row: Mapping[Any, Any]) -> Pair:
        """Both nuclei's values from a row of measured cues; NaN where not measured."""
        first, second = (self.scaled(row[f"nucleus_{k}_{self.column}"]) for k in (1, 2))
        return first, second

    def scaled(self, measured: Any) -> float:
        """A measured cue on the scale."""
        value = float("nan") if measured is None else float(measured)
        if not self.is_log2:
            return value
        return float(np.log2(value)) if value > 0 else float("nan")


CUES: tuple[ManipulatedCue, ...] = (
    ManipulatedCue("f0", "f0_mean_st", "st", False, 0.5, 12.0, needs_psola=True),
    ManipulatedCue("duration", "duration_s", "octaves", True, 0.15, 1.6, needs_psola=True),
    ManipulatedCue("intensity", "intensity_mean_db", "dB", False, 0.7, 20.0),
    ManipulatedCue("f1", "f1_hz", "octaves", True, 0.07, 0.7),
    ManipulatedCue("f2", "f2_hz", "octaves", True, 0.05, 0.7),
    ManipulatedCue("f3", "f3_hz", "octaves", True, 0.04, 0.5),
    ManipulatedCue("tilt", "spectral_tilt_db", "dB", False, 1.5, 15.0),
)
"""Cues in the order of tables."""

CUE_NAMES: tuple[str, ...] = tuple(cue.name for cue in CUES)


def get_cue(name: str) -> ManipulatedCue:
    """The cue called ``name``.

    Raises
    ------
    ConfigError
        If there is none; the message lists those there are.
    """
    for cue in CUES:
        if cue.name == name:
            return cue
    raise ConfigError(f"no cue '{name}' to change; there are {', '.join(CUE_NAMES)}")


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Names of cues, each once, in the order of tables.

    Raises
    ------
    ConfigError
        If one is unknown.
    """
    chosen = {get_cue(name).name for name in names}
    return tuple(name for name in CUE_NAMES if name in chosen)
