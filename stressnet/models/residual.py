"""ResNet-18 and ResNet-34 on one channel.

Layer by layer those of He et al. (2016), *Deep residual learning for image recognition*, CVPR, as
torchvision has them; the published code of Allouche et al. (2025) swaps the first convolution for
one of a single channel. It starts from ImageNet weights, which are not shipped here: weights are
fresh (He et al. 2015, by fan-out), which the same number of epochs may not make up for.
"""

from collections import OrderedDict

from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.models.networks import Network, require_size

BLOCKS: dict[int, tuple[int, int, int, int]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Blocks per stage; stages have 64, 128, 256 and 512 channels."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the first with a stride, beside a shortcut; their sum is rectified.

    The shortcut is a 1x1 convolution with BatchNorm where stride or channels change, else the
    identity.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False),
                    norm=nn.BatchNorm2d(channels),
                )
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """``relu(branch(x) + shortcut(x))``."""
        branch = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.relu2(branch + self.shortcut(x))

    def longest_path(self) -> tuple[nn.Module, ...]:
        """Layers that decide the receptive field."""
        return self.conv1, self.conv2


def resnet(depth: int, n_bins: int, n_frames: int, n_classes: int) -> Network:
    """A residual network with a global average, which takes images of any length."""
    if depth not in BLOCKS:
        raise ConfigError(f"no ResNet of depth {depth}; there are {sorted(BLOCKS)}")
    require_size("resnet", 32, n_bins, n_frames)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1"] = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    layers["norm1"] = nn.BatchNorm2d(64)
    layers["relu1"] = nn.ReLU()
    layers["pool1"] = nn.MaxPool2d(3, stride=2, padding=1)
    before = 64
    for stage, n_blocks in enumerate(BLOCKS[depth], start=1):
        channels = 64 * 2 ** (stage - 1)
        for number in range(1, n_blocks + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            layers[f"block{stage}_{number}"] = ResidualBlock(before, channels, stride)
            before = channels
    layers["average"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(512, n_classes)
    model = Network(layers).built_for(f"resnet{depth}", n_bins, n_frames, "any")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
