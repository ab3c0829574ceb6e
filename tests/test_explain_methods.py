"""Other methods: against captum, and by their own definitions."""

from __future__ import annotations

import captum.attr
import pytest
import torch
from lrp_nets import CompactCNN, randomise, signed_input
from torch import Tensor, nn

from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import METHODS, attribute_batch, explain_batch

SHAPE = (16, 12)
OPTIONS = {
    name: {"generator": torch.Generator().manual_seed(0)}
    if name in ("smoothgrad", "random")
    else {}
    for name in METHODS
}


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
    for method in ("smoothgrad", "random"):
        torch.manual_seed(0)
        one, same, other = (
            attribute_batch(model, x, method, generator=torch.Generator().manual_seed(n)).relevance
            for n in (1, 1, 2)
        )
        assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize("method", METHODS)
def test_results_have_one_form(model: nn.Module, x: Tensor, method: str) -> None:
    before = {k: v.clone() for k, v in model.state_dict().items()}
    explained = attribute_batch(model, x, method, "logit", **OPTIONS[method])
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
        ("shap", {}, "no method named 'shap'; choose from gradient"),
        ("gradient", {"n_steps": 3}, "method gradient has no option n_steps; it has none"),
        ("random", {}, "needs generator=torch.Generator"),
        ("integrated-gradients", {"n_steps": 0}, "n_steps must be at least 1"),
        ("occlusion", {"window": (0, 2)}, "window and stride must be at least 1"),
        ("occlusion", {"baseline": torch.zeros(5)}, "does not broadcast"),
    ],
)
def test_wrong_options(
    model: nn.Module, x: Tensor, method: str, options: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        attribute_batch(model, x, method, **options)


def test_training_mode_is_refused(x: Tensor) -> None:
    with pytest.raises(ExplainError, match="training mode"):
        attribute_batch(CompactCNN().double(), x, "gradient")
