"""The cues that can be changed, the scale on which each is moved and measured, and a change.

Conventions
-----------
A cue's **value** in a nucleus is on the scale on which it is interpolated: semitones re the
speaker's median F0, log2 seconds, decibels, log2 hertz. Its **contrast** is the first nucleus minus
the second, as everywhere in stressnet. Values come from the columns of ``cues.parquet``. What moves
along one continuum is a cue, or a group of cues that move together (:data:`GROUPS`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stressnet.errors import ConfigError

Pair = tuple[float, float]  # A value for each of the two nuclei


@dataclass(frozen=True)
class ManipulatedCue:
    """One cue that can be changed, with its measured ``column`` (``docs/cues.md``).

    ``is_log2``: its scale is the binary logarithm of the measured cue. A miss within the
    ``tolerance`` is what measuring the same sound twice through overlap-add gives. One nucleus is
    moved by ``most`` at most; beyond, resynthesis no longer sounds like speech.
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


CUES: tuple[ManipulatedCue, ...] = (  # Cues in the order of tables
    ManipulatedCue("f0", "f0_mean_st", "st", False, 0.5, 12.0, needs_psola=True),
    ManipulatedCue("duration", "duration_s", "octaves", True, 0.15, 1.6, needs_psola=True),
    ManipulatedCue("intensity", "intensity_mean_db", "dB", False, 0.7, 20.0),
    ManipulatedCue("f1", "f1_hz", "octaves", True, 0.07, 0.7),
    ManipulatedCue("f2", "f2_hz", "octaves", True, 0.05, 0.7),
    ManipulatedCue("f3", "f3_hz", "octaves", True, 0.04, 0.5),
    ManipulatedCue("tilt", "spectral_tilt_db", "dB", False, 1.5, 15.0),
)

CUE_NAMES: tuple[str, ...] = tuple(cue.name for cue in CUES)

GROUPS: dict[str, tuple[str, ...]] = {
    "quality": ("f1", "f2", "f3"),
    "prosody": ("f0", "duration", "intensity"),
    "source": ("f0", "intensity", "tilt"),
}
"""Cues that move together on one continuum: full to reduced vowel, prosody, voice source."""


def get_cue(name: str) -> ManipulatedCue:
    """The cue called ``name``; a :class:`ConfigError` lists those there are, and groups."""
    for cue in CUES:
        if cue.name == name:
            return cue
    raise ConfigError(f"no cue '{name}' to change; there are {', '.join((*CUE_NAMES, *GROUPS))}")


def members(name: str) -> tuple[str, ...]:
    """The cues of a group, or the one cue of that name."""
    return GROUPS.get(name) or (get_cue(name).name,)


def cues_of(names: Sequence[str]) -> tuple[str, ...]:
    """All cues of some cues and groups, each once, in the order of tables."""
    chosen = {cue for name in names for cue in members(name)}
    return tuple(cue for cue in CUE_NAMES if cue in chosen)


def in_order(names: Sequence[str], *, apart: bool = False) -> tuple[str, ...]:
    """Names of cues and groups, each once, in the order of tables."""
    if apart and len(cues_of(names)) < sum(len(members(name)) for name in names):
        raise ConfigError(f"{' and '.join(names)} share a cue and cannot move independently")
    cues_of(names)  # refuses unknown ones
    return tuple(name for name in (*CUE_NAMES, *GROUPS) if name in names)


def needs_psola(names: Sequence[str]) -> bool:
    """Whether F0 or duration is among the cues."""
    return any(get_cue(cue).needs_psola for cue in cues_of(names))


_LIMITS = {  # How far speech goes
    "f0_st": (-24.0, 24.0),
    "duration_factor": (1 / 5.0, 5.0),
    "intensity_db": (-40.0, 40.0),
    "f1_factor": (1 / 2.0, 2.0),
    "f2_factor": (1 / 2.0, 2.0),
    "f3_factor": (1 / 2.0, 2.0),
    "tilt_db_per_octave": (-24.0, 24.0),
}


@dataclass(frozen=True)
class CueChange:
    """What is changed in one syllable nucleus. The default changes nothing."""

    f0_st: float = 0.0
    duration_factor: float = 1.0  # Length by the present length
    intensity_db: float = 0.0
    # Formant frequency by the present one.
    f1_factor: float = 1.0
    f2_factor: float = 1.0
    f3_factor: float = 1.0
    # Slope added to the spectrum; negative is softer, as an unstressed vowel is.
    tilt_db_per_octave: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:  # nor where it is not finite
                raise ConfigError(f"{name} = {value:g} is not between {low:g} and {high:g}")

    @property
    def formants(self) -> tuple[float, float, float]:
        """Factors of F1, F2, F3."""
        return self.f1_factor, self.f2_factor, self.f3_factor

    @property
    def needs_psola(self) -> bool:
        """Whether F0 or duration changes."""
        return self.f0_st != 0.0 or self.duration_factor != 1.0
