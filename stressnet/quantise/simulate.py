"""A network whose layers round: what it would be with integers of few bits.

A *layer* is a convolution or dense layer: its weights and the activation that it reads have the
same number of bits. Batch normalisations are folded into it first. The layer that makes queries,
keys and values also rounds these and the attention weights, so that no plan gets the products of
attention for nothing. Normalisations, activations, sums, pooling and the networks' own softmaxes
over time stay in float32, and so do biases.
"""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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

N_VALUES = 100_000  # Random values of each activation, beside its extremes, for its range

BATCH = 32


@dataclass(frozen=True)
class Layer:
    """A convolution or dense layer, by its module path; weights are counted without biases."""

    name: str
    n_weights: int
    n_outputs: int
    # Multiply-accumulate operations for one image, with those of the attention it feeds.
    n_macs: int
    norm: str = ""  # Path of the LayerNorm whose output it alone reads, if any
    attention: str = ""  # Path of the attention whose queries, keys and values it makes, if any


def fold_batch_norms(model: Network) -> Network:
    """A copy whose batch normalisations are part of the convolutions before them."""
    result = copy.deepcopy(model)
    for module in list(result.modules()):
        for (name, layer), (norm_name, norm) in itertools.pairwise(list(module.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module.add_module(name, fuse_conv_bn_eval(layer, norm))
                module.add_module(norm_name, nn.Identity())
    return result.eval().requires_grad_(False)


def fold_into_norm(norm: Any, layer: Any, channels: ChannelRanges, bits: int) -> Range:
    """Give all channels between a LayerNorm and a dense layer one grid, which is returned."""
    ratio, shift, span = channels.fold(bits)
    norm.weight.div_(ratio)
    norm.bias.div_(ratio).sub_(shift)
    layer.bias.add_(layer.weight @ (ratio * shift))
    layer.weight.mul_(ratio)
    return span


def rounded(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A rounded tensor; where gradients are asked for, as the old one times a constant.

    So relevance passes through rounding unchanged, as through any element-wise function that keeps
    zero.
    """
    if not torch.is_grad_enabled():
        return function(x)
    with torch._C.DisableTorchFunction(), torch.no_grad():
        value = x.detach()
        factor = torch.where(value == 0, 0.0, function(value) / value)
    return x * factor


def _round_input(span: Range, bits: int, module: nn.Module, args: tuple[Tensor, ...]) -> Any:
    return (rounded(args[0], partial(span.round, bits=bits)), *args[1:])


class RoundedAttention(nn.Module):
    """:class:`stressnet.models.transformer.Attention` whose products read rounded numbers."""

    def __init__(
        self, attention: Attention, ranges: Sequence[Range], bits: int, grid: AttentionGrid
    ) -> None:
        super().__init__()
        self.heads, self.into, self.out = attention.heads, attention.into, attention.out
        self.rounds = [partial(one.round, bits=bits) for one in ranges]
        even = partial(Range(0.0, 1.0).round, bits=bits)
        self.round = even if grid == "even" else partial(round_attention, bits=bits)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """Attend to the positions that are True in ``kept``, ``(batch, positions)``."""
        batch, n, width = x.shape
        parts = self.into(x).reshape(batch, n, 3, self.heads, width // self.heads)
        parts = parts.permute(2, 0, 3, 1, 4).unbind(0)
        query, key, value = map(rounded, parts, self.rounds)
        scores = torch.matmul(query, key.transpose(2, 3)) / (width // self.heads) ** 0.5
        scores = scores.masked_fill(~kept[:, None, None, :], -torch.inf)
        weights = rounded(torch.softmax(scores, dim=3), self.round)
        return self.out(torch.matmul(weights, value).transpose(1, 2).flatten(2))


class Simulation:
    """A network, and what its layers read over calibration words.

    Parameters
    ----------
    model, images : Network, Tensor of shape (n, 1, n_bins, n_frames)
        The network as it was trained, and calibration words.
    calibration, grid : {"min-max", "percentile", "mse"}, {"log2", "even"}
        How ranges of activations are found; what attention weights are rounded to.

    Attributes
    ----------
    base, layers : Network, list of Layer
        With its batch normalisations folded; in the order in which they run.
    """

    def __init__(
        self,
        model: Network,
        images: Tensor,
        calibration: Calibration = "mse",
        grid: AttentionGrid = "log2",
        seed: int = 0,
    ) -> None:
        self.base, self.calibration, self.grid = fold_batch_norms(model), calibration, grid
        self.ranges = cache(self._ranges)  # they are the same in all plans
        self._seen: dict[str, list[list[Tensor]]] = {}
        found: dict[str, Layer] = {}
        norms: dict[str, str] = {}
        attentions: dict[str, str] = {}
        kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
        handles = []
        generator = torch.Generator().manual_seed(seed)
        n_drawn = -(-N_VALUES * BATCH // len(images))

        def draw(rows: Tensor) -> Tensor:
            n = -(-n_drawn // rows[0].numel())
            chosen = torch.randint(len(rows), (n,), generator=generator).to(rows.device)
            ends = torch.stack([rows.argmin(0), rows.argmax(0)]).flatten()
            return rows[torch.cat([chosen, ends])]

        def look(path: str, module: Any, args: Any, output: Tensor) -> None:
            norm, attention = norms.get(path, ""), attentions.get(path, "")
            read = args[0].flatten(0, -2) if norm else args[0].flatten()
            made = output.flatten(0, -2).chunk(3, dim=1) if attention else ()
            drawn = [draw(read), *(draw(part.flatten()) for part in made)]
            self._seen.setdefault(path, []).append(drawn)
            macs = output[0].numel() * module.weight[0].numel()
            if attention:  # queries times keys, weights times values
                macs += 2 * output.shape[1] ** 2 * output.shape[2] // 3
            size = (module.weight.numel(), len(module.weight), macs)
            found[path] = Layer(path, *size, norm, attention)

        for path, module in self.base.named_modules():
            if isinstance(module, TransformerBlock):
                norms |= {f"{path}.attention.into": f"{path}.norm1", f"{path}.up": f"{path}.norm2"}
            if isinstance(module, Attention):
                attentions[f"{path}.into"] = path
            if isinstance(module, kinds):
                handles.append(module.register_forward_hook(partial(look, path)))
        self.logits(self.base, images)
        for handle in handles:
            handle.remove()
        self.layers = list(found.values())

    @staticmethod
    def logits(model: nn.Module, images: Tensor) -> NDArray[np.float64]:
        """Logits of images, shape (n, n_classes)."""
        with torch.inference_mode():
            return torch.cat([model(part) for part in images.split(BATCH)]).double().cpu().numpy()

    def _ranges(self, layer: Layer, bits: int) -> tuple[Any, list[Range]]:
        """Of what a layer reads (by channel behind a LayerNorm), and of what it makes."""
        values = [torch.cat(parts) for parts in zip(*self._seen[layer.name], strict=True)]
        products = [find_range(one, bits, self.calibration) for one in values[1:]]
        if layer.norm:
            return ChannelRanges.of(values[0], self.calibration), products
        return find_range(values[0], bits, self.calibration), products

    def rounded(self, bits: Mapping[str, int]) -> Network:
        """A copy of the network in which some layers, by name, have so many bits."""
        result = copy.deepcopy(self.base)
        for layer in self.layers:
            if layer.name not in bits:
                continue
            n_bits, module = bits[layer.name], result.get_submodule(layer.name)
            span, products = self.ranges(layer, n_bits)
            if layer.norm:
                span = fold_into_norm(result.get_submodule(layer.norm), module, span, n_bits)
            weight: Any = module.weight
            weight.copy_(round_weights(weight, n_bits))
            module.register_forward_pre_hook(partial(_round_input, span, n_bits))
            if layer.attention:
                parent, _, name = layer.attention.rpartition(".")
                old: Any = result.get_submodule(layer.attention)
                new = RoundedAttention(old, products, n_bits, self.grid)
                result.get_submodule(parent).add_module(name, new)
        return result.eval()

    def folded(self, bits: int = 8) -> Network:
        """A copy that gives the same logits, with LayerNorms folded as for so many bits."""
        result = copy.deepcopy(self.base)
        for layer in self.layers:
            if layer.norm:
                norm, module = map(result.get_submodule, (layer.norm, layer.name))
                fold_into_norm(norm, module, self.ranges(layer, bits)[0], bits)
        return result


def plan_size(model: Network, layers: Sequence[Layer], bits: Mapping[str, int]) -> dict[str, float]:
    """``bits_per_weight``, ``bit_operations`` and ``bytes`` of a plan, and ``float_bytes``.

    Bytes are those of packed weights, a scale per output channel, scale and zero point of each
    activation, and what stays in float32.
    """
    whole = packed = 4 * sum(parameter.numel() for parameter in model.parameters())
    weight_bits = operations = 0
    for layer in layers:
        weight_bits += layer.n_weights * bits[layer.name]
        operations += layer.n_macs * bits[layer.name] ** 2
        packed += 4 * (layer.n_outputs - layer.n_weights) + 8 * (4 if layer.attention else 1)
    per_weight = weight_bits / sum(layer.n_weights for layer in layers)
    sizes = {"bytes": packed + weight_bits // 8, "float_bytes": whole}
    return {"bits_per_weight": per_weight, "bit_operations": operations, **sizes}
