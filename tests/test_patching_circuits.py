"""A circuit that is planted is found; rankings, pairs and cues that are exchanged find nothing."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from stressnet.models.networks import Network
from stressnet.patching.agreement import ALL_LAYERS, agreement_table, mean_effects
from stressnet.patching.circuits import (
    RANDOM,
    accuracy_table,
    curves,
    edges_between,
    means_over,
    random_order,
    ranked,
    smallest,
)
from stressnet.patching.estimate import patch_effects
from stressnet.patching.tuning import tuning_table
from stressnet.patching.units import channel_units

N_PAIRS = 12


@pytest.fixture(scope="module")
def planted() -> Network:
    """Channel 3 of the first layer and channel 1 of the second say where the image is bright."""
    torch.manual_seed(0)
    network = Network(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 1, bias=False),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(6, 5, 1, bias=False),
            relu2=nn.ReLU(),
            average=nn.AdaptiveAvgPool2d((1, 2)),
            flatten=nn.Flatten(),
            fc=nn.Linear(10, 2, bias=False),
        )
    ).built_for("planted", 32, 32)
    with torch.no_grad():
        network.get_submodule("conv1").weight.abs_()
        weights = network.get_submodule("conv2").weight.abs_()
        weights[1] = 0.0
        weights[:, 3] = 0.0
        weights[1, 3] = 1.0
        fc = network.get_submodule("fc").weight
        fc.zero_()
        fc[0, 2], fc[0, 3] = 1.0, -1.0  # left and right of channel 1
    return network.eval()


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Noise with a bright left half (INITIAL, clean), and the same with a bright right half."""
    rng = np.random.default_rng(1)
    noise = 0.2 * rng.random((N_PAIRS, 1, 32, 32)).astype(np.float32)
    height = 0.5 + rng.random((N_PAIRS, 1, 1, 1)).astype(np.float32)
    clean, corrupted = noise.copy(), noise.copy()
    clean[..., :16] += height
    corrupted[..., 16:] += height
    return torch.from_numpy(clean), torch.from_numpy(corrupted)


@pytest.fixture(scope="module")
def effects(planted: Network, images: tuple[torch.Tensor, torch.Tensor]) -> pd.DataFrame:
    names = ("activation", "attribution")
    found = patch_effects(planted, *images, channel_units(planted), names)
    about = table().assign(difference=1.0, cue="stress", network="planted")
    return found.merge(about, on="pair")


