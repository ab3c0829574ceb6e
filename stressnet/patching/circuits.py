"""Circuits: the smallest set of channels or edges that keeps a network's decision.

Channels outside a circuit C take the activations they have for the corrupted word, edges the
contribution that their sender makes to it (where accuracy is measured, the mean over tokens). With
m the logit difference INITIAL - FINAL, M the whole network and ∅ no unit of it,

    faithfulness(C) = (m(C) - m(∅)) / (m(M) - m(∅))
    completeness(C) = (m(M∖C) - m(∅)) / (m(M) - m(∅))

A faithful circuit is near 1; what a complete one leaves behind is near 0. Units are ranked by
the pairs of one half of the words and judged by those of the other half.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stressnet.axes import FloatArray
from stressnet.explain.boundaries import Change, changed_at
from stressnet.inference.jackknife import mean_of
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.models.networks import Network
from stressnet.patching.agreement import over_clusters
from stressnet.patching.edges import edge_units
from stressnet.patching.pairs import Pairs
from stressnet.patching.tuning import tuning_table
from stressnet.patching.units import Unit, channel_units, roles_of
from stressnet.training.metrics import evaluate

CURVES = ("ranking", "measure", "n_units", "mean", "low", "high", "n_pairs", "n_words", "reason")

CIRCUIT_KINDS = ("channel", "edge")  # Kinds of units that circuits are made of

WHOLE, RANDOM = "whole", "random"
N_RANDOM = 3  # Random rankings, the null; the table holds their mean
KEPT = 0.9  # Faithfulness that a circuit must keep
N_DRAWN = 5  # Strongest channels of each layer of a circuit, between which connections are measured

N_SIZES, BATCH = 20, 32

Masks = dict[str, tuple[int, Tensor]]  # By place: dimension of the channels, and which


def ranked(units: Sequence[Unit], effects: pd.DataFrame) -> list[Unit]:
    """Units by the absolute mean of their effect (one network, one estimator), largest first."""
    size = effects.groupby(["layer", "unit"])["effect"].mean().abs().to_dict()
    return sorted(units, key=lambda unit: -size.get((unit.layer, unit.label), 0.0))


def random_order(units: Sequence[Unit], seed: int) -> list[Unit]:
    """The same units in random order."""
    return [units[k] for k in np.random.default_rng([seed, 7]).permutation(len(units))]


def sizes_up_to(n_units: int) -> list[int]:
    """Numbers of units at which circuits are judged, equally far apart in their logarithm."""
    return [int(n) for n in np.unique(np.round(np.geomspace(1, n_units, N_SIZES)))]


def masks_of(chosen: Iterable[Unit], units: Sequence[Unit]) -> Masks:
    """By place of all units, the channels of the chosen ones."""
    masks: Masks = {}
    for unit in units:
        masks.setdefault(unit.layer, (unit.dim, torch.zeros(_cells(unit).shape, dtype=torch.bool)))
    for unit in chosen:
        masks[unit.layer][1].logical_or_(_cells(unit))
    return masks


def _cells(unit: Unit) -> Tensor:
    assert unit.cells is not None  # channels always have some
    return torch.from_numpy(unit.cells)


def activations(
    network: Network,
    places: Iterable[str],
    images: Tensor,
    changes: Mapping[str, Change] | None = None,
) -> dict[str, Tensor]:
    """Inner tensors for some images, without gradients; ``changes`` come first."""
    seen: dict[str, Tensor] = {}

    def keeps(place: str) -> Change:
        change = (changes or {}).get(place, torch.clone)
        return lambda tensor: seen.setdefault(place, change(tensor))

    with torch.no_grad(), changed_at(network, {place: keeps(place) for place in places}):
        network(_beside(network, images))
    return seen


def _beside(network: Network, images: Tensor) -> Tensor:
    """Images on the network's device."""
    return images.to(next(network.parameters()).device)


