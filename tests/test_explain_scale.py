"""Compiled models, functional transforms, half precision, and batches cut to fit the memory."""

from __future__ import annotations

import copy

import pytest
import torch
from lrp_nets import CompactCNN, Transformer, randomise, signed_input
from torch import Tensor, nn

from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import attribute_batch, estimate_batch_size, explain_batch, explain_stream
from stressnet.explain.stream import PeakMemory

SHAPE = (16, 12)
X = signed_input(3, SHAPE)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return randomise(CompactCNN(2))


def compiled_whole(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="aot_eager").eval()


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="aot_eager")
    return model


def compiled_part(model: nn.Module) -> nn.Module:
    model.blocks = torch.compile(model.blocks, backend="aot_eager")
    return model.eval()


@pytest.mark.parametrize("how", [compiled_whole, compiled_in_place, compiled_part])
def test_compiled_models_are_explained_by_their_plain_code(model: nn.Module, how: object) -> None:
    compiled = how(copy.deepcopy(model))
    torch.testing.assert_close(compiled(X), model(X))  # it runs, and is compiled now
    for name in ("epsilon-plus", "epsilon-gamma"):
        expected = explain_batch(model, X, name)
        got = explain_batch(compiled, X, name)
        assert torch.equal(got.relevance, expected.relevance)
    expected = attribute_batch(model, X, "gradient").relevance
    torch.testing.assert_close(attribute_batch(compiled, X, "gradient").relevance, expected)
    torch.testing.assert_close(compiled(X), model(X))


def test_an_explanation_inside_a_compiled_function_runs_as_it_is(model: nn.Module) -> None:
    explain = torch.compile(lambda x: explain_batch(model, x).relevance * 2, backend="aot_eager")
    torch.testing.assert_close(explain(X), explain_batch(model, X).relevance * 2)


@pytest.mark.parametrize("name", ["epsilon-plus", "epsilon-gamma-box", "epsilon-plus-flat"])
def test_vmap_over_samples_equals_the_loop(model: nn.Module, name: str) -> None:
    def one(x: Tensor) -> tuple[Tensor, ...]:
        found = explain_batch(model, x[None], name, bounds=(-6.0, 6.0), layers=["blocks.0"])
        balance = found.conservation()
        (layer,) = found.layer_relevance.values()
        return found.relevance[0], found.output[0], balance.bias_share[0], layer[0]

    loop = [torch.stack(values) for values in zip(*map(one, X), strict=True)]
    for mapped, expected in zip(torch.func.vmap(one)(X), loop, strict=True):
        torch.testing.assert_close(mapped, expected)
    mapped = torch.func.vmap(one, in_dims=3)(X.permute(1, 2, 3, 0))[0]
    torch.testing.assert_close(mapped, loop[0])


def test_vmap_over_batches_seeds_classes_and_bounds(model: nn.Module) -> None:
    seeds = torch.tensor([[1.0, -1.0], [1.0, 0.0], [0.3, 2.0]], dtype=torch.float64)
    by_seed = torch.func.vmap(lambda w: explain_batch(model, X, seed=w).relevance)(seeds)
    for seed, mapped in zip(seeds, by_seed, strict=True):
        torch.testing.assert_close(mapped, explain_batch(model, X, seed=seed).relevance)
    classes = torch.tensor([[0, 1, 0], [1, 1, 0]])

    def of_classes(target: Tensor) -> Tensor:
        return explain_batch(model, X, seed="logit", target=target).relevance

    for target, mapped in zip(classes, torch.func.vmap(of_classes)(classes), strict=True):
        torch.testing.assert_close(mapped, of_classes(target))
    tops = torch.tensor([6.0, 9.0], dtype=torch.float64)

    def of_top(top: Tensor) -> Tensor:
        return explain_batch(model, X, "epsilon-gamma-box", bounds=(-6.0, top)).relevance

    for top, mapped in zip(tops, torch.func.vmap(of_top)(tops), strict=True):
        torch.testing.assert_close(mapped, of_top(top))


def test_vmap_nests_and_composes(model: nn.Module) -> None:
    seeds = torch.eye(2, dtype=torch.float64)

    def share(x: Tensor, seed: Tensor) -> Tensor:
        found = explain_batch(model, x[None], "epsilon", seed).relevance[0]
        return found.clamp(min=0).sum() / found.abs().sum()

    over_both = torch.func.vmap(torch.func.vmap(share, in_dims=(None, 0)), in_dims=(0, None))
    expected = torch.stack([torch.stack([share(x, w) for w in seeds]) for x in X])
    torch.testing.assert_close(over_both(X, seeds), expected)
    chunked = torch.func.vmap(over_both, in_dims=(0, None), chunk_size=1)(X[:, None], seeds)
    torch.testing.assert_close(chunked[:, 0], expected)


def test_an_explanation_that_is_not_mapped_inside_a_mapped_function(model: nn.Module) -> None:
    relevance = explain_batch(model, X).relevance
    factors = torch.arange(3.0, dtype=torch.float64)
    scaled = torch.func.vmap(lambda k: explain_batch(model, X).relevance * k)(factors)
    torch.testing.assert_close(scaled, relevance * factors.reshape(3, 1, 1, 1, 1))


