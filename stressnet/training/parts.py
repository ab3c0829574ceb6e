"""Which part of its word each frame belongs to, for networks that learn to say so.

Parts are numbered as in :data:`stressnet.models.nuclei.PARTS`: outside the word, its consonants,
its first and its second nucleus. They come from the corpus's alignment and are used in training
only.
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from stressnet.training.augment import Draws
from stressnet.training.image_changes import change_speed, shift_time, sounding

OUTSIDE, CONSONANTS, NUCLEUS_1, NUCLEUS_2 = range(4)
N_PARTS = 4
UNKNOWN = -1  # All frames of a token whose nuclei are not known

COLUMNS = (
    *("start_s", "end_s", "nucleus_1_start_s", "nucleus_1_end_s"),
    *("nucleus_2_start_s", "nucleus_2_end_s"),
)
"""What must be known of a token, in seconds of the recording."""


def parts_of_frames(tokens: pd.DataFrame, time_s: ArrayLike) -> NDArray[np.int8]:
    """The part each frame's middle lies in, int8 of shape (n_tokens, n_frames).

    ``tokens`` have :data:`COLUMNS`; a missing column or value makes a token's parts unknown. Zero
    of ``time_s``, the frames' middles, is the onset of the word.
    """
    if any(name not in tokens for name in COLUMNS):
        return np.full((len(tokens), np.size(time_s)), UNKNOWN, dtype=np.int8)
    limits = {name: tokens[name].to_numpy(np.float64)[:, None] for name in COLUMNS}
    times_s = limits["start_s"] + np.asarray(time_s, dtype=np.float64)[None, :]
    parts = np.full(times_s.shape, OUTSIDE, dtype=np.int8)
    for part, start, end in (
        (CONSONANTS, "start_s", "end_s"),
        (NUCLEUS_1, "nucleus_1_start_s", "nucleus_1_end_s"),
        (NUCLEUS_2, "nucleus_2_start_s", "nucleus_2_end_s"),
    ):
        parts[(times_s >= limits[start]) & (times_s < limits[end])] = part
    parts[~np.isfinite(np.hstack(list(limits.values()))).all(axis=1)] = UNKNOWN
    return parts


def moved(parts: Tensor, images: Tensor, draws: Draws) -> Tensor:
    """Parts after the changes in time that :func:`stressnet.training.augment.augment` makes."""
    parts = parts.long()
    known = (parts != UNKNOWN).all(dim=1)
    shares = functional.one_hot(parts.clamp_min(OUTSIDE), N_PARTS).float()
    shares = shares.transpose(1, 2)[:, None]
    fill = torch.zeros(1, 1, N_PARTS, 1, device=parts.device)
    fill[:, :, OUTSIDE] = 1.0
    if "speed" in draws:
        factor = torch.as_tensor(draws["speed"], device=parts.device, dtype=torch.float32)
        shares, _ = change_speed(shares, sounding(images), factor, fill)
    if "shift_frames" in draws:
        frames = torch.as_tensor(draws["shift_frames"], device=parts.device)
        shares = shift_time(shares, frames, fill)
    return torch.where(known[:, None], shares[:, 0].argmax(dim=1), UNKNOWN)


def part_loss(logits: Tensor, parts: Tensor, n_known: int) -> Tensor:
    """Cross entropy of the parts that a network hears, as its share of the mean over a batch.

    ``logits`` have shape (part of batch, N_PARTS, n_columns), each column for a stretch of frames
    of equal length from the first on, ``parts`` (part of batch, n_frames); ``n_known`` tokens of
    the whole batch have known parts.
    """
    n_columns = logits.shape[2]
    length = round(parts.shape[1] / n_columns)  # the last column may be cut, or filled up
    middle = functional.pad(parts, (0, length), value=UNKNOWN)[:, length // 2 :: length]
    middle = middle[:, :n_columns]
    total = functional.cross_entropy(logits.float(), middle, ignore_index=UNKNOWN, reduction="sum")
    return total / max(1, n_known * n_columns)
