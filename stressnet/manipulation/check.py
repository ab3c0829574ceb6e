"""Stimuli made and measured again with the same trackers: is a word what it was meant to be?

A stimulus in which a cue that was to move did not (``docs/manipulation.md``), or cannot be measured
any more, is a failure. Moving the poles that Praat's LPC found moves the measured formant fully
where it is a clear, narrow peak, and less where it is broad, near another one, or beside a nasal; a
tilt moves F1 along. So formants are measured in the changed word and the filter is aimed again by
what was missed, a few times, and the closest try is kept. What is asked never changes; what was
done to reach it is in :attr:`~stressnet.manipulation.resynthesis.Stimulus.changes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import parselmouth

from stressnet.acoustics.cue_table import NUCLEUS
from stressnet.acoustics.cues import Analysis, Segments, middle_formants, part_cues
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.acoustics.tracks import praat_formant
from stressnet.errors import AudioError, ManipulationError
from stressnet.manipulation.continua import Asked, Step, ask
from stressnet.manipulation.cues import CUE_NAMES, CUES, GROUPS, Pair, get_cue, members
from stressnet.manipulation.endpoints import Endpoint
from stressnet.manipulation.resynthesis import Source, Stimulus, resynthesise

MIN_SHARE_MOVED = 0.5  # Share of what was asked from which a cue counts as moved
Values = dict[str, Pair]  # Cue to its value in both nuclei, on the cue's scale
MAX_TRIES = 3  # Corrections at most
CLOSE_OCTAVES = 0.015  # A formant within 1 % of where it was asked to be has arrived
_SLACK_OCTAVES = 0.10  # The filter goes at most twice as far as asked, and this much further

_CROSSTALK_COLUMNS = (
    *("continuum", "cue", "unit", "is_intended", "n_stimuli"),
    *("reached_p10", "reached_median", "reached_p90"),
    *("moved_median", "moved_p90", "share_of_range"),
)


@dataclass(frozen=True)
class Checked:
    """A stimulus measured again.

    ``asked`` says how far each nucleus was asked to move, for cues that were not to stay;
    ``natural`` and ``measured`` are the values of the word as recorded, and of the stimulus, by
    cue.
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
    """Measure a stimulus again; raises as :func:`measure`."""
    audio = stimulus.audio
    measured = measure(audio.samples, audio.rate_hz, stimulus.segments, voice)
    if stimulus.scaled_db:
        first, second = measured["intensity"]
        measured["intensity"] = first - stimulus.scaled_db, second - stimulus.scaled_db
    return Checked(asked.moves, natural, measured)


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


def measure(samples: Any, rate_hz: int, segments: Segments, voice: SpeakerSettings) -> Values:
    """Values of every cue in a word, as :func:`stressnet.acoustics.cues.measure_token` measures."""
    rows: dict[str, float] = {}
    try:
        analysis = Analysis.of(samples, rate_hz, voice)
        for k, span in enumerate(segments.nuclei, start=1):
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

    Whether its cues moved is for :meth:`Checked.problems` to say.
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
        first, second = (
            replace(change, **{f"{cue}_factor": 2.0 ** pair[k] for cue, pair in applied.items()})
            for k, change in enumerate(changes)
        )
        changes = first, second
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


def crosstalk(stimuli: pd.DataFrame, measures: pd.DataFrame, endpoints: pd.DataFrame) -> Any:
    """Rows of ``crosstalk.csv``: each single continuum, and the mere resynthesis, by cue.

    ``reached_*``: of the intended cue, the share of what was asked, over stimuli that were asked to
    move by more than twice the cue's tolerance. ``moved_*``: absolute move of a nucleus's value,
    over stimuli and nuclei. ``share_of_range``: median move of the contrast by the median distance
    between the two ends of that cue's own continuum.
    """
    ranges = endpoints.groupby("cue")["range"].agg(lambda values: values.abs().median())
    singles = measures[measures["kind"].isin(["single", "resynthesised"])]
    by_stimulus = stimuli.set_index("stimulus_id")
    rows = []
    for continuum in ["resynthesised", *CUE_NAMES, *GROUPS]:
        part = singles[singles["continuum"] == continuum]
        if not len(part):
            continue
        own_cues = members(continuum) if continuum != "resynthesised" else ()
        for cue in CUES:
            own = part[part["cue"] == cue.name]
            moved = own["moved"].abs()
            contrast = by_stimulus.loc[own["stimulus_id"].unique(), f"moved_{cue.name}"].abs()
            row: dict[str, Any] = {
                "continuum": continuum,
                "cue": cue.name,
                "unit": cue.unit,
                "is_intended": cue.name in own_cues,
                "n_stimuli": own["stimulus_id"].nunique(),
                **_reached(own if cue.name in own_cues else None),
                "moved_median": moved.median(),
                "moved_p90": moved.quantile(0.9),
                "share_of_range": contrast.median() / ranges.get(cue.name, np.nan),
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=list(_CROSSTALK_COLUMNS))


def _reached(own: pd.DataFrame | None) -> dict[str, float]:
    shares = []
    for _, part in own.groupby("stimulus_id", sort=False) if own is not None else ():
        asked, moved = part["asked"].to_numpy(), part["moved"].to_numpy()
        if np.abs(asked).max() > 2 * get_cue(part["cue"].iloc[0]).tolerance:
            shares.append(float(asked @ moved / (asked @ asked)))
    names = ("reached_p10", "reached_median", "reached_p90")
    if not shares:
        return dict.fromkeys(names, float("nan"))
    return dict(zip(names, np.quantile(shares, [0.1, 0.5, 0.9]).tolist(), strict=True))
