"""Scores of the validation lab on planted sets, where the right answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError, CorpusError
from stressnet.explain import faithfulness as ff
from stressnet.lab.candidates import CANDIDATES, candidate_masks, counterpart, rivals
from stressnet.lab.drawn import planted_set
from stressnet.lab.labset import LabSet
from stressnet.lab.maps import ALL_METHODS, SEEDLESS, Explainer, input_bounds, make_explainers
from stressnet.lab.reactions import measure_reactions, used_regions
from stressnet.lab.recommend import recommend, recommendation_text
from stressnet.lab.scoreboard import (
    PLACES,
    methods_table,
    places,
    score_entry,
    scores_table,
    shares,
    units_table,
)
from stressnet.lab.scores import CHANCES, CONTROLS, MEASURES, Scorer, break_maps, breaks
from stressnet.models.registry import build_model

PRESET = SpectrogramPreset(name="toy", n_frames=72, max_frequency_hz=4400.0)
RANKED = MEASURES[:5]


@pytest.fixture(scope="module")
def words() -> LabSet:
    return planted_set(180, preset=PRESET, seed=3)


@pytest.fixture(scope="module")
def scorer(words: LabSet) -> Scorer:
    return Scorer(words.take(words.rows("test")))


@pytest.fixture(scope="module")
def good(scorer: Scorer) -> np.ndarray:
    """Maps as a good method makes them: the truth, blurred, with some noise and some sign."""
    rng = np.random.default_rng(5)
    words = scorer.words
    maps = [
        gaussian_filter(5.0 * one.astype(np.float32), 1.0) + 0.3 * rng.standard_normal(one.shape)
        for one in words.truth
    ]
    return np.stack(maps).astype(np.float32) * words.sound[:, None]


def means(values: np.ndarray) -> dict[str, float]:
    return dict(zip(RANKED, np.nanmean(values[:, : len(RANKED)], axis=0), strict=True))


def gains(scorer: Scorer, maps: np.ndarray) -> dict[str, tuple[float, float]]:
    """Mean gain over the highest chance level of each measure, and its standard error."""
    scores = scorer.score(maps)
    found = {}
    for k, name in enumerate(RANKED):
        level = max(CHANCES, key=lambda c: np.nanmean(scores.chance[c][:, k]))
        difference = scores.values[:, k] - scores.chance[level][:, k]
        error = np.nanstd(difference) / np.sqrt(np.isfinite(difference).sum())
        found[name] = float(np.nanmean(difference)), float(error)
    return found


def test_a_set_comes_back_from_disk(words: LabSet, tmp_path: Path) -> None:
    words.save(tmp_path / "set")
    again = LabSet.load(tmp_path / "set")
    assert again.fingerprint == words.fingerprint
    assert again.scenes[7].times == words.scenes[7].times
    np.testing.assert_array_equal(
        candidate_masks(again.scenes[7])["F2_1"], candidate_masks(words.scenes[7])["F2_1"]
    )
    (tmp_path / "set" / "arrays.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(CorpusError, match="no readable lab set"):
        LabSet.load(tmp_path / "set")


def test_a_set_that_contradicts_itself_is_refused(words: LabSet) -> None:
    with pytest.raises(ConfigError, match="more than one split"):
        replace(words, words=np.full(len(words), "one"))
    with pytest.raises(ConfigError, match="beyond its wide"):
        replace(words, wide=np.zeros_like(words.wide))
    with pytest.raises(ConfigError, match="one value per image"):
        replace(words, labels=words.labels[1:])
    with pytest.raises(ConfigError, match="split 'dev'"):
        replace(words, splits=np.full(len(words), "dev"))


def test_counterparts_are_mutual_where_the_word_has_both() -> None:
    for name in CANDIDATES:
        other = counterpart(name)
        if name == "padding":
            assert other is None
        else:
            assert other is not None and counterpart(other) == name
            assert other != name
    open_syllable = [name for name in CANDIDATES if name != "coda_1"]
    assert counterpart("coda_2", open_syllable) == "onset_1"
    assert counterpart("F3_1", ["F3_1", "F2_2"]) is None


def test_rivals_leave_the_wide_truth_out(scorer: Scorer) -> None:
    words = scorer.words
    masks = candidate_masks(words.scenes[0])
    left = rivals(masks, words.wide[0], words.true_regions)
    assert "F1_1" not in left and {"F1_2", "F2_1", "onset_1", "low_2"} <= set(left)
    assert not any((mask & words.wide[0]).any() for mask in left.values())


def test_the_perfect_map_gets_everything(scorer: Scorer) -> None:
    scores = scorer.score(scorer.words.truth.astype(np.float32))
    assert means(scores.values) == dict.fromkeys(RANKED, 1.0)
    assert not any(scores.marked)
    for name, (gain, error) in gains(scorer, scorer.words.truth.astype(np.float32)).items():
        assert gain > 4 * error, name


def test_a_good_map_beats_chance_and_broken_ones_do_not(scorer: Scorer, good: np.ndarray) -> None:
    for name, (gain, error) in gains(scorer, good).items():
        assert gain > 3 * error, name
    for control in CONTROLS:
        assert breaks(control, scorer), control
        broken = break_maps(control, good, scorer.words.sound)
        for name, (gain, error) in gains(scorer, broken).items():
            assert gain < max(3 * error, 0.02), f"{control} beats chance in {name}"


def test_random_maps_are_at_chance_by_area(scorer: Scorer, good: np.ndarray) -> None:
    ratios = []
    for seed in range(6):
        scores = scorer.score(break_maps("random", good, scorer.words.sound, seed))
        found, area = means(scores.values), means(scores.chance["area"])
        ratios.append([found[name] / area[name] for name in ("mass", "rank")])
    assert np.mean(ratios, axis=0) == pytest.approx([1.0, 1.0], abs=0.2)


def test_flipping_does_not_break_a_truth_of_all_frequencies(words: LabSet) -> None:
    test = words.take(words.rows("test"))
    frames = test.truth.any(axis=1, keepdims=True)
    whole = np.broadcast_to(frames, test.truth.shape).copy() & test.sound[:, None]
    tall = Scorer(replace(test, truth=whole, wide=whole, true_regions=("low_1", "high_1")))
    assert not breaks("frequency-flipped", tall)
    assert breaks("time-reversed", tall)


def test_only_size_and_padding_free_values_count(scorer: Scorer, good: np.ndarray) -> None:
    scaled = good * 7.0
    scaled += 100.0 * ~scorer.words.sound[:, None]  # relevance on padding
    a, b = scorer.score(good).values, scorer.score(scaled).values
    np.testing.assert_allclose(a[:, :3], b[:, :3])
    # Padding is a candidate region: a map that marks it most does not put the truth first.
    assert np.nanmean(b[:, MEASURES.index("first")]) == 0


def test_measures_agree_with_those_of_explain(scorer: Scorer, good: np.ndarray) -> None:
    words = scorer.words
    maps, masks = (torch.from_numpy(x)[:, None] for x in (good, words.truth))
    cells = torch.from_numpy(np.broadcast_to(words.sound[:, None], good.shape).copy())[:, None]
    mine = scorer.score(good).values
    for k, measure in enumerate((ff.relevance_mass_accuracy, ff.relevance_rank_accuracy)):
        values, _ = measure(maps, masks.double(), cells=cells)
        np.testing.assert_allclose(mine[:, k], values.values.numpy(), rtol=1e-6)


def test_negative_relevance_counts_only_as_absolute(scorer: Scorer) -> None:
    against = -scorer.words.truth.astype(np.float32)
    scores = scorer.score(against)
    assert all(scores.reasons) and np.isnan(scores.values).all()
    assert means(scorer.score(against, "absolute").values)["rank"] == 1.0
    with pytest.raises(ConfigError, match="no part"):
        scorer.score(against, "signed")


class Ear(torch.nn.Module):
    """Hears the mean level of one candidate region; knows the words by their images."""

    def __init__(self, words: LabSet, region: str) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        masks = [candidate_masks(scene)[region] for scene in words.scenes]
        self.known = torch.from_numpy(words.images.copy())
        self.masks = torch.from_numpy(np.stack(masks))
        self.signs = torch.from_numpy(1.0 - 2.0 * words.labels).float()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows = []
        for one in inputs[:, 0]:
            same = (self.known == one).float().mean(dim=(1, 2))
            at = int(same.argmax())  # the word of which most cells are unchanged
            kept = (self.known[at] == one)[self.masks[at]].float().mean()
            rows.append(4.0 * kept * self.signs[at] * self.weight)
        value = torch.stack(rows)
        return torch.stack([value, -value], dim=1)


def test_false_positives_are_excused_only_where_the_network_listens(scorer: Scorer) -> None:
    words = scorer.words
    weights = np.random.default_rng(0).multinomial(len(words), np.ones(len(words)) / len(words), 99)
    maps = words.truth.astype(np.float32)
    for one, scene in zip(maps, words.scenes, strict=True):
        one[candidate_masks(scene)["F3_2"]] = 2.0
    scores = scorer.score(maps)
    assert set(scores.marked) == {"F3_2"}
    deaf = measure_reactions(Ear(words, "F1_1").eval(), scorer, weights.astype(float), 24)
    hears = measure_reactions(Ear(words, "F3_2").eval(), scorer, weights.astype(float), 24)
    assert "F3_2" not in used_regions(deaf) and "F3_2" in used_regions(hears)
    assert hears.query("region == 'F3_2'")["used"].tolist() == [True, True]
    for reactions, rate in ((deaf, 1.0), (hears, 0.0)):
        entry = score_entry(scores, used_regions(reactions), weights.astype(float))
        assert entry["measures"]["false_positive"]["value"] == 1.0
        assert entry["measures"]["false_positive_confirmed"]["value"] == pytest.approx(rate)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(1)
    return build_model("compact", *PRESET.shape).eval()


@pytest.mark.filterwarnings("ignore::stressnet.explain.ExplainWarning")
def test_every_method_gives_maps(words: LabSet, network: torch.nn.Module) -> None:
    images = words.images[:2]
    bounds = input_bounds(words.images)
    references = np.full_like(images, 0.5)
    slow = ("occlusion", "gradient-shap", "smoothgrad", "integrated-gradients")
    for explainer in make_explainers(ALL_METHODS, ["logit-difference"]):
        if explainer.method not in slow:
            maps = explainer.maps(network, images, bounds, references)
            assert maps.shape == images.shape and np.isfinite(maps).all(), explainer.name


def test_methods_with_a_reference_need_one(words: LabSet, network: torch.nn.Module) -> None:
    with pytest.raises(ConfigError, match="needs reference images"):
        Explainer("integrated-gradients-mean").maps(network, words.images[:2])
    same = Explainer("integrated-gradients-mean").maps(
        network, words.images[:2], references=words.images[:2]
    )
    assert not same.any()


def test_log_odds_are_the_difference_towards_the_prediction(
    words: LabSet, network: torch.nn.Module
) -> None:
    one, other = (
        Explainer("epsilon-gamma", seed).maps(network, words.images[:6])
        for seed in ("logit-difference", "log-odds")
    )
    np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(one).max())


def test_maps_do_not_depend_on_their_company(words: LabSet, network: torch.nn.Module) -> None:
    for method in ("random", "epsilon-plus", "grad-cam"):
        together = Explainer(method).maps(network, words.images[:3])
        alone = Explainer(method).maps(network, words.images[2:3])
        np.testing.assert_allclose(together[2], alone[0], rtol=1e-4, atol=1e-6)


def test_unknown_methods_and_seeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="no method 'magic'"):
        make_explainers(["magic"])
    with pytest.raises(ConfigError, match="no seed 'logits'"):
        make_explainers(["epsilon"], ["logits"])
    assert len(make_explainers(SEEDLESS)) == len(SEEDLESS)


def test_places_tile_the_image(words: LabSet) -> None:
    scene = words.scenes[0]
    where = places(scene)
    assert (where == PLACES.index("padding")).tolist() == (~scene.sound).tolist()
    relevance, area = shares(words.take([0, 1]), np.ones_like(words.images[:2]))
    np.testing.assert_allclose(relevance, area)
    np.testing.assert_allclose(area.sum(axis=1), 1.0)


def entry(method: str, cue: str, firsts: list[int], false: float, kind: str = "method") -> dict:
    units = [
        {
            "voice": f"v{k}",
            "n": 5,
            "place": place,
            "place_exchange": 2,
            "place_displaced": 3,
            "n_regions": 20,
            "n_true": 1,
            "top": "F1_2" if place == 1 else "low_1",
            "second": "",
            "density": 3.0,
            "rival": 2.0,
            "false_positive": false,
        }
        for k, place in enumerate(firsts)
    ]
    measure = {"value": 0.5, "low": 0.4, "high": 0.6, "area": 0.1, "gain": 0.3}
    return {
        **{"set": cue, "cue": cue, "where": "syllable-2", "network": "compact", "net_seed": 0},
        **{"method": method, "seed_output": "logit-difference", "part": "positive"},
        **{"kind": kind, "n_words": 20, "units": units},
        "solved_voices": [f"v{k}" for k in range(len(firsts))],
        "measures": {name: dict(measure) for name in (*MEASURES, "false_positive_confirmed")},
    }


def board(entries: list[dict]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return units_table(entries), scores_table(entries)


NETWORKS = pd.DataFrame(
    [
        {"set": "f1", "network": "compact", "net_seed": 0, "balanced_accuracy": 0.9, "solved": 1},
        {"set": "f3", "network": "compact", "net_seed": 0, "balanced_accuracy": 0.6, "solved": 0},
    ]
)


def _text(units: pd.DataFrame, scores: pd.DataFrame) -> str:
    tables = {"units": units, "scores": scores, "methods": methods_table(units, scores)}
    tables |= {"networks": NETWORKS, "places": pd.DataFrame()}
    return recommendation_text(recommend(units, scores), tables)


def test_the_recommendation_follows_the_table() -> None:
    entries = [
        entry("epsilon-gamma", "f1", [1, 1, 1, 2], 0.02),
        entry("epsilon-gamma", "f2", [1, 1, 1, 1], 0.02),
        entry("epsilon-plus", "f1", [1, 1, 1, 1], 0.04),
        entry("epsilon-plus", "f2", [1, 1, 1, 1], 0.04),
        entry("random", "f1", [1, 1, 1, 1], 0.0),
        entry("random", "f2", [1, 1, 1, 1], 0.0),
    ]
    units, scores = board(entries)
    table = methods_table(units, scores)
    assert table.set_index("method").loc["epsilon-gamma", "first"] == pytest.approx(0.875)
    best = recommend(units, scores)[0]
    assert best.method == "epsilon-plus"  # random is never recommended
    text = _text(units, scores)
    assert "it meets the bar" in text and "f3 (compact-0: 0.60)" in text


def test_the_recommendation_says_when_no_method_meets_the_bar() -> None:
    units, scores = board([entry("epsilon-gamma", "f1", [1, 2, 3, 1], 0.3)])
    text = _text(units, scores)
    assert "no method meets it" in text and "50 %" in text
    assert "low_1 instead of f1 (2)" in text
    assert "the default stands" in text


def test_cues_weigh_the_same_however_many_units_they_have() -> None:
    entries = [entry("epsilon", "f1", [1] * 8, 0.0), entry("epsilon", "f2", [2, 2], 0.0)]
    assert methods_table(*board(entries)).loc[0, "first"] == pytest.approx(0.5)


def test_a_board_without_a_solved_set_says_so() -> None:
    text = _text(*board([]))
    assert "no method can be recommended" in text
