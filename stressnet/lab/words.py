"""Words with a known cue: drawing what they are to be, and synthesising them.

Words come in matched pairs: both classes get the same speaker, sounds and nuisance values, and
differ in the design's cue (and in the noise). Whatever is not the cue therefore has *the same*
distribution in both classes, not only the same up to chance. The members of a pair share
:attr:`LabWord.word` and must stay in one split: apart, one would give the other's label away.

The same seed gives the same samples, and a word depends on its number alone, not on how many are
drawn or in how many processes.
"""

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
from stressnet.lab.plans import LEAD_S, WordPlan, get_voices, true_phones, true_tracks
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.runs.problems import Problem, Severity

MAX_ATTEMPTS = 30  # How often a pair is drawn before it is given up


@dataclass(frozen=True)
class LabWord:
    """A synthesised word of which everything is known."""

    word_id: str
    word: str
    design: str
    voice: str
    shape: str
    stress: Stress
    audio: NDArray[np.float32]  # Full scale 1, with 120 ms of background on both sides
    sample_rate_hz: int
    start_s: float
    end_s: float
    phones: tuple[Interval, ...]  # In seconds of the recording, ARPAbet without stress digits
    plan: WordPlan
    # F0 and F1 to F4 as synthesised, zero at the word's onset; NaN outside the vowels.
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

    The list of ``problems`` gets a row for each word that Praat cannot synthesise or analyse, whose
    pair is left out; :class:`AudioError` if there is no list. ``apply`` is ``map`` or something
    like it that uses worker processes (``functools.partial(stressnet.runs.parallel.in_order,
    jobs=2)``). Raises :class:`ConfigError` if a parameter is out of range or a name unknown.
    """
    design = get_design(design)
    speakers = get_voices(None if voices is None else tuple(voices))
    if n < 2 or n % 2:
        raise ConfigError(f"{n} words: words come in pairs, draw an even number")
    if not 0 <= effect <= 2 or seed < 0:
        raise ConfigError(f"effect {effect} must be from 0 to 2, seed {seed} not negative")
    turns = (divmod(pair, len(speakers)) for pair in range(n // 2))
    tasks = (
        PairTask(design, pair, seed, speakers[voice], case, effect)
        for pair, (case, voice) in enumerate(turns)
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
        first, second = (word.measured for word in words)
        differing = (
            measure
            for name, tolerance in TOLERANCES.items()
            for measure in (f"{name}_1", f"{name}_2")
            if abs(first[measure] - second[measure]) > tolerance
            and measure not in task.design.own_measures
        )
        if not (measure := next(differing, "")):
            return words, []
        reason = f"{measure} is measured differently in its two words"
    text = f"{reason}; drawn {MAX_ATTEMPTS} times, its pair is left out"
    return [], [Problem(_word_id(task, 0), "synthesis", Severity.ERROR, text)]


def _word_id(task: PairTask, number: int) -> str:
    return f"{task.design.name}-{task.effect:g}-{task.seed}-{2 * task.pair + number:05d}"


def _synthesise_pair(task: PairTask) -> list[LabWord]:
    plans, labels = draw_plans(task)
    order = list(CLASSES) if pair_rng(task, "order").integers(2) else list(CLASSES)[::-1]
    words: list[LabWord] = []
    for number, stress in enumerate(order):
        plan = plans[stress]
        audio = synthesise(plan)
        phones = true_phones(plan, labels)
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
