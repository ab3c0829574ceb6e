"""Circuits: the smallest set of channels that keeps a network's decision, and what is lost with it.

Channels outside a circuit C take the activations they have for the corrupted word (for accuracy:
their mean over tokens). With m the logit difference INITIAL - FINAL, M the whole network and ∅ no
channel,

    faithfulness(C) = (m(C) - m(∅)) / (m(M) - m(∅))
    completeness(C) = (m(M∖C) - m(∅)) / (m(M) - m(∅))

A faithful circuit is near 1; what a complete one leaves behind is near 0. Channels are ranked on
one half of the words and judged on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stressnet.lexicon.stress import Stress
from stressnet.models.network import Network
from stressnet.statistics.jackknife import jackknife, mean_of

Channel = tuple[str, int]
"""A layer (name of a module) and the number of a channel of its output."""

CURVES = ("ranking", "n_units", "measure", "mean", "low", "high", "n_pairs", "n_words", "reason")
RANDOM = "random"
N_RANDOM = 5
"""Random rankings, the null."""

KEPT = 0.9
"""Faithfulness that a circuit must keep."""

BATCH = 32


def logit_difference(logits: Tensor) -> Tensor:
    """INITIAL minus FINAL, shape (n,)."""
    return logits[:, Stress.INITIAL.class_index] - logits[:, Stress.FINAL.class_index]


def listen(network: Network, layers: Sequence[str], images: Tensor) -> dict[str, Tensor]:
    """Outputs of some modules, without gradients."""
    heard: dict[str, Tensor] = {}

    def store(name: str) -> Callable[..., None]:
        return lambda module, given, output: heard.update({name: output})

    with ExitStack() as stack, torch.inference_mode():
        for name in layers:
            handle = network.get_submodule(name).register_forward_hook(store(name))
            stack.callback(handle.remove)
        network(images)
    return heard


def run_with(
    network: Network, images: Tensor, others: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> Tensor:
    """Logit differences of a network of which only some channels do their work.

    Parameters
    ----------
    images : Tensor, shape (n, 1, n_bins, n_frames)
    others : mapping of str to Tensor
        By layer, what the other channels give; of the shape of the layer's output.
    kept : mapping of str to Tensor of bool, shape (n_channels,)
        By layer, the channels that stay.
    """

    def replace(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, given: object, output: Tensor) -> Tensor:
            shape = [1] * output.ndim
            shape[channel_axis(module, output)] = -1
            return torch.where(kept[name].reshape(shape), output, others[name])

        return hook

    with ExitStack() as stack, torch.inference_mode():
        for name in kept:
            handle = network.get_submodule(name).register_forward_hook(replace(name))
            stack.callback(handle.remove)
        return logit_difference(network(images))


def channel_axis(module: nn.Module, output: Tensor) -> int:
    """Axis of a module's output that holds its channels: the last of vectors by position."""
    is_grid = output.ndim == 4 or isinstance(module, nn.Conv1d | nn.BatchNorm1d)
    return 1 if is_grid else output.ndim - 1


def ranked(effects: pd.DataFrame) -> list[Channel]:
    """Channels by the absolute mean of their effect, largest first.

    Parameters
    ----------
    effects : DataFrame
        Rows of one network and estimator with ``layer``, ``channel``, ``effect``.
    """
    means = effects.groupby(["layer", "channel"], sort=True)["effect"].mean().abs()
    order = means.sort_values(ascending=False, kind="stable").index
    return [(str(layer), int(channel)) for layer, channel in order]


def sizes_up_to(n_units: int) -> list[int]:
    """Numbers of units at which a circuit is judged, about eight per doubling at most."""
    steps = np.unique(np.round(np.geomspace(1, n_units, 40)).astype(int))
    return [int(n) for n in steps]


def as_masks(chosen: Sequence[Channel], all_of: Sequence[Channel]) -> dict[str, Tensor]:
    """By layer, which of its channels are chosen."""
    widths: dict[str, int] = {}
    for layer, channel in all_of:
        widths[layer] = max(widths.get(layer, 0), channel + 1)
    masks = {layer: torch.zeros(width, dtype=torch.bool) for layer, width in widths.items()}
    for layer, channel in chosen:
        masks[layer][channel] = True
    return masks