def without(
    others: Mapping[str, Tensor], left_out: Sequence[Unit], units: Sequence[Unit]
) -> dict[str, Change]:
    """Changes after which some of all units give what ``others`` hold by place."""
    if units[0].sender is None:
        kept = set(units) - set(left_out)
        return replacing(others, masks_of(kept, units))
    seen: dict[str, Tensor] = {}

    def gives(place: str) -> Change:
        def change(tensor: Tensor) -> Tensor:
            seen[place] = others[place] - tensor
            return tensor

        return change

    def reads(place: str) -> Change:
        senders = [u.sender for u in left_out if u.layer == place and u.sender is not None]
        return lambda tensor: sum((sender.added(seen) for sender in senders), tensor)

    return {u.reads: gives(u.reads) for u in left_out} | {u.layer: reads(u.layer) for u in left_out}


def replacing(others: Mapping[str, Tensor], kept: Masks) -> dict[str, Change]:
    """Changes after which all channels but the kept ones give what ``others`` hold."""

    def replaces(place: str) -> Change:
        dim, mask = kept[place]

        def change(tensor: Tensor) -> Tensor:
            shape = [1] * tensor.dim()
            shape[dim] = -1
            return torch.where(mask.to(tensor.device).reshape(shape), tensor, others[place])

        return change

    return {place: replaces(place) for place in kept}


def run_with(network: Network, images: Tensor, changes: Mapping[str, Change]) -> FloatArray:
    """Logit differences of a network with some changes, see :func:`without`, shape (n,)."""
    with torch.no_grad(), changed_at(network, changes):
        logits = network(_beside(network, images)).double().cpu().numpy()
    return np.asarray(logit_difference(logits))


def kept_and_lost(
    network: Network, clean: Tensor, corrupted: Tensor, order: Sequence[Unit]
) -> tuple[FloatArray, FloatArray]:
    """Faithfulness and completeness of growing circuits, each of shape (n_pairs, n_sizes)."""
    parts = [part for n in sizes_up_to(len(order)) for part in (order[n:], order[:n])]
    rows = []
    for one, other in zip(clean.split(BATCH), corrupted.split(BATCH), strict=True):
        others = activations(network, {unit.reads for unit in order}, other)
        changes = [without(others, left_out, order) for left_out in (*parts, order, ())]
        rows.append([run_with(network, one, each) for each in changes])
    m = np.concatenate(rows, axis=1).T
    nothing, everything = m[:, -2:-1], m[:, -1:]
    share = (m[:, :-2] - nothing) / (everything - nothing)
    return share[:, 0::2], share[:, 1::2]


