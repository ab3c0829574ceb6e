"""Intensity through Praat: level in dB re 20 µPa, samples counted as pascals.

Recordings are rarely calibrated, so levels compare syllables of one recording, not recordings.
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.tracks import praat_sound

if TYPE_CHECKING:
    import parselmouth


@dataclass(frozen=True)
class IntensitySettings:
    """Arguments of Praat's *To Intensity*; its window lasts 6.4 / ``minimum_pitch_hz`` seconds."""

    minimum_pitch_hz: float = 100.0
    time_step_s: float = 0.005
    subtract_mean: bool = True

    @property
    def shortest_s(self) -> float:
        """Shortest sound that holds one whole analysis window."""
        return 6.4 / self.minimum_pitch_hz

    def praat_arguments(self) -> dict[str, Any]:
        """The command and all its arguments, for manifests."""
        return {"command": "To Intensity", **asdict(self)}


def praat_intensity(
    samples: NDArray, rate_hz: int, settings: IntensitySettings | None = None
) -> parselmouth.Intensity | None:
    """Praat's Intensity of an excerpt, to be queried; None if the excerpt is too short."""
    settings = settings or IntensitySettings()
    sound = praat_sound(samples, rate_hz)
    if sound.duration <= settings.shortest_s + 1.0 / rate_hz:
        return None
    return sound.to_intensity(*astuple(settings))


def intensity_cues(
    intensity: parselmouth.Intensity, start_s: float, end_s: float
) -> dict[str, float]:
    """Mean (Praat's *Get mean*, energy) and maximum (*Get maximum*, parabolic) between two times.

    Digital silence has no level: NaN.
    """
    from parselmouth.praat import call

    cues = {
        "intensity_mean_db": call(intensity, "Get mean", start_s, end_s, "energy"),
        "intensity_max_db": call(intensity, "Get maximum", start_s, end_s, "Parabolic"),
    }
    # Praat writes -300 dB for silence.
    return {name: value if value > -200.0 else np.nan for name, value in cues.items()}
