"""Pairs, effects of units, how true they are, circuits, and what their channels hear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.images import Images
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, check_names
from stressnet.explain.composites import COMPOSITES
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.patching import circuits
from stressnet.patching import units as unit_kinds
from stressnet.patching.agreement import TRUTH, agreement_table, mean_effects
from stressnet.patching.estimate import ESTIMATORS, patch_effects
from stressnet.patching.pairs import (
    NULL,
    Pairs,
    manipulated_pairs,
    natural_pairs,
    synthetic_pairs,
)
from stressnet.patching.tuning import cue_values, tuning_table
from stressnet.report.patching_page import findings_table, write_page
from stressnet.runs import Problem, Result, RunFolder, Severity, Step, hash_file, read_table
from stressnet.runs.manifest import FILE_NAME
from stressnet.runs.tables import write_parquet
from stressnet.stages.manipulate.inputs import fingerprint_of
from stressnet.stages.manipulate.results import read_manipulation
from stressnet.stages.measure import MeasureConfig
from stressnet.stages.measure.run import TABLE as CUES
from stressnet.stages.measure.run import run as measure
from stressnet.stages.patch import PatchConfig

BANDS_HZ = ((0.0, 500.0), (500.0, 1500.0), (1500.0, 3000.0), (3000.0, 8000.0))
CHUNK = 8
"""Pairs that are patched together; what is finished is not repeated after an interruption."""


def run(
    config: PatchConfig, corpus: Corpus, networks: list[TrainedNetwork], folder: RunFolder
) -> Result:
    """Exchange activations between the words of pairs in each network.

    The result has ``pairs``, ``effects``, ``places``, ``agreement``, ``circuit``,
    ``circuit_units``, ``accuracy`` and ``tuning``, see ``docs/patching.md``; problems are pairs
    that could not be aligned.
    """
    check_names("estimator", config.estimators, dict.fromkeys((*ESTIMATORS, *COMPOSITES)))
    inputs = {"corpus": corpus.fingerprint, **{one.name: one.digest for one in networks}}
    if config.measured is not None:
        inputs["cues"] = fingerprint_of(config.measured, corpus)
    if config.stimuli is not None:
        inputs["stimuli"] = hash_file(config.stimuli / FILE_NAME)
    for one in networks:
        one.check_images(corpus.images(one.info.preset))
    config = replace(config, splits=config.splits or TEST_SPLITS)
    chosen = corpus.select(config.splits, config.max_tokens, config.seed)
    pairs: dict[str, Pairs] = {}
    with folder.progress.stage("pairs"):
        for one in networks:
            if one.info.preset not in pairs:
                pairs[one.info.preset] = _pairs(config, corpus, one.info.preset, folder)
    n = len(next(iter(pairs.values())))
    folder.begin(
        config,
        inputs=inputs,
        notes={"corpus": str(corpus.path), "models": {one.name: str(one.path) for one in networks}},
        steps=[Step("patch", n * len(networks), "pairs", 1.5)],
    )
    cues = _cues(config, corpus, folder) if "channel" in config.units else None
    tables: dict[str, list[pd.DataFrame]] = {}
    for number, one in enumerate(networks):
        preset = one.info.preset
        found = _network(config, one, pairs[preset], folder, number)
        if cues is not None:
            with folder.progress.stage(f"circuit of {one.name}"):
                known = (found["effects"], chosen.tokens, corpus.images(preset), cues)
                found |= _circuit(config, one, pairs[preset], *known)
        for name, table in found.items():
            tables.setdefault(name, []).append(table.assign(network=one.name))
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    with folder.progress.stage("agreement"):
        real = joined["effects"][joined["effects"]["cue"] != NULL]
        joined["agreement"] = agreement_table(real)
        joined["places"] = mean_effects(joined["effects"])
        joined["findings"] = findings_table(joined)
    for name, table in joined.items():
        folder.table(f"{name}.parquet" if name == "effects" else f"{name}.csv", table)
    folder.tree("figures/*")
    for name in ("index.html", "circuit.md"):
        folder.file(name)
    with folder.progress.stage("draw"):
        write_page(folder.path, corpus.name, config.direction, joined)
    counts = {"n_pairs": n, "n_networks": len(networks), "n_effects": len(joined["effects"])}
    return Result.of(folder, counts, **joined)


def _pairs(config: PatchConfig, corpus: Corpus, name: str, folder: RunFolder) -> Pairs:
    images = corpus.images(name)
    preset = SpectrogramPreset.from_dict(dict(images.preset))
    if config.stimuli is not None:
        stimuli = read_manipulation(config.stimuli)["stimuli"]
        return manipulated_pairs(stimuli, config.stimuli, preset, config.max_pairs, folder.problems)
    if config.pairs == "synthetic":
        return synthetic_pairs(preset, config.max_pairs, config.seed, folder.problems)
    tokens = corpus.select(("all",)).tokens
    return natural_pairs(
        tokens, images, corpus.path, config.max_pairs, config.seed, folder.problems
    )


def _network(
    config: PatchConfig,
    network: TrainedNetwork,
    pairs: Pairs,
    folder: RunFolder,
    number: int,
) -> dict[str, pd.DataFrame]:
    """Pairs as one network hears them, and effects of its units."""
    heard = {
        "clean": pairs.clean,
        "corrupted": pairs.corrupted,
        "clean_recorded": pairs.recorded[:, 0],
        "corrupted_recorded": pairs.recorded[:, 1],
    }
    answers = {name: logit_difference(network.logits(images)) for name, images in heard.items()}
    table = pairs.table.assign(**answers, difference=answers["clean"] - answers["corrupted"])
    is_null = (table["cue"] == NULL).to_numpy()
    enough = (table["difference"] >= config.min_difference).to_numpy() & ~is_null
    table["patched"] = enough | (is_null & (config.units != ("channel",)))
    if not enough.any():
        raise ConfigError(
            f"{network.path}: tells no pair apart by {config.min_difference:g} in its logit "
            "difference; lower --min-difference"
        )
    rows = np.flatnonzero(table["patched"])
    tasks = [
        (f"{null:d}-{start}", _Block(config, network, pairs, part[start : start + CHUNK], null))
        for null in (False, True)
        for part in (rows[is_null[rows] == null],)
        for start in range(0, len(part), CHUNK)
    ]
    parts = []
    for key, unscaled in folder.chunks(
        f"patch-{number}",
        ((key, (block, folder.state / f"effects-{number}-{key}.parquet")) for key, block in tasks),
        _patch,
        total=len(rows),
        unit="pair",
        n_items=lambda task: len(task[0].rows),
        here=True,
    ):
        parts.append(pd.read_parquet(folder.state / f"effects-{number}-{key}.parquet"))
        for pair, reason in unscaled:
            table.loc[table["pair"] == pair, "patched"] = False
            item = f"{network.name}, pair {pair}"
            folder.problems.append(Problem(item, "patch", Severity.WARNING, reason))
    about = table[["pair", "word", "speaker", "cue", "difference"]]
    return {"pairs": table, "effects": pd.concat(parts, ignore_index=True).merge(about, on="pair")}


@dataclass(frozen=True)
class _Block:
    config: PatchConfig
    network: TrainedNetwork
    pairs: Pairs
    rows: NDArray[np.intp]
    is_null: bool


def _patch(task: tuple[_Block, Path]) -> list[tuple[int, str]]:
    """Write the effects in some pairs; the pairs that have no scale, each with the reason."""
    block, file = task
    config, model, pairs = block.config, block.network.model, block.pairs
    parts = [pairs.parts[row] for row in block.rows]
    makers: dict[str, Callable[[], Any]] = {
        "channel": lambda: unit_kinds.channel_units(model),
        "layer": lambda: unit_kinds.layer_units(model),
        "time": lambda: unit_kinds.time_units(model, pairs.axes, parts),
        "band": lambda: unit_kinds.band_units(model, pairs.axes, BANDS_HZ),
        "head": lambda: unit_kinds.head_units(model),
        "position": lambda: unit_kinds.position_units(model, pairs.axes),
    }
    kinds = [kind for kind in config.units if kind != "channel" or not block.is_null]
    units = [unit for kind in kinds for unit in makers[kind]()]
    clean, corrupted = (
        torch.from_numpy(each[block.rows])[:, None] for each in (pairs.clean, pairs.corrupted)
    )
    direction: Any = config.direction
    effects = patch_effects(model, clean, corrupted, units, config.estimators, direction)
    effects["pair"] = pairs.table["pair"].to_numpy()[block.rows][effects["pair"]]
    failed = effects[effects["unit"] == ""].drop_duplicates("pair")
    # What is left out beside them are units without a cell in this pair: they have no effect.
    write_parquet(effects[effects["failure"] == ""].drop(columns="failure"), file)
    return list(zip(failed["pair"].tolist(), failed["failure"].tolist(), strict=True))


def _circuit(
    config: PatchConfig,
    network: TrainedNetwork,
    pairs: Pairs,
    effects: pd.DataFrame,
    tokens: pd.DataFrame,
    images: Images,
    cues: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Circuits of one network, their accuracy, and what their channels hear."""
    model = network.model
    roles = unit_kinds.roles_of(model)
    places = [place for place, role in roles.items() if role != "residual"]
    units = unit_kinds.channel_units(model, places)
    real = effects[(effects["kind"] == "channel") & (effects["cue"] != NULL)]
    at = np.flatnonzero(pairs.table["pair"].isin(real["pair"]))
    clean, corrupted = (torch.from_numpy(x[at])[:, None] for x in (pairs.clean, pairs.corrupted))
    curves = circuits.curves(
        model, clean, corrupted, units, real, pairs.table.iloc[at], config.seed
    )
    orders = {str(name): circuits.ranked(units, rows) for name, rows in real.groupby("estimator")}
    orders[circuits.RANDOM] = circuits.random_order(units, config.seed)
    best = TRUTH if TRUTH in orders else config.estimators[0]
    n = circuits.smallest(curves, best)
    labels = np.array([Stress(name).class_index for name in tokens["stress"]])
    values = torch.from_numpy(np.stack([images.values[k] for k in tokens["image"]]))[:, None]
    fill, means = circuits.means_over(model, units, values, labels)
    sets = {name: order[:n] for name, order in orders.items()}
    accuracy = circuits.accuracy_table(model, units, sets, values, fill, tokens, config.seed)
    tuning = tuning_table(
        means, cues.reindex(tokens["token_id"]), tokens["speaker"].to_numpy(), config.seed
    )
    size = real[real["estimator"] == best].groupby(["layer", "unit"])["effect"].mean()
    names = [(unit.layer, unit.label) for unit in sets[best]]
    members = pd.DataFrame(names, columns=["layer", "unit"])
    members["effect"] = [size[name] for name in names]
    strongest = members.groupby("layer").head(circuits.N_DRAWN)
    drawn = set(zip(strongest["layer"], strongest["unit"], strict=True))
    nodes = [unit for unit in units if (unit.layer, unit.label) in drawn]
    some = slice(circuits.BATCH)
    edges = circuits.edges_between(model, clean[some], corrupted[some], nodes)
    return {
        "circuit": curves,
        "circuit_units": members,
        "circuit_edges": edges,
        "accuracy": accuracy,
        "tuning": tuning,
    }


def _cues(config: PatchConfig, corpus: Corpus, folder: RunFolder) -> pd.DataFrame:
    """Cues of the corpus, measured into the output folder unless they are there."""
    path = config.measured
    if path is None:
        with folder.folder("cues", "cues") as child:
            path = measure(MeasureConfig(), corpus, child).path
    return cue_values(read_table(path / CUES))