def kept_and_lost(
    network: Network, clean: Tensor, corrupted: Tensor, order: Sequence[Channel]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Faithfulness and completeness of growing circuits.

    Parameters
    ----------
    clean, corrupted : Tensor, shape (n_pairs, 1, n_bins, n_frames)
    order : sequence of Channel
        All channels, the first enters first.

    Returns
    -------
    faithfulness, completeness : ndarray, shape (n_pairs, len(sizes_up_to(len(order))))
    """
    device = next(network.parameters()).device
    sizes = sizes_up_to(len(order))
    sets = [as_masks(part, order) for n in sizes for part in (order[:n], order[n:])]
    sets += [as_masks((), order), as_masks(order, order)]
    rows = []
    for start in range(0, len(clean), BATCH):
        images = clean[start : start + BATCH].to(device)
        others = listen(network, list(sets[0]), corrupted[start : start + BATCH].to(device))
        answers = [
            run_with(network, images, others, {k: mask.to(device) for k, mask in one.items()})
            for one in sets
        ]
        rows.append(torch.stack(answers, dim=1).double().cpu().numpy())
    m = np.concatenate(rows)
    nothing, everything = m[:, -2:-1], m[:, -1:]
    share = (m[:, :-2] - nothing) / (everything - nothing)
    return share[:, 0::2], share[:, 1::2]


def curve_table(
    shares: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    sizes: Sequence[int],
    words: Sequence[str],
    speakers: Sequence[str],
) -> pd.DataFrame:
    """Mean faithfulness and completeness per ranking and size, with intervals.

    Parameters
    ----------
    shares : mapping
        Ranking to what :func:`kept_and_lost` gives, pairs in the order of ``words``.

    Returns
    -------
    DataFrame
        :data:`CURVES`.
    """
    clusters = {"speakers": np.asarray(speakers), "words": np.asarray(words)}
    parts = []
    for ranking, both in shares.items():
        for measure, values in zip(("faithfulness", "completeness"), both, strict=True):
            found = jackknife(mean_of(values), len(values), clusters)
            columns = {"mean": found.value, "low": found.low, "high": found.high}
            about = {"ranking": ranking, "measure": measure, "reason": found.reason}
            parts.append(pd.DataFrame({"n_units": sizes, **columns, **about}))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(n_pairs=len(words), n_words=len(set(words)))
    return table[list(CURVES)]


def smallest(curves: pd.DataFrame, ranking: str) -> int:
    """Units from which on a ranking's circuits keep :data:`KEPT` of the decision."""
    rows = curves[(curves["ranking"] == ranking) & (curves["measure"] == "faithfulness")]
    rows = rows.sort_values("n_units")
    fails = np.flatnonzero(~(rows["mean"] >= KEPT).to_numpy())
    after = 0 if not len(fails) else fails[-1] + 1
    return int(rows["n_units"].iloc[min(after, len(rows) - 1)])


def random_order(order: Sequence[Channel], seed: int) -> list[Channel]:
    """The same channels in random order."""
    places = np.random.default_rng([seed, 7]).permutation(len(order))
    return [order[k] for k in places]


def mean_activations(
    network: Network, layers: Sequence[str], images: Tensor, labels: NDArray[np.int64]
) -> tuple[dict[str, Tensor], dict[str, NDArray[np.float64]]]:
    """What channels do on average: per cell over both classes alike, and per token over cells.

    Parameters
    ----------
    images : Tensor, shape (n, 1, n_bins, n_frames)
    labels : ndarray of int, shape (n,)
        Classes, so that the average speaks for neither.

    Returns
    -------
    fill : dict of str to Tensor
        Per layer, of the shape of its output for one image.
    means : dict of str to ndarray, shape (n, n_channels)
    """
    device = next(network.parameters()).device
    weights = torch.from_numpy(1.0 / np.bincount(labels, minlength=2)[labels]).float()
    weights /= weights.sum()
    fill: dict[str, Tensor] = {}
    means: dict[str, list[NDArray[np.float64]]] = {name: [] for name in layers}
    for start in range(0, len(images), BATCH):
        heard = listen(network, layers, images[start : start + BATCH].to(device))
        for name, output in heard.items():
            weight = weights[start : start + BATCH].to(device)
            summed = torch.tensordot(weight, output, dims=1)[None]
            fill[name] = fill[name] + summed if name in fill else summed
            axis = channel_axis(network.get_submodule(name), output)
            cells = output.movedim(axis, 1).flatten(2) if output.ndim > 2 else output[..., None]
            means[name].append(cells.mean(dim=2).double().cpu().numpy())
    return fill, {name: np.concatenate(parts) for name, parts in means.items()}


def answers_with(
    network: Network, images: Tensor, fill: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> NDArray[np.float64]:
    """Logit differences of tokens where all other channels give their mean, shape (n,)."""
    device = next(network.parameters()).device
    kept = {name: mask.to(device) for name, mask in kept.items()}
    parts = [
        run_with(network, part.to(device), fill, kept).double().cpu().numpy()
        for part in images.split(BATCH)
    ]
    return np.concatenate(parts)
