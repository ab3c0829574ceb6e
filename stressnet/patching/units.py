"""What is patched: layers, channels, parts of the word, bands, heads and positions.

A unit is a set of cells of one inner tensor: all of them, or those of some channels, frames, bins,
heads or tokens. Where the cells of a layer lie in time and frequency follows from kernels, strides
and paddings on the way to it (:mod:`stressnet.explain.methods.positions`); a token lies where the
cell of the feature map lies that it is made of. Cells belong to what holds their centre.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stressnet.axes import Axes, BoolArray, FloatArray
from stressnet.errors import ConfigError
from stressnet.explain.boundaries import changed_at
from stressnet.explain.engine.calls import Call, tensors_in
from stressnet.explain.methods.positions import PositionMode, cells_of, mark_input

CONTEXT = "context"  # Label of what lies in no part of the word
Parts = Mapping[str, tuple[float, float]]  # Start and end of each part of a word in seconds

_ACTIVATIONS = (nn.ReLU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Tanh)


@dataclass(frozen=True, eq=False)
class Sender:
    """What adds to a residual stream: the tensor at a place, or what a dense layer makes of it.

    ``weight``, of shape (width, cells), holds the layer's columns for the chosen ``cells``;
    ``turned`` says that the reader of the stream has places and values exchanged.
    """

    place: str
    label: str
    cells: Tensor | None = None
    weight: Tensor | None = None
    turned: bool = False

    def added(self, changes: Mapping[str, Tensor]) -> Tensor:
        """How the stream changes if tensors change, by place."""
        change = changes[self.place]
        if self.cells is not None and self.weight is not None:
            change = nn.functional.linear(change[..., self.cells.to(change.device)], self.weight)
        return change.mT if self.turned else change


@dataclass(frozen=True, eq=False)
class Unit:
    """Cells of an inner tensor that are patched together, or what one sender adds to it."""

    kind: str  # `layer`, `channel`, `time`, `band`, `head`, `position` or `edge`
    layer: str  # Place of the tensor, as in `stressnet.explain.boundaries`
    label: str  # Names the unit among those of its kind and layer
    dim: int = 0  # Dimension of the tensor along which cells are chosen; 0 takes all of them
    # Chosen cells along that dimension, the same for all pairs or of each; shape (size,) or
    # (n_pairs, size)
    cells: BoolArray | None = None
    sender: Sender | None = None  # Of an edge: only what this one adds comes from the other image

    @property
    def reads(self) -> str:
        """Place of the tensor that is exchanged."""
        return self.layer if self.sender is None else self.sender.place


Units = list[Unit]


@dataclass(frozen=True)
class Layer:
    """An inner tensor: its role, shape without the batch, and where its cells lie.

    ``channels`` and ``positions`` are dimensions (the batch is 0); positions are in frames and bins
    of the image, each of shape (cells along that dimension,), empty where they are not known.
    """

    role: str
    shape: tuple[int, ...]
    channels: int
    time: tuple[int, FloatArray] | None = None
    frequency: tuple[int, FloatArray] | None = None


def roles_of(network: nn.Module) -> dict[str, str]:
    """Inner tensors worth patching, and what they are, by place.

    That is ``activation`` (output of a ReLU, GELU, …), ``attention`` and ``mlp`` (what the branches
    of a transformer's block add), ``residual`` (before the first block, after each).
    """
    roles: dict[str, str] = {}
    for path, module in network.named_modules():
        attention = [name for name, child in module.named_children() if _attends(child)]
        if isinstance(module, _ACTIVATIONS):
            roles[path] = "activation"
        elif _attends(module) and path:
            roles[path] = "attention"
        elif attention and path:
            if "residual" not in roles.values():
                roles[f"{path}:input"] = "residual"
            roles[path] = "residual"
            linear = [
                name
                for name, child in module.named_modules(prefix=path)
                if isinstance(child, nn.Linear)
                and not any(name.startswith(f"{path}.{a}.") for a in attention)
            ]
            roles.update(dict.fromkeys(linear[-1:], "mlp"))
    return roles


def _attends(module: nn.Module) -> bool:
    return "attention" in type(module).__name__.lower()


def describe_layers(
    network: nn.Module, layers: Iterable[str] | None = None, shape: tuple[int, int] | None = None
) -> dict[str, Layer]:
    """Shapes and positions of inner tensors, in the order in which they are computed."""
    roles = roles_of(network)
    wanted = list(roles if layers is None else layers)
    caught: dict[str, Tensor] = {}
    tokens: list[Tensor] = []

    def catch(place: str, tensor: Tensor) -> Tensor:
        caught[place] = tensor
        if tensor.dim() == 3:
            tokens.append(tensor)
        return tensor

    size = shape or (int(network.n_bins), int(network.n_frames))  # type: ignore[arg-type]
    images = torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(0))
    images = images.to(next(network.parameters())).requires_grad_(True)
    mark_input(images)
    first = [place for place in roles if place.endswith(":input")]  # holds the tokens
    changes = {place: partial(catch, place) for place in dict.fromkeys([*wanted, *first])}
    with torch.enable_grad(), changed_at(network, changes), _Grids() as grids:
        network(images)
    spread = _positions_of_tokens(images, tokens[0], grids) if tokens else None
    return {
        place: _describe(tensor, roles.get(place, "other"), spread)
        for place, tensor in caught.items()
        if place in wanted
    }


class _Grids(PositionMode):
    """Remembers the last feature map of each number of cells: tokens may be made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.by_size: dict[int, tuple[FloatArray, FloatArray]] = {}

    def follow(self, call: Call) -> Any:
        result = super().follow(call)
        for tensor in tensors_in(result):
            if (places := _places(tensor)) is not None:
                self.by_size[len(places[0]) * len(places[1])] = places
        return result


def _places(tensor: Tensor) -> tuple[FloatArray, FloatArray] | None:
    """Bins and frames of a feature map's rows and columns."""
    cells = cells_of(tensor)
    if cells is None or tensor.dim() != 4:
        return None
    rows, columns = (c.centres(n).numpy() for c, n in zip(cells, tensor.shape[2:], strict=True))
    return rows, columns


def _describe(
    tensor: Tensor, role: str, tokens: tuple[FloatArray | None, FloatArray] | None
) -> Layer:
    shape, places = tuple(tensor.shape[1:]), _places(tensor)
    if places is not None:
        return Layer(role, shape, 1, (3, places[1]), (2, places[0]))
    if tensor.dim() == 3 and tokens is not None and len(tokens[1]) == shape[0]:
        bins = tokens[0]
        return Layer(role, shape, 2, (1, tokens[1]), None if bins is None else (1, bins))
    return Layer(role, shape, 1 if tensor.dim() != 3 else 2)


def _positions_of_tokens(
    images: Tensor, tokens: Tensor, grids: _Grids
) -> tuple[FloatArray | None, FloatArray] | None:
    """Bin and frame of each token; no bins where a token is a whole column.

    They are those of the feature map with as many cells, row by row or column by column: in the
    order in which every token depends on the image around its place. None if there is no such map.
    """
    places = grids.by_size.get(tokens.shape[1])
    if places is None:
        return None
    seen = []
    for token in tokens[0].square().sum(dim=1).unbind():
        (slope,) = torch.autograd.grad(token, images, retain_graph=True)
        used = slope[0, 0] != 0
        if not bool(used.any()):
            return None
        seen.append([used.any(dim=dim).nonzero().flatten()[[0, -1]].tolist() for dim in (1, 0)])
    limits = np.array(seen)  # (token, axis, first and last)
    for order in ("ij", "xy"):
        bins, frames = (grid.ravel() for grid in np.meshgrid(*places, indexing=order))
        centres = np.clip(np.stack([bins, frames], axis=1), 0, np.array(images.shape[2:]) - 1)
        if ((limits[..., 0] <= centres) & (centres <= limits[..., 1])).all():
            return (bins if len(places[0]) > 1 else None), frames
    return None


def layer_units(network: nn.Module) -> Units:
    """Whole layers, those of :func:`roles_of`."""
    return [Unit("layer", place, place) for place in describe_layers(network)]


def channel_units(network: nn.Module, layers: Iterable[str] | None = None) -> Units:
    """Channels of feature maps, values of tokens' vectors, neurons; labels are their numbers."""
    return [
        Unit("channel", place, str(number), layer.channels, np.arange(n) == number)
        for place, layer in describe_layers(network, layers).items()
        for n in (layer.shape[layer.channels - 1],)
        for number in range(n)
    ]


def time_units(
    network: nn.Module,
    axes: Axes,
    parts: Parts | Sequence[Parts],
    layers: Iterable[str] | None = None,
) -> Units:
    """Parts of the word in each layer, and ``context``: whatever lies in none of them.

    ``parts`` are given for all pairs or for each; a part that a pair lacks has no cells there. By
    default ``layers`` are those of :func:`roles_of` that have a time.
    """
    each = [parts] if isinstance(parts, Mapping) else list(parts)
    names = list(dict.fromkeys(name for part in each for name in part))
    units: Units = []
    for place, dim, frames in _along(network, axes, layers, "time"):
        seconds = _at(axes.time_s, frames)
        inside = {
            name: np.stack([_between(seconds, part.get(name)) for part in each]) for name in names
        }
        if CONTEXT not in inside:
            inside[CONTEXT] = ~np.any(list(inside.values()), axis=0)
        units += [
            Unit("time", place, name, dim, cells[0] if isinstance(parts, Mapping) else cells)
            for name, cells in inside.items()
        ]
    return units


def band_units(
    network: nn.Module,
    axes: Axes,
    bands: Sequence[tuple[float, float]],
    layers: Iterable[str] | None = None,
) -> Units:
    """Bands of frequency ``(low_hz, high_hz)`` in each layer that has a frequency."""
    return [
        Unit("band", place, f"{low:g}-{high:g} Hz", dim, _between(hertz, (low, high)))
        for place, dim, bins in _along(network, axes, layers, "frequency")
        for hertz in (_at(axes.frequency_hz, bins),)
        for low, high in bands
    ]


def position_units(
    network: nn.Module, axes: Axes | None = None, layers: Iterable[str] | None = None
) -> Units:
    """Tokens of a transformer in each layer; labels are their numbers."""
    shape = None if axes is None else axes.shape
    return [
        Unit("position", place, str(number), 1, np.arange(layer.shape[0]) == number)
        for place, layer in describe_layers(network, layers, shape).items()
        if len(layer.shape) == 2
        for number in range(layer.shape[0])
    ]


def head_units(network: nn.Module) -> Units:
    """Heads of every attention: slices of what its last dense layer reads."""
    heads: dict[str, int] = {}
    for path, module in network.named_modules():
        n = next((getattr(module, k) for k in ("heads", "num_heads") if hasattr(module, k)), None)
        dense = [name for name, child in module.named_children() if isinstance(child, nn.Linear)]
        if _attends(module) and isinstance(n, int) and dense:
            heads[f"{path}.{dense[-1]}:input"] = n
    if not heads:
        raise ConfigError("the network has no attention with heads that could be patched")
    return [
        Unit("head", place, str(head), 2, np.arange(width) // (width // heads[place]) == head)
        for place, layer in describe_layers(network, heads).items()
        for width in (layer.shape[1],)
        for head in range(heads[place])
    ]


def _along(
    network: nn.Module, axes: Axes, layers: Iterable[str] | None, axis: str
) -> list[tuple[str, int, FloatArray]]:
    """Place, dimension and positions of layers along one axis of the image."""
    chosen = list(roles_of(network) if layers is None else layers)
    described = describe_layers(network, chosen, axes.shape)
    lacking = [place for place, layer in described.items() if getattr(layer, axis) is None]
    if lacking and layers is not None:
        raise ConfigError(f"{', '.join(lacking)}: no {axis} is known of its cells; leave it out")
    return [(p, *getattr(d, axis)) for p, d in described.items() if p not in lacking]


def _at(values: FloatArray, places: FloatArray) -> FloatArray:
    """Values of an axis at fractions of its cells, continued beyond both ends."""
    n = len(values)
    inside = np.interp(places, np.arange(n), values)
    before = np.minimum(places, 0) * (values[1] - values[0])
    after = np.maximum(places - (n - 1), 0) * (values[-1] - values[-2])
    return inside + before + after


def _between(values: FloatArray, limits: Any) -> BoolArray:
    if limits is None:
        return np.zeros(len(values), dtype=bool)
    return (values >= limits[0]) & (values < limits[1])
