"""A network in training: one epoch after the other, and what validation makes of it.

All random numbers of an epoch follow from ``(seed, epoch)`` alone; :mod:`stressnet.training.fit`
tells why.
"""

import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError
from stressnet.training.augment import Draws, augment, draw
from stressnet.training.data import ImageFeed, StressData, predict_logits
from stressnet.training.distributed import World
from stressnet.training.parts import UNKNOWN, moved, part_loss
from stressnet.training.recipes import TrainConfig
from stressnet.training.state import RunState

_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Run:
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
        self.heard: dict[str, torch.Tensor] = {}  # what the network says of the parts of the word
        if config.part_weight:
            model.get_submodule("where").register_forward_hook(
                lambda module, inputs, output: self.heard.update(parts=output)
            )
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
            batch = next(images)
            own = {name: values[share] for name, values in draws.items()}
            parts = self._parts(batch, chosen, share, own)
            batch = augment(
                batch,
                own,
                self.kind,
                fill_value=config.fill_value,
                deviations=None
                if deviations is None
                else torch.from_numpy(deviations[chosen[share]]),
            ).contiguous(memory_format=torch.channels_last)
            rate = learning_rate(
                config, (state.epoch + number / self.n_batches) / config.max_epochs
            )
            losses.append(self._step(batch, self.data.labels[chosen], share, rate, parts))
            bar.update()
        images.close()
        # Each process knows its part of the loss; all parts together are that of the batches.
        shares_of_loss = self.world.gather(torch.stack(losses).mean().reshape(1).cpu().numpy())
        train_loss = float(shares_of_loss.astype(np.float64).sum())
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

    def _parts(
        self, batch: torch.Tensor, chosen: NDArray[np.int64], share: NDArray[np.int64], draws: Draws
    ) -> tuple[torch.Tensor, int] | None:
        """Parts of this process's images as changed, and how many of the batch have any."""
        if not self.config.part_weight or self.data.parts is None:
            return None
        rows = self.data.parts[chosen]
        own = torch.from_numpy(rows[share]).to(self.device)
        return moved(own, batch, draws), int((rows[:, 0] != UNKNOWN).sum())

    def _step(
        self,
        batch: torch.Tensor,
        labels: NDArray[np.int64],
        share: NDArray[np.int64],
        rate: float,
        parts: tuple[torch.Tensor, int] | None = None,
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
        if parts is not None:
            loss = loss + self.config.part_weight * part_loss(self.heard["parts"], *parts)
        # Averaging over processes, as DistributedDataParallel does, must give the sum of the parts.
        self.scaler.scale(loss * self.world.size).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return loss.detach()

    def validate(self) -> None:
        """Measure the validation split and keep the weights if they are the best so far."""
        state, model = self.state, self._tested()
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
            self.keep()

    def keep(self) -> None:
        """Remember the weights of this epoch as the best."""
        self.state.best_epoch = self.state.epoch
        self.state.best_weights = {
            k: v.detach().cpu().clone(memory_format=torch.contiguous_format)
            for k, v in self._tested().state_dict().items()
        }

    def _tested(self) -> nn.Module:
        """The network whose weights count: the running average if there is one."""
        return self.model if self.average is None else self.average.module


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


def class_weights(labels: NDArray[np.int64], config: TrainConfig) -> Tensor:
    """Weights of the classes in the loss, 1 on average over tokens; shape (n_classes,)."""
    counts = np.bincount(labels)
    if config.class_balance == "none":
        counts = np.ones_like(counts)
    return torch.tensor(counts.sum() / len(counts) / counts, dtype=torch.float32)


def batch_loss(
    logits: Tensor, labels: Tensor, all_labels: Tensor, weights: Tensor, config: TrainConfig
) -> Tensor:
    """Cross entropy of part of a batch, as its share of the mean over the whole batch.

    Summed over the parts it is what :func:`torch.nn.functional.cross_entropy` gives for the batch.
    ``logits`` (part, n_classes) and ``labels`` (part,) are those of the part, ``all_labels``
    (batch,) those of the whole batch; ``weights`` of the classes are used if the recipe says so.
    """
    weighted = config.class_balance == "weights"
    total = functional.cross_entropy(
        logits.float(),
        labels,
        weight=weights if weighted else None,
        label_smoothing=config.label_smoothing,
        reduction="sum",
    )
    return total / (weights[all_labels].sum() if weighted else len(all_labels))


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The recipe's optimizer; weight decay spares biases and what belongs to normalisations."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate)


def averaged(model: nn.Module, config: TrainConfig) -> AveragedModel | None:
    """A running average of weights and of what normalisations remember, if the recipe has one."""
    if not config.weight_average:
        return None
    average = get_ema_multi_avg_fn(config.weight_average)
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)


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
