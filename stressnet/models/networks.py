"""What all networks share, and the convolutional ones without branches, layer by layer.

Every network is one flat sequence of named standard modules: what runs is the list that is
printed, which makes layer-wise relevance propagation a walk along that list. No ReLU works in
place, and every BatchNorm directly follows the convolution it can be folded into. Input is
``(batch, 1, n_bins, n_frames)`` float32, output ``(batch, n_classes)`` logits in the order of
:data:`stressnet.lexicon.stress.CLASSES`.

Sources: LeNet, AlexNet and VGG follow the description of the networks of Allouche et al. (2025).
Its LeNet and VGG are those of the Google-Commands baseline by Y. Adi: LeNet (LeCun et al. 1998),
VGG configurations A, B, D, E (Simonyan & Zisserman 2015) with BatchNorm (Ioffe & Szegedy 2015).
AlexNet is the one-column form of Krizhevsky (2014), *One weird trick for parallelizing
convolutional neural networks*. ResNets are in :mod:`stressnet.models.residual`, the transformer in
:mod:`stressnet.models.transformer`.
"""

from collections import OrderedDict
from typing import Literal, Self

from torch import Tensor, nn

from stressnet.errors import ConfigError

OtherLengths = Literal["refused", "shorter", "any"]

FEWEST_FRAMES = 32  # No network takes shorter images than this


def require_size(name: str, smallest: int, n_bins: int, n_frames: int) -> None:
    """Raise :class:`ConfigError` if images have a side that is too short for a network."""
    if min(n_bins, n_frames) < smallest:
        raise ConfigError(
            f"{name} needs images of at least {smallest} x {smallest}, not {n_bins} x {n_frames}"
        )


