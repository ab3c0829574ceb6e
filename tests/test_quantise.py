"""Networks in few bits: rounding by hand, folds that change nothing, plans, and the command."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run_cli
from toy_corpus import write_toy_corpus

from stressnet.corpus.store import PHONES, TOKENS, Corpus
from stressnet.errors import ConfigError, ExplainError
from stressnet.explain.api import explain_batch
from stressnet.lexicon.stress import Stress
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.networks import Network
from stressnet.models.registry import build_model
from stressnet.quantise.quantisers import (
    ChannelRanges,
    Range,
    find_range,
    round_attention,
    round_weights,
)
from stressnet.quantise.scores import allocate, contributions, costs, omega
from stressnet.quantise.simulate import Simulation, fold_batch_norms, fold_into_norm, plan_size
from stressnet.runs.manifest import write_manifest
from stressnet.runs.tables import write_parquet
from stressnet.stages.quantise import QuantiseConfig, quantise_networks

BITS = (2, 3, 4, 5, 6, 8)


def network(name: str) -> Network:
    """A small network with fresh weights whose batch normalisations have seen something."""
    torch.manual_seed(0)
    model = build_model(name, 40, 40)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            torch.nn.init.normal_(module.bias)
    model.train()(torch.randn(16, 1, 40, 40))
    return model.eval()


# -- quantisers -----------------------------------------------------------------------------------


def test_weights_have_a_scale_per_output_channel() -> None:
    weight = torch.tensor([[0.7, -0.26, 0.04], [7.0, 1.4, -2.0]])
    # Three bits: integers -3 to 3, steps of 0.7 / 3 and 7 / 3.
    wanted = torch.tensor([[3, -1, 0], [3, 1, -1]]) * torch.tensor([[0.7], [7.0]]) / 3
    assert torch.allclose(round_weights(weight, 3), wanted)
    assert torch.equal(round_weights(torch.zeros(2, 3), 4), torch.zeros(2, 3))


def test_activations_have_one_scale_and_keep_zero() -> None:
    span = Range(-1.0, 2.0)
    assert span.grid(2) == (1.0, 1)
    x = torch.tensor([-5.0, -0.6, 0.0, 0.4, 1.4, 9.0])
    assert torch.equal(span.round(x, 2), torch.tensor([-1.0, -1.0, 0.0, 0.0, 1.0, 2.0]))
    assert Range(1.0, 3.0).grid(2) == (1.0, 0), "the range is widened to zero"


def test_ranges_by_calibration() -> None:
    values = torch.cat([torch.linspace(-1, 1, 10_000), torch.tensor([40.0])])
    assert find_range(values, 4, "min-max") == Range(-1.0, 40.0)
    cut = find_range(values, 4, "percentile")
    assert cut.low == pytest.approx(-1, abs=0.01) and cut.high == pytest.approx(1, abs=0.01)
    best = find_range(values, 4, "mse")
    errors = [
        float((one.round(values, 4) - values).square().mean()) for one in (best, Range(-1, 40))
    ]
    assert errors[0] < errors[1]


def test_attention_weights_are_powers_of_two() -> None:
    weights = torch.tensor([1.0, 0.5, 0.3, 0.1, 0.0])
    assert torch.equal(round_attention(weights, 2), torch.tensor([1.0, 0.5, 0.25, 0.0, 0.0]))


def test_the_fold_into_layer_norm_changes_nothing_but_the_grid() -> None:
    torch.manual_seed(1)
    norm, layer = torch.nn.LayerNorm(6), torch.nn.Linear(6, 4)
    torch.nn.init.uniform_(norm.weight, 0.2, 3.0)
    torch.nn.init.normal_(norm.bias)
    for module in (norm, layer):
        module.double().requires_grad_(False)
    x = torch.randn(200, 6, dtype=torch.float64)
    before, wanted = norm(x), layer(norm(x))
    channels = ChannelRanges.of(before, "min-max")
    width = channels.high - channels.low
    rounded = channels.low + torch.round((before - channels.low) / width * 15) * width / 15
    inside = rounded.clamp(channels.low, channels.high)
    plain = layer(inside)
    span = fold_into_norm(norm, layer, channels, 4)
    assert torch.allclose(layer(norm(x)), wanted, atol=1e-12), "in full precision it is the same"
    assert torch.allclose(layer(span.round(norm(x), 4)), plain, atol=1e-6), (
        "each channel's own grid"
    )


def test_outlying_channels_are_clipped() -> None:
    values = torch.randn(1000, 20)
    values[:, 3] *= 50
    width = torch.stack([*ChannelRanges.of(values, "min-max").fold(4)[:1]])[0]
    assert width[3] < 3 * width.median()


# -- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compact", "nuclei", "transformer", "resnet18"])
def test_folding_batch_norms_changes_no_logit(name: str) -> None:
    model, images = network(name), torch.randn(3, 1, 40, 40)
    folded = fold_batch_norms(model)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.no_grad():
        assert torch.allclose(folded(images), model(images), atol=1e-4)


@pytest.mark.parametrize("name", ["compact", "nuclei", "transformer"])
def test_more_bits_come_closer_and_relevance_is_conserved(name: str) -> None:
    images = torch.randn(8, 1, 40, 40)
    net = Simulation(network(name), images, "min-max", "even")
    base, layers = net.base, net.layers
    assert sum(layer.n_weights for layer in layers) == sum(
        p.numel() for n, p in base.named_parameters() if n.endswith("weight") and p.dim() > 1
    )
    assert np.allclose(net.logits(net.folded(), images), net.logits(base, images), atol=1e-4)
    errors = []
    for bits in (3, 5, 8):
        plan = {layer.name: bits for layer in layers}
        model = net.rounded(plan)
        with torch.no_grad():
            errors.append(float((model(images) - base(images)).square().mean()))
        composite = "attn-lrp" if name == "transformer" else "epsilon-gamma-cp"
        explained = explain_batch(model, images, composite)
        assert torch.allclose(explained.logits, model(images), atol=1e-4)
        assert float(explained.conservation().relative_residual.max()) < 1e-4
    assert errors[0] > errors[1] > errors[2]
    size = plan_size(base, layers, plan)
    assert size["bytes"] < 0.5 * size["float_bytes"]


def test_signed_relevance_ranks_nothing_without_branches_and_absolute_does() -> None:
    model = network("compact")
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.zeros_(module.bias)
            torch.nn.init.zeros_(module.running_mean)
    torch.nn.init.zeros_(model.get_submodule("fc").bias)
    images = torch.randn(6, 1, 40, 40)
    layers = Simulation(model, images).layers
    labels = torch.full((6,), Stress.INITIAL.class_index)
    values = contributions(model, layers, images, labels, "lrp-0")
    signed = values[:, :, 2]
    assert np.allclose(signed, signed[:, -1:], rtol=1e-3), "conserved: the same in all layers"
    assert omega(values).std() > 0.01
    assert np.allclose(values[:, :, 1] * 2, values[:, :, 0] + signed)


# -- plans ----------------------------------------------------------------------------------------


def exhaustive(cost: np.ndarray, use: np.ndarray, budget: float) -> float:
    """The least cost of all choices within the budget."""
    choices = np.array(list(itertools.product(range(cost.shape[1]), repeat=len(cost))))
    rows = np.arange(len(cost))
    allowed = use[rows, choices].sum(axis=1) <= budget
    return float(cost[rows, choices].sum(axis=1)[allowed].min())


@pytest.mark.parametrize("seed", range(5))
def test_the_integer_programme_finds_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = np.outer(rng.random(5), 4.0 ** -np.array(BITS)) * rng.uniform(0.5, 2, (5, 6))
    use = np.outer(rng.integers(50, 5000, 5), BITS).astype(float)
    budget = 4.0 * use[:, 0].sum() / 2
    fast = allocate(cost, use, budget)
    rows = np.arange(5)
    assert use[rows, fast].sum() <= budget * (1 + 1e-9)
    assert cost[rows, fast].sum() == pytest.approx(exhaustive(cost, use, budget), rel=1e-6)
    assert (allocate(cost * 0, use, use.max(axis=1).sum()) == 5).all(), (
        "bits that are free are used"
    )
    with pytest.raises(ConfigError, match="budget"):
        allocate(cost, use, use[:, 0].sum() * 0.9)


def test_layers_that_matter_get_more_bits_and_shuffled_scores_do_not() -> None:
    net = Simulation(network("transformer"), torch.randn(4, 1, 40, 40))
    falling = np.linspace(1, 0.01, len(net.layers)) ** 3
    use = np.outer(np.ones(len(net.layers)), BITS)
    truth = falling[:, None] * 4.0 ** -np.array(BITS)
    rows = np.arange(len(net.layers))

    def chosen(scores: np.ndarray) -> np.ndarray:
        cost = costs("relevance", net, np.array(BITS), {"relevance": scores}, truth, 0)
        return allocate(cost, use, 4.0 * len(net.layers))

    def lost(scores: np.ndarray) -> float:
        return float(truth[rows, chosen(scores)].sum())

    assert (np.diff(chosen(falling)) <= 0).all() and chosen(falling)[0] > chosen(falling)[-1]
    rng = np.random.default_rng(0)
    shuffled = np.mean([lost(rng.permutation(falling)) for _ in range(10)])
    assert lost(falling) < 0.5 * shuffled


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, and a network that has learnt it."""
    folder = tmp_path_factory.mktemp("quantise")
    tokens = pd.read_parquet(write_toy_corpus(folder / "corpus") / TOKENS)
    write_parquet(tokens.assign(nucleus_1="AA1", nucleus_2="AH0"), folder / "corpus" / TOKENS)
    parts = zip("bada", (1, 1, 2, 2), ("onset", "nucleus") * 2, (0.0, 0.1, 0.15, 0.2), strict=True)
    phones = pd.DataFrame(parts, columns=["phone", "syllable", "role", "start_s"])
    phones["end_s"] = [*phones["start_s"][1:], 0.3]
    phones = tokens[["token_id"]].merge(phones, how="cross")
    write_parquet(phones, folder / "corpus" / PHONES)
    outputs = [folder / "corpus" / name for name in (TOKENS, PHONES)]
    write_manifest(folder / "corpus", "corpus", parameters={"recipe": "toy"}, outputs=outputs)
    corpus = Corpus.open(folder / "corpus")
    images = corpus.images("stressnet")
    torch.manual_seed(0)
    model = build_model("compact", *images.axes.shape)
    train = (corpus.tokens["split"] == "train").to_numpy()
    x = torch.from_numpy(np.array(images.values[train]))[:, None]
    y = torch.tensor((corpus.tokens["stress"][train] == "FINAL").to_numpy().astype(int))
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(25):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    info = CheckpointInfo(
        "compact", *images.axes.shape, "stressnet", dict(images.preset),
        corpus_hash=corpus.fingerprint,
    )  # fmt: skip
    save_checkpoint(folder / "net", model.eval(), info)
    return folder


