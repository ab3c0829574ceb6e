"""Equality with other implementations: zennit and captum, float64, equal stabilisers."""

from __future__ import annotations

import captum.attr
import captum.attr._utils.lrp_rules as captum_rules
import pytest
import torch
from torch import Tensor, nn

zcomposites = pytest.importorskip("zennit.composites", exc_type=ImportError)
zrules = pytest.importorskip("zennit.rules", exc_type=ImportError)
ztorchvision = pytest.importorskip("zennit.torchvision", exc_type=ImportError)
ztypes = pytest.importorskip("zennit.types", exc_type=ImportError)

from lrp_nets import (  # noqa: E402
    VGG,
    CompactCNN,
    LeNet,
    ModuleLeNet,
    folded,
    randomise,
    sequential_pairs,
    signed_input,
)

from stressnet.explain import COMPOSITES, Composite, explain_batch, rules  # noqa: E402

TINY = 1e-12
BOX = (-5.0, 5.0)
OURS = {
    "epsilon": Composite("e", rules.epsilon(stabiliser=TINY), rules.epsilon(stabiliser=TINY)),
    "plus": Composite("p", rules.z_plus(stabiliser=TINY), rules.epsilon(stabiliser=TINY)),
    "flat": Composite(
        "pf",
        rules.z_plus(stabiliser=TINY),
        rules.epsilon(stabiliser=TINY),
        first=rules.flat(stabiliser=TINY),
    ),
    "w2": Composite(
        "pw",
        rules.z_plus(stabiliser=TINY),
        rules.epsilon(stabiliser=TINY),
        first=rules.w_square(stabiliser=TINY, bias_in_denominator=True),
    ),
    "gamma-box": Composite(
        "egb",
        rules.gamma(stabiliser=TINY),
        rules.epsilon(stabiliser=TINY),
        first=rules.z_box(stabiliser=TINY),
    ),
    "gamma": Composite("eg", rules.gamma(stabiliser=TINY), rules.epsilon(stabiliser=TINY)),
    "alpha2-beta1": Composite(
        "ea", rules.alpha_beta(stabiliser=TINY), rules.epsilon(stabiliser=TINY)
    ),
}


def zennit_composite(name: str) -> zcomposites.Composite:
    """The same rules in zennit, with :data:`TINY` as every stabiliser."""
    stabiliser = {"stabilizer": TINY}
    plus, epsilon = zrules.ZPlus(**stabiliser), zrules.Epsilon(epsilon=TINY)
    convolution, first = {
        "epsilon": (epsilon, None),
        "plus": (plus, None),
        "flat": (plus, zrules.Flat(**stabiliser)),
        "w2": (plus, zrules.WSquare(**stabiliser)),
        "gamma-box": (
            zrules.Gamma(0.25, **stabiliser),
            zrules.ZBox(low=BOX[0], high=BOX[1], **stabiliser),
        ),
        "gamma": (zrules.Gamma(0.25, **stabiliser), None),
        "alpha2-beta1": (zrules.AlphaBeta(2, 1, **stabiliser), None),
    }[name]
    table = [
        *zcomposites.layer_map_base(TINY),
        (ztypes.Convolution, convolution),
        (nn.Linear, epsilon),
    ]
    if first is None:
        return zcomposites.LayerMapComposite(table)
    return zcomposites.SpecialFirstLayerMapComposite(table, [(ztypes.Convolution, first)])


def zennit_relevance(
    net: nn.Module, x: Tensor, composite: zcomposites.Composite, weights: Tensor
) -> Tensor:
    """Relevance of ``weights * logits`` (one attribution per logit: zennit wants R as gradient)."""
    x = x.detach().clone().requires_grad_(True)
    with composite.context(net) as modified:
        out = modified(x)
        (relevance,) = torch.autograd.grad(out, x, weights * out.detach())
    return relevance


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest deviation relative to the largest relevance."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


SEED = torch.tensor([[1.0, -1.0]], dtype=torch.float64)


@pytest.mark.parametrize("name", OURS)
def test_lenet_equals_zennit(name: str) -> None:
    net = randomise(LeNet(width=6, hidden=20, shape=(40, 32)))
    x = signed_input(2, (40, 32))
    ours = explain_batch(net, x, OURS[name], bounds=BOX)
    theirs = zennit_relevance(ModuleLeNet(net), x, zennit_composite(name), SEED)
    assert difference(ours.relevance, theirs) < 1e-8


