"""A small transformer on patches of the spectrogram.

Vaswani et al. (2017) on patches as Dosovitskiy et al. (2021) cut them and as Gong, Chung & Glass
(2021, *AST*) use them for sound; layers are normalised before each branch (Xiong et al. 2020).
Everything is built from plain operations, so that attention-aware layer-wise relevance propagation
(composites ``attn-lrp`` and ``cp-lrp``) follows it step by step.

Patches do not overlap. The image is filled up with zeros to whole patches, so nothing is cut off;
patches without any sounding frame (padding is flat along frequency) are hidden from attention and
from the mean, so that an image with less padding gives the same logits.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from stressnet.errors import ConfigError
from stressnet.models.network import Network

PATCH_BINS, PATCH_FRAMES = 16, 4
"""Size of a patch: 640 Hz x 40 ms in preset ``stressnet``."""

WIDTH, DEPTH, HEADS = 64, 4, 4
DROPOUT = 0.1


class Patches(nn.Module):
    """Patches as vectors that know where they are.

    Parameters
    ----------
    n_bins, n_frames : int
        Largest shape of the images.
    width : int
        Length of the vectors.
    """

    def __init__(self, n_bins: int, n_frames: int, width: int) -> None:
        super().__init__()
        size = (PATCH_BINS, PATCH_FRAMES)
        self.embed = nn.Conv2d(1, width, kernel_size=size, stride=size)
        rows, columns = -(-n_bins // PATCH_BINS), -(-n_frames // PATCH_FRAMES)
        self.frequency = nn.Parameter(torch.empty(width, rows, 1))
        self.time = nn.Parameter(torch.empty(width, 1, columns))
        for place in (self.frequency, self.time):
            nn.init.trunc_normal_(place, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors ``(batch, width, rows, columns)`` of images."""
        x = functional.pad(x, (0, -x.shape[3] % PATCH_FRAMES, 0, -x.shape[2] % PATCH_BINS))
        vectors = self.embed(x)
        return vectors + (self.frequency + self.time[:, :, : vectors.shape[3]])

    @staticmethod
    def sounding(x: Tensor) -> Tensor:
        """True for patches with a sounding frame, ``(batch, rows * columns)``; all, if none has.

        A frame is padding if it has the same value in every bin.
        """
        rows = -(-x.shape[2] // PATCH_BINS)
        frames = x.amax(dim=2) != x.amin(dim=2)
        frames = functional.pad(frames, (0, -x.shape[3] % PATCH_FRAMES))
        columns = frames.reshape(len(x), -1, PATCH_FRAMES).any(dim=2)
        columns = columns | ~columns.any(dim=1, keepdim=True)
        return columns[:, None].expand(-1, rows, -1).flatten(1)


class Attention(nn.Module):
    """Self-attention with several heads.

    Parameters
    ----------
    width, heads : int
        Length of the vectors, number of heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """Attend to the positions that are True in ``kept``, ``(batch, positions)``."""
        batch, n, width = x.shape
        parts = self.into(x).reshape(batch, n, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=kept[:, None, None, :]
        )
        return self.out(mixed.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Attention and a two-layer network, each on the normalised sum of all before it."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.drop1 = nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.gelu = nn.GELU()
        self.down = nn.Linear(2 * width, width)
        self.drop2 = nn.Dropout(dropout)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """New vectors ``(batch, positions, width)``."""
        x = x + self.drop1(self.attention(self.norm1(x), kept))
        return x + self.drop2(self.down(self.gelu(self.up(self.norm2(x)))))


class SpectrogramTransformer(Network):
    """The whole network; its layers are named but not run in one line.

    Parameters
    ----------
    n_bins, n_frames : int
        Largest shape of the images.
    n_classes : int
        Number of logits.
    dropout : float
        In both branches of every block.
    """

    def __init__(
        self, n_bins: int, n_frames: int, n_classes: int, *, dropout: float = DROPOUT
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["patches"] = Patches(n_bins, n_frames, WIDTH)
        for number in range(1, DEPTH + 1):
            layers[f"block{number}"] = TransformerBlock(WIDTH, HEADS, dropout)
        layers["norm"] = nn.LayerNorm(WIDTH)
        layers["fc"] = nn.Linear(WIDTH, n_classes)
        super().__init__(layers)
        self.built_for("transformer", n_bins, n_frames, "shorter")

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images; see :meth:`Network.forward`."""
        self._check(tuple(x.shape))
        kept = Patches.sounding(x)
        vectors = self.get_submodule("patches")(x).flatten(2).transpose(1, 2)
        for number in range(1, DEPTH + 1):
            vectors = self.get_submodule(f"block{number}")(vectors, kept)
        vectors = self.get_submodule("norm")(vectors)
        weight = kept[:, :, None].to(vectors.dtype)
        return self.get_submodule("fc")((vectors * weight).sum(dim=1) / weight.sum(dim=1))


def transformer(n_bins: int, n_frames: int, n_classes: int) -> SpectrogramTransformer:
    """The transformer for images of one shape, or shorter ones.

    Raises
    ------
    ConfigError
        If the image is smaller than 32 x 32.
    """
    if min(n_bins, n_frames) < 32:
        raise ConfigError(
            f"transformer needs images of at least 32 x 32, not {n_bins} x {n_frames}"
        )
    return SpectrogramTransformer(n_bins, n_frames, n_classes)
