"""What is changed in one vowel."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from stressnet.errors import ConfigError

_LIMITS = {
    "f0_st": (-24.0, 24.0),
    "duration_factor": (1 / 5.0, 5.0),
    "intensity_db": (-40.0, 40.0),
    "f1_factor": (1 / 2.0, 2.0),
    "f2_factor": (1 / 2.0, 2.0),
    "f3_factor": (1 / 2.0, 2.0),
    "tilt_db_per_octave": (-24.0, 24.0),
}
"""How far speech goes."""


def _check(name: str, value: float, low: float, high: float) -> None:
    if not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"{name} = {value:g} is not between {low:g} and {high:g}")


@dataclass(frozen=True)
class CueChange:
    """What is changed in one syllable nucleus. The default changes nothing.

    Parameters
    ----------
    f0_contour_st : tuple of (position, semitones)
        Further shift of F0 that changes over the vowel: positions from 0 (its start) to 1 (its
        end) in rising order, linear between them.
    duration_factor : float
        Length by the present length.
    f1_factor, f2_factor, f3_factor : float
        Formant frequency by the present one.
    tilt_db_per_octave : float
        Slope added to the spectrum; negative is softer, as an unstressed vowel is.

    Raises
    ------
    ConfigError
        If a value is not finite or further than speech goes.
    """

    f0_st: float = 0.0
    f0_contour_st: tuple[tuple[float, float], ...] = ()
    duration_factor: float = 1.0
    intensity_db: float = 0.0
    f1_factor: float = 1.0
    f2_factor: float = 1.0
    f3_factor: float = 1.0
    tilt_db_per_octave: float = 0.0

    def __post_init__(self) -> None:
        places = [place for place, _ in self.f0_contour_st]
        if places != sorted(places) or any(not 0 <= place <= 1 for place in places):
            raise ConfigError("f0_contour_st: positions must rise and lie between 0 and 1")
        for _, value in self.f0_contour_st:
            _check("f0_contour_st", value, *_LIMITS["f0_st"])
        for name, limits in _LIMITS.items():
            _check(name, getattr(self, name), *limits)

    @property
    def formants(self) -> tuple[float, float, float]:
        """Factors of F1, F2, F3."""
        return self.f1_factor, self.f2_factor, self.f3_factor

    @property
    def needs_psola(self) -> bool:
        """Whether F0 or duration changes."""
        return self.moves_f0 or self.duration_factor != 1.0

    @property
    def moves_f0(self) -> bool:
        """Whether F0 changes."""
        return self.f0_st != 0.0 or any(value != 0.0 for _, value in self.f0_contour_st)

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)
