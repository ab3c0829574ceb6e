"""How figures look: sizes, fonts, colours, files.

Conventions
-----------
INITIAL is warm, FINAL is cool, everywhere. Signed relevance is drawn with a diverging map that is
symmetric around zero and transparent at zero, so that it can lie on a grey spectrogram. The two
hues (vermilion and blue) stay apart for colour-blind readers. Figures are
:class:`matplotlib.figure.Figure` objects without pyplot: nothing is global and no display is
needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import ConfigError, check_names
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.contrast import Contrast
from stressnet.lexicon.stress import CLASSES, Stress

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

WIDTHS_IN: dict[str, float] = {"column": 3.5, "page": 7.0}
"""Figure widths in inches: one column, and the full page of a two-column journal."""

Width = str | float  # How wide a figure is: a name in `WIDTHS_IN`, or inches

STRESS_MARKERS: dict[Stress, str] = {Stress.INITIAL: "o", Stress.FINAL: "s"}
STRESS_COLOURS: dict[Stress, str] = {
    Stress.INITIAL: "#c8400c",
    Stress.PREANTEPENULTIMATE: "#222222",
    Stress.ANTEPENULTIMATE: "#c8400c",
    Stress.PENULTIMATE: "#009e73",
    Stress.FINAL: "#1768ac",
}
"""One colour per class, used for nothing else in statistics figures."""


def class_colour(one: str, contrast: Contrast) -> str:
    """The colour of a class; warm and cool of any two."""
    if contrast.is_stress:
        return STRESS_COLOURS[Stress(one)]
    return STRESS_COLOURS[CLASSES[contrast.classes.index(one)]]


COLOURS = ("#000000", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195")
"""One per network, layer or estimator; apart for colour-blind readers (Okabe & Ito) and unlike
those of the classes."""

MARKERS = ("o", "s", "D", "^", "v", "P")  # Beside `COLOURS`, some of which are one grey in print

FORMANT_COLOUR = "#d7191c"
PITCH_COLOUR = "#1f4fd8"
BOUNDARY_COLOUR = "#555555"
NULL_COLOUR = "#8a8a8a"

_WARM = ("#fbb27a", "#d9480f", "#8f2503")
_COOL = ("#8cc4ea", "#1768ac", "#08305c")
_OPAQUE = 0.92
_RISE = 0.75  # exponent of opacity: small values stay visible, zero stays clear
_FONT = "DejaVu Sans"  # comes with matplotlib and holds the IPA
FORMATS = ("png", "pdf", "svg")


@contextmanager
def style() -> Iterator[None]:
    """Figures made inside look like stressnet's; matplotlib's settings are as before afterwards."""
    import matplotlib.style

    with matplotlib.style.context(Path(__file__).parent / "stressnet.mplstyle"):
        yield


def width_in(width: Width) -> float:
    """A figure width in inches, by name (:data:`WIDTHS_IN`) or as a number."""
    if isinstance(width, str):
        check_names("figure width", [width], WIDTHS_IN)
        return WIDTHS_IN[width]
    if not 2.0 <= width <= 50.0:
        raise ConfigError(f"a figure {width:g} inches wide cannot be drawn; choose 2 to 50")
    return float(width)


def text_width_in(text: str, points: float, weight: str = "normal") -> float:
    """Width of a line of text in inches, in the figures' font."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family=_FONT, weight=weight)
    # Measured large: hinting distorts small sizes.
    return float(TextPath((0, 0), text, size=100, prop=font).get_extents().x1) * points / 7200


def relevance_colormap() -> ListedColormap:
    """FINAL (-1) cool, INITIAL (+1) warm, 0 transparent; symmetric in opacity."""
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap

    n = 255  # odd: one colour is exactly zero
    position = np.linspace(-1.0, 1.0, n)
    warm = LinearSegmentedColormap.from_list("warm", _WARM)
    cool = LinearSegmentedColormap.from_list("cool", _COOL)
    strength = np.abs(position)
    rgba = np.where((position > 0)[:, None], warm(strength), cool(strength))
    rgba[:, 3] = _OPAQUE * strength**_RISE
    return ListedColormap(rgba, name="stressnet_relevance")


def symmetric_norm(limit: float) -> Normalize:
    """A linear scale from ``-limit`` to ``limit``; a limit of zero becomes a tiny one."""
    from matplotlib.colors import Normalize

    limit = float(limit) if np.isfinite(limit) and limit > 0 else 1e-12
    return Normalize(-limit, limit)


def relevance_limit(relevance: NDArray[np.floating]) -> float:
    """Absolute relevance at which colours saturate: 99.5 % of cells that are not zero have less."""
    values = np.abs(np.asarray(relevance, dtype=np.float64))
    values = values[np.isfinite(values) & (values > 0)]
    return float(np.percentile(values, 99.5)) if values.size else 0.0


def save_figure(
    figure: Figure, path: Path | str, formats: Iterable[str] = ("png", "pdf"), spoken: str = ENGLISH
) -> list[Path]:
    """Write a figure as ``path`` with each format's suffix.

    ``path``: name without suffix; its folder is made if needed. ``formats`` ({"png", "pdf",
    "svg"}): PNG has 200 dots per inch; in the others only spectrograms and maps are rasterised.
    ``spoken``: code of the language of the data, to be named in the lower right corner unless it
    is English. Raises `ConfigError` if a format is unknown or the folder cannot be written.
    """
    path, formats = Path(path), list(formats)
    check_names("figure format", formats, FORMATS)
    files = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style():
            if spoken != ENGLISH:
                # At the right: the page's caption below begins at the left.
                look: Any = {"ha": "right", "va": "bottom", "size": 6, "color": "#555555"}
                figure.text(0.996, 0.004, language(spoken).name, **look)
            for suffix in formats:
                file = path.with_name(f"{path.name}.{suffix}")
                # No dates: the same figure is the same file.
                metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(suffix)
                figure.savefig(file, format=suffix, metadata=metadata, facecolor="white")
                files.append(file)
    except OSError as error:
        raise ConfigError(f"{path}: figure cannot be written ({error.strerror})") from error
    return files
