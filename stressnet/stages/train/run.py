"""One network, or several with other seeds and folds: fitted, tested on every test set, saved."""

import sys
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.lexicon.contrast import Contrast
from stressnet.models.checkpoint import INFO_NAME, WEIGHTS_NAME, TrainedNetwork, pick_device
from stressnet.runs import Progress, Result, RunFolder, Step
from stressnet.stages.train import TrainOptions
from stressnet.training.calibration import FILE_NAME, calibrate, save_calibration
from stressnet.training.corpus_data import (
    Fold,
    add_token_columns,
    recordings_of,
    sounds_of,
    splits_of_fold,
    stress_data,
    with_deviations,
)
from stressnet.training.data import TRAIN, VALID, predictions_table
from stressnet.training.distributed import World, join_world
from stressnet.training.fit import STATE_NAME, Origin, Watch, train
from stressnet.training.image_changes import needs_deviations
from stressnet.training.metrics import evaluate_splits
from stressnet.training.recipes import TrainConfig
from stressnet.training.state import HISTORY_NAME
from stressnet.training.trained import read_trained, summarise, within


def run(config: TrainOptions, corpus: Corpus, folder: RunFolder) -> Result:
    """Train, test and save a network, or one for each seed and fold."""
    with join_world(pick_device(folder.work.device)) as world:
        if config.kind == "model":
            return train_one(config, corpus, folder, world)
        return _train_several(config, corpus, folder, world)


def train_one(
    config: TrainOptions, corpus: Corpus, folder: RunFolder, world: World, fold: Fold | None = None
) -> Result:
    """Train, test and save one network."""
    training, preset = config.training(), config.preset_name
    data = stress_data(
        corpus, preset, fold, longer_words=training.longer_words, all_tokens=config.all_tokens
    )
    images = corpus.images(preset)
    is_done = world.is_first and folder.begin(
        _parameters(config, corpus, fold),
        {"corpus": corpus},
        steps=[Step("train", training.max_epochs, "epochs", 0.01 * len(data))],
    )
    if world.agree(is_done):
        return read_trained(folder.path)
    progress = folder.progress if world.is_first else Progress(verbose=False)
    if world.is_first:
        for name in (WEIGHTS_NAME, INFO_NAME, HISTORY_NAME, STATE_NAME):
            folder.file(name, optional=name == STATE_NAME)
        if config.tensorboard:
            folder.tree("tensorboard/**")
    if needs_deviations(training, SpectrogramPreset.from_dict(images.preset)):
        data = with_deviations(data, corpus, preset, progress)
    trained_on = data.token_ids[data.rows(TRAIN)]
    origin = Origin(
        preset,
        images.preset,
        corpus.fingerprint,
        fold=None if fold is None else asdict(fold),
        validated=not config.all_tokens,
        recordings=recordings_of(corpus, trained_on),
        sounds=sounds_of(corpus, trained_on),
        language=corpus.language,
        lengths=corpus.lengths,
    )
    watch = Watch(progress.verbose and sys.stderr.isatty(), config.tensorboard)
    place = (folder.path, origin)
    with progress.stage("train"):
        result = train(
            config.architecture, data, training, *place, resume=True, watch=watch, world=world
        )
    if world.is_first:
        if not config.all_tokens:
            with progress.stage("test"):
                table = predictions_table(result.model, data, [VALID, *TEST_SPLITS])
                table = add_token_columns(table, corpus)
                folder.table("predictions.parquet", table)
                if corpus.contrast.is_pair:
                    _calibrate(table[table["split"] == VALID], corpus.contrast, training, folder)
                folder.table(
                    "metrics.csv", evaluate_splits(table, corpus.contrast, seed=config.seed)
                )
        folder.finish({"ended": result.ended, "best_epoch": result.best_epoch})
    world.wait()
    return read_trained(folder.path)


def _calibrate(
    valid: pd.DataFrame, contrast: Contrast, recipe: TrainConfig, folder: RunFolder
) -> None:
    """Write threshold and temperature, if the validation tokens are of both classes."""
    labels = contrast.indices_in(valid.rename(columns={contrast.true: contrast.column}))
    if len(set(labels)) < len(contrast.classes):
        return
    first, second = (valid[f"logit_{key}"].to_numpy(np.float64) for key in contrast.keys)
    digest = TrainedNetwork.of_disyllables(folder.path).digest
    balanced = recipe.class_balance != "none"
    found = calibrate(labels, first - second, balanced=balanced, weights_sha256=digest)
    folder.file(FILE_NAME)
    save_calibration(folder.path, found)


def _parameters(config: TrainOptions, corpus: Corpus, fold: Fold | None = None) -> dict[str, Any]:
    """What decides a network, besides the corpus."""
    return {
        "corpus_name": corpus.name,
        "architecture": config.architecture,
        "preset": config.preset_name,
        "training": config.training().to_dict(),
        "seed": config.seed,
        **({} if fold is None else {"fold": asdict(fold)}),
        **({"all_tokens": True} if config.all_tokens else {}),
    }


def _train_several(config: TrainOptions, corpus: Corpus, folder: RunFolder, world: World) -> Result:
    """Train a network with several seeds, on several folds, or both; finished ones are kept."""
    seeds = range(config.seed, config.seed + (config.seeds or 1))
    folds: list[Fold | None] = [None]
    if config.folds is not None:
        folds = [Fold(k, config.folds, config.seed) for k in range(1, config.folds + 1)]
        for one in filter(None, folds):  # too few speakers or words are told before any training
            splits_of_fold(corpus.tokens, one, corpus.contrast)
    n_networks = len(folds) * len(seeds)
    if world.is_first:
        folder.begin(
            _parameters(config, corpus) | {"seeds": list(seeds), "n_folds": config.folds},
            {"corpus": corpus},
            steps=[Step("train", n_networks, "networks", 180.0)],
        )
    world.wait()
    models: dict[tuple[Fold | None, int], Result] = {}
    for fold in folds:
        for seed in seeds:
            name, own = within(fold, f"seed-{seed}"), replace(config, seed=seed)
            if world.is_first:
                folder.progress.say(f"{name} ({len(models) + 1} of {n_networks})")
            with folder.folder(name, "model", writes=world.is_first) as child:
                models[fold, seed] = train_one(own, corpus, child, world, fold)
    summary = summarise(models, config.seed, folder if world.is_first else None, corpus.contrast)
    manifest = folder.finish({"n_models": len(models)}) if world.is_first else {}
    world.wait()
    tables = {"models": tuple(models.values()), "summary": summary}
    return Result(path=folder.path, manifest=manifest, tables=tables)
