"""A network whose layers round: what it would be with integers of few bits.

A *layer* is a convolution or dense layer: its weights and the activation that it reads have the
same number of bits. Batch normalisations are folded into it first. The layer that makes queries,
keys and values also rounds these and the attention weights, so that no plan gets the products of
attention for nothing. Normalisations, activations, sums, pooling and the networks' own softmaxes
over time stay in float32, and so do biases.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stressnet.models.networks import Network
from stressnet.models.transformer import Attention, TransformerBlock
from stressnet.quantise.quantisers import (
    AttentionGrid,
    Calibration,
    ChannelRanges,
    Range,
    find_range,
    round_attention,
    round_weights,
)

N_VALUES = 50_000
"""Values of each activation that ranges are found from, drawn at random."""

BATCH = 32


@dataclass(frozen=True)
class Layer:
    """A convolution or dense layer.

    Parameters
    ----------
    name : str
        Module path.
    n_weights, n_outputs : int
        Weights without biases; output channels.
    n_macs : int
        Multiply-accumulate operations for one image, with those of the attention it feeds.
    norm : str
        Module path of the LayerNorm whose output it alone reads; empty if there is none.
    attention : str
        Module path of the attention whose queries, keys and values it makes; else empty.
    """

    name: str
    n_weights: int
    n_outputs: int
    n_macs: int
    norm: str = ""
    attention: str = ""


def fold_batch_norms(model: Network) -> Network:
    """A copy whose batch normalisations are part of the convolutions before them."""
    result = copy.deepcopy(model)
    for module in list(result.modules()):
        children = list(module.named_children())
        for (name, layer), (norm_name, norm) in itertools.pairwise(children):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module.add_module(name, fuse_conv_bn_eval(layer, norm))
                module.add_module(norm_name, nn.Identity())
    return result.eval().requires_grad_(False)


def layers_of(model: Network, image: Tensor) -> list[Layer]:
    """The layers of a network in the order in which they run.

    Parameters
    ----------
    model : Network
        From :func:`fold_batch_norms`.
    image : Tensor, shape (1, 1, n_bins, n_frames)
    """
    norms: dict[str, str] = {}
    attentions: dict[str, str] = {}
    for path, module in model.named_modules():
        if isinstance(module, TransformerBlock):
            norms |= {f"{path}.attention.into": f"{path}.norm1", f"{path}.up": f"{path}.norm2"}
        if isinstance(module, Attention):
            attentions[f"{path}.into"] = path
    layers: dict[str, Layer] = {}

    def look(path: str, module: Any, args: Any, output: Tensor) -> None:
        weight = module.weight
        macs = output.numel() * weight[0].numel()
        if path in attentions:  # queries times keys, weights times values
            positions = output.shape[1]
            macs += 2 * positions**2 * output.shape[2] // 3
        layers[path] = Layer(
            path,
            weight.numel(),
            len(weight),
            macs,
            norms.get(path, ""),
            attentions.get(path, ""),
        )

    _run_with_hooks(
        model,
        {path: partial(look, path) for path in _paths(model)},
        image,
        nn.Module.register_forward_hook,
    )
    return list(layers.values())


def _paths(model: nn.Module) -> list[str]:
    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    return [path for path, module in model.named_modules() if isinstance(module, kinds)]


def _run_with_hooks(
    model: nn.Module, hooks: Mapping[str, Callable[..., Any]], images: Tensor, register: Any
) -> None:
    handles = [register(model.get_submodule(path), hook) for path, hook in hooks.items()]
    try:
        with torch.inference_mode():
            model(images)
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Activations:
    """What layers read over some words, a sample of each.

    Parameters
    ----------
    inputs : dict of str to Tensor
        By layer: values, shape (n,); for layers behind a LayerNorm (n, n_channels).
    attention : dict of str to tuple of Tensor
        By layer that feeds an attention: queries, keys and values, each of shape (n,).
    """

    inputs: dict[str, Tensor]
    attention: dict[str, tuple[Tensor, ...]]
    _known: dict[tuple[str, int, str], Any] = field(default_factory=dict)

    def ranges(self, layer: Layer, bits: int, calibration: Calibration) -> Any:
        """Range of what a layer reads, or of its channels; behind it those of the attention."""
        key = (layer.name, bits, calibration)
        if key not in self._known:
            values = self.inputs[layer.name]
            of_input = ChannelRanges.of(values, calibration) if layer.norm else None
            self._known[key] = (
                of_input or find_range(values, bits, calibration),
                [find_range(v, bits, calibration) for v in self.attention.get(layer.name, ())],
            )
        return self._known[key]

    @classmethod
    def of(
        cls, model: Network, layers: Sequence[Layer], images: Tensor, seed: int = 0
    ) -> Activations:
        """Run a network on images (n, 1, n_bins, n_frames) and keep what is drawn."""
        generator = torch.Generator().manual_seed(seed)
        n_batches = -(-len(images) // BATCH)
        inputs: dict[str, list[Tensor]] = {layer.name: [] for layer in layers}
        products: dict[str, list[Tensor]] = {one.name: [] for one in layers if one.attention}

        def draw(rows: Tensor, width: int) -> Tensor:
            n = min(len(rows), -(-N_VALUES // (n_batches * width)) * 4)
            chosen = torch.randint(len(rows), (n,), generator=generator).to(rows.device)
            extremes = torch.stack([rows.argmin(0), rows.argmax(0)]).flatten()
            return rows[torch.cat([chosen, extremes.unique()])]

        def look(layer: Layer, module: nn.Module, args: Any, output: Tensor) -> None:
            x = args[0]
            rows = x.flatten(0, -2) if layer.norm else x.flatten()
            inputs[layer.name].append(draw(rows, x.shape[-1] if layer.norm else 1))
            if layer.attention:
                parts = output.flatten(0, -2).chunk(3, dim=1)
                products[layer.name].append(torch.stack([draw(p.flatten(), 1) for p in parts]))

        hooks = {layer.name: partial(look, layer) for layer in layers}
        for part in images.split(BATCH):
            _run_with_hooks(model, hooks, part, nn.Module.register_forward_hook)
        return cls(
            {name: torch.cat(parts) for name, parts in inputs.items()},
            {name: tuple(torch.cat(parts, dim=1)) for name, parts in products.items()},
        )


def rounded(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A rounded tensor, as the old one times a constant.

    So relevance passes through rounding unchanged, as through any element-wise function that keeps
    zero.
    """
    if not torch.is_grad_enabled():
        return function(x)
    with torch._C.DisableTorchFunction(), torch.no_grad():
        value = x.detach()
        factor = torch.where(value == 0, 0.0, function(value) / value)
    return x * factor


