"""Splits share neither speakers nor word families; shares, determinism, and a check that bites."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stressnet.corpus.splits import (
    PAIR_SPLITS,
    TEST_SPLITS,
    VALIDATION_SPLITS,
    SplitConfig,
    assign_splits,
    check_leaks,
    deal,
    split_counts,
)
from stressnet.errors import ConfigError, CorpusError

INITIAL = (
    "WATER LETTER LETTERS MONEY PICTURE WINDOW GARDEN DOCTOR TABLE FATHER SISTER RIVER".split()
)
FINAL = "HOTEL MACHINE DECIDE DECIDES BELIEVE BELIEVED ARRIVE GUITAR BALLOON CANAL DIVINE".split()
PAIRS = "PRESENT PRESENTS RECORD RECORDS PERMIT INSULT".split()
ONE_READING = {"PERMITS": "FINAL", "INSULTS": "INITIAL"}  # forms of pairs, one reading each


def table(rows: list[tuple[str, str, str | None, bool]]) -> pd.DataFrame:
    tokens = pd.DataFrame(rows, columns=["word", "speaker", "stress", "is_minimal_pair"])
    tokens.insert(0, "token_id", [f"t{i}" for i in range(len(tokens))])
    # Every other reading of a pair is a person's decision, the rest the aligner's.
    verified = tokens.index % 2 == 0
    source = np.where(verified, "table", "aligner")
    tokens["label_source"] = np.where(tokens["is_minimal_pair"], source, "lexicon")
    return tokens


def random_tokens(seed: int, n_speakers: int, n_tokens: int) -> pd.DataFrame:
    """Tokens as a corpus has them: unequal speakers and words, pairs, unlabelled tokens."""
    rng = np.random.default_rng(seed)
    speakers = [f"s{i}" for i in range(n_speakers)]
    weights = rng.dirichlet(np.full(n_speakers, 2.0))
    words = INITIAL + FINAL + PAIRS + list(ONE_READING)
    rows: list[tuple[str, str, str | None, bool]] = []
    for i in range(n_tokens):
        speaker = speakers[i] if i < n_speakers else str(rng.choice(speakers, p=weights))
        word = words[i % len(words)] if i < len(words) else str(rng.choice(words))
        pair = word in PAIRS
        if pair:
            stress = [None, "INITIAL", "FINAL"][rng.integers(3)]
        else:
            stress = ONE_READING.get(word, "INITIAL" if word in INITIAL else "FINAL")
            stress = None if rng.random() < 0.02 else stress
        rows.append((word, speaker, stress, pair))
    return table(rows)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    n_speakers=st.integers(3, 40),
    n_tokens=st.integers(120, 400),
    valid_share=st.floats(0.05, 0.3),
    test_share=st.floats(0.05, 0.4),
)
def test_sets_never_share_a_speaker_or_a_family(
    seed: int, n_speakers: int, n_tokens: int, valid_share: float, test_share: float
) -> None:
    tokens = random_tokens(seed, n_speakers, n_tokens)
    config = SplitConfig(valid_share, test_share, seed)
    done = assign_splits(tokens, config)
    pd.testing.assert_frame_equal(done[tokens.columns.tolist()], tokens)

    by = dict(iter(done.groupby("split")))
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if first in by and second in by:
            for column in ("speaker", "family"):
                assert not set(by[first][column]) & set(by[second][column])
    if "train" in by:
        words, speakers = set(by["train"]["family"]), set(by["train"]["speaker"])
        for split, part in by.items():
            if split in ("test", "valid", "test_known_speakers", "valid_known_speakers"):
                assert not words & set(part["family"]), split
            if split in ("test", "valid", "test_known_words", "valid_known_words"):
                assert not speakers & set(part["speaker"]), split

    # Pairs and all their forms stay out of everything that is trained or validated on.
    pair_families = set(done.loc[done["is_minimal_pair"], "family"])
    for split, part in by.items():
        if split not in (*PAIR_SPLITS, "unlabelled"):
            assert not pair_families & set(part["family"]), split
    of_permit = done[(done["word"] == "PERMITS") & done["stress"].notna()]
    assert set(of_permit["split"]) <= {"minimal_pair_relatives"}

    unlabelled = done["split"] == "unlabelled"
    assert (unlabelled == done["stress"].isna()).all()
    assert set(done["speaker_set"]) == {"train", "valid", "test"}
    assert done.groupby("speaker")["speaker_set"].nunique().max() == 1
    labelled = done.dropna(subset=["family_set"])
    assert labelled.groupby("family")["family_set"].nunique().max() == 1
    check_leaks(done)


def test_every_token_is_in_the_cell_of_its_speaker_and_word() -> None:
    done = assign_splits(random_tokens(3, 12, 600), SplitConfig())
    ordinary = done[~done["split"].isin([*PAIR_SPLITS, "unlabelled"])]
    cells = {
        ("train", "train"): "train",
        ("valid", "valid"): "valid",
        ("test", "test"): "test",
        ("test", "train"): "test_known_words",
        ("train", "test"): "test_known_speakers",
        ("valid", "train"): "valid_known_words",
        ("train", "valid"): "valid_known_speakers",
        ("valid", "test"): "valid_test_mixed",
        ("test", "valid"): "valid_test_mixed",
    }
    for row in ordinary.itertuples():
        assert row.split == cells[row.speaker_set, row.family_set]
    assert {*TEST_SPLITS, *VALIDATION_SPLITS, "train"} <= set(done["split"]) | {"valid"}


def test_shares_come_near_what_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    weights = {f"g{i}": float(w) for i, w in enumerate(rng.integers(1, 30, size=200))}
    for valid_share, test_share in ((0.1, 0.22), (0.2, 0.2), (0.05, 0.5)):
        config = SplitConfig(valid_share, test_share)
        dealt = deal(weights, config, np.random.default_rng(1))
        total = sum(weights.values())
        for name, share in (("valid", valid_share), ("test", test_share)):
            found = sum(w for group, w in weights.items() if dealt[group] == name) / total
            assert found == pytest.approx(share, abs=0.02)


@given(
    st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 1000), min_size=3, max_size=30),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_no_set_stays_empty(weights: dict[str, int], seed: int) -> None:
    dealt = deal(
        {k: float(v) for k, v in weights.items()}, SplitConfig(), np.random.default_rng(seed)
    )
    assert set(dealt) == set(weights)
    assert set(dealt.values()) == {"train", "valid", "test"}


def test_same_seed_same_splits_whatever_the_order_of_rows() -> None:
    tokens = random_tokens(5, 10, 400)
    first = assign_splits(tokens, SplitConfig(seed=4))
    again = assign_splits(tokens, SplitConfig(seed=4))
    pd.testing.assert_frame_equal(first, again)
    shuffled = assign_splits(tokens.sample(frac=1, random_state=1), SplitConfig(seed=4))
    pd.testing.assert_series_equal(shuffled.sort_index()["split"], first["split"])
    other = assign_splits(tokens, SplitConfig(seed=5))
    assert (other["split"] != first["split"]).any()


def test_both_classes_reach_every_margin() -> None:
    """Families are dealt class by class, so no set of words lacks a class."""
    done = assign_splits(random_tokens(8, 9, 900), SplitConfig())
    ordinary = done.dropna(subset=["family_set", "stress"])
    assert ordinary.groupby("family_set")["stress"].nunique().eq(2).all()


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_speakers(n: int) -> None:
    tokens = random_tokens(1, n, 200)
    with pytest.raises(CorpusError, match=rf"{n} speakers?: too few .* need 3; use --no-splits"):
        assign_splits(tokens, SplitConfig())


def test_too_few_families() -> None:
    rows = [(w, s, "INITIAL", False) for w in INITIAL for s in "abc"]
    rows += [(w, s, "FINAL", False) for w in ("HOTEL", "DECIDE", "DECIDES") for s in "abc"]
    with pytest.raises(CorpusError, match=r"only 2 word families with stress FINAL.*--no-splits"):
        assign_splits(table(rows), SplitConfig())


@pytest.mark.parametrize(("valid", "test"), [(0, 0.2), (0.2, 0), (0.5, 0.5), (-0.1, 0.2)])
def test_impossible_shares(valid: float, test: float) -> None:
    with pytest.raises(ConfigError, match="must be positive and leave something to train on"):
        SplitConfig(valid, test)


def test_the_leak_check_bites() -> None:
    done = assign_splits(random_tokens(3, 12, 600), SplitConfig())
    check_leaks(done)
    train, test = done.index[done["split"] == "train"], done.index[done["split"] == "test"]
    pair = done.index[done["split"] == "minimal_pairs"][0]
    for column in ("speaker", "family"):
        leaky = done.copy()
        leaky.loc[test[0], column] = leaky.loc[train[0], column]
        with pytest.raises(CorpusError, match=f"{column} .* is in both train and test"):
            check_leaks(leaky)
    leaky = done.copy()
    leaky.loc[train[0], "family"] = leaky.loc[pair, "family"]
    with pytest.raises(CorpusError, match="minimal pair's family is in the training set"):
        check_leaks(leaky)


def test_counts() -> None:
    done = assign_splits(random_tokens(3, 12, 600), SplitConfig())
    counts = split_counts(done).set_index("split")
    assert counts["n"].sum() == len(done)
    part = done[done["split"] == "train"]
    assert counts.loc["train"].to_dict() == {
        "n": len(part),
        "n_initial": (part["stress"] == "INITIAL").sum(),
        "n_final": (part["stress"] == "FINAL").sum(),
        "n_words": part["word"].nunique(),
        "n_speakers": part["speaker"].nunique(),
    }


def test_only_a_persons_decision_makes_a_headline_pair() -> None:
    done = assign_splits(random_tokens(5, 12, 400), SplitConfig())
    labelled = done[done["is_minimal_pair"] & done["stress"].notna()]
    by_source = labelled.groupby("label_source")["split"].unique()
    assert by_source["table"].tolist() == ["minimal_pairs"]
    assert by_source["aligner"].tolist() == ["minimal_pairs_unverified"]
