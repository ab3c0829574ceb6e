"""Several processes that train one network: torch's DistributedDataParallel, started by torchrun.

Every process holds the same weights and takes its share of the *same* batches that one process
would form, so that the batch size of a recipe means the same whatever the number of processes. The
gradient is that of the whole batch: losses are summed over shards and divided by the weight of the
whole batch. What is then still different from one process is rounding, and the units that dropout
drops (each process draws its own).

BatchNorm needs the statistics of the whole batch. torch's SyncBatchNorm does that on GPUs only;
:class:`GlobalBatchNorm2d` does it with any backend and takes its place on CPUs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce

Anything = TypeVar("Anything")


@dataclass(frozen=True)
class World:
    """The processes of a run, seen from number ``rank`` of them, from 0."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks to people."""
        return self.rank == 0

    def share(self, n: int) -> NDArray[np.int64]:
        """Positions of this process among ``n`` things; shares differ by one at most."""
        return np.array_split(np.arange(n), self.size)[self.rank]

    def gather(self, values: NDArray[Any]) -> NDArray[Any]:
        """The shares of all processes, joined in order; the same everywhere."""
        if self.size == 1:
            return values
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, values)
        return np.concatenate(parts)

    def agree(self, value: Anything) -> Anything:
        """The value of the first process."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network to run forward and backward; ``model`` itself keeps the weights.

        Its BatchNorms are changed to take their statistics over all processes.
        """
        if self.size == 1:
            return model
        on_gpu = torch.device(self.device).type == "cuda"
        if on_gpu:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        else:
            share_statistics(model)
        return nn.parallel.DistributedDataParallel(
            model,
            device_ids=[torch.device(self.device).index] if on_gpu else None,
            broadcast_buffers=False,  # statistics are equal already
        )


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """Take part in the run that torchrun started; a single process where there was no torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World(device=device)
        return
    if torch.device(device).type == "cuda":
        index = int(os.environ["LOCAL_RANK"])
        torch.cuda.set_device(index)
        device = f"cuda:{index}"
    started = not distributed.is_initialized()
    if started:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield World(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        if started:
            distributed.destroy_process_group()


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm whose mean and variance in training are those of all processes together."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images ``(batch, channels, height, width)``; shares may differ in size."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        count = all_reduce(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
        mean = all_reduce(x.float().sum(dim=(0, 2, 3))) / count
        centred = x.float() - mean[:, None, None]
        variance = all_reduce(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            unbiased = variance * count / (count - 1).clamp_min(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def share_statistics(model: nn.Module) -> None:
    """Turn every BatchNorm of a network into :class:`GlobalBatchNorm2d`, weights untouched."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
