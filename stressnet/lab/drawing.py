"""Drawing what the two words of a pair are to be: everything once, then the cue for each class.

Values come from the table of natural cues (:func:`natural_cues`) with their means,
deviations and correlations; what it does not hold (F0 peaks, consonants) is drawn independently.
The limits below cut off what a voice cannot do or Praat cannot measure. Where a limit of one cue
depends on another, both classes' values decide about it, so that it tells nothing about the class.

The table, ``natural_cues.csv``, was measured with :mod:`stressnet.acoustics.cues` on 4,136
disyllabic words of 177 LibriSpeech speakers (Panayotov et al. 2015, CC BY 4.0). Means are the
average of the medians of both stress classes. Deviations are taken within speaker and class, so
that neither contributes; their spread is half the distance of the 16 % and 84 % quantiles, and
their correlation is Pearson's by way of Spearman's rank correlation, both of which bear tracking
errors. Formants count only where they were trusted. Vowel identity is part of the variance of
formants: drawing from the table draws vowels from the vowel space.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from zlib import crc32

import numpy as np
import pandas as pd

from stressnet.axes import FloatArray
from stressnet.lab.designs import CueRule, Design
from stressnet.lab.plans import (
    FRICATIVES,
    NEUTRAL_HZ,
    STOPS,
    ConsonantPlan,
    Voice,
    VowelPlan,
    WordPlan,
)
from stressnet.lexicon.stress import CLASSES, Stress

SHAPES = ("CVCV", "CVCVC")

QUIETER_DB = 5.0  # The lab's words are softer than the speech measured, so that none clips

DURATION_LIMITS_S = (0.06, 0.28)
F1_LIMITS_HZ = (320.0, 800.0)
F2_LIMITS_HZ = (1080.0, 2200.0)
F3_LIMITS_HZ = (2300.0, 3100.0)
"""Limits of vowels' parameters, formants for a tract of average length. F1 stays below F2 and away
from F0, F2 above 1 kHz."""

CUES = tuple(
    "f0_level_st f0_slope_st_per_s log_duration intensity_db tilt_db log_f1 log_f2 log_f3".split()
)
"""Cues of a vowel: mean F0 above the speaker's median, its slope, the natural logarithm of the
duration in seconds, mean intensity, level of 1-4 kHz above that of 0-1 kHz, logarithms of formants
in hertz."""

CLEAR_SPEECH = 1.6
"""Vowels of the lab are so much longer than those of the running speech that was measured: below
60 ms Praat's formant analysis has no frame that lies in the vowel alone."""


@dataclass(frozen=True)
class NaturalCues:
    """The table: ``mean`` and ``sd``, shape (2, n_cues), of both vowels in the order of
    :data:`CUES`, and ``root``, the Cholesky factor of the correlation matrix, the first vowel's
    cues first.
    """

    mean: FloatArray
    sd: FloatArray
    root: FloatArray

    def draw(self, rng: np.random.Generator, limit_sd: float = 2.0) -> FloatArray:
        """Correlated deviations in standard deviations, shape (2, n_cues)."""
        while True:
            z = self.root @ rng.standard_normal(2 * len(CUES))
            if np.abs(z).max() <= limit_sd:
                return z.reshape(2, len(CUES))


