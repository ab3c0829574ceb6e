"""Folds that share nothing, splits given back in, classes made alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from test_corpus_splits import random_tokens

from stressnet.cli import cli
from stressnet.corpus.folds import UNMATCHED, assign_folds, deal_folds, fold_splits, match_classes
from stressnet.corpus.splits import (
    PAIR_SPLITS,
    SPLIT_COLUMNS,
    SplitConfig,
    assign_splits,
    check_leaks,
    given_splits,
)
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.stages.build_corpus import BuildConfig, build_corpus


def tokens_of(seed: int = 1, n_speakers: int = 12, n_tokens: int = 900) -> pd.DataFrame:
    tokens = random_tokens(seed, n_speakers, n_tokens)
    tokens["token_id"] = [f"t{i}" for i in range(len(tokens))]
    tokens["utterance_id"] = tokens["speaker"] + "-" + (tokens.index % 7).astype(str)
    rng = np.random.default_rng(seed)
    # FINAL words are longer, as in real corpora.
    shift = 0.15 * (tokens["stress"] == "FINAL")
    tokens["duration_s"] = rng.uniform(0.2, 0.7, len(tokens)) + shift
    return tokens


# --- folds ---------------------------------------------------------------------------------------


def test_folds_are_dealt_evenly() -> None:
    rng = np.random.default_rng(0)
    weights = {f"g{i}": float(w) for i, w in enumerate(rng.integers(1, 20, 60))}
    dealt = deal_folds(weights, 5, np.random.default_rng(1))
    sums = pd.Series(weights).groupby(dealt).sum()
    assert len(sums) == 5
    assert sums.max() - sums.min() <= max(weights.values())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_run_leaks_and_k_rotations_test_every_token_once(seed: int) -> None:
    k = 4
    dealt = assign_folds(tokens_of(seed), k, seed)
    tested = pd.Series(0, index=dealt.index)
    for rotation in range(k):
        for fold in range(k):
            done = fold_splits(dealt, fold, k, rotation=rotation)
            check_leaks(done)
            for one, other in (("train", "test"), ("train", "valid"), ("valid", "test")):
                for column in ("speaker", "family", "utterance_id"):
                    here = set(done.loc[done["split"] == one, column])
                    assert not here & set(done.loc[done["split"] == other, column])
            tested += done["split"] == "test"
    ordinary = dealt["family_fold"] >= 0
    assert (tested[ordinary] == 1).all()
    assert (tested[~ordinary] == 0).all()
    pairs = set(fold_splits(dealt, 0, k).loc[dealt["is_minimal_pair"], "split"])
    assert pairs <= {*PAIR_SPLITS, "unlabelled"}


def test_both_classes_are_in_every_fold() -> None:
    dealt = assign_folds(tokens_of(), 4)
    counts = dealt[dealt["family_fold"] >= 0].groupby(["family_fold", "stress"]).size()
    assert len(counts) == 8


def test_too_few_of_something() -> None:
    with pytest.raises(ConfigError, match="3 or more"):
        assign_folds(tokens_of(), 2)
    with pytest.raises(CorpusError, match="speakers are too few for 40 folds"):
        assign_folds(tokens_of(), 40)


def test_speakers_of_every_corpus_are_in_every_fold() -> None:
    tokens = tokens_of()
    speakers = sorted(tokens["speaker"].unique())
    small = set(speakers[:4])
    tokens["corpus"] = ["small" if s in small else "large" for s in tokens["speaker"]]
    folds = assign_folds(tokens, 4).groupby("corpus")["speaker_fold"].nunique()
    assert folds.to_dict() == {"small": 4, "large": 4}
    done = assign_splits(tokens, SplitConfig())
    assert done.groupby("corpus")["speaker_set"].nunique().to_dict() == {"small": 3, "large": 3}


# --- splits given back ---------------------------------------------------------------------------


def test_splits_given_back_are_the_same(tmp_path: Path) -> None:
    tokens = tokens_of()
    drawn = assign_splits(tokens, SplitConfig(seed=5))
    drawn[list(SPLIT_COLUMNS)].to_csv(tmp_path / "splits.csv", index=False)
    again = given_splits(tokens.sample(frac=1, random_state=1), tmp_path / "splits.csv")
    merged = again.set_index("token_id").loc[drawn["token_id"]]
    for column in ("split", "speaker_set", "family"):
        assert merged[column].tolist() == drawn[column].tolist()
    both = merged["family_set"].isna().to_numpy() & drawn["family_set"].isna().to_numpy()
    same = merged["family_set"].to_numpy() == drawn["family_set"].to_numpy()
    assert (both | same).all()


def test_tokens_the_file_does_not_list(tmp_path: Path) -> None:
    tokens = tokens_of()
    drawn = assign_splits(tokens, SplitConfig())
    listed = drawn.iloc[: len(drawn) // 2]
    listed[list(SPLIT_COLUMNS)].to_csv(tmp_path / "s.csv", index=False)
    again = given_splits(tokens, tmp_path / "s.csv")
    rest = again.iloc[len(drawn) // 2 :]
    known = ~rest["split"].isin(["unlisted", "unlabelled"])
    assert known.any()
    assert (rest.loc[known, "split"] == drawn.loc[rest.index[known], "split"]).all()
    assert (rest.loc[rest["is_minimal_pair"] & rest["stress"].notna(), "split"] == "unlisted").all()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.drop(columns="split"), "lacks the column split"),
        (lambda t: t.assign(token_id="x" + t["token_id"]), "lists none of the"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "lists the token 't0' twice"),
    ],
)
def test_damaged_split_files(tmp_path: Path, change, complaint: str) -> None:
    drawn = assign_splits(tokens_of(), SplitConfig())
    change(drawn[list(SPLIT_COLUMNS)]).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(CorpusError, match=complaint):
        given_splits(tokens_of(), tmp_path / "s.csv")
    with pytest.raises(CorpusError, match=r"none\.csv: cannot be read"):
        given_splits(tokens_of(), tmp_path / "none.csv")


@pytest.mark.parametrize("column", ["speaker", "family", "utterance_id"])
def test_a_leak_fails(tmp_path: Path, column: str) -> None:
    drawn = assign_splits(tokens_of(), SplitConfig())
    train = drawn.index[drawn["split"] == "train"][0]
    test = drawn.index[drawn["split"] == "test"][0]
    drawn.loc[train, column] = drawn.loc[test, column]
    with pytest.raises(CorpusError, match=rf"{column} .* is in both train and test"):
        check_leaks(drawn)


def test_a_leaking_file_fails_the_build(make_corpus, tmp_path: Path) -> None:
    source = make_corpus(tmp_path / "source")
    first = build_corpus(source, tmp_path / "first", config=BuildConfig("generic")).path
    config = BuildConfig("generic", splits_file=first / "splits.csv")
    second = build_corpus(source, tmp_path / "second", config=config).path
    pd.testing.assert_frame_equal(Corpus.open(first).tokens, Corpus.open(second).tokens)
    table = pd.read_csv(first / "splits.csv", keep_default_na=False)
    moved = table["split"].isin(["train"]) & (table.index % 2 == 0)
    table.loc[moved, "split"] = "test"
    table.to_csv(tmp_path / "leak.csv", index=False)
    config = BuildConfig("generic", splits_file=tmp_path / "leak.csv")
    with pytest.raises(CorpusError, match=r"leak\.csv: .* is in both train and test"):
        build_corpus(source, tmp_path / "third", config=config)
    done = CliRunner().invoke(
        cli,
        ["build-corpus", str(source), str(tmp_path / "second"), "-q", "-j", "1", "--splits",
         str(first / "splits.csv")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "up to date" in done.output


# --- matching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [("duration",), ("frequency",), ("duration", "frequency")])
def test_matched_classes_are_alike(by: tuple[str, ...]) -> None:
    tokens = assign_splits(tokens_of(n_tokens=3000), SplitConfig())
    done = match_classes(tokens, by, seed=1)
    assert (
        done.loc[tokens["split"].isin([*PAIR_SPLITS, "unlabelled"]), "split"] != UNMATCHED
    ).all()
    train = done[done["split"] == "train"]
    assert train["stress"].value_counts().nunique() == 1
    assert len(train) > 50
    if "duration" in by:
        medians = train.groupby("stress")["duration_s"].median()
        before = tokens[tokens["split"] == "train"].groupby("stress")["duration_s"].median()
        assert abs(before["FINAL"] - before["INITIAL"]) > 0.1
        assert abs(medians["FINAL"] - medians["INITIAL"]) < 0.03
    if "frequency" in by:
        counts = np.log2(train["family"].map(tokens["family"].value_counts()))
        assert counts.groupby(train["stress"]).mean().diff().abs().iloc[-1] < 0.5
    again = match_classes(tokens, by, seed=1)
    assert again["split"].tolist() == done["split"].tolist()
    assert match_classes(tokens, by, seed=2)["split"].tolist() != done["split"].tolist()


def test_unknown_properties() -> None:
    with pytest.raises(ConfigError, match="'mood'; there are duration, frequency"):
        match_classes(tokens_of(), ["mood"])
    with pytest.raises(ConfigError, match="'mood'"):
        build_corpus("recordings", "corpus", match=("mood",))
