"""Coefficients at inner tensors: what a module's output is multiplied by to give its relevance."""

from __future__ import annotations

import pytest
import torch
from lrp_nets import CompactCNN, Transformer, randomise, signed_input
from test_explain_attention import ByGradient, exact
from torch import Tensor, nn

from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import explain_batch
from stressnet.explain.api import coefficients_at
from stressnet.explain.boundaries import changed_at
from stressnet.models.registry import build_model

SHAPE = (16, 12)


def gradients(model: nn.Module, x: Tensor, places: list[str]) -> tuple[list[Tensor], list[Tensor]]:
    """Values at places, and the plain gradient of the logit difference."""
    values: dict[str, Tensor] = {}

    def keep(place: str, tensor: Tensor) -> Tensor:
        values[place] = tensor.clone()
        return values[place].clone()  # what follows may work in place

    with changed_at(model, {p: lambda t, p=p: keep(p, t) for p in places}):
        logits = model(x.clone().requires_grad_())
    inner = [values[place] for place in places]
    found = torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), inner)
    return inner, list(found)


def close(got: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    assert float((got - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.mark.parametrize("composite", ["relp", "lrp-0"])
@pytest.mark.parametrize("inplace", [False, True])
def test_of_relu_networks_it_is_the_gradient_also_before_folded_normalisations(
    composite: str, inplace: bool
) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace),
        nn.Flatten(),
        nn.Linear(6 * 6 * 4, 2),
    )
    net, x = randomise(net), signed_input(3, SHAPE)
    places = [str(i) for i in range(10)] + ["4:input", "9:input"]
    values, expected = gradients(net, x, places)
    explained = explain_batch(net, x, composite, taps=places)
    assert torch.equal(explained.relevance, explain_batch(net, x, composite).relevance)
    for place, value, gradient in zip(places, values, expected, strict=True):
        assert torch.equal(explained.taps[place].activation, value), place
        close(explained.taps[place].coefficient, gradient)
    for chosen in (places, ["1"], ["0"]):  # the last is folded: nothing of the graph is its own
        output, taps = coefficients_at(net, x, composite, chosen)
        assert torch.equal(output, explained.output)
        for place in chosen:
            assert torch.equal(taps[place].activation, explained.taps[place].activation)
            assert torch.equal(taps[place].coefficient, explained.taps[place].coefficient), place
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize("composite", ["epsilon-gamma", "epsilon-plus", "epsilon-alpha2-beta1"])
def test_relevance_is_value_times_coefficient(composite: str) -> None:
    net, x = randomise(CompactCNN()), signed_input(2, (16, 16))
    layers = [path for path, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    after = dict(zip(layers, (f"blocks.{int(p.split('.')[1]) + 1}" for p in layers), strict=True))
    folded = [p for p in layers if isinstance(net.get_submodule(after[p]), nn.BatchNorm2d)]
    assert folded
    explained = explain_batch(net, x, composite, layers=folded, taps=[after[p] for p in folded])
    for path in folded:
        tap = explained.taps[after[path]]
        close(tap.relevance, explained.layer_relevance[path])
        close(tap.activation * tap.coefficient, tap.relevance)


@pytest.mark.parametrize("name", ["relp", "relp-ah", "attn-lrp", "cp-lrp"])
def test_inside_a_transformer(name: str) -> None:
    net, x = randomise(Transformer()), signed_input(3, SHAPE)
    inner = ["embed", "blocks.0.attention.out", "blocks.0.down", "blocks.1.down", "blocks.1.up"]
    inner += ["blocks.1.attention.out:input", "head:input"]
    oracle = ByGradient(net, name).eval()
    values, expected = gradients(oracle, x, [f"net.{place}" for place in inner])
    explained = explain_batch(net, x, exact(name), taps=inner)
    for place, value, gradient in zip(inner, values, expected, strict=True):
        close(explained.taps[place].activation, value.detach())
        close(explained.taps[place].coefficient, gradient)


class Reading(nn.Module):
    """A normalisation reads the stream that also goes past it, twice through one module."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.same, self.into = nn.LayerNorm(6), nn.Identity(), nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.into(self.norm(self.same(x)))
        return self.head(x + self.into(torch.relu(x)))


def test_a_module_reads_its_own_copy_and_runs_twice() -> None:
    net, x = randomise(Reading()), signed_input(3, (1, 6))[:, 0, 0]
    places = ["norm:input", "same", "into", "into#2", "into#2:input"]
    taps = explain_batch(net, x, "relp", taps=places).taps
    scale = ((x - x.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True).add(1e-5).rsqrt()
    w, v = net.into.weight.detach(), net.head.weight.detach()
    to_head = (v[0] - v[1]).expand(3, 6)
    stream = to_head + (to_head @ w) * (taps["into#2:input"].activation > 0)
    into_norm = stream @ w * net.norm.weight.detach() * scale
    into_norm = into_norm - into_norm.mean(1, keepdim=True)
    close(taps["into#2"].coefficient, to_head)
    close(taps["into#2:input"].coefficient, to_head @ w)
    close(taps["into"].coefficient, stream)
    close(taps["norm:input"].coefficient, into_norm)  # without the way past it
    close(taps["same"].coefficient, into_norm)


def test_zero_values_keep_their_coefficient() -> None:
    net = randomise(nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2)))
    x = torch.zeros(1, 4, dtype=torch.float64)
    weight = net[1].weight.detach()
    tap = explain_batch(net, x, "relp", taps=["0", "0:input"]).taps
    close(tap["0"].coefficient, (weight[0] - weight[1])[None])
    close(tap["0:input"].coefficient, ((weight[0] - weight[1]) @ net[0].weight.detach())[None])
    assert not tap["0"].relevance.any()


def test_views_and_modules_in_place() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat, self.relu, self.fc = nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(12, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.flat(x * 2.0)
            self.relu(x)  # what it returns is not used
            return self.fc(x)

    net, x = randomise(Halves()), signed_input(2, (3, 4))
    tap = explain_batch(net, x, "relp", taps=["flat"]).taps["flat"]
    weight = net.fc.weight.detach()
    close(tap.coefficient, (weight[0] - weight[1]) * (x.flatten(1) > 0))
    close(tap.activation, 2 * x.flatten(1))
    with pytest.raises(ExplainError, match=r"relu overwrites its input .* name the module before"):
        explain_batch(net, x, "relp", taps=["relu"])
    with pytest.raises(ExplainError, match=r"relu:input: the module overwrites its input"):
        explain_batch(net, x, "relp", taps=["relu:input"])


def test_what_has_no_coefficient_is_refused_in_one_line() -> None:
    net, x = randomise(CompactCNN()), signed_input(2, (16, 16))
    with pytest.raises(ConfigError, match="the model has no layer 'nose:input'"):
        explain_batch(net, x, taps=["nose:input"])
    with pytest.raises(ExplainError, match="the module does not run"):
        explain_batch(net, x, taps=["blocks.0#2"])
    first = next(p for p, m in net.named_modules() if isinstance(m, nn.Conv2d))
    with pytest.raises(ExplainError, match="choose a composite without such a rule"):
        explain_batch(net, x, "epsilon-plus-flat", taps=[f"{first}:input"])

    class WithTable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(3, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x + self.table(torch.arange(1)))

    with pytest.raises(ExplainError, match="table does not depend on the model's input"):
        explain_batch(WithTable().double().eval(), signed_input(2, (1, 6))[:, 0, 0], taps=["table"])


def test_taps_are_mapped_with_the_explanation() -> None:
    net, x = randomise(build_model("compact", 32, 32)), signed_input(2, (32, 32))
    seeds = torch.eye(2, dtype=torch.float64)
    mapped = torch.func.vmap(
        lambda seed: (
            explain_batch(net, x, "relp", seed=seed, taps=["relu2"]).taps["relu2"].coefficient
        )
    )(seeds)
    for seed, coefficient in zip(seeds, mapped, strict=True):
        alone = explain_batch(net, x, "relp", seed=seed, taps=["relu2"]).taps["relu2"]
        torch.testing.assert_close(coefficient, alone.coefficient)
