"""Relevance and training on an accelerator: equal maps, cost, precision, share of the card's peak.

    uv run python benchmarks/gpu.py OUT.csv --device cuda

Every row has a ``part``, a network, what was tried, a value and its unit:

peak
    Large matrix products in float32, TF32 and bfloat16, and a copy in memory: the card's ceilings.
equal
    Largest difference between a map in float32 and the CPU's in float64, relative to the largest
    relevance of the image: on the CPU and on the device. Explanations never use TF32.
cost
    Time of every composite over forward + backward, and of zennit's where it is installed. Methods
    take turns; medians of device time.
explain, train
    Images per second, and the operations that they come to: in float32 and bfloat16; training in
    TF32, too, and in bfloat16 with ``torch.compile``, whose own time is left out.

``--small`` runs all of it within seconds, on a CPU, too. The turns of ``benchmarks/explain.py`` are
the same comparison on one thread of a CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from stressnet.explain import explain_batch
from stressnet.explain.composites import COMPOSITES
from stressnet.models.registry import build_model

SHAPE = (161, 101)
BOX = (-6.0, 6.0)
ATTENTION = ("transformer",)
"""Networks that composites of convolutions do not suit; the rest leaves out those of attention."""


@contextlib.contextmanager
def arithmetic(tf32: bool) -> Iterator[None]:
    """Whether float32 products may be rounded to TF32 on the way in."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def seconds(work: Callable[[], object], device: str, rounds: int) -> float:
    """Median time of one call: of the device if it is a GPU, else of the clock."""
    work()
    taken = []
    for _ in range(rounds):
        if device.startswith("cuda"):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            torch.cuda.synchronize()
            taken.append(start.elapsed_time(end) / 1000)
        else:
            clock = time.perf_counter()
            work()
            taken.append(time.perf_counter() - clock)
    return statistics.median(taken)


def forward_backward(model: nn.Module, images: Tensor) -> Tensor:
    """Gradient of the logit difference with respect to the images."""
    leaf = images.clone().requires_grad_(True)
    logits = model(leaf)
    return torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), leaf)[0]


