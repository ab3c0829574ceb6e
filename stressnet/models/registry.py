"""All networks by name, and what each of them costs and sees.

Importing this module does not import torch, so that a command line can list the names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stressnet.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelSpec:
    """A network that can be built by name.

    Parameters
    ----------
    name : str
        What users type.
    summary : str
        One line for listings.
    recipe : str
        Name of the training recipe made for it (:data:`stressnet.training.recipes.RECIPES`).
    builder : callable
        ``(n_bins, n_frames, n_classes) -> nn.Sequential``.
    """

    name: str
    summary: str
    recipe: str
    builder: Callable[[int, int, int], nn.Sequential]


@dataclass(frozen=True)
class ModelDescription:
    """Size, cost and reach of a network for images of one shape.

    Parameters
    ----------
    name : str
    n_parameters : int
        Trainable numbers.
    n_macs : int
        Multiply-accumulate operations of convolutions and linear layers for one image.
    receptive_field_frames, receptive_field_bins : int
        Extent of the image that one unit of the last convolution (after its pooling, before any
        global averaging or linear layer) can see; borders may cut it.
    layers : tuple of (str, str)
        Name and exact definition of every layer in the order they run.
    """

    name: str
    n_parameters: int
    n_macs: int
    receptive_field_frames: int
    receptive_field_bins: int
    layers: tuple[tuple[str, str], ...]


def _lenet(n_bins: int, n_frames: int, n_classes: int) -> nn.Sequential:
    from stressnet.models import networks

    return networks.lenet(n_bins, n_frames, n_classes)


def _compact(n_bins: int, n_frames: int, n_classes: int) -> nn.Sequential:
    from stressnet.models import networks

    return networks.compact(n_bins, n_frames, n_classes)


def _vgg(depth: int, relu_between: bool = False) -> Callable[[int, int, int], nn.Sequential]:
    def build(n_bins: int, n_frames: int, n_classes: int) -> nn.Sequential:
        from stressnet.models import networks

        return networks.vgg(depth, n_bins, n_frames, n_classes, relu_between=relu_between)

    return build


MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("compact", "four convolutions, 0.1 M parameters", "compact", _compact),
        ModelSpec("lenet", "two convolutions, published layout", "allouche2025-lenet", _lenet),
        *(
            ModelSpec(
                f"vgg{depth}",
                f"{depth - 1} convolutions with BatchNorm, published layout",
                "allouche2025-vgg",
                _vgg(depth),
            )
            for depth in (11, 13, 16, 19)
        ),
        ModelSpec(
            "vgg16-relu",
            "vgg16 with a ReLU between its linear layers",
            "allouche2025-vgg",
            _vgg(16, relu_between=True),
        ),
    )
}
"""Networks by name."""

DEFAULT_MODEL = "compact"


def get_spec(name: str) -> ModelSpec:
    """The entry called ``name``.

    Raises
    ------
    ConfigError
        If there is none; the message lists those there are.
    """
    if name not in MODELS:
        raise ConfigError(f"no network {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def build_model(name: str, n_bins: int, n_frames: int, n_classes: int = 2) -> nn.Sequential:
    """A network with fresh weights (drawn from torch's global generator).

    Parameters
    ----------
    name : str
        Key of :data:`MODELS`.
    n_bins, n_frames : int
        Shape of the images it will get as ``(batch, 1, n_bins, n_frames)``.
    n_classes : int
        Number of logits.

    Raises
    ------
    ConfigError
        If the name is unknown or the image too small for the network.
    """
    return get_spec(name).builder(n_bins, n_frames, n_classes)


def describe(name: str, n_bins: int, n_frames: int, n_classes: int = 2) -> ModelDescription:
    """Parameters, operations and receptive field of a network, without allocating its weights.

    Receptive fields follow ``r += (kernel - 1) * step; step *= stride`` from layer to layer (Araujo
    et al. 2019, *Computing receptive fields of convolutional neural networks*, Distill).

    Raises
    ------
    ConfigError
        If the name is unknown or the image too small for the network.
    """
    import torch
    from torch import nn

    with torch.device("meta"):
        model = build_model(name, n_bins, n_frames, n_classes).eval()
        values = torch.empty(1, 1, n_bins, n_frames)
    n_macs = 0
    reach, step = [1, 1], [1, 1]
    for layer in model:
        values = layer(values)
        if isinstance(layer, nn.Linear):
            n_macs += layer.in_features * layer.out_features
        elif isinstance(layer, nn.Conv2d):
            n_macs += values.numel() * layer.weight[0].numel()
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            for axis in (0, 1):
                reach[axis] += (_pair(layer.kernel_size)[axis] - 1) * step[axis]
                step[axis] *= _pair(layer.stride)[axis]
    return ModelDescription(
        name=name,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        n_macs=n_macs,
        receptive_field_frames=min(reach[1], n_frames),
        receptive_field_bins=min(reach[0], n_bins),
        layers=tuple((key, str(layer)) for key, layer in model.named_children()),
    )


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value, value)
