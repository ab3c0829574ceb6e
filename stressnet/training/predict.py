"""What a network says about tokens, as one table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.training.data import StressData

_BATCH = 128  # images at a time; does not change the result beyond rounding


def predict_logits(
    model: nn.Module, data: StressData, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Logits of the tokens at some positions, shape (n, n_classes), float32.

    The model maps ``(batch, 1, n_bins, n_frames)`` to ``(batch, n_classes)``; its mode is restored.
    """
    first = next(model.parameters())
    was_training = model.training
    model.eval()
    parts = [np.empty((0, len(CLASSES)), dtype=np.float32)]
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
        (softmax; not calibrated).
    """
    rows = np.flatnonzero(np.isin(data.splits, list(splits)))
    logits = predict_logits(model, data, rows).astype(np.float64)
    names = np.array([stress.value for stress in CLASSES], dtype=object)
    initial, final = Stress.INITIAL.class_index, Stress.FINAL.class_index
    return pd.DataFrame(
        {
            "token_id": data.token_ids[rows].astype(object),
            "split": data.splits[rows].astype(object),
            "speaker": data.speakers[rows].astype(object),
            "lemma": data.lemmas[rows].astype(object),
            "speaker_is_known": data.speaker_is_known()[rows],
            "stress_true": names[data.labels[rows]],
            "stress_predicted": names[logits.argmax(axis=1)],
            "logit_initial": logits[:, initial],
            "logit_final": logits[:, final],
            "p_initial": softmax(logits, axis=1)[:, initial],
        }
    )
