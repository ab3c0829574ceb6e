"""Logistic regression with the penalty of Firth (1993, *Biometrika* 80:27-38).

The penalty keeps coefficients finite and takes out most of their bias in small samples. Each row's
contribution to the coefficients is kept, so that intervals may respect speakers and words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError

_MOST_STEPS = 100
_TOLERANCE = 1e-9
_LARGEST_MOVE = 2.0


@dataclass(frozen=True)
class LogisticFit:
    """A logistic regression with each row's contribution to its coefficients.

    Parameters
    ----------
    coefficients : ndarray, shape (1 + n_predictors,)
        Intercept first, log odds.
    contributions : ndarray, shape (n_rows, 1 + n_predictors)
        Linearised contribution of each row; columns sum to about zero.
    """

    coefficients: FloatArray
    contributions: FloatArray
    converged: bool


def fit_logistic(predictors: ArrayLike, answers: ArrayLike) -> LogisticFit:
    """Logistic regression by Firth's penalised likelihood.

    Parameters
    ----------
    predictors : array, shape (n_rows,) or (n_rows, n_predictors)
        Without the intercept; each must vary.
    answers : array, shape (n_rows,)
        In [0, 1]: decisions or probabilities.
    """
    x = np.asarray(predictors, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    y = np.asarray(answers, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ConfigError(f"{x.shape} predictors do not fit answers of shape {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ConfigError("steps and answers must be finite numbers; leave out missing rows")
    if y.size and not (y.min() >= 0 and y.max() <= 1):
        raise ConfigError("answers must lie between 0 (INITIAL) and 1 (FINAL)")
    middle = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    spread = x.std(axis=0) if len(x) else np.zeros(x.shape[1])
    if not (spread > 0).all():
        raise ConfigError("a predictor has only one value; a slope needs two steps at least")
    # Standardised while fitting, so that hertz and octaves converge alike.
    design = np.column_stack([np.ones(len(x)), (x - middle) / spread])
    theta = np.zeros(design.shape[1])
    converged = False
    inverse = np.eye(len(theta))
    for _ in range(_MOST_STEPS):
        p = expit(design @ theta)
        weight = np.maximum(p * (1 - p), 1e-12)
        inverse = np.linalg.inv((design * weight[:, None]).T @ design)
        leverage = weight * np.einsum("ij,jk,ik->i", design, inverse, design)
        move = inverse @ (design.T @ (y - p + leverage * (0.5 - p)))
        move *= min(1.0, _LARGEST_MOVE / max(float(np.abs(move).max()), 1e-300))
        theta = theta + move
        if float(np.abs(move).max()) < _TOLERANCE:
            converged = True
            break
    p = expit(design @ theta)
    contributions = (design * (y - p)[:, None]) @ inverse
    # Back to the predictors' own units.
    change = np.eye(len(theta))
    change[1:, 1:] = np.diag(1 / spread)
    change[0, 1:] = -middle / spread
    return LogisticFit(change @ theta, contributions @ change.T, converged)
