"""Units of a small GPT-2 and edges of a small ViT, with random weights, as nnsight patches them."""

from __future__ import annotations

import copy
from typing import Any

import parselmouth  # noqa: F401  # cannot be imported after nnsight, which gives all objects "save"
import pytest
import torch
from torch import Tensor, nn

from stressnet.patching import Unit, edge_units, patch_effects

tf = pytest.importorskip("transformers")
nnsight = pytest.importorskip("nnsight")

PLACES = ("network.h.0.mlp", "network.h.1.mlp", "network.h.0.attn.c_proj", "network.h.0")


class Probe(nn.Module):
    """Two logits from the last token; the input holds embeddings."""

    def __init__(self) -> None:
        super().__init__()
        config = tf.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=8, vocab_size=10)
        self.network, self.head = tf.GPT2Model(config), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.network(inputs_embeds=x[:, 0]).last_hidden_state[:, -1])


class Seer(nn.Module):
    """Two logits from the first token of a ViT on four patches."""

    n_bins, n_frames = 8, 8

    def __init__(self) -> None:
        super().__init__()
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        images = {"image_size": (8, 8), "patch_size": 4, "num_channels": 1}
        config = tf.ViTConfig(**sizes, **images, intermediate_size=24)
        self.network = tf.ViTModel(config, add_pooling_layer=False)
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.network(x).last_hidden_state[:, 0])


WEIGHTS = torch.tensor([1.0, -1.0]).double()


def drawn(probe: nn.Module, *shape: int) -> tuple[nn.Module, Tensor, Tensor]:
    """The network with random weights, two clean and two corrupted inputs."""
    generator = torch.Generator().manual_seed(0)
    probe = probe.double().eval()
    with torch.no_grad():
        for parameter in probe.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    clean, corrupted = torch.randn(2, 2, 1, *shape, generator=generator).double()
    return probe, clean, corrupted


def envoy_of(traced: Any, place: str) -> Any:
    """The module at a place."""
    for name in place.split("."):
        traced = traced[int(name)] if name.isdigit() else getattr(traced, name)
    return traced


def test_gpt2_as_nnsight_patches_it() -> None:
    probe, clean, corrupted = drawn(Probe(), 6, 16)
    units = [Unit("layer", place, place) for place in PLACES]
    effects = patch_effects(probe, clean, corrupted, units, ["activation", "attribution"])
    got = effects.pivot(index=["unit", "estimator"], columns="pair", values="effect")
    with torch.no_grad():
        d_clean, d_corrupted = probe(clean) @ WEIGHTS, probe(corrupted) @ WEIGHTS
    traced = nnsight.NNsight(probe)
    for place in PLACES:
        envoy = envoy_of(traced, place)
        with traced.trace(clean):
            source = envoy.output.save()
        assert isinstance(source, Tensor)
        with traced.trace(corrupted):
            envoy.output = source
            logits = traced.output.save()
        with traced.trace(corrupted):
            inner = envoy.output
            base = inner.save()
            with (traced.output @ WEIGHTS).sum().backward():
                slope = inner.grad.save()
        scale = d_clean - d_corrupted
        truth = (logits @ WEIGHTS - d_corrupted) / scale
        estimate = ((source - base) * slope).sum(dim=(1, 2)) / scale
        for name, expected in (("activation", truth), ("attribution", estimate)):
            row = torch.tensor(got.loc[(place, name)].to_numpy())
            torch.testing.assert_close(row, expected.detach(), rtol=1e-5, atol=1e-8)


class ConstantScale(nn.Module):
    """A layer normalisation with a constant scale for the gradient, as RelP's authors have it."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        spread = (x.var(dim=-1, correction=0, keepdim=True) + self.norm.eps).sqrt().detach()
        return (x - x.mean(dim=-1, keepdim=True)) / spread * self.norm.weight + self.norm.bias


class ConstantRatio(nn.Module):
    """An activation as its input times a constant, as RelP's authors have it."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        moved = x + 1e-6 * x.sign()
        return moved * (self.activation(x) / moved).detach()


def relp_by_gradients(probe: nn.Module) -> nn.Module:
    """A copy of a ViT whose gradients are RelP's coefficients."""
    twin = copy.deepcopy(probe)
    network = twin.network
    network.layernorm = ConstantScale(network.layernorm)
    for layer in network.layers:
        layer.layernorm_before = ConstantScale(layer.layernorm_before)
        layer.layernorm_after = ConstantScale(layer.layernorm_after)
        layer.mlp.activation_fn = ConstantRatio(layer.mlp.activation_fn)
    return twin


def test_edges_of_a_vit_as_nnsight_patches_their_paths() -> None:
    probe, clean, corrupted = drawn(Seer(), 8, 8)
    edges = edge_units(probe)
    assert len(edges) == 1 + 2 + 3 + 4 + 5
    effects = patch_effects(probe, clean, corrupted, edges, ["activation", "attribution", "relp"])
    names = ["layer", "unit", "estimator"]
    got = effects.pivot(index=names, columns="pair", values="effect").sort_index()
    with torch.no_grad():
        d_clean, d_corrupted = probe(clean) @ WEIGHTS, probe(corrupted) @ WEIGHTS
    traced, twin = nnsight.NNsight(probe), nnsight.NNsight(relp_by_gradients(probe))
    for edge in edges:
        places = [place.removesuffix(":input") for place in (edge.reads, edge.layer)]
        sends, reads = (envoy_of(traced, place) for place in places)
        given = []
        for images in (clean, corrupted):
            with traced.trace(images):
                out = sends.input if edge.reads.endswith(":input") else sends.output
                value = (out[0] if isinstance(out, tuple) else out).save()
            given.append(value)
        change = (given[0] - given[1]).detach()
        with traced.trace(corrupted):
            reads.input = reads.input + change
            logits = traced.output.save()
        scale = d_clean - d_corrupted
        expected = {"activation": (logits @ WEIGHTS - d_corrupted) / scale}
        for name, network in (("attribution", traced), ("relp", twin)):
            reads = envoy_of(network, places[1])
            with network.trace(corrupted):
                inner = reads.input.clone()  # others read the stream itself
                reads.input = inner
                with (network.output @ WEIGHTS).sum().backward():
                    slope = inner.grad.save()
            expected[name] = (change * slope).sum(dim=(1, 2)) / scale
        for name, effect in expected.items():
            row = torch.tensor(got.loc[(edge.layer, edge.label, name)].to_numpy())
            torch.testing.assert_close(row, effect.detach(), rtol=1e-5, atol=1e-8)
    relp, attribution = (got.xs(name, level="estimator") for name in ("relp", "attribution"))
    assert (relp - attribution).abs().max().max() > 0.05  # they are not the same
