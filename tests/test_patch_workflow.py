"""``patch`` on a corpus of noise with a louder patch, and in the report."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run_cli
from toy_corpus import write_toy_corpus

from stressnet.corpus.landmarks import LANDMARK_COLUMNS
from stressnet.corpus.store import TOKENS, Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.evaluation.heard import trained_on
from stressnet.models.checkpoint import CheckpointInfo, TrainedNetwork, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.patching import circuits, estimate
from stressnet.report.document import Picture
from stressnet.report.patching_page import findings, heard_by, patching_blocks
from stressnet.runs.manifest import read_manifest, write_manifest
from stressnet.runs.tables import write_parquet
from stressnet.stages.patch import PatchConfig, patch_networks
from stressnet.training.corpus_data import Fold, splits_of_fold

CUES = "f0_mean_st duration_s intensity_mean_db f1_hz f2_hz f3_hz spectral_tilt_db".split()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with both readings of two words, its cues, and a network."""
    folder = tmp_path_factory.mktemp("patch")
    corpus = write_toy_corpus(folder / "corpus")
    tokens = pd.read_parquet(corpus / TOKENS)
    for name, time_s in zip(LANDMARK_COLUMNS, np.linspace(0.0, 0.3, 7), strict=True):
        tokens[name] = time_s
    write_parquet(tokens, corpus / TOKENS)
    manifest = read_manifest(corpus, "corpus")
    write_manifest(corpus, "corpus", parameters=manifest["parameters"], outputs=[corpus / TOKENS])
    rng = np.random.default_rng(0)
    cues = {f"nucleus_{k}_{cue}": 1 + rng.random(len(tokens)) for k in (1, 2) for cue in CUES}
    (folder / "cues").mkdir()
    write_parquet(
        pd.DataFrame({"token_id": tokens["token_id"], **cues}), folder / "cues/cues.parquet"
    )
    write_manifest(
        folder / "cues",
        "cues",
        parameters={},
        inputs={"corpus": Corpus.open(corpus).fingerprint},
        outputs=[folder / "cues/cues.parquet"],
    )
    images = Corpus.open(corpus).images("stressnet")
    torch.manual_seed(0)
    info = CheckpointInfo("compact", *images.axes.shape, "stressnet", dict(images.preset))
    save_checkpoint(folder / "net", build_model("compact", *images.axes.shape).eval(), info)
    return folder


@pytest.fixture(scope="module")
def patched(study: Path) -> Path:
    out = study / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(circuits, "N_SIZES", 6)
        patch.setattr(circuits, "N_RANDOM", 1)
        patch_networks(
            study / "corpus", study / "net", out, max_pairs=6, min_difference=0.0,
            measured=study / "cues", max_tokens=80,
        )  # fmt: skip
    return out


def test_patch_writes_tables_figures_and_a_page(patched: Path) -> None:
    pairs = pd.read_csv(patched / "pairs.csv")
    assert set(pairs["word"]) == {"PERMIT", "REBEL"}
    assert pairs["cue"].value_counts().to_dict() == {"stress": 6, "same class": 6}
    used = pairs[pairs["patched"]]
    assert (used.loc[used["cue"] == "stress", "difference"] >= 0).all()
    effects = pd.read_parquet(patched / "effects.parquet")
    channels = effects[(effects["kind"] == "channel") & (effects["estimator"] == "activation")]
    assert (channels.groupby("pair").size() == 16 + 32 + 64 + 128).all()
    assert set(effects["estimator"]) == {"activation", "attribution", "relp"}
    assert "nucleus 2" in set(effects["unit"])
    agreement = pd.read_csv(patched / "agreement.csv").set_index(["kind", "layer", "estimator"])
    last = agreement.loc[("channel", "relu4", "attribution")]
    assert last["r"] > 0.99 and last["scale"] == pytest.approx(1.0, abs=0.02), "linear from there"
    by_relp = agreement.xs("relp", level="estimator")["r"]
    by_gradient = agreement.xs("attribution", level="estimator")["r"]
    assert np.allclose(by_relp, by_gradient, atol=1e-3), "ReLU and BatchNorm: the same estimate"
    circuit = pd.read_csv(patched / "circuit.csv")
    whole = circuit[(circuit["n_units"] == 240) & (circuit["measure"] == "faithfulness")]
    assert np.allclose(whole["mean"], 1.0)
    assert set(pd.read_csv(patched / "accuracy.csv")["works"]) == {"network", "circuit", "rest"}
    assert len(pd.read_csv(patched / "tuning.csv")) == 240 * 12
    page = (patched / "index.html").read_text()
    for name in ("places-time", "circuit", "agreement-0", "channels-0"):
        assert (patched / f"figures/{name}.pdf").is_file()
        assert f"figures/{name}.png" in page
    assert "of the decision, by ranking" in (patched / "circuit.md").read_text()
    lead = page.split("<h2")[0]
    assert "places-time.png" in lead and " carries most of the decision: " in lead
    assert " % of the decision" in lead and "attribution agrees best" in lead


