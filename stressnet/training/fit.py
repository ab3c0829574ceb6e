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
does not exist when a split has one class only.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import CLASSES
from stressnet.manifest import hash_data, versions
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.training.augment import augment, draw
from stressnet.training.data import TRAIN, VALID, StressData
from stressnet.training.distributed import World
from stressnet.training.feed import ImageFeed
from stressnet.training.image_domain import needs_deviations
from stressnet.training.logs import HISTORY_NAME, RunLog
from stressnet.training.optimisation import (
    averaged,
    batch_loss,
    class_weights,
    learning_rate,
    make_optimizer,
)
from stressnet.training.predict import predict_logits
from stressnet.training.recipes import TrainConfig
from stressnet.training.state import RunState, load_state, save_state

STATE_NAME = "unfinished.safetensors"

__all__ = ["HISTORY_NAME", "STATE_NAME", "TrainResult", "shuffled", "train"]

_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class TrainResult:
    """A trained network.

    Parameters
    ----------
    model : nn.Module
        With the weights of the best epoch, in evaluation mode.
    info : CheckpointInfo
        What was saved beside it.
    history : DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``valid_loss``, ``valid_balanced_accuracy``,
        ``learning_rate``, ``seconds``, ``images_per_s``.
    best_epoch : int
        Counted from 1.
    ended : {"max_epochs", "patience", "max_minutes"}
        Why training ended.
    """

    model: nn.Module
    info: CheckpointInfo
    history: pd.DataFrame
    best_epoch: int
    ended: str


def train(
    model_name: str,
    data: StressData,
    config: TrainConfig,
    out: Path,
    *,
    preset: str,
    preset_parameters: Mapping[str, Any],
    corpus_hash: str = "",
    device: str = "cpu",
    progress: bool = False,
    resume: bool = False,
    tensorboard: bool = False,
    fold: Mapping[str, Any] | None = None,
    world: World | None = None,
) -> TrainResult:
    """Train a network and save it as a checkpoint with its history.

    On one machine with one number of threads, the same arguments give bitwise the same weights on
    the CPU (unless ``max_minutes`` cuts the run short).

    Parameters
    ----------
    model_name : str
        Key of :data:`stressnet.models.registry.MODELS`.
    data : StressData
        Tokens of the splits "train" and "valid" are used, others are not touched.
    config : TrainConfig
    out : Path
        Folder for ``model.safetensors``, ``model.json`` and ``history.csv``. After every epoch the
        state of the run is written there too, and removed when the run is done.
    preset, preset_parameters, corpus_hash
        Where the images come from; stored in the checkpoint.
    device : str
        What torch calls it: "cpu", "cuda", ...
    progress : bool
        Show a progress bar on standard error.
    resume : bool
        Continue an interrupted run with the same arguments if ``out`` holds one.
    tensorboard : bool
        Also log into ``out/tensorboard``.
    fold : mapping, optional
        What the splits are, if not the corpus's own; stored in the checkpoint.
    world : World, optional
        This process among several (:func:`stressnet.training.distributed.join_world`), whose
        device then counts. All of them get the result, the first one writes the files.

    Raises
    ------
    ConfigError
        If a split is empty or holds one class only in training, the loss is no longer finite, or
        precision or batch size do not fit the device or the processes.
    CheckpointError
        If the interrupted run is damaged or was another one, or ``out`` cannot be written.
    MissingPartError
        If TensorBoard is asked for and not installed.
    """
    world = world or World(device=device)
    kind = SpectrogramPreset.from_dict({"name": preset, **preset_parameters})
    rows, valid_rows = _checked_rows(data)
    _check_fit(data, config, kind, world, len(rows))
    if config.shuffle_labels:
        data = shuffled(data, config.seed)
    shape = data.shape
    both = np.concatenate([rows, valid_rows])
    identity = hash_data(
        {
            "model": [model_name, *shape],
            "config": config.to_dict(),
            "origin": [preset, dict(preset_parameters), corpus_hash],
            "tokens": [data.token_ids[both].tolist(), data.labels[both].tolist()],
            "splits": data.splits[both].tolist(),
            **({"processes": world.size} if world.size > 1 else {}),
        }
    )
    start_s = time.monotonic()
    target = torch.device(world.device)
    with torch.random.fork_rng(devices=[target] if target.type == "cuda" else []):
        torch.manual_seed(config.seed)
        model = build_model(model_name, *shape).to(target)
        _lay_out(model, torch.channels_last)  # faster: docs/models.md
        run = _Run(model, data, rows, valid_rows, kind, config, world, RunState(identity))
        if resume and (out / STATE_NAME).exists():
            run.state = load_state(out / STATE_NAME, identity, *run.memory)
        log = RunLog(out, tensorboard=tensorboard and world.is_first, first_epoch=run.state.epoch)
        with tqdm(
            total=config.max_epochs * run.n_batches,
            initial=run.state.epoch * run.n_batches,
            disable=not (progress and world.is_first),
            file=sys.stderr,
            desc=f"training {model_name}",
            unit="batch",
        ) as bar:
            ended = _ended(run.state, config, 0.0)
            while not ended:
                run.epoch(bar)
                run.validate()
                if world.is_first:
                    save_state(out / STATE_NAME, run.state, *run.memory)
                    log.write(run.state.history)
                bar.set_postfix(
                    epoch=run.state.epoch,
                    loss=f"{run.state.history[-1]['valid_loss']:.3f}",
                    balanced=f"{run.state.history[-1]['valid_balanced_accuracy']:.3f}",
                )
                ended = world.agree(_ended(run.state, config, (time.monotonic() - start_s) / 60))
        log.close()
    state = run.state
    with torch.device("meta"):
        trained = build_model(model_name, *shape).eval()
    trained.load_state_dict(state.best_weights, assign=True)
    best = state.history[state.best_epoch - 1]
    info = CheckpointInfo(
        architecture=model_name,
        n_bins=shape[0],
        n_frames=shape[1],
        preset=preset,
        preset_parameters=dict(preset_parameters),
        corpus_hash=corpus_hash,
        training={
            "recipe": config.to_dict(),
            "n_train": len(rows),
            "n_valid": len(valid_rows),
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            "ended": ended,
            "seconds": round(sum(row["seconds"] for row in state.history), 1),
            "device": target.type,
            "processes": world.size,
            "threads": torch.get_num_threads(),
            **({} if fold is None else {"fold": dict(fold)}),
        },
        seed=config.seed,
        versions=versions(),
        metrics={k: best[k] for k in ("train_loss", "valid_loss", "valid_balanced_accuracy")},
    )
    if world.is_first:
        save_checkpoint(out, trained, info)
        (out / STATE_NAME).unlink(missing_ok=True)
    world.wait()
    return TrainResult(trained, info, pd.DataFrame(state.history), state.best_epoch, ended)


