"""Whether a network that says 0.8 is right eight times in ten, and what mends it if not.

The threshold is the logit difference at which both classes are found equally often among the
validation tokens; from there the answer is INITIAL. Temperature scaling (Guo, Pleiss, Sun &
Weinberger 2017, *On Calibration of Modern Neural Networks*) then divides what is left by one number
fitted on the same tokens. It changes no decision.

A network whose loss weighed the classes equally gives probabilities for a world in which both
classes are equally frequent: what is fair for a word that may be either, and too modest for running
speech, in which three of four disyllables begin with the stress. The temperature is fitted with the
weights the training had, and calibration can be measured with either (``balanced``).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from stressnet.errors import CheckpointError, ConfigError
from stressnet.inference.bootstrap import Estimate, interval_of, resampled
from stressnet.lexicon.stress import Stress
from stressnet.runs.manifest import write_json

if TYPE_CHECKING:
    from stressnet.models.checkpoint import TrainedNetwork

FILE_NAME = "calibration.json"
N_BINS = 10  # Bins of equal width over the probability of INITIAL, from 0 to 1

_RANGE = (math.log(0.05), math.log(20.0))


@dataclass(frozen=True)
class Calibration:
    """A threshold and a temperature for logit differences, and what they were fitted on."""

    temperature: float
    balanced: bool
    n: int
    loss_before: float
    loss_after: float
    weights_sha256: str = ""
    threshold: float = 0.0

    def p_initial(self, logit_difference: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probability of INITIAL from logits INITIAL minus FINAL; 0.5 at threshold."""
        scores = np.asarray(logit_difference, dtype=np.float64)
        return expit((scores - self.threshold) / self.temperature)