def curves(
    network: Network,
    clean: Tensor,
    corrupted: Tensor,
    units: Sequence[Unit],
    effects: pd.DataFrame,
    table: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Faithfulness and completeness of circuits of every size, by each estimator's ranking.

    ``clean`` and ``corrupted`` have shape (n_pairs, 1, n_bins, n_frames), all ``units`` are of one
    kind; ``effects`` are ``pair, layer, unit, estimator, effect``, the ``table`` has ``pair, word,
    speaker`` of the images. Returns :data:`CURVES`; intervals are over words and speakers.
    """
    words = sorted(table["word"].unique())
    order = np.random.default_rng([seed, 6]).permutation(len(words))
    half = table["word"].map({words[k]: place % 2 for place, k in enumerate(order)}).to_numpy()
    rankings: dict[str, list[tuple[FloatArray, FloatArray]]] = {}
    sizes = sizes_up_to(len(units))
    judged = []
    for number in (0, 1):
        here = np.flatnonzero(half == number)
        others = effects[effects["pair"].isin(table["pair"].to_numpy()[half != number])]
        if len(here) == 0 or (others.empty and len(words) > 1):
            continue
        judged.append(here)
        part = (network, clean[here], corrupted[here])
        for name, rows in (others if len(others) else effects).groupby("estimator", sort=False):
            shares = kept_and_lost(*part, ranked(units, rows))
            rankings.setdefault(str(name), []).append(shares)
        chance = [kept_and_lost(*part, random_order(units, seed + k)) for k in range(N_RANDOM)]
        kept, lost = (np.mean([each[k] for each in chance], axis=0) for k in (0, 1))
        rankings.setdefault(RANDOM, []).append((kept, lost))
    rows = table.iloc[np.concatenate(judged)]
    parts = []
    for ranking, halves in rankings.items():
        for k, measure in enumerate(("faithfulness", "completeness")):
            values = np.concatenate([each[k] for each in halves])
            found = over_clusters(mean_of(values), rows)
            columns = {"mean": found.value, "low": found.low, "high": found.high}
            about = {"ranking": ranking, "measure": measure, "reason": found.remark}
            parts.append(pd.DataFrame({"n_units": sizes, **columns, **about}))
    result = pd.concat(parts, ignore_index=True)
    return result.assign(n_pairs=len(rows), n_words=len(words))[list(CURVES)]


def edges_between(
    network: Network, clean: Tensor, corrupted: Tensor, units: Sequence[Unit]
) -> pd.DataFrame:
    """How much each channel of a circuit hangs on those before it.

    One channel takes its corrupted activation in the clean run; ``share`` is the part of another
    channel's difference between clean and corrupted word that goes with it, over all pairs and
    cells: 1 if it then does what it does for the corrupted word. Units of the first layer come
    first. Returns ``source_layer, source, target_layer, target, share``, later targets only.
    """
    order = list(dict.fromkeys(unit.layer for unit in units))
    before, other = (activations(network, order, images) for images in (clean, corrupted))
    rows = []
    for source in units:
        ((dim, mask),) = masks_of([source], [source]).values()
        changes = replacing(other, {source.layer: (dim, ~mask)})
        seen = activations(network, order, clean, changes)
        for target in units:
            if order.index(target.layer) > order.index(source.layer):
                cells = _cells(target).to(before[target.layer].device)
                change, whole = (
                    (before[target.layer] - each[target.layer]).movedim(target.dim, -1)[..., cells]
                    for each in (seen, other)
                )
                share = float((change * whole).sum() / (whole**2).sum())
                names = (source.layer, source.label, target.layer, target.label)
                rows.append((*names, share))
    columns = ["source_layer", "source", "target_layer", "target", "share"]
    return pd.DataFrame(rows, columns=columns)


def smallest(curves: pd.DataFrame, ranking: str) -> int:
    """Units from which on a ranking's circuits keep :data:`KEPT` of the decision."""
    rows = curves[(curves["ranking"] == ranking) & (curves["measure"] == "faithfulness")]
    fails = np.flatnonzero(~(rows["mean"] >= KEPT).to_numpy())
    after = fails[-1] + 1 if len(fails) else 0
    return int(rows["n_units"].iloc[min(after, len(rows) - 1)])


def means_over(
    network: Network, units: Sequence[Unit], images: Tensor, labels: NDArray[np.int64]
) -> tuple[dict[str, Tensor], dict[str, FloatArray]]:
    """What channels or senders do on average: per cell over tokens, and per token over cells.

    Both classes weigh the same, so that the average over tokens speaks for neither. The first are
    tensors as if for one image, the second have shape (n, n_channels), both by place.
    """
    device = next(network.parameters()).device
    weights = torch.from_numpy(1.0 / np.bincount(labels)[labels]).float()
    weights = (weights / weights.sum()).to(device)
    dims = {unit.reads: unit.dim or 2 for unit in units}
    fill = dict.fromkeys(dims, torch.zeros((), device=device))
    means: dict[str, list[FloatArray]] = {place: [] for place in dims}
    for part, weight in zip(images.split(BATCH), weights.split(BATCH), strict=True):
        for place, tensor in activations(network, dims, part).items():
            fill[place] = fill[place] + torch.tensordot(weight, tensor, dims=1)[None]
            by_channel = tensor.movedim(dims[place], 1)
            by_channel = by_channel.reshape(*by_channel.shape[:2], -1)
            means[place].append(by_channel.mean(dim=2).double().cpu().numpy())
    return fill, {place: np.concatenate(each) for place, each in means.items()}


def accuracy_table(
    network: Network,
    units: Sequence[Unit],
    circuits: Mapping[str, Sequence[Unit]],
    images: Tensor,
    fill: Mapping[str, Tensor],
    tokens: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Balanced accuracy of circuits alone, and of the network without them, on test sets.

    ``circuits`` are by ranking; units that do not work give ``fill`` of :func:`means_over`.
    Returns ``ranking, works, n_units, test_set, n, balanced_accuracy, low, high``; ``works`` is
    ``network``, ``circuit`` (alone) or ``rest`` (the network without it).
    """
    labels = _labels(tokens)
    runs = [(WHOLE, "network", list(units))]
    for ranking, circuit in circuits.items():
        rest = [unit for unit in units if unit not in circuit]
        runs += [(ranking, "circuit", list(circuit)), (ranking, "rest", rest)]
    rows = []
    for ranking, works, kept in runs:
        changes = without(fill, [unit for unit in units if unit not in kept], units)
        parts = [run_with(network, one, changes) for one in images.split(BATCH)]
        answers = np.concatenate(parts)
        for name, at in tokens.reset_index(drop=True).groupby("split").indices.items():
            of_set = tokens.iloc[at]
            found = evaluate(
                labels[at], answers[at], of_set["speaker"], of_set["word"], seed=seed
            ).metrics["balanced_accuracy"]
            limits = (found.value, found.low, found.high)
            rows.append((ranking, works, len(kept), name, len(at), *limits))
    columns = ("ranking", "works", "n_units", "test_set", "n", "balanced_accuracy", "low", "high")
    return pd.DataFrame(rows, columns=list(columns))


def _labels(tokens: pd.DataFrame) -> NDArray[np.int64]:
    return np.array([Stress(name).class_index for name in tokens["stress"]])


def circuit_tables(
    network: Network,
    pairs: Pairs,
    effects: pd.DataFrame,
    best: str,
    images: NDArray[np.float32],
    tokens: pd.DataFrame,
    cues: pd.DataFrame | None,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Circuits of a network, their accuracy, and what their channels hear.

    ``effects`` are those of the network's channels or edges in pairs that differ in stress or a
    cue; ``best`` is the estimator by whose ranking the circuit is taken; ``images``, of shape (n,
    n_bins, n_frames), are of the tokens on which accuracy is measured, ``cues`` from
    :func:`stressnet.patching.tuning.cue_values`. The tables are ``circuit``, ``circuit_units``,
    ``accuracy`` and, of channels, ``circuit_edges`` and ``tuning``.
    """
    kind = str(effects["kind"].iloc[0])
    places = [place for place, role in roles_of(network).items() if role != "residual"]
    units = edge_units(network) if kind == "edge" else channel_units(network, places)
    at = np.flatnonzero(pairs.table["pair"].isin(effects["pair"]))
    clean, corrupted = pairs.tensors(at)
    by_size = curves(network, clean, corrupted, units, effects, pairs.table.iloc[at], seed)
    orders = {str(name): ranked(units, rows) for name, rows in effects.groupby("estimator")}
    orders[RANDOM] = random_order(units, seed)
    n = smallest(by_size, best)
    sets = {name: order[:n] for name, order in orders.items()}
    inputs = torch.from_numpy(images)[:, None]
    fill, means = means_over(network, units, inputs, _labels(tokens))
    size = effects[effects["estimator"] == best].groupby(["layer", "unit"])["effect"].mean()
    members = pd.DataFrame([(u.layer, u.label) for u in sets[best]], columns=["layer", "unit"])
    members["effect"] = [size[layer, unit] for layer, unit in members.to_numpy().tolist()]
    tables = {
        "circuit": by_size,
        "circuit_units": members,
        "accuracy": accuracy_table(network, units, sets, inputs, fill, tokens, seed),
    }
    if kind == "channel" and cues is not None:
        strongest = members.groupby("layer").head(N_DRAWN)
        drawn = set(zip(strongest["layer"], strongest["unit"], strict=True))
        nodes = [unit for unit in units if (unit.layer, unit.label) in drawn]
        tables["circuit_edges"] = edges_between(network, clean[:BATCH], corrupted[:BATCH], nodes)
        known = cues.reindex(tokens["token_id"])
        tables["tuning"] = tuning_table(means, known, tokens["speaker"].to_numpy(), seed)
    return {name: table.assign(kind=kind) for name, table in tables.items()}
