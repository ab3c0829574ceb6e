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

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from stressnet.axes import FloatArray

CUES = (
    "f0_level_st",
    "f0_slope_st_per_s",
    "log_duration",
    "intensity_db",
    "tilt_db",
    "log_f1",
    "log_f2",
    "log_f3",
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
    text = files("stressnet.lab").joinpath("natural_cues.csv").read_text(encoding="utf-8")
    rows = {row["cue"]: row for row in csv.DictReader(text.splitlines())}
    names = [f"{cue}_{k}" for k in (1, 2) for cue in CUES]
    correlation = np.array([[float(rows[a][b]) for b in names] for a in names])
    mean, sd = (
        np.array([float(rows[name][column]) for name in names]).reshape(2, len(CUES))
        for column in ("mean", "sd")
    )
    mean[:, CUES.index("log_duration")] += np.log(CLEAR_SPEECH)
    symmetric = 0.5 * (correlation + correlation.T)  # rounded to three digits in the file
    return NaturalCues(mean, sd, np.linalg.cholesky(symmetric))
