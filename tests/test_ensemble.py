"""Several networks as one: logits, ledger, grids, votes, and the checkpoint that holds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stressnet.axes import Axes
from stressnet.corpus.images import Images, stack_images
from stressnet.errors import CheckpointError, ConfigError
from stressnet.evaluation.sets import TestSets, Unit, majority_vote
from stressnet.evaluation.tables import agreement_table, scores_table
from stressnet.explain import explain_batch
from stressnet.explain.grids import GRID, cell_shares, on_first_grid
from stressnet.models.checkpoint import (
    CheckpointInfo,
    TrainedNetwork,
    save_checkpoint,
    untrained_network,
)
from stressnet.models.ensemble import Ensemble, join_networks
from stressnet.models.registry import build_model
from stressnet.report.document import Table
from stressnet.report.evaluation_page import _agreement

LOW = Axes(np.arange(40) * 0.01 - 0.03, np.arange(36) * 100.0)
HIGH = Axes(np.arange(44) * 0.012, np.arange(32) * 150.0)
"""Two grids; the second reaches further in seconds and hertz, the first begins earlier."""


def info_of(architecture: str, preset: str, axes: Axes, **training: object) -> CheckpointInfo:
    return CheckpointInfo(
        architecture,
        *axes.shape,
        preset,
        {"name": preset},
        corpus_hash="c",
        training={"speakers": ["anna"], **training},
    )


def network_of(folder: Path, seed: int, info: CheckpointInfo, name: str = "") -> TrainedNetwork:
    torch.manual_seed(seed)
    model = build_model(info.architecture, info.n_bins, info.n_frames, 2).eval()
    place = folder / (name or f"{info.architecture}-{seed}")
    save_checkpoint(place, model, replace(info, seed=seed))
    return TrainedNetwork.load(place)


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[TrainedNetwork, list[TrainedNetwork]]:
    """Two architectures on two presets, joined, saved, and read again; and the members."""
    members = [
        network_of(tmp_path, 1, info_of("compact", "low", LOW)),
        network_of(tmp_path, 2, info_of("nuclei", "high", HIGH, speakers=["bo"])),
    ]
    save_checkpoint(tmp_path / "joined", *join_networks(members))
    return TrainedNetwork.load(tmp_path / "joined"), members


def images_of(n: int) -> Images:
    rng = np.random.default_rng(0)
    parts = [
        Images(
            rng.standard_normal((n, *axes.shape)).astype(np.float32),
            np.ones((n, axes.shape[1]), dtype=bool),
            axes,
            {"name": name},
        )
        for name, axes in (("low", LOW), ("high", HIGH))
    ]
    return stack_images(parts)


def test_an_ensemble_averages_logits_over_presets(mixed: tuple) -> None:
    joined, members = mixed
    images = images_of(3)
    joined.check_images(images)
    assert images.values.shape == (3, 36 + 32, 44)
    wanted = [m.logits(part.values) for m, part in zip(members, images.parts, strict=True)]
    np.testing.assert_allclose(joined.logits(images.values[:]), np.mean(wanted, axis=0), atol=1e-6)
    each = joined.each(images.values[np.arange(3)])
    np.testing.assert_allclose(each, wanted, atol=1e-6)
    assert joined.info.training["speakers"] == ["anna", "bo"]  # what any member heard
    assert joined.info.composite == "epsilon-gamma-cp"
    assert [one["name"] for one in joined.info.presets] == ["low", "high"]


def test_the_ledger_closes_over_presets(mixed: tuple) -> None:
    joined, members = mixed
    images = images_of(2)
    inputs = torch.from_numpy(images.values[:]).double()[:, None]
    explained = explain_batch(joined.model.double(), inputs, "epsilon-gamma-cp")
    difference = torch.zeros(2, dtype=torch.float64)
    for one, part in zip(members, images.parts, strict=True):
        logits = one.model.double()(torch.from_numpy(part.values).double()[:, None])
        difference += (logits[:, 0] - logits[:, 1]).detach() / 2
    met = on_first_grid(explained, [LOW, HIGH])
    assert met.relevance.shape == (2, 1, *LOW.shape)
    kept = torch.tensor(
        [
            sum(r["bias_share"] + r["stabiliser_share"] for r in met.ledger if r["sample"] == k)
            for k in (0, 1)
        ],
        dtype=torch.float64,
    )
    total = met.relevance.sum(dim=(1, 2, 3)) + kept
    np.testing.assert_allclose(total, difference, rtol=1e-10)
    assert float(met.conservation().relative_residual.max()) < 1e-10
    outside = [r["bias_share"] for r in met.ledger if r["layer"] == GRID]
    assert len(outside) == 2
    assert all(abs(share) > 1e-6 for share in outside)  # above 3.6 kHz there is no cell of `low`


def test_relevance_on_one_preset_is_the_mean_of_the_members(tmp_path: Path) -> None:
    info = info_of("compact", "low", LOW)
    members = [network_of(tmp_path, seed, info) for seed in (1, 2, 3)]
    model, _ = join_networks(members)
    inputs = torch.from_numpy(images_of(2).parts[0].values).double()[:, None]
    maps = [explain_batch(m.model.double(), inputs).relevance for m in members]
    got = explain_batch(model.double(), inputs).relevance
    np.testing.assert_allclose(got, sum(maps) / 3, rtol=1e-9, atol=1e-15)


def test_rules_suit_members_with_different_attention(tmp_path: Path) -> None:
    members = [
        network_of(tmp_path, 1, info_of(name, "low", LOW)) for name in ("transformer", "nuclei")
    ]
    model, info = join_networks(members)
    inputs = torch.from_numpy(images_of(1).parts[0].values).double()[:, None]
    explained = explain_batch(model.double(), inputs, info.composite)
    assert float(explained.conservation().relative_residual.max()) < 1e-9
    answers = np.mean([one.logits(inputs[:, 0].float().numpy())[0] for one in members], axis=0)
    assert float(explained.output[0]) == pytest.approx(answers[0] - answers[1], abs=1e-5)


def test_cells_are_shared_by_their_overlap() -> None:
    """By hand: cells of 10 on cells of 20 that begin 5 later."""
    shares = cell_shares(np.array([5.0, 15.0, 25.0]), np.array([15.0, 35.0]))
    np.testing.assert_allclose(shares, [[0.5, 1.0, 0.5], [0.0, 0.0, 0.5]])
    # Below 0 Hz there is no sound: both lowest cells begin at 0.
    shares = cell_shares(np.array([0.0, 100.0]), np.array([0.0, 60.0]), 0.0)
    np.testing.assert_allclose(shares, [[0.6, 0.0], [0.4, 0.4]])


def test_an_untrained_ensemble_has_different_members(mixed: tuple) -> None:
    joined, _ = mixed
    fresh = untrained_network(joined.info, images_of(4).values[:], 0)
    assert isinstance(fresh, Ensemble)
    assert not torch.equal(next(fresh.parameters()), next(joined.model.parameters()))


def test_what_cannot_be_joined(tmp_path: Path) -> None:
    info = info_of("compact", "low", LOW)
    one, other = (network_of(tmp_path, seed, info) for seed in (1, 2))
    with pytest.raises(ConfigError, match="two networks or more"):
        join_networks([one])
    with pytest.raises(ConfigError, match="each only once"):
        join_networks([one, other, one])
    spanish = network_of(tmp_path, 3, info_of("compact", "low", LOW, language="es"), "es")
    with pytest.raises(CheckpointError, match="of another language"):
        join_networks([one, spanish])
    changed = replace(other, info=replace(info, preset_parameters={"name": "low", "hop_s": 1}))
    with pytest.raises(CheckpointError, match="another preset of the same name"):
        join_networks([one, changed])
    save_checkpoint(tmp_path / "joined", *join_networks([one, other]))
    with pytest.raises(ConfigError, match="is an ensemble itself"):
        join_networks([one, TrainedNetwork.load(tmp_path / "joined")])
    folds = [
        network_of(tmp_path, k, info_of("compact", "low", LOW, fold={"number": k}), f"f{k}")
        for k in (4, 5)
    ]
    assert join_networks([one, other])[1].corpus_hash == "c"
    assert join_networks(folds)[1].corpus_hash == ""  # what is new to one was heard by the other


def test_votes_and_agreement_by_hand() -> None:
    each = np.array([[2.0, -1.0, 1.0, -1.0], [1.0, -1.0, -3.0, 2.0]])
    unit = Unit("both", ("both",), "low", each.mean(axis=0), None, False, each)
    assert np.sign(majority_vote(unit).logit_difference).tolist() == [1.0, -1.0, -1.0, 1.0]
    three = replace(unit, each=np.vstack([each, [[5.0, 5.0, -1.0, -1.0]]]))
    assert np.sign(majority_vote(three).logit_difference).tolist() == [1.0, -1.0, -1.0, -1.0]
    tokens = pd.DataFrame(
        {
            "stress": ["INITIAL", "FINAL", "INITIAL", "FINAL"],
            "class_index": [0, 1, 0, 1],
            "speaker": list("abab"),
            "lemma": list("wxyz"),
        }
    )
    tests = TestSets(tokens, {"all": np.ones(4, dtype=bool)}, False, None)
    table = agreement_table([unit], tests, seed=0, n_resamples=50).set_index("n_agreeing")
    assert table["n"].tolist() == [4, 2, 2]
    assert table["accuracy"].tolist() == [0.5, 0.0, 1.0]  # all, one agrees, both agree
    assert table["auroc_disagreement"].iloc[0] == 1.0
    block = next(b for b in _agreement(table.reset_index()) if isinstance(b, Table))
    assert [row[2] for row in block.rows] == ["–", "1", "2"]
    how = {"seed": 0, "n_resamples": 20}
    scores = scores_table([unit, majority_vote(unit)], tests, **how).set_index(["model", "metric"])
    assert scores.loc[("both", "ece"), "estimate"] > 0
    vote = scores.loc[("both, vote", "ece")]
    assert np.isnan(vote["estimate"]) and vote["reason"] == "a vote has no probability"