@lru_cache(maxsize=1)
def natural_cues() -> NaturalCues:
    """Read the table that comes with the package."""
    with files("stressnet.lab").joinpath("natural_cues.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, index_col="cue", float_precision="round_trip")
    names = [f"{cue}_{k}" for k in (1, 2) for cue in CUES]
    correlation = table.loc[names, names].to_numpy()
    mean, sd = (table.loc[names, c].to_numpy().reshape(2, len(CUES)) for c in ("mean", "sd"))
    mean = mean.copy()
    mean[:, CUES.index("log_duration")] += np.log(CLEAR_SPEECH)
    symmetric = 0.5 * (correlation + correlation.T)  # rounded to three digits in the file
    return NaturalCues(mean, sd, np.linalg.cholesky(symmetric))


_F1_OVER_F0 = 1.4  # with F1 at the first harmonic there is no telling where it is
_F2_UNDER_F3_HZ = 300.0
_F2_LIMIT_FOR_F3_HZ = 1900.0
_AS_DRAWN = ("f0_level_st", "f0_rise_st", "intensity_db", "tilt_db")
_SLOPE_SPREAD_S = 0.1  # a longer vowel does not move F0 further
_RISE_ST, _RISE_SD_ST, _RISE_FOR_PEAK_ST = 2.0, 0.7, 5.0
_PEAK, _PEAK_SD, _PEAK_LIMITS = 0.45, 0.12, (0.12, 0.88)
_LONGER_FOR_PEAK = 0.35
_FULL_SD, _SCHWA_SHARE, _SHARE_SD = 1.6, 0.575, 0.12
_NOISE_DB = {"P": 48.0, "T": 52.0, "K": 51.0, "F": 46.0, "S": 54.0, "SH": 54.0}
_NOISE_SD_DB = 3.0

_VOWELS: dict[str, tuple[float, float]] = {
    "IY": (342, 2322),
    "IH": (427, 2034),
    "EH": (580, 1799),
    "AE": (640, 1952),
    "AA": (768, 1333),
    "AO": (652, 997),
    "UH": (469, 1122),
    "UW": (378, 997),
    "AH": (560, 1400),
    "ER": (474, 1379),
}
"""F1 and F2 of American vowels, about those of Hillenbrand et al. (1995); labels only."""


@dataclass(frozen=True)
class PairTask:
    """What one pair of words is made from; goes to worker processes."""

    design: Design
    pair: int
    seed: int
    voice: Voice
    case: int
    effect: float
    attempt: int = 0


def draw_plans(task: PairTask) -> tuple[dict[Stress, WordPlan], tuple[str, str]]:
    """Draw a pair, everything once, then the cue for each class; and the vowels' labels."""
    rng = pair_rng(task, "plan")
    base = _draw_base(rng, task)
    consonants = _draw_consonants(rng, task)
    values: dict[Stress, list[dict[str, float]]] = {}
    levels: dict[Stress, list[float]] = {}
    for stress in CLASSES:
        signs = task.design.signs(stress, task.case)
        values[stress] = [dict(one) for one in base]
        levels[stress] = [consonant.level_db for consonant in consonants]
        for rule, sign in zip(task.design.rules, signs, strict=True):
            for vowel in rule.vowels:
                shift = rule.share(vowel, sign) * rule.kind.step * task.effect
                if rule.cue == "consonant":
                    levels[stress][vowel - 1] += shift
                else:
                    values[stress][vowel - 1][rule.kind.parameters[0]] += shift
    vowels = _vowels(task, values)
    plans = {
        stress: WordPlan(
            voice=task.voice,
            consonants=tuple(
                replace(c, level_db=level)
                for c, level in zip(consonants, levels[stress], strict=True)
            ),
            vowels=vowels[stress],
            noise_seed=int(pair_rng(task, stress.value).integers(1, 2**31 - 1)),
        )
        for stress in CLASSES
    }
    first, second = (
        _vowel_label(np.exp([one["log_f1"], one["log_f2"]]) / task.voice.tract) for one in base
    )
    return plans, (first, second)


def pair_rng(task: PairTask, purpose: str) -> np.random.Generator:
    """A generator for one purpose, so that what one draws does not move another; the size of the
    effect has no part in it."""
    name = crc32(f"{task.design.name}/{purpose}".encode())
    return np.random.default_rng([task.seed, name, task.pair, task.attempt])


def _kept(design: Design, parameter: str, vowel: int) -> CueRule | None:
    """The rule that moves a parameter of a vowel."""
    rules = (r for r in design.rules if vowel in r.vowels and parameter in r.kind.parameters)
    return next(rules, None)


def _draw_base(rng: np.random.Generator, task: PairTask) -> list[dict[str, float]]:
    """Values of both vowels without the cue's move, formants in logarithms of hertz."""
    natural = natural_cues()
    z = natural.draw(rng)
    common = natural.draw(rng)[0]
    tract = np.log(task.voice.tract)
    base = []
    for k in (1, 2):
        row: dict[str, float] = {}
        for i, cue in enumerate(CUES):
            rule = _kept(task.design, cue, k)
            sd = natural.sd[k - 1, i]
            mean = natural.mean[k - 1, i]
            value = mean + sd * z[k - 1, i] * (rule.kind.kept if rule else 1.0)
            if rule and rule.where == "relation":
                # The vowels share what varies freely, and a mean: only their difference tells.
                value = natural.mean[:, i].mean() + sd * z[k - 1, i] * rule.kind.kept
                value += natural.sd[:, i].mean() * common[i] * np.sqrt(1 - rule.kind.kept**2)
            if cue == "f0_slope_st_per_s" and _kept(task.design, "log_duration", k):
                # Over a longer vowel a slope goes further and moves the peak of F0 its way: rising
                # and falling must be as frequent, or the place of the peak tells the class.
                value -= mean
            row[cue] = float(value)
        for formant in ("log_f1", "log_f2", "log_f3"):
            row[formant] += tract
        row["intensity_db"] -= QUIETER_DB
        rise, position, share = rng.normal(size=3)
        row["f0_rise_st"] = float(max(0.0, _RISE_ST + _RISE_SD_ST * rise))
        # Off the middle a bell adds a slope, the steeper the shorter the vowel.
        lengthened = _kept(task.design, "log_duration", k) is not None
        row["f0_peak_position"] = (0.5 if lengthened else _PEAK) + _PEAK_SD * position
        if peak := _kept(task.design, "f0_peak_position", k):
            row["f0_rise_st"] += _RISE_FOR_PEAK_ST - _RISE_ST
            row["f0_peak_position"] = 0.5 + _PEAK_SD * position * peak.kind.kept
            row["log_duration"] += _LONGER_FOR_PEAK
        if reduced := _kept(task.design, "peripherality", k):
            row |= _full_vowel(natural.sd[k - 1], tract, 2 * np.pi * rng.random())
            row["peripherality"] = _SCHWA_SHARE + _SHARE_SD * share * reduced.kind.kept
        base.append(row)
    return base


def _full_vowel(sd: FloatArray, tract: float, angle: float) -> dict[str, float]:
    """F1 and F2 on an ellipse around schwa."""
    turns = zip(("log_f1", "log_f2"), NEUTRAL_HZ, (np.cos(angle), np.sin(angle)), strict=False)
    return {
        name: float(np.log(schwa) + tract + _FULL_SD * sd[CUES.index(name)] * turn)
        for name, schwa, turn in turns
    }


def _vowels(
    task: PairTask, values: dict[Stress, list[dict[str, float]]]
) -> dict[Stress, tuple[VowelPlan, VowelPlan]]:
    """Vowels of both classes within their limits; limits that one cue sets for another look at
    both classes, so that they tell nothing."""
    tract = task.voice.tract
    made: dict[Stress, list[VowelPlan]] = {stress: [] for stress in values}
    for k in range(2):
        both = [values[stress][k] for stress in values]
        for row in both:
            if "peripherality" in row:
                for name, schwa in zip(("log_f1", "log_f2"), NEUTRAL_HZ, strict=False):
                    neutral = np.log(schwa * tract)
                    row[name] = neutral + row["peripherality"] * (row[name] - neutral)
        f2_top = F2_LIMITS_HZ[1]
        if _kept(task.design, "log_f3", k + 1):
            f2_top = _F2_LIMIT_FOR_F3_HZ
        f2_hz = [float(np.clip(np.exp(r["log_f2"]) / tract, F2_LIMITS_HZ[0], f2_top)) for r in both]
        f3_low = max(F3_LIMITS_HZ[0], max(f2_hz) + _F2_UNDER_F3_HZ)
        f0_top_hz = task.voice.f0_hz * 2 ** (max(r["f0_level_st"] for r in both) / 12)
        f1_low = max(F1_LIMITS_HZ[0], _F1_OVER_F0 * f0_top_hz / tract)
        length_s = float(np.exp(np.mean([r["log_duration"] for r in both])))
        spread = min(1.0, _SLOPE_SPREAD_S / length_s)
        for stress, row, f2 in zip(values, both, f2_hz, strict=True):
            f1 = float(np.clip(np.exp(row["log_f1"]) / tract, f1_low, F1_LIMITS_HZ[1]))
            f3 = float(np.clip(np.exp(row["log_f3"]) / tract, f3_low, F3_LIMITS_HZ[1]))
            made[stress].append(
                VowelPlan(
                    duration_s=float(np.clip(np.exp(row["log_duration"]), *DURATION_LIMITS_S)),
                    f0_slope_st_per_s=row["f0_slope_st_per_s"] * spread,
                    f0_peak_position=float(np.clip(row["f0_peak_position"], *_PEAK_LIMITS)),
                    **{name: row[name] for name in _AS_DRAWN},
                    f1_hz=f1 * tract,
                    f2_hz=f2 * tract,
                    f3_hz=f3 * tract,
                )
            )
    return {stress: (vowels[0], vowels[1]) for stress, vowels in made.items()}


def _draw_consonants(rng: np.random.Generator, task: PairTask) -> list[ConsonantPlan]:
    shape = SHAPES[int(rng.integers(2))]
    made = []
    for k in range(shape.count("C")):
        label = str(rng.choice([*STOPS, *FRICATIVES]))
        closure, noise, level = np.clip(rng.normal(size=3), -2, 2)
        in_rule = [r for r in task.design.rules if r.cue == "consonant" and k + 1 in r.vowels]
        level_db = _NOISE_DB[label] + _NOISE_SD_DB * level
        if in_rule:
            level_db = 51.0 + _NOISE_SD_DB * in_rule[0].kind.kept * level
        if label in STOPS:
            # Before the first vowel nobody hears when the closure begins.
            closure_s = (0.025 if k == 0 else 0.060) * np.exp(0.2 * closure)
            noise_s = (0.045 if k < 2 else 0.030) * np.exp(0.25 * noise)
        else:
            closure_s, noise_s = 0.0, 0.095 * np.exp(0.2 * noise)
        made.append(ConsonantPlan(label, float(closure_s), float(noise_s), float(level_db)))
    return made


def _vowel_label(formants_hz: FloatArray) -> str:
    """The nearest vowel on logarithmic axes; it names the vowel and decides nothing."""
    return min(_VOWELS, key=lambda label: np.hypot(*np.log(formants_hz / np.array(_VOWELS[label]))))