class Network(nn.Sequential):
    """A list of named layers that checks the shape of its input.

    Poolings drop what does not fill their last window, so a network fed a longer image than it was
    built for might not fail but quietly read less of it. Hence this check.
    """

    def built_for(
        self, name: str, n_bins: int, n_frames: int, other_lengths: OtherLengths = "refused"
    ) -> Self:
        """Say what the network takes; returns the network.

        ``other_lengths``: whether images with fewer frames (``shorter``), or any number of frames
        that the layers allow (``any``), are taken too.
        """
        self.name, self.n_bins, self.n_frames = name, n_bins, n_frames
        self.other_lengths = other_lengths
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, n_classes)`` of images ``(batch, 1, n_bins, n_frames)``."""
        if hasattr(self, "n_bins"):  # slices of a network take anything
            self._check(tuple(x.shape))
        return super().forward(x)

    def _check(self, shape: tuple[int, ...]) -> None:
        fits = len(shape) == 4 and shape[1:3] == (1, self.n_bins)
        if fits and shape[3] != self.n_frames:
            fits = shape[3] >= FEWEST_FRAMES and (
                self.other_lengths == "any"
                or (self.other_lengths == "shorter" and shape[3] < self.n_frames)
            )
        if not fits:
            frames = {
                "refused": f"{self.n_frames}",
                "shorter": f"{FEWEST_FRAMES} to {self.n_frames}",
                "any": f"at least {FEWEST_FRAMES}",
            }[self.other_lengths]
            raise ConfigError(
                f"{self.name} takes images of 1 x {self.n_bins} bins x {frames} frames, not "
                f"{' x '.join(map(str, shape[1:]))}; use the preset it was built for"
            )


VGG_STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    13: ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    16: ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    19: ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4),
}
"""Channels of the convolutions of each stage; a 2x2 maximum ends every stage."""


def lenet(n_bins: int, n_frames: int, n_classes: int) -> Network:
    """Two 5x5 convolutions of 20 channels and two linear layers; 16.3 million parameters."""
    require_size("lenet", 16, n_bins, n_frames)
    height, width = ((((side - 4) // 2) - 4) // 2 for side in (n_bins, n_frames))
    return Network(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, kernel_size=5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(20, 20, kernel_size=5),
            drop2=nn.Dropout2d(0.5),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(20 * height * width, 1000),
            relu3=nn.ReLU(),
            drop3=nn.Dropout(0.5),
            fc2=nn.Linear(1000, n_classes),
        )
    ).built_for("lenet", n_bins, n_frames)


def alexnet(n_bins: int, n_frames: int, n_classes: int) -> Network:
    """Five convolutions and three linear layers; 28 million parameters."""
    require_size("alexnet", 63, n_bins, n_frames)
    height, width = (((side + 4 - 11) // 4 + 1) for side in (n_bins, n_frames))
    for _ in range(3):
        height, width = (height - 3) // 2 + 1, (width - 3) // 2 + 1
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1"] = nn.Conv2d(1, 64, kernel_size=11, stride=4, padding=2)
    layers["relu1"] = nn.ReLU()
    layers["pool1"] = nn.MaxPool2d(3, stride=2)
    layers["conv2"] = nn.Conv2d(64, 192, kernel_size=5, padding=2)
    layers["relu2"] = nn.ReLU()
    layers["pool2"] = nn.MaxPool2d(3, stride=2)
    for number, (before, after) in enumerate(((192, 384), (384, 256), (256, 256)), start=3):
        layers[f"conv{number}"] = nn.Conv2d(before, after, kernel_size=3, padding=1)
        layers[f"relu{number}"] = nn.ReLU()
    layers["pool5"] = nn.MaxPool2d(3, stride=2)
    layers["flatten"] = nn.Flatten()
    layers["fc1"] = nn.Linear(256 * height * width, 4096)
    layers["relu_fc1"] = nn.ReLU()
    layers["drop1"] = nn.Dropout(0.5)
    layers["fc2"] = nn.Linear(4096, 4096)
    layers["relu_fc2"] = nn.ReLU()
    layers["drop2"] = nn.Dropout(0.5)
    layers["fc3"] = nn.Linear(4096, n_classes)
    return Network(layers).built_for("alexnet", n_bins, n_frames)


def vgg(
    depth: int, n_bins: int, n_frames: int, n_classes: int, *, relu_between: bool = False
) -> Network:
    """A VGG with BatchNorm and two linear layers, of a depth in :data:`VGG_STAGES`.

    ``relu_between`` puts a ReLU between the two linear layers. The published code has none, so that
    its two layers are one linear map of rank at most 512; the default keeps that.
    """
    if depth not in VGG_STAGES:
        raise ConfigError(f"no VGG of depth {depth}; there are {sorted(VGG_STAGES)}")
    require_size("vgg", 32, n_bins, n_frames)
    height, width = n_bins // 32, n_frames // 32
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 1
    for stage, widths in enumerate(VGG_STAGES[depth], start=1):
        for number, width_out in enumerate(widths, start=1):
            name = f"{stage}_{number}"
            layers[f"conv{name}"] = nn.Conv2d(channels, width_out, kernel_size=3, padding=1)
            layers[f"norm{name}"] = nn.BatchNorm2d(width_out)
            layers[f"relu{name}"] = nn.ReLU()
            channels = width_out
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["fc1"] = nn.Linear(channels * height * width, 512)
    if relu_between:
        layers["relu_fc1"] = nn.ReLU()
    layers["fc2"] = nn.Linear(512, n_classes)
    return Network(layers).built_for(f"vgg{depth}", n_bins, n_frames)


COMPACT_WIDTHS = (16, 32, 64, 128)


def compact(
    n_bins: int,
    n_frames: int,
    n_classes: int,
    *,
    name: str = "compact",
    widths: tuple[int, ...] = COMPACT_WIDTHS,
    dropout: float = 0.3,
) -> Network:
    """Four convolutions with BatchNorm; 0.1 million parameters, minutes to train on two cores.

    The first convolution steps over every other bin but over no frame: full resolution in
    frequency costs most and gained nothing, while timing is what tells syllables apart. What it
    has found is averaged on a grid of 2 bands x 6 stretches of time, so that the one linear layer
    still knows *where* it was. Its kernel is six bins high because a stride of 2 reads every bin
    equally often only if the kernel's height is even; with five, relevance maps are striped
    (Odena, Dumoulin & Olah 2016, on checkerboards). ``docs/models.md`` has the trade-offs that
    were measured. The network ``broad`` is the same with more channels, 0.3 million parameters.
    """
    require_size(name, 32, n_bins, n_frames)
    layers = convolution_blocks(widths)
    layers["average"] = nn.AdaptiveAvgPool2d((2, 6))
    layers["flatten"] = nn.Flatten()
    layers["drop"] = nn.Dropout(dropout)
    layers["fc"] = nn.Linear(widths[-1] * 2 * 6, n_classes)
    return Network(layers).built_for(name, n_bins, n_frames, "any")


def convolution_blocks(
    widths: tuple[int, ...], *, last_pool: int | tuple[int, int] = 2
) -> OrderedDict[str, nn.Module]:
    """Convolutions of some widths with BatchNorm and ReLU, a maximum before each but the first."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1"] = nn.Conv2d(
        1, widths[0], kernel_size=(6, 5), stride=(2, 1), padding=2, bias=False
    )
    layers["norm1"] = nn.BatchNorm2d(widths[0])
    layers["relu1"] = nn.ReLU()
    channels = widths[0]
    for block, width in enumerate(widths[1:], start=2):
        layers[f"pool{block - 1}"] = nn.MaxPool2d(last_pool if block == len(widths) else 2)
        layers[f"conv{block}"] = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
        layers[f"norm{block}"] = nn.BatchNorm2d(width)
        layers[f"relu{block}"] = nn.ReLU()
        channels = width
    return layers
