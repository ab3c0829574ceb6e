"""One network, or several with other seeds and folds: fitted, tested on every test set, saved.

Several are laid out as::

    seed-0/, seed-1/, ...            checkpoints (within fold-1/, fold-2/, ... with folds)
    ensemble/predictions.parquet     logits averaged over seeds
    ensemble/metrics.csv             the same figures and intervals as of a single network
    summary.csv                      figures over seeds, and the ensemble's
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import Any

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.models.checkpoint import INFO_NAME, WEIGHTS_NAME, pick_device
from stressnet.models.registry import get_spec
from stressnet.runs import Progress, Result, RunFolder, Step
from stressnet.stages.train import TrainOptions
from stressnet.training.corpus_data import (
    Fold,
    add_token_columns,
    recordings_of,
    sounds_of,
    splits_of_fold,
    stress_data,
    with_deviations,
)
from stressnet.training.data import TRAIN, StressData
from stressnet.training.distributed import World, join_world
from stressnet.training.fit import STATE_NAME, Origin, TrainResult, Watch, train
from stressnet.training.image_domain import needs_deviations
from stressnet.training.metrics import evaluate_splits
from stressnet.training.predict import predictions_table
from stressnet.training.state import HISTORY_NAME
from stressnet.training.trained import read_trained, summarise, within


def run(config: TrainOptions, corpus: Corpus, folder: RunFolder) -> Result:
    """Train, test and save a network, or one for each seed and fold.

    The result of one has ``metrics``, that of several ``models``, in the order of folds and seeds,
    and ``summary``; see :mod:`stressnet.training.trained`.

    Under torchrun every process calls this with the same arguments; the first one writes.
    """
    with join_world(pick_device(folder.work.device)) as world:
        if config.kind == "model":
            return train_one(config, corpus, folder, world)
        return _train_several(config, corpus, folder, world)


def train_one(
    config: TrainOptions,
    corpus: Corpus,
    folder: RunFolder,
    world: World,
    fold: Fold | None = None,
) -> Result:
    """Train, test and save one network."""
    training = config.training()
    preset = config.preset or get_spec(config.architecture).preset
    data = stress_data(
        corpus, preset, fold, longer_words=training.longer_words, all_tokens=config.all_tokens
    )
    images = corpus.images(preset)
    is_done = world.is_first and folder.begin(
        _parameters(config, corpus, preset, fold),
        inputs={"corpus": corpus.fingerprint},
        notes={"corpus": str(corpus.path)},
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
    with progress.stage("train"):
        result = train(
            config.architecture,
            data,
            training,
            folder.path,
            Origin(
                preset,
                images.preset,
                corpus.fingerprint,
                fold=None if fold is None else asdict(fold),
                validated=not config.all_tokens,
                recordings=recordings_of(corpus, trained_on),
                sounds=sounds_of(corpus, trained_on),
                language=corpus.language,
            ),
            resume=True,
            watch=Watch(progress.verbose and sys.stderr.isatty(), config.tensorboard),
            world=world,
        )
    if world.is_first:
        if not config.all_tokens:
            with progress.stage("test"):
                _test(folder, corpus, data, result, config.seed)
        folder.finish({"ended": result.ended, "best_epoch": result.best_epoch})
    world.wait()
    return read_trained(folder.path)


def _parameters(
    config: TrainOptions, corpus: Corpus, preset: str, fold: Fold | None
) -> dict[str, Any]:
    """What decides a network, besides the corpus."""
    parameters = {
        "corpus_name": corpus.name,
        "architecture": config.architecture,
        "preset": preset,
        "training": config.training().to_dict(),
        "seed": config.seed,
    }
    if fold is not None:
        parameters["fold"] = asdict(fold)
    if config.all_tokens:
        parameters["all_tokens"] = True
    return parameters


def _test(
    folder: RunFolder, corpus: Corpus, data: StressData, result: TrainResult, seed: int
) -> None:
    """Write predictions and metrics of every test set."""
    table = predictions_table(result.model, data, ["valid", *TEST_SPLITS])
    table = add_token_columns(table, corpus)
    folder.table("predictions.parquet", table)
    folder.table("metrics.csv", evaluate_splits(table, seed=seed))


# -- several networks ------------------------------------------------------------------------------


def _train_several(config: TrainOptions, corpus: Corpus, folder: RunFolder, world: World) -> Result:
    """Train a network with several seeds, on several folds, or both; finished ones are kept."""
    preset = config.preset or get_spec(config.architecture).preset
    seeds = range(config.seed, config.seed + (config.seeds or 1))
    folds: list[Fold | None] = [None]
    if config.folds is not None:
        folds = [Fold(k, config.folds, config.seed) for k in range(1, config.folds + 1)]
    for fold in folds:
        if fold is not None:
            splits_of_fold(corpus.tokens, fold)
    parameters = _parameters(config, corpus, preset, None)
    parameters |= {"seeds": list(seeds), "n_folds": config.folds}
    if world.is_first:
        folder.begin(
            parameters,
            inputs={"corpus": corpus.fingerprint},
            notes={"corpus": str(corpus.path)},
            steps=[Step("train", len(folds) * len(seeds), "networks", 180.0)],
        )
    world.wait()
    models: dict[tuple[Fold | None, int], Result] = {}
    for fold in folds:
        for seed in seeds:
            name = within(fold, f"seed-{seed}")
            if world.is_first:
                folder.progress.say(f"{name} ({len(models) + 1} of {len(folds) * len(seeds)})")
            with folder.folder(name, "model", writes=world.is_first) as child:
                models[fold, seed] = train_one(
                    replace(config, seed=seed), corpus, child, world, fold
                )
    summary = summarise(models, config.seed, folder if world.is_first else None)
    manifest = folder.finish({"n_models": len(models)}) if world.is_first else {}
    world.wait()
    found = {"models": tuple(models.values()), "summary": summary}
    return Result(path=folder.path, manifest=manifest, tables=found)
