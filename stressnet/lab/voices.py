"""Synthetic speakers: F0, vocal-tract length and voice quality.

Tract lengths stretch all formants of a voice by one factor (1 for the average of the speakers the
table of natural cues was measured on). Five of the eight voices speak so high that the default
spectrogram (25 ms Hann) resolves their harmonics, in the three others it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from stressnet.errors import ConfigError


@dataclass(frozen=True)
class Voice:
    """A speaker.

    Parameters
    ----------
    tract : float
        Factor on all formants; above 1 for shorter vocal tracts.
    open_phase : float
        Open part of the glottal period.
    tilt_db : float
        How much the source falls at 3 kHz beyond the glottal pulse's own slope, where the vowel's
        tilt is average.
    breath_db : float
        Breathiness amplitude (dB re 20 µPa, KlattGrid's scale; voicing is at 90).
    flutter : float
        Slow quasi-random wobble of F0 (Klatt & Klatt 1990), 0 to 1.
    """

    name: str
    f0_hz: float
    tract: float
    open_phase: float = 0.7
    tilt_db: float = 8.0
    breath_db: float = 40.0
    flutter: float = 0.1

    def __post_init__(self) -> None:
        if not (60 <= self.f0_hz <= 400 and 0.7 <= self.tract <= 1.5):
            raise ConfigError(
                f"voice {self.name!r}: F0 must be 60 to 400 Hz and the tract factor 0.7 to 1.5"
            )

    @property
    def formant_ceiling_hz(self) -> float:
        """Ceiling under which Praat finds five formants of this voice."""
        return 5250.0 * self.tract

    @property
    def pitch_range_hz(self) -> tuple[float, float]:
        """Floor and ceiling for pitch analysis: an octave to either side of the median."""
        return 0.5 * self.f0_hz, 2.0 * self.f0_hz


VOICES: dict[str, Voice] = {
    voice.name: voice
    for voice in (
        Voice("alder", 104.0, 0.92, open_phase=0.55, tilt_db=6.0, breath_db=36.0, flutter=0.10),
        Voice("birch", 202.0, 1.06, open_phase=0.75, tilt_db=10.0, breath_db=50.0, flutter=0.08),
        Voice("cedar", 118.0, 0.95, open_phase=0.70, tilt_db=9.0, breath_db=46.0, flutter=0.20),
        Voice("elder", 216.0, 1.10, open_phase=0.65, tilt_db=7.0, breath_db=42.0, flutter=0.12),
        Voice("hazel", 188.0, 1.03, open_phase=0.60, tilt_db=8.0, breath_db=38.0, flutter=0.15),
        Voice("larch", 132.0, 0.98, open_phase=0.60, tilt_db=7.0, breath_db=40.0, flutter=0.12),
        Voice("maple", 226.0, 1.13, open_phase=0.70, tilt_db=11.0, breath_db=52.0, flutter=0.10),
        Voice("rowan", 196.0, 1.01, open_phase=0.70, tilt_db=9.0, breath_db=44.0, flutter=0.06),
    )
}
"""Voices by name."""


def get_voices(names: tuple[str, ...] | list[str] | None = None) -> list[Voice]:
    """Voices by name, or all.

    Raises
    ------
    ConfigError
        If a name is unknown; the message lists those there are.
    """
    if names is None:
        return list(VOICES.values())
    unknown = [name for name in names if name not in VOICES]
    if unknown or not names:
        raise ConfigError(
            f"no voice {', '.join(unknown) or 'given'}; there are {', '.join(VOICES)}"
        )
    return [VOICES[name] for name in names]
