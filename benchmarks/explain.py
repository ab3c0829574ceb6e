"""Cost of explanations relative to forward + backward, beside zennit and captum.

All methods take turns within one run, so that a busy machine slows all alike; the figure of each is
the median over rounds of its time divided by that round's forward + backward. Run

    uv run python benchmarks/explain.py [--rounds 5] [--batches 1 16] [--models lenet vgg16]
    uv run python benchmarks/explain.py --methods "ours epsilon" "zennit EpsilonPlus"   # only these
    uv run python benchmarks/explain.py --memory "ours epsilon-plus"   # peak memory of one method

zennit and captum are run with the composites they offer: captum's LRP has no BatchNorm folding, and
its Alpha1Beta0 is not z+ for signed inputs. zennit folds once, before the clock starts.
"""

from __future__ import annotations

import argparse
import copy
import resource
import time
from collections.abc import Callable

import captum.attr
import captum.attr._utils.lrp_rules as captum_rules
import torch
import zennit.composites
from torch import Tensor, nn

from stressnet.explain import explain_batch
from stressnet.models.registry import build_model

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
            seed = torch.tensor([1.0, -1.0]) * logits.detach()
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


def measure(name: str, batch: int, rounds: int, chosen: list[str] | None = None) -> None:
    """Print one table, of the chosen methods if there are any."""
    torch.manual_seed(0)
    model = build_model(name, *SHAPE).eval()
    x = torch.randn(batch, 1, *SHAPE).clamp(*BOX)
    table = methods(model)
    if chosen:
        table = {key: table[key] for key in ("forward + backward", *chosen)}
    times: dict[str, list[float]] = {key: [] for key in table}
    for turn in range(rounds + 1):  # the first round warms up
        for key, method in table.items():
            start = time.perf_counter()
            method(x)
            if turn:
                times[key].append(time.perf_counter() - start)
    base = times["forward + backward"]
    print(f"\n{name}, batch {batch}, {torch.get_num_threads()} thread(s), {rounds} rounds")
    for key, values in times.items():
        ratio = sorted(v / b for v, b in zip(values, base, strict=True))[len(values) // 2]
        seconds = sorted(values)[len(values) // 2]
        print(f"  {key:32} {ratio:6.2f} x  {seconds:8.3f} s", flush=True)


def measure_memory(key: str, name: str, batch: int) -> None:
    """Peak memory of this process after one run of one method (call once per process)."""
    model = build_model(name, *SHAPE).eval()
    x = torch.randn(batch, 1, *SHAPE).clamp(*BOX)
    method = methods(model)[key]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    method(x)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name}, batch {batch}, {key}: peak {after:.0f} MiB ({after - before:.0f} above idle)")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=["lenet", "vgg16"])
    parser.add_argument("--methods", nargs="+", help="as the table names them")
    parser.add_argument("--memory", help="only the peak memory of this method, last of --batches")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.models:
        if options.memory:
            measure_memory(options.memory, name, options.batches[-1])
            continue
        for batch in options.batches:
            measure(name, batch, options.rounds, options.methods)


if __name__ == "__main__":
    main()