def calibrate(
    labels: ArrayLike,
    logit_difference: ArrayLike,
    *,
    balanced: bool = False,
    weights_sha256: str = "",
) -> Calibration:
    """Threshold of equal recalls, and the temperature of smallest negative log likelihood.

    ``labels`` are class indices, logit differences INITIAL minus FINAL, both of shape (n,). Both
    classes weigh the same in the temperature if ``balanced``; ``weights_sha256`` is kept.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    scores = np.asarray(logit_difference, dtype=np.float64)
    if not is_initial.any() or is_initial.all():
        raise ConfigError("calibration needs validation tokens of both classes; there are none")
    weights = _weights(is_initial, balanced)
    threshold = _equal_recalls(scores[is_initial], scores[~is_initial])
    signed = np.where(is_initial, scores - threshold, threshold - scores)

    def loss(log_temperature: float) -> float:
        return float(-(weights * log_expit(signed / math.exp(log_temperature))).sum())

    found = minimize_scalar(loss, bounds=_RANGE, method="bounded", options={"xatol": 1e-6})
    return Calibration(
        temperature=math.exp(found.x),
        balanced=balanced,
        n=len(scores),
        loss_before=loss(0.0),
        loss_after=float(found.fun),
        weights_sha256=weights_sha256,
        threshold=threshold,
    )


def _equal_recalls(initial: NDArray[np.float64], final: NDArray[np.float64]) -> float:
    """The limit, nearest to 0, from which a share of one class lies that is equal to the share of
    the other below it, or the closest to it."""
    levels = np.unique(np.concatenate([initial, final]))
    limits = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2])
    found = 1 - np.searchsorted(np.sort(initial), limits) / len(initial)
    apart = np.abs(found - np.searchsorted(np.sort(final), limits) / len(final))
    best = limits[apart <= apart.min() + 1e-12]
    return float(best[np.abs(best).argmin()])


def reliability(labels: ArrayLike, p_initial: ArrayLike, *, balanced: bool = False) -> pd.DataFrame:
    """Predicted and observed shares of INITIAL, bin by bin.

    Arguments are those of :func:`calibrate`, with probabilities. Returns one row per bin:
    ``low``, ``high`` (limits), ``n``, ``weight`` (share of all tokens), ``predicted`` (mean
    probability), ``observed`` (share of INITIAL); nan where empty.
    """
    is_initial, p = np.asarray(labels) == Stress.INITIAL.class_index, np.asarray(p_initial)
    bins = _bin_of(p)
    weights = _weights(is_initial, balanced)
    total = np.bincount(bins, weights, N_BINS)
    edges = np.linspace(0, 1, N_BINS + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.DataFrame(
            {
                "low": edges[:-1],
                "high": edges[1:],
                "n": np.bincount(bins, minlength=N_BINS),
                "weight": total,
                "predicted": np.bincount(bins, weights * p, N_BINS) / total,
                "observed": np.bincount(bins, weights * is_initial, N_BINS) / total,
            }
        )


def calibration_error(
    labels: ArrayLike,
    p_initial: ArrayLike,
    speakers: ArrayLike,
    words: ArrayLike,
    *,
    balanced: bool = False,
    **draws: int,
) -> Estimate:
    """Expected calibration error of the probability of INITIAL, with its interval.

    The mean over tokens of the distance between predicted and observed share in their bin. It is
    never negative, so that with few tokens even perfect probabilities get more than zero. Resamples
    add to that; the interval is moved down by what they add on average (but not below zero).
    Parameters are those of :func:`reliability` and :func:`stressnet.training.metrics.evaluate`.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    p = np.asarray(p_initial, dtype=np.float64)
    if not len(p):
        return Estimate(math.nan, math.nan, math.nan, "no tokens")
    if balanced and (is_initial.all() or not is_initial.any()):
        return Estimate(math.nan, math.nan, math.nan, "needs tokens of both classes")
    member = np.eye(N_BINS)[_bin_of(p)]

    def errors(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if balanced:
            one, other = (
                weights * side / (2 * (weights * side).sum(1, keepdims=True))
                for side in (is_initial, ~is_initial)
            )
            weights = one + other
        else:
            weights = weights / weights.sum(axis=1, keepdims=True)
        return np.abs((weights * (p - is_initial)) @ member).sum(axis=1)

    value, resamples = resampled(errors, speakers, words, **draws)
    defined = resamples[np.isfinite(resamples)]
    added = float(defined.mean()) - value if len(defined) else 0.0
    return interval_of(value, np.maximum(resamples - added, 0.0))


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Write ``calibration.json`` into a checkpoint folder, or raise :class:`CheckpointError`."""
    try:
        write_json(folder / FILE_NAME, asdict(calibration))
    except OSError as error:
        raise CheckpointError(
            f"{folder / FILE_NAME}: cannot be written ({error.strerror}); check the permissions"
        ) from error


def calibration_of(network: TrainedNetwork) -> Calibration:
    """The calibration stored with a network, or one that changes nothing."""
    stored = network.info.metrics.get("calibration")  # Of a network in an ONNX file
    known = Calibration(**stored) if stored else load_calibration(network.path, network.digest)
    return known or Calibration(1.0, False, 0, math.nan, math.nan)


def load_calibration(folder: Path, weights_sha256: str) -> Calibration | None:
    """The calibration stored with a checkpoint, whose weights have that hash; None without one."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        found = Calibration(**json.loads(path.read_text(encoding="utf-8")))
        usable = math.isfinite(found.threshold + found.temperature) and found.temperature > 0
    except (ValueError, RecursionError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: damaged ({reason}); write it again or delete it") from None
    if not usable:
        raise CheckpointError(
            f"{path}: temperature {found.temperature} or threshold {found.threshold} is none; "
            f"delete the file"
        )
    if found.weights_sha256 != weights_sha256:
        raise CheckpointError(
            f"{path}: belongs to other weights than those beside it; delete it or write it again"
        )
    return found


def _bin_of(p: NDArray) -> NDArray[np.int64]:
    return np.minimum((np.asarray(p, dtype=np.float64) * N_BINS).astype(np.int64), N_BINS - 1)


def _weights(is_initial: NDArray[np.bool_], balanced: bool) -> NDArray[np.float64]:
    """Weights of the tokens, summing to 1."""
    n = len(is_initial)
    if not balanced or is_initial.all() or not is_initial.any():
        return np.full(n, 1 / max(n, 1))
    return np.where(is_initial, 0.5 / is_initial.sum(), 0.5 / (~is_initial).sum())
