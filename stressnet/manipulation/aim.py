"""Making a stimulus whose formants arrive where they were asked to be.

Moving the poles that Praat's LPC found moves the measured formant fully where the formant is a
clear, narrow peak, and less where it is broad, near another one, or beside a nasal; a tilt moves F1
along. So formants are measured in the changed word and the filter is aimed again by what was
missed, a few times, and the closest try is kept. What is asked never changes; what was done to
reach it is in :attr:`~stressnet.manipulation.resynthesis.Stimulus.changes`. The other cues need no
aiming: what was asked is done exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.errors import AudioError
from stressnet.manipulation.change import CueChange
from stressnet.manipulation.check import Checked, Values, check, measure_formants
from stressnet.manipulation.continua import Asked, Step, ask
from stressnet.manipulation.cues import Pair, get_cue
from stressnet.manipulation.endpoints import Endpoint
from stressnet.manipulation.resynthesis import Source, Stimulus, resynthesise

MAX_TRIES = 3
"""Corrections at most."""

CLOSE_OCTAVES = 0.015
"""A formant within 1 % of where it was asked to be has arrived."""

_SLACK_OCTAVES = 0.10
"""The filter goes at most twice as far as asked, and this much further."""


def make_stimulus(
    step: Step,
    source: Source,
    endpoints: Mapping[str, Endpoint],
    natural: Values,
    voice: SpeakerSettings,
    *,
    tries: int = MAX_TRIES,
) -> tuple[Stimulus, Asked, Checked]:
    """One stimulus of a token's plan, made and measured again.

    Raises
    ------
    AudioError, ManipulationError
        If it cannot be made or analysed. Whether its cues moved is for
        :meth:`~stressnet.manipulation.check.Checked.problems` to say.
    """
    asked = ask(step, source, endpoints)
    formants = [cue for cue in asked.moves if get_cue(cue).is_formant]
    changes = asked.changes
    best = resynthesise(source, changes, psola=step.psola)
    if not formants:
        return best, asked, check(best, asked, natural, voice)
    stimulus, least = best, np.inf
    applied = {cue: asked.moves[cue] for cue in formants}
    for number in range(tries + 1):
        measured = measure_formants(stimulus, voice)
        missed = {cue: _missed(cue, asked, natural, measured) for cue in formants}
        worst = max(abs(value) for pair in missed.values() for value in pair)
        if worst < least:
            best, least = stimulus, worst
        if worst < CLOSE_OCTAVES or number == tries:
            break
        applied = {cue: _aimed(cue, asked, applied[cue], missed[cue]) for cue in formants}
        changes = _with_formants(changes, applied)
        try:
            stimulus = resynthesise(source, changes, psola=step.psola)
        except AudioError:  # aimed out of the band; what there is must do
            break
    return best, asked, check(best, asked, natural, voice)


def _missed(cue: str, asked: Asked, natural: Values, measured: Values) -> Pair:
    """How far each nucleus still has to go; 0 where the formant was lost."""
    moves = zip(asked.moves[cue], measured[cue], natural[cue], strict=True)
    missing = np.array([wanted - (now - before) for wanted, now, before in moves])
    first, second = np.where(np.isfinite(missing), missing, 0.0).tolist()
    return first, second


def _aimed(cue: str, asked: Asked, applied: Pair, missed: Pair) -> Pair:
    """The next move of the filter."""
    moves = []
    for wanted, now, miss in zip(asked.moves[cue], applied, missed, strict=True):
        most = min(get_cue(cue).most, 2.0 * abs(wanted) + _SLACK_OCTAVES)
        moves.append(min(max(now + miss, -most), most))
    return moves[0], moves[1]


def _with_formants(
    changes: tuple[CueChange, CueChange], applied: Mapping[str, Pair]
) -> tuple[CueChange, CueChange]:
    first, second = (
        replace(change, **{f"{cue}_factor": 2.0 ** pair[k] for cue, pair in applied.items()})
        for k, change in enumerate(changes)
    )
    return first, second
