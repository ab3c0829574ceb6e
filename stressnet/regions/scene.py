"""Everything a region may look at: one token's times, tracks and image grid.

Conventions
-----------
Times are seconds with zero at the word's onset. A mask has the shape of the image, ``(n_bins,
n_frames)``, and its values say which part of a cell belongs to the region: a frame stands for the
stretch of time halfway to its neighbours, a bin for the stretch of frequency halfway to its
neighbours, and a cell that a boundary cuts in two counts by the part inside. Areas are therefore
exact on any grid, and regions that tile the word tile the image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, Self, TypeVar

import numpy as np

from stressnet.acoustics.track_types import N_FORMANTS, Tracks
from stressnet.axes import Axes, BoolArray, FloatArray, cell_edges
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.languages import ENGLISH
from stressnet.lexicon.stress import Stress

Made = TypeVar("Made")

MIN_HALF_WIDTH_BINS = 1.5  # No band is narrower: the image itself is not sharper than that


@dataclass(frozen=True)
class TokenTimes:
    """Where the parts of a word are, in seconds from its onset.

    ``beside`` is what the word tier says before and after the word, silences with an empty label;
    None where that is unknown. ``language`` is a code, which says what vowels are reduced.
    """

    word: Interval
    phones: tuple[Interval, ...]
    nuclei: tuple[Interval, ...]
    syllables: tuple[Interval, ...]
    stress: Stress | None
    beside: tuple[Interval, ...] | None = None
    language: str = ENGLISH

    @classmethod
    def from_phones(
        cls,
        phones: Sequence[Interval],
        nuclei: Sequence[int],
        starts: Sequence[int],
        stress: Stress | None,
        *,
        origin_s: float = 0.0,
        word: Interval | None = None,
        beside: Sequence[Interval] | None = None,
        language: str = ENGLISH,
    ) -> Self:
        """From phones in time order and syllabification; ``origin_s`` becomes zero.

        Parameters
        ----------
        nuclei : sequence of int
            Indices of the vowels, one for each syllable.
        starts : sequence of int
            Index of every syllable's first phone.
        word : Interval, optional
            The word if it is not exactly its phones.
        """
        ends = [*starts[1:], len(phones)]
        inside = [a <= n < b for a, n, b in zip(starts, nuclei, ends, strict=False)]
        if not (len(nuclei) == len(starts) >= 2 and starts[0] == 0 and all(inside)):
            raise ConfigError(
                f"nuclei {tuple(nuclei)} and starts {tuple(starts)} do not divide {len(phones)} "
                "phones into two syllables or more"
            )
        shifted = tuple(phone.shifted(-origin_s) for phone in phones)
        whole = word or Interval(phones[0].start_s, phones[-1].end_s, "")
        whole = whole.shifted(-origin_s)
        limits_s = [whole.start_s, *(shifted[k].start_s for k in starts[1:]), whole.end_s]
        return cls(
            word=whole,
            phones=shifted,
            nuclei=tuple(shifted[k] for k in nuclei),
            syllables=tuple(
                Interval(start_s, end_s, str(number))
                for number, (start_s, end_s) in enumerate(pairwise(limits_s), start=1)
            ),
            stress=stress,
            beside=None if beside is None else tuple(i.shifted(-origin_s) for i in beside),
            language=language,
        )

    def phones_of(self, syllable: int) -> tuple[Interval, ...]:
        """Phones of a syllable, counted from 0."""
        span = self.syllables[syllable]
        return tuple(phone for phone in self.phones if span.contains(phone.middle_s))

    @property
    def onsets(self) -> list[tuple[Interval, ...]]:
        """Phones before the vowel, per syllable."""
        return [
            tuple(phone for phone in self.phones_of(k) if phone.middle_s < nucleus.middle_s)
            for k, nucleus in enumerate(self.nuclei)
        ]

    @property
    def codas(self) -> list[tuple[Interval, ...]]:
        """Phones after the vowel, per syllable."""
        return [
            tuple(
                phone
                for phone in self.phones_of(k)
                if phone != nucleus and not phone.middle_s < nucleus.middle_s
            )
            for k, nucleus in enumerate(self.nuclei)
        ]

    @property
    def stressed(self) -> int | None:
        """Index of the stressed syllable; None where the stress is unknown."""
        return None if self.stress is None else self.stress.syllable(len(self.nuclei))


@dataclass(frozen=True)
class BandRule:
    """How wide a band around a formant is: at least 1.5 bins to either side.

    Parameters
    ----------
    kind : {"fixed-hz", "fixed-bins", "bandwidth"}
        Half-widths in hertz per formant (``half_width_hz``); in bins of the image; or half of the
        bandwidth that the tracker reports, up to ``max_half_width_hz``. Reported bandwidths are
        unreliable (Burris et al. 2014), so a fixed width is the default; it follows what human
        labellers differ by and what the image resolves.
    """

    kind: Literal["fixed-hz", "fixed-bins", "bandwidth"] = "fixed-hz"
    half_width_hz: tuple[float, float, float, float] = (100.0, 150.0, 200.0, 250.0)
    half_width_bins: float = 2.5
    max_half_width_hz: float = 500.0

    def __post_init__(self) -> None:
        if self.kind not in ("fixed-hz", "fixed-bins", "bandwidth"):
            raise ConfigError(
                f"band rule {self.kind!r} is not one of fixed-hz, fixed-bins, bandwidth"
            )
        widths = (*self.half_width_hz, self.half_width_bins, self.max_half_width_hz)
        if len(self.half_width_hz) != N_FORMANTS or not all(0 < w < np.inf for w in widths):
            raise ConfigError(f"half-widths of formant bands must be positive, not {widths}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A rule as typed: ``fixed-hz``, ``fixed-hz:100,150,200,250``, ``fixed-hz:*1.5``,
        ``fixed-bins:2.5``, ``bandwidth``, ``bandwidth:400``.

        After ``fixed-hz`` come one half-width in hertz for all formants, four, or ``*`` and a
        factor for the default ones; after ``fixed-bins`` the half-width in bins; after
        ``bandwidth`` the largest half-width in hertz.
        """
        kind, _, rest = text.strip().partition(":")
        try:
            numbers = [float(part) for part in rest.removeprefix("*").split(",")] if rest else []
        except ValueError:
            numbers = [np.nan]
        one = len(numbers) == 1
        widths = {"fixed-hz": "", "fixed-bins": "half_width_bins", "bandwidth": "max_half_width_hz"}
        if kind in widths and not rest:
            return cls(kind)  # type: ignore[arg-type]
        if kind == "fixed-hz" and len(numbers) in (1, N_FORMANTS):
            if one:
                usual = cls.half_width_hz if rest.startswith("*") else [1.0] * N_FORMANTS
                numbers = [numbers[0] * width for width in usual]
            return cls("fixed-hz", tuple(numbers))  # type: ignore[arg-type]
        if kind in widths and one:
            return cls(kind, **{widths[kind]: numbers[0]})  # type: ignore[arg-type]
        raise ConfigError(
            f"band rule {text!r} is not like fixed-hz, fixed-hz:100,150,200,250, fixed-hz:*1.5, "
            "fixed-bins:2.5, bandwidth or bandwidth:400"
        )

    def __str__(self) -> str:
        if self.kind == "fixed-hz":
            return "fixed-hz:" + ",".join(f"{width:g}" for width in self.half_width_hz)
        if self.kind == "fixed-bins":
            return f"fixed-bins:{self.half_width_bins:g}"
        return f"bandwidth:{self.max_half_width_hz:g}"

    def half_widths_hz(self, bandwidth_hz: FloatArray, bin_hz: float) -> FloatArray:
        """Half-widths, shape (4, n), for reported bandwidths of that shape."""
        if self.kind == "fixed-hz":
            widths = np.broadcast_to(np.array(self.half_width_hz)[:, None], bandwidth_hz.shape)
        elif self.kind == "fixed-bins":
            widths = np.full(bandwidth_hz.shape, self.half_width_bins * bin_hz)
        else:
            widths = np.minimum(bandwidth_hz / 2, self.max_half_width_hz)
        return np.maximum(widths, MIN_HALF_WIDTH_BINS * bin_hz)


