"""How many tokens, speakers and words a study needs to show an effect.

A mean over tokens of speakers and words, crossed, has the variance

    V = σ²_speaker / e_speaker + σ²_word / e_word + σ²_residual / n

with e the effective number of clusters, n² / Σ n_k². The three components are those under which
the sums of squares of the speakers', the words' and the tokens' totals have the values that were
found (Henderson's first method, *Biometrics* 1953, 9:226-252). Power is the chance that the whole
interval lies above the margin, by the noncentral t distribution with Satterthwaite's degrees of
freedom. A larger study is one in which all clusters have the same proportions as here. Training
seeds are no part of it: results hold for these networks.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import brentq, nnls
from scipy.stats import nct
from scipy.stats import t as student

from stressnet.axes import FloatArray

LEVEL = 0.95  # Of the interval that has to lie above the margin

MOST = 1000.0  # A study more than so many times as large is not asked for

GROWS = {"all": (1, 1, 1), "words": (0, 1, 1), "speakers": (1, 0, 1)}
"""Which of speakers, words and tokens a larger study has more of."""


@dataclass(frozen=True)
class Study:
    """A mean over tokens, and where its variance comes from."""

    mean: float
    variances: FloatArray
    effective: FloatArray
    counts: tuple[int, int, int]

    @classmethod
    def of(cls, values: ArrayLike, speakers: ArrayLike, words: ArrayLike) -> Self:
        """From a value per token; each array has shape (n_tokens,)."""
        y = np.asarray(values, dtype=np.float64)
        n = len(y)
        codes = [pd.factorize(np.asarray(names))[0] for names in (speakers, words, np.arange(n))]
        sizes = [np.bincount(code)[code].astype(np.float64) for code in codes]
        apart = y - y.mean()
        squares = np.array([(np.bincount(code, apart) ** 2).sum() for code in codes])
        expected = np.empty((3, 3))
        for a in range(3):
            for b in range(3):
                cell = pd.factorize(codes[a].astype(np.int64) * n + codes[b])[0]
                together = np.bincount(cell)[cell].sum()
                centred = sizes[a].sum() * sizes[b].sum() / n**2 - 2 * (sizes[a] @ sizes[b]) / n
                expected[a, b] = together + centred
        scale = np.diag(expected)
        variances, _ = nnls(expected / scale[:, None], squares / scale)
        effective = np.array([n**2 / size.sum() for size in sizes])
        counts = [int(code.max()) + 1 for code in codes]
        return cls(float(y.mean()), variances, effective, (counts[0], counts[1], counts[2]))

    def power(self, distance: float, times: float = 1.0, grows: str = "all") -> float:
        """Chance to show that the mean lies above a margin from which it is so far."""
        effective = self.effective * np.where(GROWS[grows], times, 1.0)
        parts = self.variances / effective
        error = np.sqrt(parts.sum())
        if error == 0:
            return float(distance > 0)
        df = parts.sum() ** 2 / (parts**2 / np.maximum(effective - 1, 1e-9)).sum()
        return float(nct.sf(student.ppf((1 + LEVEL) / 2, df), df, distance / error))

    def times(self, distance: float, goal: float, grows: str = "all") -> float:
        """How many times as large a study reaches a power; infinite if none does."""

        def missing(log_times: float) -> float:
            return self.power(distance, np.exp(log_times), grows) - goal

        low, high = -np.log(self.effective.min() / 2), np.log(MOST)
        if distance <= 0 or missing(high) < 0:
            return np.inf
        return float(np.exp(low if missing(low) > 0 else brentq(missing, low, high, xtol=1e-4)))

    def needed(self, distance: float, goal: float) -> dict[str, float]:
        """Columns of a table: the power here, and the size of studies that reach the goal."""
        sizes = dict(zip(("n_speakers", "n_words", "n_tokens"), self.counts, strict=True))
        found: dict[str, float] = {**sizes, "power": self.power(distance)}
        for grows, which in GROWS.items():
            times = self.times(distance, goal, grows)
            for (name, n), more in zip(sizes.items(), which, strict=True):
                label = f"{name}_needed" if grows == "all" else f"{name}_if_more_{grows}"
                if more:
                    found[label] = float(np.ceil(n * times - 1e-6))
        return found


def balanced(values: ArrayLike, classes: ArrayLike) -> FloatArray:
    """Values whose mean is that of the classes' means, each token with what it contributes."""
    y = pd.Series(np.asarray(values, dtype=np.float64))
    by_class = y.groupby(np.asarray(classes))
    weight = len(y) / (by_class.transform("size") * by_class.ngroups)
    centre = float(by_class.mean().mean())
    return (centre + weight * (y - by_class.transform("mean"))).to_numpy()
