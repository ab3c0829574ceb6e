"""Draws docs/images/flat-smears-harmonics.png: what first-layer rules do to thin harmonics.

A small network is trained to tell which of two synthetic syllables carries the stronger harmonics,
so that the truth is known: the harmonics of both, a bin wide each, and nothing between them. Run

    uv run python benchmarks/flat_smears_harmonics.py [file]

It prints, for each composite, the share of positive relevance within one bin of a harmonic.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor, nn

from stressnet.explain import explain_batch

matplotlib.use("Agg")
from matplotlib import pyplot as plt

BIN_HZ, FRAME_S, F0_HZ = 50.0, 0.01, 200.0
N_BINS, N_FRAMES = 64, 48
SYLLABLES = (slice(6, 20), slice(27, 41))
HARMONICS = np.arange(1, 13) * round(F0_HZ / BIN_HZ)
COMPOSITES = ("epsilon-plus", "epsilon-gamma-box", "epsilon-plus-flat")


def tokens(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Z-scored images with two harmonic stacks, and which of them is louder."""
    louder = torch.randint(2, (n,), generator=generator)
    images = 0.15 * torch.randn(n, 1, N_BINS, N_FRAMES, generator=generator)
    for syllable, frames in enumerate(SYLLABLES):
        level = 1.0 + 0.8 * (louder == syllable) + 0.2 * torch.rand(n, generator=generator)
        for harmonic in HARMONICS:
            images[:, 0, harmonic, frames] += level[:, None]
    mean, sd = images.mean(dim=(1, 2, 3), keepdim=True), images.std(dim=(1, 2, 3), keepdim=True)
    return (images - mean) / sd, louder


def trained(generator: torch.Generator) -> nn.Module:
    """A network with 5 x 5 kernels, as LeNet has."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 12, 5, padding=2), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d((16, 6)),
        nn.Flatten(), nn.Linear(16 * 2 * 4, 2),
    )  # fmt: skip
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(60):
        images, labels = tokens(32, generator)
        loss = nn.functional.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"loss {loss.item():.3f}")
    return net.eval()


def main() -> None:
    """Train, explain, draw."""
    folder = Path(__file__).parents[1] / "docs" / "images"
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "flat-smears-harmonics.png"
    generator = torch.Generator().manual_seed(1)
    net = trained(generator)
    images, labels = tokens(64, generator)
    near = np.zeros((N_BINS, N_FRAMES), dtype=bool)
    for frames in SYLLABLES:
        for harmonic in HARMONICS:
            near[harmonic - 1 : harmonic + 2, frames] = True
    stretch = float(images.min()), float(images.max())
    maps = {
        name: explain_batch(net, images, name, "logit", labels, stretch).relevance[:, 0]
        for name in COMPOSITES
    }
    shares = {}
    for name, values in maps.items():
        positive = values.clamp(min=0)
        inside = positive[:, torch.from_numpy(near)].sum(dim=1) / positive.sum(dim=(1, 2))
        shares[name] = float(inside.median())
        print(f"{name:20} {shares[name]:.2f} of positive relevance within a bin of a harmonic")
    print(f"{'area':20} {near.mean():.2f}")

    extent = (0, N_FRAMES * FRAME_S, 0, N_BINS * BIN_HZ / 1000)
    figure, axes = plt.subplots(
        1, 5, figsize=(11, 3.1), gridspec_kw={"width_ratios": [1, 1, 1, 1, 0.7]}, sharey=True,
        layout="constrained",
    )  # fmt: skip
    style = {"origin": "lower", "aspect": "auto", "extent": extent, "interpolation": "nearest"}
    axes[0].imshow(images[0, 0], cmap="gray_r", **style)
    axes[0].set_title("input", fontsize=9)
    axes[0].set_ylabel("frequency (kHz)")
    frequency_khz = (np.arange(N_BINS) + 0.5) * BIN_HZ / 1000
    frames = SYLLABLES[int(labels[0])]
    first_rule = {"epsilon-plus": "z+", "epsilon-gamma-box": "zB", "epsilon-plus-flat": "flat"}
    for axis, (name, values), color in zip(axes[1:4], maps.items(), "kbr", strict=False):
        shown = values[0].numpy()
        largest = np.quantile(np.abs(shown), 0.995)
        axis.imshow(shown, cmap="RdBu_r", vmin=-largest, vmax=largest, **style)
        axis.set_title(f"{name}\n{shares[name]:.0%} near harmonics", fontsize=9)
        profile = np.clip(shown[:, frames], 0, None).mean(axis=1)
        label = first_rule[name]
        axes[4].plot(profile / profile.max(), frequency_khz, color=color, lw=1, label=label)
    for axis in axes[:4]:
        axis.set_xlabel("time (s)")
    axes[4].set_ylim(0, 1.5)
    for axis in axes:
        axis.set_ylim(0, 1.5)
    axes[4].set_xlabel("mean relevance in\nlouder syllable\n(maximum = 1)")
    axes[4].legend(
        fontsize=7,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=3,
        handlelength=1,
        columnspacing=0.8,
    )
    figure.savefig(file, dpi=110)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
