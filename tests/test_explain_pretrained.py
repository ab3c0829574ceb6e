"""Published speech networks, with random weights: the engine follows them and its ledger closes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stressnet.explain import explain_batch

tf = pytest.importorskip("transformers")

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
SOUND = {
    **SMALL,
    "conv_dim": (8, 8),
    "conv_stride": (4, 2),
    "conv_kernel": (6, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


class Probe(nn.Module):
    """A stress probe on the mean over time of a network's last layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.head = network, nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.network(x).last_hidden_state.mean(dim=1))


def build(name: str) -> tuple[nn.Module, tuple[int, ...], str]:
    """A probe, the shape of its input and a module of its first attention."""
    first = "network.encoder.layers.0.attention"
    if name == "wav2vec2":
        return tf.Wav2Vec2Model(tf.Wav2Vec2Config(**SOUND)), (2, 400), f"{first}.out_proj"
    if name == "hubert":
        return tf.HubertModel(tf.HubertConfig(**SOUND)), (2, 400), f"{first}.out_proj"
    if name == "wavlm":
        return tf.WavLMModel(tf.WavLMConfig(**SOUND)), (2, 400), first
    if name == "ast":
        sizes = {"patch_size": 4, "frequency_stride": 4, "time_stride": 4}
        config = tf.ASTConfig(**SMALL, **sizes, max_length=24, num_mel_bins=16)
        return tf.ASTModel(config), (2, 24, 16), ""
    config = tf.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        num_mel_bins=8,
        max_source_positions=20,
    )
    encoder = tf.models.whisper.modeling_whisper.WhisperEncoder(config)
    return encoder, (2, 8, 40), "network.layers.0.self_attn"


@pytest.mark.parametrize("composite", ["relp", "attn-lrp", "cp-lrp"])
@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "wavlm", "ast", "whisper"])
def test_the_ledger_closes(name: str, composite: str) -> None:
    torch.manual_seed(0)
    network, shape, place = build(name)
    probe = Probe(network).double().eval()
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(1)).double()
    explained = explain_batch(probe, x, composite, taps=[place] if place else [])
    assert float(explained.conservation().relative_residual.max()) < 1e-10
    torch.testing.assert_close(explained.logits, probe(x).detach(), rtol=1e-10, atol=1e-12)
    assert explained.relevance.any()
    for tap in explained.taps.values():
        assert tap.coefficient.any() and tap.activation.shape[-1] == 16
