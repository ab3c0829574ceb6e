"""Cost of explanations relative to forward + backward, beside zennit and captum.

All methods take turns within one run, so that a busy machine slows all alike, and every turn is
written down at once, so that a long table can be made in short pieces:

    uv run python benchmarks/explain.py time TURNS.csv --batches 1 16 64 --rounds 3
    uv run python benchmarks/explain.py time TURNS.csv --models vgg16 --batches 64 --rounds 1 \\
        --methods "ours epsilon-plus" "zennit EpsilonPlus"
    uv run python benchmarks/explain.py memory MEMORY.csv --models vgg16 --batches 16
    uv run python benchmarks/explain.py table TURNS.csv COST.csv

``time`` appends a row per turn: seconds on the clock and of processor time. ``memory`` starts
one process per method and notes how far its peak resident memory rises above that of the process
before the call. ``table`` divides each turn by forward + backward of the same round and writes
medians. On one thread processor time is the better figure where other programs run; on several it
counts waiting threads, so there the clock is used.

zennit and captum are run with the composites they offer: captum's LRP has no BatchNorm folding, and
its Alpha1Beta0 is not z+ for signed inputs. zennit is given the folded network: folding is not part
of its time, but is of ours.
"""

from __future__ import annotations

import argparse
import copy
import csv
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import captum.attr
import captum.attr._utils.lrp_rules as captum_rules
import pandas as pd
import torch
import zennit.composites
from torch import Tensor, nn

from stressnet.explain import explain_batch
from stressnet.models.registry import build_model

BASE = "forward + backward"
SHAPE = (161, 101)
BOX = (-6.0, 6.0)
OURS = (
    "epsilon",
    "epsilon-plus",
    "epsilon-plus-flat",
    "epsilon-gamma",
    "epsilon-gamma-box",
    "epsilon-alpha2-beta1",
    "allouche2025-as-run",
)


def forward_backward(model: nn.Module, x: Tensor) -> Tensor:
    """Gradient with respect to the input only."""
    leaf = x.clone().requires_grad_(True)
    logits = model(leaf)
    return torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), leaf)[0]


def fold(model: nn.Sequential) -> nn.Sequential:
    """Batch normalisation merged into the convolution before it (zennit's merge needs eps > 0)."""
    layers: list[nn.Module] = []
    for module in copy.deepcopy(model):
        if isinstance(module, nn.BatchNorm2d):
            layers[-1] = torch.nn.utils.fuse_conv_bn_eval(layers[-1], module)
        else:
            layers.append(module)
    return nn.Sequential(*layers).eval()


