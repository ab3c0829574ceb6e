"""Effects of patching: against numpy by hand, against each other, and broken on purpose."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lrp_nets import randomise
from scipy.special import erf
from torch import Tensor, nn

from stressnet.axes import Axes
from stressnet.errors import ConfigError, ExplainError
from stressnet.models.registry import build_model
from stressnet.patching import (
    Unit,
    band_units,
    channel_units,
    edge_units,
    head_units,
    layer_units,
    patch_effects,
    position_units,
    roles_of,
    time_units,
)
from stressnet.patching.circuits import activations
from stressnet.patching.units import describe_layers

N_BINS, N_FRAMES, WIDTH, HEADS = 6, 5, 4, 2
ALL = ["activation", "attribution", "integrated-gradients", "relp"]


class ToyAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = HEADS
        self.into, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = self.into(x).reshape(b, n, 3, HEADS, -1).permute(2, 0, 3, 1, 4).unbind(0)
        s = torch.softmax(q @ k.mT / (WIDTH // HEADS) ** 0.5, dim=-1)
        return self.out((s @ v).transpose(1, 2).flatten(2))


class ToyBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH), ToyAttention()
        self.norm2, self.up = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 6)
        self.gelu, self.down = nn.GELU(), nn.Linear(6, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.gelu(self.up(self.norm2(x))))


class Toy(nn.Module):
    """Each frame is a token."""

    n_bins, n_frames = N_BINS, N_FRAMES

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.block1, self.block2 = nn.Linear(N_BINS, WIDTH), ToyBlock(), ToyBlock()
        self.fc = nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x[:, 0].transpose(1, 2))
        return self.fc(self.block2(self.block1(x))).mean(dim=1)


def by_hand(
    weights: dict[str, np.ndarray],
    image: np.ndarray,
    put: dict[str, Any] | None = None,
    frozen: dict[str, np.ndarray] | None = None,
) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Logit difference, activations and what RelP holds constant, with some of them replaced."""
    put, held, seen = put or {}, {}, {}

    def at(name: str, value: np.ndarray) -> np.ndarray:
        seen[name] = put.get(name, value)
        return seen[name]

    def constant(name: str, value: np.ndarray) -> np.ndarray:
        held[name] = value
        return value if frozen is None else frozen[name]

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(1, keepdims=True)
        x = x * constant(name, 1 / np.sqrt((x**2).mean(1, keepdims=True) + 1e-5))
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = dense("embed", image.T)
    x = at("block1:input", x)
    for block in ("block1", "block2"):
        q, k, v = np.split(
            dense(f"{block}.attention.into", norm(f"{block}.norm1", at(f"{block}.norm1:input", x))),
            3,
            1,
        )
        heads = []
        for cut in (slice(0, 2), slice(2, 4)):
            scores = q[:, cut] @ k[:, cut].T / np.sqrt(2)
            s = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            heads.append(s @ v[:, cut])
        mixed = at(f"{block}.attention.out:input", np.concatenate(heads, axis=1))
        x = x + at(f"{block}.attention", dense(f"{block}.attention.out", mixed))
        z = dense(f"{block}.up", norm(f"{block}.norm2", at(f"{block}.norm2:input", x)))
        ratio = 0.5 * (1 + erf(z / np.sqrt(2)))
        z = z * constant(f"{block}.gelu", ratio)
        x = at(block, x + at(f"{block}.down", dense(f"{block}.down", at(f"{block}.gelu", z))))
    logits = dense("fc", at("fc:input", x)).mean(0)
    return float(logits[0] - logits[1]), seen, held


@pytest.fixture(scope="module")
def toy() -> tuple[Toy, dict[str, np.ndarray], Tensor, Tensor]:
    net = Toy()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    net = net.double().eval()
    weights = {name: p.detach().numpy() for name, p in net.named_parameters()}
    clean, corrupted = torch.randn(2, 2, 1, N_BINS, N_FRAMES, generator=generator).double()
    return net, weights, clean, corrupted


def sent(label: str, change: dict[str, np.ndarray], weights: dict[str, np.ndarray]) -> np.ndarray:
    """What a sender's change adds to the stream, by hand."""
    path, _, head = label.partition(" ")
    if not head.isdigit():
        return change["block1:input" if label == "start" else f"{path}.down"]
    cut = slice(2 * int(head), 2 * int(head) + 2)
    return change[f"{path}.out:input"][:, cut] @ weights[f"{path}.out.weight"][:, cut].T


