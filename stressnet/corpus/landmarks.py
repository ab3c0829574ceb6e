"""Seven landmarks of a word, and moving the columns of an image from one timeline to another."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.axes import Axes, FloatArray
from stressnet.errors import CorpusError

SEGMENTS = ("onset 1", "nucleus 1", "coda 1", "onset 2", "nucleus 2", "coda 2")
"""Stretches between the seven landmarks."""

LANDMARK_COLUMNS = (
    "start_s",
    "nucleus_1_start_s",
    "nucleus_1_end_s",
    "boundary_s",
    "nucleus_2_start_s",
    "nucleus_2_end_s",
    "end_s",
)
"""Columns of ``tokens.parquet`` that hold the landmarks, in seconds of the recording."""


def landmarks_of(tokens: pd.DataFrame, path: Path) -> FloatArray:
    """Landmarks of tokens in seconds from the word's onset, shape (n_tokens, 7).

    ``tokens`` has ``token_id`` and :data:`LANDMARK_COLUMNS`; ``path``, where they come from, is for
    the message. Raises `CorpusError` if a landmark is missing, or a token's are out of order.
    """
    missing = [name for name in LANDMARK_COLUMNS if name not in tokens]
    if missing:
        raise CorpusError(f"{path}: tokens have no '{missing[0]}'; build the corpus again")
    times = tokens[list(LANDMARK_COLUMNS)].to_numpy(np.float64)
    landmarks = times - times[:, :1]
    if np.any(np.diff(landmarks, axis=1) < -1e-6):
        bad = tokens["token_id"].iloc[int(np.argmin(np.diff(landmarks, axis=1).min(axis=1)))]
        raise CorpusError(f"{path}: the boundaries of token '{bad}' are out of order")
    return np.maximum.accumulate(landmarks, axis=1)


def warp_columns(
    axes: Axes, source_s: FloatArray, target_s: FloatArray, grid_s: FloatArray
) -> tuple[NDArray[np.intp], FloatArray]:
    """Where each point of a warped time axis lies among a map's frames.

    ``source_s`` and ``target_s`` are the landmarks of the token and of the warped axis, shape
    (n_landmarks,); neither decreases. ``grid_s`` is the warped axis, shape (n_grid,). Of the same
    shape are the left neighbour among the frames, -1 where the token has nothing (outside its
    image, or in a segment that it lacks), and the weight of the right neighbour.
    """
    n = len(target_s)
    segment = np.clip(np.searchsorted(target_s, grid_s, side="right") - 1, 0, n - 2)
    before, after = grid_s < target_s[0], grid_s >= target_s[-1]
    length = np.diff(target_s)[segment]
    share = (grid_s - target_s[segment]) / np.where(length > 0, length, 1.0)
    time_s = source_s[segment] + share * np.diff(source_s)[segment]
    time_s = np.where(before, grid_s - target_s[0] + source_s[0], time_s)
    time_s = np.where(after, grid_s - target_s[-1] + source_s[-1], time_s)
    lacking = (np.diff(source_s)[segment] <= 0) & ~before & ~after
    frames = axes.time_s
    left = np.clip(np.searchsorted(frames, time_s, side="right") - 1, 0, len(frames) - 2)
    weight = (time_s - frames[left]) / (frames[left + 1] - frames[left])
    half = 0.5 * axes.time_step_s
    outside = (time_s < frames[0] - half) | (time_s > frames[-1] + half)
    return np.where(lacking | outside, -1, left), np.clip(weight, 0.0, 1.0)
