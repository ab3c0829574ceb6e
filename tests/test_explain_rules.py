"""Rules against exact fractions and textbook formulas on dense matrices."""

from __future__ import annotations

from fractions import Fraction as F
from pathlib import Path

import pytest
import torch
from lrp_nets import two_two_one
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain import (
    COMPOSITES,
    METHODS,
    RULES,
    SEEDS,
    Composite,
    Rule,
    explain_batch,
    rules,
)
from stressnet.explain.rules import Layer
from stressnet.explain.rules.linear_maps import ConvolutionMap, DenseMap

ONE = torch.ones(1, dtype=torch.float64)
EXACT = rules.zero()
NONE = {"stabiliser": 0.0}

HAND = {  # relevance of the input (2, 1); the hidden layer passes (1, -2) by LRP-0
    "lrp-0": (rules.zero(), (F(0), F(-3, 2))),
    "gradient": (rules.gradient(), (F(0), F(-3, 2))),
    "epsilon": (rules.epsilon(**NONE), (F(0), F(-3, 2))),
    "z-plus": (rules.z_plus(**NONE), (F(-3, 5), F(-2, 5))),
    "alpha-beta": (rules.alpha_beta(alpha=2.0, beta=1.0, **NONE), (F(-6, 5), F(-9, 5))),
    "gamma": (rules.gamma(gamma=0.25, **NONE), (F(-5, 21), F(-8, 7))),
    "w-square": (rules.w_square(**NONE), (F(-11, 10), F(1, 10))),
    "flat": (rules.flat(**NONE), (F(-1, 2), F(-1, 2))),
    "z-box": (rules.z_box(**NONE), (F(-5, 7), F(-2, 7))),
    "clamped-weights": (rules.clamped_weights(**NONE), (F(-1), F(-1, 2))),
    "identity": (rules.identity(), (F(1), F(-2))),
}


def explain_two_two_one(rule: Rule) -> tuple[Tensor, Tensor]:
    """Input relevance and relative residual with ``rule`` at the first layer."""
    composite = Composite("by hand", EXACT, EXACT, first=rule)
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    explained = explain_batch(two_two_one(), x, composite, ONE, bounds=(-3.0, 3.0))
    assert explained.output.item() == -0.5
    return explained.relevance[0], explained.conservation().relative_residual


@pytest.mark.parametrize("name", HAND)
def test_two_two_one_by_hand(name: str) -> None:
    rule, expected = HAND[name]
    relevance, residual = explain_two_two_one(rule)
    torch.testing.assert_close(
        relevance,
        torch.tensor([float(v) for v in expected], dtype=torch.float64),
        rtol=1e-14,
        atol=1e-14,
    )
    assert float(residual.max()) < 1e-14


def test_every_rule_is_checked_by_hand() -> None:
    assert set(HAND) | {"proportional"} == set(RULES)  # proportional: pooling, tested below


def test_documentation_has_a_row_for_every_rule_composite_method_and_seed() -> None:
    text = (Path(__file__).parents[1] / "docs" / "explain.md").read_text(encoding="utf-8")
    makers = [maker.__name__ for maker in RULES.values() if maker.__module__ == rules.__name__]
    quoted_seeds = [f'"{seed}"' for seed in SEEDS]
    for name in (*makers, *COMPOSITES, *METHODS, *quoted_seeds):
        assert f"`{name}`" in text, f"docs/explain.md does not describe {name}"


def test_biases_in_the_denominator_by_hand() -> None:
    relevance, _ = explain_two_two_one(rules.z_box(bias_in_denominator=True, **NONE))
    expected = [float(F(5, 7) - 2 * F(10, 13)), float(F(2, 7) - 2 * F(4, 13))]
    assert relevance.tolist() == pytest.approx(expected, rel=1e-14)
    relevance, _ = explain_two_two_one(rules.w_square(bias_in_denominator=True, **NONE))
    expected = [float(F(1, 2) - 2 * F(4, 6)), float(F(1, 2) - 2 * F(1, 6))]
    assert relevance.tolist() == pytest.approx(expected, rel=1e-14)


