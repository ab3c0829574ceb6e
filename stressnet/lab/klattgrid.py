"""Praat's KlattGrid as text: all tiers of a word handed over in one piece.

A grid of a word holds some four hundred points. Adding them command by command takes longer than
synthesis itself; Praat reads a whole grid from a short text file
(https://www.fon.hum.uva.nl/praat/manual/KlattGrid.html, manual page "Types of files") in a
fraction of a millisecond, so the points are collected here and written at once.
"""

from __future__ import annotations

from collections import defaultdict
from math import isfinite
from pathlib import Path

import parselmouth

from stressnet.errors import AudioError
from stressnet.lab.plans import STEP_S

_PHONATION = (
    *("pitch", "flutter", "voicing amplitude", "double pulsing", "open phase", "collision phase"),
    *("power1", "power2", "spectral tilt", "aspiration amplitude", "breathiness amplitude"),
)


class KlattTiers:
    """Points of a KlattGrid with oral formants and frication, and no other resonances."""

    def __init__(self, duration_s: float, n_oral: int, n_frication: int) -> None:
        self.duration_s, self.n_oral, self.n_frication = duration_s, n_oral, n_frication
        self._points: dict[tuple[str, int], dict[float, float]] = defaultdict(dict)

    def add(self, tier: str, time_s: float, value: float, number: int = 0) -> None:
        """Add a point; where there is one already, it stays, as in Praat.

        Parameters
        ----------
        tier : str
            Praat's name, e.g. ``oral formant frequency``.
        number : int
            Of the resonance, from 1; 0 for tiers that have none.

        Raises
        ------
        AudioError
            If the value is not finite, or a frequency or bandwidth not positive: Praat, which
            refuses such commands, would believe the file.
        """
        positive = tier == "pitch" or tier.endswith(("frequency", "bandwidth"))
        if not (isfinite(time_s) and isfinite(value)) or (positive and value <= 0):
            raise AudioError(
                f"word cannot be synthesised: {tier} is to be {value:g} at {time_s:.3f} s"
            )
        self._points[tier, number].setdefault(float(time_s), float(value))

    def hold(
        self, tier: str, span: tuple[float, float], value: float, outside: float, number: int = 0
    ) -> None:
        """Set a value between two times and another just outside."""
        self.add(tier, span[0] - STEP_S, outside, number)
        self.add(tier, span[0], value, number)
        self.add(tier, span[1], value, number)
        self.add(tier, span[1] + STEP_S, outside, number)

    def clear(self, *tiers: str) -> None:
        """Remove all points of some tiers, of every resonance."""
        for key in [key for key in self._points if key[0] in tiers]:
            del self._points[key]

    def text(self) -> str:
        """The grid in Praat's short text format."""
        limits = ["0", repr(float(self.duration_s))]
        there = ["<exists>", *limits]

        def tier(name: str, number: int = 0) -> list[str]:
            points = sorted(self._points.get((name, number), {}).items())
            return [str(len(points)), *(repr(number) for point in points for number in point)]

        def tiers(name: str, n: int) -> list[str]:
            lines = [str(n)]
            for number in range(1, n + 1):
                lines += [*limits, *tier(name, number)]
            return lines

        nothing = [*there, "0", "0"]
        lines = ['File type = "ooTextFile"', 'Object class = "KlattGrid"', "", *limits, *there]
        for name in _PHONATION:
            lines += [*there, *tier(name)]
        lines += [*there, *there]  # vocal tract, its oral formants
        lines += tiers("oral formant frequency", self.n_oral)
        lines += tiers("oral formant bandwidth", self.n_oral)
        lines += nothing * 2  # nasal formants and antiformants
        lines += [*tiers("oral formant amplitude", self.n_oral), "0"]
        lines += [*there, *nothing * 2, "0", *nothing]  # coupling: tracheal and delta formants
        lines += [*there, *there, *tier("frication amplitude"), *there]
        for name in ("frequency", "bandwidth", "amplitude"):
            lines += tiers(f"frication formant {name}", self.n_frication)
        lines += [*there, *tier("frication bypass"), *there, "0"]  # and the gain
        return "\n".join(lines) + "\n"

    def grid(self, folder: Path) -> parselmouth.Data:
        """The grid as an object of Praat's.

        Raises
        ------
        parselmouth.PraatError
            If Praat cannot read it.
        """
        file = folder / "word.KlattGrid"
        file.write_text(self.text(), encoding="ascii")
        return parselmouth.Data.read(str(file))