def images_of(batch: int, device: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """The same random images on every device."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 1, *SHAPE, generator=generator).clamp(*BOX).to(device, dtype)


def network(name: str, device: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The same fresh network on every device."""
    torch.manual_seed(0)
    return build_model(name, *SHAPE).eval().to(device, dtype)


def composites_of(name: str, small: bool) -> list[str]:
    """Composites that suit a network; one of them will do for a small run."""
    about_attention = ("attn-lrp", "cp-lrp", "relp", "relp-ah")
    suits = about_attention if name in ATTENTION else set(COMPOSITES) - {"attn-lrp", "cp-lrp"}
    chosen = [one for one in COMPOSITES if one in suits]
    return chosen[-1:] if small else chosen


def zennit_methods(name: str, model: nn.Module, images: Tensor) -> dict[str, Callable[[], object]]:
    """zennit's composites on the folded network, where it can run."""
    try:
        import explain as beside  # the script beside this one
        import zennit.composites as theirs
    except ImportError:
        return {}
    if name in ATTENTION or not isinstance(model, nn.Sequential):
        return {}
    folded = beside.fold(model)
    chosen = {
        "EpsilonPlus": theirs.EpsilonPlus(),
        "EpsilonGammaBox": theirs.EpsilonGammaBox(low=BOX[0], high=BOX[1]),
        "EpsilonAlpha2Beta1": theirs.EpsilonAlpha2Beta1(),
    }
    return {
        f"zennit {key}": partial(beside.zennit_method(folded, one), images)
        for key, one in chosen.items()
    }


Row = tuple[str, str, str, float, str]


def peaks(device: str, size: int, rounds: int) -> Iterator[Row]:
    """The card's ceilings, TFLOP/s and GB/s."""
    for what, dtype, tf32 in (
        ("float32", torch.float32, False),
        ("TF32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ):
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        with arithmetic(tf32):
            taken = seconds(lambda a=a, b=b: a @ b, device, rounds)
        yield "peak", "", what, 2 * size**3 / taken / 1e12, "TFLOP/s"
    data = torch.empty(size * size * 4, device=device)
    taken = seconds(data.clone, device, rounds)
    yield "peak", "", "copy, read and written", 2 * data.nbytes / taken / 1e9, "GB/s"


def equal_maps(device: str, names: list[str], batch: int, small: bool) -> Iterator[Row]:
    """How far maps of the device are from the CPU's in float64."""
    for name in names:
        exact = network(name, "cpu", torch.float64)
        for composite in composites_of(name, small):
            truth = explain_batch(
                exact, images_of(batch, "cpu", torch.float64), composite, bounds=BOX
            ).relevance
            scale = truth.abs().amax(dim=(1, 2, 3), keepdim=True)
            for where in dict.fromkeys(("cpu", device)):
                model, images = network(name, where), images_of(batch, where)
                found = explain_batch(model, images, composite, bounds=BOX).relevance
                error = ((found.cpu().double() - truth).abs() / scale).max().item()
                yield "equal", name, f"{composite} on {where}", error, "of largest |R|"


def costs(device: str, names: list[str], batch: int, rounds: int, small: bool) -> Iterator[Row]:
    """Time of methods over forward + backward."""
    for name in names:
        model, images = network(name, device), images_of(batch, device)
        with arithmetic(False):
            base = seconds(partial(forward_backward, model, images), device, rounds)
            yield "cost", name, f"forward + backward, batch {batch}", base * 1000, "ms"
            methods: dict[str, Callable[[], object]] = {
                composite: partial(explain_batch, model, images, composite, bounds=BOX)
                for composite in composites_of(name, small)
            }
            for what, method in {**methods, **zennit_methods(name, model, images)}.items():
                taken = seconds(method, device, rounds)
                yield "cost", name, what, taken / base, "times forward + backward"


def rates(device: str, names: list[str], batch: int, rounds: int) -> Iterator[Row]:
    """Images per second of explanations and of training steps, and their share of the peak."""
    for name in names:
        composite = "attn-lrp" if name in ATTENTION else "epsilon-gamma"
        for what, dtype, tf32 in (
            ("float32", torch.float32, False),
            ("TF32", torch.float32, True),
            ("bfloat16", torch.bfloat16, False),
        ):
            model, images = network(name, device, dtype), images_of(batch, device, dtype)
            explain = partial(explain_batch, model, images, composite, bounds=BOX)
            if not tf32:
                taken = seconds(explain, device, rounds)
                with FlopCounterMode(display=False) as counter:
                    explain()
                yield "explain", name, what, batch / taken, "images/s"
                yield "explain", name, what, counter.get_total_flops() / taken / 1e12, "TFLOP/s"
            for compiled in (False, True) if dtype is torch.bfloat16 and rounds > 1 else (False,):
                with arithmetic(tf32):
                    taken, n_flops = training(name, device, dtype, batch, rounds, compiled)
                how = f"{what}{', compiled' * compiled}"
                yield "train", name, how, batch / taken, "images/s"
                yield "train", name, how, n_flops / taken / 1e12, "TFLOP/s"


def training(
    name: str, device: str, dtype: torch.dtype, batch: int, rounds: int, compiled: bool
) -> tuple[float, int]:
    """Seconds and operations of a step: forward, backward, AdamW; bfloat16 by autocast."""
    model = network(name, device).train()
    optimiser = torch.optim.AdamW(model.parameters())
    images = images_of(batch, device)
    targets = torch.arange(batch, device=device) % 2
    call = torch.compile(model) if compiled else model

    def step(call: Callable[[Tensor], Tensor] = call) -> None:
        optimiser.zero_grad(set_to_none=True)
        kind = device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=dtype is torch.bfloat16):
            loss = functional.cross_entropy(call(images), targets)
        loss.backward()
        optimiser.step()

    with FlopCounterMode(display=False) as counter:
        step(model)
    return seconds(step, device, rounds), counter.get_total_flops()


def main() -> None:
    """Read the options, run, write a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", default=["vgg16", "transformer", "compact"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--parts", nargs="+", default=["peak", "cost", "equal", "rates"])
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    options = parser.parse_args()
    batch, rounds, size = (2, 1, 64) if options.small else (options.batch, options.rounds, 8192)
    names, device = options.models, options.device
    parts: dict[str, Iterator[Row]] = {
        "peak": peaks(device, size, rounds),
        "equal": equal_maps(device, names, min(batch, 8), options.small),
        "cost": costs(device, names, batch, rounds, options.small),
        "rates": rates(device, names, batch, rounds),
    }
    card = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    print(f"{card}, torch {torch.__version__}")
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["part", "network", "what", "value", "unit", "device"])
        for part in options.parts:
            for row in parts[part]:
                writer.writerow([*row[:3], f"{row[3]:.6g}", row[4], card])
                file.flush()
                print(f"{row[0]:8s} {row[1]:12s} {row[2]:32s} {row[3]:12.5g} {row[4]}", flush=True)


if __name__ == "__main__":
    main()
