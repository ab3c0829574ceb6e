"""Words of three and four syllables, from recordings to relevance."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run_cli
from conftest import aligned_sentence
from test_regions_masks import flat_tracks, make_scene

from stressnet.acoustics.spectrogram import get_preset
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks
from stressnet.corpus.labels import StressLabel
from stressnet.corpus.scan import Recording
from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import find_tokens
from stressnet.errors import CheckpointError, ConfigError, CorpusError
from stressnet.explain import explain_batch
from stressnet.explain.seeds import make_seed
from stressnet.intervals import Interval
from stressnet.lexicon.contrast import STRESS, Wanted
from stressnet.lexicon.dictionary import Entry, Reject, load_dictionary
from stressnet.lexicon.stress import CLASSES, Stress, WordLengths
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions import Missing, get_regions
from stressnet.regions.nulls import exchange_tracks, rotate_tracks
from stressnet.regions.registry import REGIONS
from stressnet.regions.scene import Scene, TokenTimes
from stressnet.stages.build_corpus import build_corpus
from stressnet.stages.corpus_export import export_corpus
from stressnet.stages.corpus_merge import merge_corpora
from stressnet.stages.explain import explain_corpus
from stressnet.stages.train import train_model

THREE = WordLengths(3, 3)
SENTENCES = (
    "THE ELEPHANT BANANA KANGAROO ANIMAL TOMATO",
    "THE UNDERSTAND HOSPITAL POTATO DISAPPEAR WATER",
)


def test_lengths_and_their_classes() -> None:
    assert WordLengths.parse("2").classes == CLASSES
    assert [str(s) for s in WordLengths.parse("2-4").classes] == [
        "PREANTEPENULTIMATE",
        "ANTEPENULTIMATE",
        "PENULTIMATE",
        "FINAL",
    ]
    assert 3 in WordLengths.parse("2-4") and 2 not in THREE
    for text in ("1", "5", "4-2", "many"):
        with pytest.raises(ConfigError, match="use 2, 3, 4"):
            WordLengths.parse(text)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("100", "ANTEPENULTIMATE"), ("210", "PENULTIMATE"), ("201", "FINAL"), ("110", None)],
)
def test_stress_of_three_syllables(pattern: str, expected: str | None) -> None:
    assert THREE.stress_of(pattern) == expected
    assert THREE.stress_of("10") is None
    if expected is not None:
        assert Stress(expected).syllable(3) == pattern.index("1")


def test_two_syllables_among_longer_ones_count_from_the_end() -> None:
    lengths = WordLengths(2, 4)
    assert lengths.stress_of("10") is Stress.PENULTIMATE
    assert Stress.PENULTIMATE.syllable(2) == 0 and Stress.INITIAL.syllable(2) == 0
    assert STRESS.among(["FINAL", None, "PENULTIMATE"]) == (Stress.PENULTIMATE, Stress.FINAL)
    assert STRESS.among(["FINAL"]) == CLASSES == STRESS.among([])


def test_dictionary_entries_of_three_syllables() -> None:
    dictionary = load_dictionary()
    banana = dictionary.entry("banana", None, THREE)
    assert isinstance(banana, Entry) and banana.stress is Stress.PENULTIMATE
    assert dictionary.entry("water", None, THREE) is Reject.OTHER_LENGTH
    assert dictionary.entry("banana") is Reject.NOT_DISYLLABIC


def test_labels_of_shorter_words_do_not_matter_those_of_another_class_do() -> None:
    alignment, _ = aligned_sentence("WATER BANANA")
    recording = Recording("u", "anna", "female", Path("u.flac"), ("WATER", "BANANA"), None, 3.0)

    def found(index: int, stress: str) -> list[str]:
        labels = {("u", index): StressLabel(stress)}
        return [
            f"{token.word} {token.stress}"
            for token in find_tokens(
                recording, alignment, load_dictionary(), labels, wanted=Wanted(THREE)
            )[0]
        ]

    assert found(0, "INITIAL") == ["BANANA PENULTIMATE"]
    assert found(1, "FINAL") == ["BANANA FINAL"]
    with pytest.raises(CorpusError, match=r"BANANA .* is INITIAL, but words of 3 syllables"):
        found(1, "INITIAL")


def three_syllables(stress: Stress | None = Stress.PENULTIMATE) -> Scene:
    """b-AH-n-AE-n-AH in 0.42 s."""
    limits = [0.0, 0.06, 0.12, 0.18, 0.28, 0.34, 0.42]
    labels = ["B", "AH0", "N", "AE1", "N", "AH0"]
    phones = [Interval(a, b, x) for a, b, x in zip(limits, limits[1:], labels, strict=False)]
    axes = get_preset("stressnet").axes()
    return Scene(
        TokenTimes.from_phones(phones, (1, 3, 5), (0, 2, 4), stress),
        flat_tracks(),
        axes,
        axes.time_s <= 0.43,
        get_preset("stressnet").resolution_hz,
    )


def mask_of(name: str, scene: Scene) -> np.ndarray:
    mask = REGIONS[name].mask(scene)
    assert not isinstance(mask, Missing), mask
    return mask


def test_regions_of_three_syllables() -> None:
    scene = three_syllables()
    total = sum(mask_of(f"syllable_{k}", scene) for k in (1, 2, 3))
    assert np.allclose(total, mask_of("word", scene))
    assert np.array_equal(mask_of("nucleus_stressed", scene), mask_of("nucleus_2", scene))
    beside = mask_of("nucleus_before", scene) + mask_of("nucleus_after", scene)
    assert np.allclose(beside, mask_of("nucleus_unstressed", scene))
    assert np.array_equal(mask_of("syllable_after", scene), mask_of("syllable_3", scene))
    first = three_syllables(Stress.ANTEPENULTIMATE)
    assert isinstance(REGIONS["syllable_before"].mask(first), Missing)
    assert isinstance(REGIONS["syllable_3"].mask(make_scene()), Missing)
    names = {region.name for region in get_regions()}
    longer = {region.name for region in get_regions(n_syllables=3)}
    assert "syllable_3" not in names and {"syllable_3", "nucleus_before"} <= longer
    assert "syllable_4" not in longer


def rising_tracks() -> Tracks:
    """F1 that tells the time: 300 Hz and 1 Hz more in each millisecond."""
    time_s = np.arange(-0.1, 1.2, 0.005)
    values = np.array([300.0, 1500.0, 2500.0, 3500.0])[:, None] + 1000.0 * time_s
    formants = FormantTrack(time_s, values, np.full_like(values, 80.0))
    return Tracks(formants, PitchTrack(time_s, np.full(len(time_s), 200.0)))


def test_exchange_pairs_stressed_with_stressed_whatever_the_lengths() -> None:
    long, short = three_syllables(), make_scene(Stress.FINAL)
    for scene, donor in ((long, short), (short, long), (long, three_syllables(Stress.FINAL))):
        donor = replace(donor, tracks=rising_tracks())
        moved = exchange_tracks(scene, donor)
        middle_s = scene.times.nuclei[scene.times.stressed or 0].middle_s
        source_s = donor.times.nuclei[donor.times.stressed or 0].middle_s
        f1_hz = moved.tracks.formants.at(np.array([middle_s]))[0][0]
        assert f1_hz == pytest.approx(300.0 + 1000.0 * source_s, abs=1.0)
    assert np.isfinite(rotate_tracks(long, 1 / 3).tracks.formants.time_s).all()


def test_one_class_against_others_by_hand() -> None:
    logits = torch.tensor([[1.0, 4.0, 2.0]], dtype=torch.float64)
    best = make_seed(logits, "best-other", 0)
    assert best.output.item() == -3.0 and best.weights.tolist() == [[1.0, -1.0, 0.0]]
    mean = make_seed(logits, "mean-others", 1)
    assert math.isclose(mean.output.item(), 2.5)
    assert mean.weights.tolist() == [[-0.5, 1.0, -0.5]]
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).double().eval()
    inputs = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    found = explain_batch(network, inputs, "lrp-0", "best-other", torch.tensor([0, 2]))
    balance = found.conservation()
    assert torch.allclose(balance.relevance + balance.bias_share, balance.output)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, make_corpus: Callable[..., Path]) -> Path:
    """A corpus of three-syllable words, a network and its run."""
    folder = tmp_path_factory.mktemp("three")
    recordings = make_corpus(folder / "recordings", sentences=SENTENCES)
    corpus, model = folder / "corpus", folder / "model"
    build_corpus(recordings, corpus, syllables="3", jobs=1)
    train_model(corpus, model, max_epochs=1)
    explain_corpus(corpus, model, folder / "run", untrained=1, jobs=1)
    return folder


def test_a_corpus_of_three_syllable_words(study: Path) -> None:
    corpus = Corpus.of_any_length(study / "corpus")
    assert corpus.lengths == THREE and len(corpus.classes) == 3
    tokens = corpus.tokens.set_index("word")
    assert set(tokens.index) == {word for s in SENTENCES for word in s.split()} - {"THE", "WATER"}
    assert set(tokens.loc["BANANA", "stress"]) == {"PENULTIMATE"}
    banana = tokens.loc["BANANA"].iloc[0]
    limits = banana[["start_s", "boundary_s", "boundary_2_s", "end_s"]].to_numpy(float)
    assert np.allclose(np.diff(limits), 0.16) and banana["nucleus_3"] == "AH0"
    grid = (study / "corpus" / "textgrids" / "anna-0.TextGrid").read_text(encoding="utf-8")
    assert "PENULTIMATE" in grid and '"N AE1"' in grid


def test_metrics_have_a_recall_for_every_class(study: Path) -> None:
    metrics = pd.read_csv(study / "model" / "metrics.csv")
    assert {"recall_penultimate", "balanced_accuracy", "accuracy"} <= set(metrics["metric"])
    table = metrics.pivot_table(index="test_set", columns="metric", values="estimate")
    recalls = table[[c for c in table if c.startswith("recall_")]]
    assert np.allclose(table["balanced_accuracy"], recalls.mean(axis=1))
    predictions = pd.read_parquet(study / "model" / "predictions.parquet")
    p = predictions[["p_antepenultimate", "p_penultimate", "p_final"]].sum(axis=1)
    assert np.allclose(p, 1.0)


def test_maps_speak_for_the_tokens_own_class(study: Path) -> None:
    tokens = pd.read_parquet(study / "run" / "tokens.parquet")
    corpus = Corpus.of_any_length(study / "corpus")
    network = TrainedNetwork.of_any_length(study / "model")
    place = {name: row for row, name in enumerate(corpus.tokens["token_id"])}
    rows = [place[name] for name in tokens["token_id"]]
    logits = network.logits(np.array(corpus.images("stressnet").values[rows]))
    own = np.array([corpus.classes.index(Stress(s)) for s in tokens["stress"]])
    others = np.where(np.eye(3, dtype=bool)[own], -np.inf, logits).max(axis=1)
    assert np.allclose(logits[np.arange(len(own)), own] - others, tokens["output"], atol=1e-4)
    relevance = pd.read_parquet(study / "run" / "relevance.parquet")
    assert {"syllable_3", "nucleus_after"} <= set(relevance["region"])
    assert not relevance.loc[relevance["region"] == "syllable_3", "density"].isna().any()


def test_what_is_only_done_for_disyllables_says_so(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CorpusError, match="words of 3 syllables"):
        Corpus.checked(study / "corpus")
    with pytest.raises(CheckpointError, match="PENULTIMATE"):
        TrainedNetwork.load(study / "model")
    code, _, err = run_cli(capsys, "explain", study / "corpus", "pretrained", study / "other")
    assert code == 1 and "in words of 2 syllables, but those of" in err
    code, _, err = run_cli(capsys, "manipulate", study / "corpus", study / "stimuli")
    assert code == 1 and "only done for disyllables" in err and not (study / "stimuli").exists()


def test_corpora_of_longer_words_are_merged_and_exported(study: Path, tmp_path: Path) -> None:
    tokens = pd.read_parquet(study / "corpus" / "tokens.parquet")
    corpora = []
    for number, speakers in enumerate((("anna", "bo"), ("carl", "dan"))):
        recordings = tmp_path / f"recordings-{number}"
        recordings.mkdir()
        for speaker in speakers:
            shutil.copytree(study / "recordings" / speaker, recordings / speaker)
        out = tmp_path / f"corpus-{number}"
        build_corpus(recordings, out, syllables="3", no_splits=True, jobs=1)
        corpora.append(out)
    merge_corpora(corpora, tmp_path / "merged", splits="none")
    merged = Corpus.of_any_length(tmp_path / "merged")
    assert merged.lengths == THREE and len(merged.tokens) == len(tokens)
    export_corpus(tmp_path / "merged", tmp_path / "export", textgrid=True)
    grid = next((tmp_path / "export").rglob("*BANANA.TextGrid")).read_text(encoding="utf-8")
    assert grid.count("AE1") == 2 and "PENULTIMATE" in grid
