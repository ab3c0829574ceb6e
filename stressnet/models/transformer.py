"""A small transformer on columns of 40 ms.

Three convolutions of :func:`stressnet.models.networks.compact` make a vector of each column. Four
blocks of attention (Vaswani et al. 2017; layers normalised first, Xiong et al. 2020) compare them.
``where`` says after the second which part of the word each belongs to, as in
:mod:`stressnet.models.nuclei`, and the logits read the last block through three softmaxes of that
over time. All are plain operations, which composites ``attn-lrp`` and ``cp-lrp`` follow.

The image is filled up with zeros to whole columns, so nothing is cut off. Columns without any
sounding frame (padding is flat along frequency) are silenced before every convolution and hidden
from attention, so that an image with less padding gives the same logits.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stressnet.errors import ConfigError
from stressnet.models.networks import COMPACT_WIDTHS, Network, convolution_blocks
from stressnet.models.nuclei import FRAMES_PER_COLUMN, PARTS

WIDTH, DEPTH, HEADS = 96, 4, 4
PARTS_AFTER = 2  # The block after which `where` is asked

DROPOUT, DROPOUT_READ = 0.1, 0.3


class Places(nn.Module):
    """Adds to every column what its place is: the residual stream's first value."""

    def __init__(self, width: int, n_columns: int) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.empty(n_columns, width))
        nn.init.trunc_normal_(self.time, std=0.02)

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors ``(batch, columns, width)``."""
        return vectors + self.time[: vectors.shape[1]]


class Attention(nn.Module):
    """Self-attention with several heads."""

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
    """The whole network, for images of one largest shape; its layers do not run in one line.

    Submodule ``where`` gives ``(batch, len(PARTS), columns)``, as that of
    :class:`stressnet.models.nuclei.NucleiNetwork` does.
    """

    def __init__(self, n_bins: int, n_frames: int, n_classes: int) -> None:
        layers = convolution_blocks(COMPACT_WIDTHS[:3])
        layers["pool3"] = nn.MaxPool2d((2, 1))
        layers["fold"] = nn.Conv2d(COMPACT_WIDTHS[2], WIDTH, kernel_size=(n_bins // 16, 1))
        layers["places"] = Places(WIDTH, -(-n_frames // FRAMES_PER_COLUMN))
        for number in range(1, DEPTH + 1):
            layers[f"block{number}"] = TransformerBlock(WIDTH, HEADS, DROPOUT)
        layers["where"] = nn.Conv1d(WIDTH, len(PARTS), kernel_size=1)
        layers["norm"] = nn.LayerNorm(WIDTH)
        layers["drop"] = nn.Dropout(DROPOUT_READ)
        layers["fc"] = nn.Linear(WIDTH * (len(PARTS) - 1), n_classes)
        super().__init__(layers)
        self.built_for("transformer", n_bins, n_frames, "shorter")

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images; see :meth:`Network.forward`."""
        self._check(tuple(x.shape))
        kept = sounding_columns(x)
        x = functional.pad(x, (0, -x.shape[3] % FRAMES_PER_COLUMN))
        for name, layer in self.named_children():
            if name == "places":
                break
            if isinstance(layer, nn.Conv2d):
                heard = kept.repeat_interleave(x.shape[3] // kept.shape[1], dim=1)
                x = x * heard[:, None, None].to(x.dtype)
            x = layer(x)
        vectors = self.get_submodule("places")(x[:, :, 0].transpose(1, 2))
        for number in range(1, DEPTH + 1):
            vectors = self.get_submodule(f"block{number}")(vectors, kept)
            if number == PARTS_AFTER:
                parts = self.get_submodule("where")(vectors.transpose(1, 2))
        weights = torch.softmax(parts[:, 1:].masked_fill(~kept[:, None], -torch.inf), dim=2)
        read = torch.matmul(weights, self.get_submodule("norm")(vectors))
        return self.get_submodule("fc")(self.get_submodule("drop")(read.flatten(1)))


def sounding_columns(x: Tensor) -> Tensor:
    """True for columns with a sounding frame, ``(batch, columns)``; all, if none has."""
    frames = (x.amax(dim=2) != x.amin(dim=2)).flatten(1)
    frames = functional.pad(frames, (0, -x.shape[3] % FRAMES_PER_COLUMN))
    columns = frames.reshape(x.shape[0], -1, FRAMES_PER_COLUMN).any(dim=2)
    return columns | ~columns.any(dim=1, keepdim=True)


def transformer(n_bins: int, n_frames: int, n_classes: int) -> SpectrogramTransformer:
    """The transformer for images of one shape, or shorter ones."""
    if min(n_bins, n_frames) < 32:
        raise ConfigError(
            f"transformer needs images of at least 32 x 32, not {n_bins} x {n_frames}"
        )
    return SpectrogramTransformer(n_bins, n_frames, n_classes)
