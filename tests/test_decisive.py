"""Which units decide: a network whose answer can be added up by hand, and the whole command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SENTENCES
from scipy.special import expit

from stressnet.corpus.store import Corpus
from stressnet.models.checkpoint import CheckpointInfo, TrainedNetwork, save_checkpoint
from stressnet.models.ensemble import join_networks
from stressnet.models.registry import build_model
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.decisive import find_decisive
from stressnet.stages.decisive.tables import (
    lists_table,
    unit_name,
    units_table,
    word_sentences,
    words_table,
)
from stressnet.stages.decisive.units import Unit, Without, measure

WORTH = (0.5, 3.0, -1.0, 0.25)
"""What each phone adds to the logit difference; together 2.75, INITIAL."""


def columns(number: int) -> torch.Tensor:
    cells = torch.zeros(2, 8, dtype=torch.bool)
    cells[:, 2 * number : 2 * number + 2] = True
    return cells


UNITS = [
    Unit("phones", name, phone, columns(k))
    for k, (name, phone) in enumerate(
        [("onset 1", "P"), ("vowel 1", "EH1"), ("onset 2", "Z"), ("vowel 2", "AH0")]
    )
]


def removing(image: torch.Tensor) -> Without:
    """The sum of the image's cells that are left, towards INITIAL."""
    return lambda masks: np.array([float(image[~mask].sum()) for mask in masks])


def by_hand(temperature: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    image = torch.zeros(2, 8)
    for k, worth in enumerate(WORTH):
        image[:, 2 * k : 2 * k + 2] = worth / 4
    random = [np.random.default_rng(seed).permutation(4) for seed in range(200)]
    rows, lists = measure(removing(image), UNITS, image, random, temperature)
    return pd.DataFrame(rows).assign(baseline="fill"), pd.DataFrame(lists).assign(baseline="fill")


def test_units_by_hand() -> None:
    units, _ = by_hand(temperature=2.0)
    units = units.set_index("unit")
    np.testing.assert_allclose(units["loss"], WORTH)
    np.testing.assert_allclose(units["relevance"], WORTH)
    assert units["turned"].tolist() == [False, True, False, False]  # 2.75 - 3 < 0
    assert units["drop"].iloc[1] == pytest.approx(expit(2.75 / 2) - expit(-0.25 / 2))
    assert units["rank_by_removal"].tolist() == [2, 1, 4, 3]
    assert units["area_share"].tolist() == [0.25] * 4


def test_lists_by_hand() -> None:
    _, lists = by_hand()
    found = lists.set_index(["ranking", "order", "size"])
    p = expit(2.75)
    two = found.loc["removal", "most", "2"]  # the vowel and the onset of the first syllable
    assert two["comprehensiveness"] == pytest.approx(p - expit(-1 + 0.25))
    assert two["sufficiency"] == pytest.approx(p - expit(3.5))
    assert two["turned"] == 1.0
    least = found.loc["relevance", "least", "1"]
    assert least["comprehensiveness"] == pytest.approx(p - expit(3.75))  # it spoke against
    assert least["turned"] == 0.0
    # All units are of one size: half of the cells are two units, 10 and 20 % are one.
    same = ("comprehensiveness", "sufficiency", "turned")
    for size, number in (("50 %", "2"), ("10 %", "1"), ("20 %", "1")):
        for name in same:
            assert found.loc["removal", "most", size][name] == pytest.approx(
                found.loc["removal", "most", number][name]
            )
    one = found.loc["random", "most", "1"]  # one in four turns the answer
    assert one["turned"] == pytest.approx(0.25, abs=0.1)


def test_a_list_of_everything_ranks_nothing() -> None:
    image = torch.ones(2, 8)
    _, lists = measure(removing(image), UNITS[:2], image, [np.array([1, 0])], 1.0)
    assert set(pd.DataFrame(lists)["size"]) == {"1", "10 %", "20 %", "50 %"}


def test_tables_by_hand() -> None:
    units, lists = by_hand()
    about = {"token_id": "t1", "word": "PRESENT", "family": "PRESENT", "stress": "INITIAL"}
    many = [
        table.assign(**about | {"token_id": f"t{k}", "speaker": f"s{k % 7}", "family": f"w{k % 6}"})
        for table in (units, lists)
        for k in range(42)
    ]
    units, lists = pd.concat(many[:42]), pd.concat(many[42:])
    table = units_table(units).set_index(["stress", "unit"])
    vowel = table.loc["ALL", "vowel 1"]
    assert vowel["turned"] == 1.0
    assert np.isnan(vowel["turned_low"])  # all tokens are alike: no interval of no width
    assert vowel["random_turned"] == 0.25  # one of four units turns the answer
    assert vowel["turned_over_random"] == 0.75
    assert vowel["most_by_removal"] == 1.0
    assert table.loc["INITIAL", "onset 2"]["least_by_relevance"] == 1.0
    sizes = lists_table(lists).set_index(["ranking", "order", "size"])
    assert sizes.loc["removal", "most", "1"]["turned"] == 1.0
    assert set(sizes.index.get_level_values("ranking")) == {"removal", "relevance"}
    words = words_table(units)
    (sentence,) = word_sentences(words, 3)
    assert sentence.startswith(
        "In present (INITIAL, 42 tokens) the vowel of the first syllable (EH1) decides; without it "
        "the answer turns in 100 % of tokens (a random one: 25 %; relevance names it, too)"
    )
    assert not list(word_sentences(words, 43))
    (sentence,) = word_sentences(words.assign(turned=0.0), 3)
    assert sentence == "No single one of the phones turns the answer in present (INITIAL)."


def test_names() -> None:
    assert unit_name("F2 of vowel 1") == "F2 of the first vowel"
    assert unit_name("coda 2") == "a consonant after the vowel of the second syllable"


def test_the_command_on_an_ensemble_of_two_presets(
    make_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    recordings = make_corpus(tmp_path / "r", {"anna": 210.0, "dan": 120.0}, SENTENCES[:1])
    presets = ("stressnet", "allouche2025")
    config = BuildConfig("generic", no_splits=True, presets=presets)
    build_corpus(recordings, tmp_path / "corpus", config=config)
    corpus, members = Corpus.open(tmp_path / "corpus"), []
    for seed, preset in enumerate(presets):
        images = corpus.images(preset)
        torch.manual_seed(seed)
        model = build_model("compact", *images.axes.shape).eval()
        save_checkpoint(
            tmp_path / preset,
            model,
            CheckpointInfo("compact", *images.axes.shape, preset, images.preset),
        )
        members.append(TrainedNetwork.load(tmp_path / preset))
    save_checkpoint(tmp_path / "both", *join_networks(members))
    options = {"max_tokens": 3, "min_tokens": 1, "n_random": 2, "baselines": ("local",)}
    result = find_decisive(corpus.path, tmp_path / "both", tmp_path / "out", **options)
    units = result.units
    assert set(units["kind"]) == {"phones", "cues"}
    per_token = units[units["kind"] == "phones"].groupby("token_id")
    assert per_token["area_share"].sum().to_numpy() == pytest.approx(1.0)
    assert result.text.startswith("In all words, of the ")
    assert (tmp_path / "out" / "decisive.txt").read_text() == result.text + "\n"
    again = find_decisive(corpus.path, tmp_path / "both", tmp_path / "again", **options)
    pd.testing.assert_frame_equal(units, again.units)