@dataclass(frozen=True)
class Scene:
    """What a region's mask function receives.

    Parameters
    ----------
    sound : ndarray of bool, shape (n_frames,)
        The image's padding mask: True where there is sound.
    resolution_hz : float
        Width of the analysis window's main lobe.
    band_shift : float
        By how many of their half-widths bands around formants and harmonics are moved upwards; not
        0 only for the null of shifted tracks.
    """

    times: TokenTimes
    tracks: Tracks
    axes: Axes
    sound: BoolArray
    resolution_hz: float
    bands: BandRule = field(default_factory=BandRule)
    band_shift: float = 0.0

    def __post_init__(self) -> None:
        if self.sound.shape != (self.axes.shape[1],):
            raise ConfigError(f"padding mask has shape {self.sound.shape}, not one value per frame")

    @cached_property
    def formant_bands(self) -> FloatArray:
        """Masks of bands around F1 to F4 over all frames, shape (4, n_bins, n_frames)."""
        frequency_hz, half_hz = self.formants_at_frames
        return self.in_band(frequency_hz - half_hz, frequency_hz + half_hz)

    @cached_property
    def formants_at_frames(self) -> tuple[FloatArray, FloatArray]:
        """F1 to F4 and half-widths of their bands at the frames' centres, each (4, n_frames)."""
        frequency_hz, bandwidth_hz = self.tracks.formants.at(self.axes.time_s)
        half_hz = self.bands.half_widths_hz(bandwidth_hz, self.axes.frequency_step_hz)
        return frequency_hz + self.band_shift * half_hz, half_hz

    @cached_property
    def f0_at_frames(self) -> FloatArray:
        """F0 at the frames' centres, NaN where unvoiced, shape (n_frames,)."""
        return self.tracks.pitch.at(self.axes.time_s)

    @cached_property
    def nuclei_cover(self) -> FloatArray:
        """Which part of each frame lies in each nucleus, shape (n_syllables, n_frames)."""
        return np.stack([self.in_time(nucleus) for nucleus in self.times.nuclei])

    def in_time(self, *intervals: Interval) -> FloatArray:
        """Which part of each frame lies in any of the intervals, shape (n_frames,)."""
        starts = np.array([i.start_s for i in intervals])[:, None]
        ends = np.array([i.end_s for i in intervals])[:, None]
        covered = _cover(self._time_edges, starts, ends).sum(axis=0)
        return np.minimum(covered, 1.0) * self.sound

    def in_band(self, low_hz: FloatArray | float, high_hz: FloatArray | float) -> FloatArray:
        """Which part of each bin lies between two frequencies; NaN where there is no band."""
        low, high = np.asarray(low_hz, dtype=float), np.asarray(high_hz, dtype=float)
        if low.ndim == 0:
            return _cover(self._frequency_edges, low, high)
        return np.moveaxis(_cover(self._frequency_edges, low[..., None], high[..., None]), -1, -2)

    def once(self, key: object, make: Callable[[], Made]) -> Made:
        """``make()``, computed once for this scene; later calls with the key return the same."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @cached_property
    def _made(self) -> dict[object, Any]:
        return {}  # not a field: a scene made by ``replace`` starts anew

    def over_bins(self, cover: FloatArray) -> FloatArray:
        """A cover of frames as a mask that is the same in every bin (a view, not a copy)."""
        return np.broadcast_to(np.asarray(cover, dtype=np.float64), self.axes.shape)

    @cached_property
    def _time_edges(self) -> FloatArray:
        return cell_edges(self.axes.time_s)

    @cached_property
    def _frequency_edges(self) -> FloatArray:
        # There is no sound below 0 Hz: the lowest bin's cell starts there.
        return np.maximum(cell_edges(self.axes.frequency_hz), 0.0)


def _cover(edges: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Which part of each cell lies in ``[low, high]``; broadcasts, cells on the last axis."""
    overlap = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return np.fmax(overlap, 0.0) / np.diff(edges)  # fmax: NaN limits cover nothing
