"""Lab words: the truth holds what changes; the check of separation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stressnet.acoustics.spectrogram import SpectrogramPreset, get_preset
from stressnet.errors import ConfigError
from stressnet.lab.candidates import candidate_masks
from stressnet.lab.designs import DESIGNS, get_design
from stressnet.lab.drawing import PairTask, draw_plans
from stressnet.lab.drawn import (
    MAX_LEAK,
    Separation,
    auroc,
    drawn_set,
    leak_limit,
    separation_problem,
    separations,
)
from stressnet.lab.klatt import RATE_HZ, synthesise
from stressnet.lab.measured import MEASURES
from stressnet.lab.plans import LEAD_S, VOICES, WordPlan, true_phones, true_tracks
from stressnet.lab.truth import cue_truth, word_image, word_scene, word_times
from stressnet.lab.words import LabWord
from stressnet.lexicon.stress import Stress
from stressnet.regions.registry import get_regions

PRESET = get_preset("stressnet")
NARROW = SpectrogramPreset(name="narrow", window_s=0.050, n_fft=800, max_frequency_hz=3200.0)


def lab_word(design: str, stress: Stress, plan: WordPlan, audio: np.ndarray, pair: int) -> LabWord:
    phones = true_phones(plan, ("AH", "AH"))
    return LabWord(
        word_id=f"{design}-{pair}-{stress}",
        word=f"word-{pair}",
        design=design,
        voice=plan.voice.name,
        shape="CVCV",
        stress=stress,
        audio=audio,
        sample_rate_hz=RATE_HZ,
        start_s=LEAD_S,
        end_s=phones[-1].end_s,
        phones=phones,
        plan=plan,
        tracks=true_tracks(plan),
        measured={},
        pair=pair,
    )


def both_ends(design: str, voice: str = "birch", pair: int = 0) -> list[LabWord]:
    """A word with the cue at both ends and all else, noise included, equal."""
    drawn, _ = draw_plans(PairTask(get_design(design), pair, 5, VOICES[voice], 0, 1.0))
    plans = {stress: replace(plan, noise_seed=77) for stress, plan in drawn.items()}
    return [lab_word(design, s, plan, synthesise(plan), pair) for s, plan in plans.items()]


def change(words: list[LabWord], preset: SpectrogramPreset) -> np.ndarray:
    """Difference of both images on one scale with a knee 30 dB under the peak, in sound only."""
    magnitudes = [np.sqrt(word_image(word, preset).power) for word in words]
    scale = 10**1.5 / max(magnitude.max() for magnitude in magnitudes)
    first, second = (np.log1p(scale * magnitude) for magnitude in magnitudes)
    return np.abs(first - second)


@pytest.mark.parametrize(
    ("design", "preset"),
    [
        ("f1", PRESET),
        ("f2", PRESET),
        ("f3_v1", PRESET),
        ("reduction", PRESET),
        ("tilt", PRESET),
        ("consonant", PRESET),
        ("intensity", PRESET),
        ("f0_level", PRESET),
        ("f0_level", NARROW),
        ("f0_peak", NARROW),
        ("f1_relation", PRESET),
    ],
)
def test_what_changes_lies_in_the_truth(design: str, preset: SpectrogramPreset) -> None:
    words = both_ends(design)
    difference = change(words, preset)
    found = [cue_truth(word, preset) for word in words]
    truth, wide = found[0].truth | found[1].truth, found[0].wide | found[1].wide
    assert truth.any() and not (truth & ~wide).any()
    large = difference > 0.25 * difference.max()
    assert wide[large].mean() > 0.85
    assert difference[truth].mean() > 5 * difference[~wide].mean()
    assert difference[wide].sum() > 0.55 * difference.sum()
    # The same masks in the wrong place hold little of it, unless they cover most of the image.
    place = DESIGNS[design].rules[0].where
    if place != "relation":
        other = get_design("f1_v1" if place == 2 else "f1")
        wrong = cue_truth(words[0], preset, design=other).wide & ~wide
        assert difference[wrong].mean() < 0.25 * difference[truth].mean()


def test_duration_changes_nothing_before_the_vowel() -> None:
    words = both_ends("duration")
    scene = word_scene(words[0], PRESET)
    onset_s = scene.times.nuclei[1].start_s
    # Noise is drawn for the whole recording and differs with its length; vowels do not.
    first = scene.in_time(scene.times.nuclei[0]) >= 0.99
    difference = change(words, PRESET)
    found = [cue_truth(word, PRESET) for word in words]
    wide = found[0].wide | found[1].wide
    assert difference[:, first].mean() < 0.1 * difference[wide].mean()
    early = PRESET.axes().time_s < onset_s - PRESET.window_s
    assert not wide[:, early].any()
    assert wide[:, -1].all()  # padding moves too
    assert not found[0].truth[:, -1].any()
    assert DESIGNS["duration"].true_regions == ()


def test_regions_of_the_registry_follow_the_true_tracks() -> None:
    word = both_ends("f1")[1]
    scene = word_scene(word, PRESET)
    assert word_times(word).stress is word.stress
    (region,) = get_regions(["F1_stressed"])
    mask = region.mask(scene)
    assert isinstance(mask, np.ndarray)
    nucleus = scene.times.nuclei[1 if word.stress is Stress.FINAL else 0]
    frames = np.flatnonzero(scene.in_time(nucleus) > 0.99)
    f1_hz = scene.tracks.formants.at(scene.axes.time_s)[0][0]
    for frame in frames:
        assert mask[np.abs(scene.axes.frequency_hz - f1_hz[frame]).argmin(), frame] == 1.0
    assert mask[:, scene.in_time(nucleus) == 0].sum() == 0
    truth = cue_truth(word, PRESET).truth
    if word.stress is Stress.FINAL:
        assert np.array_equal(truth, (mask >= 0.5) & truth)


@pytest.mark.parametrize("name", [n for n, d in DESIGNS.items() if d.true_regions and "+" not in n])
def test_true_regions_lie_in_the_truth(name: str) -> None:
    word = both_ends(name)[1]
    scene = word_scene(word, PRESET)
    found = cue_truth(word, PRESET, scene=scene)
    masks = candidate_masks(scene)
    there = [masks[region] for region in get_design(name).true_regions if region in masks]
    assert there
    if name.startswith("consonant"):  # noise is a part of the consonant, its closure is not
        assert (found.truth & np.any(there, axis=0)).sum() >= 0.8 * found.truth.sum()
        return
    for mask in there:
        assert (mask & found.wide).sum() >= 0.9 * mask.sum()


def test_no_cue_has_no_truth() -> None:
    found = cue_truth(both_ends("none")[0], PRESET)
    assert not found.truth.any() and not found.wide.any()


def measured_only(design: str, n_pairs: int = 200, leak: float = 0.0) -> list[LabWord]:
    """Words without sound, measured as planned with errors."""
    rng = np.random.default_rng(2)
    words = []
    for pair in range(n_pairs):
        task = PairTask(get_design(design), pair, 0, VOICES["birch"], pair, 1.0)
        common = dict(zip(MEASURES, rng.normal(size=len(MEASURES)), strict=True))
        for stress, plan in draw_plans(task)[0].items():
            vowel = plan.vowels[1]
            row = {m: v + rng.normal(scale=0.05) for m, v in common.items()}
            row["log_f1_2"] = np.log(vowel.f1_hz)
            row["tilt_db_2"] = vowel.tilt_db + (leak if stress is Stress.FINAL else 0.0)
            word = lab_word(design, stress, plan, np.zeros(8, np.float32), pair)
            words.append(replace(word, measured=row))
    return words


def test_good_set_passes_and_leaky_sets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = measured_only("f1")
    rows = separations(good)
    assert separation_problem(good, rows) is None
    roles = {row.measure: row.role for row in rows}
    assert roles["log_f1_2"] == "intended" and roles["tilt_db_2"] == "other"
    assert roles["peripherality_2"] == "own" and roles["log_f1_1"] == "other"
    leaky = measured_only("f1", leak=1.5)
    monkeypatch.setattr("stressnet.lab.drawn.draw_words", lambda *_, **__: leaky)
    with pytest.raises(ConfigError, match=r"tilt_db_2 0\.\d+ \(other\).*refused"):
        drawn_set("f1", len(leaky), 0)
    no_cue = [replace(word, design="f3") for word in measured_only("none")]
    assert "log_f3_2" in str(separation_problem(no_cue, separations(no_cue)))
    mixed = [*good, *no_cue]
    with pytest.raises(ConfigError, match="one design"):
        separations(mixed)


def test_auroc_of_known_orders() -> None:
    positive = np.array([False, False, True, True])
    assert auroc(np.array([1.0, 2.0, 3.0, 4.0]), positive) == 1.0
    assert auroc(np.array([4.0, 3.0, 2.0, 1.0]), positive) == 0.0
    assert auroc(np.ones(4), positive) == 0.5
    assert np.isnan(auroc(np.ones(2), np.array([True, True])))


def test_limit_of_leaks_grows_as_chance_does_in_small_sets_only() -> None:
    assert leak_limit(1000) == leak_limit(300) == MAX_LEAK
    assert leak_limit(75) == pytest.approx(2 * MAX_LEAK)
    assert Separation("tilt_db_2", "other", 0.54).fails
    assert not Separation("tilt_db_2", "other", 0.54, leak_limit(75)).fails
    assert Separation("tilt_db_2", "other", float("nan")).fails