def zennit_method(model: nn.Module, composite: zennit.composites.Composite) -> Callable:
    """Relevance of the logit difference by zennit."""

    def run(x: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_(True)
        with composite.context(model) as modified:
            logits = modified(leaf)
            seed = logits.new_tensor([1.0, -1.0]) * logits.detach()
            return torch.autograd.grad(logits, leaf, seed)[0]

    return run


def captum_method(model: nn.Sequential) -> Callable:
    """The paper's recipe by captum (one logit)."""
    model = copy.deepcopy(model)

    def run(x: Tensor) -> Tensor:
        convolutions = [m for m in model if isinstance(m, nn.Conv2d)]
        for module in convolutions[1:]:
            module.rule = captum_rules.Alpha1_Beta0_Rule()
        return captum.attr.LRP(model).attribute(x.clone().requires_grad_(True), target=0)

    return run


def without_flatten(model: nn.Sequential) -> nn.Sequential:
    """captum refuses Flatten and Dropout2d; a view before the first dense layer is fine."""

    class Viewed(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            for module in self:
                if isinstance(module, nn.Linear) and x.dim() > 2:
                    x = x.view(len(x), -1)
                x = module(x)
            return x

    return Viewed(*(m for m in model if not isinstance(m, (nn.Flatten, nn.Dropout2d)))).eval()


def methods(model: nn.Sequential) -> dict[str, Callable[[Tensor], object]]:
    """Everything that is compared, by name."""
    folded = fold(model)
    plus = zennit.composites.EpsilonPlus()
    box = zennit.composites.EpsilonGammaBox(low=BOX[0], high=BOX[1])
    flat = zennit.composites.EpsilonPlusFlat()
    alpha = zennit.composites.EpsilonAlpha2Beta1()
    ours: dict[str, Callable[[Tensor], object]] = {
        f"ours {name}": lambda x, name=name: explain_batch(model, x, name, bounds=BOX)
        for name in OURS
    }
    return {
        "forward + backward": lambda x: forward_backward(model, x),
        **ours,
        "zennit EpsilonPlus": zennit_method(folded, plus),
        "zennit EpsilonPlusFlat": zennit_method(folded, flat),
        "zennit EpsilonGammaBox": zennit_method(folded, box),
        "zennit EpsilonAlpha2Beta1": zennit_method(folded, alpha),
        "captum as run": captum_method(without_flatten(model)),
    }


def setting(name: str, batch: int) -> tuple[dict[str, Callable[[Tensor], object]], Tensor]:
    """The methods and a batch for one network."""
    torch.manual_seed(0)
    model = build_model(name, *SHAPE).eval()
    return methods(model), torch.randn(batch, 1, *SHAPE).clamp(*BOX)


def take_turns(
    path: Path, name: str, batch: int, rounds: int, threads: int, chosen: Iterable[str]
) -> None:
    """Append one row per method and round to ``path``."""
    torch.set_num_threads(threads)
    table, x = setting(name, batch)
    keys = [BASE, *(chosen or (key for key in table if key != BASE))]
    for key in keys:
        table[key](x[:1])  # warms up
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["model", "batch", "threads", "turn", "method", "clock_s", "cpu_s"])
        for _ in range(rounds):
            turn = f"{time.time():.0f}"
            for key in keys:
                clock, cpu = time.perf_counter(), time.process_time()
                table[key](x)
                clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
                writer.writerow([name, batch, threads, turn, key, f"{clock:.4f}", f"{cpu:.4f}"])
                file.flush()


def peak_of(name: str, batch: int, key: str) -> float:
    """MiB by which one call raises the peak resident memory of this process."""
    torch.set_num_threads(1)
    table, x = setting(name, batch)
    table[key](x[:1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table[key](x)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def measure_memory(path: Path, name: str, batch: int, chosen: Iterable[str]) -> None:
    """Append one row per method, each from a process of its own."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["model", "batch", "method", "peak_mib"])
        for key in [BASE, *(chosen or (k for k in setting(name, 1)[0] if k != BASE))]:
            command = [sys.executable, __file__, "peak", name, str(batch), key]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            writer.writerow([name, batch, key, done.stdout.split()[-1]])
            file.flush()


def table_of(turns: pd.DataFrame) -> pd.DataFrame:
    """Medians of each turn over the same round's forward + backward."""
    keys = ["model", "batch", "threads"]
    base = turns[turns["method"] == BASE].set_index([*keys, "turn"])
    index = pd.MultiIndex.from_frame(turns[[*keys, "turn"]])
    for column in ("clock", "cpu"):
        turns[f"{column}_ratio"] = (
            turns[f"{column}_s"].to_numpy() / base[f"{column}_s"].reindex(index).to_numpy()
        )
    grouped = turns.groupby([*keys, "method"], sort=False)
    result = grouped[["clock_ratio", "cpu_ratio", "cpu_s"]].median()
    result["rounds"] = grouped.size()
    return result.reset_index().sort_values(keys, kind="stable")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("time", "memory"):
        part = commands.add_parser(command)
        part.add_argument("out", type=Path)
        part.add_argument("--models", nargs="+", default=["lenet", "vgg16"])
        part.add_argument("--batches", type=int, nargs="+", default=[1, 16])
        part.add_argument("--methods", nargs="+", default=(), help="as the table names them")
        part.add_argument("--threads", type=int, default=1)
        part.add_argument("--rounds", type=int, default=3)
    part = commands.add_parser("table")
    part.add_argument("turns", type=Path)
    part.add_argument("out", type=Path)
    part = commands.add_parser("peak")
    part.add_argument("model")
    part.add_argument("batch", type=int)
    part.add_argument("method")
    options = parser.parse_args()
    if options.command == "peak":
        print(f"{peak_of(options.model, options.batch, options.method):.0f}")
    elif options.command == "table":
        table = table_of(pd.read_csv(options.turns))
        table.to_csv(options.out, index=False, float_format="%.3f")
        print(table.to_string(index=False, float_format="%.2f"))
    else:
        for name in options.models:
            for batch in options.batches:
                if options.command == "memory":
                    measure_memory(options.out, name, batch, options.methods)
                else:
                    take_turns(
                        options.out, name, batch, options.rounds, options.threads, options.methods
                    )


if __name__ == "__main__":
    main()
