"""How much each layer matters: by relevance, by what rounding it alone does, and by other scores.

The layer contribution score Ω of Ranjan & Savakis (2024) is the relevance that reaches a layer. In
a network without branches LRP conserves the *signed* sum, so that all layers get the same and none
is ranked; Ω here is therefore the sum of absolute relevance at a layer's output (the published
formula was not available: this is a reconstruction). :func:`contributions` gives both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from stressnet.explain.api import explain_batch
from stressnet.inference.bootstrap import bootstrapped
from stressnet.lexicon.stress import Stress
from stressnet.models.networks import Network
from stressnet.quantise.quantisers import round_weights
from stressnet.quantise.simulate import BATCH, Layer

FloatArray = NDArray[np.float64]

KINDS = ("absolute", "positive", "signed")
"""Sums of relevance at a layer's output: its size, what speaks for the word's class, and all."""

UNIFORM, RANDOM = "uniform", "random"
SCORES: Mapping[str, str] = {
    UNIFORM: "all layers the same",
    "relevance": "Ω 4^-b",
    "lrp-qvit": "-Ω b",
    "mix-qvit": "Ω times the measured error at b bits",
    "sensitivity": "the measured error at b bits",
    "hessian": "mean Hessian trace times the squared rounding error of weights",
    "gradient": "gradient norm 4^-b",
    "parameters": "number of weights 4^-b",
    RANDOM: "a random number 4^-b",
}
"""What a layer is taken to cost at b bits, by the name of the score."""

N_PROBES = 4
"""Random vectors per batch of Hutchinson's estimate."""


def contributions(
    model: Network,
    layers: Sequence[Layer],
    images: Tensor,
    is_initial: NDArray[np.bool_],
    composite: str,
) -> FloatArray:
    """Relevance of the logit difference at the output of every layer.

    Parameters
    ----------
    model : Network
        As it was trained.
    images : Tensor, shape (n, 1, n_bins, n_frames)
    is_initial : ndarray of bool, shape (n,)
        The words' classes: ``positive`` and ``signed`` count what speaks for them.

    Returns
    -------
    ndarray, shape (n, n_layers, 3)
        :data:`KINDS`; zeros for layers that the composite takes for constants.
    """
    names = [layer.name for layer in layers]
    parts = []
    for start in range(0, len(images), BATCH):
        explained = explain_batch(model, images[start : start + BATCH], composite, layers=names)
        n = len(explained.relevance)
        sign = torch.from_numpy(np.where(is_initial[start : start + n], 1.0, -1.0))
        part = torch.zeros(n, len(names), len(KINDS), dtype=torch.float64)
        for place, name in enumerate(names):
            found = explained.layer_relevance.get(name)
            if found is not None:
                rows = found.reshape(n, -1).double().cpu() * sign[:, None]
                sums = (rows.abs().sum(1), rows.clamp(min=0).sum(1), rows.sum(1))
                part[:, place] = torch.stack(sums, dim=1)
        parts.append(part)
    return torch.cat(parts).numpy()


def contribution_table(
    values: FloatArray, layers: Sequence[Layer], tokens: pd.DataFrame, seed: int, n_resamples: int
) -> pd.DataFrame:
    """Shares of layers, for both classes and each, with intervals over speakers and words.

    Returns
    -------
    DataFrame
        ``layer, stress, kind, share, share_low, share_high, n``. ``share`` is the mean over words
        by that of all layers together (of ``signed``: the absolute mean).
    """
    rows = []
    classes = {"ALL": np.ones(len(tokens), dtype=bool)}
    classes |= {one.value: (tokens["stress"] == one.value).to_numpy() for one in Stress}
    for stress, inside in classes.items():
        part = tokens[inside]
        for k, kind in enumerate(KINDS):
            sums = values[inside][:, :, k]
            for place, layer in enumerate(layers):
                estimate = bootstrapped(
                    _share(sums, place),
                    part["speaker"],
                    part["word"],
                    seed=seed,
                    n_resamples=n_resamples,
                )
                about = {"layer": layer.name, "stress": stress, "kind": kind}
                rows.append(about | estimate.columns("share") | {"n": len(part)})
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


@dataclass(frozen=True)
class Curvature:
    """What the loss says of the layers' weights, each of shape (n_layers,).

    Parameters
    ----------
    hessian : ndarray
        Trace of the Hessian of the mean cross-entropy, over the number of weights (HAWQ-V2, Dong
        et al. 2020), by Hutchinson's estimate.
    gradient : ndarray
        Mean over words of the norm of the gradient.
    """

    hessian: FloatArray
    gradient: FloatArray

    @classmethod
    def of(
        cls, model: Network, layers: Sequence[Layer], images: Tensor, labels: Tensor, seed: int = 0
    ) -> Curvature:
        """From calibration images and their class indices."""
        weights: list[Any] = [model.get_submodule(layer.name).weight for layer in layers]
        generator = torch.Generator().manual_seed(seed)
        norms, traces = np.zeros(len(layers)), np.zeros(len(layers))
        model.requires_grad_(True)
        # The fast kernels of attention have no second derivative.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            for image, label in zip(images.split(1), labels.split(1), strict=True):
                found = torch.autograd.grad(
                    functional.cross_entropy(model(image), label), weights, allow_unused=True
                )
                norms += [0.0 if g is None else float(g.norm()) for g in found]
            parts = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
            for part, classes in parts:
                loss = functional.cross_entropy(model(part), classes)
                first = torch.autograd.grad(loss, weights, create_graph=True)
                for _ in range(N_PROBES):
                    probes = [_signs(w, generator) for w in weights]
                    second = torch.autograd.grad(first, weights, probes, retain_graph=True)
                    traces += [float((p * s).sum()) for p, s in zip(probes, second, strict=True)]
        model.requires_grad_(False)
        sizes = np.array([layer.n_weights for layer in layers], dtype=np.float64)
        return cls(traces / (N_PROBES * len(parts)) / sizes, norms / len(images))


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randint(0, 2, like.shape, generator=generator) * 2 - 1
    return drawn.to(like)


def costs(
    name: str,
    model: Network,
    layers: Sequence[Layer],
    bits: Sequence[int],
    known: Mapping[str, FloatArray],
    draw: int = 0,
) -> FloatArray:
    """What each number of bits costs each layer by a score of :data:`SCORES` (n_layers, n_bits).

    Parameters
    ----------
    model : Network
        Batch normalisations folded.
    known : mapping of str to ndarray
        ``omega, hessian, gradient`` (n_layers,) and ``error`` (n_layers, n_bits): mean squared
        error of the logits when that layer alone is rounded.
    draw : int
        Seed of ``random``.
    """
    falling = 4.0 ** -np.asarray(bits, dtype=np.float64)
    if name == "lrp-qvit":
        return -np.outer(known["omega"], bits)
    if name == "mix-qvit":
        return known["omega"][:, None] * known["error"]
    if name == "sensitivity":
        return known["error"]
    if name == "hessian":
        return np.maximum(known["hessian"], 0.0)[:, None] * np.array(
            [[_rounding_error(model.get_submodule(one.name), b) for b in bits] for one in layers]
        )
    scores = {
        "relevance": lambda: known["omega"],
        "gradient": lambda: known["gradient"],
        "parameters": lambda: np.array([float(layer.n_weights) for layer in layers]),
        RANDOM: lambda: np.random.default_rng([draw, 18]).random(len(layers)),
    }
    return np.outer(scores[name](), falling)


def _rounding_error(layer: nn.Module, bits: int) -> float:
    weight: Any = layer.weight
    return float((round_weights(weight, bits) - weight).square().sum())
