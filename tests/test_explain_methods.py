"""Other methods: against captum, and by their own definitions."""

from __future__ import annotations

import sys
from typing import Any

import captum.attr
import pytest
import torch
from lrp_nets import CompactCNN, randomise, signed_input
from torch import Tensor, nn

from stressnet.errors import ConfigError, ExplainError, MissingPartError
from stressnet.explain import (
    METHODS,
    ExplainWarning,
    attribute_batch,
    explain_batch,
    mean_of_maps,
    occlusion_by_masks,
)

SHAPE = (16, 12)
BANDS = [torch.arange(16)[:, None] // 8 == half for half in range(2)]
CHANCE = ("smoothgrad", "random", "gradient-shap")


def options_of(method: str, seed: int = 0) -> dict[str, Any]:
    """What a method cannot do without."""
    generator = torch.Generator().manual_seed(seed)
    if method == "ensemble":
        return {"members": {"epsilon-plus": {}, "smoothgrad": {"generator": generator}}}
    if method == "occlusion-by-masks":
        return {"masks": BANDS}
    return {"generator": generator} if method in CHANCE else {}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return randomise(CompactCNN(width=4))


@pytest.fixture(scope="module")
def x() -> Tensor:
    return signed_input(3, SHAPE)


def logit_difference(model: nn.Module) -> object:
    """The default seed as captum wants it."""

    def f(inputs: Tensor) -> Tensor:
        logits = model(inputs)
        return logits[:, 0] - logits[:, 1]

    return f


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-10) -> None:
    assert float((ours - theirs).abs().max()) < tolerance * float(theirs.abs().max())


def test_gradient_and_input_times_gradient_equal_captum(model: nn.Module, x: Tensor) -> None:
    f = logit_difference(model)
    leaf = x.clone().requires_grad_(True)
    saliency = captum.attr.Saliency(f).attribute(leaf, abs=False).detach()
    close(attribute_batch(model, x, "gradient").relevance, saliency)
    product = captum.attr.InputXGradient(f).attribute(leaf).detach()
    close(attribute_batch(model, x, "input-times-gradient").relevance, product)
    close(explain_batch(model, x, "lrp-0").relevance, product)


@pytest.mark.parametrize("target", [None, 1])
def test_integrated_gradients_equal_captum(model: nn.Module, x: Tensor, target: int | None) -> None:
    seed = "logit-difference" if target is None else "logit"
    function = logit_difference(model) if target is None else model
    ours = attribute_batch(
        model, x, "integrated-gradients", seed, target, baseline=0.25, n_steps=20
    )
    theirs = captum.attr.IntegratedGradients(function).attribute(
        x, baselines=0.25 * torch.ones_like(x), n_steps=20, target=target
    )
    close(ours.relevance, theirs.detach(), 1e-7)  # captum's step sizes are float32


def test_integrated_gradients_are_complete_when_finely_stepped(model: nn.Module, x: Tensor) -> None:
    coarse, fine = (
        attribute_batch(model, x, "integrated-gradients", n_steps=n).conservation()
        for n in (4, 400)
    )
    scale = float(fine.output.abs().max())
    assert float(fine.unaccounted_share.abs().max()) < 2e-3 * scale
    assert float(fine.unaccounted_share.abs().sum()) < float(coarse.unaccounted_share.abs().sum())
    assert float(fine.residual.abs().max()) < 1e-12


@pytest.mark.parametrize(("window", "stride"), [((4, 3), (4, 3)), ((6, 4), (2, 2))])
def test_occlusion_equals_captum(
    model: nn.Module, x: Tensor, window: tuple[int, int], stride: tuple[int, int]
) -> None:
    ours = attribute_batch(model, x, "occlusion", window=window, stride=stride, baseline=-0.5)
    theirs = captum.attr.Occlusion(logit_difference(model)).attribute(
        x, sliding_window_shapes=(1, *window), strides=(1, *stride), baselines=-0.5
    )
    close(ours.relevance, theirs.double(), 1e-6)  # captum's occlusion returns float32


