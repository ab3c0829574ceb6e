"""Intervals end where the measure does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIGNED_MEASURES = ("signed_", "net_")
"""How names of measures begin that can be negative; shares, densities and scores cannot."""


def lower_limit(low: NDArray[np.float64], measure: str) -> NDArray[np.float64]:
    """Lower limits of a mean, not below zero if the measure cannot be negative.

    Cutting off what cannot be true takes nothing from the coverage of an interval.

    Parameters
    ----------
    low : ndarray
        Lower limits; NaN (no interval) stays NaN.
    measure : str
        Column that was averaged, e.g. ``density`` or ``signed_share``.
    """
    return low if measure.startswith(SIGNED_MEASURES) else np.maximum(low, 0.0)