def slope(run: Any, layer: str, at: Any, delta: Any, frozen: Any = None) -> float:
    """Derivative along ``delta`` by central differences."""
    h = 1e-5
    up, down = (run({layer: at + sign * h * delta}, frozen)[0] for sign in (1, -1))
    return (up - down) / (2 * h)


@pytest.mark.parametrize("direction", ["corrupted-to-clean", "clean-to-corrupted"])
def test_attention_toy_by_hand(toy: Any, direction: str) -> None:
    net, weights, clean, corrupted = toy
    units = layer_units(net) + channel_units(net) + position_units(net) + head_units(net)
    edges = edge_units(net)
    assert [u.layer for u in edges] == [
        "block1.norm1:input", *["block1.norm2:input"] * 3, *["block2.norm1:input"] * 4,
        *["block2.norm2:input"] * 6, *["fc:input"] * 7,
    ]  # fmt: skip
    assert {u.layer for u in units} >= {"block1:input", "block1.attention", "block2.down"}
    assert len(units) == 9 + (7 * WIDTH + 2 * 6) + 9 * N_FRAMES + 2 * HEADS
    units += edges
    effects = patch_effects(net, clean, corrupted, units, ALL, direction, batch_size=7, n_steps=3)
    assert (effects["failure"] == "").all() and (effects["direction"] == direction).all()
    got = effects.set_index(["pair", "kind", "layer", "unit", "estimator"])["effect"]
    base, source = (corrupted, clean) if direction == "corrupted-to-clean" else (clean, corrupted)
    for pair in range(len(clean)):
        d, before, held = by_hand(weights, base[pair, 0].numpy())
        d_source, after, _ = by_hand(weights, source[pair, 0].numpy())
        scale = d_source - d if direction == "corrupted-to-clean" else d - d_source
        for unit in units:
            cells = np.ones_like(before[unit.layer], dtype=bool)
            if unit.dim:
                cells = cells & np.expand_dims(unit.cells, 2 - unit.dim)
            delta = np.where(cells, after[unit.layer] - before[unit.layer], 0)
            if unit.kind == "edge":
                change = {place: after[place] - before[place] for place in after}
                delta = sent(unit.label, change, weights)
            a, step = before[unit.layer], after[unit.layer] - before[unit.layer]
            run = partial(by_hand, weights, base[pair, 0].numpy())
            path = [slope(run, unit.layer, a + t * step, delta) for t in (1 / 6, 1 / 2, 5 / 6)]
            expected = {
                "activation": run({unit.layer: a + delta})[0] - d,
                "attribution": slope(run, unit.layer, a, delta),
                "integrated-gradients": np.mean(path),
                "relp": slope(run, unit.layer, a, delta, held),
            }
            for name, value in expected.items():
                effect = got[pair, unit.kind, unit.layer, unit.label, name]
                assert effect == pytest.approx(value / scale, abs=2e-5), (unit, name)


def test_edges_into_a_linear_read_add_up_to_everything(toy: Any) -> None:
    net, _, clean, corrupted = toy
    effects = patch_effects(net, clean, corrupted, edge_units(net), ["relp", *ALL[:3]])
    total = effects[effects["layer"] == "fc:input"].groupby(["estimator", "pair"])["effect"].sum()
    assert total.to_numpy() == pytest.approx(np.ones(len(total)), abs=1e-9)


def test_senders_make_up_what_each_receiver_of_the_transformer_reads() -> None:
    net = randomise(build_model("transformer", 48, 40))
    edges = edge_units(net)
    layers = list(dict.fromkeys(unit.layer for unit in edges))
    assert layers[4:6] == ["where:input", "block3.norm1:input"] and layers[-1] == "norm:input"
    assert len(edges) == 1 + 5 + 6 + 10 + 11 + 11 + 15 + 16 + 20 + 21
    one, other = torch.randn(2, 2, 1, 48, 40, generator=torch.Generator().manual_seed(2)).double()
    places = {place for unit in edges for place in (unit.layer, unit.reads)}
    before, after = (activations(net, places, images) for images in (one, other))
    change = {place: after[place] - before[place] for place in places}
    for layer in layers:
        added = [u.sender.added(change) for u in edges if u.layer == layer and u.sender]
        torch.testing.assert_close(sum(added), change[layer], rtol=1e-9, atol=1e-9)


