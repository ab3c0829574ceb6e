"""Which units decide: a network whose answer can be added up by hand, and the whole command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SENTENCES
from scipy.special import expit

from stressnet.corpus.store import Corpus
from stressnet.models.checkpoint import (
    CheckpointInfo,
    TrainedNetwork,
    save_checkpoint,
)
from stressnet.models.ensemble import join_networks
from stressnet.models.registry import build_model
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.decisive import find_decisive
from stressnet.stages.decisive.tables import lists_table, units_table, words_table
from stressnet.stages.decisive.text import decisive_text, unit_name, word_sentences
from stressnet.stages.decisive.units import Subject, Unit, measure

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


def adding(images: np.ndarray) -> np.ndarray:
    """Logits: the sum of the image's cells for INITIAL, 0 for FINAL."""
    total = images.reshape(len(images), -1).sum(axis=1).astype(np.float64)
    return np.stack([total, np.zeros(len(images))], axis=1)


def by_hand(temperature: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    image = torch.zeros(1, 1, 2, 8)
    for k, worth in enumerate(WORTH):
        image[0, 0, :, 2 * k : 2 * k + 2] = worth / 4
    network: Any = SimpleNamespace(logits=adding)
    values = {"fill": torch.zeros(1, 1, 1, 1)}
    subject = Subject(network, "t1", image, temperature, 0, values)
    assert subject.sign == 1.0
    rows, lists = measure(subject, UNITS, image[0, 0], ["fill"], draws=200)
    return pd.DataFrame(rows).set_index("unit"), pd.DataFrame(lists)


def test_units_by_hand() -> None:
    units, _ = by_hand(temperature=2.0)
    np.testing.assert_allclose(units["loss"], WORTH)
    np.testing.assert_allclose(units["relevance"], WORTH)
    assert units["turned"].tolist() == [False, True, False, False]  # 2.75 - 3 < 0
    assert units["drop"].iloc[1] == pytest.approx(expit(2.75 / 2) - expit(-0.25 / 2))
    assert units["rank_by_occlusion"].tolist() == [2, 1, 4, 3]
    assert units["area_share"].tolist() == [0.25] * 4


def test_lists_by_hand() -> None:
    _, lists = by_hand()
    found = lists.set_index(["ranking", "order", "size"])
    p = expit(2.75)
    two = found.loc["occlusion", "most", "2"]  # the vowel and the onset of the first syllable
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
            assert found.loc["occlusion", "most", size][name] == pytest.approx(
                found.loc["occlusion", "most", number][name]
            )
    one = found.loc["random", "most", "1"]  # one in four turns the answer
    assert one["turned"] == pytest.approx(0.25, abs=0.1)


def test_a_list_of_everything_ranks_nothing() -> None:
    image = torch.ones(1, 1, 2, 8)
    subject: Any = Subject(
        SimpleNamespace(logits=adding), "t", image, 1.0, 0, {"fill": torch.zeros(1, 1, 1, 1)}
    )
    _, lists = measure(subject, UNITS[:2], image[0, 0], ["fill"], draws=2)
    table = pd.DataFrame(lists)
    full = table["size"].isin(["2", "3"])
    assert table.loc[full, "turned"].isna().all()
    assert table.loc[~full & (table["size"] != "50 %"), "turned"].notna().all()


def test_tables_by_hand() -> None:
    units, lists = by_hand()
    units, lists = units.reset_index(), lists
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
    assert vowel["random_turned"] == 0.25  # one of four units turns the answer
    assert vowel["turned_over_random"] == 0.75
    assert vowel["most_by_occlusion"] == 1.0
    assert table.loc["INITIAL", "onset 2"]["least_by_relevance"] == 1.0
    sizes = lists_table(lists).set_index(["ranking", "order", "size"])
    assert sizes.loc["occlusion", "most", "1"]["turned"] == 1.0
    assert set(sizes.index.get_level_values("ranking")) == {"occlusion", "relevance"}
    words = words_table(units)
    (sentence,) = word_sentences(words, "fill", 3)
    assert sentence.startswith(
        "in present (INITIAL, 42 tokens) the vowel of the first syllable (EH1) decides; without it "
        "the answer turns in 100 % of tokens (a random phone: 25 %; relevance names it, too)"
    )
    assert not list(word_sentences(words, "fill", 43))


def test_names() -> None:
    assert unit_name("F2 of vowel 1") == "F2 of the first vowel"
    assert unit_name("coda 2") == "the consonant after the vowel in the second syllable"


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
    assert decisive_text(result).startswith("In all words, of the phones, the ")
    assert (tmp_path / "out" / "index.html").is_file()
    again = find_decisive(corpus.path, tmp_path / "both", tmp_path / "again", **options)
    pd.testing.assert_frame_equal(units, again.units)