def test_edges_of_a_transformer_make_a_circuit(study: Path, monkeypatch) -> None:
    monkeypatch.setattr(circuits, "N_SIZES", 3)
    monkeypatch.setattr(circuits, "N_RANDOM", 1)
    images = Corpus.open(study / "corpus").images("stressnet")
    torch.manual_seed(0)
    info = CheckpointInfo("transformer", *images.axes.shape, "stressnet", dict(images.preset))
    model = build_model("transformer", *images.axes.shape).eval()
    save_checkpoint(study / "transformer", model, info)
    out = study / "edges"
    patch_networks(
        study / "corpus", study / "transformer", out, max_pairs=2, min_difference=0.0,
        max_tokens=8, units=("edge",), estimators=("relp",),
    )  # fmt: skip
    circuit = pd.read_csv(out / "circuit.csv")
    assert set(circuit["kind"]) == {"edge"} and circuit["n_units"].max() == 116
    whole = circuit[circuit["n_units"] == 116].set_index(["ranking", "measure"])["mean"]
    assert np.allclose(whole.xs("faithfulness", level="measure"), 1.0)
    assert np.allclose(whole.xs("completeness", level="measure"), 0.0)
    effects = pd.read_parquet(out / "effects.parquet")
    start = effects[(effects["layer"] == "block1.norm1:input") & (effects["unit"] == "start")]
    assert len(start) == effects["pair"].nunique() and (effects.groupby("pair").size() == 116).all()
    assert "The strongest" in (out / "circuit.md").read_text()
    assert (out / "figures/edges-0.png").is_file() and not (out / "tuning.csv").exists()
    with pytest.raises(ConfigError, match="no residual stream"):
        patch_networks(study / "corpus", study / "net", study / "none", units=("edge",))
    assert not (study / "none").exists()


def test_pairs_without_a_scale_are_told(study: Path, patched: Path, monkeypatch) -> None:
    """They are no rows that silently lack, and do not count as patched."""
    pairs = pd.read_csv(patched / "pairs.csv")
    pairs = pairs[pairs["patched"]]
    largest = pairs[["clean", "corrupted"]].abs().max(axis=1)
    ratio = pairs["difference"].abs() / largest
    limit = ratio[pairs["cue"] == "stress"].median()
    monkeypatch.setattr(estimate, "NEARLY_EQUAL", limit)
    out = study / "unscaled"
    patch_networks(
        study / "corpus", study / "net", out, max_pairs=6, min_difference=0.0,
        max_tokens=8, units=("layer",), estimators=("attribution",),
    )  # fmt: skip
    failures = pd.read_csv(out / "failures.csv")
    expected = {f"net, pair {pair}" for pair in pairs.loc[ratio <= limit, "pair"]}
    assert expected and set(failures["item"]) == expected
    assert failures["reason"].str.contains("nearly equal").all()
    again = pd.read_csv(out / "pairs.csv")
    assert set(again.loc[again["patched"], "pair"]) == set(pairs.loc[ratio > limit, "pair"])
    assert set(pd.read_parquet(out / "effects.parquet")["pair"]) <= set(
        again.loc[again["patched"], "pair"]
    )


def test_the_command_prints_findings_and_refuses_what_makes_no_sense(study: Path, capsys) -> None:
    arguments = ("patch", study / "corpus", study / "net", study / "layers")
    options = ("--units", "layer", "--estimators", "relp", "--min-difference", "0", "-q")
    code, out, _ = run_cli(capsys, *arguments, *options, "--max-pairs", "2")
    assert code == 0
    assert "net:" in out and "between words of the same stress" in out
    assert not (study / "layers" / "circuit.csv").exists()
    other = (study / "corpus", study / "net", study / "nothing")
    with pytest.raises(ConfigError, match="neuron"):
        patch_networks(*other, units=("neuron",))
    with pytest.raises(ConfigError, match="estimator"):
        patch_networks(*other, estimators=("guess",))
    with pytest.raises(ConfigError, match="belong together"):
        PatchConfig(pairs="manipulated")
    with pytest.raises(ConfigError, match="lower --min-difference"):
        patch_networks(*other, min_difference=1e6, units=("layer",))
    with pytest.raises(CorpusError):
        patch_networks(*other, pairs="manipulated", stimuli=study / "cues")


