"""What a word's figure is made of; every layer draws into an ``ax`` it is given.

Conventions
-----------
Times are seconds from the word's onset, frequencies hertz. A layer sets the limits of its frequency
axis but never those of time, which all panels share.

Examples
--------
A spectrogram with formants in a figure of one's own::

    ax = figure.add_subplot()
    draw_spectrogram(ax, word.audio, word.origin_s)
    draw_formants(ax, word.tracks.formants)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import parselmouth
from matplotlib.axes import Axes as Ax
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from stressnet.acoustics.track_types import FormantTrack, PitchTrack
from stressnet.audio import Audio
from stressnet.axes import Axes, cell_edges
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.lexicon.contrast import STRESS
from stressnet.lexicon.stress import CLASSES
from stressnet.report.grid import mesh
from stressnet.report.style import (
    BOUNDARY_COLOUR,
    FORMANT_COLOUR,
    PITCH_COLOUR,
    STRESS_COLOURS,
    relevance_colormap,
    relevance_limit,
    symmetric_norm,
    text_width_in,
)

_IMAGE_DARKNESS = 0.7  # Darkest grey under relevance; 1 is black

WIDE_BAND_WINDOW_S = 0.005
"""Praat's default for wide-band spectrograms (Gaussian, effective length)."""

PRE_EMPHASIS_HZ = 50.0
FORMANT_RANGE_DB = 30.0
"""Formants are drawn where the sound is at most so far below its loudest moment, as in Praat."""

PITCH_RANGE_HZ = (75.0, 500.0)
PITCH_TICKS_HZ = (75, 100, 150, 200, 300, 500)
_DOTS: dict[str, Any] = {"linestyle": "", "marker": "o", "markeredgewidth": 0}


def draw_waveform(ax: Ax, audio: Audio, origin_s: float = 0.0) -> None:
    """The waveform, thin and black, without frame; ``origin_s`` of the excerpt becomes zero."""
    time_s = np.arange(len(audio.samples)) / audio.rate_hz - origin_s
    ax.plot(time_s, audio.samples, color="black", linewidth=0.35, rasterized=len(time_s) > 50_000)
    peak = float(np.max(np.abs(audio.samples), initial=1e-6))
    ax.set_ylim(-1.05 * peak, 1.05 * peak)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def wide_band(audio: Audio, max_hz: float = 5500.0) -> tuple[NDArray[np.float64], Axes]:
    """Praat's wide-band spectrogram.

    Returns levels after pre-emphasis (6 dB per octave above 50 Hz) re the maximum, and their axes,
    whose time zero is the excerpt's start. Raises `ConfigError` if the excerpt is too short.
    """
    if audio.duration_s < 4 * WIDE_BAND_WINDOW_S:
        raise ConfigError(
            f"an excerpt of {1000 * audio.duration_s:.0f} ms is too short for a spectrogram"
        )
    sound = parselmouth.Sound(audio.samples.astype(np.float64), sampling_frequency=audio.rate_hz)
    sound.pre_emphasize(from_frequency=PRE_EMPHASIS_HZ)
    steps = {"time_step": 0.001, "frequency_step": 20.0}
    spectrogram = sound.to_spectrogram(WIDE_BAND_WINDOW_S, max_hz, **steps)
    level_db = 10.0 * np.log10(np.maximum(spectrogram.values, 1e-30))
    return level_db - level_db.max(), Axes(spectrogram.xs(), spectrogram.ys())


def draw_spectrogram(
    ax: Ax, audio: Audio, origin_s: float = 0.0, *, max_hz: float = 5500.0, range_db: float = 60.0
) -> QuadMesh:
    """A wide-band spectrogram in grey, dark where loud, as in a Praat picture.

    ``origin_s``: time in the excerpt that becomes zero. ``range_db``: what lies further below the
    maximum is white; 50 to 70 is usual.
    """
    level_db, axes = wide_band(audio, max_hz)
    axes = axes.shifted(-origin_s)
    return mesh(ax, level_db, axes, (0.0, max_hz), cmap="Greys", vmin=-range_db, vmax=0.0)


