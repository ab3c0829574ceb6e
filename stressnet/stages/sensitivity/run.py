"""One sample of tokens, explained and projected under every combination of choices.

The choices that no analysis can avoid are the width of formant bands, the rules of relevance
propagation, the spectrogram preset with its window, and the network itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.mean_spectrum import mean_spectrum
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, check_names
from stressnet.evaluation.heard import with_splits_of
from stressnet.explain import COMPOSITES
from stressnet.explain.composites import suited
from stressnet.explain.map_file import MapRequest, compute_maps
from stressnet.explain.reference import REFERENCED
from stressnet.lexicon.stress import Stress
from stressnet.models.checkpoint import TrainedNetwork, load_networks
from stressnet.regions import BandRule, get_regions
from stressnet.regions.project_bands import BandProjection, project_bands
from stressnet.regions.project_corpus import draw_donors
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.sensitivity import (
    DEFAULT_BANDS,
    DEFAULT_COMPOSITES,
    DEFAULT_REGIONS,
    SensitivityConfig,
)
from stressnet.statistics.summary import summarise_settings

TABLE = "sensitivity.csv"
SETTING_COLUMNS = (
    *("model", "architecture", "preset", "window_s", "hop_s", "resolution_hz"),
    *("composite", "bands"),
)
"""Columns that name a row's setting."""


def run(
    config: SensitivityConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder
) -> Result:
    """Explain and project a sample of tokens under every combination of choices."""
    networks = {one.name: one for one in load_networks(config.models, network.device, network)}
    config = _checked(config, list(networks.values()))
    chosen = with_splits_of(corpus, list(networks.values())).select(
        config.splits, config.max_tokens, config.seed
    )
    for one in networks.values():
        one.check_images(corpus.images(one.info.preset))
    n_maps = len(chosen) * len(networks) * len(config.composites)
    folder.begin(
        config,
        {"corpus": corpus, **{f"model {name}": one for name, one in networks.items()}},
        steps=[Step("explain", n_maps, "maps", 0.02), Step("project", n_maps, "maps", 0.1)],
    )

    ids, (donors, _) = chosen.tokens["token_id"].tolist(), draw_donors(chosen.tokens, config.seed)
    parts: list[pd.DataFrame] = []
    for name, one in networks.items():
        images = corpus.images(one.info.preset)
        for composite in config.composites:
            has_reference = composite in REFERENCED
            request = MapRequest(
                chosen.image_index,
                composite,
                "logit-difference",
                Stress.INITIAL.class_index,
                mean_spectrum(corpus, images, chosen.tokens) if has_reference else None,
            )
            step = f"{name} {composite}"
            maps = folder.state / f"{name}-{composite}.npy"
            with (
                folder.journal(f"{name}-{composite}") as journal,
                folder.progress.stage(step, len(chosen), "token") as bar,
            ):
                compute_maps(maps, one.model, images, request, journal, bar)
            what = BandProjection(corpus.path, one.info.preset, maps, config.bands, config.regions)
            for table, lost in project_bands(what, ids, donors, folder):
                if table is not None:
                    parts.append(table.assign(model=name, composite=composite))
                folder.problems += [replace(problem, stage=step) for problem in lost]
    if not parts:
        raise ConfigError(f"{folder.path}: no token could be projected")
    with folder.progress.stage("summarise"):
        known = chosen.tokens[["token_id", "word", "family", "speaker", "stress"]]
        measured = pd.concat(parts, ignore_index=True).merge(known, on="token_id")
        first = (network.name, config.composites[0], config.bands[0])
        table = summarise_settings(measured, first)
        described = pd.DataFrame([_described(one, corpus) for one in networks.values()])
        table = table.merge(described, on="model", how="left")
        rest = [column for column in table.columns if column not in SETTING_COLUMNS]
        table = table[[*SETTING_COLUMNS, *rest]]
        folder.table(TABLE, table)
    return Result.of(folder, {"n_tokens": len(chosen)}, table=table)


def _checked(config: SensitivityConfig, networks: Sequence[TrainedNetwork]) -> SensitivityConfig:
    """The config with every name checked, and what is left open filled in."""
    check_names("composite", config.composites, (*COMPOSITES, *REFERENCED))
    usual: tuple[str, ...] = DEFAULT_COMPOSITES
    for one in networks:
        usual = suited(usual, one.info.composite)
    config = replace(
        config,
        composites=config.composites or usual,
        bands=tuple(str(BandRule.parse(text)) for text in config.bands or DEFAULT_BANDS),
        regions=config.regions or DEFAULT_REGIONS,
        splits=config.splits or TEST_SPLITS,
    )
    get_regions(config.regions)
    chosen = {"band rule": config.bands, "region": config.regions, "composite": config.composites}
    for what, values in chosen.items():
        doubled = sorted({value for value in values if values.count(value) > 1})
        if doubled:
            raise ConfigError(f"{what} {', '.join(doubled)} is given twice")
    return config


def _described(network: TrainedNetwork, corpus: Corpus) -> dict[str, Any]:
    """What the table says of a network."""
    info = network.info
    preset = SpectrogramPreset.from_dict(corpus.images(info.preset).preset)
    return {
        "model": network.name,
        "architecture": info.architecture,
        "preset": info.preset,
        "window_s": preset.window_s,
        "hop_s": preset.hop_s,
        "resolution_hz": round(preset.resolution_hz, 2),
    }
