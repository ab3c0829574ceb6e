"""Fit a network to the training split, watching the validation split.

A plain loop over torch rather than a trainer framework, for three reasons: importing one takes
three times as long as importing torch (measured: 9 s against 2.6 s), which is longer than an epoch
of the default network; its checkpoints are pickles; and all random numbers here follow from
``(seed, epoch)`` alone, so that a run continued after an interruption ends in the *same weights* as
one that was never interrupted, which takes no generator states to save and is tested.

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
from stressnet.training.augment import augment, draw, needs_deviations
from stressnet.training.data import TRAIN, VALID, StressData
from stressnet.training.predict import predict_logits
from stressnet.training.recipes import TrainConfig
from stressnet.training.state import RunState, load_state, save_state

STATE_NAME = "unfinished.safetensors"
HISTORY_NAME = "history.csv"


@dataclass(frozen=True)
class TrainResult:
    """A trained network.

    Parameters
    ----------
    model : nn.Sequential
        With the weights of the best epoch, in evaluation mode.
    info : CheckpointInfo
        What was saved beside it.
    history : DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``valid_loss``, ``valid_balanced_accuracy``,
        ``learning_rate``, ``seconds``.
    best_epoch : int
        Counted from 1.
    ended : {"max_epochs", "patience", "max_minutes"}
        Why training ended.
    """

    model: nn.Sequential
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

    Raises
    ------
    ConfigError
        If a split is empty or holds one class only in training, or the loss is no longer finite.
    CheckpointError
        If the interrupted run is damaged or was another one, or ``out`` cannot be written.
    """
    rows, valid_rows = _checked_rows(data)
    shape = data.shape
    kind = SpectrogramPreset.from_dict({"name": preset, **preset_parameters})
    if needs_deviations(config, kind) and data.deviations is None:
        raise ConfigError(
            f"noise and room responses on preset {preset!r} need StressData(deviations=...)"
        )
    if config.shuffle_labels:
        data = shuffled(data, config.seed)
    both = np.concatenate([rows, valid_rows])
    identity = hash_data(
        {
            "model": [model_name, *shape],
            "config": config.to_dict(),
            "origin": [preset, dict(preset_parameters), corpus_hash],
            "tokens": [data.token_ids[both].tolist(), data.labels[both].tolist()],
            "splits": data.splits[both].tolist(),
        }
    )
    weights = _class_weights(data.labels[rows], config).to(device)
    state_path = out / STATE_NAME
    start_s = time.monotonic()
    gpus = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(config.seed)
        model = build_model(model_name, *shape).to(device)
        _lay_out(model, torch.channels_last)  # faster: docs/models.md
        optimizer = _optimizer(model, config)
        state = RunState(identity)
        if resume and state_path.exists():
            state = load_state(state_path, identity, model, optimizer)
        per_epoch = max(1, len(rows) // config.batch_size)
        with tqdm(
            total=config.max_epochs * per_epoch,
            initial=state.epoch * per_epoch,
            disable=not progress,
            file=sys.stderr,
            desc=f"training {model_name}",
            unit="batch",
        ) as bar:
            ended = _ended(state, config, 0.0)
            while not ended:
                _run_epoch(model, optimizer, data, rows, kind, config, weights, state, bar)
                _validate(model, data, valid_rows, weights, state)
                save_state(state_path, state, model, optimizer)
                bar.set_postfix(
                    epoch=state.epoch,
                    loss=f"{state.history[-1]['valid_loss']:.3f}",
                    balanced=f"{state.history[-1]['valid_balanced_accuracy']:.3f}",
                )
                ended = _ended(state, config, (time.monotonic() - start_s) / 60)
    model.load_state_dict(state.best_weights)
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
            "device": device,
            "threads": torch.get_num_threads(),
        },
        seed=config.seed,
        versions=versions(),
        metrics={k: best[k] for k in ("train_loss", "valid_loss", "valid_balanced_accuracy")},
    )
    _lay_out(model.cpu().eval(), torch.contiguous_format)
    save_checkpoint(out, model, info)
    history = pd.DataFrame(state.history)
    history.to_csv(out / HISTORY_NAME, index=False)
    state_path.unlink(missing_ok=True)
    return TrainResult(model, info, history, state.best_epoch, ended)