class _Run:
    """A network in training and all it needs for an epoch."""

    def __init__(
        self,
        model: nn.Module,
        data: StressData,
        rows: NDArray[np.int64],
        valid_rows: NDArray[np.int64],
        kind: SpectrogramPreset,
        config: TrainConfig,
        world: World,
        state: RunState,
    ) -> None:
        self.model, self.data, self.kind, self.config = model, data, kind, config
        self.rows, self.valid_rows, self.world, self.state = rows, valid_rows, world, state
        self.device = torch.device(world.device)
        self.stepped = world.wrap(model)
        self.optimizer = make_optimizer(model, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "float16")
        self.average = averaged(model, config)
        self.memory = (model, self.optimizer, self.scaler, self.average)
        self.weights = class_weights(data.labels[rows], config).to(self.device)
        self.feed = ImageFeed(data, rows, self.device)
        self.n_batches = max(1, len(rows) // config.batch_size)

    def epoch(self, bar: tqdm) -> None:
        """One pass over the training split; adds a row to the history."""
        start_s = time.monotonic()
        config, state = self.config, self.state
        rng = np.random.default_rng([config.seed, state.epoch])
        dropout_seed = int(rng.integers(2**63 - self.world.size))
        torch.manual_seed(dropout_seed + self.world.rank)
        self.model.train()
        losses, rate = [], config.learning_rate
        batches = list(_batches(rng, self.data, self.rows, config))
        shares = [self.world.share(len(chosen)) for chosen in batches]
        images = self.feed.batches(c[share] for c, share in zip(batches, shares, strict=True))
        for number, (chosen, share) in enumerate(zip(batches, shares, strict=True)):
            draws = draw(rng, len(chosen), config, *self.data.shape)
            deviations = self.data.deviations
            batch = augment(
                next(images),
                {name: values[share] for name, values in draws.items()},
                self.kind,
                fill_value=config.fill_value,
                deviations=None
                if deviations is None
                else torch.from_numpy(deviations[chosen[share]]),
            ).contiguous(memory_format=torch.channels_last)
            rate = learning_rate(
                config, (state.epoch + number / self.n_batches) / config.max_epochs
            )
            losses.append(self._step(batch, self.data.labels[chosen], share, rate))
            bar.update()
        images.close()
        # Each process knows its part of the loss; all parts together are that of the batches.
        parts = self.world.gather(torch.stack(losses).mean().reshape(1).cpu().numpy())
        train_loss = float(parts.astype(np.float64).sum())
        state.epoch += 1
        _check_finite(train_loss, "training", state)
        seconds = time.monotonic() - start_s
        state.history.append(
            {
                "epoch": state.epoch,
                "train_loss": train_loss,
                "learning_rate": rate,
                "seconds": seconds,
                "images_per_s": sum(map(len, batches)) / seconds,
            }
        )

    def _step(
        self, batch: torch.Tensor, labels: NDArray[np.int64], share: NDArray[np.int64], rate: float
    ) -> torch.Tensor:
        """One step of the optimizer; the loss of this process's part of the batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        precision = self.config.precision
        with torch.autocast(
            self.device.type, _AUTOCAST.get(precision), enabled=precision in _AUTOCAST
        ):
            logits = self.stepped(batch)
        targets = torch.from_numpy(labels).to(self.device)
        loss = batch_loss(
            logits, targets[torch.from_numpy(share)], targets, self.weights, self.config
        )
        # Averaging over processes, as DistributedDataParallel does, must give the sum of the parts.
        self.scaler.scale(loss * self.world.size).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return loss.detach()

    def validate(self) -> None:
        """Measure the validation split and keep the weights if they are the best so far."""
        state = self.state
        model = self.model if self.average is None else self.average.module
        share = self.valid_rows[self.world.share(len(self.valid_rows))]
        logits = self.world.gather(predict_logits(model, self.data, share))
        labels = self.data.labels[self.valid_rows]
        loss = functional.cross_entropy(
            torch.from_numpy(logits), torch.from_numpy(labels), weight=self.weights.cpu()
        )
        _check_finite(float(loss), "validation", state)
        hits = logits.argmax(axis=1) == labels
        recalls = [hits[labels == c].mean() for c in np.unique(labels)]
        state.history[-1]["valid_loss"] = float(loss)
        state.history[-1]["valid_balanced_accuracy"] = float(np.mean(recalls))
        best = state.history[state.best_epoch - 1]["valid_loss"] if state.best_epoch else math.inf
        if float(loss) < best:
            state.best_epoch = state.epoch
            state.best_weights = {
                k: v.detach().cpu().clone(memory_format=torch.contiguous_format)
                for k, v in model.state_dict().items()
            }


def _checked_rows(data: StressData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, valid_rows = data.rows(TRAIN), data.rows(VALID)
    for name, found in ((TRAIN, rows), (VALID, valid_rows)):
        if not len(found):
            raise ConfigError(f"no token in split {name!r}; build the corpus from more speech")
    for stress in CLASSES:
        if not np.any(data.labels[rows] == stress.class_index):
            raise ConfigError(f"split {TRAIN!r} has no token with {stress} stress; add some")
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


def shuffled(data: StressData, seed: int) -> StressData:
    """The data with the labels permuted within "train" and within "valid", others untouched."""
    rng = np.random.default_rng([seed, 7])
    labels = data.labels.copy()
    for split in (TRAIN, VALID):
        rows = data.rows(split)
        labels[rows] = rng.permutation(labels[rows])
    return replace(data, labels=labels)


def _lay_out(model: nn.Module, memory_format: torch.memory_format) -> None:
    """Order the weights of convolutions in memory; values stay the same."""
    model.to(memory_format=memory_format)  # type: ignore[call-overload]


def _batches(
    rng: np.random.Generator, data: StressData, rows: NDArray[np.int64], config: TrainConfig
) -> Iterator[NDArray[np.int64]]:
    """Rows of each batch of one epoch."""
    if config.class_balance == "sampler":
        share = 1.0 / np.bincount(data.labels[rows])[data.labels[rows]]
        order = rng.choice(rows, size=len(rows), p=share / share.sum())
    else:
        order = rng.permutation(rows)
    for batch in range(max(1, len(rows) // config.batch_size)):
        yield order[batch * config.batch_size : (batch + 1) * config.batch_size]


def _check_finite(loss: float, what: str, state: RunState) -> None:
    if not math.isfinite(loss):
        raise ConfigError(
            f"{what} loss is {loss} in epoch {state.epoch}: an image has values that are not "
            "finite (build the corpus again), or the learning rate is too high (lower it)"
        )


def _ended(state: RunState, config: TrainConfig, minutes: float) -> str:
    """Why the run is over, or an empty string."""
    if state.epoch >= config.max_epochs:
        return "max_epochs"
    if state.epoch - state.best_epoch >= config.patience:
        return "patience"
    if state.epoch and config.max_minutes is not None and minutes >= config.max_minutes:
        return "max_minutes"
    return ""
