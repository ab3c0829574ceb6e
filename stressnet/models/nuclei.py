"""A network that finds the two nuclei of a word and compares what it hears in them.

What tells stress is mostly in the vowels, and in how the two differ. A network that averages over
fixed parts of the image has to learn anew for every place where a vowel may be. This one says of
every 40 ms whether they belong to the first nucleus, the second, the consonants of the word, or
lie outside, and averages what its convolutions found over each of the three parts. Where the parts
are is learned from the limits of phones while it is trained (``part_weight`` of the recipe);
after that it sees nothing but the spectrogram, like every other network.

The parts are attention weights, so relevance is propagated as through attention: composite
``epsilon-gamma-cp`` takes them for constants (Ali et al. 2022), and the share of the logits that
hangs on the parts' lengths has no place in the image and is booked as bias.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stressnet.models.networks import COMPACT_WIDTHS, Network, convolution_blocks, require_size

PARTS = ("outside", "consonants", "nucleus 1", "nucleus 2")
"""What each stretch of the image may belong to, in the order of the outputs of ``where``."""

FRAMES_PER_COLUMN = 4
BANDS_WHERE, BANDS_WHAT = 3, 2
"""Bands of frequency in which columns are looked at, to find the parts and to compare them."""

_SHORTEST = 0.5  # Columns added to a part's length, so that an absent part is nothing, not 0 / 0

DROPOUT = 0.3


class NucleiNetwork(Network):
    """The whole network, for images of one height and any length.

    Submodule ``where`` gives ``(batch, len(PARTS), columns)``: logits of the part each column of
    `FRAMES_PER_COLUMN` frames belongs to. Training listens to them there.
    """

    def __init__(self, n_bins: int, n_frames: int, n_classes: int) -> None:
        require_size("nuclei", 32, n_bins, n_frames)
        layers = convolution_blocks(COMPACT_WIDTHS, last_pool=(2, 1))
        channels = COMPACT_WIDTHS[-1]
        n_parts = len(PARTS) - 1
        layers["where"] = nn.Conv1d(channels * BANDS_WHERE, len(PARTS), kernel_size=9, padding=4)
        layers["drop"] = nn.Dropout(DROPOUT)
        layers["fc"] = nn.Linear(channels * BANDS_WHAT * n_parts + 2 * len(PARTS), n_classes)
        super().__init__(layers)
        self.built_for("nuclei", n_bins, n_frames, "any")

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images; see :meth:`Network.forward`."""
        self._check(tuple(x.shape))
        for name, layer in self.named_children():
            if name == "where":
                break
            x = layer(x)
        columns = functional.adaptive_avg_pool2d(x, (BANDS_WHERE, x.shape[3])).flatten(1, 2)
        parts = torch.softmax(self.get_submodule("where")(columns), dim=1)
        lengths = parts.sum(dim=2)
        heard = functional.adaptive_avg_pool2d(x, (BANDS_WHAT, x.shape[3])).flatten(1, 2)
        weights = parts[:, 1:] / (lengths[:, 1:, None] + _SHORTEST)
        means = torch.matmul(heard, weights.transpose(1, 2))
        means = self.get_submodule("drop")(means.transpose(1, 2).flatten(1))
        spans = (lengths / 5.0, torch.log(lengths + _SHORTEST))
        return self.get_submodule("fc")(torch.cat([means, *spans], dim=1))
