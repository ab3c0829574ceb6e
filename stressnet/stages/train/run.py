"""One network, or several with other seeds and folds: fitted, tested on every test set, saved.

Several are laid out as::

    seed-0/, seed-1/, ...            checkpoints (within fold-1/, fold-2/, ... with folds)
    ensemble/predictions.parquet     logits averaged over seeds
    ensemble/metrics.csv             the same figures and intervals as of a single network
    summary.csv                      figures over seeds, and the ensemble's
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.models.checkpoint import INFO_NAME, WEIGHTS_NAME, pick_device
from stressnet.models.registry import get_spec
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_manifest
from stressnet.runs.progress import Progress
from stressnet.runs.tables import read_table
from stressnet.runs.work import Step
from stressnet.stages.train.config import TrainOptions
from stressnet.training.corpus_data import (
    Fold,
    add_token_columns,
    recordings_of,
    splits_of_fold,
    stress_data,
    with_deviations,
)
from stressnet.training.data import TRAIN, StressData
from stressnet.training.distributed import World, join_world
from stressnet.training.ensembles import average_logits, pool_folds, summarise_seeds
from stressnet.training.fit import STATE_NAME, Origin, TrainResult, Watch, train
from stressnet.training.image_domain import needs_deviations
from stressnet.training.logs import HISTORY_NAME
from stressnet.training.metrics import evaluate_splits
from stressnet.training.predict import predictions_table

SUMMARY = "summary.csv"
POOLED = "pooled"
"""Name of all folds together."""


@dataclass(frozen=True)
class TrainedModel:
    """What training wrote.

    Parameters
    ----------
    path : Path
        Checkpoint folder, with ``metrics.csv`` and ``predictions.parquet``.
    metrics : DataFrame
        One row per test set and metric; empty if all tokens were trained on.
    manifest : dict
        Its manifest.
    """

    path: Path
    metrics: pd.DataFrame
    manifest: dict[str, Any]


@dataclass(frozen=True)
class TrainedSet:
    """What several trainings wrote.

    Parameters
    ----------
    path : Path
        Their folder.
    models : tuple of TrainedModel
        In the order of folds and seeds.
    summary : DataFrame
        One row per fold, test set and metric: ``fold`` (empty without folds, ``pooled`` for all of
        them together), ``test_set``, ``metric``, ``n``, ``n_seeds``, ``mean``, ``sd`` (over seeds,
        n - 1; of the pooled rows over folds' means), ``min``, ``max``, and ``ensemble``,
        ``ensemble_low``, ``ensemble_high``: the averaged logits with their 95 % interval.
    manifest : dict
        Its manifest.
    """

    path: Path
    models: tuple[TrainedModel, ...]
    summary: pd.DataFrame
    manifest: dict[str, Any]


def run(config: TrainOptions, corpus: Corpus, folder: RunFolder) -> TrainedModel | TrainedSet:
    """Train, test and save a network, or one for each seed and fold.

    Under torchrun every process calls this with the same arguments; the first one writes.

    Raises
    ------
    ConfigError
        If all tokens are to be trained on and the recipe needs validation to end.
    CorpusError
        If there are too few speakers or word families for the folds.
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
) -> TrainedModel:
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
                recordings=recordings_of(corpus, data.token_ids[data.rows(TRAIN)]),
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


def read_trained(path: Path) -> TrainedModel:
    """A finished checkpoint folder.

    Raises
    ------
    CorpusError
        If it is none.
    """
    manifest = read_manifest(path, "model")
    if manifest["parameters"].get("all_tokens"):
        return TrainedModel(path, pd.DataFrame(), manifest)
    metrics = read_table(path / "metrics.csv").fillna({"reason": ""})
    return TrainedModel(path, metrics, manifest)


# -- several networks ------------------------------------------------------------------------------


def _train_several(
    config: TrainOptions, corpus: Corpus, folder: RunFolder, world: World
) -> TrainedSet:
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
    models: dict[tuple[Fold | None, int], TrainedModel] = {}
    for fold in folds:
        for seed in seeds:
            name = _within(fold, f"seed-{seed}")
            if world.is_first:
                folder.progress.say(f"{name} ({len(models) + 1} of {len(folds) * len(seeds)})")
            with folder.folder(name, "model", writes=world.is_first) as child:
                models[fold, seed] = train_one(
                    replace(config, seed=seed), corpus, child, world, fold
                )
    summary = _summarise(models, config.seed, folder if world.is_first else None)
    manifest = folder.finish({"n_models": len(models)}) if world.is_first else {}
    world.wait()
    return TrainedSet(folder.path, tuple(models.values()), summary, manifest)


def _within(fold: Fold | None, name: str) -> str:
    return name if fold is None else f"fold-{fold.number}/{name}"


def _summarise(
    models: Mapping[tuple[Fold | None, int], TrainedModel], seed: int, folder: RunFolder | None
) -> pd.DataFrame:
    """Figures over seeds and folds; written, with the ensembles', if there is a folder."""
    ensembles: dict[Fold | None, pd.DataFrame] = {}
    parts = []
    for fold in dict.fromkeys(fold for fold, _ in models):
        members = [model for (own, _), model in models.items() if own == fold]
        ensembles[fold] = average_logits(
            [pd.read_parquet(model.path / "predictions.parquet") for model in members]
        )
        metrics = evaluate_splits(ensembles[fold], seed=seed)
        name = "" if fold is None else str(fold.number)
        parts.append(summarise_seeds([m.metrics for m in members], metrics).assign(fold=name))
        _write_ensemble(folder, _within(fold, "ensemble"), ensembles[fold], metrics)
    if None not in ensembles:
        pooled = pool_folds(list(ensembles.values()))
        metrics = evaluate_splits(pooled, seed=seed)
        means = [part.rename(columns={"mean": "estimate"}) for part in parts]
        parts.append(summarise_seeds(means, metrics).assign(fold=POOLED))
        _write_ensemble(folder, "ensemble", pooled, metrics)
    summary = pd.concat(parts, ignore_index=True)
    summary.insert(0, "fold", summary.pop("fold"))
    if folder is not None:
        folder.table(SUMMARY, summary)
    return summary


def _write_ensemble(
    folder: RunFolder | None, name: str, predictions: pd.DataFrame, metrics: pd.DataFrame
) -> None:
    if folder is not None:
        folder.table(f"{name}/predictions.parquet", predictions)
        folder.table(f"{name}/metrics.csv", metrics)
