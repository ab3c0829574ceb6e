"""All networks by name, and what each of them costs and sees.

Importing this module does not import torch, so that a command line can list the names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stressnet.errors import check_names

if TYPE_CHECKING:
    from torch import nn

    from stressnet.models.networks import Network

Builder = Callable[[int, int, int], "Network"]

PAPER = "allouche2025"


@dataclass(frozen=True)
class ModelSpec:
    """A network that can be built by name, with a line for listings."""

    name: str
    summary: str
    preset: str  # Of the images it is usually trained on
    recipe: str  # Made for it (`stressnet.training.recipes.RECIPES`)
    composite: str  # Propagation rules that suit it
    builder: Builder


@dataclass(frozen=True)
class ModelDescription:
    """Size, cost and reach of a network for images of one shape.

    ``n_macs`` are multiply-accumulate operations of convolutions, linear layers and attention for
    one image; ``layers`` are names and exact definitions in the order of their definition. The
    receptive field is the extent of the image that one unit of the last convolution (after its
    pooling, before any global averaging or linear layer) can see, at most the image; borders may
    cut it. With attention it is the whole image.
    """

    name: str
    n_parameters: int
    n_macs: int
    receptive_field_frames: int
    receptive_field_bins: int
    layers: tuple[tuple[str, str], ...]

    def receptive_field_ms(self, hop_s: float, window_s: float) -> float:
        """Stretch of sound under the receptive field, its first to its last window, in ms."""
        return ((self.receptive_field_frames - 1) * hop_s + window_s) * 1000

    def receptive_field_hz(self, bin_hz: float) -> float:
        """Width of the receptive field in hertz, each bin as wide as the distance of bins."""
        return self.receptive_field_bins * bin_hz


def _built(module: str, function: str, *arguments: Any, **more: Any) -> Builder:
    """The builder of that name in a module of this room, imported when it is first called."""

    def build(n_bins: int, n_frames: int, n_classes: int) -> Network:
        builder = getattr(import_module(f"stressnet.models.{module}"), function)
        network: Network = builder(*arguments, n_bins, n_frames, n_classes, **more)
        return network

    return build


def _specs() -> Iterator[ModelSpec]:
    gamma, slow = "epsilon-gamma", "allouche2025-vgg"
    build = _built("networks", "compact")
    text = "four convolutions, 0.1 M parameters"
    yield ModelSpec("compact", text, "stressnet", "compact", gamma, build)
    build = _built("nuclei", "NucleiNetwork")
    text = "finds the two nuclei and compares them, 0.1 M parameters"
    yield ModelSpec("nuclei", text, "stressnet", "nuclei", "epsilon-gamma-cp", build)
    build = _built("networks", "compact", name="broad", widths=(32, 64, 128, 192), dropout=0.4)
    yield ModelSpec("broad", "compact with more channels", "stressnet", "compact", gamma, build)
    build = _built("networks", "lenet")
    text = "two convolutions, published layout"
    yield ModelSpec("lenet", text, PAPER, "allouche2025-lenet", gamma, build)
    build = _built("networks", "alexnet")
    yield ModelSpec("alexnet", "five convolutions, published layout", PAPER, slow, gamma, build)
    for depth in (11, 13, 16, 19):
        text = f"{depth - 3} convolutions with BatchNorm, published layout"
        yield ModelSpec(f"vgg{depth}", text, PAPER, slow, gamma, _built("networks", "vgg", depth))
    build = _built("networks", "vgg", 16, relu_between=True)
    text = "vgg16 with a ReLU between its linear layers"
    yield ModelSpec("vgg16-relu", text, PAPER, slow, gamma, build)
    for depth in (18, 34):
        build = _built("residual", "resnet", depth)
        text = f"{depth - 1} convolutions with shortcuts, published layout, fresh weights"
        yield ModelSpec(f"resnet{depth}", text, PAPER, slow, gamma, build)
    build = _built("transformer", "transformer")
    text = "three convolutions and four blocks of attention, 0.4 M parameters"
    yield ModelSpec("transformer", text, "stressnet", "transformer", "attn-lrp", build)


MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _specs()}  # Networks by name


def get_spec(name: str) -> ModelSpec:
    """The entry called ``name``; a :class:`ConfigError` lists those there are."""
    check_names("network", [name], MODELS)
    return MODELS[name]


def build_model(name: str, n_bins: int, n_frames: int, n_classes: int = 2) -> Network:
    """A network of :data:`MODELS` with fresh weights, drawn from torch's global generator.

    It takes images of shape ``(batch, 1, n_bins, n_frames)``.
    """
    return get_spec(name).builder(n_bins, n_frames, n_classes)


def describe(name: str, n_bins: int, n_frames: int, n_classes: int = 2) -> ModelDescription:
    """Parameters, operations and receptive field of a network, without allocating its weights.

    Operations are counted by :class:`torch.utils.flop_counter.FlopCounterMode`. Receptive fields
    follow ``r += (kernel - 1) * step; step *= stride`` from layer to layer (Araujo et al. 2019,
    *Computing receptive fields of convolutional neural networks*, Distill), along the longest path
    where there are branches.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = build_model(name, n_bins, n_frames, n_classes).eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            model(torch.empty(1, 1, n_bins, n_frames))
    reach_bins, reach_frames = _receptive_field(model)
    return ModelDescription(
        name=name,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        n_macs=counter.get_total_flops() // 2,
        receptive_field_frames=min(reach_frames, n_frames),
        receptive_field_bins=min(reach_bins, n_bins),
        layers=tuple(
            (path, str(layer))
            for path, layer in model.named_modules()
            if not any(True for _ in layer.children()) and str(layer) != "Sequential()"
        ),
    )


def _receptive_field(model: nn.Module) -> tuple[int, int]:
    """Bins and frames that one unit before the first averaging or linear layer sees."""
    from torch import nn

    from stressnet.models.residual import ResidualBlock
    from stressnet.models.transformer import TransformerBlock

    reach, step = [1, 1], [1, 1]
    for child in model.children():
        if isinstance(child, TransformerBlock):
            return sys.maxsize, sys.maxsize
        for layer in child.longest_path() if isinstance(child, ResidualBlock) else (child,):
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                for axis in (0, 1):
                    reach[axis] += (_pair(layer.kernel_size)[axis] - 1) * step[axis]
                    step[axis] *= _pair(layer.stride)[axis]
    return reach[0], reach[1]


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)
