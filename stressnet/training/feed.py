"""Batches of images on the device, ready when the network is.

On a GPU with room for them, the images of the training split are copied there once. Otherwise each
batch is read from the memory-mapped store by a thread while the network works on the one before.
Both give the same batches.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stressnet.training.data import StressData

RESIDENT_SHARE = 0.5
"""Share of the free memory of a GPU that images may take."""

_CHUNK = 512


class ImageFeed:
    """Images of some tokens, batch by batch.

    Parameters
    ----------
    rows : ndarray of int
        Tokens that may be asked for.
    resident : bool, optional
        Keep all images on the device; None decides by the device's free memory (CPUs: no).
    """

    def __init__(
        self,
        data: StressData,
        rows: NDArray[np.int64],
        device: str | torch.device,
        *,
        resident: bool | None = None,
    ) -> None:
        self.data, self.device = data, torch.device(device)
        if resident is None:
            resident = self._fits(len(rows))
        self.store: Tensor | None = None
        if resident:
            self.store = torch.cat(
                [
                    torch.from_numpy(np.array(data.images[rows[i : i + _CHUNK]])).to(self.device)
                    for i in range(0, len(rows), _CHUNK)
                ]
            )
            self.place = np.full(len(data), -1, dtype=np.int64)
            self.place[rows] = np.arange(len(rows))

    def batches(self, batches: Iterable[NDArray[np.int64]]) -> Generator[Tensor]:
        """Images of each batch of tokens, ``(batch, 1, n_bins, n_frames)`` float32."""
        if self.store is not None:
            for rows in batches:
                index = torch.from_numpy(self.place[rows]).to(self.device)
                yield self.store[index].float().unsqueeze(1)
            return
        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead = None
            for rows in batches:
                coming = reader.submit(self._read, rows)
                if ahead is not None:
                    yield ahead.result().to(self.device, non_blocking=True)
                ahead = coming
            if ahead is not None:
                yield ahead.result().to(self.device, non_blocking=True)

    def _fits(self, n: int) -> bool:
        if self.device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self.device)
        n_bytes = n * int(np.prod(self.data.shape)) * self.data.images.dtype.itemsize
        return n_bytes < RESIDENT_SHARE * free

    def _read(self, rows: NDArray[np.int64]) -> Tensor:
        images = self.data.batch(rows)
        return images.pin_memory() if self.device.type == "cuda" else images
