"""How much each layer matters: by relevance, by what rounding it alone does, and by other scores.

The layer contribution score Ω of Ranjan & Savakis (2024) is the relevance that reaches a layer. In
a network without branches LRP conserves the *signed* sum, so that all layers get the same and none
is ranked; Ω here is therefore the sum of absolute relevance at a layer's output (the published
formula was not available: this is a reconstruction). :func:`contributions` gives both. Bits of each
layer under a budget are an integer programme, :func:`allocate`.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.explain.stream import explain_stream
from stressnet.inference.bootstrap import bootstrapped
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.models.networks import Network
from stressnet.quantise.quantisers import round_weights
from stressnet.quantise.simulate import BATCH, Layer, Simulation

KINDS = ("absolute", "positive", "signed")
"""Sums of relevance at a layer's output: its size, what speaks for the word's class, and all."""

UNIFORM, RANDOM = "uniform", "random"
FALLING = ("relevance", "gradient", "parameters")
"""Scores that say what a layer costs at no bits; every further bit takes three quarters of it."""

N_PROBES = 4  # Random vectors per batch of Hutchinson's estimate


def contributions(
    model: Network, layers: Sequence[Layer], images: Tensor, labels: Tensor, composite: str
) -> FloatArray:
    """Relevance of the logit difference at the output of every layer.

    ``model`` is the network as it was trained, ``images`` have shape (n, 1, n_bins, n_frames);
    ``positive`` and ``signed`` count what speaks for the classes ``labels``. Returns :data:`KINDS`,
    shape (n, n_layers, 3); zeros for layers that the composite takes for constants.
    """
    names = [layer.name for layer in layers]
    result = torch.zeros(len(images), len(names), len(KINDS), dtype=torch.float64)
    signs = torch.where(labels.cpu() == Stress.INITIAL.class_index, 1.0, -1.0)
    parts = explain_stream(model, images, batch_size=BATCH, composite=composite, layers=names)
    for number, explained in enumerate(parts):
        part = slice(number * BATCH, number * BATCH + BATCH)
        for name, relevance in explained.layer_relevance.items():
            rows = relevance.flatten(1).double().cpu() * signs[part, None]
            sums = (rows.abs().sum(1), rows.clamp(min=0).sum(1), rows.sum(1))
            result[part, names.index(name)] = torch.stack(sums, dim=1)
    return result.numpy()


def contribution_table(
    values: FloatArray, layers: Sequence[Layer], tokens: pd.DataFrame, seed: int, n_resamples: int
) -> pd.DataFrame:
    """Shares of layers, for both classes and each, with intervals over speakers and words.

    Returns ``layer, stress, kind, share, share_low, share_high, n``. ``share`` is the absolute mean
    over words by the sum of those of all layers.
    """
    rows = []
    for stress in ("ALL", *(one.value for one in CLASSES)):
        inside = (tokens["stress"] == stress).to_numpy() | (stress == "ALL")
        part = tokens[inside]
        clusters = part["speaker"], part["word"]
        for (k, kind), (place, layer) in (
            (one, other) for one in enumerate(KINDS) for other in enumerate(layers)
        ):
            figure = _share(values[inside][:, :, k], place)
            share = bootstrapped(figure, *clusters, seed=seed, n_resamples=n_resamples)
            about = {"layer": layer.name, "stress": stress, "kind": kind, "n": len(part)}
            rows.append(about | share.columns("share"))
    return pd.DataFrame(rows)


def _share(sums: FloatArray, place: int) -> Callable[[FloatArray], FloatArray]:
    def figure(weights: FloatArray) -> FloatArray:
        means = np.abs(weights @ sums)
        return np.asarray(means[:, place] / means.sum(axis=1))

    return figure


def omega(values: FloatArray) -> FloatArray:
    """Ω of every layer: its share of the absolute relevance, shape (n_layers,)."""
    means = values[:, :, 0].mean(axis=0)
    return np.asarray(means / means.sum())


def curvature(
    model: Network, layers: Sequence[Layer], images: Tensor, labels: Tensor, seed: int
) -> dict[str, FloatArray]:
    """What the loss says of the layers' weights.

    Returns ``hessian``: trace of the Hessian of the mean cross-entropy over the number of weights
    (HAWQ-V2, Dong et al. 2020), by Hutchinson's estimate; ``gradient``: mean over words of the norm
    of the gradient. Each of shape (n_layers,).
    """
    weights: list[Any] = [model.get_submodule(layer.name).weight for layer in layers]
    generator = torch.Generator().manual_seed(seed)
    norms, traces = np.zeros(len(layers)), np.zeros(len(layers))
    model.requires_grad_(True)
    # The fast kernels of attention have no second derivative.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        for image, label in zip(images.split(1), labels.split(1), strict=True):
            loss = functional.cross_entropy(model(image), label)
            norms += [float(g.norm()) for g in torch.autograd.grad(loss, weights)]
        parts = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
        for part, classes in parts:
            loss = functional.cross_entropy(model(part), classes)
            first = torch.autograd.grad(loss, weights, create_graph=True)
            for _ in range(N_PROBES):
                drawn = [torch.randint(0, 2, w.shape, generator=generator) for w in weights]
                probes = [(d * 2 - 1).to(w) for d, w in zip(drawn, weights, strict=True)]
                second = torch.autograd.grad(first, weights, probes, retain_graph=True)
                traces += [float((p * s).sum()) for p, s in zip(probes, second, strict=True)]
    model.requires_grad_(False)
    sizes = np.array([layer.n_weights for layer in layers], dtype=np.float64)
    return {"hessian": traces / (N_PROBES * len(parts)) / sizes, "gradient": norms / len(images)}


def costs(
    score: str,
    net: Simulation,
    bits: NDArray[np.int64],
    known: Mapping[str, FloatArray],
    error: FloatArray,
    draw: int,
) -> FloatArray:
    """What each number of bits costs each layer by a score (n_layers, n_bits).

    ``score`` is one of :data:`FALLING`, the score times 4^-b; ``random``, the same with random
    numbers; ``lrp-qvit``, -Ω b; ``sensitivity``, the measured error; ``mix-qvit``, that times Ω;
    ``hessian``, the mean trace times the squared rounding error of the weights. ``known``: scores
    of layers. ``error`` (shape (n_layers, n_bits)): mean squared error of the logits when that
    layer alone is rounded. ``draw``: seed of ``random``.
    """
    if score == "lrp-qvit":
        return -np.outer(known["relevance"], bits)
    if score in ("sensitivity", "mix-qvit"):
        return error if score == "sensitivity" else error * known["relevance"][:, None]
    if score == "hessian":
        weights: list[Any] = [net.base.get_submodule(one.name).weight for one in net.layers]
        lost = [
            [float((round_weights(w, int(b)) - w).square().sum()) for b in bits] for w in weights
        ]
        return np.maximum(known["hessian"], 0.0)[:, None] * np.array(lost)
    drawn = np.random.default_rng([draw, 18]).random(len(net.layers))
    return np.outer(drawn if score == RANDOM else known[score], 4.0**-bits)


def allocate(cost: FloatArray, use: FloatArray, budget: float) -> NDArray[np.intp]:
    """The choice for each layer that costs least in all and uses no more than the budget.

    ``cost`` and ``use``, of shape (n_layers, n_choices), are what is lost if a layer gets a number
    of bits, and what that takes from the budget. Returns the index of each layer's choice, by the
    branch and bound of HiGHS (``scipy.optimize.milp``).
    """
    from scipy.optimize import LinearConstraint, milp

    if use.min(axis=1).sum() > budget * (1 + 1e-9):
        raise ConfigError("the budget is below what all layers need with the fewest bits")
    n_layers, n_choices = cost.shape
    one_each = np.kron(np.eye(n_layers), np.ones(n_choices))
    # Where bits cost the same, what is left of the budget is used.
    wanted = cost / (np.abs(cost).max() or 1.0) * 1e4 - use / budget * 1e-4
    solved = milp(
        wanted.ravel(),
        integrality=np.ones(cost.size),
        bounds=(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(use.ravel() / budget, -np.inf, 1 + 1e-9),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return np.asarray(solved.x.reshape(cost.shape).argmax(axis=1))


def plan_table(
    wanted: Any, net: Simulation, known: Mapping[str, FloatArray], error: FloatArray
) -> pd.DataFrame:
    """Bits of every layer by every score under every budget.

    ``wanted`` has ``scores, budget, budgets, choices, random_draws`` and ``seed`` as the command's
    config does; ``known`` and ``error`` are those of :func:`stressnet.quantise.scores.costs`.
    """
    bits = np.array(wanted.choices)
    in_size = wanted.budget == "size"
    amounts = np.array([one.n_weights if in_size else one.n_macs for one in net.layers], float)
    power = 1 if in_size else 2
    use, names = np.outer(amounts, bits**power), [layer.name for layer in net.layers]
    parts = []
    for mean_bits, score in itertools.product(wanted.budgets, wanted.scores):
        for draw in range(wanted.random_draws if score == RANDOM else 1):
            if score == UNIFORM:
                chosen = np.full(len(amounts), bits[bits <= mean_bits].max())
            else:
                cost = costs(score, net, bits, known, error, 1000 * wanted.seed + draw)
                chosen = bits[allocate(cost, use, mean_bits**power * amounts.sum())]
            about = {"score": score, "draw": draw, "mean_bits": mean_bits}
            parts.append(pd.DataFrame(about | {"layer": names, "bits": chosen}))
    return pd.concat(parts, ignore_index=True)
