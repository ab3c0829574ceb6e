"""Properties that hold for every network: closure, linearity, independence of the batch."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lrp_nets import randomise
from torch import Tensor, nn

from stressnet.explain import COMPOSITES, explain_batch

SHAPE = (9, 8)
BOUNDS = (-4.0, 4.0)
QUICK = settings(max_examples=25, deadline=None, derandomize=True)


class Residual(nn.Module):
    """``relu(f(x) + x)``, with the sum written in place or not."""

    def __init__(self, channels: int, in_place: bool, norm: bool):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.relu = nn.ReLU(inplace=in_place)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.conv(x))
        if self.in_place:
            out += x
        else:
            out = out + x
        return self.relu(out)


@st.composite
def networks(draw: st.DrawFn) -> nn.Module:
    """Small random networks of the kinds that are explained here."""
    channels = draw(st.integers(2, 4))
    activation = draw(st.sampled_from([nn.ReLU, nn.Tanh, nn.GELU, nn.Sigmoid, nn.LeakyReLU]))
    pool = draw(st.sampled_from([nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Identity()]))
    layers: list[nn.Module] = [
        nn.Conv2d(
            1,
            channels,
            draw(st.sampled_from([1, 2, 3])),
            stride=draw(st.sampled_from([1, 2])),
            padding=draw(st.sampled_from([0, 1])),
            bias=draw(st.booleans()),
        )
    ]
    if draw(st.booleans()):
        layers.append(nn.BatchNorm2d(channels))
    layers += [activation(), pool]
    if draw(st.booleans()):
        layers.append(Residual(channels, draw(st.booleans()), draw(st.booleans())))
    if draw(st.booleans()):
        layers += [nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=draw(st.booleans()))]
    if draw(st.booleans()):
        layers.append(nn.GroupNorm(1, channels))
    layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * channels, 2)]
    return randomise(nn.Sequential(*layers), draw(st.integers(0, 99)))


def inputs(seed: int, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 1, *SHAPE, generator=generator, dtype=torch.float64)
    return x.clamp(*BOUNDS)


composites = st.sampled_from([name for name in COMPOSITES if name != "allouche2025-as-stated"])


@QUICK
@given(networks(), st.sampled_from(list(COMPOSITES)), st.integers(0, 99))
def test_ledger_closes_and_forward_is_bit_equal(net: nn.Module, name: str, seed: int) -> None:
    x = inputs(seed)
    explained = explain_batch(net, x, name, bounds=BOUNDS)
    assert torch.equal(explained.logits, net(x))
    sums = explained.conservation()
    assert float(sums.relative_residual.max()) < 1e-10
    assert not sums.unaccounted_share.any()


@QUICK
@given(networks(), composites, st.integers(0, 99), st.floats(-3, 3), st.floats(-3, 3))
def test_relevance_is_linear_in_the_seed(
    net: nn.Module, name: str, seed: int, a: float, b: float
) -> None:
    x = inputs(seed)
    first, second = (
        explain_batch(net, x, name, torch.tensor(w, dtype=torch.float64), bounds=BOUNDS).relevance
        for w in ((1.0, 0.0), (0.0, 1.0))
    )
    weights = torch.tensor([a, b], dtype=torch.float64)
    both = explain_batch(net, x, name, weights, bounds=BOUNDS).relevance
    scale = float(first.abs().max() + second.abs().max()) * 6 + 1e-12
    assert float((both - a * first - b * second).abs().max()) < 1e-9 * scale


@QUICK
@given(networks(), composites, st.integers(0, 99))
def test_a_batch_is_its_samples(net: nn.Module, name: str, seed: int) -> None:
    x = inputs(seed, batch=3)
    together = explain_batch(net, x, name, bounds=BOUNDS)
    alone = [explain_batch(net, x[i : i + 1], name, bounds=BOUNDS) for i in range(3)]
    apart = torch.cat([one.relevance for one in alone])
    scale = float(apart.abs().max())
    assert float((together.relevance - apart).abs().max()) <= 1e-8 * scale
    shares = together.conservation().bias_share
    expected = torch.cat([one.conservation().bias_share for one in alone])
    torch.testing.assert_close(shares, expected, rtol=1e-7, atol=1e-9)


@QUICK
@given(composites, st.permutations(range(4)), st.integers(0, 99))
def test_permuting_input_channels_permutes_relevance(
    name: str, order: list[int], seed: int
) -> None:
    net = randomise(nn.Sequential(nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(126, 2)))
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, 4, *SHAPE, generator=generator, dtype=torch.float64)
    before = explain_batch(net, x, name, bounds=BOUNDS).relevance
    with torch.no_grad():
        net[0].weight.copy_(net[0].weight[:, order].clone())
    after = explain_batch(net, x[:, order], name, bounds=BOUNDS).relevance
    torch.testing.assert_close(after, before[:, order], rtol=1e-8, atol=1e-12)
