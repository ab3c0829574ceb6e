"""Relevance within regions: known shares, densities, orientation, nulls."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from stressnet.acoustics.spectrogram import get_preset
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions import Scene, TokenTimes
from stressnet.regions.nulls import draw_partners, exchange_times, exchange_tracks
from stressnet.regions.partition import partition
from stressnet.regions.projection import MEASURES, NULL_MEASURES, project_map, project_masks
from stressnet.regions.registry import REGIONS, get_regions

PRESET = get_preset("stressnet")


def project(*args: Any, **options: Any) -> list[Any]:
    """One record per region."""
    return project_map(*args, **options).records()


def make_scene(
    rng: np.random.Generator | None = None, stress: Stress | None = Stress.INITIAL
) -> Scene:
    """A CVCVC token; with ``rng`` its durations, formants and F0 are drawn."""
    draw = rng.uniform if rng else lambda low, high: 0.5 * (low + high)
    limits = np.r_[0.0, np.cumsum([draw(0.05, 0.12) for _ in range(5)])]
    phones = [Interval(a, b, "x") for a, b in pairwise(limits)]
    time_s = np.arange(-0.1, 1.0, 0.005)
    formants = np.array([draw(300, 800), draw(900, 2200), draw(2300, 2900), draw(3200, 4200)])
    values = np.repeat(formants[:, None], len(time_s), axis=1)
    # the second vowel differs from the first
    values += 200 * (time_s > 0.5 * (limits[2] + limits[3]))
    tracks = Tracks(
        FormantTrack(time_s, values, np.full_like(values, 90.0)),
        PitchTrack(time_s, np.full(len(time_s), draw(150, 250))),
    )
    axes = PRESET.axes()
    return Scene(
        TokenTimes.from_phones(phones, (1, 3), (0, 2), stress),
        tracks,
        axes,
        axes.time_s <= limits[-1] + 0.03,
        PRESET.resolution_hz,
    )


def by_region(records: list[dict]) -> dict[str, dict]:
    return {record["region"]: record for record in records}


def test_relevance_inside_a_region_has_share_one_there() -> None:
    scene = make_scene()
    relevance = np.asarray(REGIONS["F2_stressed"].mask(scene))
    records = by_region(project(relevance, scene))
    # Cells at the border belong to the region in part, and count in part.
    inside = (relevance**2).sum() / relevance.sum()
    assert records["F2_stressed"]["positive_share"] == pytest.approx(inside)
    whole = by_region(project((relevance == 1).astype(float), scene))
    for name in ("F2_stressed", "F2", "nucleus_stressed", "nucleus_1", "syllable_1", "word"):
        for measure in ("signed_share", "net_share", "positive_share", "absolute_share"):
            assert whole[name][measure] == pytest.approx(1.0)
    for name in ("F1", "F2_unstressed", "nucleus_2", "consonants", "context", "padding"):
        assert whole[name]["positive_share"] == 0
    area = whole["nucleus_stressed"]["area_share"]
    assert whole["nucleus_stressed"]["density"] == pytest.approx(1 / area)


def test_even_relevance_has_density_one_everywhere() -> None:
    scene = make_scene()
    even = np.repeat(scene.sound.astype(float)[None], 161, axis=0)
    for record in project(even, scene):
        if not record["missing"]:
            expected = 0.0 if record["region"] == "padding" else 1.0
            assert record["density"] == pytest.approx(expected), record["region"]
    # On padding too: what lies there does not dilute the density of the sound's regions.
    for record in project(np.ones((161, 101)), scene):
        assert record["missing"] or record["density"] == pytest.approx(1.0)


def test_shares_of_a_partition_add_up() -> None:
    rng = np.random.default_rng(0)
    scene = make_scene()
    relevance = rng.standard_normal((161, 101)) + 0.2
    power = rng.random((161, 101))
    for name in ("time", "syllables", "formants"):
        records = project_masks(relevance, scene, partition(scene, name), power=power)
        for measure in ("net_share", "positive_share", "absolute_share", "area_share_image"):
            assert sum(r[measure] for r in records) == pytest.approx(1.0)
        for measure in ("area_share", "energy_share"):
            assert sum(r[measure] for r in records) == pytest.approx(1.0)
        total = relevance.sum() / np.abs(relevance).sum()
        assert sum(r["signed_share"] for r in records) == pytest.approx(total)


def test_areas() -> None:
    scene = make_scene()
    records = by_region(project(np.ones((161, 101)), scene))
    n_sound, word = scene.sound.sum(), scene.in_time(scene.times.word).sum()
    nucleus = scene.nuclei_cover[0].sum()
    record = records["nucleus_1"]
    assert record["area_share"] == pytest.approx(nucleus / n_sound)
    assert record["area_share_image"] == pytest.approx(nucleus / 101)
    assert record["area_share_word"] == pytest.approx(nucleus / word)
    assert records["padding"]["area_share"] == 0
    assert records["padding"]["area_share_image"] == pytest.approx(1 - n_sound / 101)


def test_energy() -> None:
    scene = make_scene()
    power = np.zeros((161, 101))
    frame = np.argmin(abs(scene.axes.time_s - scene.times.nuclei[0].middle_s))
    power[:, frame] = 3.0
    power[:, 100] = 1e6  # padding has no energy
    records = by_region(project(np.ones((161, 101)), scene, power=power))
    assert records["nucleus_1"]["energy_share"] == pytest.approx(1)
    assert records["nucleus_2"]["energy_share"] == 0
    assert np.isnan(records["nucleus_2"]["density_energy"])
    assert np.isnan(by_region(project(power, scene))["nucleus_1"]["energy_share"])


def test_orientation_is_towards_the_tokens_class() -> None:
    relevance = np.random.default_rng(1).standard_normal((161, 101))
    initial = by_region(project(relevance, make_scene(stress=Stress.INITIAL)))
    final = by_region(project(-relevance, make_scene(stress=Stress.FINAL)))
    assert final["nucleus_1"]["positive_share"] == initial["nucleus_1"]["positive_share"]
    assert final["nucleus_1"]["signed_share"] == initial["nucleus_1"]["signed_share"]
    raw = by_region(project(relevance, make_scene(stress=Stress.FINAL), positive_for=None))
    assert raw["nucleus_1"]["positive_share"] == initial["nucleus_1"]["positive_share"]
    with pytest.raises(ConfigError, match="stress is unknown"):
        project(relevance, make_scene(stress=None))


def test_cancelling_relevance_has_no_net_share() -> None:
    relevance = np.zeros((161, 101))
    relevance[10, 10], relevance[20, 20] = 1.0, -1.0
    record = project(relevance, make_scene(), regions=["word"])[0]
    assert np.isnan(record["net_share"])
    assert record["signed_share"] == 0
    empty = project(np.zeros((161, 101)), make_scene(), regions=["word"])[0]
    assert np.isnan(empty["positive_share"])
    assert np.isnan(empty["density"])


def test_records_have_all_columns_and_reasons() -> None:
    scene = make_scene()
    silent = dataclasses.replace(scene, tracks=Tracks.missing())
    records = by_region(project(np.ones((161, 101)), silent, donors=[scene]))
    assert set(records) == {region.name for region in get_regions()}
    columns = {"region", "missing", *MEASURES, *(f"null_{m}" for m in NULL_MEASURES)}
    assert all(set(record) == columns for record in records.values())
    assert "not found" in records["F1"]["missing"]
    assert np.isnan(records["F1"]["density"])
    assert np.isnan(records["F1"]["null_density"])  # nothing to compare with


def test_bad_relevance_is_refused() -> None:
    with pytest.raises(ConfigError, match="shape"):
        project(np.ones((101, 161)), make_scene())
    with pytest.raises(ConfigError, match="not finite"):
        project(np.full((161, 101), np.nan), make_scene())


def test_null_has_ratio_one_on_random_maps_and_less_on_true_ones() -> None:
    rng = np.random.default_rng(2)
    n = 60
    scenes = [make_scene(rng, stress=Stress.INITIAL if k % 2 else Stress.FINAL) for k in range(n)]
    partner = draw_partners([s.times.word.duration_s for s in scenes], rng)
    names = ["F1", "F2_stressed", "F3", "F0", "nucleus_stressed", "consonants"]
    noise, aligned = [], []
    for scene, donor in zip(scenes, partner, strict=True):
        random_map = rng.random((161, 101)) * scene.sound
        options = {"regions": names, "donors": [scenes[donor]], "positive_for": None}
        noise.append(by_region(project(random_map, scene, **options)))
        peaked = np.asarray(REGIONS["F2"].mask(scene)) + 0.01 * random_map
        aligned.append(by_region(project(peaked, scene, **options)))
    for name in names:
        observed = np.nanmean([r[name]["density"] for r in noise])
        null = np.nanmean([r[name]["null_density"] for r in noise])
        assert observed / null == pytest.approx(1.0, abs=0.05), name
    observed = np.nanmean([r["F2_stressed"]["density"] for r in aligned])
    null = np.nanmean([r["F2_stressed"]["null_density"] for r in aligned])
    assert observed / null > 2


def test_exchanged_tracks_keep_the_time_and_change_the_frequency() -> None:
    rng = np.random.default_rng(4)
    own, donor = make_scene(rng), make_scene(rng)
    exchanged = exchange_tracks(own, donor)
    assert exchanged.times == own.times
    for k in range(1, 5):
        a = np.asarray(REGIONS[f"F{k}"].mask(own))
        b = np.asarray(REGIONS[f"F{k}"].mask(exchanged))
        np.testing.assert_allclose(a.sum(axis=0), b.sum(axis=0), atol=1e-9)
    for number in (0, 1):
        middle = np.array([own.times.nuclei[number].middle_s])
        there = np.array([donor.times.nuclei[number].middle_s])
        np.testing.assert_allclose(
            exchanged.tracks.formants.at(middle)[0], donor.tracks.formants.at(there)[0], rtol=1e-6
        )
    itself = exchange_tracks(own, own)
    frames = own.nuclei_cover.sum(axis=0) > 0
    np.testing.assert_allclose(
        itself.formants_at_frames[0][:, frames], own.formants_at_frames[0][:, frames], rtol=1e-6
    )


def test_exchange_matches_stressed_with_stressed() -> None:
    own = make_scene(stress=Stress.INITIAL)
    donor = make_scene(stress=Stress.FINAL)
    exchanged = exchange_tracks(own, donor)
    stressed = np.array([own.times.nuclei[0].middle_s])
    there = np.array([donor.times.nuclei[1].middle_s])
    np.testing.assert_allclose(
        exchanged.tracks.formants.at(stressed)[0], donor.tracks.formants.at(there)[0], rtol=1e-6
    )


def test_neighbouring_vowels_do_not_reach_into_each_other() -> None:
    phones = [Interval(0.0, 0.1, "AY1"), Interval(0.1, 0.2, "AH0")]
    times = TokenTimes.from_phones(phones, (0, 1), (0, 1), Stress.INITIAL)
    own = dataclasses.replace(make_scene(), times=times)
    exchanged = exchange_tracks(own, make_scene(np.random.default_rng(0)))
    assert np.all(np.diff(exchanged.tracks.formants.time_s) > 0)
    assert not isinstance(REGIONS["F1"].mask(exchanged), str)


def test_exchanged_times_keep_stress_and_sound() -> None:
    rng = np.random.default_rng(4)
    own, donor = make_scene(rng), make_scene(rng, Stress.FINAL)
    exchanged = exchange_times(own, donor)
    assert exchanged.times.nuclei == donor.times.nuclei
    assert exchanged.times.stress is own.times.stress
    np.testing.assert_array_equal(exchanged.sound, own.sound)


def test_partners_are_others_of_like_duration_and_other_words() -> None:
    rng = np.random.default_rng(0)
    duration = rng.uniform(0.2, 0.9, 300)
    words = rng.integers(0, 40, 300).astype(str)
    sexes = np.where(rng.random(300) < 0.5, "F", "M")
    partner = draw_partners(duration, rng, groups=words, strata=[sexes], block=20)
    assert sorted(partner) == list(range(300))
    assert np.all(partner != np.arange(300))
    assert np.array_equal(sexes, sexes[partner])
    assert np.abs(duration - duration[partner]).mean() < 0.06
    assert np.mean(words == words[partner]) < 0.01
    again = draw_partners(
        duration, np.random.default_rng(5), groups=words, strata=[sexes], block=20
    )
    same = draw_partners(duration, np.random.default_rng(5), groups=words, strata=[sexes], block=20)
    np.testing.assert_array_equal(again, same)


@pytest.mark.parametrize("n", [2, 3, 5, 33])
@pytest.mark.parametrize("strata", [None, "one-apart"])
def test_small_sets_still_have_partners(n: int, strata: str | None) -> None:
    levels = [] if strata is None else [["?"] + ["M"] * (n - 1)]
    partner = draw_partners(np.ones(n), np.random.default_rng(0), strata=levels)
    assert sorted(partner) == list(range(n))
    assert np.all(partner != np.arange(n))


def test_one_token_has_no_partner() -> None:
    with pytest.raises(ConfigError, match="at least two"):
        draw_partners([0.3], np.random.default_rng(0))
