"""Attention: softmax, and what is built from it.

Three published treatments, chosen by the composite's ``attention``:

``"attn-lrp"`` (Achtibat et al. 2024, ICML)
    Softmax ``s = softmax(x)`` is replaced by its first-order Taylor expansion at ``x``,
    ``R_x = x (R_s - s sum R_s)``; the constant of the expansion takes the rest as bias share. Of a
    product of two branches (``q kᵀ``, ``s v``) each gets half.
``"cp-lrp"`` (Ali et al. 2022, ICML)
    Attention weights are constants; all relevance goes through the values.

``"gradient"`` (Rezaei Jafari et al. 2025, RelP)
    Plain gradient: softmax as in ``"attn-lrp"``, each factor of a matrix product gets the whole
    relevance; the constant of the product's Taylor expansion takes it off once as bias share.

Every other composite refuses softmax.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.engine.calls import Call, Tag
from stressnet.explain.engine.nodes import LedgerNode
from stressnet.explain.engine.route import Context, at_least_float32, forgotten, route

if TYPE_CHECKING:
    from stressnet.explain.engine.mode import RelevanceMode


class SoftmaxNode(LedgerNode):
    """Taylor expansion of softmax at its input: the plain gradient, its constant booked as bias."""

    def __init__(self, context: Context, path: str, call: Call, x: Tensor, dim: int) -> None:
        super().__init__(context, path, "softmax", "taylor()")
        self.compute, self.dim = call.function_of(x), dim

    def run(self, x: Tensor) -> Tensor:
        value = forgotten(self)(x)
        self.saved = (x.detach().clone(), value.detach().clone())
        return value

    def pull(self, coefficient: Tensor) -> Tensor:
        """``R_s - s sum R_s``; inputs of minus infinity (masked) carry none."""
        x, s = (at_least_float32(values) for values in self.saved)
        r = s * at_least_float32(coefficient)
        c = r - s * r.sum(dim=self.dim, keepdim=True)
        total = self.book("relevance_out", s, coefficient)
        kept = self.book("relevance_in", torch.where(x.isneginf(), 0, x), c)
        self.ledger.add(self.entry, "bias_share", total - kept)
        return c.to(coefficient.dtype)


class _Substitute(torch.autograd.Function):
    """The value of one tensor with the gradient of another that equals it up to rounding."""

    @staticmethod
    def forward(ctx: Any, followed: Tensor, exact: Tensor) -> Tensor:
        return exact.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def softmax(engine: RelevanceMode, call: Call) -> Any:
    """Softmax as the composite says."""
    x = call.args[0] if call.args else call.kwargs["input"]
    if engine.composite.attention == "cp-lrp":
        with torch.no_grad():
            return call.run().detach()  # untagged: a constant for all that follows
    dim = call.argument("dim", 1)
    if dim is None:
        raise ExplainError(f"in {engine.where()}: softmax without dim; state it")
    path = engine.numbered(engine.where())
    node = SoftmaxNode(engine.context, path, call, x, dim)
    engine.rules[f"{path}.softmax"] = "taylor()"
    return engine.tag(route(node, x), Tag(nonnegative=True))


def dot_product_attention(engine: RelevanceMode, call: Call) -> Any:
    """``softmax(scale · q kᵀ + mask) v``, followed step by step; the value stays torch's own."""
    where = engine.where()
    if call.argument("dropout_p", 4, 0.0):
        raise ExplainError(
            f"in {where}: dropout of attention is active although the model is in evaluation "
            "mode; pass dropout_p=0 unless self.training"
        )
    if call.argument("enable_gqa", 7, False):
        raise ExplainError(
            f"in {where}: grouped queries have no rule; repeat keys and values for each group"
        )
    query, key, value = (call.argument(name, i) for i, name in enumerate(("query", "key", "value")))
    mask, scale = call.argument("attn_mask", 3), call.argument("scale", 6)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    with engine:
        scores = torch.matmul(query, key.transpose(-2, -1)) * scale
        if call.argument("is_causal", 5, False):
            seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
            scores = scores.masked_fill(~seen, -torch.inf)
        if mask is not None and mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, -torch.inf)
        elif mask is not None:
            scores = scores + mask
        followed = torch.matmul(torch.softmax(scores, dim=-1), value)
    exact = call.run()  # with gradient: torch computes differently without
    return engine.tag(_Substitute.apply(followed, exact.detach()), Tag())


