"""Units of tokens removed one by one and in lists, and what that says over words and speakers."""

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import ConfigError, CorpusError, check_names
from stressnet.evaluation.heard import with_splits_of
from stressnet.explain import COMPOSITES, explain_batch
from stressnet.explain.faithfulness import fill_with, local_mean
from stressnet.explain.faithfulness.attributions import fill_of
from stressnet.lexicon.stress import logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions.from_corpus import SceneReader
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.decisive import DecisiveConfig
from stressnet.stages.decisive.tables import decisive_text, lists_table, units_table, words_table
from stressnet.stages.decisive.units import CUES, PHONES, measure, units_of
from stressnet.training.calibration import calibration_of


def run(
    config: DecisiveConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder
) -> Result:
    """Rank the units of tokens; the result has ``units``, ``lists``, ``corpus``, ``words`` and
    ``sizes``; see ``docs/decisive.md``."""
    composite = config.composite or network.info.composite
    check_names("composite", [composite], COMPOSITES)
    if not config.baselines or len(set(config.baselines)) < len(config.baselines):
        raise ConfigError("--baseline: give at least one, and each once")
    config = replace(config, composite=composite, splits=config.splits or TEST_SPLITS)
    network.check_images(corpus.images(network.info.preset))
    chosen = with_splits_of(corpus, [network]).select(config.splits, config.max_tokens, config.seed)
    steps = [Step("decide", len(chosen), seconds_each=2.0)]
    folder.begin(config, {"corpus": corpus, "model": network}, steps=steps)
    units, lists = _measured(config, corpus, network, chosen, folder)
    tables = {
        "corpus": units_table(units),
        "words": words_table(units),
        "sizes": lists_table(lists),
    }
    folder.table("units.parquet", units)
    folder.table("lists.parquet", lists)
    for name, table in tables.items():
        folder.table(f"{name}.csv", table, float_format="%.6g")
    text = decisive_text(tables, config.baselines[0], config.min_tokens)
    folder.file("decisive.txt").write_text(text + "\n", encoding="utf-8")
    counts = {name: int(units[name].nunique()) for name in ("token_id", "family", "speaker")}
    return Result.of(folder, counts, text=text, units=units, lists=lists, **tables)


def _measured(
    config: DecisiveConfig,
    corpus: Corpus,
    network: TrainedNetwork,
    chosen: Selection,
    folder: RunFolder,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per token, unit and baseline, and one per token, list and baseline."""
    images = corpus.images(network.info.preset).values
    readers = [SceneReader(corpus, one["name"]) for one in network.info.presets]
    padding, calibration = str(readers[0].images.preset["padding"]), calibration_of(network)

    def decide(token_id: str) -> list[list[dict[str, Any]]]:
        picture = np.array(images[readers[0].image_index(token_id)], dtype=np.float32)
        image = torch.from_numpy(picture)[None, None]
        scenes = [reader.scene(token_id, surroundings=False) for reader in readers]
        units = units_of(scenes, corpus.phone_parts(token_id))
        explained = explain_batch(network.model, image.to(network.device), str(config.composite))
        sign = 1.0 if float(explained.output[0]) >= calibration.threshold else -1.0
        filled = {"local": local_mean, "fill": fill_with(fill_of(image, padding))}
        rng = np.random.default_rng([config.seed, zlib.crc32(token_id.encode())])
        tables: list[list[dict[str, Any]]] = [[], []]
        for kind in (PHONES, CUES):
            own = [unit for unit in units if unit.kind == kind]
            random = [rng.permutation(len(own)) for _ in range(config.n_random)]
            for name in config.baselines if len(own) > 1 else ():

                def without(removed: list[Tensor], name: str = name) -> NDArray[np.float64]:
                    masks = torch.stack(removed)[:, None]
                    altered = filled[name](image.expand(len(masks), -1, -1, -1), masks)
                    answers = logit_difference(network.logits(altered[:, 0].numpy()))
                    return sign * (answers - calibration.threshold)

                relevance = sign * explained.relevance[0, 0]
                found = measure(without, own, relevance, random, calibration.temperature)
                for table, rows in zip(tables, found, strict=True):
                    table += [{"token_id": token_id, "baseline": name, **row} for row in rows]
        return tables

    ids = chosen.tokens["token_id"].tolist()
    tasks = ((one, one) for one in ids)
    chunks = folder.chunks("decide", tasks, decide, total=len(ids), here=True)
    found = [tables for _, tables in chunks]
    known = chosen.tokens[["token_id", "word", "family", "speaker", "stress"]]
    units, lists = (pd.DataFrame([r for t in found for r in t[k]]) for k in (0, 1))
    if units.empty:
        raise CorpusError(f"{corpus.path}: no token has two phones in its image")
    return known.merge(units, on="token_id"), known.merge(lists, on="token_id")
