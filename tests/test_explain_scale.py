"""Compiled models, functional transforms, half precision, and batches cut to fit the memory."""

from __future__ import annotations

import copy

import pytest
import torch
from lrp_nets import CompactCNN, Transformer, randomise, signed_input
from torch import Tensor, nn

from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import (
    attribute_batch,
    estimate_batch_size,
    explain_batch,
    explain_stream,
)
from stressnet.explain.memory import PeakMemory

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


def test_functional_transforms_are_refused_and_what_to_do_instead(model: nn.Module) -> None:
    with pytest.raises(ExplainError, match=r"cannot be transformed by torch.func"):
        torch.func.vmap(lambda x: explain_batch(model, x[None]).relevance[0])(X)
    with pytest.raises(ExplainError, match=r"cannot be transformed by torch.func"):
        torch.func.vjp(lambda x: explain_batch(model, x).relevance, X)
    seeds = torch.eye(2, dtype=torch.float64)
    repeated = explain_batch(model, X.repeat_interleave(2, dim=0), seed=seeds.repeat(3, 1))
    for number, seed in enumerate(seeds):
        expected = explain_batch(model, X, seed=seed).relevance
        torch.testing.assert_close(repeated.relevance[number::2], expected)


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
