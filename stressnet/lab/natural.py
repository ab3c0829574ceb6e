"""How cues vary in read speech: means, standard deviations and correlations of both vowels' cues.

``natural_cues.csv`` holds them, measured with :mod:`stressnet.acoustics.cues` on 4,136 disyllabic
words of 177 LibriSpeech speakers (Panayotov et al. 2015, CC BY 4.0). Means are the average of the
medians of both stress classes. Deviations are taken within speaker and class, so that neither
contributes; their spread is half the distance of the 16 % and 84 % quantiles, and their correlation
is Pearson's by way of Spearman's rank correlation, both of which bear tracking errors. Formants
count only where they were trusted. Vowel identity is part of the variance of formants: drawing from
the table draws vowels from the vowel space.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd

from stressnet.axes import FloatArray

CUES = tuple(
    "f0_level_st f0_slope_st_per_s log_duration intensity_db tilt_db log_f1 log_f2 log_f3".split()
)
"""Cues of a vowel: mean F0 above the speaker's median, its slope, the natural logarithm of the
duration in seconds, mean intensity, level of 1-4 kHz above that of 0-1 kHz, logarithms of formants
in hertz."""

CLEAR_SPEECH = 1.6
"""Vowels of the lab are so much longer than those of the running speech that was measured: below
60 ms Praat's formant analysis has no frame that lies in the vowel alone."""


@dataclass(frozen=True)
class NaturalCues:
    """The table.

    Parameters
    ----------
    mean, sd : ndarray, shape (2, n_cues)
        First and second vowel, in the order of :data:`CUES`.
    root : ndarray, shape (2 n_cues, 2 n_cues)
        Cholesky factor of the correlation matrix; the first vowel's cues come first.
    """

    mean: FloatArray
    sd: FloatArray
    root: FloatArray

    def draw(self, rng: np.random.Generator, limit_sd: float = 2.0) -> FloatArray:
        """Correlated deviations in standard deviations, shape (2, n_cues).

        Those beyond ``limit_sd`` are drawn again: the tails are tracking errors.
        """
        while True:
            z = self.root @ rng.standard_normal(2 * len(CUES))
            if np.abs(z).max() <= limit_sd:
                return z.reshape(2, len(CUES))


@lru_cache(maxsize=1)
def natural_cues() -> NaturalCues:
    """Read the table that comes with the package."""
    with files("stressnet.lab").joinpath("natural_cues.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, index_col="cue", float_precision="round_trip")
    names = [f"{cue}_{k}" for k in (1, 2) for cue in CUES]
    correlation = table.loc[names, names].to_numpy()
    mean, sd = (table.loc[names, c].to_numpy().reshape(2, len(CUES)) for c in ("mean", "sd"))
    mean = mean.copy()
    mean[:, CUES.index("log_duration")] += np.log(CLEAR_SPEECH)
    symmetric = 0.5 * (correlation + correlation.T)  # rounded to three digits in the file
    return NaturalCues(mean, sd, np.linalg.cholesky(symmetric))
