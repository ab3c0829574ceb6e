"""Images and labels of a corpus for training and evaluation, and what a network says of them."""

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.lexicon.contrast import STRESS, Contrast

TRAIN = "train"
VALID = "valid"

RESIDENT_SHARE = 0.5
"""Share of the free memory of a GPU that images may take."""

_CHUNK = 512


class JoinedImages:
    """Images of two stores as if they were one, read only where asked for.

    Both have shape (n, n_bins, n_frames); raises :class:`ConfigError` unless they have one dtype
    and one size of image.
    """

    ndim = 3

    def __init__(self, first: NDArray[np.floating], second: NDArray[np.floating]) -> None:
        if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
            raise ConfigError(
                f"images of {first.shape[1:]} {first.dtype} and of {second.shape[1:]} "
                f"{second.dtype} cannot be joined; build both with one preset"
            )
        self._parts = first, second
        self.dtype = first.dtype
        self.shape = (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """Images of some rows, in their order; a copy."""
        first, second = self._parts
        rows = np.asarray(rows, dtype=np.int64)
        images = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        in_first = rows < len(first)
        images[in_first] = first[rows[in_first]]
        images[~in_first] = second[rows[~in_first] - len(first)]
        return images


@dataclass(frozen=True)
class StressData:
    """Tokens with their images; columns are parallel.

    Parameters
    ----------
    images : ndarray, memmap or JoinedImages, shape (n, n_bins, n_frames), float32 or float16
        One image per token. A memory map stays on disk: only the images of a batch are read.
    labels : ndarray of int, shape (n,)
        Position of each token's class among ``classes``.
    speakers, lemmas, splits, token_ids : ndarray of str, shape (n,)
        Who speaks; which family of forms the word belongs to; name of the split; unique name.
    deviations : ndarray of float, shape (n,), optional
        Standard deviation of each image before it was normalised; some augmentations need it
        (:func:`stressnet.training.image_changes.needs_deviations`).
    parts : ndarray of int8, shape (n, n_frames), optional
        Part of the word each frame belongs to (:mod:`stressnet.training.parts`).
    contrast : Contrast
        What the labels stand for, INITIAL and FINAL stress if left out.
    """

    images: NDArray[np.floating] | JoinedImages
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]
    lemmas: NDArray[np.str_]
    splits: NDArray[np.str_]
    token_ids: NDArray[np.str_]
    deviations: NDArray[np.float32] | None = None
    parts: NDArray[np.int8] | None = None
    contrast: Contrast = STRESS

    def __post_init__(self) -> None:
        if self.images.ndim != 3 or self.images.dtype not in (np.float32, np.float16):
            raise ConfigError(
                "images must be float32 or float16 of shape (tokens, bins, frames), not "
                f"{self.images.dtype} of shape {self.images.shape}"
            )
        labels = np.asarray(self.labels)
        if labels.dtype.kind not in "iu" or not np.isin(labels, range(len(self.classes))).all():
            raise ConfigError(f"labels must be whole numbers below {len(self.classes)}")
        object.__setattr__(self, "labels", labels.astype(np.int64))
        for name in ("speakers", "lemmas", "splits", "token_ids"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.str_))
        for name in ("labels", "speakers", "lemmas", "splits", "token_ids", "deviations"):
            values = getattr(self, name)
            if values is not None and values.shape != (len(self),):
                raise ConfigError(f"{name} must have one value for each of {len(self)} images")
        if self.parts is not None and self.parts.shape != (len(self), self.shape[1]):
            raise ConfigError(f"parts must have one row of frames for each of {len(self)} images")
        if len(np.unique(self.token_ids)) != len(self):
            raise ConfigError("token_ids must be unique")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes in the order of the labels."""
        return self.contrast.classes

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_bins, n_frames)`` of every image."""
        return self.images.shape[1], self.images.shape[2]

    def rows(self, split: str) -> NDArray[np.int64]:
        """Positions of the tokens of one split, in order; empty if there are none."""
        return np.flatnonzero(self.splits == split)

    def speaker_is_known(self) -> NDArray[np.bool_]:
        """For each token, whether its speaker has tokens in the training split."""
        return np.isin(self.speakers, np.unique(self.speakers[self.rows(TRAIN)]))

    def batch(self, rows: ArrayLike) -> Tensor:
        """Copies of some tokens' images, (batch, 1, n_bins, n_frames) float32."""
        chosen = np.asarray(self.images[np.asarray(rows, dtype=np.int64)], dtype=np.float32)
        return torch.from_numpy(chosen).unsqueeze(1)


class ImageFeed:
    """Images of some tokens on the device, batch by batch, ready when the network is.

    On a GPU with room for them, all images of the ``rows`` that may be asked for are copied there
    once, or as ``resident`` says. Otherwise each batch is read from the memory-mapped store by a
    thread while the network works on the one before. Both give the same batches.
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


_BATCH = 128  # images at a time; does not change the result beyond rounding


def predict_logits(
    model: nn.Module, data: StressData, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Logits of the tokens at some positions, shape (n, n_classes), float32."""
    first = next(model.parameters())
    was_training = model.training
    model.eval()
    parts = [np.empty((0, len(data.classes)), dtype=np.float32)]
    try:
        with torch.inference_mode():
            for start in range(0, len(rows), _BATCH):
                images = data.batch(rows[start : start + _BATCH]).to(first.device)
                parts.append(model(images).float().cpu().numpy())
    finally:
        model.train(was_training)
    return np.concatenate(parts)


def predictions_table(model: nn.Module, data: StressData, splits: Iterable[str]) -> pd.DataFrame:
    """Predictions for all tokens of some splits; those without tokens give no rows.

    Returns
    -------
    DataFrame
        One row per token, in the order of the corpus: ``token_id``, ``split``, ``speaker``,
        ``lemma``, ``speaker_is_known`` (has tokens in the training split), ``stress_true`` and
        ``stress_predicted`` (names of classes), ``logit_initial``, ``logit_final``, ``p_initial``
        (softmax; not calibrated); or the same with the names of another contrast. Of longer words
        there are logits and probabilities of every class, such as ``logit_penultimate``.
    """
    rows = np.flatnonzero(np.isin(data.splits, list(splits)))
    logits = predict_logits(model, data, rows).astype(np.float64)
    names = np.array([str(one) for one in data.classes], dtype=object)
    columns = data.contrast.keys
    probabilities = softmax(logits, axis=1)
    told = 1 if data.contrast.is_pair else len(columns)  # of two classes, one says all
    return pd.DataFrame(
        {
            "token_id": data.token_ids[rows].astype(object),
            "split": data.splits[rows].astype(object),
            "speaker": data.speakers[rows].astype(object),
            "lemma": data.lemmas[rows].astype(object),
            "speaker_is_known": data.speaker_is_known()[rows],
            data.contrast.true: names[data.labels[rows]],
            data.contrast.predicted: names[logits.argmax(axis=1)],
            **{f"logit_{name}": logits[:, k] for k, name in enumerate(columns)},
            **{f"p_{name}": probabilities[:, k] for k, name in enumerate(columns[:told])},
        }
    )