def draw_formants(
    ax: Ax,
    formants: FormantTrack,
    audio: Audio | None = None,
    origin_s: float = 0.0,
    *,
    size: float = 1.0,
) -> None:
    """F1 to F4 as small dots (of ``size`` re 1.6 points), fainter where the tracker reports a wide
    bandwidth.

    With ``audio``, in which ``origin_s`` is zero, dots stand only where the sound is within
    :data:`FORMANT_RANGE_DB` of its loudest.
    """
    time_s = np.broadcast_to(formants.time_s, formants.frequency_hz.shape)
    drawn = np.isfinite(formants.frequency_hz)
    if audio is not None and len(formants.time_s):
        drawn = drawn & is_loud(audio, formants.time_s + origin_s)[None]
    bandwidth = np.nan_to_num(formants.bandwidth_hz[drawn], nan=1e3)
    colours = np.tile(to_rgba(FORMANT_COLOUR), (int(drawn.sum()), 1))
    colours[:, 3] = np.clip(150.0 / np.maximum(bandwidth, 1.0), 0.25, 1.0)
    dots: dict[str, Any] = {"s": 2.6 * size**2, "c": colours, "linewidths": 0, "zorder": 3}
    ax.scatter(time_s[drawn], formants.frequency_hz[drawn], **dots)


def draw_formants_plain(
    ax: Ax, formants: FormantTrack, within: Sequence[Interval], *, size: float = 1.0
) -> None:
    """F1 to F4 inside some intervals as black dots (of ``size`` re 1.3 points) with a white rim, to
    lie on colours.
    """
    for part in within:
        piece = formants.between(part.start_s, part.end_s)
        for colour, points in (("white", 2.3), ("black", 1.3)):
            dots = {"color": colour, "markersize": points * size, "zorder": 3, **_DOTS}
            ax.plot(piece.time_s, piece.frequency_hz.T, **dots)