@pytest.mark.parametrize("name", OURS)
def test_narrow_vgg_equals_zennit(name: str) -> None:
    net = randomise(VGG(16, (64, 64), narrow=16, hidden=8))
    x = signed_input(2, (64, 64))
    ours = explain_batch(net, x, OURS[name], bounds=BOX)
    plain = folded(net, sequential_pairs(net))
    theirs = zennit_relevance(plain, x, zennit_composite(name), SEED)
    assert difference(ours.relevance, theirs) < 1e-8


def test_full_vgg_equals_zennit() -> None:
    net = randomise(VGG(16))
    x = signed_input(1, (161, 101))
    ours = explain_batch(net, x, OURS["plus"])
    theirs = zennit_relevance(folded(net, sequential_pairs(net)), x, zennit_composite("plus"), SEED)
    assert difference(ours.relevance, theirs) < 1e-8


@pytest.mark.parametrize("name", ["epsilon", "plus", "gamma"])
@pytest.mark.parametrize("average", [False, True])
def test_compact_equals_zennit(name: str, average: bool) -> None:
    net = randomise(CompactCNN(average=average))
    x = signed_input(3, (24, 20))
    ours = explain_batch(net, x, OURS[name])
    theirs = zennit_relevance(folded(net, sequential_pairs(net)), x, zennit_composite(name), SEED)
    assert difference(ours.relevance, theirs) < 1e-8


@pytest.mark.parametrize("name", ["epsilon", "plus"])
def test_unmodified_resnet_equals_zennit(name: str) -> None:
    from torchvision.models import resnet18

    net = randomise(resnet18(num_classes=2))
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 3, 64, 64, generator=generator, dtype=torch.float64)
    ours = explain_batch(net, x, OURS[name])
    canonizer = ztorchvision.ResNetBasicBlockCanonizer()
    composite = zennit_composite(name)
    composite.canonizers = [canonizer]  # sums; folding is done by hand
    plain = folded(net, _resnet_pairs(net))
    theirs = zennit_relevance(plain, x, composite, SEED)
    assert difference(ours.relevance, theirs) < 1e-8
    assert float(ours.conservation().relative_residual.max()) < 1e-10


def _resnet_pairs(net: nn.Module) -> list[tuple[str, str]]:
    return [
        (path.replace("bn", "conv") if "downsample" not in path else path[:-1] + "0", path)
        for path, module in net.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]


def captum_as_run(net: VGG, x: Tensor, target: Tensor) -> Tensor:
    """The paper's recipe in captum: Alpha1Beta0 on all but the first convolution."""
    for index, module in enumerate(net.features):
        if isinstance(module, nn.Conv2d) and index > 0:
            module.rule = captum_rules.Alpha1_Beta0_Rule()
    for module in (net.fc1, net.fc2):
        module.rule = captum_rules.EpsilonRule()
    return captum.attr.LRP(net).attribute(x, target=target).detach()


@pytest.mark.parametrize(("narrow", "shape"), [(16, (64, 64)), (1, (161, 101))])
def test_as_run_equals_captum(narrow: int, shape: tuple[int, int]) -> None:
    net = randomise(VGG(16, shape, narrow=narrow, hidden=8 if narrow > 1 else 512, inplace=False))
    batch = 2 if narrow > 1 else 1
    x = signed_input(batch, shape)
    ours = explain_batch(net, x, "allouche2025-as-run", seed="logit")
    theirs = captum_as_run(net, x.clone().requires_grad_(True), ours.target)
    assert difference(ours.relevance, theirs) < 1e-8
    assert float(ours.conservation().relative_residual.max()) < 1e-10


def test_as_run_applies_the_stated_rules() -> None:
    net = randomise(VGG(11, (64, 64), narrow=16, hidden=8))
    explained = explain_batch(net, signed_input(1, (64, 64)), "allouche2025-as-run")
    assert explained.rules["features.0"] == "epsilon(stabiliser=1e-09)"
    assert explained.rules["features.4"] == "clamped-weights(stabiliser=1e-09)"
    assert explained.rules["features.1"] == "epsilon(stabiliser=1e-09)"  # normalisation, unfolded
    assert explained.rules["fc1"] == "epsilon(stabiliser=1e-09)"


def test_epsilon_on_a_relu_net_is_captums_input_times_gradient() -> None:
    net = randomise(LeNet(width=4, hidden=10, shape=(32, 28)))
    x = signed_input(2, (32, 28))
    ours = explain_batch(net, x, COMPOSITES["lrp-0"], seed="logit", target=1)
    theirs = captum.attr.InputXGradient(net).attribute(x.requires_grad_(True), target=1)
    assert difference(ours.relevance, theirs.detach()) < 1e-10