@pytest.fixture(scope="module")
def result(study: Path) -> Path:
    quantise_networks(
        study / "corpus", study / "net", study / "out",
        mean_bits=("8", "4", "2.5"), random_draws=1, calibration_tokens=24, map_tokens=4,
        composites=("epsilon-gamma", "epsilon"), n_resamples=100,
    )  # fmt: skip
    return study / "out"


def test_eight_bits_cost_nothing_and_few_do(result: Path) -> None:
    cost = pd.read_parquet(result / "cost.parquet")
    whole = cost[cost["test_set"] == "together"].set_index(["score", "mean_bits"])
    eight = whole.loc[("uniform", 8.0)]
    assert eight["agreement"] > 0.99
    assert eight["difference_to_float_low"] >= -0.005
    assert eight["difference_to_float_high"] <= 0.005
    assert eight["balanced_accuracy"] > 0.9, "it has learnt something that could be lost"
    assert whole.loc[("uniform", 2.5), "agreement"] < eight["agreement"]
    assert eight["bytes"] < 0.33 * eight["float_bytes"]
    assert (cost["bits_per_weight"] <= cost["mean_bits"] + 1e-9).all()
    assert (whole["difference_to_uniform"].xs("uniform", level=0) == 0).all()


def test_tables_of_scores_and_plans(result: Path) -> None:
    plans = pd.read_parquet(result / "plans.parquet")
    assert set(plans["bits"]) <= set(BITS)
    shares = pd.read_parquet(result / "contributions.parquet")
    sums = shares.groupby(["composite", "stress", "kind"])["share"].sum()
    assert np.allclose(sums, 1.0) and len(sums) == 2 * 3 * 3
    assert (shares["share_low"] <= shares["share"] + 1e-9).all()
    sensitivity = pd.read_csv(result / "sensitivity.csv")
    by_bits = sensitivity.groupby("bits")["mse"].sum()
    assert by_bits.loc[2] > by_bits.loc[4] > by_bits.loc[8]
    maps = pd.read_csv(result / "maps.csv").set_index("plan")["correlation"]
    assert maps["uniform 8"] > 0.99 > maps["uniform 2.5"]
    assert len(pd.read_csv(result / "stability.csv")) == 1, "two composites"
    assert (result / "figures/cost.pdf").is_file()


