"""Cost of relevance patching relative to forward + backward and to activation patching.

    uv run python benchmarks/patching.py --models compact transformer --rounds 15 --pairs 1 8

So many pairs at once (``stressnet patch`` takes 8) and all channels of every layer; the methods
take turns, figures are medians of processor time on one thread. Bars on ``compact``: RelP at most
2.5 times forward + backward, activation patching of the same units at least 50 times RelP. Forward
+ backward is the gradient of the logit difference with respect to the image; RelP is all that
:func:`stressnet.patching.patch_effects` does: both runs, the backward pass and the table.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from stressnet.models.registry import build_model
from stressnet.patching import channel_units, patch_effects

SHAPE = (161, 101)
"""Bins and frames of preset ``stressnet``."""


def forward_backward(network: nn.Module, image: Tensor) -> Tensor:
    """Gradient with respect to the image."""
    leaf = image.clone().requires_grad_(True)
    logits = network(leaf)
    (gradient,) = torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), leaf)
    return gradient


def seconds(work: Callable[[], object]) -> float:
    """Processor time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["compact"])
    parser.add_argument("--pairs", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--truth-rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, n in itertools.product(options.models, options.pairs):
        torch.manual_seed(0)
        network = build_model(name, *SHAPE).eval()
        clean = torch.randn(n, 1, *SHAPE)
        corrupted = clean + 0.3 * torch.randn_like(clean)
        units = channel_units(network)

        def patch(estimator: str, network=network, pair=(clean, corrupted), units=units):  # type: ignore[no-untyped-def]
            return lambda: patch_effects(network, *pair, units, [estimator])

        turns: dict[str, list[float]] = {}
        methods = {
            "forward + backward": lambda network=network, x=clean: forward_backward(network, x),
            "attribution": patch("attribution"),
            "relp": patch("relp"),
        }
        for number in range(options.rounds + 2):
            for method, work in methods.items():
                taken = seconds(work)
                if number >= 2:  # the first two warm up
                    turns.setdefault(method, []).append(taken)
        turns["activation"] = [seconds(patch("activation")) for _ in range(options.truth_rounds)]
        middle = {method: statistics.median(values) for method, values in turns.items()}
        base, relp = middle["forward + backward"], middle["relp"]
        print(
            f"{name}, {n} pairs, {len(units)} channels: forward + backward {1000 * base:.1f} ms, "
            f"attribution {middle['attribution'] / base:.2f} x, RelP {relp / base:.2f} x; "
            f"activation patching {middle['activation'] / relp:.0f} x RelP"
        )


if __name__ == "__main__":
    main()