def multi_head_attention(engine: RelevanceMode, call: Call) -> Any:
    """What ``torch.nn.MultiheadAttention`` calls, taken apart with the samples kept first."""
    where = engine.where()
    given = dict(zip(_MULTI_HEAD, call.args, strict=False)) | call.kwargs
    query, key, value = given["query"], given["key"], given["value"]
    unusual = [
        name
        for name in ("bias_k", "bias_v", "add_zero_attn", "static_k", "static_v")
        if given.get(name) is not None and given.get(name) is not False
    ]
    if query.dim() != 3:
        unusual.append("an input without batch")
    if unusual:
        raise ExplainError(
            f"in {where}: multi-head attention with {', '.join(unusual)} has no rule; write it "
            "with torch.nn.functional.scaled_dot_product_attention"
        )
    if given.get("training", True) and given.get("dropout_p", 0.0):
        raise ExplainError(f"in {where}: dropout of attention is active in evaluation mode")
    heads, width = given["num_heads"], query.shape[-1]
    biases: Any = given.get("in_proj_bias")
    biases = (None, None, None) if biases is None else biases.chunk(3)
    with engine:
        parts = []
        if given.get("use_separate_proj_weight"):
            weights = tuple(given[f"{name}_proj_weight"] for name in "qkv")
        else:
            weights = given["in_proj_weight"].chunk(3)
        for x, weight, bias in zip((query, key, value), weights, biases, strict=True):
            part = torch.nn.functional.linear(x.transpose(0, 1), weight, bias)
            part = part.reshape(*part.shape[:2], heads, width // heads)
            parts.append(part.transpose(1, 2))
        mask = _joined_mask(given, parts[0], heads)
        q, k, v = parts
        mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed = mixed.transpose(1, 2).flatten(2)
        followed = torch.nn.functional.linear(
            mixed, given["out_proj_weight"], given.get("out_proj_bias")
        ).transpose(0, 1)
    exact, attended = call.run()
    result = engine.tag(_Substitute.apply(followed, exact.detach()), Tag())
    return result, None if attended is None else attended.detach()


_MULTI_HEAD = (
    "query key value embed_dim_to_check num_heads in_proj_weight in_proj_bias bias_k bias_v "
    "add_zero_attn dropout_p out_proj_weight out_proj_bias training key_padding_mask need_weights "
    "attn_mask use_separate_proj_weight q_proj_weight k_proj_weight v_proj_weight static_k "
    "static_v average_attn_weights is_causal"
).split()


def _joined_mask(given: dict[str, Any], query: Tensor, heads: int) -> Tensor | None:
    """Attention and padding mask as numbers to add, shape (batch or 1, heads or 1, …)."""

    def as_numbers(mask: Tensor) -> Tensor:
        if mask.dtype != torch.bool:
            return mask.to(query.dtype)
        zeros = torch.zeros(mask.shape, dtype=query.dtype, device=mask.device)
        return zeros.masked_fill(mask, -torch.inf)

    total: Tensor | None = None
    mask, padding = given.get("attn_mask"), given.get("key_padding_mask")
    if mask is not None:
        total = as_numbers(mask)
        if total.dim() == 3:
            total = total.reshape(-1, heads, *total.shape[1:])
    if padding is not None:
        padded = as_numbers(padding)[:, None, None, :]
        total = padded if total is None else total + padded
    return total