class RoundedAttention(nn.Module):
    """:class:`stressnet.models.transformer.Attention` whose products read rounded numbers.

    Parameters
    ----------
    attention : Attention
        Its projections are used as they are.
    ranges : sequence of Range
        Of queries, keys and values.
    grid : {"log2", "log-sqrt2", "even"}
        Of the attention weights.
    """

    def __init__(
        self, attention: Attention, ranges: Sequence[Range], bits: int, grid: AttentionGrid
    ) -> None:
        super().__init__()
        self.heads, self.into, self.out = attention.heads, attention.into, attention.out
        self.ranges, self.bits = tuple(ranges), bits
        self.round = {
            "log2": partial(round_attention, bits=bits),
            "log-sqrt2": partial(round_attention, bits=bits, per_octave=2),
            "even": partial(Range(0.0, 1.0).round, bits=bits),
        }[grid]

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """Attend to the positions that are True in ``kept``, ``(batch, positions)``."""
        batch, n, width = x.shape
        parts = self.into(x).reshape(batch, n, 3, self.heads, width // self.heads)
        parts = parts.permute(2, 0, 3, 1, 4).unbind(0)
        query, key, value = (
            rounded(part, partial(one.round, bits=self.bits))
            for part, one in zip(parts, self.ranges, strict=True)
        )
        scores = torch.matmul(query, key.transpose(2, 3)) / (width // self.heads) ** 0.5
        scores = scores.masked_fill(~kept[:, None, None, :], -torch.inf)
        weights = rounded(torch.softmax(scores, dim=3), self.round)
        return self.out(torch.matmul(weights, value).transpose(1, 2).flatten(2))


def quantised(
    model: Network,
    layers: Sequence[Layer],
    seen: Activations,
    bits: Mapping[str, int],
    calibration: Calibration = "mse",
    grid: AttentionGrid = "log2",
) -> Network:
    """A copy of a network in which some layers round.

    Parameters
    ----------
    model : Network
        From :func:`fold_batch_norms`.
    layers : sequence of Layer
        All of them.
    seen : Activations
        What they read over calibration words.
    bits : mapping of str to int
        By layer; those left out stay in float32.
    calibration : {"min-max", "percentile", "mse"}
        How ranges of activations are found.
    grid : {"log2", "log-sqrt2", "even"}
        What attention weights are rounded to.
    """
    result = copy.deepcopy(model)
    for layer in layers:
        if layer.name not in bits:
            continue
        n_bits = bits[layer.name]
        module: Any = result.get_submodule(layer.name)
        span, products = seen.ranges(layer, n_bits, calibration)
        if layer.norm:
            span = fold_into_norm(result.get_submodule(layer.norm), module, span, n_bits)
        module.weight.copy_(round_weights(module.weight, n_bits))
        module.register_forward_pre_hook(partial(_round_input, span, n_bits))
        if layer.attention:
            parent, _, name = layer.attention.rpartition(".")
            attention: Any = result.get_submodule(layer.attention)
            result.get_submodule(parent).add_module(
                name, RoundedAttention(attention, products, n_bits, grid)
            )
    return result.eval()


def _round_input(span: Range, bits: int, module: nn.Module, args: tuple[Tensor, ...]) -> Any:
    return (rounded(args[0], partial(span.round, bits=bits)), *args[1:])


def fold_into_norm(norm: Any, layer: Any, channels: ChannelRanges, bits: int) -> Range:
    """Give all channels between a LayerNorm and a dense layer one grid, without other results.

    Returns
    -------
    Range
        Of the channels now.
    """
    ratio, shift, span = channels.fold(bits)
    norm.weight.div_(ratio)
    norm.bias.div_(ratio).sub_(shift)
    layer.bias.add_(layer.weight @ (ratio * shift))
    layer.weight.mul_(ratio)
    return span


def float_bytes(model: Network) -> int:
    """Bytes of all weights in float32, batch normalisations folded."""
    return 4 * sum(parameter.numel() for parameter in model.parameters())


def plan_bytes(model: Network, layers: Sequence[Layer], bits: Mapping[str, int]) -> int:
    """Bytes of a plan: packed weights, a scale per output channel, what stays in float32.

    Each activation has a scale and a zero point of four bytes each.
    """
    result = float_bytes(model)
    for layer in layers:
        saved = 4 * layer.n_weights - -(-layer.n_weights * bits[layer.name] // 8)
        result += 4 * layer.n_outputs + 8 * (4 if layer.attention else 1) - saved
    return result
