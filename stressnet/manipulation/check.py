"""Whether a changed word is what it was meant to be: measured again with the same trackers.

For every cue and nucleus the table says how far the value was asked to move, and how far it did.
``reached`` brings the two nuclei together: the move along what was asked, as a share of it. A cue
that was asked to move by more than its tolerance counts as moved if it reached at least half of
that, or missed it by less than the tolerance. A stimulus in which a cue that was to move did not,
or cannot be measured any more, is a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import parselmouth

from stressnet.acoustics.cue_table import NUCLEUS
from stressnet.acoustics.cues import Analysis, middle_formants, part_cues
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.acoustics.tracks import praat_formant
from stressnet.errors import ManipulationError
from stressnet.manipulation.continua import Asked
from stressnet.manipulation.cues import CUES, Pair, get_cue
from stressnet.manipulation.resynthesis import Source, Stimulus

MIN_SHARE_MOVED = 0.5
"""Share of what was asked from which a cue counts as moved."""

Values = dict[str, Pair]
"""Cue to its value in both nuclei, on the cue's scale."""


@dataclass(frozen=True)
class Checked:
    """A stimulus measured again.

    Parameters
    ----------
    asked : dict
        Cue to how far each nucleus was asked to move; cues that were to stay are not in it.
    natural, measured : dict
        Cue to the values of the word as recorded, and of the stimulus.
    """

    asked: dict[str, Pair]
    natural: Values
    measured: Values

    def moved(self, cue: str) -> Pair:
        """How far each nucleus moved."""
        before, after = self.natural[cue], self.measured[cue]
        return after[0] - before[0], after[1] - before[1]

    def reached(self, cue: str) -> float:
        """The move along what was asked, as a share of it; NaN if nothing was asked."""
        asked = np.array(self.asked.get(cue, (0.0, 0.0)))
        power = float(asked @ asked)
        return float(asked @ np.array(self.moved(cue)) / power) if power > 0 else float("nan")

    def problems(self) -> list[str]:
        """Why the stimulus must not be used; empty if it may."""
        found = []
        for name, asked in self.asked.items():
            cue, moved = get_cue(name), self.moved(name)
            if not np.isfinite(moved).all():
                number = 1 if not np.isfinite(moved[0]) else 2
                found.append(f"{name}: cannot be measured any more in vowel {number}")
                continue
            miss = max(abs(m - a) for m, a in zip(moved, asked, strict=True))
            is_asked = max(map(abs, asked)) > cue.tolerance
            if is_asked and miss > cue.tolerance and self.reached(name) < MIN_SHARE_MOVED:
                found.append(
                    f"{name}: asked to move by {_text(asked)} {cue.unit}, moved by "
                    f"{_text(moved)} {cue.unit}"
                )
        return found


def check(stimulus: Stimulus, asked: Asked, natural: Values, voice: SpeakerSettings) -> Checked:
    """Measure a stimulus again.

    Raises
    ------
    ManipulationError
        If Praat cannot analyse it.
    """
    measured = measure_stimulus(stimulus, voice)
    if stimulus.scaled_db:
        first, second = measured["intensity"]
        measured["intensity"] = first - stimulus.scaled_db, second - stimulus.scaled_db
    return Checked(asked.moves, natural, measured)


def measure_source(source: Source, voice: SpeakerSettings) -> Values:
    """Values of every cue in the word as recorded."""
    return _measure(source.samples, source.rate_hz, source.segments.nuclei, voice)


def measure_stimulus(stimulus: Stimulus, voice: SpeakerSettings) -> Values:
    """Values of every cue in a stimulus; NaN where not measured."""
    audio = stimulus.audio
    return _measure(audio.samples, audio.rate_hz, stimulus.segments.nuclei, voice)


def measure_formants(stimulus: Stimulus, voice: SpeakerSettings) -> Values:
    """Values of F1, F2, F3 alone, which is quicker."""
    audio = stimulus.audio
    try:
        formant = praat_formant(audio.samples, audio.rate_hz, voice.formants)
        middles = [middle_formants(formant, span).medians_hz for span in stimulus.segments.nuclei]
    except parselmouth.PraatError as error:
        raise _not_analysed(error) from error
    rows = {f"nucleus_{k}_f{n}_hz": middles[k - 1][n - 1] for k in (1, 2) for n in (1, 2, 3)}
    return {cue.name: cue.values(rows) for cue in CUES if cue.is_formant}


def _measure(
    samples: Any, rate_hz: int, nuclei: tuple[Pair, Pair], voice: SpeakerSettings
) -> Values:
    """The seven cues as :func:`stressnet.acoustics.cues.measure_token` measures them."""
    rows: dict[str, float] = {}
    try:
        analysis = Analysis.of(samples, rate_hz, voice)
        for k, span in enumerate(nuclei, start=1):
            cues = part_cues(analysis, NUCLEUS, k, span)
            rows |= {f"nucleus_{k}_{name}": value for name, value in cues.items()}
    except parselmouth.PraatError as error:
        raise _not_analysed(error) from error
    return {cue.name: cue.values(rows) for cue in CUES}


def _not_analysed(error: parselmouth.PraatError) -> ManipulationError:
    first = str(error).strip().splitlines()[0]
    return ManipulationError(f"Praat cannot analyse the word: {first}")


def _text(pair: Pair) -> str:
    return f"{pair[0]:+.2f} and {pair[1]:+.2f}"
