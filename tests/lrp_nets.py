"""Small networks whose relevance is checked against other implementations and by hand."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn

VGG_BLOCKS = {
    11: ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    16: ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
}


class LeNet(nn.Module):
    """Convolutions written as modules, everything else as functions, as in the paper's code."""

    def __init__(self, width: int = 20, hidden: int = 1000, shape: tuple[int, int] = (161, 101)):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 5)
        self.conv2 = nn.Conv2d(width, width, 5)
        bins, frames = (((size - 4) // 2 - 4) // 2 for size in shape)
        self.fc1 = nn.Linear(width * bins * frames, hidden)
        self.fc2 = nn.Linear(hidden, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(nn.functional.max_pool2d(self.conv1(x), 2))
        x = nn.functional.relu(nn.functional.max_pool2d(self.conv2(x), 2))
        x = x.view(len(x), -1)
        return self.fc2(nn.functional.relu(self.fc1(x)))


class ModuleLeNet(nn.Module):
    """The same network in modules only, as hook-based libraries need it; shares the weights."""

    def __init__(self, net: LeNet):
        super().__init__()
        self.features = nn.Sequential(
            net.conv1, nn.MaxPool2d(2), nn.ReLU(), net.conv2, nn.MaxPool2d(2), nn.ReLU()
        )
        self.classifier = nn.Sequential(net.fc1, nn.ReLU(), net.fc2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return self.classifier(x.view(len(x), -1))


class VGG(nn.Module):
    """VGG with batch normalisation; ``narrow`` divides the channels."""

    def __init__(
        self,
        depth: int = 16,
        shape: tuple[int, int] = (161, 101),
        narrow: int = 1,
        hidden: int = 512,
        inplace: bool = True,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for block in VGG_BLOCKS[depth]:
            for width in block:
                layers += [
                    nn.Conv2d(channels, width // narrow, 3, padding=1),
                    nn.BatchNorm2d(width // narrow),
                    nn.ReLU(inplace=inplace),
                ]
                channels = width // narrow
            layers.append(nn.MaxPool2d(2))
        layers.append(nn.AvgPool2d(1))
        self.features = nn.Sequential(*layers)
        size = channels * (shape[0] // 32) * (shape[1] // 32)
        self.fc1 = nn.Linear(size, hidden)
        self.fc2 = nn.Linear(hidden, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return self.fc2(self.fc1(x.view(len(x), -1)))


class CompactCNN(nn.Module):
    """Convolution, normalisation, ReLU, pooling; adaptive average pooling, dropout, one head."""

    def __init__(self, width: int = 8, average: bool = False):
        super().__init__()
        pool = nn.AvgPool2d if average else nn.MaxPool2d
        blocks: list[nn.Module] = []
        for n_in, n_out in ((1, width), (width, 2 * width)):
            blocks += [
                nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
                pool(2),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(2 * width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.pool(self.blocks(x)).flatten(1)))


class Attention(nn.Module):
    """Multi-head self-attention; ``spelling`` is how it is written."""

    def __init__(self, width: int, heads: int, bias: bool, spelling: str):
        super().__init__()
        self.heads, self.spelling = heads, spelling
        self.into = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, n, _ = x.shape
        q, k, v = (
            part.reshape(batch, n, self.heads, -1).transpose(1, 2)
            for part in self.into(x).chunk(3, dim=-1)
        )
        if self.spelling == "matmul":
            scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
            y = scores.softmax(dim=-1) @ v
        elif self.spelling == "masked":
            scores = torch.matmul(q * q.shape[-1] ** -0.5, k.mT)
            seen = torch.ones(n, n, dtype=torch.bool).tril()
            y = torch.softmax(scores.masked_fill(~seen, -torch.inf), dim=-1).matmul(v)
        else:
            causal = self.spelling == "causal"
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """Pre-norm transformer over patches of a spectrogram.

    With ``bias=False`` there is no bias and no position embedding anywhere.
    """

    def __init__(
        self,
        width: int = 8,
        depth: int = 2,
        spelling: str = "matmul",
        bias: bool = True,
        activation: type[nn.Module] = nn.GELU,
        shape: tuple[int, int] = (16, 12),
        patch: int = 4,
    ):
        super().__init__()
        self.embed = nn.Conv2d(1, width, patch, stride=patch, bias=bias)
        n = (shape[0] // patch) * (shape[1] // patch)
        generator = torch.Generator().manual_seed(0)
        place = 0.3 * torch.randn(1, n, width, generator=generator)
        self.place = nn.Parameter(place) if bias else None
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(width, bias=bias),
                    "attention": Attention(width, 2, bias, spelling),
                    "norm2": nn.LayerNorm(width, bias=bias),
                    "up": nn.Linear(width, 2 * width, bias=bias),
                    "activation": activation(),
                    "down": nn.Linear(2 * width, width, bias=bias),
                }
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, bias=bias)
        self.head = nn.Linear(width, 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        if self.place is not None:
            x = x + self.place
        for block in self.blocks:
            x = x + block["attention"](block["norm1"](x))
            x = x + block["down"](block["activation"](block["up"](block["norm2"](x))))
        return self.head(self.norm(x).mean(dim=1))


def two_two_one() -> nn.Sequential:
    """The network whose relevance is known as exact fractions; its input is ``(2, 1)``."""
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double().eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 1.0]]))
        net[0].bias.copy_(torch.tensor([0.0, -1.0]))
        net[2].weight.copy_(torch.tensor([[1.0, -0.5]]))
        net[2].bias.fill_(0.5)
    return net


def randomise(net: nn.Module, seed: int = 0) -> nn.Module:
    """Evaluation mode, float64, random biases and normalisation statistics."""
    generator = torch.Generator().manual_seed(seed)
    net = net.double().eval()

    def draw(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=generator, dtype=like.dtype) * (high - low) + low

    with torch.no_grad():
        for module in net.modules():
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.copy_(draw(module.running_mean, -0.3, 0.3))
                module.running_var.copy_(draw(module.running_var, 0.5, 1.5))
                module.weight.copy_(draw(module.weight, 0.6, 1.4))
                module.bias.copy_(draw(module.bias, -0.3, 0.3))
            elif isinstance(module, (nn.Conv2d, nn.Linear)):
                bound = (6 / module.weight[0].numel()) ** 0.5
                module.weight.copy_(draw(module.weight, -bound, bound))
                if module.bias is not None:
                    module.bias.copy_(draw(module.bias, -0.1, 0.1))
    return net


def signed_input(batch: int, shape: tuple[int, int], seed: int = 1) -> Tensor:
    """A z-scored spectrogram's stand-in, shape (batch, 1, *shape), float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, *shape, generator=generator, dtype=torch.float64)


def folded(net: nn.Module, pairs: list[tuple[str, str]]) -> nn.Module:
    """A copy with the named (convolution, normalisation) pairs folded by hand."""
    net = copy.deepcopy(net)
    modules = dict(net.named_modules())
    for conv_path, norm_path in pairs:
        conv, norm = modules[conv_path], modules[norm_path]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        with torch.no_grad():
            shift = norm.bias - norm.running_mean * scale
            bias = shift if conv.bias is None else conv.bias * scale + shift
            conv.weight.mul_(scale.reshape(-1, 1, 1, 1))
            conv.bias = nn.Parameter(bias.clone())
        parent = modules[norm_path.rpartition(".")[0]]
        setattr(parent, norm_path.rpartition(".")[2], nn.Identity())
    return net


def sequential_pairs(net: nn.Module) -> list[tuple[str, str]]:
    """(convolution, normalisation) pairs that follow each other in definition order."""
    leaves = [(path, m) for path, m in net.named_modules() if not list(m.children())]
    return [
        (before, path)
        for (before, conv), (path, norm) in pairwise(leaves)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]