def test_the_command_prints_plans_and_refuses_what_makes_no_sense(
    study: Path, result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("quantise", study / "corpus", study / "net", study / "few")
    options = ("--mean-bits", "4", "--scores", "uniform,relevance", "--map-tokens", "0", "-q")
    code, out, err = run_cli(capsys, *arguments, *options, "--resamples", "100")
    assert code == 0, err
    assert "relevance" in out and "agreement" in out
    assert not (study / "few" / "maps.csv").exists()
    other = (study / "corpus", study / "net", study / "nothing")
    for wrong, words in (
        ({"scores": ("taste",)}, "score"),
        ({"composites": ("taste",)}, "composite"),
        ({"mean_bits": ("1",)}, "from 2 to 16"),
        ({"bits": ("some",)}, "numbers"),
        ({"mean_bits": ("3",), "bits": ("4", "8")}, "below the fewest"),
    ):
        with pytest.raises(ConfigError, match=words):
            quantise_networks(*other, **wrong)
    assert QuantiseConfig().bits == tuple(map(str, BITS))


def test_rules_that_do_not_suit_a_network_are_refused_before_the_folder_begins(
    study: Path, tmp_path: Path
) -> None:
    corpus = study / "corpus"
    images = Corpus.open(corpus).images("stressnet")
    shape, own = images.axes.shape, {"corpus_hash": Corpus.open(corpus).fingerprint}
    info = CheckpointInfo("nuclei", *shape, "stressnet", dict(images.preset), **own)
    save_checkpoint(tmp_path / "nuclei", build_model("nuclei", *shape).eval(), info)
    with pytest.raises(ExplainError, match="div"):
        quantise_networks(corpus, tmp_path / "nuclei", tmp_path / "out", composites=("attn-lrp",))
    assert not (tmp_path / "out").exists()


def test_an_export_in_eight_bits_is_small_and_gives_the_same_answers(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    out = tmp_path / "net.onnx"
    arguments = ("export", study / "net", out, "--quantised", study / "corpus")
    code, text, err = run_cli(capsys, *arguments)
    assert code == 0, err
    assert "same answer" in text and "in 8 bits" in text
    model = onnx.load(str(out))
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert "Conv" in about["quantised"] and about["architecture"] == "compact"
    assert {w.data_type for w in model.graph.initializer if len(w.dims) == 4} == {
        onnx.TensorProto.INT8
    }
    monkeypatch.setattr("stressnet.quantise.onnx_file.LEAST_AGREEMENT", 1.01)
    code, _, err = run_cli(capsys, *arguments[:2], tmp_path / "no.onnx", *arguments[3:])
    assert code == 1 and "nothing was written" in err
    assert not (tmp_path / "no.onnx").exists()


def test_a_transformer_is_exported_for_any_number_of_words(tmp_path: Path) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name)
    from stressnet.acoustics.spectrogram import PRESETS
    from stressnet.training.onnx_export import export_onnx

    preset = PRESETS["stressnet"]
    torch.manual_seed(0)
    info = CheckpointInfo("transformer", *preset.shape, "stressnet", preset.to_dict())
    save_checkpoint(tmp_path / "net", build_model("transformer", *preset.shape).eval(), info)
    assert export_onnx(tmp_path / "net", tmp_path / "net.onnx") <= 1e-4