def test_occlusion_covers_what_the_window_does_not_divide(model: nn.Module, x: Tensor) -> None:
    explained = attribute_batch(model, x, "occlusion", window=(5, 5))
    assert torch.isfinite(explained.relevance).all()
    everything = attribute_batch(model, x, "occlusion", window=SHAPE)
    f = logit_difference(model)
    drop = (f(x) - f(torch.zeros_like(x))).detach()
    torch.testing.assert_close(everything.relevance[:, 0, 0, 0], drop)


def test_smoothgrad_without_noise_is_the_gradient(model: nn.Module, x: Tensor) -> None:
    generator = torch.Generator().manual_seed(3)
    still = attribute_batch(model, x, "smoothgrad", generator=generator, n_samples=2, noise_sd=0.0)
    close(still.relevance, attribute_batch(model, x, "gradient").relevance)


def test_chance_comes_from_the_generator_alone(model: nn.Module, x: Tensor) -> None:
    for method in CHANCE:
        torch.manual_seed(0)
        one, same, other = (
            attribute_batch(model, x, method, generator=torch.Generator().manual_seed(n)).relevance
            for n in (1, 1, 2)
        )
        assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize("method", METHODS)
def test_results_have_one_form(model: nn.Module, x: Tensor, method: str) -> None:
    before = {k: v.clone() for k, v in model.state_dict().items()}
    explained = attribute_batch(model, x, method, "logit", **options_of(method))
    assert explained.relevance.shape == x.shape
    assert explained.composite == method and explained.seed == "logit"
    assert torch.equal(explained.target, explained.logits.argmax(dim=1))
    assert float(explained.conservation().residual.abs().max()) < 1e-12
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_the_predicted_class_stays_the_explained_class() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)).double().eval()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0]]))
    x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    explained = attribute_batch(net, x, "occlusion", "logit", window=(1, 1), baseline=-9.0)
    assert explained.relevance.flatten().tolist() == [10.0] * 4  # class 1 wins when one is altered


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("shap", {}, "no method 'shap'; there are gradient"),
        ("gradient", {"n_steps": 3}, "method gradient has no option n_steps; it has none"),
        ("random", {}, "needs generator=torch.Generator"),
        ("integrated-gradients", {"n_steps": 0}, "n_steps must be at least 1"),
        ("ensemble", {}, "method ensemble needs members"),
        ("ensemble", {"members": {}}, "at least one map"),
        ("ensemble", {"members": {"gradient": {}}, "weights": [0.0]}, "weights must be 1 numbers"),
        ("ensemble", {"members": {"gradient": {}}, "normalisation": "z"}, "not 'z'"),
        ("occlusion-by-masks", {}, "method occlusion-by-masks needs masks"),
        ("occlusion-by-masks", {"masks": []}, "masks hold no mask"),
        ("occlusion-by-masks", {"masks": [{}, {}]}, "given for 2 samples, but there are 3"),
        ("occlusion-by-masks", {"masks": [torch.ones(16, 12)]}, "'0' of sample 0 is torch.float32"),
        ("occlusion-by-masks", {"masks": [torch.ones(5) > 0]}, "does not broadcast to a sample's"),
        ("occlusion-by-masks", {"masks": [torch.ones(12) < 0]}, "is empty"),
        ("gradient-shap", {"baselines": torch.zeros(2, 4)}, r"shape \(n_baselines, 1, 16, 12\)"),
        ("grad-cam", {"layer": "conv9"}, "no layer 'conv9'"),
        ("occlusion", {"window": (0, 2)}, "window and stride must be at least 1"),
        ("occlusion", {"baseline": torch.zeros(5)}, "does not broadcast"),
    ],
)
def test_wrong_options(
    model: nn.Module, x: Tensor, method: str, options: dict, message: str
) -> None:
    if method == "gradient-shap":
        options = {**options_of(method), **options}
    with pytest.raises(ConfigError, match=message):
        attribute_batch(model, x, method, **options)


def test_training_mode_is_refused(x: Tensor) -> None:
    with pytest.raises(ExplainError, match="training mode"):
        attribute_batch(CompactCNN().double(), x, "gradient")


# -- independence of the batch ------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", ["logit-difference", "logit"])
@pytest.mark.filterwarnings("ignore:deeplift leaves")
def test_a_batch_is_its_samples(model: nn.Module, x: Tensor, method: str, seed: str) -> None:
    together = attribute_batch(model, x, method, seed, **options_of(method, 5)).relevance
    options = options_of(method, 5)  # the generator goes on from sample to sample
    alone = [attribute_batch(model, one[None], method, seed, **options).relevance for one in x]
    close(together, torch.cat(alone), 1e-9)