class AfterNorm(ToyBlock):
    """Normalises the stream itself, as the first transformers did."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.down(self.gelu(self.up(x))))


def test_edges_need_a_stream_to_which_blocks_add() -> None:
    net = Toy().eval()
    net.block1 = AfterNorm()
    with pytest.raises(ConfigError, match="edge: block1 is no sum of what its parts give"):
        edge_units(net)
    with pytest.raises(ConfigError, match="no residual stream"):
        edge_units(build_model("compact", 32, 32))


def wide(effects: pd.DataFrame) -> pd.DataFrame:
    return effects.pivot(index=["pair", "layer", "unit"], columns="estimator", values="effect")


@pytest.fixture(scope="module")
def compact() -> tuple[nn.Module, Tensor, Tensor]:
    net = randomise(build_model("compact", 32, 32))
    generator = torch.Generator().manual_seed(1)
    clean = torch.randn(3, 1, 32, 32, generator=generator).double()
    return net, clean, clean + 0.3 * torch.randn(clean.shape, generator=generator).double()


def test_relp_is_attribution_for_relus_and_folded_normalisation(compact: Any) -> None:
    net, clean, corrupted = compact
    units = channel_units(net)
    names = ["attribution", "relp", "lrp-0", "epsilon-gamma"]
    table = wide(patch_effects(net, clean, corrupted, units, names))
    scale = table["attribution"].abs().max()
    for name in ("relp", "lrp-0"):
        assert (table[name] - table["attribution"]).abs().max() < 1e-9 * scale
    assert (table["epsilon-gamma"] - table["attribution"]).abs().max() > 1e-3 * scale


@pytest.mark.parametrize("name", ["compact", "lenet"])  # channels of feature maps, and neurons
def test_channels_add_up_to_their_layer_and_a_cut_carries_everything(
    compact: Any, name: str
) -> None:
    _, clean, corrupted = compact
    net = randomise(build_model(name, 32, 32))
    names = ["relp", "attribution"]
    sums = patch_effects(net, clean, corrupted, channel_units(net), names)
    sums = sums.groupby(["pair", "layer", "estimator"])["effect"].sum()
    for direction, all_of_it in (("corrupted-to-clean", 1.0), ("clean-to-corrupted", -1.0)):
        units = layer_units(net)
        layers = patch_effects(net, clean, corrupted, units, ["activation", *names], direction)
        truth = layers[layers["estimator"] == "activation"]["effect"]
        assert truth.to_numpy() == pytest.approx(np.full(len(truth), all_of_it), abs=1e-9)
        if direction == "corrupted-to-clean":
            for row in layers[layers["estimator"].isin(names)].itertuples():
                assert row.effect == pytest.approx(sums[row.pair, row.layer, row.estimator])


def test_nothing_depends_on_the_batch(compact: Any) -> None:
    net, clean, corrupted = compact
    axes = Axes(np.arange(32) * 0.01, np.arange(32) * 50.0)
    parts = [{"onset": (0.02 * i, 0.1), "nucleus": (0.1, 0.2 + 0.01 * i)} for i in range(3)]
    units = time_units(net, axes, parts, ["relu2"]) + channel_units(net, ["relu1"])
    one, other = (
        patch_effects(net, clean, corrupted, units, ALL, batch_size=n, n_steps=2) for n in (64, 2)
    )
    keys = ["estimator", "pair", "layer", "kind", "unit"]
    one, other = (table.sort_values(keys, ignore_index=True) for table in (one, other))
    assert one.drop(columns="effect").equals(other.drop(columns="effect"))
    np.testing.assert_allclose(one["effect"], other["effect"], rtol=1e-9, atol=1e-12)


def test_activations_are_those_before_the_network_works_in_place() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 2, 1, 8, 8).double()
    found = []
    for inplace in (False, True):
        net = nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.ReLU(inplace), nn.Flatten(), nn.Linear(108, 2)
        )  # fmt: skip
        net = randomise(net).eval()
        found.append(patch_effects(net, *images, [Unit("layer", "0", "0")], ALL)["effect"])
    assert found[0].to_numpy() == pytest.approx(found[1].to_numpy())


def test_pairs_without_scale_and_units_without_cells_say_so(compact: Any) -> None:
    net, clean, corrupted = compact
    corrupted = torch.cat([corrupted[:1], clean[1:2]])
    axes = Axes(np.arange(32) * 0.01, np.arange(32) * 50.0)
    units = time_units(net, axes, [{"onset": (0.0, 0.2)}, {"onset": (0.0, 0.2)}], ["relu2"])
    units += [Unit("time", "relu2", "nowhere", 3, np.zeros(len(units[0].cells[0]), dtype=bool))]
    effects = patch_effects(net, clean[:2], corrupted, units, ["relp", "activation"])
    failed = effects[effects["pair"] == 1]
    assert len(failed) == 2 and failed["effect"].isna().all()
    assert failed["failure"].str.contains("nearly equal: effects have no scale").all()
    good = effects[effects["pair"] == 0].set_index(["estimator", "unit"])
    assert good.loc["relp", "failure"].to_dict() == {
        "onset": "",
        "context": "",
        "nowhere": "no cell of the layer lies in the unit",
    }
    assert good["effect"].isna().equals(good["failure"] != "")
    total = (
        good.loc[("activation", "onset"), "effect"] + good.loc[("activation", "context"), "effect"]
    )
    assert total == pytest.approx(1, abs=0.5)


def test_parts_are_found_by_time_not_by_index() -> None:
    """One frame of the image differs: the unit that holds its time carries the difference."""
    net = randomise(build_model("compact", 48, 64))
    clean = torch.randn(1, 1, 48, 64, generator=torch.Generator().manual_seed(0)).double()
    axes = Axes(0.5 + np.arange(64) * 0.01, np.arange(48) * 50.0)
    parts = {"early": (0.0, 0.7), "late": (0.9, 9.0)}
    for frame, part in ((5, "early"), (30, "context"), (60, "late")):
        corrupted = clean.clone()
        corrupted[..., frame] += 2
        units = time_units(net, axes, parts, ["relu1", "relu2", "relu3"])
        effects = patch_effects(net, clean, corrupted, units, ["activation"])
        table = effects.pivot(index="layer", columns="unit", values="effect")
        assert table[part].to_numpy() == pytest.approx(np.ones(3), abs=1e-9), (frame, table)
        assert (table.drop(columns=part).abs() < 1e-9).all(axis=None)
    layers = describe_layers(net)
    assert layers["relu1"].time[1][:3] == pytest.approx([0, 1, 2])
    assert layers["relu3"].time[1][:2] == pytest.approx([1.5, 5.5])
    assert layers["relu1"].frequency[1][:2] == pytest.approx([0.5, 2.5])


class Patches(Toy):
    """Tokens are patches of 16 bins and 4 frames, row after row or column after column."""

    n_bins, n_frames = 48, 40

    def __init__(self, by_column: bool) -> None:
        super().__init__()
        self.embed, self.by_column = nn.Conv2d(1, WIDTH, (16, 4), stride=(16, 4)), by_column

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x.transpose(2, 3) if self.by_column else x
        return self.fc(self.block2(self.block1(x.flatten(2).transpose(1, 2))).mean(dim=1))


@pytest.mark.parametrize(("by_column", "token"), [(False, "12"), (True, "7")])
def test_bands_and_tokens_lie_where_the_image_has_them(by_column: bool, token: str) -> None:
    net = randomise(Patches(by_column))
    clean = torch.randn(1, 1, 48, 40, generator=torch.Generator().manual_seed(0)).double()
    axes = Axes(np.arange(40) * 0.01, np.arange(48) * 50.0)
    corrupted = clean.clone()
    corrupted[:, :, 16:32, 8:12] += 3.0  # the patch in row 1 of 3, column 2 of 10
    first = ["block1:input"]
    bands = [(0, 800), (800, 1600), (1600, 2400)]
    units = position_units(net, axes, first) + band_units(net, axes, bands, first)
    units += time_units(net, axes, {"before": (0, 0.08), "in it": (0.08, 0.12)}, first)
    effects = patch_effects(net, clean, corrupted, units, ["activation"])
    carried = effects[effects["effect"].abs() > 1e-9]
    assert list(carried["unit"]) == [token, "800-1600 Hz", "in it"]
    assert carried["effect"].to_numpy() == pytest.approx(np.ones(3))
    assert list(effects["kind"].unique()) == ["position", "band", "time"]


def test_columns_of_the_transformer_have_times_and_no_frequency() -> None:
    net = build_model("transformer", 48, 40).eval()
    layer = describe_layers(net, ["block2.down"])["block2.down"]
    assert layer.role == "mlp" and layer.frequency is None
    assert layer.time is not None and layer.time[1] == pytest.approx(1.5 + 4 * np.arange(10))


def test_roles_of_every_network() -> None:
    roles = roles_of(build_model("transformer", 48, 40))
    assert roles["block1:input"] == roles["block4"] == "residual"
    assert roles["block2.attention"] == "attention" and roles["block3.down"] == "mlp"
    assert sum(role != "activation" for role in roles.values()) == 1 + 4 * 3
    assert set(roles_of(build_model("compact", 48, 40)).values()) == {"activation"}
    assert len(roles_of(build_model("resnet18", 48, 40))) == 1 + 8 * 2


def test_broken_on_purpose_falls_to_chance(compact: Any) -> None:
    """Coefficients of other units, or another word's partner, say nothing about the effects."""
    net, clean, _ = compact
    generator = torch.Generator().manual_seed(5)
    clean = torch.randn(12, 1, 32, 32, generator=generator).double()
    corrupted = clean + 0.3 * torch.randn(clean.shape, generator=generator).double()
    units = channel_units(net, ["relu3"])
    table = wide(patch_effects(net, clean, corrupted, units, ["activation", "relp"]))

    def r(estimate: np.ndarray) -> float:
        """Mean over pairs of the correlation within each."""
        truth = table["activation"].to_numpy().reshape(len(clean), -1)
        rows = zip(truth, estimate.reshape(truth.shape), strict=True)
        return float(np.mean([np.corrcoef(*row)[0, 1] for row in rows]))

    whole = r(table["relp"].to_numpy())
    assert whole > 0.8
    rng = np.random.default_rng(0)
    shuffled = [
        r(table["relp"].to_numpy().reshape(len(clean), -1)[:, rng.permutation(len(units))])
        for _ in range(20)
    ]
    assert abs(np.mean(shuffled)) < 0.1 and max(shuffled) < whole / 2
    exchanged = wide(patch_effects(net, clean.roll(1, 0), corrupted.roll(1, 0), units, ["relp"]))
    assert abs(r(exchanged["relp"].to_numpy())) < whole / 3


