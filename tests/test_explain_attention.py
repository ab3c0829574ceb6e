"""AttnLRP and CP-LRP against the papers' formulas, written out in another form."""

from __future__ import annotations

import pytest
import torch
from lrp_nets import Transformer, randomise, signed_input
from torch import Tensor, nn
from torch.nn import functional as fn

from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import COMPOSITES, attribute_batch, explain_batch

SHAPE = (16, 12)
X = signed_input(3, SHAPE)


def exact(name: str) -> object:
    """The composite without stabilisers."""
    from stressnet.explain import rules

    return COMPOSITES[name].with_(
        convolution=rules.zero(), linear=rules.zero(), activation_stabiliser=0.0
    )


class ByGradient(nn.Module):
    """The same transformer, its *plain* gradient times input made to be the relevance.

    Constant scale in normalisations, constant ratio in activations, and attention as the name says.
    """

    def __init__(self, net: Transformer, name: str):
        super().__init__()
        self.net, self.name = net, name

    def norm(self, layer: nn.LayerNorm, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        spread = (centred.pow(2).mean(dim=-1, keepdim=True) + layer.eps).sqrt().detach()
        y = centred / spread * layer.weight
        return y if layer.bias is None else y + layer.bias

    def attention(self, layer: nn.Module, x: Tensor) -> Tensor:
        batch, n, _ = x.shape
        q, k, v = (
            part.reshape(batch, n, layer.heads, -1).transpose(1, 2)
            for part in layer.into(x).chunk(3, dim=-1)
        )
        if self.name == "attn-lrp":
            q, k, v = (less(q, 0.25), less(k, 0.25), less(v, 0.5))
        scores = q @ k.mT / q.shape[-1] ** 0.5
        if layer.spelling in ("masked", "causal"):
            scores = scores.masked_fill(~torch.ones(n, n, dtype=torch.bool).tril(), -torch.inf)
        s = scores.softmax(dim=-1)
        y = (s.detach() if self.name in ("cp-lrp", "relp-ah") else s) @ v
        return layer.out(y.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        net = self.net
        x = net.embed(x).flatten(2).transpose(1, 2)
        x = x if net.place is None else x + net.place
        for block in net.blocks:
            x = x + self.attention(block["attention"], self.norm(block["norm1"], x))
            z = block["up"](self.norm(block["norm2"], x))
            x = x + block["down"](z * (block["activation"](z) / z).detach())
        return net.head(self.norm(net.norm, x).mean(dim=1))


def less(x: Tensor, factor: float) -> Tensor:
    """The same value with ``factor`` of its gradient."""
    return factor * x + (1 - factor) * x.detach()


@pytest.mark.parametrize("name", ["attn-lrp", "cp-lrp", "relp", "relp-ah"])
@pytest.mark.parametrize("spelling", ["matmul", "masked", "function", "causal"])
def test_transformer_equals_the_modified_gradient(name: str, spelling: str) -> None:
    net = randomise(Transformer(spelling=spelling))
    ours = explain_batch(net, X, exact(name))
    theirs = attribute_batch(ByGradient(net, name).eval(), X, "input-times-gradient").relevance
    assert float((ours.relevance - theirs).abs().max() / theirs.abs().max()) < 1e-10
    assert torch.equal(ours.logits, net(X).detach())
    assert float(ours.conservation().relative_residual.max()) < 1e-10


def test_one_head_by_the_papers_formulas() -> None:
    """Relevance of scores, queries, keys and values, each from the formula for relevance."""
    generator = torch.Generator().manual_seed(3)
    q, k, v = torch.randn(3, 1, 5, 4, generator=generator, dtype=torch.float64)
    r = torch.randn(1, 5, 4, generator=generator, dtype=torch.float64)
    scores = q @ k.mT
    s = scores.softmax(dim=-1)
    out = s @ v
    r_s = torch.einsum("bij,bjp,bip->bij", s, v, r / (2 * out))
    r_v = torch.einsum("bij,bjp,bip->bjp", s, v, r / (2 * out))
    r_x = scores * (r_s - s * r_s.sum(dim=-1, keepdim=True))
    r_q = torch.einsum("bid,bjd,bij->bid", q, k, r_x / (2 * scores))
    r_k = torch.einsum("bid,bjd,bij->bjd", q, k, r_x / (2 * scores))
    expected = torch.cat([r_q, r_k, r_v], dim=1).flatten(1)

    class Head(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            q, k, v = x.reshape(1, 15, 4).split(5, dim=1)
            y = torch.bmm(torch.softmax(torch.bmm(q, k.mT), dim=-1), v)
            score = (y * (r / out)).sum(dim=(1, 2))  # so that y * derivative is r
            return torch.stack([score, 0 * score], dim=1)

    x = torch.cat([q, k, v], dim=1).flatten(1)
    got = explain_batch(Head().eval(), x, "attn-lrp")
    torch.testing.assert_close(got.relevance, expected, rtol=1e-9, atol=1e-11)
    row = next(row for row in got.ledger if row["operation"] == "softmax")
    assert row["bias_share"] == pytest.approx(float(r_s.sum() - r_x.sum()))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU])
@pytest.mark.parametrize("spelling", ["matmul", "function"])
def test_conservation_without_biases(spelling: str, activation: type[nn.Module]) -> None:
    net = randomise(Transformer(spelling=spelling, bias=False, activation=activation))
    values_only = explain_batch(net, X, exact("cp-lrp")).conservation()
    torch.testing.assert_close(values_only.relevance, values_only.output, rtol=1e-10, atol=1e-12)
    assert float(values_only.bias_share.abs().max()) < 1e-12
    explained = explain_batch(net, X, exact("attn-lrp"))
    sums = explained.conservation()
    assert float(sums.relative_residual.max()) < 1e-10
    kept = {row["operation"] for row in explained.ledger if abs(row["bias_share"]) > 1e-12}
    assert kept == {"softmax"}  # the constant of its Taylor expansion, and nothing else


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_multi_head_attention_modules(batch_first: bool, masked: bool) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, batch_first=batch_first, dropout=0.2)
            self.head = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = x if batch_first else x.transpose(0, 1)
            mask = torch.ones(5, 5, dtype=torch.bool).triu(1) if masked else None
            y, _ = self.attention(x, x, x, attn_mask=mask, need_weights=not masked)
            y = y if batch_first else y.transpose(0, 1)
            return self.head(y.mean(dim=1))

    class Written(nn.Module):
        def __init__(self, block: Block) -> None:
            super().__init__()
            self.block = block

        def forward(self, x: Tensor) -> Tensor:
            layer = self.block.attention
            y = fn.linear(x, layer.in_proj_weight, layer.in_proj_bias)
            q, k, v = (p.reshape(-1, 5, 2, 3).transpose(1, 2) for p in y.chunk(3, dim=-1))
            y = fn.scaled_dot_product_attention(q, k, v, is_causal=masked)
            y = layer.out_proj(y.transpose(1, 2).flatten(2))
            return self.block.head(y.mean(dim=1))

    torch.manual_seed(0)  # randomise leaves in_proj_weight as it was drawn
    net = randomise(Block())
    x = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for name in ("attn-lrp", "cp-lrp"):
        got = explain_batch(net, x, name)
        expected = explain_batch(Written(net).eval(), x, name)
        torch.testing.assert_close(got.relevance, expected.relevance, rtol=1e-7, atol=1e-10)
        torch.testing.assert_close(got.logits, net(x).detach(), rtol=1e-13, atol=1e-15)
        assert float(got.conservation().relative_residual.max()) < 1e-10