def _checked_rows(data: StressData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, valid_rows = data.rows(TRAIN), data.rows(VALID)
    for name, found in ((TRAIN, rows), (VALID, valid_rows)):
        if not len(found):
            raise ConfigError(f"no token in split {name!r}; build the corpus from more speech")
    for stress in CLASSES:
        if not np.any(data.labels[rows] == stress.class_index):
            raise ConfigError(f"split {TRAIN!r} has no token with {stress} stress; add some")
    return rows, valid_rows


def shuffled(data: StressData, seed: int) -> StressData:
    """The data with the labels permuted within "train" and within "valid", others untouched."""
    rng = np.random.default_rng([seed, 7])
    labels = data.labels.copy()
    for split in (TRAIN, VALID):
        rows = data.rows(split)
        labels[rows] = rng.permutation(labels[rows])
    return replace(data, labels=labels)


def _class_weights(labels: NDArray[np.int64], config: TrainConfig) -> torch.Tensor:
    """Weights of the classes in the loss, 1 on average over tokens."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    if config.class_balance == "none":
        counts = np.ones_like(counts)
    return torch.tensor(counts.sum() / len(counts) / counts, dtype=torch.float32)


def _lay_out(model: nn.Module, memory_format: torch.memory_format) -> None:
    """Order the weights of convolutions in memory; values stay the same."""
    model.to(memory_format=memory_format)  # type: ignore[call-overload]


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate)


def learning_rate(config: TrainConfig, done: float) -> float:
    """Learning rate when a share ``done`` (0 to 1) of ``max_epochs`` has passed.

    One cycle: a quarter of the way from 1/25 of the peak up to it, then down to 1/10 000 of the
    start, along half cosines.
    """
    if config.schedule == "constant":
        return config.learning_rate
    peak, first = config.learning_rate, config.learning_rate / 25
    low, high, share = (
        (first, peak, done / 0.25) if done < 0.25 else (first / 1e4, peak, (1 - done) / 0.75)
    )
    return low + (high - low) * (1 - math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2


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


def _run_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: StressData,
    rows: NDArray[np.int64],
    kind: SpectrogramPreset,
    config: TrainConfig,
    weights: torch.Tensor,
    state: RunState,
    bar: tqdm,
) -> None:
    """One pass over the training split; adds a row to the history."""
    start_s = time.monotonic()
    rng = np.random.default_rng([config.seed, state.epoch])
    torch.manual_seed(int(rng.integers(2**63)))  # dropout
    per_epoch = max(1, len(rows) // config.batch_size)
    model.train()
    losses = []
    rate = config.learning_rate
    loss_weights = weights if config.class_balance == "weights" else None
    for number, chosen in enumerate(_batches(rng, data, rows, config)):
        draws = draw(rng, len(chosen), config, *data.shape)
        deviations = None if data.deviations is None else data.deviations[chosen]
        images = augment(
            data.batch(chosen).to(weights.device),
            draws,
            kind,
            fill_value=config.fill_value,
            deviations=None if deviations is None else torch.from_numpy(deviations),
        ).contiguous(memory_format=torch.channels_last)
        labels = torch.from_numpy(data.labels[chosen]).to(weights.device)
        rate = learning_rate(config, (state.epoch + number / per_epoch) / config.max_epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(
            weights.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"
        ):
            logits = model(images)
        loss = functional.cross_entropy(
            logits.float(), labels, weight=loss_weights, label_smoothing=config.label_smoothing
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        bar.update()
    train_loss = float(torch.stack(losses).mean())
    state.epoch += 1
    _check_finite(train_loss, "training", state)
    state.history.append(
        {
            "epoch": state.epoch,
            "train_loss": train_loss,
            "learning_rate": rate,
            "seconds": time.monotonic() - start_s,
        }
    )


def _validate(
    model: nn.Module,
    data: StressData,
    rows: NDArray[np.int64],
    weights: torch.Tensor,
    state: RunState,
) -> None:
    """Measure the validation split and keep the weights if they are the best so far."""
    logits, labels = predict_logits(model, data, rows), data.labels[rows]
    loss = functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(labels), weight=weights.cpu()
    )
    _check_finite(float(loss), "validation", state)
    hits = logits.argmax(axis=1) == labels
    recalls = [hits[labels == c].mean() for c in np.unique(labels)]
    state.history[-1]["valid_loss"] = float(loss)
    state.history[-1]["valid_balanced_accuracy"] = float(np.mean(recalls))
    best = state.history[state.best_epoch - 1]["valid_loss"] if state.best_epoch else math.inf
    if float(loss) < best:
        state.best_epoch = state.epoch
        state.best_weights = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}


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
