"""Draws docs/images/augmentations.png: what each switch of training does to one word.

Run: ``uv run python benchmarks/draw_augmentations.py CORPUS TOKEN_ID [file]``
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.store import Corpus
from stressnet.training.augment import Draws, augment

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PRESET = "stressnet"
CHANGES: tuple[tuple[str, Draws], ...] = (
    ("as stored", {}),
    ("speed_range: 20 % faster", {"speed": np.array([1.2])}),
    ("speed_range: 20 % slower", {"speed": np.array([0.8])}),
    ("pitch_semitones: 3 up", {"pitch": np.array([2 ** (3 / 12)])}),
    ("vocal_tract_range: 15 % shorter", {"vocal_tract": np.array([1.15])}),
    (
        "noise_snr_db: 5 dB, white",
        {"snr_db": np.array([5.0]), "noise_slope": np.array([0.0]), "noise_seed": np.array([1])},
    ),
    (
        "noise_snr_db: 5 dB, pink",
        {"snr_db": np.array([5.0]), "noise_slope": np.array([1.0]), "noise_seed": np.array([1])},
    ),
    ("room_rt60_s: 0.6 s at 0 dB", {"rt60_s": np.array([0.6]), "drr_db": np.array([0.0])}),
    ("time_shift_frames: 8 later", {"shift_frames": np.array([8])}),
    (
        "mask_frames, mask_bins: 8 and 24",
        {
            "mask_frame": np.array([22]),
            "mask_n_frames": np.array([8]),
            "mask_bin": np.array([60]),
            "mask_n_bins": np.array([24]),
        },
    ),
)


def main() -> None:
    corpus, token_id = Corpus.open(sys.argv[1]), sys.argv[2]
    file = Path(sys.argv[3] if len(sys.argv) > 3 else "docs/images/augmentations.png")
    images = corpus.images(PRESET)
    preset = SpectrogramPreset.from_dict(images.preset)
    row = corpus.tokens["token_id"].tolist().index(token_id)
    word = corpus.tokens["word"].iloc[row].lower()
    image = torch.from_numpy(np.array(images.values[row]))[None, None]
    time_s, frequency_khz = images.axes.time_s, images.axes.frequency_hz / 1000
    extent = (time_s[0], time_s[-1], frequency_khz[0], frequency_khz[-1])
    figure, axes = plt.subplots(
        2, 5, figsize=(12, 5), sharex=True, sharey=True, layout="constrained"
    )
    for axis, (title, draws) in zip(axes.flat, CHANGES, strict=True):
        shown = augment(image, draws, preset)[0, 0].numpy()
        axis.imshow(
            shown, cmap="gray_r", vmin=-1.2, vmax=3, origin="lower", aspect="auto", extent=extent
        )
        axis.set_title(title, fontsize=9)
        axis.set_xlim(extent[0], 0.75)
    for axis in axes[-1]:
        axis.set_xlabel("time from the word's onset (s)")
    for axis in axes[:, 0]:
        axis.set_ylabel("frequency (kHz)")
    figure.suptitle(f"“{word}”, preset {PRESET}, padding is mid-grey", fontsize=9)
    figure.savefig(file, dpi=90)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
