"""Units of tokens removed one by one and in lists, and what that says over words and speakers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from stressnet.corpus.mean_spectrum import bin_statistics
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import ConfigError, CorpusError, check_names
from stressnet.explain import COMPOSITES
from stressnet.explain.faithfulness.attributions import fill_of
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions.from_corpus import SceneReader
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.decisive import DecisiveConfig
from stressnet.stages.decisive.tables import lists_table, units_table, words_table
from stressnet.stages.decisive.text import decisive_page
from stressnet.stages.decisive.units import CUES, PHONES, Subject, measure, units_of
from stressnet.training.calibration import temperature_of

UNITS, LISTS = "units.parquet", "lists.parquet"


def run(
    config: DecisiveConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder
) -> Result:
    """Rank the units of tokens; the result has ``units``, ``lists``, ``corpus`` and ``words``."""
    config = _checked(config, network)
    images = corpus.images(network.info.preset)
    network.check_images(images)
    chosen = corpus.select(config.splits, config.max_tokens, config.seed)
    folder.begin(
        config,
        {"corpus": corpus, "model": network},
        notes={"preset": network.info.preset, "min_tokens": config.min_tokens},
        steps=[Step("decide", len(chosen), seconds_each=2.0)],
    )
    units, lists = _measured(config, corpus, network, chosen, folder)
    with folder.progress.stage("summarise"):
        tables = {
            "corpus": units_table(units),
            "words": words_table(units),
            "sizes": lists_table(lists),
        }
        folder.table(UNITS, units)
        folder.table(LISTS, lists)
        for name, table in tables.items():
            folder.table(f"{name}.csv", table, float_format="%.6g")
    counts = {
        "n_tokens": int(units["token_id"].nunique()),
        "n_words": int(units["family"].nunique()),
        "n_speakers": int(units["speaker"].nunique()),
        "network": network.name,
    }
    decisive_page(tables, counts, config).write(folder.file("index.html"))
    return Result.of(folder, counts, units=units, lists=lists, **tables)


def _checked(config: DecisiveConfig, network: TrainedNetwork) -> DecisiveConfig:
    composite = config.composite or network.info.composite
    check_names("composite", [composite], COMPOSITES)
    if len(set(config.baselines)) < len(config.baselines) or not config.baselines:
        raise ConfigError("--baseline: give at least one, and each once")
    splits = config.splits or TEST_SPLITS
    return replace(config, composite=composite, splits=splits)


def _measured(
    config: DecisiveConfig,
    corpus: Corpus,
    network: TrainedNetwork,
    chosen: Selection,
    folder: RunFolder,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per token, unit and baseline, and one per token and list."""
    images = corpus.images(network.info.preset)
    readers = [SceneReader(corpus, one["name"]) for one in network.info.presets]
    statistics = np.concatenate(
        [bin_statistics(corpus, one.images, chosen.tokens, config.seed) for one in readers], axis=1
    )
    mean, sd = torch.from_numpy(statistics)[:, :, None]
    temperature = temperature_of(network)

    def decide(token_id: str) -> list[list[dict[str, Any]]]:
        row = readers[0].image_index(token_id)
        image = torch.from_numpy(np.array(images.values[row], dtype=np.float32))[None, None]
        fill = fill_of(image, str(network.info.presets[0]["padding"]))
        values = {"fill": fill, "mean": mean, "sd": sd}
        subject = Subject(network, token_id, image, temperature, config.seed, values)
        scenes = [reader.scene(token_id, surroundings=False) for reader in readers]
        units = units_of(scenes, corpus.phone_parts(token_id))
        relevance = subject.relevance(str(config.composite))
        found: list[list[dict[str, Any]]] = [[], []]
        for kind in (PHONES, CUES):
            own = [unit for unit in units if unit.kind == kind]
            if len(own) > 1:
                measured = measure(subject, own, relevance, config.baselines, config.n_random)
                for rows, more in zip(found, measured, strict=True):
                    rows += [one | {"said_initial": subject.sign > 0} for one in more]
        return found

    ids = chosen.tokens["token_id"].tolist()
    known = chosen.tokens[["token_id", "word", "family", "speaker", "stress"]]
    tables: list[list[dict[str, Any]]] = [[], []]
    for token_id, found in folder.chunks(
        "decide", ((one, one) for one in ids), decide, total=len(ids), here=True
    ):
        for rows, more in zip(tables, found, strict=True):
            rows += [{"token_id": token_id} | one for one in more]
    if not tables[0]:
        raise CorpusError(f"{corpus.path}: no token has two phones in its image")
    units, lists = (known.merge(pd.DataFrame(rows), on="token_id") for rows in tables)
    return units, lists
