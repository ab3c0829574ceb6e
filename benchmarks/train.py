"""Images per second while training: stressnet's loop, tensors in memory, a loader per item.

Three ways to feed one network (LeNet, batches of 100, Adam, no augmentation, preset allouche2025),
in turns within one run, so that other load on the machine meets all of them:

memory
    forward, backward and step on batches that lie in memory as tensors: the ceiling.
stressnet
    the epochs of :func:`stressnet.training.fit.train` on a corpus: the memory-mapped store,
    shuffled, read ahead.
librosa
    the usual dataset: ``librosa.load`` and ``librosa.stft`` for every item in a ``DataLoader``.

Run: ``uv run python benchmarks/train.py CORPUS [--images N] [--rounds N] [--workers N]``. With
``--workers 0`` on a CPU, processor time is given as well, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.store import Corpus
from stressnet.models.registry import build_model
from stressnet.training import fit
from stressnet.training.corpus_data import stress_data
from stressnet.training.distributed import World
from stressnet.training.recipes import get_recipe
from stressnet.training.state import RunState

PRESET = "allouche2025"
RECIPE = get_recipe("allouche2025-lenet")


class PerItem(Dataset):
    """Every item from its file, as loaders of this field do it."""

    def __init__(self, corpus: Corpus, rows: np.ndarray, labels: np.ndarray) -> None:
        tokens = corpus.tokens.iloc[rows]
        self.files = [str(corpus.path / name) for name in tokens["excerpt_file"]]
        self.starts_s = (tokens["start_s"] - tokens["excerpt_start_s"]).to_numpy()
        self.durations_s = tokens["duration_s"].to_numpy()
        self.labels = labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        import librosa

        samples, _ = librosa.load(
            self.files[index],
            sr=None,
            offset=self.starts_s[index],
            duration=self.durations_s[index],
        )
        magnitude = np.abs(
            librosa.stft(samples, n_fft=320, hop_length=160, win_length=320, window="hamming")
        )
        image = np.zeros((161, 101), dtype=np.float32)
        n = min(101, magnitude.shape[1])
        image[:, :n] = np.log1p(magnitude[:, :n])
        image = (image - image.mean()) / image.std()
        return torch.from_numpy(image)[None], int(self.labels[index])


class Steps:
    """A LeNet and its optimizer."""

    def __init__(self, device: str) -> None:
        torch.manual_seed(0)
        self.device = device
        self.model = build_model("lenet", 161, 101).to(device).train()
        self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One step of training."""
        images = images.contiguous(memory_format=torch.channels_last)
        self.optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


@dataclass(frozen=True)
class Rate:
    """Images per second of the clock, and per second of this process's processor time."""

    clock: float
    processor: float


@contextmanager
def timed(n_images: int, rates: list[Rate]) -> Iterator[None]:
    """Measure what runs within."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    rates.append(
        Rate(n_images / (time.perf_counter() - clock), n_images / (time.process_time() - processor))
    )


def epoch(steps: Steps, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """One pass over some batches."""
    losses = [
        steps.step(images.to(steps.device), labels.to(steps.device)) for images, labels in batches
    ]
    torch.stack(losses).mean().item()  # waits for the device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    corpus = Corpus.open(options.corpus)
    data = stress_data(corpus, PRESET)
    rows = data.rows("train")[: options.images]
    batch = RECIPE.batch_size
    labels = torch.from_numpy(data.labels)
    groups = [rows[i : i + batch] for i in range(0, len(rows) - batch + 1, batch)]
    held = [(data.batch(g).to(options.device), labels[g].to(options.device)) for g in groups]
    loader = DataLoader(
        PerItem(corpus, rows, data.labels[rows]),
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )
    steps = Steps(options.device)
    own_steps = Steps(options.device)
    run = fit._Run(
        own_steps.model,
        data,
        rows,
        rows[:1],
        SpectrogramPreset.from_dict(corpus.images(PRESET).preset),
        RECIPE,
        World(device=options.device),
        RunState("benchmark"),
    )
    names = ("memory", "stressnet", "librosa")
    rates: dict[str, list[Rate]] = {name: [] for name in names}
    n = len(groups) * batch
    silent = tqdm(disable=True)
    for number in range(options.rounds + 1):
        with timed(n, rates["memory"]):
            epoch(steps, held)
        with timed(n, rates["stressnet"]):
            run.epoch(silent)
        with timed(n, rates["librosa"]):
            epoch(steps, loader)
        last = ", ".join(f"{name} {rates[name][-1].clock:.0f}" for name in names)
        print(f"round {number}: {last} images/s", file=sys.stderr, flush=True)
    rates = {name: values[1:] for name, values in rates.items()}  # the first warms up
    print(
        f"LeNet on {options.device}, {torch.get_num_threads()} threads, {n} images, batches of "
        f"{batch}, {options.rounds} rounds, {options.workers} loader workers"
    )
    kinds = ["clock"]
    if options.device == "cpu" and options.workers == 0:
        kinds.append("processor")
    for kind in kinds:
        values = {name: [getattr(r, kind) for r in rates[name]] for name in names}
        print(f"images per second of {kind} time, median of rounds")
        for name in names:
            print(f"  {name:<12}{statistics.median(values[name]):>8.0f}")
        for other in ("memory", "librosa"):
            ratios = [a / b for a, b in zip(values["stressnet"], values[other], strict=True)]
            shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"  stressnet / {other}: {statistics.median(ratios):.2f} (rounds: {shown})")


if __name__ == "__main__":
    main()
