"""Fit a network to the training split, watching the validation split.

A plain loop over torch rather than a trainer framework (Lightning, accelerate), for three reasons:
importing Lightning takes three times as long as importing torch (measured: 9 s against 2.6 s),
longer than an epoch of the default network; its checkpoints are pickles; and all random numbers
here follow from ``(seed, epoch)`` alone, so that a run continued after an interruption ends in the
*same weights* as one that was never interrupted, which takes no generator states to save and is
tested. What a framework would bring is torch's own and a few lines each: automatic mixed precision
(:func:`torch.autocast`, ``GradScaler``) and several processes
(:mod:`stressnet.training.distributed`).

The weights kept are those of the epoch with the lowest validation loss. Loss and not balanced
accuracy, because accuracy moves in steps of one token, ties often on small validation splits and
does not exist when a split has one class only. Where nothing is held out to validate on
(``validated=False``), a recipe of fixed length runs to its end and the last weights are kept.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError
from stressnet.languages import ENGLISH
from stressnet.lexicon.stress import DISYLLABLES, WordLengths
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.runs.manifest import hash_data, versions
from stressnet.training.data import TRAIN, VALID, StressData
from stressnet.training.distributed import World
from stressnet.training.epochs import Run
from stressnet.training.image_changes import needs_deviations
from stressnet.training.recipes import TrainConfig
from stressnet.training.state import RunLog, RunState, load_state, save_state

STATE_NAME = "unfinished.safetensors"


@dataclass(frozen=True)
class TrainResult:
    """A trained network.

    ``model`` has the weights of the best epoch and is in evaluation mode; ``info`` was saved beside
    it. The ``history`` has one row per epoch: ``epoch``, ``train_loss``, ``valid_loss``,
    ``valid_balanced_accuracy``, ``learning_rate``, ``seconds``, ``images_per_s``; ``best_epoch``
    counts from 1. It ``ended`` by ``max_epochs``, ``patience`` or ``max_minutes``.
    """

    model: nn.Module
    info: CheckpointInfo
    history: pd.DataFrame
    best_epoch: int
    ended: str


@dataclass(frozen=True)
class Origin:
    """Where training data come from; stored in the checkpoint.

    Parameters
    ----------
    preset, preset_parameters
        Name of the spectrogram preset, and all its parameters.
    corpus_hash : str
        Hash of the corpus.
    fold : mapping, optional
        What the splits are, if not the corpus's own.
    validated : bool
        False: no split is watched, all epochs run and the last weights are kept. Takes a recipe
        that ends by itself (schedule ``one_cycle``).
    recordings, sounds : tuple of str
        Hashes of what is trained on, see :func:`stressnet.training.corpus_data.recordings_of` and
        ``sounds_of`` there.
    """

    preset: str
    preset_parameters: Mapping[str, Any]
    corpus_hash: str = ""
    fold: Mapping[str, Any] | None = None
    validated: bool = True
    recordings: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    language: str = ENGLISH
    lengths: WordLengths = DISYLLABLES


@dataclass(frozen=True)
class Watch:
    """How a training is followed: by a progress bar on stderr, in ``out/tensorboard``, or not."""

    progress: bool = False
    tensorboard: bool = False


def train(
    model_name: str,
    data: StressData,
    config: TrainConfig,
    out: Path,
    origin: Origin,
    *,
    resume: bool = False,
    watch: Watch | None = None,
    world: World | None = None,
) -> TrainResult:
    """Train a network and save it as a checkpoint with its history.

    On one machine with one number of threads, the same arguments give bitwise the same weights on
    the CPU (unless ``max_minutes`` cuts the run short). Raises :class:`ConfigError` if a split is
    empty or holds one class only in training, the loss is no longer finite, or precision or batch
    size do not fit the device or the processes; :class:`CheckpointError` if the interrupted run is
    damaged or was another one, or ``out`` cannot be written.

    Parameters
    ----------
    model_name : str
        Key of :data:`stressnet.models.registry.MODELS`.
    data : StressData
        Only tokens of the splits "train" and "valid" are used.
    out : Path
        Folder for ``model.safetensors``, ``model.json`` and ``history.csv``. After every epoch the
        state of the run is written there too, and removed when the run is done.
    resume : bool
        Continue an interrupted run with the same arguments if ``out`` holds one.
    world : World, optional
        The device, and this process among several
        (:func:`stressnet.training.distributed.join_world`). All get the result, the first one
        writes the files.
    """
    watch, world = watch or Watch(), world or World()
    kind = SpectrogramPreset.from_dict({"name": origin.preset, **origin.preset_parameters})
    rows, valid_rows = _checked_rows(data, config, origin.validated)
    _check_fit(data, config, kind, world, len(rows))
    if config.shuffle_labels:
        data = shuffled(data, config.seed)
    identity = _identity(
        model_name, data, config, origin, np.concatenate([rows, valid_rows]), world
    )
    target = torch.device(world.device)
    with torch.random.fork_rng(devices=[target] if target.type == "cuda" else []):
        torch.manual_seed(config.seed)
        model = build_model(model_name, *data.shape, len(data.classes)).to(target)
        if config.part_weight and not hasattr(model, "where"):
            raise ConfigError(
                f"network {model_name!r} does not say where the nuclei are; use part_weight=0"
            )
        # Faster, with the same weights: docs/models.md
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        run = Run(model, data, rows, valid_rows, kind, config, world, RunState(identity))
        if resume and (out / STATE_NAME).exists():
            run.state = load_state(out / STATE_NAME, identity, *run.memory)
        ended = _run_epochs(run, out, origin.validated, watch, f"training {model_name}")
    with torch.device("meta"):
        trained = build_model(model_name, *data.shape, len(data.classes)).eval()
    trained.load_state_dict(run.state.best_weights, assign=True)
    info = _described(model_name, run, origin, ended)
    if world.is_first:
        save_checkpoint(out, trained, info)
        (out / STATE_NAME).unlink(missing_ok=True)
    world.wait()
    history = pd.DataFrame(run.state.history)
    return TrainResult(trained, info, history, run.state.best_epoch, ended)


def _identity(
    model_name: str,
    data: StressData,
    config: TrainConfig,
    origin: Origin,
    rows: NDArray[np.int64],
    world: World,
) -> str:
    """Hash of all that decides a run, so that only the same run is resumed."""
    return hash_data(
        {
            "model": [model_name, *data.shape, *data.classes[2:], *data.contrast.noted.values()],
            "config": config.to_dict(),
            "origin": [origin.preset, dict(origin.preset_parameters), origin.corpus_hash],
            "tokens": [data.token_ids[rows].tolist(), data.labels[rows].tolist()],
            "splits": data.splits[rows].tolist(),
            **({"processes": world.size} if world.size > 1 else {}),
            **({} if origin.validated else {"validated": False}),
        }
    )


def _run_epochs(run: Run, out: Path, validated: bool, watch: Watch, title: str) -> Any:
    """Train until the recipe says that it is enough; returns why it ended."""
    config, world = run.config, run.world
    start_s = time.monotonic()
    log = RunLog(out, tensorboard=watch.tensorboard and world.is_first, first_epoch=run.state.epoch)
    with tqdm(
        total=config.max_epochs * run.n_batches,
        initial=run.state.epoch * run.n_batches,
        disable=not (watch.progress and world.is_first),
        file=sys.stderr,
        desc=title,
        unit="batch",
    ) as bar:
        ended = _ended(run.state, config, 0.0)
        while not ended:
            run.epoch(bar)
            if validated:
                run.validate()
            else:
                run.keep()
            if world.is_first:
                save_state(out / STATE_NAME, run.state, *run.memory)
                log.write(run.state.history)
            bar.set_postfix(_shown(run.state.history[-1]))
            ended = world.agree(_ended(run.state, config, (time.monotonic() - start_s) / 60))
    log.close()
    return ended


def _described(model_name: str, run: Run, origin: Origin, ended: Any) -> CheckpointInfo:
    """What the checkpoint says of itself."""
    state, config, data = run.state, run.config, run.data
    best = state.history[state.best_epoch - 1]
    figures = ("train_loss", "valid_loss", "valid_balanced_accuracy")
    return CheckpointInfo(
        architecture=model_name,
        n_bins=data.shape[0],
        n_frames=data.shape[1],
        classes=data.classes,
        preset=origin.preset,
        preset_parameters=dict(origin.preset_parameters),
        corpus_hash=origin.corpus_hash,
        training={
            "recipe": config.to_dict(),
            "n_train": len(run.rows),
            "n_valid": len(run.valid_rows),
            "speakers": sorted(set(data.speakers[run.rows].tolist())),
            "families": sorted(set(data.lemmas[run.rows].tolist())),
            "recordings": list(origin.recordings),
            "sounds": list(origin.sounds),
            **({} if origin.validated else {"all_tokens": True}),
            **({} if origin.language == ENGLISH else {"language": origin.language}),
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "ended": ended,
            "seconds": round(sum(row["seconds"] for row in state.history), 1),
            "device": torch.device(run.world.device).type,
            "processes": run.world.size,
            "threads": torch.get_num_threads(),
            **({} if origin.fold is None else {"fold": dict(origin.fold)}),
            **({} if origin.lengths == DISYLLABLES else {"syllables": str(origin.lengths)}),
            **data.contrast.noted,
        },
        seed=config.seed,
        versions=versions(),
        metrics={name: best[name] for name in figures if name in best},
    )


def _checked_rows(
    data: StressData, config: TrainConfig, validated: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, valid_rows = data.rows(TRAIN), data.rows(VALID)
    if not validated and config.schedule != "one_cycle":
        raise ConfigError(
            f"training without validation needs a recipe that ends by itself, and "
            f"{config.name!r} has schedule {config.schedule!r}; use one_cycle"
        )
    for name, chosen in ((TRAIN, rows), (VALID, valid_rows)):
        if not len(chosen) and (validated or name == TRAIN):
            raise ConfigError(f"no token in split {name!r}; build the corpus from more speech")
    for index, one in enumerate(data.classes):
        if not np.any(data.labels[rows] == index):
            raise ConfigError(
                f"split {TRAIN!r} has no token with {data.contrast.say(one)}; add some"
            )
    return rows, valid_rows


def _check_fit(
    data: StressData, config: TrainConfig, kind: SpectrogramPreset, world: World, n_train: int
) -> None:
    """Raise if recipe, images, device and processes do not go together."""
    if needs_deviations(config, kind) and data.deviations is None:
        raise ConfigError(
            f"noise and room responses on preset {kind.name!r} need StressData(deviations=...)"
        )
    if config.precision == "float16" and torch.device(world.device).type != "cuda":
        raise ConfigError("precision float16 needs a GPU; use bfloat16 or float32 on a CPU")
    if min(config.batch_size, n_train) < world.size:
        raise ConfigError(
            f"batches of {min(config.batch_size, n_train)} cannot be shared by {world.size} "
            "processes; start fewer"
        )
    if config.part_weight and data.parts is None:
        raise ConfigError(
            "part_weight needs the limits of two nuclei, which these data lack; use part_weight=0, "
            "or the network compact"
        )


def shuffled(data: StressData, seed: int) -> StressData:
    """The data with the labels permuted within "train" and within "valid", others untouched."""
    rng = np.random.default_rng([seed, 7])
    labels = data.labels.copy()
    for split in (TRAIN, VALID):
        rows = data.rows(split)
        labels[rows] = rng.permutation(labels[rows])
    return replace(data, labels=labels)


def _shown(epoch: Mapping[str, Any]) -> dict[str, Any]:
    """What the progress bar tells of an epoch."""
    names = {"train_loss": "train", "valid_loss": "loss", "valid_balanced_accuracy": "balanced"}
    told = {short: f"{epoch[name]:.3f}" for name, short in names.items() if name in epoch}
    return {"epoch": epoch["epoch"], **told}


def _ended(state: RunState, config: TrainConfig, minutes: float) -> str:
    """Why the run is over, or an empty string."""
    if state.epoch >= config.max_epochs:
        return "max_epochs"
    if state.epoch - state.best_epoch >= config.patience:
        return "patience"
    if state.epoch and config.max_minutes is not None and minutes >= config.max_minutes:
        return "max_minutes"
    return ""