def table() -> pd.DataFrame:
    pairs = np.arange(N_PAIRS)
    return pd.DataFrame({"pair": pairs, "word": pairs % 6, "speaker": pairs // 2}).astype(
        {"word": str, "speaker": str}
    )


def test_a_planted_circuit_is_found(planted, images, effects) -> None:
    units = channel_units(planted)
    order = ranked(units, effects[effects["estimator"] == "activation"])
    assert {(unit.layer, unit.label) for unit in order[:2]} == {("relu1", "3"), ("relu2", "1")}
    found = curves(planted, *images, units, effects, table(), 0)
    assert smallest(found, "activation") == smallest(found, "attribution") == 2
    assert smallest(found, RANDOM) > 6
    rows = found[(found["ranking"] == "activation") & (found["n_units"] == 2)]
    values = rows.set_index("measure")["mean"]
    assert values["faithfulness"] == pytest.approx(1.0)
    assert values["completeness"] == pytest.approx(0.0, abs=1e-6)
    assert set(found["n_pairs"]) == {N_PAIRS}


def test_a_circuit_of_shuffled_effects_keeps_nothing(planted, images, effects) -> None:
    names = effects[["layer", "unit"]].drop_duplicates().to_numpy()
    others = np.roll(names, 1, axis=0)
    exchanged = dict(zip(map(tuple, names), map(tuple, others), strict=True))
    keys = [exchanged[key] for key in effects[["layer", "unit"]].itertuples(index=False, name=None)]
    shuffled = effects.assign(layer=[k[0] for k in keys], unit=[k[1] for k in keys])
    found = curves(planted, *images, channel_units(planted), shuffled, table(), 0)
    assert smallest(found, "activation") > 6
    at_two = found[(found["n_units"] == 2) & (found["measure"] == "faithfulness")]
    assert at_two.set_index("ranking").loc["activation", "mean"] < 0.1


def test_accuracy_and_edges_of_the_planted_circuit(planted, images, effects) -> None:
    units = channel_units(planted)
    values = torch.cat(images)
    stress = ["INITIAL"] * N_PAIRS + ["FINAL"] * N_PAIRS
    tokens = pd.concat([table(), table()]).assign(stress=stress, split="test")
    fill, means = means_over(planted, units, values, np.repeat([0, 1], N_PAIRS))
    assert means["relu1"].shape == (2 * N_PAIRS, 6)
    order = ranked(units, effects)
    others = [unit for unit in random_order(units, 0) if unit not in order[:2]]
    sets = {"activation": order[:2], RANDOM: others}
    found = accuracy_table(planted, units, sets, values, fill, tokens, 0)
    value = found.set_index(["ranking", "works"])["balanced_accuracy"]
    assert value["whole", "network"] == value["activation", "circuit"] == 1.0
    assert value["activation", "rest"] == 0.5
    assert value[RANDOM, "rest"] == 1.0, "without the others nothing is lost"
    edges = edges_between(planted, *images, units)
    share = edges.set_index(["source", "target"])["share"]
    assert share["3", "1"] == pytest.approx(1.0)
    assert share["0", "1"] == pytest.approx(0.0)
    assert set(edges["source_layer"]) == {"relu1"}, "nothing comes before the first layer"


def test_agreement_falls_to_chance_if_units_or_pairs_are_exchanged() -> None:
    rng = np.random.default_rng(3)
    pairs, units = np.arange(40), np.arange(30)
    truth = rng.normal(size=(40, 30))
    rows = pd.DataFrame({"pair": np.repeat(pairs, 30), "unit": np.tile(units, 40).astype(str)})
    rows = rows.assign(
        network="n", kind="channel", layer=np.where(rows["unit"].astype(int) < 10, "a", "b"),
        word=(rows["pair"] % 8).astype(str), speaker=(rows["pair"] % 9).astype(str),
    )  # fmt: skip
    estimates = {
        "activation": truth,
        "half": 0.5 * truth + 0.05 * rng.normal(size=truth.shape),
        "units": truth[:, rng.permutation(30)],
        "pairs": truth[rng.permutation(40)],
        "against": -truth,
    }
    effects = pd.concat(
        [rows.assign(estimator=name, effect=each.ravel()) for name, each in estimates.items()]
    )
    found = agreement_table(effects)
    assert list(found["layer"].unique()) == ["a", "b", ALL_LAYERS]
    whole = found[found["layer"] == ALL_LAYERS].set_index("estimator")
    assert whole.loc["half", "r"] > 0.98 and whole.loc["half", "rank_r"] > 0.98
    assert whole.loc["half", "scale"] == pytest.approx(0.5, abs=0.02)
    assert whole.loc["half", "scale_low"] < 0.5 < whole.loc["half", "scale_high"]
    assert whole.loc["half", "sign_agreement"] > 0.9
    assert whole.loc["against", ["r", "scale"]].tolist() == pytest.approx([-1.0, -1.0])
    assert whole.loc["against", "sign_agreement"] == 0.0
    for exchanged in ("units", "pairs"):
        assert abs(whole.loc[exchanged, "r"]) < 0.1
        assert whole.loc[exchanged, "r_low"] < 0 < whole.loc[exchanged, "r_high"]
    assert agreement_table(effects[effects["estimator"] != "activation"]).empty


def test_mean_effects_are_in_logits_and_shares(effects) -> None:
    doubled = effects.assign(difference=2.0)
    found = mean_effects(doubled).set_index(["layer", "unit"])
    assert found.loc[("relu2", "1"), "share"] == pytest.approx(1.0)
    assert found.loc[("relu2", "1"), "effect"] == pytest.approx(2.0)
    assert found.loc[("relu2", "0"), "size"] == pytest.approx(0.0, abs=1e-6)
    assert set(found["estimator"]) == {"activation"}


def test_tuning_finds_the_cue_of_a_channel_and_no_speaker() -> None:
    rng = np.random.default_rng(4)
    speakers = np.repeat(np.arange(8), 40).astype(str)
    own = np.repeat(3.0 * rng.normal(size=8), 40)  # what tells speakers apart
    columns = [(1, "f0"), (1, "duration"), (2, "duration")]
    cues = pd.DataFrame(rng.normal(size=(320, 3)), columns=pd.MultiIndex.from_tuples(columns))
    cues[1, "f0"] += own
    cues[1, "duration"] += 0.8 * cues[2, "duration"]  # words are said slowly or fast
    activation = np.stack(
        [
            cues[2, "duration"] + 0.5 * rng.normal(size=320),
            own + 0.1 * rng.normal(size=320),
            rng.normal(size=320),
            np.zeros(320),
        ],
        axis=1,
    )
    cues.iloc[5, 0] = np.nan
    found = tuning_table({"relu1": activation}, cues, speakers, 0)
    assert set(found["n_tokens"]) == {319}
    r = found.set_index(["unit", "vowel", "cue"])
    assert r.loc[(0, 2, "duration"), "r"] > 0.8 and r.loc[(0, 2, "duration"), "p_value"] < 0.01
    assert r.loc[(0, 1, "duration"), "p_value"] > 0.05, "goes with the other vowel's duration"
    assert (r.drop(index=(0, 2, "duration"))["p_value"] > 0.05).all()
    exchanged = tuning_table({"relu1": activation[rng.permutation(320)]}, cues, speakers, 0)
    assert (exchanged["p_value"] > 0.01).all()
    assert tuning_table({"relu1": activation[:40]}, cues.iloc[:40], speakers[:40], 0).empty
