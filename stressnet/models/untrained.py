"""Networks with fresh weights, as controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from stressnet.models.checkpoint import CheckpointInfo
from stressnet.models.registry import build_model

BATCH = 32
"""Images per batch of statistics."""

N_STATISTICS = 256
"""Images over which BatchNorm statistics are taken, where a caller has more."""


def untrained_network(info: CheckpointInfo, images: Any, seed: int) -> Any:
    """A network of the same architecture with fresh weights, ready to explain.

    Weights are those with which a training of this seed begins. BatchNorm takes its statistics from
    ``images``, as after one pass over them: those of a network that has seen nothing would let
    values fade or grow from layer to layer.

    Parameters
    ----------
    images : ndarray, shape (n, n_bins, n_frames)
        Some images of the training.
    seed : int
        For the weights; torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(info.architecture, info.n_bins, info.n_frames, len(info.classes))
        norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        if norms:
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # the plain mean over batches
            model.train()
            with torch.no_grad():
                for start in range(0, len(images), BATCH):
                    batch = np.array(images[start : start + BATCH], dtype=np.float32)
                    if len(batch) > 1:
                        model(torch.from_numpy(batch)[:, None])
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
    return model.eval()
