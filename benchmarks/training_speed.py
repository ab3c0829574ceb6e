"""Time of one training step per thousand images, for every network and memory layout.

Run: ``OMP_NUM_THREADS=2 uv run python benchmarks/training_speed.py [NETWORK ...]``
"""

from __future__ import annotations

import sys
import time

import torch
from torch.nn import functional

from stressnet.models.registry import MODELS, build_model, describe

SHAPE = (161, 101)


def seconds_per_thousand(name: str, memory_format: torch.memory_format, batch: int = 32) -> float:
    """Best of four: forward, backward and AdamW on random images."""
    torch.manual_seed(0)
    model = build_model(name, *SHAPE)
    model.to(memory_format=memory_format)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters())
    images = torch.randn(batch, 1, *SHAPE).contiguous(memory_format=memory_format)
    labels = torch.randint(0, 2, (batch,))
    times = []
    for _ in range(4):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return min(times) / batch * 1000


if __name__ == "__main__":
    print(f"threads: {torch.get_num_threads()}")
    print("network      parameters   MACs/image   contiguous   channels_last   (s / 1000 images)")
    for model_name in sys.argv[1:] or MODELS:
        found = describe(model_name, *SHAPE)
        plain, last = (
            seconds_per_thousand(model_name, layout)
            for layout in (torch.contiguous_format, torch.channels_last)
        )
        print(
            f"{model_name:12s} {found.n_parameters:10,d} {found.n_macs / 1e6:9.1f} M "
            f"{plain:12.2f} {last:15.2f}",
            flush=True,
        )