def draw_pitch(ax: Ax, pitch: PitchTrack, *, size: float = 1.0) -> None:
    """F0 as blue dots (of ``size`` re 1.6 points) with a white halo on a logarithmic axis that is
    widened if F0 leaves it.
    """
    found = np.isfinite(pitch.f0_hz)
    time_s, f0_hz = pitch.time_s[found], pitch.f0_hz[found]
    low, high = PITCH_RANGE_HZ
    if len(f0_hz):
        low, high = min(low, 0.95 * f0_hz.min()), max(high, 1.05 * f0_hz.max())
    ax.plot(time_s, f0_hz, markersize=3.0 * size, color="white", zorder=4, **_DOTS)
    ax.plot(time_s, f0_hz, markersize=1.6 * size, color=PITCH_COLOUR, zorder=5, **_DOTS)
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    ax.yaxis.set_major_locator(FixedLocator([t for t in PITCH_TICKS_HZ if low <= t <= high]))
    ax.yaxis.set_major_formatter("{x:.0f}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel("F0 (Hz)", color=PITCH_COLOUR)
    ax.tick_params(axis="y", colors=PITCH_COLOUR)


def is_loud(audio: Audio, time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the level around each time is within :data:`FORMANT_RANGE_DB` of the loudest moment.

    Times are seconds from the sound's start.
    """
    half = max(1, round(0.010 * audio.rate_hz))
    power = np.convolve(audio.samples.astype(np.float64) ** 2, np.hanning(2 * half + 1), "same")
    index = np.clip(np.round(time_s * audio.rate_hz).astype(int), 0, len(power) - 1)
    return power[index] >= power.max() * 10 ** (-FORMANT_RANGE_DB / 10)


def draw_image(
    ax: Ax, values: NDArray, axes: Axes, mask: NDArray[np.bool_] | None = None
) -> QuadMesh:
    """What the network was shown, in grey; frames without sound (False in ``mask``) hatched."""
    axes.check(values, "image")
    shown = np.asarray(values, dtype=np.float64)
    sound = shown if mask is None or not mask.any() else shown[:, mask]
    low, high = np.percentile(sound, (10.0, 99.7))
    if mask is not None:
        shown = np.where(mask[None], shown, np.nan)
        _hatch_padding(ax, axes, mask)
    # Less dark than it could be, so that colours laid over it stay clear.
    darkest = low + max(high - low, 1e-9) / _IMAGE_DARKNESS
    return mesh(ax, shown, axes, cmap="Greys", vmin=low, vmax=darkest)


def draw_relevance(
    ax: Ax, relevance: NDArray, axes: Axes, *, limit: float | None = None
) -> QuadMesh:
    """Signed relevance, transparent at zero, on whatever ``ax`` holds.

    ``relevance`` (shape (n_bins, n_frames)): positive for INITIAL (warm), negative for FINAL
    (cool). ``limit``: absolute value at which colours saturate; the 99.5th percentile of |R| by
    default.
    """
    axes.check(relevance, "relevance")
    limit = relevance_limit(relevance) if limit is None else limit
    colours: dict[str, Any] = {"cmap": relevance_colormap(), "norm": symmetric_norm(limit)}
    return mesh(ax, relevance, axes, zorder=1.5, **colours)


OWN_ENDS = ("its class", "others")


def add_colour_bar(ax: Ax, mesh: QuadMesh, label: str, ends: Sequence[str] = STRESS.classes) -> Ax:
    """A symmetric colour bar beside a panel, with what positive and negative relevance speak for.

    The panel's position must be final, with 0.6 inches free to its right. In the ``label``
    (quantity and unit) ``{power}`` becomes the power of ten that the ticks lack.
    """
    figure: Any = ax.figure
    box = ax.get_position()
    wide, tall = figure.get_size_inches()
    name_in = 0.11  # above and below the bar stands which class its end speaks for
    place = (box.x1 + 0.07 / wide, box.y0 + name_in / tall)
    size = (0.085 / wide, box.height - 2 * name_in / tall)
    bar_ax = figure.add_axes((*place, *size), label="colour bar")
    limit = float(np.max(np.abs(mesh.get_clim())))
    exponent = int(np.floor(np.log10(limit)))
    bar: Any = figure.colorbar(mesh, cax=bar_ax, extend="both", extendfrac=0.06)
    bar.outline.set_linewidth(0.5)
    bar.locator = MaxNLocator(nbins=5, steps=[1, 2, 5, 10], symmetric=True)
    bar.formatter = lambda value, _position: f"{value / 10**exponent:g}".replace("-", "−")
    bar.update_ticks()
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    power = "" if exponent == 0 else f"10{raised} "
    bar.set_label(label.format(power=power))
    colours = (STRESS_COLOURS[stress] for stress in CLASSES)
    limits = zip((box.y1, box.y0), ("top", "bottom"), strict=True)
    widest_in = max(text_width_in(str(name), 5.5, "bold") for name in ends)
    if widest_in > 0.4:  # reaches under the label
        bar.ax.yaxis.label.set_size(5.0)
    points = min(5.5, 5.5 * 0.56 / widest_in)
    for name, colour, (y, va) in zip(ends, colours, limits, strict=True):
        look = {"fontsize": points, "fontweight": "bold", "color": colour}
        figure.text(box.x1 + 0.05 / wide, y, str(name), va=va, **look)
    return bar_ax


def _hatch_padding(ax: Ax, axes: Axes, mask: NDArray[np.bool_]) -> None:
    x, y = cell_edges(axes.time_s), cell_edges(axes.frequency_hz)
    look: dict[str, Any] = {"edgecolor": "#c8c8c8", "hatch": "////", "linewidth": 0}
    changes = np.flatnonzero(np.diff(np.r_[0, (~mask).astype(int), 0]))
    for first, last in zip(changes[::2], changes[1::2], strict=True):
        corner, size = (x[first], y[0]), (x[last] - x[first], y[-1] - y[0])
        ax.add_patch(Rectangle(corner, *size, facecolor="none", zorder=0.5, **look))


def draw_tier(
    ax: Ax,
    intervals: Sequence[Interval],
    name: str,
    *,
    shaded: Sequence[Interval] = (),
    emphasised: Sequence[Interval] = (),
    emphasis_colour: str = "black",
    fontsize: float = 8.0,
) -> None:
    """One tier with centred labels and its own boundaries; intervals are ``shaded`` grey (the
    nuclei), or ``emphasised`` in bold and ``emphasis_colour`` (the stressed syllable).
    """
    ax.set_ylim(0.0, 1.0)
    ax.set_yticks([])
    ax.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=4)
    for part in shaded:
        ax.axvspan(part.start_s, part.end_s, color="#e6e6e6", linewidth=0, zorder=0)
    for part in intervals:
        look: dict[str, Any] = {"color": "black", "fontweight": "normal", "fontsize": fontsize}
        if part in emphasised:
            look |= {"color": emphasis_colour, "fontweight": "bold"}
        ax.text(part.middle_s, 0.46, part.label, ha="center", va="center", clip_on=True, **look)
    ax.spines[:].set_linewidth(0.4)


def draw_boundaries(top: Ax, bottom: Ax, times_s: Sequence[float], *, strong: bool = False) -> None:
    """Thin vertical lines from the top of one panel to the bottom of another, gaps included."""
    figure = top.figure
    transform = blended_transform_factory(top.transData, figure.transFigure)
    y = [bottom.get_position().y0, top.get_position().y1]
    first, last = top.get_xlim()
    look: dict[str, Any] = {"linewidth": 0.4, "linestyle": (0, (3, 2)), "color": BOUNDARY_COLOUR}
    if strong:
        look |= {"linewidth": 0.7, "linestyle": "-"}
    for time_s in times_s:
        if first < time_s < last:
            figure.add_artist(Line2D([time_s, time_s], y, transform=transform, **look))
