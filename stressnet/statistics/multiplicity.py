"""p-values corrected for their number, by statsmodels; missing ones stay and do not count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bound the chance of any false positive (Holm 1979, *Scand. J. Stat.* 6:65-70).

    Parameters
    ----------
    p_values : ndarray
        NaN where there was no test.
    """
    return _corrected(p_values, "holm")


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bound the share of false positives (Benjamini & Hochberg 1995, *JRSS B* 57:289-300).

    Parameters
    ----------
    p_values : ndarray
        NaN where there was no test.
    """
    return _corrected(p_values, "fdr_bh")


def _corrected(p_values: NDArray[np.float64], method: str) -> NDArray[np.float64]:
    from statsmodels.stats.multitest import multipletests

    p = np.asarray(p_values, dtype=np.float64)
    result = np.full(p.shape, np.nan)
    present = np.isfinite(p)
    if present.any():
        result[present] = multipletests(p[present], method=method)[1]
    return result