def test_library_encoder_layers_are_explained() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=True)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layers(x).mean(dim=1))

    net = randomise(Encoder())
    x = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    explained = explain_batch(net, x, "cp-lrp")
    assert float(explained.conservation().relative_residual.max()) < 1e-10


def test_a_batch_is_its_samples() -> None:
    net = randomise(Transformer())
    together = explain_batch(net, X, "attn-lrp")
    alone = torch.cat([explain_batch(net, x[None], "attn-lrp").relevance for x in X])
    torch.testing.assert_close(together.relevance, alone, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("spelling", ["matmul", "function"])
def test_other_composites_refuse_attention(spelling: str) -> None:
    with pytest.raises(ExplainError, match=r"in blocks.0.attention: .*attn-lrp or cp-lrp"):
        explain_batch(randomise(Transformer(spelling=spelling)), X, "epsilon-plus")


class Grouped(nn.Module):
    def __init__(self, **options: object):
        super().__init__()
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, None, :].expand(-1, -1, 2, -1)
        return fn.scaled_dot_product_attention(x, x, x, **self.options).flatten(1)[:, :2]


def test_what_attention_cannot_do_is_refused() -> None:
    x = torch.randn(2, 4, 3)
    with pytest.raises(ExplainError, match="dropout of attention is active"):
        explain_batch(Grouped(dropout_p=0.1).eval(), x, "attn-lrp")
    with pytest.raises(ExplainError, match="grouped queries have no rule"):
        explain_batch(Grouped(enable_gqa=True).eval(), x, "attn-lrp")
    odd = nn.MultiheadAttention(3, 1, batch_first=True, add_bias_kv=True).eval()

    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return odd(x, x, x)[0].mean(dim=1)[:, :2]

    with pytest.raises(ExplainError, match="multi-head attention with bias_k, bias_v"):
        explain_batch(Odd().eval(), x, "attn-lrp")
    with pytest.raises(ConfigError, match="attention is 'refused', 'attn-lrp', 'cp-lrp' or 'grad"):
        COMPOSITES["epsilon"].with_(attention="rollout")
