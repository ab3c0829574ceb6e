"""Regions on known tokens: where masks lie, on any grid, and when they are missing."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stressnet.acoustics.spectrogram import get_preset
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.axes import Axes
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions import BandRule, Missing, Region, Scene, TokenTimes, get_regions, region
from stressnet.regions.partition import PARTITIONS, partition
from stressnet.regions.registry import REGIONS

PRESET = get_preset("stressnet")
FORMANTS_HZ = (500.0, 1500.0, 2500.0, 3500.0)


def flat_tracks(
    formants_hz: tuple[float, ...] = FORMANTS_HZ, f0_hz: float = 200.0, width_hz: float = 100.0
) -> Tracks:
    time_s = np.arange(-0.1, 1.2, 0.005)
    values = np.repeat(np.array(formants_hz)[:, None], len(time_s), axis=1)
    return Tracks(
        FormantTrack(time_s, values, np.full_like(values, width_hz)),
        PitchTrack(time_s, np.full(len(time_s), f0_hz)),
    )


def token_times(stress: Stress | None = Stress.FINAL) -> TokenTimes:
    """p-AE-m-IH-t in 0.40 s; nuclei 0.08-0.16 and 0.22-0.34."""
    limits = [0.0, 0.08, 0.16, 0.22, 0.34, 0.40]
    labels = ["P", "AE0", "M", "IH1", "T"]
    phones = [Interval(a, b, x) for a, b, x in zip(limits, limits[1:], labels, strict=False)]
    return TokenTimes.from_phones(phones, (1, 3), (0, 2), stress)


def make_scene(
    stress: Stress | None = Stress.FINAL,
    tracks: Tracks | None = None,
    axes: Axes | None = None,
    **fields: object,
) -> Scene:
    axes = axes or PRESET.axes()
    sound = axes.time_s <= 0.43
    scene = Scene(token_times(stress), tracks or flat_tracks(), axes, sound, PRESET.resolution_hz)
    return dataclasses.replace(scene, **fields)  # type: ignore[arg-type]


def mask_of(name: str, scene: Scene) -> np.ndarray:
    mask = REGIONS[name].mask(scene)
    assert not isinstance(mask, Missing), mask
    return mask


def other_grid() -> Axes:
    return Axes(np.arange(200) * 0.004 - 0.02, np.arange(300) * 21.5)


@pytest.mark.parametrize("axes", [PRESET.axes(), get_preset("allouche2025").axes(), other_grid()])
def test_durations_and_widths_do_not_depend_on_the_grid(axes: Axes) -> None:
    scene = make_scene(axes=axes)
    for name, duration_s in (("nucleus_1", 0.08), ("nucleus_2", 0.12), ("consonants", 0.20)):
        mask = mask_of(name, scene)
        assert mask[5].sum() * axes.time_step_s == pytest.approx(duration_s, abs=1e-9)
        assert np.ptp(mask, axis=0).max() == 0
    band = mask_of("F2", scene)
    frame = np.searchsorted(axes.time_s, 0.12)
    assert band[:, frame].sum() * axes.frequency_step_hz == pytest.approx(300.0)
    centre = (band[:, frame] * axes.frequency_hz).sum() / band[:, frame].sum()
    assert centre == pytest.approx(1500.0, abs=axes.frequency_step_hz / 2)
    assert band.sum() * axes.time_step_s * axes.frequency_step_hz == pytest.approx(300 * 0.2)


def test_time_regions_follow_the_stress() -> None:
    for stress, stressed, unstressed in ((Stress.INITIAL, 1, 2), (Stress.FINAL, 2, 1)):
        scene = make_scene(stress)
        for part in ("syllable", "nucleus"):
            for role, number in (("stressed", stressed), ("unstressed", unstressed)):
                np.testing.assert_array_equal(
                    mask_of(f"{part}_{role}", scene), mask_of(f"{part}_{number}", scene)
                )
    unknown = make_scene(None)
    for name in ("syllable_stressed", "nucleus_unstressed", "F1_stressed", "F0_unstressed"):
        mask = REGIONS[name].mask(unknown)
        assert isinstance(mask, Missing)
        assert "stress is unknown" in mask.reason
    mask_of("nucleus_1", unknown)


def test_the_parts_of_the_word_tile_the_sound() -> None:
    scene = make_scene()
    word = mask_of("word", scene)
    nuclei_and_rest = (
        mask_of("nucleus_1", scene) + mask_of("nucleus_2", scene) + mask_of("consonants", scene)
    )
    np.testing.assert_allclose(nuclei_and_rest, word, atol=1e-12)
    syllables = mask_of("syllable_1", scene) + mask_of("syllable_2", scene)
    np.testing.assert_allclose(syllables, word, atol=1e-12)
    everything = word + mask_of("context", scene) + mask_of("padding", scene)
    np.testing.assert_allclose(everything, 1, atol=1e-12)


def test_formants_stay_inside_their_nucleus() -> None:
    scene = make_scene()
    for k in range(1, 5):
        both = mask_of(f"F{k}", scene)
        assert np.all(both <= mask_of("nucleus_1", scene) + mask_of("nucleus_2", scene) + 1e-12)
        parts = mask_of(f"F{k}_stressed", scene) + mask_of(f"F{k}_unstressed", scene)
        np.testing.assert_allclose(parts, both, atol=1e-12)


def test_moving_formants_move_the_band() -> None:
    tracks = flat_tracks()
    rising = tracks.formants.frequency_hz.copy()
    rising[1] = 1000 + 2000 * tracks.formants.time_s
    tracks = Tracks(
        FormantTrack(tracks.formants.time_s, rising, tracks.formants.bandwidth_hz), tracks.pitch
    )
    scene = make_scene(tracks=tracks)
    band = mask_of("F2", scene)
    for time_s in (0.10, 0.14, 0.24, 0.32):
        column = band[:, np.argmin(abs(scene.axes.time_s - time_s))]
        centre = (column * scene.axes.frequency_hz).sum() / column.sum()
        assert centre == pytest.approx(1000 + 2000 * time_s, abs=20)


def test_band_rules() -> None:
    frame = np.argmin(abs(PRESET.axes().time_s - 0.12))

    def width_hz(rule: BandRule, name: str = "F1", width: float = 100.0) -> float:
        scene = make_scene(tracks=flat_tracks(width_hz=width), bands=rule)
        return mask_of(name, scene)[:, frame].sum() * 40.0

    assert width_hz(BandRule()) == pytest.approx(200)
    assert width_hz(BandRule("fixed-bins", half_width_bins=3)) == pytest.approx(240)
    assert width_hz(BandRule("bandwidth"), width=300.0) == pytest.approx(300)
    assert width_hz(BandRule("bandwidth"), width=5000.0, name="F4") == pytest.approx(1000)
    assert width_hz(BandRule("bandwidth"), width=20.0) == pytest.approx(3 * 40)  # 1.5 bins
    with pytest.raises(ConfigError, match="band rule"):
        BandRule("wide")  # type: ignore[arg-type]


def test_unmeasured_formants_are_missing() -> None:
    tracks = flat_tracks()
    gone = tracks.formants.frequency_hz.copy()
    gone[2] = np.nan
    gone[3, tracks.formants.time_s > 0.2] = np.nan
    tracks = Tracks(
        FormantTrack(tracks.formants.time_s, gone, tracks.formants.bandwidth_hz), tracks.pitch
    )
    scene = make_scene(tracks=tracks)  # stress is final: the second nucleus is the stressed one
    assert isinstance(REGIONS["F3"].mask(scene), Missing)
    assert isinstance(REGIONS["F4_stressed"].mask(scene), Missing)
    mask_of("F4_unstressed", scene)
    silent = make_scene(tracks=Tracks.missing())
    for name in ("F1", "F0", "H2"):
        assert isinstance(REGIONS[name].mask(silent), Missing)
    mask_of("nucleus_1", silent)


def test_harmonics_only_where_the_window_resolves_them() -> None:
    low = REGIONS["F0"].mask(make_scene(tracks=flat_tracks(f0_hz=110.0)))
    assert isinstance(low, Missing)
    assert "does not resolve harmonics below 120 Hz" in low.reason
    narrow = make_scene(tracks=flat_tracks(f0_hz=110.0), resolution_hz=40.0)
    mask_of("F0", narrow)

    scene = make_scene(tracks=flat_tracks(f0_hz=200.0))
    comb = [mask_of(name, scene) for name in ("F0", "H2", "H3", "H4", "H5")]
    assert np.sum(comb, axis=0).max() <= 1 + 1e-12  # harmonics do not overlap
    frame = np.argmin(abs(scene.axes.time_s - 0.12))
    for number, band in enumerate(comb, start=1):
        column = band[:, frame]
        assert (column * scene.axes.frequency_hz).sum() / column.sum() == pytest.approx(
            200.0 * number, abs=1
        )
    unvoiced = make_scene(tracks=flat_tracks(f0_hz=np.nan))
    mask = REGIONS["F0"].mask(unvoiced)
    assert isinstance(mask, Missing)
    assert "unvoiced" in mask.reason


def test_balance_bands_tile_four_kilohertz() -> None:
    scene = make_scene()
    names = [name for name in REGIONS if name.startswith("band_") and name.endswith("_hz")]
    assert len(names) == 4
    total = np.sum([mask_of(name, scene) for name in names], axis=0)
    low = scene.axes.frequency_hz < 3980
    np.testing.assert_allclose(total[low], mask_of("word", scene)[low], atol=1e-12)
    assert total[scene.axes.frequency_hz > 4020].max() == 0


def test_what_an_image_does_not_hold_is_missing() -> None:
    full = make_scene(sound=np.ones(101, dtype=bool))
    assert isinstance(REGIONS["padding"].mask(full), Missing)
    axes = get_preset("allouche2025").axes()
    cut_out = make_scene(axes=axes, sound=axes.time_s <= 0.40)
    assert isinstance(REGIONS["context"].mask(cut_out), Missing)
    short = Axes(np.arange(20) * 0.01 - 0.03, PRESET.axes().frequency_hz)
    truncated = make_scene(axes=short, sound=np.ones(20, dtype=bool))
    gone = REGIONS["nucleus_2"].mask(truncated)
    assert isinstance(gone, Missing)
    assert gone.reason == "outside the image"


@pytest.mark.parametrize("name", sorted(PARTITIONS))
@pytest.mark.parametrize("stress", [Stress.INITIAL, Stress.FINAL, None])
def test_partitions_give_every_cell_once(name: str, stress: Stress | None) -> None:
    masks = partition(make_scene(stress), name)
    np.testing.assert_array_equal(np.sum(list(masks.values()), axis=0), 1)
    if name in ("time", "syllables", "formants"):
        assert ("rest" in masks) == (stress is None)


def test_precedence_in_a_partition() -> None:
    scene = make_scene()
    masks = partition(scene, ["F1_stressed", "nucleus_stressed"])
    assert np.all(masks["F1_stressed"] * masks["nucleus_stressed"] == 0)
    assert masks["F1_stressed"].sum() > 0
    with pytest.raises(ConfigError, match="no partition"):
        partition(scene, "colours")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.02, 0.3), min_size=4, max_size=8),
    st.floats(0, 0.009),
    st.booleans(),
    st.floats(120, 900),
)
def test_any_word_gives_valid_masks(
    durations: list[float], offset_s: float, final: bool, f1_hz: float
) -> None:
    limits = np.r_[0.0, np.cumsum(durations)]
    phones = [Interval(a, b, "x") for a, b in pairwise(limits)]
    stress = Stress.FINAL if final else Stress.INITIAL
    times = TokenTimes.from_phones(phones, (0, 2), (0, 1), stress)
    axes = Axes(PRESET.axes().time_s + offset_s, PRESET.axes().frequency_hz)
    scene = make_scene(
        stress,
        tracks=flat_tracks((f1_hz, 1500, 2500, 3500)),
        axes=axes,
        times=times,
        sound=axes.time_s < limits[-1],
    )
    for item in get_regions():
        mask = item.mask(scene)
        if not isinstance(mask, Missing):
            assert mask.min() >= 0
            assert mask.max() <= 1 + 1e-9
            if item.name != "padding":
                assert np.all(mask[:, ~scene.sound] == 0)
    for name in PARTITIONS:
        np.testing.assert_array_equal(np.sum(list(partition(scene, name).values()), axis=0), 1)


def test_a_user_adds_a_region() -> None:
    try:

        @region("first_50_ms", "the first 50 ms of the word")
        def first(scene: Scene) -> np.ndarray:
            return np.outer(scene.in_band(0, 8000), scene.in_time(Interval(0.0, 0.05, "")))

        mask = mask_of("first_50_ms", make_scene())
        assert mask[0].sum() * 0.01 == pytest.approx(0.05)
        with pytest.raises(ConfigError, match="already a region"):
            region("first_50_ms", "again")(first)
    finally:
        REGIONS.pop("first_50_ms", None)


def test_broken_mask_functions_are_named() -> None:
    scene = make_scene()
    wrong_shape = Region("r", "d", lambda s: np.ones((3, 3)))
    with pytest.raises(ConfigError, match="mask of region 'r'"):
        wrong_shape.mask(scene)
    wrong_values = Region("r", "d", lambda s: np.full(s.axes.shape, 2.0))
    with pytest.raises(ConfigError, match="outside"):
        wrong_values.mask(scene)
    with pytest.raises(ConfigError, match="no region 'tongue'"):
        get_regions(["tongue"])
    with pytest.raises(ConfigError, match="two syllables"):
        TokenTimes.from_phones(
            [Interval(0, 0.1, "a"), Interval(0.1, 0.2, "b")], (0, 1), (0, 0), None
        )
    with pytest.raises(ConfigError, match="padding mask"):
        make_scene(sound=np.ones(7, dtype=bool))
