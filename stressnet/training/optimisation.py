"""What a step of training minimises and how: loss, optimizer, learning rate."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stressnet.lexicon.stress import CLASSES
from stressnet.training.recipes import TrainConfig


def class_weights(labels: NDArray[np.int64], config: TrainConfig) -> Tensor:
    """Weights of the classes in the loss, 1 on average over tokens; shape (n_classes,)."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    if config.class_balance == "none":
        counts = np.ones_like(counts)
    return torch.tensor(counts.sum() / len(counts) / counts, dtype=torch.float32)


def batch_loss(
    logits: Tensor, labels: Tensor, all_labels: Tensor, weights: Tensor, config: TrainConfig
) -> Tensor:
    """Cross entropy of part of a batch, as its share of the mean over the whole batch.

    Summed over the parts it is what :func:`torch.nn.functional.cross_entropy` gives for the batch.

    Parameters
    ----------
    logits : tensor, shape (part, n_classes)
    labels, all_labels : tensor of int, shapes (part,) and (batch,)
        Labels of the part and of the whole batch.
    weights : tensor, shape (n_classes,)
        Of the classes; used if the recipe says so.
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
