"""A toy set: noise with a brighter band at a known place, without synthesis or sound.

What the measures of the lab say about it is known in advance, so it tests them. It says nothing
about speech.
"""

from __future__ import annotations

import numpy as np

from stressnet.acoustics.spectrogram import SpectrogramPreset, get_preset
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.lab.candidates import grown
from stressnet.lab.labset import LabSet
from stressnet.lexicon.stress import CLASSES
from stressnet.regions.scene import Scene, TokenTimes

_FORMANTS_HZ = ((300.0, 750.0), (1000.0, 2000.0), (2400.0, 2900.0), (3500.0, 4100.0))
"""Ranges that F1 to F4 are drawn from."""

_N_VOICES = 6


def planted_set(
    n: int = 240, *, strength: float = 1.0, seed: int = 0, preset: SpectrogramPreset | None = None
) -> LabSet:
    """Noise in which F1 of the first vowel is brighter in one class than in the other.

    Parameters
    ----------
    n : int
        Words; half of them train, a sixth validate, a third test.
    strength : float
        By how many standard deviations of the noise it differs from the rest; 0 is a set without
        a cue.

    Raises
    ------
    ConfigError
        If there are too few words.
    """
    if n < 12:
        raise ConfigError(f"{n} words are too few for three splits; draw at least 12")
    rng = np.random.default_rng(seed)
    preset = preset or get_preset("stressnet")
    axes = preset.axes()
    labels = rng.permutation(np.arange(n) % 2)
    splits = np.array(["train"] * (n // 2) + ["valid"] * (n // 6), dtype="<U5")
    splits = np.concatenate([splits, np.full(n - len(splits), "test")])
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
    times = TokenTimes.from_phones(phones, (1, 3), 2, CLASSES[label])
    axes = preset.axes()
    sound = axes.time_s <= edges[-1] + preset.margin_s
    time_s = np.arange(0.0, edges[-1], 0.005)
    second = time_s >= edges[2]
    drawn = np.array([[rng.uniform(*limits) for limits in _FORMANTS_HZ] for _ in range(2)])
    formants = np.where(second, drawn[1][:, None], drawn[0][:, None])
    pitch = PitchTrack(time_s, np.full(len(time_s), rng.uniform(110, 240)))
    tracks = Tracks(FormantTrack(time_s, formants, np.full_like(formants, 100.0)), pitch)
    return Scene(times, tracks, axes, sound, preset.resolution_hz)
