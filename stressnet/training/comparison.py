"""Whether one network is better than another on the same tokens.

Two answers. McNemar's exact test looks at the tokens on which the two disagree and takes tokens for
independent, which tokens of one speaker or word are not: its p-values are too small wherever errors
come in clusters. The paired pigeonhole bootstrap resamples speakers and words and gives an interval
for the difference; that is the one to believe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from stressnet.errors import ConfigError
from stressnet.inference.bootstrap import Estimate, Side, bootstrapped, mean_of_sides
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import Stress


@dataclass(frozen=True)
class Comparison:
    """A first network against a second one on ``n`` tokens.

    ``only_first`` and ``only_second`` are tokens that only this one gets right, ``mcnemar_p`` is
    exact and two-sided (1 where they never disagree), the estimates are first minus second.
    """

    n: int
    only_first: int
    only_second: int
    mcnemar_p: float
    accuracy: Estimate
    balanced_accuracy: Estimate


def compare(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    speakers: ArrayLike,
    words: ArrayLike,
    **draws: int,
) -> Comparison:
    """Compare two networks token by token; :class:`ConfigError` if lengths differ.

    ``first`` and ``second`` are their logits INITIAL minus FINAL, shape (n,); INITIAL is predicted
    where they are >= 0. Other parameters as for :func:`stressnet.training.metrics.evaluate`.
    """
    is_initial = np.asarray(labels) == Stress.INITIAL.class_index
    answers = [np.asarray(scores, dtype=np.float64) >= 0 for scores in (first, second)]
    if not len(is_initial) == len(answers[0]) == len(answers[1]):
        raise ConfigError("the two networks predict different tokens; evaluate them on the same")
    hits = [answer == is_initial for answer in answers]
    only_first, only_second = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    n_apart = only_first + only_second
    p = float(binomtest(only_first, n_apart, 0.5).pvalue) if n_apart else 1.0
    gain = hits[0].astype(np.float64) - hits[1].astype(np.float64)

    def difference(sides: Sequence[Side]) -> Estimate:
        return bootstrapped(lambda w: mean_of_sides(w, gain, sides), speakers, words, **draws)

    accuracy, balanced = difference([slice(None)]), difference([is_initial, ~is_initial])
    return Comparison(len(gain), only_first, only_second, p, accuracy, balanced)


def compare_with_cues(
    baseline: str,
    predictions: pd.DataFrame,
    networks: dict[str, pd.DataFrame],
    n_resamples: int,
    contrast: Contrast = STRESS,
) -> list[dict[str, Any]]:
    """Rows of ``comparisons.csv``: networks against a baseline of cues on every test set."""
    first, second = (f"logit_{key}" for key in contrast.keys)
    rows = []
    for name, answers in networks.items():
        both = answers.merge(
            predictions[["token_id", first, second]],
            on="token_id",
            suffixes=("", "_cues"),
            validate="1:1",
        )
        for split, part in both.groupby("split", sort=False):
            result = compare(
                [contrast.classes.index(one) for one in part[contrast.true]],
                part[first] - part[second],
                part[f"{first}_cues"] - part[f"{second}_cues"],
                part["speaker"],
                part["lemma"],
                n_resamples=n_resamples,
            )
            rows.append(
                {
                    "model": name,
                    "baseline": baseline,
                    "test_set": split,
                    "n": result.n,
                    "only_model_right": result.only_first,
                    "only_baseline_right": result.only_second,
                    "mcnemar_p": result.mcnemar_p,
                    "accuracy_difference": result.accuracy.value,
                    "balanced_accuracy_difference": result.balanced_accuracy.value,
                    "low": result.balanced_accuracy.low,
                    "high": result.balanced_accuracy.high,
                }
            )
    return rows
