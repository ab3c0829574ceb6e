"""Pairs, effects of units, how true they are, circuits, and what their channels hear."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import check_names
from stressnet.evaluation.heard import trained_on, with_splits_of
from stressnet.explain.composites import COMPOSITES
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.patching.agreement import TRUTH, agreement_table, mean_effects
from stressnet.patching.circuits import CIRCUIT_KINDS, circuit_tables
from stressnet.patching.edges import edge_units
from stressnet.patching.estimate import ESTIMATORS
from stressnet.patching.pairs import NULL, Pairs, manipulated_pairs, natural_pairs, synthetic_pairs
from stressnet.patching.tuning import cue_values
from stressnet.report.patching_page import findings_table, write_page
from stressnet.runs import Result, RunFolder, Step, read_table
from stressnet.runs.problems import warnings_about
from stressnet.stages.manipulate.inputs import fingerprint_of
from stressnet.stages.manipulate.results import read_manipulation
from stressnet.stages.measure.run import TABLE as CUES
from stressnet.stages.measure.run import measured
from stressnet.stages.patch import PatchConfig
from stressnet.stages.patch.effects import effects_of


def run(
    config: PatchConfig, corpus: Corpus, networks: list[TrainedNetwork], folder: RunFolder
) -> Result:
    """Exchange activations between the words of pairs in each network."""
    check_names("estimator", config.estimators, dict.fromkeys((*ESTIMATORS, *COMPOSITES)))
    reads: dict[str, Any] = {"corpus": corpus, **{one.name: one for one in networks}}
    if config.stimuli is not None:
        reads["stimuli"] = config.stimuli
    inputs = {"cues": fingerprint_of(config.measured, corpus)} if config.measured else {}
    for one in networks:
        one.check_classes(corpus)
        one.check_images(corpus.images(one.info.preset))
        if "edge" in config.units:
            edge_units(one.model)  # refuses networks without any
    config = replace(config, splits=config.splits or TEST_SPLITS)
    pairs: dict[str, Pairs] = {}
    with folder.progress.stage("pairs"):
        for one in networks:
            if one.info.preset not in pairs:
                pairs[one.info.preset] = _pairs(config, corpus, one.info.preset, folder)
    n = len(next(iter(pairs.values())))
    folder.begin(
        config, reads, inputs=inputs, steps=[Step("patch", n * len(networks), "pairs", 1.5)]
    )
    cues = None
    if "channel" in config.units:
        cues = cue_values(read_table((config.measured or measured(corpus, folder)) / CUES))
    tables: dict[str, list[pd.DataFrame]] = {}
    for number, one in enumerate(networks):
        preset = one.info.preset
        made = effects_of(config, one, pairs[preset], folder, number)
        made["pairs"]["trained_on"] = _trained_on(one, corpus, made["pairs"], folder)
        own = with_splits_of(corpus, [one])
        tokens = own.select(config.splits, config.max_tokens, config.seed).tokens
        for name, table in made.items():
            tables.setdefault(name, []).append(table.assign(network=one.name))
        for kind in (kind for kind in CIRCUIT_KINDS if kind in config.units):
            with folder.progress.stage(f"circuit of {one.name}, {kind}s"):
                of_kind = made["effects"].query("kind == @kind and cue != @NULL")
                best = TRUTH if TRUTH in config.estimators else config.estimators[0]
                images = corpus.images(preset).values
                values = np.stack([images[k] for k in tokens["image"]])
                circuit = circuit_tables(
                    one.model, pairs[preset], of_kind, best, values, tokens, cues, config.seed
                )
            for name, table in circuit.items():
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
        write_page(folder.path, corpus, config.direction, joined)
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


def _trained_on(
    network: TrainedNetwork, corpus: Corpus, pairs: pd.DataFrame, folder: RunFolder
) -> pd.Series:
    """Which pairs hold a token that the network was trained on; that there are some is told."""
    heard = trained_on(network, corpus)
    known = pairs["clean_id"].isin(heard) | pairs["corrupted_id"].isin(heard)
    if known.any():
        text = (
            f"{known.sum()} of {len(known)} pairs hold a token that {network.name} was trained on, "
            f"see 'trained_on' in pairs.csv"
        )
        folder.problems += warnings_about(network.name, "patch", [text])
    return known


def patched_text(result: Result) -> str:
    """What was found about each network."""
    groups = result.tables["findings"].groupby("network", sort=False)["finding"]
    return "\n\n".join("\n  ".join([f"{name}:", *facts]) for name, facts in groups)