def test_wrong_calls_are_refused_in_one_line(compact: Any) -> None:
    net, clean, corrupted = compact
    units = channel_units(net)
    with pytest.raises(ConfigError, match="aligned cell by cell"):
        patch_effects(net, clean, corrupted[..., :30], units)
    with pytest.raises(ConfigError, match="estimator"):
        patch_effects(net, clean, corrupted, units, ["gradient"])
    with pytest.raises(ConfigError, match="direction"):
        patch_effects(net, clean, corrupted, units, direction="both")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no units"):
        patch_effects(net, clean, corrupted, [])
    with pytest.raises(ConfigError, match="no layer 'nose'"):
        patch_effects(net, clean, corrupted, [Unit("layer", "nose", "nose")])
    axes = Axes(np.arange(32) * 0.01, np.arange(32) * 50.0)
    for_two = time_units(net, axes, [{"a": (0.0, 0.2)}] * 2)
    with pytest.raises(ConfigError, match="another number of pairs"):
        patch_effects(net, clean, corrupted, for_two)
    longer = time_units(net, Axes(np.arange(64) * 0.01, axes.frequency_hz), {"a": (0.0, 0.2)})
    with pytest.raises(ConfigError, match="make them for images of this shape"):
        patch_effects(net, clean, corrupted, longer)
    with pytest.raises(ConfigError, match="no attention with heads"):
        head_units(net)
    with pytest.raises(ConfigError, match="no time is known"):
        time_units(net, axes, {"a": (0.0, 0.2)}, ["fc"])
    with pytest.raises(ExplainError, match="training mode"):
        patch_effects(build_model("compact", 32, 32), clean, corrupted, units)
