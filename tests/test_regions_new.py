"""Parts of syllables, manners, valleys, combs, localisation, nulls, partners, own regions."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stressnet.acoustics.spectrogram import get_preset
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.errors import ConfigError
from stressnet.explain.faithfulness.map_measures import (
    pointing_game,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
)
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions import (
    BandRule,
    Missing,
    Region,
    Scene,
    Stretch,
    TokenTimes,
    get_regions,
    load_regions,
)
from stressnet.regions.nulls import (
    applies,
    draw_partners,
    matched_share,
    rotate_mask,
    rotate_tracks,
)
from stressnet.regions.partition import PARTITIONS, partition
from stressnet.regions.projection import MEASURES, project_map, project_masks
from stressnet.regions.registry import HOSTS, REGIONS

PRESET = get_preset("stressnet")
DOCS = Path(__file__).parents[1] / "docs" / "regions.md"

# S-T-R-IH1-K-CH-AH0-N: two onsets, two codas, every manner but glides and liquids' company
LABELS = ["S", "T", "R", "IH1", "K", "CH", "AH0", "N"]
LIMITS = [0.0, 0.08, 0.13, 0.18, 0.28, 0.34, 0.42, 0.50, 0.60]


def project(*args: Any, **options: Any) -> list[Any]:
    """One record per region."""
    return project_map(*args, **options).records()


def make_scene(
    labels: list[str] | None = None,
    nuclei: tuple[int, int] = (3, 6),
    boundary: int = 5,
    f0_hz: float = 200.0,
    beside: tuple[Interval, ...] | None = None,
    moving: bool = False,
) -> Scene:
    labels = labels or LABELS
    phones = [Interval(LIMITS[i], LIMITS[i + 1], x) for i, x in enumerate(labels)]
    times = TokenTimes.from_phones(phones, nuclei, (0, boundary), Stress.INITIAL, beside=beside)
    time_s = np.arange(-0.1, 1.0, 0.005)
    values = np.repeat(np.array([500.0, 1500.0, 2500.0, 3500.0])[:, None], len(time_s), axis=1)
    if moving:
        values += np.where(time_s > 0.35, 250.0, 0.0)
    tracks = Tracks(
        FormantTrack(time_s, values, np.full_like(values, 90.0)),
        PitchTrack(time_s, np.full(len(time_s), f0_hz)),
    )
    axes = PRESET.axes()
    sound = axes.time_s <= 0.63
    return Scene(times, tracks, axes, sound, PRESET.resolution_hz)


def mask_of(name: str, scene: Scene) -> np.ndarray:
    mask = REGIONS[name].mask(scene)
    assert not isinstance(mask, Missing), mask
    return mask


def seconds(name: str, scene: Scene) -> float:
    return float(mask_of(name, scene)[5].sum() * scene.axes.time_step_s)


def reason(name: str, scene: Scene) -> str:
    mask = REGIONS[name].mask(scene)
    assert isinstance(mask, Missing), name
    return mask.reason


def test_onsets_and_codas_of_each_syllable() -> None:
    scene = make_scene()
    durations = {"onset_1": 0.18, "coda_1": 0.06, "onset_2": 0.08, "coda_2": 0.10}
    for name, duration_s in durations.items():
        assert seconds(name, scene) == pytest.approx(duration_s), name
    assert seconds("onset_stressed", scene) == pytest.approx(0.18)
    assert seconds("coda_unstressed", scene) == pytest.approx(0.10)
    for which in ("1", "2"):
        parts = [mask_of(f"{part}_{which}", scene) for part in ("onset", "nucleus", "coda")]
        np.testing.assert_allclose(np.sum(parts, axis=0), mask_of(f"syllable_{which}", scene))
    together = mask_of("consonants_stressed", scene) + mask_of("consonants_unstressed", scene)
    np.testing.assert_allclose(together, mask_of("consonants", scene))
    open_ = make_scene(["IH1", "K", "AH0"], (0, 2), 1)
    assert reason("onset_1", open_) == "the syllable has no onset"
    assert reason("coda_2", open_) == "the syllable has no coda"


def test_manners_tile_the_consonants() -> None:
    scene = make_scene()
    expected = {
        "stops": 0.05 + 0.06,
        "fricatives": 0.08,
        "affricates": 0.08,
        "nasals": 0.10,
        "liquids": 0.05,
    }
    for name, duration_s in expected.items():
        assert seconds(name, scene) == pytest.approx(duration_s), name
    assert reason("glides", scene) == "the word has no glides"
    total = np.sum([mask_of(name, scene) for name in expected], axis=0)
    np.testing.assert_allclose(total, mask_of("consonants", scene), atol=1e-12)


def test_closures_only_from_alignments_that_label_them() -> None:
    assert "does not tell closures" in reason("closures", make_scene())
    assert "no stops" in reason("bursts", make_scene(["S", "IH1", "S", "AH0"], (1, 3), 2))
    timit = make_scene(["TCL", "T", "IH1", "KCL", "K", "AH0"], (2, 5), 3)
    assert seconds("closures", timit) == pytest.approx(0.08 + 0.10)
    assert seconds("bursts", timit) == pytest.approx(0.05 + 0.06)
    assert seconds("stops", timit) == pytest.approx(0.08 + 0.05 + 0.10 + 0.06)


def test_full_and_reduced_vowels() -> None:
    scene = make_scene()
    np.testing.assert_array_equal(mask_of("vowel_full", scene), mask_of("nucleus_1", scene))
    np.testing.assert_array_equal(mask_of("vowel_reduced", scene), mask_of("nucleus_2", scene))
    full = make_scene(["IH1", "K", "IY0"], (0, 2), 1)
    assert "no reduced vowel" in reason("vowel_reduced", full)
    assert "stress digits" in reason("vowel_full", make_scene(["IH", "K", "AH"], (0, 2), 1))
    timit = make_scene(["IH1", "K", "AX"], (0, 2), 1)  # reduced by its name, without a digit
    np.testing.assert_array_equal(mask_of("vowel_reduced", timit), mask_of("nucleus_2", timit))


def test_silence_and_other_words_divide_the_context() -> None:
    beside = (Interval(-0.5, 0.0, ""), Interval(0.60, 0.9, "NEXT"))
    scene = make_scene(beside=beside)
    parts = mask_of("silence", scene) + mask_of("other_words", scene)
    np.testing.assert_allclose(parts, mask_of("context", scene), atol=1e-12)
    assert mask_of("silence", scene)[0, scene.axes.time_s > 0].max() == 0
    assert "not known" in reason("silence", make_scene())


def test_formants_and_valleys_tile_the_vowel() -> None:
    scene = make_scene()
    names = ["below_F1", "F1", "valley_F1_F2", "F2", "valley_F2_F3", "F3", "valley_F3_F4", "F4"]
    names.append("above_F4")
    for suffix, whole in (("", "nuclei"), ("_stressed", "nucleus_1"), ("_unstressed", "nucleus_2")):
        total = np.sum([mask_of(name + suffix, scene) for name in names], axis=0)
        np.testing.assert_allclose(total, mask_of(whole, scene), atol=1e-9)
    near = dataclasses.replace(scene, bands=BandRule("fixed-hz", (600.0, 600.0, 200.0, 200.0)))
    assert "nothing between" in reason("valley_F1_F2", near)


def test_harmonic_comb_and_its_gaps() -> None:
    scene = make_scene()
    comb, gaps = mask_of("harmonics", scene), mask_of("between_harmonics", scene)
    assert (comb * gaps).max() < 1  # cells at a border belong to both in part
    assert (comb + gaps).max() <= 1 + 1e-9
    frame = np.argmin(abs(scene.axes.time_s - 0.23))
    hz = scene.axes.frequency_step_hz
    assert comb[:, frame].sum() * hz == pytest.approx(10 * 100.0)
    assert gaps[:, frame].sum() * hz == pytest.approx(9 * 100.0)
    assert "does not resolve" in reason("harmonics", make_scene(f0_hz=100.0))


def test_band_rules_as_typed() -> None:
    assert BandRule.parse("fixed-hz") == BandRule()
    assert BandRule.parse("fixed-hz:80") == BandRule("fixed-hz", (80.0,) * 4)
    assert BandRule.parse("fixed-hz:*2").half_width_hz == (200.0, 300.0, 400.0, 500.0)
    assert BandRule.parse("fixed-bins:3").half_width_bins == 3
    assert BandRule.parse("bandwidth:250").max_half_width_hz == 250
    for text in ("fixed-hz:80", "fixed-bins:3", "bandwidth:250", "fixed-hz:1,2,3,4"):
        assert str(BandRule.parse(text)) in (text, "fixed-hz:80,80,80,80")
        assert BandRule.parse(str(BandRule.parse(text))) == BandRule.parse(text)
    for text in ("wide", "fixed-hz:1,2", "fixed-hz:a", "fixed-bins:*2,3", "fixed-hz:-5", ""):
        with pytest.raises(ConfigError, match="band"):
            BandRule.parse(text)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(sorted(PARTITIONS)), st.booleans(), st.booleans())
def test_shares_of_every_partition_add_to_one(
    seed: int, name: str, split_cells: bool, moving: bool
) -> None:
    rng = np.random.default_rng(seed)
    scene = make_scene(moving=moving, f0_hz=float(rng.uniform(80, 300)))
    masks = partition(scene, name, split_cells=split_cells)
    np.testing.assert_allclose(np.sum(list(masks.values()), axis=0), 1, atol=1e-9)
    relevance = rng.standard_normal(scene.axes.shape)
    records = project_masks(relevance, scene, masks, power=rng.random(scene.axes.shape))
    for measure in ("positive_share", "absolute_share", "area_share", "energy_share"):
        assert sum(r[measure] for r in records) == pytest.approx(1.0)
    signed = relevance.sum() / np.abs(relevance).sum()
    assert sum(r["signed_share"] for r in records) == pytest.approx(signed)


def test_split_cells_keep_areas_exact() -> None:
    scene = make_scene()
    masks = partition(scene, "parts", split_cells=True)
    for name in ("onset_stressed", "nucleus_unstressed", "coda_stressed"):
        np.testing.assert_allclose(masks[name], mask_of(name, scene), atol=1e-12)


def test_shares_within_the_nucleus() -> None:
    scene = make_scene()
    rng = np.random.default_rng(3)
    relevance = rng.random(scene.axes.shape)
    found = {r["region"]: r for r in project(relevance, scene)}
    inside = {name: mask_of(name, scene) for name in ("F2_stressed", "nucleus_1", "F1", "nuclei")}
    for name, host in (("F2_stressed", "nucleus_1"), ("F1", "nuclei")):
        share = (relevance * inside[name]).sum() / (relevance * inside[host]).sum()
        area = inside[name].sum() / inside[host].sum()
        assert found[name]["share_in_nucleus"] == pytest.approx(share)
        assert found[name]["signed_share_in_nucleus"] == pytest.approx(share)
        assert found[name]["area_share_in_nucleus"] == pytest.approx(area)
        assert found[name]["density_in_nucleus"] == pytest.approx(share / area)
    assert np.isnan(found["consonants"]["share_in_nucleus"])
    vowel = ["F1", "F2", "F3", "F4", "below_F1", "above_F4"]
    vowel += [f"valley_F{k}_F{k + 1}" for k in (1, 2, 3)]
    total = sum(found[f"{name}_stressed"]["share_in_nucleus"] for name in vowel)
    assert total == pytest.approx(1.0)
    assert {r.within for r in get_regions()} - {None} <= set(HOSTS)


@pytest.mark.parametrize("ties", [False, True])
def test_localisation_equals_the_metrics_of_faithfulness(ties: bool) -> None:
    scene = make_scene()
    rng = np.random.default_rng(5)
    relevance = rng.standard_normal(scene.axes.shape)
    if ties:
        relevance = np.round(relevance)
    found = {r["region"]: r for r in project(relevance, scene)}
    cells = torch.from_numpy(np.broadcast_to(scene.sound, scene.axes.shape).copy())[None, None]
    maps = torch.from_numpy(relevance)[None, None]
    tolerance = (2, 2)  # 80 Hz and 20 ms
    for name in ("nucleus_1", "stops", "F1", "F4_stressed", "valley_F1_F2", "band_500_1000_hz"):
        mask = torch.from_numpy(np.ascontiguousarray(mask_of(name, scene)))[None, None]
        record = found[name]
        for measure, (value, chance), own_chance in (
            (
                "mass_accuracy",
                relevance_mass_accuracy(maps, mask, cells=cells),
                record["area_share"],
            ),
            (
                "rank_accuracy",
                relevance_rank_accuracy(maps, mask, cells=cells),
                record["rank_accuracy_chance"],
            ),
            (
                "pointing",
                pointing_game(maps, mask, tolerance=tolerance, cells=cells),
                record["pointing_chance"],
            ),
        ):
            assert record[measure] == pytest.approx(float(value.values[0])), (name, measure)
            assert own_chance == pytest.approx(float(chance.values[0])), (name, measure)


def test_overlap_of_a_map_that_is_the_region() -> None:
    scene = make_scene()
    region = (mask_of("F2_stressed", scene) >= 0.5).astype(float)
    record = {r["region"]: r for r in project(region, scene)}["F2_stressed"]
    assert record["rank_accuracy"] == record["iou"] == record["pointing"] == 1
    assert record["iou_top10"] > record["iou_top10_chance"]
    rng = np.random.default_rng(0)
    names = ["F1", "nucleus_2", "stops"]
    for name in names:  # chance is what random maps get
        rows = [project(rng.random(scene.axes.shape), scene, regions=[name])[0] for _ in range(60)]
        for measure in ("rank_accuracy", "iou", "iou_top10", "pointing"):
            mean = np.mean([row[measure] for row in rows])
            tolerance = 0.2 if measure == "pointing" else 0.02
            assert mean == pytest.approx(rows[0][f"{measure}_chance"], abs=tolerance), measure
    empty = project(-np.ones(scene.axes.shape), scene, regions=["F1"], positive_for=None)[0]
    assert np.isnan(empty["iou"])


def test_shifted_tracks_and_masks() -> None:
    scene = make_scene(moving=True)  # first vowel 500 Hz, second 750 Hz
    own = scene.times.nuclei[0].middle_s
    half_way = rotate_tracks(scene, 0.10 / 0.18)  # 100 ms on: into the other vowel
    assert scene.tracks.formants.at(np.array([own]))[0][0] == pytest.approx(500)
    moved = half_way.tracks.formants.at(np.array([own]))[0][0]
    assert moved == pytest.approx(750)
    same = rotate_tracks(scene, 0.0)
    frames = scene.nuclei_cover.sum(axis=0) > 0
    np.testing.assert_allclose(
        same.formants_at_frames[0][:, frames], scene.formants_at_frames[0][:, frames]
    )
    mask = mask_of("band_500_1000_hz_stressed", scene)
    turned = rotate_mask(mask, scene, 1 / 3)
    assert turned.sum() == pytest.approx(mask.sum())
    assert turned[:, ~scene.sound].max() == 0
    np.testing.assert_array_equal(rotate_mask(mask, scene, 1.0), mask)
    up = dataclasses.replace(scene, band_shift=2.0)
    centre = (mask_of("F1_stressed", up).sum(axis=1) * scene.axes.frequency_hz).sum()
    assert centre / mask_of("F1_stressed", up).sum() == pytest.approx(700, abs=5)


def test_nulls_tell_place_from_surroundings() -> None:
    scene = make_scene(moving=True)
    rng = np.random.default_rng(1)
    noise = rng.random(scene.axes.shape)
    on_track = np.asarray(mask_of("F1", scene)) + 0.01 * noise
    everywhere = mask_of("nuclei", scene) + 0.01 * noise  # vowels, at no special frequency
    mirror = ("mirror", None)
    other = {mirror: on_track[::-1]}
    options = {"shifts": ["time_shift", "frequency_shift"], "positive_for": None}
    found = project_map(on_track, scene, other_maps=other, **options)
    flat = project_map(everywhere, scene, **options)
    density = MEASURES.index("density")
    at = [r.name for r in found.regions].index("F1")
    for null in ("time_shift", "frequency_shift"):
        assert found.values[at, density] / found.nulls[null][at, density] > 1.5, null
    assert found.values[at, density] / found.others[mirror][0][at, density] > 1.5
    assert np.isnan(found.others[mirror][1]).all()  # without donors nothing is exchanged
    exchanged = project_map(on_track, scene, other_maps={mirror: on_track}, donors=[scene] * 2)
    np.testing.assert_array_equal(exchanged.others[mirror][0], exchanged.values)
    np.testing.assert_allclose(
        exchanged.others[mirror][1][:, density], exchanged.nulls["exchange"][:, density]
    )
    for null in ("time_shift", "frequency_shift"):
        assert flat.values[at, density] / flat.nulls[null][at, density] == pytest.approx(
            1, abs=0.05
        )
    vowel = [r.name for r in found.regions].index("nucleus_stressed")
    assert np.isnan(found.nulls["frequency_shift"][vowel, density])
    assert flat.values[vowel, density] > 1.5 * flat.nulls["time_shift"][vowel, density]
    assert not applies("frequency_shift", REGIONS["consonants"])
    assert not applies("time_shift", REGIONS["padding"])
    assert applies("mirror", REGIONS["padding"])
    with pytest.raises(ConfigError, match="no null 'sideways'"):
        project_map(noise, scene, shifts=["sideways"], positive_for=None)


def test_partners_share_vowel_and_sex_where_they_can() -> None:
    rng = np.random.default_rng(0)
    n = 400
    vowels = rng.choice(["AE", "IH", "EH", "OW"], n)
    vowels[0] = "OY"  # nobody else has it
    sexes = rng.choice(["female", "male"], n)
    families = rng.integers(0, 60, n).astype(str)
    fine = [f"{v} {s}" for v, s in zip(vowels, sexes, strict=True)]
    partner = draw_partners(
        rng.uniform(0.2, 0.9, n), rng, groups=families, strata=[fine, list(sexes)]
    )
    assert sorted(partner) == list(range(n))
    assert np.all(partner != np.arange(n))
    assert np.mean(families == families[partner]) == 0
    same_vowel, same_sex = matched_share(partner, [fine, list(sexes)])
    assert same_vowel > 0.97
    assert same_sex > 0.97
    one_family = draw_partners(np.ones(6), rng, groups=["a"] * 6)
    assert sorted(one_family) == list(range(6))
    with pytest.raises(ConfigError, match="one stratum per token"):
        draw_partners(np.ones(4), rng, strata=[["a", "b"]])


def test_stretches_are_checked() -> None:
    scene = make_scene()
    n_bins, n_frames = scene.axes.shape
    good = Region("r", "d", lambda s: Stretch(np.ones((n_bins, 3)), 4)).mask(scene)
    assert not isinstance(good, Missing)
    assert good.sum() == 3 * n_bins
    for stretch in (Stretch(np.ones((n_bins, 3)), n_frames - 1), Stretch(np.ones((2, 3)), 0)):
        with pytest.raises(ConfigError, match="does not fit"):
            Region("r", "d", lambda s, stretch=stretch: stretch).mask(scene)
    with pytest.raises(ConfigError, match="within"):
        Region("r", "d", lambda s: s.over_bins(s.sound), within="nose")
    with pytest.raises(ConfigError, match="exchange"):
        Region("r", "d", lambda s: s.over_bins(s.sound), exchange="words")  # type: ignore[arg-type]


def test_the_documented_example_is_a_region(tmp_path: Path) -> None:
    section = DOCS.read_text(encoding="utf-8").split("## Your own region")[1]
    code = re.search(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert code
    lines = [line for line in code.group(1).splitlines() if line.strip()]
    assert len(lines) <= 10
    file = tmp_path / "my_regions.py"
    file.write_text(code.group(1), encoding="utf-8")
    names = load_regions(file)
    try:
        assert load_regions(file) == names  # once per process
        mask = mask_of(names[0], make_scene(["T", "IH1", "K", "AH0"], (1, 3), 2))
        assert mask[-1].sum() * 0.01 == pytest.approx(0.03)
        assert mask[: 1900 // 40].max() == 0
        assert isinstance(REGIONS[names[0]].mask(make_scene()), Missing)
    finally:
        for name in names:
            REGIONS.pop(name, None)
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("import nothing_like_this\n")
    for name, message in (("empty", "no region"), ("broken", "mend"), ("absent", "no Python file")):
        with pytest.raises(ConfigError, match=message):
            load_regions(tmp_path / f"{name}.py")


def test_every_region_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name in REGIONS:
        stem = re.sub(r"_(stressed|unstressed|before|after|[1-4])$", "", name)
        assert f"`{stem}" in text or f"`{name}`" in text, name
