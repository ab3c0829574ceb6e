"""Lab sets of synthesised words: a design drawn, synthesised, split, and put on a preset's axes.

:func:`planted_set` is a toy, without synthesis or sound. What the measures of the lab say about it
is known in advance, so it tests them. It says nothing about speech.

A set is kept if the intended cue tells its classes apart and no other measured cue does, but for
those that move with it by definition (:attr:`~stressnet.lab.designs.Design.own_measures`). By
chance alone the area under the ROC curve has a standard deviation of 0.018 in 1,000 words, and one
of 25 cues would nearly always be out; since words come in matched pairs, only what crosses over in
the synthesis or the measurement is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import PRESETS, SpectrogramPreset, get_preset
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.lab.candidates import grown
from stressnet.lab.designs import Design, get_design
from stressnet.lab.labset import LabSet
from stressnet.lab.measured import MEASURES
from stressnet.lab.residual import auroc
from stressnet.lab.truth import cue_truth, word_image, word_scene
from stressnet.lab.words import LabWord, draw_words
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.regions.scene import Scene, TokenTimes
from stressnet.runs.problems import Problem, Severity

MAX_LEAK = 0.03  # How far from one half the area may be for a cue that must not separate
FULL_SIZE = 300  # From how many words on that limit holds as it stands
MIN_INTENDED = 0.55  # Least area for the intended cue near threshold; obvious ones reach 0.95

Role = Literal["intended", "own", "other"]

NARROWBAND = SpectrogramPreset(
    name="lab-narrowband", window_s=0.050, n_fft=800, max_frequency_hz=3200.0
)
"""``stressnet`` with a window twice as long (main lobe 40 Hz), which resolves the harmonics of
every voice of the lab, and half the range, so that images keep their size."""

PRESETS.setdefault(NARROWBAND.name, NARROWBAND)

MAX_TEST, VALID_SHARE = 0.35, 0.12

_FORMANTS_HZ = ((300.0, 750.0), (1000.0, 2000.0), (2400.0, 2900.0), (3500.0, 4100.0))
"""Ranges that F1 to F4 are drawn from."""

_N_VOICES = 6


def drawn_set(
    design: Design | str,
    n: int,
    seed: int,
    *,
    effect: float = 1.0,
    problems: list[Problem] | None = None,
    allow_leaks: bool = False,
) -> LabSet:
    """Draw words of a design and make a set of them, if its cue is the only one.

    Pairs of words stay in one split; every voice has the same share of its pairs in each: 53 %
    train, 12 % validate, 35 % test.
    """
    design = get_design(design)
    # The narrow band where F0 is among the cues.
    has_f0 = any(cue.startswith("f0") for cue in design.cue.split("+"))
    preset = NARROWBAND if has_f0 else get_preset("stressnet")
    words = draw_words(design, n, seed, effect=effect, problems=problems)
    checks = separations(words) if words else []
    if problem := separation_problem(words, checks):
        if not allow_leaks:
            remedy = "draw more words, change the design, or allow leaks"
            raise ConfigError(f"{problem}; the set is refused: {remedy}")
        if problems is not None:
            item = f"{design.name}/{effect:g}"
            reason = f"{problem}; the set is kept, since leaks are allowed"
            problems.append(Problem(item, "separation", Severity.WARNING, reason))
    shape = (len(words), *preset.shape)
    images = np.zeros(shape, dtype=np.float32)
    truth, wide = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    scenes = []
    for i, word in enumerate(words):
        image = word_image(word, preset)
        scenes.append(word_scene(word, preset, image.mask))
        images[i] = image.values
        truth[i], wide[i] = cue_truth(word, preset, scene=scenes[i])
    return LabSet(
        name=f"{design.name}/{effect:g}",
        cue=design.cue,
        images=images,
        labels=np.array([word.stress.class_index for word in words], dtype=np.int64),
        splits=_splits(words, seed),
        voices=np.array([word.voice for word in words]),
        words=np.array([word.word for word in words]),
        word_ids=np.array([word.word_id for word in words]),
        truth=truth,
        wide=wide,
        scenes=tuple(scenes),
        true_regions=design.true_regions,
        preset=preset,
        provenance={
            "made_by": "synthesis",
            "design": design.name,
            "where": design.where,
            "effect": effect,
            "seed": seed,
            "n_drawn": n,
            "n_left_out": n - len(words),
            "separation": {check.measure: round(check.auroc, 4) for check in checks},
        },
    )


def _splits(words: Sequence[LabWord], seed: int) -> np.ndarray:
    """A split per word; pairs are not divided, voices are treated alike."""
    rng = np.random.default_rng([seed, 17])
    splits: dict[int, str] = {}
    for voice in dict.fromkeys(word.voice for word in words):
        pairs = rng.permutation(list(dict.fromkeys(w.pair for w in words if w.voice == voice)))
        n_test = round(MAX_TEST * len(pairs))
        n_valid = max(1, round(VALID_SHARE * len(pairs)))
        n_train = len(pairs) - n_test - n_valid
        if n_test < 1 or n_train < 1:
            raise ConfigError(
                f"{len(pairs)} pairs of words of voice {voice} are too few for three splits; "
                "draw more words or take fewer voices"
            )
        names = ["test"] * n_test + ["valid"] * n_valid + ["train"] * n_train
        splits.update(zip(pairs.tolist(), names, strict=True))
    return np.array([splits[word.pair] for word in words], dtype="<U5")


def planted_set(
    n: int = 240, *, strength: float = 1.0, seed: int = 0, preset: SpectrogramPreset | None = None
) -> LabSet:
    """Noise in which F1 of the first vowel is brighter in one class than in the other.

    Of ``n`` words half train, a sixth validate, a third test; :class:`ConfigError` for too few. F1
    differs by ``strength`` standard deviations of the noise from the rest; 0 is a set without cue.
    """
    if n < 12:
        raise ConfigError(f"{n} words are too few for three splits; draw at least 12")
    rng = np.random.default_rng(seed)
    preset = preset or get_preset("stressnet")
    axes = preset.axes()
    labels = rng.permutation(np.arange(n) % 2)
    splits = np.repeat(["train", "valid", "test"], [n // 2, n // 6, n - n // 2 - n // 6])
    images = rng.standard_normal((n, *axes.shape)).astype(np.float32)
    truth = np.zeros(images.shape, dtype=bool)
    wide = np.zeros(images.shape, dtype=bool)
    scenes = tuple(_scene(rng, preset, label) for label in labels)
    for i, scene in enumerate(scenes):
        images[i] *= scene.sound
        truth[i] = (scene.formant_bands[0] >= 0.5) & (scene.in_time(scene.times.nuclei[0]) >= 0.5)
        wide[i] = grown(truth[i], 4, 4)
        images[i][truth[i]] += strength if labels[i] == 0 else -strength
    return LabSet(
        name="planted-f1-syllable-1",
        cue="f1" if strength else "none",
        images=images,
        labels=labels,
        splits=splits,
        voices=np.array([f"voice-{v}" for v in rng.integers(_N_VOICES, size=n)]),
        words=np.array([f"word-{i}" for i in range(n)]),
        word_ids=np.array([f"planted-{i}" for i in range(n)]),
        truth=truth if strength else np.zeros_like(truth),
        wide=wide if strength else np.zeros_like(wide),
        scenes=scenes,
        true_regions=("F1_1",) if strength else (),
        preset=preset,
        provenance={"made_by": "planted", "strength": strength, "seed": seed, "n": n},
    )


def _scene(rng: np.random.Generator, preset: SpectrogramPreset, label: int) -> Scene:
    """CVCV with drawn durations, constant formants per vowel and F0."""
    lengths = rng.uniform([0.05, 0.12, 0.05, 0.12], [0.12, 0.20, 0.12, 0.20])
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    names = ("T", "AH1", "T", "AH1")
    phones = [Interval(a, b, c) for a, b, c in zip(edges[:-1], edges[1:], names, strict=True)]
    times = TokenTimes.from_phones(phones, (1, 3), (0, 2), CLASSES[label])
    axes = preset.axes()
    sound = axes.time_s <= edges[-1] + preset.margin_s
    time_s = np.arange(0.0, edges[-1], 0.005)
    second = time_s >= edges[2]
    drawn = np.array([[rng.uniform(*limits) for limits in _FORMANTS_HZ] for _ in range(2)])
    formants = np.where(second, drawn[1][:, None], drawn[0][:, None])
    pitch = PitchTrack(time_s, np.full(len(time_s), rng.uniform(110, 240)))
    tracks = Tracks(FormantTrack(time_s, formants, np.full_like(formants, 100.0)), pitch)
    return Scene(times, tracks, axes, sound, preset.resolution_hz)


@dataclass(frozen=True)
class Separation:
    """How well one measured cue tells the classes apart."""

    measure: str
    role: Role
    auroc: float  # Probability that a FINAL word has more of it than an INITIAL one
    limit: float = MAX_LEAK  # How far from one half that may be where the role is "other"

    @property
    def fails(self) -> bool:
        """Whether the set is not what it says it is."""
        if self.role == "other":
            return not abs(self.auroc - 0.5) <= self.limit
        return self.role == "intended" and not abs(self.auroc - 0.5) >= MIN_INTENDED - 0.5


def leak_limit(n_words: int) -> float:
    """How far from one half the area of another cue may be in a set of that many words."""
    return MAX_LEAK * max(1.0, FULL_SIZE / max(n_words, 1)) ** 0.5


def separations(words: Sequence[LabWord]) -> list[Separation]:
    """One row per measured cue, in the order of :data:`stressnet.lab.measured.MEASURES`."""
    designs = {word.design for word in words}
    if len(designs) != 1 or len({word.stress for word in words}) != 2:
        raise ConfigError("separation needs words of both classes and of one design")
    design = get_design(designs.pop())
    final = np.array([word.stress is Stress.FINAL for word in words])
    roles: dict[str, Role] = dict.fromkeys(design.own_measures, "own")
    roles |= dict.fromkeys(design.intended_measures, "intended")
    table = pd.DataFrame([word.measured for word in words])
    return [
        Separation(
            measure,
            roles.get(measure, "other"),
            auroc(table[measure].to_numpy(), final),
            leak_limit(len(words)),
        )
        for measure in MEASURES
    ]


def separation_problem(words: Sequence[LabWord], rows: Sequence[Separation]) -> str | None:
    """Why a set of words is not what it says it is, in one line; None if it is."""
    failed = [row for row in rows if row.fails]
    if not failed:
        return None
    listed = ", ".join(f"{row.measure} {row.auroc:.3f} ({row.role})" for row in failed)
    return (
        f"design {words[0].design!r}, {len(words)} words: area under the ROC curve of {listed}; "
        f"other cues must stay within 0.5 ± {leak_limit(len(words)):.2g}, the intended one must "
        f"reach {MIN_INTENDED:g}"
    )
