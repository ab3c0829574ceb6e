"""Memory of explaining many tokens to disk: does it grow with their number, and does it resume?

    uv run python benchmarks/explain_stream.py OUT.csv [--tokens 1000 5000 10000]

Images are drawn once and used again and again; the network is the default one, the writing is that
of ``stressnet explain`` (batches of 32, memory-mapped, journalled). Each number of tokens gets a
process of its own. Every run is stopped halfway and started again, as a kill would.

``anonymous_mib`` is the largest anonymous resident memory (tensors, tables, Python objects) while
maps are computed, above that after the first batch; ``file_mib`` the size of what was written. The
kernel also keeps written pages as long as it has room; it drops them when others need memory, so
they do not count.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from stressnet.axes import Axes
from stressnet.corpus.images import Images
from stressnet.explain.map_file import MapRequest, compute_maps
from stressnet.lexicon.stress import Stress
from stressnet.models.registry import build_model
from stressnet.runs.journal import Journal

SHAPE = (80, 64)
N_IMAGES = 256


def anonymous_mib() -> float:
    """Anonymous resident memory of this process (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell anonymous memory")


class Watch:
    """A progress bar that notes memory, and may stop the run."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.tokens = self.updates = 0
        self.start = self.peak = 0.0
        self.stop_after = stop_after

    def update(self, n: int) -> None:
        """After each batch."""
        self.tokens += n
        self.updates += 1
        now = anonymous_mib()
        if self.updates == 1:
            self.start = now
        self.peak = max(self.peak, now)
        if self.stop_after is not None and self.tokens >= self.stop_after:
            raise KeyboardInterrupt


def run(n: int) -> tuple[float, float, float, int]:
    """Explain ``n`` tokens; memory, size of the maps, seconds, tokens left after the stop."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model("compact", *SHAPE).eval()
    images = np.random.default_rng(0).normal(size=(N_IMAGES, *SHAPE)).astype(np.float32)
    axes = Axes(0.01 * np.arange(SHAPE[1]), 50.0 * np.arange(SHAPE[0]))
    stored = Images(images, np.ones((N_IMAGES, SHAPE[1]), dtype=bool), axes, {})
    index = np.arange(n) % N_IMAGES
    with tempfile.TemporaryDirectory() as folder:
        file, journal = Path(folder) / "maps.npy", Path(folder) / "maps.jsonl"

        def go(watch: Watch) -> int:
            request = MapRequest(
                index, "epsilon-plus", "logit-difference", Stress.INITIAL.class_index
            )
            with Journal(journal) as record:
                table, _ = compute_maps(file, model, stored, request, record, watch)
            return len(table)

        first, second = Watch(stop_after=n // 2), Watch()
        start = time.perf_counter()
        try:
            go(first)
        except KeyboardInterrupt:
            done = sum(1 for _ in journal.open())
        assert go(second) == n
        seconds = time.perf_counter() - start
        left = sum(1 for _ in journal.open()) - done
        maps = np.load(file, mmap_mode="r")
        assert np.array_equal(maps[0], maps[N_IMAGES]) and bool(maps[-1].any())
        size = file.stat().st_size / 2**20
    return max(first.peak, second.peak) - first.start, size, seconds, left * 32


def main() -> None:
    """Run each number of tokens in a process of its own and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1000, 5000, 10000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*run(options.one))
        return
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["tokens", "anonymous_mib", "file_mib", "seconds", "done_after_restart"])
        for n in options.tokens:
            command = [sys.executable, __file__, str(options.out), "--one", str(n)]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            row = [float(value) for value in found.stdout.split()]
            writer.writerow([n, *(f"{value:.0f}" for value in row)])
            file.flush()
            print(n, *(f"{value:.0f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
