"""Pictures compared with kept ones, with a tolerance for versions of fonts and of matplotlib.

``STRESSNET_KEEP_BASELINES=1 pytest ...`` replaces the kept pictures; look at them before you
commit them.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import gaussian_filter

BASELINES = Path(__file__).parent / "baselines"
WIDTH_PIXELS = 420
BLUR_PIXELS = 2.0
TOLERANCE = 0.25
"""Largest difference after blurring, as a part of the kept picture's ink."""


def grey(figure: Figure) -> np.ndarray:
    """The picture in grey, 1 is white, at the width of the baselines."""
    figure.set_dpi(WIDTH_PIXELS / figure.get_size_inches()[0])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba()).astype(np.float64) / 255
    return 1 - rgba[..., 3] + rgba[..., 3] * rgba[..., :3].mean(axis=2)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two pictures after blurring, per ink of the first."""
    height = min(len(one), len(other))
    if abs(len(one) - len(other)) > 3:
        return float("inf")
    a, b = (gaussian_filter(values[:height], BLUR_PIXELS) for values in (one, other))
    return float(np.abs(a - b).mean() / max((1 - a).mean(), 1e-6))


def assert_looks_like(figure: Figure, name: str) -> None:
    """Fail if a figure differs from ``baselines/<name>.png`` by more than the tolerance."""
    file, drawn = BASELINES / f"{name}.png", grey(figure)
    if os.environ.get("STRESSNET_KEEP_BASELINES"):
        BASELINES.mkdir(exist_ok=True)
        values = (16 * np.round(drawn * 15)).astype(np.uint8)
        Image.fromarray(values).save(file, optimize=True)
    kept = np.asarray(Image.open(file)).astype(np.float64) / 240
    found = difference(kept, drawn)
    assert found < TOLERANCE, f"{name}: differs by {found:.2f} of the ink; look at both"