def test_sentences_name_the_cue_that_channels_carry(patched: Path) -> None:
    tuning = pd.DataFrame(
        [
            ("relu3", 4, 2, "duration", -0.6, 0.01),
            ("relu3", 4, 1, "f0", 0.3, 0.02),
            ("relu3", 5, 2, "duration", 0.5, 0.01),
            ("relu4", 5, 1, "tilt", 0.5, 0.30),
        ],
        columns=["layer", "unit", "vowel", "cue", "r", "p_value"],
    ).assign(network="net")
    assert heard_by(tuning) == {
        ("relu3", "4"): "vowel 2's duration",
        ("relu3", "5"): "vowel 2's duration",
    }
    names = ("pairs", "places", "agreement", "circuit", "accuracy")
    tables = {name: pd.read_csv(patched / f"{name}.csv") for name in names}
    units = [("relu3", 4, 0.3), ("relu3", 5, 0.2), ("relu4", 5, 0.1)]
    members = pd.DataFrame(units, columns=["layer", "unit", "effect"])
    members = members.assign(network="net", kind="channel")
    facts = findings({**tables, "circuit_units": members, "tuning": tuning}, "net")
    assert "Two channels of relu3 carry vowel 2's duration." in facts
    assert "No measured cue: 1 channel." in facts


def test_a_report_shows_what_patch_found(patched: Path, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    blocks = list(patching_blocks(patched, tmp_path))
    pictures = [block.file for block in blocks if isinstance(block, Picture)]
    assert "figures/patching-circuit.png" in pictures
    assert all((tmp_path / file).is_file() for file in pictures)


def test_circuits_are_judged_on_the_tokens_of_the_networks_fold(
    study: Path, tmp_path: Path, monkeypatch
) -> None:
    corpus, network = Corpus.open(study / "corpus"), TrainedNetwork.load(study / "net")
    training = {**network.info.training, "fold": asdict(Fold(2, 3))}
    info = replace(network.info, corpus_hash=corpus.fingerprint, training=training)
    save_checkpoint(tmp_path / "net", network.model, info)
    judged_on = []

    def judged(*arguments: object) -> None:
        judged_on.append(arguments[5])
        raise ConfigError("seen")

    monkeypatch.setattr("stressnet.stages.patch.run.circuit_tables", judged)
    with pytest.raises(ConfigError, match="seen"):
        patch_networks(
            study / "corpus", tmp_path / "net", tmp_path / "out", max_pairs=2, min_difference=0.0,
            measured=study / "cues", units=("channel",), estimators=("relp",),
        )  # fmt: skip
    (tokens,) = judged_on
    splits = corpus.tokens.set_index("token_id")["split"]
    of_fold = dict(
        zip(corpus.tokens["token_id"], splits_of_fold(corpus.tokens, Fold(2, 3)), strict=True)
    )
    assert tokens["split"].tolist() == [of_fold[name] for name in tokens["token_id"]]
    assert tokens["split"].tolist() != splits.loc[tokens["token_id"]].tolist()


def test_pairs_that_were_trained_on_are_told(study: Path, patched: Path, monkeypatch) -> None:
    corpus, network = Corpus.open(study / "corpus"), TrainedNetwork.load(study / "net")
    assert trained_on(network, corpus) == frozenset()
    own = replace(network, info=replace(network.info, corpus_hash=corpus.fingerprint))
    tokens = corpus.tokens
    assert trained_on(own, corpus) == set(tokens.loc[tokens["split"] == "train", "token_id"])

    fold = Fold(2, 3)
    training = {**network.info.training, "fold": asdict(fold)}
    of_fold = replace(own, info=replace(own.info, training=training))
    splits = splits_of_fold(tokens, fold)
    assert trained_on(of_fold, corpus) == set(tokens.loc[splits == "train", "token_id"])
    assert not splits.equals(tokens["split"])

    before = pd.read_csv(patched / "pairs.csv")
    assert not before["trained_on"].any()
    heard = {before["clean_id"][0], before["corrupted_id"][3]}
    monkeypatch.setattr("stressnet.stages.patch.run.trained_on", lambda *_: heard)
    out = study / "heard"
    patch_networks(
        study / "corpus", study / "net", out, max_pairs=6, min_difference=0.0, units=("layer",),
        estimators=("relp",),
    )  # fmt: skip
    pairs = pd.read_csv(out / "pairs.csv")
    known = pairs["clean_id"].isin(heard) | pairs["corrupted_id"].isin(heard)
    assert known.any() and (pairs["trained_on"] == known).all()
    reasons = "; ".join(pd.read_csv(out / "failures.csv")["reason"])
    assert f"{known.sum()} of {len(pairs)} pairs hold a token that net was trained on" in reasons