def test_vmap_leaves_the_model_alone(model: nn.Module) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.func.vmap(lambda x: explain_batch(model, x[None]).relevance)(X)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_what_functional_transforms_cannot_do_is_refused(model: nn.Module) -> None:
    with pytest.raises(ExplainError, match=r"cannot be differentiated by torch.func"):
        torch.func.vjp(lambda x: explain_batch(model, x).relevance, X)
    with pytest.raises(ExplainError, match=r"cannot be differentiated by torch.func"):
        torch.func.vmap(torch.func.grad(lambda x: explain_batch(model, x[None]).relevance.sum()))(X)
    with pytest.raises(ExplainError, match="method gradient cannot be transformed"):
        torch.func.vmap(lambda x: attribute_batch(model, x[None], "gradient").relevance)(X)

    class Scaled(nn.Module):
        def __init__(self, factor: Tensor):
            super().__init__()
            self.model, self.factor = model, factor

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x) * self.factor

    factors = torch.tensor([1.0, 2.0], dtype=torch.float64)
    with pytest.raises(ExplainError, match=r"mapped by torch.func.vmap from outside"):
        torch.func.vmap(lambda k: explain_batch(Scaled(k).eval(), X).relevance)(factors)

    net = nn.Linear(2, 2).eval()

    def registered(weight: Tensor) -> Tensor:
        net._parameters["weight"] = weight
        return explain_batch(net, torch.ones(1, 2)).relevance

    with pytest.raises(ExplainError, match="parameters are mapped"):
        torch.func.vmap(registered)(torch.ones(3, 2, 2))
    with pytest.raises(ConfigError, match="seed weights have shape"):
        torch.func.vmap(lambda w: explain_batch(model, X, seed=w).relevance)(torch.ones(2, 2, 2))


def test_several_seeds_as_one_batch(model: nn.Module) -> None:
    seeds = torch.eye(2, dtype=torch.float64)
    repeated = explain_batch(model, X.repeat_interleave(2, dim=0), seed=seeds.repeat(3, 1))
    for number, seed in enumerate(seeds):
        expected = explain_batch(model, X, seed=seed).relevance
        torch.testing.assert_close(repeated.relevance[number::2], expected)


@pytest.mark.parametrize("name", ["epsilon", "epsilon-plus", "epsilon-gamma-box", "lrp-0"])
def test_parts_of_a_batch_equal_the_whole(
    model: nn.Module, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"bounds": (-6.0, 6.0), "layers": ["blocks.0"], "keep_channels": {"blocks.0": [0]}}
    whole = explain_batch(model, X, name, **options)
    monkeypatch.setattr("stressnet.explain.engine.layer_node.PART", 1)
    parts = explain_batch(model, X, name, **options)
    torch.testing.assert_close(parts.relevance, whole.relevance)
    torch.testing.assert_close(parts.shares(), whole.shares())
    for path, relevance in whole.layer_relevance.items():
        torch.testing.assert_close(parts.layer_relevance[path], relevance)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("net", "name"),
    [
        (CompactCNN(4), "epsilon-plus"),
        (CompactCNN(4), "epsilon-gamma"),
        (CompactCNN(4), "epsilon-alpha2-beta1-flat"),
        (Transformer(), "attn-lrp"),
        (Transformer(spelling="function"), "cp-lrp"),
    ],
)
def test_ratios_of_half_precision_models_are_float32(
    net: nn.Module, name: str, dtype: torch.dtype
) -> None:
    x = X.to(dtype)
    net = randomise(net)
    exact = explain_batch(net, X, name).relevance
    half = explain_batch(copy.deepcopy(net).to(dtype), x, name)
    assert half.relevance.dtype == torch.float32 and torch.isfinite(half.relevance).all()
    error = (half.relevance - exact).abs().sum() / exact.abs().sum()
    assert float(error) < (0.15 if dtype == torch.bfloat16 else 0.03)
    # rules that compute their own denominator lose nothing to rounding within a layer; epsilon
    # divides by the model's rounded output
    eps = torch.finfo(dtype).eps
    scale = max(abs(row["relevance_out"]) for row in half.ledger)
    for row in half.ledger:
        if row["operation"] not in ("convolution", "linear"):
            continue
        gone = row["relevance_in"] + row["bias_share"] + row["stabiliser_share"]
        tolerance = 4 * eps if row["rule"].startswith("epsilon") else 1e-5
        assert abs(row["relevance_out"] - gone) < tolerance * scale + 1e-6


def test_memory_is_counted() -> None:
    with PeakMemory() as memory:
        a = torch.ones(1000, dtype=torch.float64)
        for _ in range(5):
            b = a + 1  # the one before is still there
        view = b[:500].view(2, 250)
        del a, b
        torch.zeros(10)
    assert memory.peak == 3 * 8000
    del view


@pytest.mark.parametrize("name", ["epsilon", "epsilon-plus", "epsilon-gamma-box"])
def test_batches_fit_the_memory(model: nn.Module, name: str) -> None:
    options = {"composite": name, "bounds": (-6.0, 6.0)}
    x = signed_input(40, SHAPE)

    def peak(batch: Tensor) -> int:
        with PeakMemory() as memory:
            explain_batch(model, batch, **options)
        return memory.peak

    limit = 2 * peak(x[:10])
    size = estimate_batch_size(model, x, limit, **options)
    assert 10 <= size <= 20
    assert peak(x[:size]) <= limit
    parts = list(explain_stream(model, x, batch_size=100, max_bytes=limit, **options))
    assert max(len(part.output) for part in parts) == size
    whole = explain_batch(model, x, **options).relevance
    torch.testing.assert_close(torch.cat([part.relevance for part in parts]), whole)


def test_memory_limits_that_cannot_be_met(model: nn.Module) -> None:
    with pytest.raises(ConfigError, match="max_bytes 1000: one sample needs about"):
        estimate_batch_size(model, X[:1], 1000)
    with pytest.raises(ConfigError, match="batches are cut already"):
        next(explain_stream(model, iter([X]), max_bytes=10**9))