def test_two_two_one_ledger_by_hand() -> None:
    composite = Composite("by hand", EXACT, EXACT)
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    explained = explain_batch(two_two_one(), x, composite, ONE)
    shares = {row["layer"]: row["bias_share"] for row in explained.ledger}
    assert shares == {"0": pytest.approx(0.5), "2": pytest.approx(0.5)}


# -- textbook formulas on the matrix of a layer -------------------------------------------------


def _s(z: Tensor, stabiliser: float) -> Tensor:
    return z + stabiliser * torch.where(z >= 0, 1.0, -1.0).to(z)


def textbook(
    rule: Rule, x: Tensor, w: Tensor, b: Tensor, r: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """``R_i`` with explicit numerators ``n_ij``; ``x`` (inputs), ``w`` (outputs, inputs)."""
    p = dict(rule.parameters)
    eps = p.get("stabiliser", 0.0)
    wp, wm, xp, xm = w.clamp(min=0), w.clamp(max=0), x.clamp(min=0), x.clamp(max=0)
    bp, bm = b.clamp(min=0), b.clamp(max=0)
    contributions, z = w * x, w @ x + b

    def share(n: Tensor, bias: Tensor, r: Tensor = r) -> Tensor:
        return (n * (r / _s(n.sum(1) + bias, eps))[:, None]).sum(0)

    exists = torch.where(w != 0, 1.0, 0.0).to(w)  # taps that fall into the padding are zero
    positive, negative = wp * xp + wm * xm, wm * xp + wp * xm
    if rule.name in ("lrp-0", "gradient", "epsilon"):
        return share(contributions, b)
    if rule.name == "z-plus":
        return share(positive, bp)
    if rule.name == "alpha-beta":
        return p["alpha"] * share(positive, bp) - p["beta"] * share(negative, bm)
    if rule.name == "gamma":
        g = p["gamma"]
        up = contributions + g * positive
        down = contributions + g * negative
        return share(up, b + g * bp, torch.where(z > 0, r, 0.0)) + share(
            down, b + g * bm, torch.where(z < 0, r, 0.0)
        )
    if rule.name == "clamped-weights":
        return share(wp * x, b)
    if rule.name == "w-square":
        return share(w**2, 0 * b)
    if rule.name == "flat":
        return share(exists, 0 * b)
    assert rule.name == "z-box"
    return share(w * x - wp * low - wm * high, 0 * b)


EPS = {"stabiliser": 1e-3}  # large enough that a wrong sign shows
TEXTBOOK = [
    rules.zero(),
    rules.gradient(),
    rules.epsilon(**EPS),
    rules.z_plus(**EPS),
    rules.alpha_beta(alpha=2.0, beta=1.0, **EPS),
    rules.alpha_beta(alpha=1.5, beta=0.5, **EPS),
    rules.gamma(gamma=0.25, **EPS),
    rules.clamped_weights(**EPS),
    rules.w_square(**EPS),
    rules.flat(**EPS),
    rules.z_box(**EPS),
]
LAYERS = {
    "plain": nn.Conv2d(2, 3, 3),
    "no bias": nn.Conv2d(2, 3, 3, bias=False),
    "stride": nn.Conv2d(2, 3, 3, stride=(2, 3)),
    "padding": nn.Conv2d(2, 3, (3, 2), padding=(2, 1)),
    "dilation": nn.Conv2d(2, 3, 2, dilation=(2, 3)),
    "groups": nn.Conv2d(4, 6, 3, groups=2, padding=1),
    "depthwise": nn.Conv2d(4, 4, 3, groups=4, stride=2, padding=1),
    "same": nn.Conv2d(2, 2, (4, 3), padding="same", dilation=(1, 2)),
    "one axis": nn.Conv1d(2, 3, 3, stride=2, padding=1),
    "three axes": nn.Conv3d(1, 2, 2, padding=1),
    "transposed": nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
    "dense": nn.Linear(7, 5),
}
SHAPES = {
    "one axis": (2, 9),
    "three axes": (1, 3, 4, 3),
    "dense": (7,),
    "groups": (4, 6, 5),
    "depthwise": (4, 6, 5),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rule", TEXTBOOK, ids=str)
@pytest.mark.filterwarnings("ignore:Using padding")
def test_layer_equals_textbook_on_its_matrix(name: str, rule: Rule) -> None:
    generator = torch.Generator().manual_seed(len(name))
    layer = LAYERS[name].double().eval()
    shape = SHAPES.get(name, (2, 7, 6))

    def draw(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(draw(*parameter.shape))
    x, low, high = draw(1, *shape), -3 - draw(1, *shape).abs(), 3 + draw(1, *shape).abs()
    x = torch.minimum(torch.maximum(x, low), high)
    n_in = x.numel()
    with torch.no_grad():
        zero = layer(torch.zeros_like(x))
        columns = [layer(e.reshape(1, *shape)) - zero for e in torch.eye(n_in).double()]
    w = torch.stack([column.flatten() for column in columns], dim=1)
    w[w.abs() < 1e-12] = 0  # left by subtracting the bias
    weights = draw(zero.numel())

    class Flattened(nn.Module):
        """The layer's outputs as logits."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).flatten(1)

    composite = Composite("one layer", EXACT, EXACT, first=rule)
    explained = explain_batch(Flattened().eval(), x, composite, weights, bounds=(low, high))
    r = explained.logits.flatten() * weights
    expected = textbook(rule, x.flatten(), w, zero.flatten(), r, low.flatten(), high.flatten())
    scale = float(expected.abs().max())
    assert float((explained.relevance.flatten() - expected).abs().max()) < 1e-10 * scale
    assert float(explained.conservation().relative_residual.max()) < 1e-10


# -- identities ---------------------------------------------------------------------------------


def _layer(x: Tensor, w: Tensor, b: Tensor, **facts: bool) -> Layer:
    return Layer(x, x @ w.T + b, w, b, DenseMap(), len(x), **facts)


@pytest.fixture
def dense() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    draw = [
        torch.randn(*size, generator=generator, dtype=torch.float64)
        for size in ((3, 6), (5, 6), (5,), (3, 5))
    ]
    return draw[0], draw[1], draw[2], draw[3]


def test_gamma_zero_is_lrp_0(dense: tuple[Tensor, ...]) -> None:
    x, w, b, r = dense
    layer = _layer(x, w, b)
    torch.testing.assert_close(
        rules.gamma(gamma=0.0, **NONE)(layer, r).coefficient, rules.zero()(layer, r).coefficient
    )


def test_alpha1_beta0_is_z_plus(dense: tuple[Tensor, ...]) -> None:
    x, w, b, r = dense
    layer = _layer(x, w, b)
    one = rules.alpha_beta(alpha=1.0, beta=0.0)(layer, r)
    assert torch.equal(one.coefficient, rules.z_plus()(layer, r).coefficient)


def test_large_gamma_tends_to_z_plus(dense: tuple[Tensor, ...]) -> None:
    x, w, b, r = dense
    layer = _layer(x.abs(), w, b)
    r = torch.where(layer.z > 0, r, 0.0)
    torch.testing.assert_close(
        rules.gamma(gamma=1e9, **NONE)(layer, r).coefficient,
        rules.z_plus(**NONE)(layer, r).coefficient,
        rtol=1e-6,
        atol=1e-8,
    )


@pytest.mark.parametrize(
    "rule", [rules.z_plus(), rules.gamma(), rules.alpha_beta(alpha=2.0, beta=1.0)], ids=str
)
def test_shortcuts_for_nonnegative_inputs_and_rectified_outputs(
    dense: tuple[Tensor, ...], rule: Rule
) -> None:
    x, w, b, r = dense
    x = x.clamp(min=0)
    slow = _layer(x, w, b)
    r = torch.where(slow.z > 0, r, 0.0)
    fast = _layer(x, w, b, x_is_nonnegative=True, z_is_rectified=True)
    one, other = rule(slow, r), rule(fast, r)
    torch.testing.assert_close(x * one.coefficient, x * other.coefficient)
    torch.testing.assert_close(one.bias_share, other.bias_share)


def test_identity_keeps_relevance_in_place() -> None:
    r = torch.zeros(1, 4, 5, 5, dtype=torch.float64)
    r[0, 1, 2, 3] = 2.0
    weight = torch.randn(4, 2, 3, 3, dtype=torch.float64)
    x = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    passed = rules.identity()(
        Layer(x, r, weight, None, ConvolutionMap((1, 1), (1, 1), (1, 1)), 1), r
    )
    assert passed.relevance[0, :, 2, 3].tolist() == [1.0, 1.0]
    assert float(passed.relevance.sum()) == 2.0


def test_zero_input_gets_no_relevance_by_epsilon_and_equal_shares_by_flat() -> None:
    net = nn.Sequential(nn.Linear(4, 1)).double().eval()
    x = torch.zeros(1, 4, dtype=torch.float64)
    composite = Composite("flat first", EXACT, EXACT, first=rules.flat(**NONE))
    assert not explain_batch(net, x, "epsilon", ONE).relevance.any()
    explained = explain_batch(net, x, composite, ONE)
    assert explained.relevance[0].tolist() == pytest.approx([float(explained.output[0]) / 4] * 4)


# -- pooling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [0, 1])
def test_proportional_pooling(padding: int) -> None:
    class Pooled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pooled = nn.functional.max_pool2d(x, 2, stride=2, padding=padding)
            return pooled.flatten(1)

    x = torch.tensor([[[[1.0, 3.0], [2.0, 4.0]]]], dtype=torch.float64)
    composite = Composite("share", EXACT, EXACT, pooling="proportional")
    weights = torch.ones(1 if padding == 0 else 4, dtype=torch.float64)
    relevance = explain_batch(Pooled().eval(), x, composite, weights).relevance[0, 0]
    expected = [[0.4, 1.2], [0.8, 1.6]] if padding == 0 else [[1.0, 3.0], [2.0, 4.0]]
    torch.testing.assert_close(
        relevance, torch.tensor(expected, dtype=torch.float64), rtol=1e-7, atol=0
    )


def test_winner_takes_all_pooling() -> None:
    net = nn.Sequential(nn.MaxPool2d(2), nn.Flatten()).eval()
    x = torch.tensor([[[[1.0, 3.0], [2.0, 4.0]]]], dtype=torch.float64)
    assert explain_batch(net, x, "epsilon", ONE).relevance[0, 0].tolist() == [[0, 0], [0, 4]]


# -- bad parameters -----------------------------------------------------------------------------


def test_unknown_parameter_is_named() -> None:
    with pytest.raises(
        ConfigError, match="rule gamma has no parameter epsilon; it has gamma, stab"
    ):
        rules.gamma(epsilon=1e-3)


def test_alpha_minus_beta_must_be_one(dense: tuple[Tensor, ...]) -> None:
    x, w, b, r = dense
    with pytest.raises(ConfigError, match="alpha - beta must be 1"):
        rules.alpha_beta(alpha=2.0, beta=0.5)(_layer(x, w, b), r)


def test_input_rules_cannot_be_the_rule_of_all_layers() -> None:
    with pytest.raises(ConfigError, match="use it as first="):
        Composite("wrong", rules.flat(), EXACT)
    with pytest.raises(ConfigError, match="pooling is 'winner' or 'proportional'"):
        Composite("wrong", EXACT, EXACT, pooling="sum")  # type: ignore[arg-type]
