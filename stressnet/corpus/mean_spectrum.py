"""Mean and spread of sound per frequency bin of a corpus's images."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.acoustics.spectrogram import sound_statistics
from stressnet.corpus.images import Images
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError

N_FOR_STATISTICS = 500  # Training images from which mean and spread per bin are taken


def bin_statistics(
    corpus: Corpus, images: Images, tokens: pd.DataFrame, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of sound per bin, each of shape (n_bins,)."""
    if images.parts:
        raise ConfigError(
            "the mean of sound is that of one preset, and this ensemble takes several; choose "
            "another method, or an ensemble of one preset"
        )
    where = np.flatnonzero((corpus.tokens["split"] == "train").to_numpy())
    if where.size == 0:
        where = tokens["image"].to_numpy()
    if where.size > N_FOR_STATISTICS:
        rng = np.random.default_rng([seed, 4])
        where = np.sort(rng.choice(where, N_FOR_STATISTICS, replace=False))
    return sound_statistics(images.values, images.mask, where)


def mean_spectrum(corpus: Corpus, images: Images, tokens: pd.DataFrame) -> NDArray[np.float64]:
    """The mean of :func:`bin_statistics`, which methods with a reference compare with."""
    return bin_statistics(corpus, images, tokens)[0]
