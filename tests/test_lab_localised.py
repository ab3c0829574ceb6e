"""Localised targets: cue tables and a corpus made of known parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run_cli

from stressnet.acoustics.cue_table import table_columns
from stressnet.acoustics.spectrogram import PRESETS
from stressnet.acoustics.track_types import FormantTrack, PitchTrack, Tracks, tracks_frame
from stressnet.corpus.images import write_images_header
from stressnet.corpus.store import PHONES, TOKENS, TRACKS, Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.lab.labset import LabSet
from stressnet.lab.localised import LocalisedTarget, TargetRules, localised_set, localised_target
from stressnet.lab.related import COLUMNS, TARGETS, related_cues
from stressnet.lab.residual import auroc, correlation, leak, permutation_p
from stressnet.lab.scores import MEASURES, Scorer
from stressnet.lexicon.stress import Stress
from stressnet.runs.manifest import write_manifest
from stressnet.runs.tables import write_parquet

CUE = "nucleus_2_f1_hz"
N = 600
FAST = TargetRules(n_permutations=200)
"""Too few permutations for Holm's correction to reject; the bound on correlations decides."""


def cue_table(seed: int = 0, n: int = N, own: float = 1.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Cues that share four hidden causes, and the part of one cue that has none of them."""
    rng = np.random.default_rng(seed)
    causes = rng.standard_normal((n, 4))
    alone = rng.standard_normal(n)
    table = pd.DataFrame(0.0, index=range(n), columns=table_columns())
    for column in COLUMNS:
        value = causes @ rng.normal(0, 0.7, 4) + 0.5 * rng.standard_normal(n)
        if column in related_cues(CUE) and column.startswith("nucleus"):
            value += 0.5 * alone
        if column == CUE:
            value = causes @ np.array([0.6, -0.5, 0.4, 0.3]) + own * alone
        is_ratio = column.endswith(("_hz", "_s", "relative_duration"))
        table[column] = 2.0 ** (9 + 0.2 * value) if is_ratio else value
    vowels = rng.choice(["AH0", "IY1", "AE1"], size=(2, n))
    words = np.arange(n) // 10
    third = np.where(words % 6 < 3, "train", np.where(words % 6 == 3, "valid", "test"))
    return (
        table.assign(
            token_id=[f"t{i:04d}" for i in range(n)],
            speaker=[f"s{i % 7}" for i in range(n)],
            family=[f"w{w}" for w in words],
            sex=np.where(np.arange(n) % 2, "F", "M"),
            split=third,
            stress="INITIAL",
            nucleus_1=vowels[0],
            nucleus_2=vowels[1],
            missing_reason="",
        ),
        alone,
    )


def test_the_rest_is_the_cue_without_what_it_shares() -> None:
    table, alone = cue_table()
    target = localised_target(table, CUE)
    assert np.corrcoef(target.values, alone)[0, 1] > 0.95
    rows = target.correlations.set_index("cue")
    others = rows[rows["relation"] == "unrelated"]
    assert others["before_train"].abs().max() > 0.4
    assert others["after_train"].abs().max() <= FAST.max_correlation
    assert others["after_held_out"].abs().max() < 0.25
    assert not (others["p_train"] < 0.05).any()
    assert rows.loc[CUE, "after_held_out"] > 0.6
    # What is related by nature keeps what it shares with the cue alone.
    assert rows.loc["nucleus_2_b1_hz", "relation"] == "related"
    assert rows.loc["nucleus_2_b1_hz", "after_held_out"] > 0.2
    assert target.n_components >= 4
    assert 0.3 < target.explained < 0.7
    assert abs(target.leak - 0.5) < 0.12


def test_the_class_is_the_sign_and_tokens_near_zero_are_left_out() -> None:
    table, alone = cue_table()
    target = localised_target(table, CUE, rules=FAST)
    kept = target.labels >= 0
    positive = target.labels[kept] == Stress.INITIAL.class_index
    assert ((target.values[kept] > 0) == positive).all()
    assert np.abs(target.values[kept]).min() >= FAST.margin_sd
    assert auroc(alone[kept], positive) > 0.97
    near = (np.abs(target.values) < FAST.margin_sd).sum()
    assert target.counts["left out: near zero"] == near > 0
    sums = sum(n for name, n in target.counts.items() if name != "all")
    assert sums == target.counts["all"] == N
    without = localised_target(table, CUE, rules=replace(FAST, margin_sd=0.0))
    assert (without.labels >= 0).all()


def test_only_training_tokens_are_fitted() -> None:
    table, _ = cue_table()
    before = localised_target(table, CUE, rules=FAST)
    test = table["split"] != "train"
    rng = np.random.default_rng(5)
    changed = table.copy()
    for column in COLUMNS:
        if column != CUE and not column.endswith("_f0_mean_hz"):
            changed.loc[test, column] *= rng.uniform(0.99, 1.01, test.sum())
    changed.loc[test, "nucleus_1"] = "OY1"
    after = localised_target(changed, CUE, rules=FAST)
    train = ~test.to_numpy()
    np.testing.assert_array_equal(before.values[train], after.values[train])
    assert (before.values[~train] != after.values[~train]).all()
    assert before.n_components == after.n_components
    # Training tokens do change it.
    changed = table.copy()
    changed.loc[~test, CUE] *= rng.uniform(0.9, 1.1, train.sum())
    again = localised_target(changed, CUE, rules=FAST)
    assert not np.array_equal(before.values[~train], again.values[~train])


def test_the_same_seed_gives_the_same_target() -> None:
    table, _ = cue_table()
    one, two = (localised_target(table, CUE, rules=FAST) for _ in range(2))
    pd.testing.assert_frame_equal(one.correlations, two.correlations)
    assert one.describe() == two.describe()


def test_missing_cues_are_left_out_filled_or_not_used() -> None:
    table, alone = cue_table()
    table.loc[::20, CUE] = np.nan
    table.loc[5::20, "nucleus_2_formants_suspect"] = 1.0
    table.loc[7::20, "nucleus_1_f0_mean_hz"] = np.nan
    table.loc[np.arange(N) % 2 == 0, "nucleus_1_h1_a3_corrected_db"] = np.nan
    table.loc[3::20, "nucleus_2_f1_hz"] = 0.0  # no logarithm
    target = localised_target(table, CUE, rules=FAST)
    assert target.counts["left out: cue missing"] == 2 * N // 20
    assert target.counts["left out: formants suspect"] == N // 20
    assert np.isnan(target.values[::20]).all()
    assert (target.labels[::20] == -1).all()
    assert (target.labels[5::20] == -1).all()
    assert np.isfinite(target.values[7::20]).all()
    rows = target.correlations.set_index("cue")
    assert rows.loc["nucleus_1_h1_a3_corrected_db", "relation"] == "unused"
    assert rows.loc["nucleus_1_f0_mean_hz", "relation"] == "unrelated"
    assert rows.loc["nucleus_1_f0_mean_hz", "n_missing"] == N // 20
    assert rows["after_train"].notna().all()
    known = np.isfinite(target.values)
    assert np.corrcoef(target.values[known], alone[known])[0, 1] > 0.93


def test_tokens_of_known_words_serve_for_nothing() -> None:
    table, _ = cue_table()
    table.loc[table["split"] == "valid", "split"] = "test_known_words"
    target = localised_target(table, CUE, rules=FAST)
    assert set(target.splits) == {"train", "test", ""}
    assert (target.labels[target.splits == ""] == -1).all()
    assert target.counts["left out: known word or no split"] == (target.splits == "").sum() > 0


def test_a_wrong_name_is_one_clear_line() -> None:
    table, _ = cue_table()
    for wrong in ("nucleus_2_f1", "f1", "nucleus_3_f1_hz", "nucleus_log2ratio_f1", ""):
        with pytest.raises(ConfigError, match="no localised target") as caught:
            localised_target(table, wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="nucleus_2_f1_hz"):
        localised_target(table, "nucleus_2_f1")


def test_the_command_refuses_a_wrong_name_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run_cli(
        *(capsys, "validate-methods", tmp_path / "out", "--set", "natural:nucleus_2_f1"),
        *("--corpus", tmp_path, "--cues", tmp_path, "--quiet"),
    )
    assert code == 1
    assert "nucleus_2_f1_hz" in error and "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_what_cannot_be_localised_says_why() -> None:
    table, _ = cue_table(own=0.02)
    with pytest.raises(ConfigError, match="cannot be localised"):
        localised_target(table, CUE, rules=replace(FAST, min_correlation=0.6))
    table, _ = cue_table()
    with pytest.raises(ConfigError, match="lacks 'nucleus_1_f2_hz'"):
        localised_target(table.drop(columns="nucleus_1_f2_hz"), CUE)
    with pytest.raises(ConfigError, match="needs 100"):
        localised_target(table.iloc[:150], CUE)
    for bad in ({"max_correlation": 1.5}, {"margin_sd": -1}, {"n_permutations": 0}):
        with pytest.raises(ConfigError):
            TargetRules(**bad)


def test_related_cues_are_of_the_same_vowel() -> None:
    related = related_cues(CUE)
    assert {CUE, "nucleus_2_b1_hz", "nucleus_2_level_0_500_hz_db"} <= related
    assert not any("_1_" in column for column in related)
    assert "nucleus_2_f2_hz" not in related
    assert "syllable_1_duration_s" in related_cues("nucleus_1_duration_s")
    assert "word_duration_s" in related_cues("nucleus_1_duration_s")
    for cue in TARGETS:
        assert cue in related_cues(cue)
        assert related_cues(cue) < set(COLUMNS)


def test_permutation_p_is_uniform_under_the_null_and_small_otherwise() -> None:
    rng = np.random.default_rng(1)
    cues = rng.standard_normal((150, 200))
    measured = rng.random(cues.shape) > 0.1
    values = rng.standard_normal(150)
    p = permutation_p(values, cues, measured, n_permutations=400)
    assert abs((p < 0.1).mean() - 0.1) < 0.06
    assert abs(np.median(p) - 0.5) < 0.12
    p = permutation_p(values + cues[:, 0], cues, measured, n_permutations=400)
    assert p[0] == pytest.approx(1 / 401)
    constant = np.ones((150, 1))
    assert permutation_p(values, constant, constant > 0, n_permutations=50)[0] == 1.0


def test_correlation_looks_at_measured_tokens_only() -> None:
    rng = np.random.default_rng(2)
    values = rng.standard_normal(80)
    cues = 0.5 * values[:, None] + rng.standard_normal((80, 3))
    measured = rng.random(cues.shape) > 0.4
    found = correlation(values, cues, measured)
    for j in range(3):
        at = measured[:, j]
        assert found[j] == pytest.approx(np.corrcoef(values[at], cues[at, j])[0, 1])
    assert correlation(values, np.ones((80, 1)), np.ones((80, 1), dtype=bool))[0] == 0.0


def test_leak_finds_what_is_not_linear() -> None:
    rng = np.random.default_rng(3)
    cues = rng.standard_normal((600, 4))
    train = np.arange(600) < 400
    bent = np.abs(cues[:, 0]) > 0.67
    assert abs(np.corrcoef(bent, cues[:, 0])[0, 1]) < 0.1
    assert leak(cues, bent, train, ~train) > 0.9
    assert abs(leak(cues, rng.random(600) > 0.5, train, ~train) - 0.5) < 0.12


SMALL = replace(PRESETS["stressnet"], max_frequency_hz=1600.0, n_frames=40)


def write_corpus(folder: Path, table: pd.DataFrame) -> Corpus:
    """Tokens /T AH T AH/ of 0.3 s; F1 of the second vowel is 800 Hz, all else lower or higher.

    Every 29th token has no tracks.
    """
    n = len(table)
    tokens = table[["token_id", "speaker", "sex", "family", "split", "stress"]].assign(
        word=table["family"].str.upper(),
        utterance_id="u",
        start_s=1.0,
        end_s=1.3,
        excerpt_file="none",
        excerpt_start_s=0.75,
    )
    edges = np.array([1.0, 1.06, 1.14, 1.2, 1.3])
    parts = [(1, "onset", "T"), (1, "nucleus", "AH0"), (2, "onset", "T"), (2, "nucleus", "AH1")]
    phones = pd.DataFrame(
        [
            (token_id, phone, edges[k], edges[k + 1], syllable, role)
            for token_id in tokens["token_id"]
            for k, (syllable, role, phone) in enumerate(parts)
        ],
        columns=["token_id", "phone", "start_s", "end_s", "syllable", "role"],
    )
    time_s = np.arange(0.0, 0.3, 0.01)
    second = time_s >= 0.17
    formants = np.stack(
        [
            np.where(second, 800.0, 400.0),
            np.full(30, 1300.0),
            np.full(30, 2500.0),
            np.full(30, 3500),
        ]
    )
    one = Tracks(
        FormantTrack(time_s, formants, np.full_like(formants, 80.0)),
        PitchTrack(time_s, np.full(30, 200.0)),
    )
    folder.mkdir(parents=True)
    write_parquet(tokens, folder / TOKENS)
    write_parquet(phones, folder / PHONES)
    write_parquet(
        tracks_frame({t: one for i, t in enumerate(tokens["token_id"]) if i % 29}), folder / TRACKS
    )
    target = folder / "spectrograms" / "stressnet"
    target.mkdir(parents=True)
    images = np.random.default_rng(0).standard_normal((n, *SMALL.shape)).astype(np.float32)
    images[:, 0, 0] = np.arange(n)  # tells which token an image is of
    np.save(target / "values.npy", images)
    mask = SMALL.axes().time_s[None, :].repeat(n, 0) < 0.33
    write_images_header(target, SMALL.axes(), SMALL.to_dict(), mask)
    write_manifest(
        folder, "corpus", parameters={"recipe": "toy"}, outputs=[folder / TOKENS, folder / PHONES]
    )
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("toy") / "corpus", cue_table()[0])


@pytest.fixture(scope="module")
def target() -> LocalisedTarget:
    return localised_target(cue_table()[0], CUE, rules=FAST)


@pytest.fixture(scope="module")
def words(corpus: Corpus, target: LocalisedTarget) -> LabSet:
    return localised_set(corpus, cue_table()[0], CUE, target=target)


def test_a_set_has_the_region_of_the_cue(words: LabSet, target: LocalisedTarget) -> None:
    table, _ = cue_table()
    assert (words.name, words.cue) == ("natural/f1/syllable-2", "f1")
    assert words.true_regions == ("F1_2",)
    at = np.array([int(word_id[1:]) for word_id in words.word_ids])
    np.testing.assert_array_equal(words.images[:, 0, 0], at)
    np.testing.assert_array_equal(words.labels, target.labels[at])
    np.testing.assert_array_equal(words.splits, table["split"].to_numpy()[at])
    has_tracks = at % 29 != 0
    assert not words.truth[~has_tracks].any()
    assert not (~has_tracks & (words.splits == "test")).any()
    lost = (target.labels[::29] >= 0) & (target.splits[::29] == "test")
    counts = words.provenance["counts"]
    assert counts["left out: region not in the image"] == lost.sum() > 0
    assert counts["kept: test"] == len(words.rows("test"))
    assert counts["without region: train, valid"] == (~has_tracks).sum() > 0
    # 800 ± 100 Hz within the second vowel, 0.2 to 0.3 s.
    bins, frames = np.nonzero(words.truth[np.flatnonzero(has_tracks)[0]])
    frequency_hz, time_s = words.axes.frequency_hz[bins], words.axes.time_s[frames]
    assert 690 <= frequency_hz.min() < 730 and 870 < frequency_hz.max() <= 910
    assert 0.195 <= time_s.min() < 0.215 and 0.285 < time_s.max() <= 0.305
    assert (words.wide[has_tracks].sum(axis=(1, 2)) > words.truth[has_tracks].sum((1, 2))).all()
    assert not words.wide[:, words.axes.frequency_hz > 1200].any()
    assert all(
        (scene.times.stress is Stress.INITIAL) == (label == Stress.INITIAL.class_index)
        for scene, label in zip(words.scenes, words.labels, strict=True)
    )


def test_a_set_can_be_saved_and_scored(words: LabSet, tmp_path: Path) -> None:
    words.save(tmp_path / "set")
    again = LabSet.load(tmp_path / "set")
    assert again.fingerprint == words.fingerprint
    assert again.provenance["counts"] == words.provenance["counts"]
    some = again.take(again.rows("test")[:20])
    scorer = Scorer(some)
    mass, first = MEASURES.index("mass"), MEASURES.index("first")
    truth = scorer.score(some.truth.astype(np.float32)).values
    assert (truth[:, mass] == 1).all() and (truth[:, first] == 1).all()
    noise = np.random.default_rng(0).random(some.images.shape).astype(np.float32)
    scores = scorer.score(noise)
    by_chance = scores.chance["area"][:, mass].mean()
    assert abs(scores.values[:, mass].mean() - by_chance) < 0.02


def test_duration_has_no_place(corpus: Corpus, target: LocalisedTarget) -> None:
    made = localised_set(
        corpus, cue_table()[0], CUE, target=replace(target, cue="nucleus_1_duration_s")
    )
    assert (made.name, made.true_regions) == ("natural/duration/syllable-1", ())
    assert not made.has_place
    assert not made.truth.any()
    assert not made.wide.any()


def test_a_table_of_another_corpus_is_refused(corpus: Corpus, target: LocalisedTarget) -> None:
    table, _ = cue_table()
    foreign = replace(target, token_ids=np.char.add("x", target.token_ids))
    with pytest.raises(CorpusError, match="no token 'xt0000'"):
        localised_set(corpus, table, CUE, target=foreign)
    with pytest.raises(CorpusError, match="no spectrograms of preset 'allouche2025'"):
        localised_set(corpus, table, CUE, "allouche2025", target=target)
