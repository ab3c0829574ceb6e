"""Activation and attribution patching of a small GPT-2 with random weights as nnsight does them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stressnet.patching import Unit, patch_effects

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


def test_gpt2_as_nnsight_patches_it() -> None:
    generator = torch.Generator().manual_seed(0)
    probe = Probe().double().eval()
    with torch.no_grad():
        for parameter in probe.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    clean, corrupted = torch.randn(2, 2, 1, 6, 16, generator=generator).double()
    units = [Unit("layer", place, place) for place in PLACES]
    effects = patch_effects(probe, clean, corrupted, units, ["activation", "attribution"])
    got = effects.pivot(index=["unit", "estimator"], columns="pair", values="effect")
    weights = torch.tensor([1.0, -1.0]).double()
    with torch.no_grad():
        d_clean, d_corrupted = probe(clean) @ weights, probe(corrupted) @ weights
    traced = nnsight.NNsight(probe)
    for place in PLACES:
        envoy = traced
        for name in place.split("."):
            envoy = envoy[int(name)] if name.isdigit() else getattr(envoy, name)
        with traced.trace(clean):
            source = envoy.output.save()
        assert isinstance(source, Tensor)
        with traced.trace(corrupted):
            envoy.output = source
            logits = traced.output.save()
        with traced.trace(corrupted):
            inner = envoy.output
            base = inner.save()
            with (traced.output @ weights).sum().backward():
                slope = inner.grad.save()
        scale = d_clean - d_corrupted
        truth = (logits @ weights - d_corrupted) / scale
        estimate = ((source - base) * slope).sum(dim=(1, 2)) / scale
        for name, expected in (("activation", truth), ("attribution", estimate)):
            row = torch.tensor(got.loc[(place, name)].to_numpy())
            torch.testing.assert_close(row, expected.detach(), rtol=1e-5, atol=1e-8)
