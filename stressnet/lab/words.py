"""Words with a known cue: drawing what they are to be, and synthesising them.

Words come in matched pairs: both classes get the same speaker, sounds and nuisance values, and
differ in the design's cue (and in the noise). Whatever is not the cue therefore has *the same*
distribution in both classes, not only the same up to chance. The members of a pair share
:attr:`LabWord.word` and must stay in one split: apart, one would give the other's label away.

The same seed gives the same samples, and a word depends on its number alone, not on how many are
drawn or in how many processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.track_types import Tracks
from stressnet.errors import AudioError, ConfigError
from stressnet.intervals import Interval
from stressnet.lab.designs import Design, get_design
from stressnet.lab.drawing import SHAPES, PairTask, draw_plans, pair_rng
from stressnet.lab.klatt import RATE_HZ, synthesise
from stressnet.lab.measured import TOLERANCES, measure_word
from stressnet.lab.plans import LEAD_S, WordPlan, true_phones, true_tracks
from stressnet.lab.voices import get_voices
from stressnet.lexicon.stress import Stress
from stressnet.runs.problems import Problem, Severity

MAX_ATTEMPTS = 30
"""How often a pair is drawn before it is given up."""


@dataclass(frozen=True)
class LabWord:
    """A synthesised word of which everything is known.

    Parameters
    ----------
    word : str
        Its phones and its pair: both members of a pair have the same.
    audio : ndarray of float32, shape (n,)
        The word with 120 ms of background on both sides; full scale 1.
    phones : tuple of Interval
        In seconds of the recording; ARPAbet without stress digits.
    tracks : Tracks
        F0 and F1 to F4 as synthesised, zero at the word's onset; NaN outside the vowels.
    """

    word_id: str
    word: str
    design: str
    voice: str
    shape: str
    stress: Stress
    audio: NDArray[np.float32]
    sample_rate_hz: int
    start_s: float
    end_s: float
    phones: tuple[Interval, ...]
    plan: WordPlan
    tracks: Tracks
    measured: dict[str, float]
    pair: int


PairResult = tuple[list[LabWord], list[Problem]]
Apply = Callable[[Callable[[PairTask], PairResult], Iterable[PairTask]], Iterable[PairResult]]


def draw_words(
    design: str | Design,
    n: int,
    seed: int,
    voices: Sequence[str] | None = None,
    effect: float = 1.0,
    *,
    problems: list[Problem] | None = None,
    apply: Apply = map,
) -> list[LabWord]:
    """Draw and synthesise words, pair after pair; fewer than ``n`` if there were problems.

    Parameters
    ----------
    n : int
        Words; even, half of them of each class.
    voices : sequence of str, optional
        Speakers that take turns; all if left out.
    effect : float
        1 is obvious, 0.25 near threshold, 0 no cue.
    problems : list of Problem, optional
        Gets a row for each word that Praat cannot synthesise or analyse. Its pair is left out.
    apply : callable, optional
        ``map`` or something like it that uses worker processes
        (``functools.partial(stressnet.runs.parallel.in_order, jobs=2)``).

    Raises
    ------
    ConfigError
        If a parameter is out of range or a name unknown.
    AudioError
        If there were problems and no list to put them in.
    """
    design = get_design(design)
    speakers = get_voices(None if voices is None else tuple(voices))
    if n < 2 or n % 2:
        raise ConfigError(f"{n} words: words come in pairs, draw an even number")
    if not 0 <= effect <= 2 or seed < 0:
        raise ConfigError(f"effect {effect} must be from 0 to 2, seed {seed} not negative")
    tasks = (
        PairTask(
            design=design,
            pair=pair,
            seed=seed,
            voice=speakers[pair % len(speakers)],
            case=pair // len(speakers),
            effect=effect,
        )
        for pair in range(n // 2)
    )
    words: list[LabWord] = []
    for made, failed in apply(make_pair, tasks):
        words += made
        if failed and problems is None:
            raise AudioError(f"{failed[0].item}: {failed[0].reason}")
        if problems is not None:
            problems += failed
    return words


def make_pair(task: PairTask) -> PairResult:
    """Both words of a pair, or none of them and why.

    A pair is drawn again where Praat measures another cue differently in its two words, although it
    is the same: where a harmonic stands close to a formant, for instance, the tracker takes one for
    the other (:data:`stressnet.lab.measured.TOLERANCES`).
    """
    reason = ""
    for attempt in range(MAX_ATTEMPTS):
        try:
            words = _synthesise_pair(replace(task, attempt=attempt))
        except AudioError as error:
            reason = str(error)
            continue
        differing = _differing(words, task.design)
        if not differing:
            return words, []
        reason = f"{differing} is measured differently in its two words"
    item = _word_id(task, 0)
    text = f"{reason}; drawn {MAX_ATTEMPTS} times, its pair is left out"
    return [], [Problem(item, "synthesis", Severity.ERROR, text)]


def _word_id(task: PairTask, number: int) -> str:
    return f"{task.design.name}-{task.effect:g}-{task.seed}-{2 * task.pair + number:05d}"


def _synthesise_pair(task: PairTask) -> list[LabWord]:
    drawn = draw_plans(task)
    order = list(Stress) if pair_rng(task, "order").integers(2) else list(Stress)[::-1]
    words: list[LabWord] = []
    for number, stress in enumerate(order):
        plan = drawn.plans[stress]
        audio = synthesise(plan)
        phones = true_phones(plan, drawn.labels)
        words.append(
            LabWord(
                word_id=_word_id(task, number),
                word="-".join(phone.label.lower() for phone in phones) + f"-{task.pair}",
                design=task.design.name,
                voice=task.voice.name,
                shape=SHAPES[len(plan.consonants) - 2],
                stress=stress,
                audio=audio,
                sample_rate_hz=RATE_HZ,
                start_s=LEAD_S,
                end_s=phones[-1].end_s,
                phones=phones,
                plan=plan,
                tracks=true_tracks(plan),
                measured=measure_word(plan, audio),
                pair=task.pair,
            )
        )
    return words


def _differing(words: Sequence[LabWord], design: Design) -> str:
    """The first measure beside the design's that tells a pair's words apart, or nothing."""
    first, second = (word.measured for word in words)
    for name, tolerance in TOLERANCES.items():
        for vowel in ("1", "2"):
            measure = f"{name}_{vowel}"
            too_far = abs(first[measure] - second[measure]) > tolerance
            if too_far and measure not in design.own_measures:
                return measure
    return ""
