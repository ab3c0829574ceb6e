"""What the channels of a network listen to: their activation against acoustic cues.

A channel's mean activation over a token's image is correlated with each cue of each vowel, with all
other cues held constant (partial correlation), within speakers. The null exchanges the cue's
residuals between tokens of one speaker; the p-value compares a correlation with the largest one of
*any* channel and cue under exchange (Westfall & Young 1993), so that a few hundred channels times a
dozen cues do not find something by chance.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.axes import FloatArray
from stressnet.manipulation.cues import CUES

NAMES = {  # Cues that channels are compared with, and what texts call them
    "f0": "F0",
    "duration": "duration",
    "intensity": "intensity",
    "f1": "F1",
    "f2": "F2",
    "tilt": "spectral tilt",
}

COLUMNS = ("layer", "unit", "vowel", "cue", "r", "p_value", "n_tokens", "n_speakers")

MIN_TOKENS = 50
N_EXCHANGES = 199


def cue_values(measured: pd.DataFrame) -> pd.DataFrame:
    """``cues.parquet`` on the scales of ``manipulate``, one column for each vowel and cue."""
    rows = measured.to_dict("records")
    values = {
        (vowel, cue.name): [cue.values(row)[vowel - 1] for row in rows]
        for vowel in (1, 2)
        for cue in CUES
        if cue.name in NAMES
    }
    return pd.DataFrame(values, index=measured["token_id"])


def tuning_table(
    activations: Mapping[str, FloatArray], cues: pd.DataFrame, speakers: NDArray, seed: int
) -> pd.DataFrame:
    """Partial correlation of every channel with every cue: :data:`COLUMNS`.

    ``activations`` are means by layer, of shape (n_tokens, n_channels); ``cues`` are from
    :func:`cue_values`, tokens and ``speakers``, of shape (n_tokens,), in the same order. Tokens
    that lack a cue do not enter; the table is empty if fewer than :data:`MIN_TOKENS` have all.
    """
    complete = np.isfinite(cues.to_numpy(np.float64)).all(axis=1)
    if complete.sum() < MIN_TOKENS:
        return pd.DataFrame(columns=list(COLUMNS))
    codes = pd.factorize(speakers[complete])[0]
    x = _within(cues.to_numpy(np.float64)[complete], codes)
    a = _within(np.concatenate([each[complete] for each in activations.values()], axis=1), codes)
    x_left = np.empty_like(x)
    a_left = []  # without the other cues, per cue
    for j in range(x.shape[1]):
        basis, _ = np.linalg.qr(np.delete(x, j, axis=1))
        x_left[:, j] = _unit(x[:, j] - basis @ (basis.T @ x[:, j]))
        a_left.append(_unit(a - basis @ (basis.T @ a)))
    r = np.stack([x_left[:, j] @ each for j, each in enumerate(a_left)])
    rng = np.random.default_rng([seed, 11])
    greatest = np.zeros(N_EXCHANGES)
    ordered = np.argsort(codes, kind="stable")
    for k in range(N_EXCHANGES):
        exchanged = np.empty_like(x_left)
        exchanged[ordered] = x_left[np.lexsort((rng.random(len(codes)), codes))]
        greatest[k] = max(
            np.abs(exchanged[:, j] @ each).max(initial=0.0) for j, each in enumerate(a_left)
        )
    p_value = (1 + (greatest[:, None, None] >= np.abs(r)).sum(axis=0)) / (1 + N_EXCHANGES)
    units = [(name, c) for name, each in activations.items() for c in range(each.shape[1])]
    table = pd.DataFrame(
        [
            (*unit, *cue, r[j, i], p_value[j, i])
            for i, unit in enumerate(units)
            for j, cue in enumerate(cues.columns)
        ],
        columns=list(COLUMNS[:6]),
    )
    return table.assign(n_tokens=int(complete.sum()), n_speakers=int(codes.max()) + 1)


def _within(values: FloatArray, codes: NDArray[np.intp]) -> FloatArray:
    """Columns without the speakers' means."""
    counts = np.bincount(codes)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, codes, values)
    return values - (sums / counts[:, None])[codes]


def _unit(values: FloatArray) -> FloatArray:
    """Columns of length 1; those that are zero stay so."""
    length = np.sqrt((values**2).sum(axis=0))
    return values / np.where(length > 1e-9 * max(1.0, float(np.max(length))), length, np.inf)