# -- GradientSHAP -------------------------------------------------------------------------------


def test_gradient_shap_of_a_linear_model_equals_captum(x: Tensor) -> None:
    linear = randomise(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    baseline = signed_input(1, SHAPE, seed=9)
    ours = attribute_batch(linear, x, "gradient-shap", "logit", 1, baselines=baseline, **chance(3))
    theirs = captum.attr.GradientShap(linear).attribute(x, baseline, n_samples=2, target=1)
    close(ours.relevance, theirs.detach(), 1e-7)
    assert float(ours.conservation().unaccounted_share.abs().max()) < 1e-9


def test_gradient_shap_tends_to_integrated_gradients(model: nn.Module, x: Tensor) -> None:
    exact = attribute_batch(model, x, "integrated-gradients", baseline=0.3, n_steps=200)
    drawn = attribute_batch(
        model, x, "gradient-shap", baselines=torch.full((1, 1, *SHAPE), 0.3), n_samples=300,
        **chance(1),
    )  # fmt: skip
    close(drawn.relevance, exact.relevance, 0.03)
    pool = torch.stack([torch.full((1, *SHAPE), value).double() for value in (0.0, 0.5)])
    mixed = attribute_batch(model, x, "gradient-shap", baselines=pool, n_samples=400, **chance(2))
    each = [
        attribute_batch(model, x, "integrated-gradients", baseline=b, n_steps=100).relevance
        for b in pool
    ]
    close(mixed.relevance, (each[0] + each[1]) / 2, 0.2)
    sums = mixed.conservation()
    assert float((sums.unaccounted_share.abs() / sums.output.abs()).max()) < 0.1


def chance(seed: int) -> dict[str, torch.Generator]:
    return {"generator": torch.Generator().manual_seed(seed)}


# -- class activation maps ----------------------------------------------------------------------


def test_grad_cam_equals_captum_before_it_is_laid_over(model: nn.Module, x: Tensor) -> None:
    f = logit_difference(model)
    layer = model.blocks[4]
    theirs = captum.attr.LayerGradCam(f, layer).attribute(x, relu_attributions=False).detach()
    named = attribute_batch(model, x, "grad-cam", layer="blocks.4", rectify=False).relevance
    default = attribute_batch(model, x, "grad-cam", rectify=False).relevance
    assert torch.equal(named, default)
    # cells of 2 x 2 values lie between the values: two neighbours are mixed 3 : 1
    rows, columns = (axis_weights(theirs.shape[d], x.shape[d]) for d in (2, 3))
    expected = torch.einsum("ia,bcaj,kj->bcik", rows, theirs, columns)
    close(named, expected, 1e-9)
    positive = attribute_batch(model, x, "grad-cam").relevance
    assert float(positive.min()) >= 0
    expected = torch.einsum("ia,bcaj,kj->bcik", rows, theirs.clamp(min=0), columns)
    close(positive, expected, 1e-9)


def axis_weights(cells: int, size: int) -> Tensor:
    """Linear interpolation from cells of two values each, written out."""
    weights = torch.zeros(size, cells, dtype=torch.float64)
    for i in range(size):
        place = (i - 0.5) / 2
        low = min(max(int(place // 1), 0), cells - 1)
        high = min(low + 1, cells - 1)
        share = min(max(place - low, 0.0), 1.0)
        weights[i, low] += 1 - share
        weights[i, high] += share
    return weights


class Peak(nn.Module):
    """Unpadded convolutions and pooling; both logits read one cell of the last map each."""

    def __init__(self, cell: tuple[int, ...], stride: int = 1, adaptive: bool = False):
        super().__init__()
        self.one = nn.Conv2d(1, 1, 5, stride=stride, bias=False)
        self.two = nn.Conv2d(1, 1, (3, 1), bias=False)
        self.cell, self.adaptive = cell, adaptive

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.max_pool2d(self.one(x), 2, padding=1)
        h = nn.functional.relu(self.two(nn.functional.pad(h, (1, 0, 2, 0))), inplace=True)
        h = nn.functional.adaptive_avg_pool2d(h, (4, 3)) if self.adaptive else h
        score = h[(slice(None), 0, *self.cell)]
        return torch.stack([score, -score], dim=1)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_map_is_laid_where_the_layer_looked(stride: int) -> None:
    cell = (3, 2)
    net = Peak(cell, stride).double().eval()
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(1.0)
    x = torch.rand(1, 1, 61, 17, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    leaf = x.clone().requires_grad_(True)
    # centre of the input window of that cell, from the layers' arithmetic written out
    centre_row = 2 + stride * (0.5 + 2 * (3 - 2 + 1) - 1)
    centre_column = 2 + stride * (0.5 + 2 * (2 - 1) - 1)
    explained = attribute_batch(net, x, "grad-cam", rectify=False)
    (gradient,) = torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)
    rows = torch.nonzero(gradient[0, 0].sum(dim=1)).flatten().double()
    assert abs(float(rows.mean()) - centre_row) <= stride  # the pooling's winners are inside
    from stressnet.explain.methods.positions import PositionMode, cells_of, mark_input

    with PositionMode() as mode:
        mark_input(leaf)
        net(leaf)
    places = [c.centres(9)[i] for c, i in zip(cells_of(mode.last_convolution), cell, strict=True)]
    assert [float(p) for p in places] == [centre_row, centre_column]
    assert explained.relevance.shape == x.shape


def test_a_long_thin_input_and_layers_whose_cells_cannot_be_followed() -> None:
    x = torch.randn(2, 1, 201, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = randomise(Peak((1, 1), adaptive=True))
    for method in ("grad-cam", "grad-cam++"):
        explained = attribute_batch(net, x, method)
        assert explained.relevance.shape == x.shape
        assert torch.isfinite(explained.relevance).all()

    class Frames(nn.Module):
        """Convolution over time, bins as channels."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv1d(6, 3, 3), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(x).relu().mean(dim=2))

    x = torch.randn(2, 6, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    explained = attribute_batch(randomise(Frames()), x, "grad-cam")
    assert torch.equal(explained.relevance[:, 0], explained.relevance[:, 5])


def test_grad_cam_plus_plus_by_hand() -> None:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1, bias=False)
            with torch.no_grad():
                self.conv.weight.copy_(torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            a = self.conv(x)
            score = (a * torch.tensor([[[1.0, 0.5]], [[-1.0, 0.25]]]).double()).sum(dim=(1, 2, 3))
            return torch.stack([score, 0 * score], dim=1)

    x = torch.tensor([[[[1.0, 3.0]]]], dtype=torch.float64)
    # channel 1: A = (1, 3), sum 4, g = (1, 1/2): g²/(2g² + 4g³) = 1/6, 1/4
    # channel 2: A = (2, 6), sum 8, g = (-1, 1/4): only the second counts: 1/(2 + 8/4) = 1/4
    w1, w2 = 1 / 6 + 1 / 8, 1 / 16
    expected = [w1 * 1 + w2 * 2, w1 * 3 + w2 * 6]
    got = attribute_batch(Head().double().eval(), x, "grad-cam++").relevance
    assert got.flatten().tolist() == pytest.approx(expected)


def test_layers_without_a_map_are_refused_and_hooks_are_gone(model: nn.Module, x: Tensor) -> None:
    for layer in ("head", "pool.2"):
        with pytest.raises((ExplainError, ConfigError), match=r"is no map|no layer"):
            attribute_batch(model, x, "grad-cam", layer=layer)
    dense = randomise(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    with pytest.raises(ExplainError, match="the last convolution: output of shape none"):
        attribute_batch(dense, x, "grad-cam")
    assert not any(m._forward_hooks for m in model.modules())


# -- occlusion by masks -------------------------------------------------------------------------


def test_masks_equal_captums_feature_ablation(model: nn.Module, x: Tensor) -> None:
    groups = torch.zeros(1, 1, *SHAPE, dtype=torch.long)
    groups[..., 4:, :5] = 1
    groups[..., 9:, 5:] = 2
    masks = [groups[0] == n for n in range(3)]
    ours = attribute_batch(model, x, "occlusion-by-masks", masks=masks, baseline=-0.5)
    theirs = captum.attr.FeatureAblation(logit_difference(model)).attribute(
        x, baselines=-0.5, feature_mask=groups
    )
    close(ours.relevance, theirs.double(), 1e-6)
    rectangles = attribute_batch(model, x, "occlusion", window=(8, 12), baseline=-0.5)
    bands = attribute_batch(model, x, "occlusion-by-masks", masks=BANDS, baseline=-0.5)
    close(bands.relevance, rectangles.relevance)


def test_units_of_each_sample_and_several_baselines(model: nn.Module, x: Tensor) -> None:
    import numpy as np

    early, late = np.arange(12) < 5, np.arange(12) >= 9
    masks = [
        {"AH0": early, "T": late},
        {"AH0": late},
        {"K": early, "OW1": late, "all": early | ~early},
    ]
    floor = torch.full((16, 1), -2.0, dtype=torch.float64)
    records = occlusion_by_masks(model, x, masks, {"mean": 0.0, "floor": floor}, "logit")
    assert [(r["sample"], r["unit"]) for r in records if r["baseline"] == "floor"] == [
        (0, "AH0"), (0, "T"), (1, "AH0"), (2, "K"), (2, "OW1"), (2, "all"),
    ]  # fmt: skip
    with torch.no_grad():
        logits = model(x)
        classes = logits.argmax(dim=1)
        for row in records:
            i = row["sample"]
            altered = x[i].clone()
            altered[:, :, masks[i][row["unit"]]] = 0.0 if row["baseline"] == "mean" else -2.0
            without = float(model(altered[None])[0, classes[i]])
            assert row["output"] == pytest.approx(float(logits[i, classes[i]]))
            assert row["output_without"] == pytest.approx(without)
            assert row["drop"] == pytest.approx(row["output"] - without)
    assert records[0]["n_values"] == 16 * 5 and records[0]["area_share"] == pytest.approx(5 / 12)


def test_weights_of_each_sample_stay_with_it(model: nn.Module, x: Tensor) -> None:
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    masks = [{"a": BANDS[0]}, {"a": BANDS[0], "b": BANDS[1]}, {"b": BANDS[1]}]
    records = occlusion_by_masks(model, x, masks, seed=weights)
    alone = [
        record
        for i in range(3)
        for record in occlusion_by_masks(model, x[i : i + 1], masks[i : i + 1], seed=weights[i])
    ]
    assert [r["drop"] for r in records] == pytest.approx([r["drop"] for r in alone])


# -- DeepLIFT -----------------------------------------------------------------------------------


class Modules(nn.Sequential):
    """What captum's DeepLIFT can see: every activation a module of its own."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU, pool: nn.Module | None = None):
        super().__init__(
            nn.Conv2d(1, 3, 3), activation(), pool or nn.Identity(), nn.Flatten(), nn.LazyLinear(4),
            nn.ReLU(inplace=True), nn.Linear(4, 2),
        )  # fmt: skip
        self(torch.zeros(1, 1, *SHAPE))


def test_deeplift_of_one_hidden_layer_by_hand() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double().eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
        net[0].bias.copy_(torch.tensor([-1.0, 0.0]))
        net[2].weight.copy_(torch.tensor([[2.0, 3.0]]))
        net[2].bias.fill_(0.25)
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    explained = attribute_batch(net, x, "deeplift", "logit")
    # hidden before: (3, -1) against (-1, 0); after: (3, 0) against (0, 0); multipliers 3/4 and 0
    assert explained.relevance.flatten().tolist() == pytest.approx([2 * 0.75 * 2, 4 * 0.75])
    sums = explained.conservation()
    assert sums.bias_share.tolist() == pytest.approx([0.25])
    assert float(sums.unaccounted_share.abs().max()) < 1e-12


@pytest.mark.parametrize("pool", [None, nn.MaxPool2d(2), nn.AvgPool2d(2)])
def test_deeplift_is_captums_and_complete(pool: nn.Module | None, x: Tensor) -> None:
    net = randomise(Modules(pool=pool))
    ours = attribute_batch(net, x, "deeplift", "logit", 1, baseline=0.2)
    plain = randomise(Modules(pool=pool))
    plain[5].inplace = False
    theirs = torch.cat(
        [
            captum.attr.DeepLift(plain).attribute(
                one[None].clone().requires_grad_(True), 0.2 * torch.ones(1, 1, *SHAPE).double(), 1
            )
            for one in x
        ]
    )
    close(ours.relevance, theirs.detach())
    assert float(ours.conservation().unaccounted_share.abs().max()) < 1e-9
    assert net[5].inplace and not any(m._forward_hooks or m._backward_hooks for m in net.modules())


def test_where_captums_deeplift_is_wrong_is_said(model: nn.Module, x: Tensor) -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(192, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(nn.functional.relu(self.a(x.flatten(1))))

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.act = nn.Linear(192, 6), nn.Linear(6, 2), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.b(self.act(self.a(x.flatten(1)))))

    with pytest.warns(ExplainWarning, match="deeplift leaves .* of a sample unexplained"):
        attribute_batch(randomise(Functional()), x, "deeplift")
    pooled = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 2)
    )
    with pytest.warns(ExplainWarning, match="max pooling does not always add up"):
        explained = attribute_batch(randomise(pooled), x, "deeplift", baseline=0.2)
    sums = explained.conservation()
    assert float((sums.unaccounted_share / sums.output).abs().max()) > 0.01
    with pytest.raises(ExplainError, match="act: module used more than once"):
        attribute_batch(randomise(Twice()), x, "deeplift")


def test_deeplift_without_captum(
    model: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingPartError, match="needs captum, which is not installed"):
        attribute_batch(model, x, "deeplift")


# -- ensembles and baselines --------------------------------------------------------------------


def test_ensemble_is_the_mean_of_normalised_maps(model: nn.Module, x: Tensor) -> None:
    members = {"epsilon-plus": {}, "integrated-gradients": {"n_steps": 4}}
    together = attribute_batch(model, x, "ensemble", members=members, weights=[3, 1]).relevance
    plus = explain_batch(model, x, "epsilon-plus").relevance
    integrated = attribute_batch(model, x, "integrated-gradients", n_steps=4).relevance

    def scaled(values: Tensor) -> Tensor:
        return values / values.abs().sum(dim=(1, 2, 3), keepdim=True)

    close(together, 0.75 * scaled(plus) + 0.25 * scaled(integrated))
    peaks = mean_of_maps([plus, torch.zeros_like(plus)], "maximum")
    assert peaks.abs().amax(dim=(1, 2, 3)).tolist() == pytest.approx([0.5] * 3)
    close(mean_of_maps([plus * 7]), scaled(plus))
    with pytest.raises(ConfigError, match="maps differ in shape"):
        mean_of_maps([plus, plus[:1]])


def test_sobel_of_a_step_and_a_ramp(model: nn.Module) -> None:
    x = torch.zeros(1, 1, *SHAPE, dtype=torch.float64)
    x[..., 6:] = 2.0
    edges = attribute_batch(model, x, "sobel").relevance[0, 0]
    expected = torch.zeros(SHAPE, dtype=torch.float64)
    expected[:, 5:7] = 1.0  # a step of 2 over two cells
    torch.testing.assert_close(edges, expected)
    ramp = torch.arange(16.0).double()[:, None].expand(1, 1, *SHAPE) * 0.5
    inner = attribute_batch(model, ramp, "sobel").relevance[0, 0, 1:-1]
    torch.testing.assert_close(inner, torch.full_like(inner, 0.5))


class Watching(nn.Module):
    """A network that writes down whether convolutions may round to TF32."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen = nn.Linear(4, 2), []

    def forward(self, x):
        self.seen.append(torch.backends.cudnn.allow_tf32)
        return self.layer(x.flatten(1))


def test_no_explanation_rounds_to_tf32():
    network, inputs = Watching().eval(), torch.randn(2, 1, 2, 2)
    assert torch.backends.cudnn.allow_tf32
    explain_batch(network, inputs, "epsilon")
    attribute_batch(network, inputs, "gradient")
    occlusion_by_masks(network, inputs, [torch.ones(1, 2, 2, dtype=torch.bool)], 0.0)
    assert len(network.seen) >= 4 and not any(network.seen)
    assert torch.backends.cudnn.allow_tf32
