"""Lab sets of synthesised words: a design drawn, synthesised, split, and put on a preset's axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stressnet.acoustics.spectrogram import PRESETS, SpectrogramPreset, get_preset
from stressnet.errors import ConfigError
from stressnet.lab.designs import Design, get_design
from stressnet.lab.labset import LabSet
from stressnet.lab.separation import separation_problem, separations
from stressnet.lab.truth import cue_truth, word_image, word_scene
from stressnet.lab.words import LabWord, draw_words
from stressnet.runs.problems import Problem, Severity

NARROWBAND = SpectrogramPreset(
    name="lab-narrowband", window_s=0.050, n_fft=800, max_frequency_hz=3200.0
)
"""``stressnet`` with a window twice as long (main lobe 40 Hz), which resolves the harmonics of
every voice of the lab, and half the range, so that images keep their size."""

PRESETS.setdefault(NARROWBAND.name, NARROWBAND)

MAX_TEST, VALID_SHARE = 0.35, 0.12


def drawn_set(
    design: Design | str,
    n: int,
    seed: int,
    *,
    voices: Sequence[str] | None = None,
    effect: float = 1.0,
    problems: list[Problem] | None = None,
    allow_leaks: bool = False,
) -> LabSet:
    """Draw words of a design and make a set of them, if its cue is the only one.

    Pairs of words stay in one split; every voice has the same share of its pairs in each: 53 %
    train, 12 % validate, 35 % test.

    Parameters
    ----------
    allow_leaks : bool
        Keep a set in which another measured cue separates the classes, or the intended one does
        not; it becomes a warning in ``problems``.

    Raises
    ------
    ConfigError
        If there are too few words for three splits, or the set is not what it says it is
        (:func:`stressnet.lab.separation.separation_problem`).
    AudioError
        If a word cannot be synthesised and there is no list of problems.
    """
    design = get_design(design)
    # The narrow band where F0 is among the cues.
    has_f0 = any(cue.startswith("f0") for cue in design.cue.split("+"))
    preset = NARROWBAND if has_f0 else get_preset("stressnet")
    words = draw_words(design, n, seed, voices, effect, problems=problems)
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
