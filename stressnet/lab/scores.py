"""How well maps find the known region, word by word, each measure with three chance levels.

``docs/validation.md`` defines measures and levels and tells why it takes all three. ``A``, which is
scored, is the positive part of an oriented map (``positive``) or its absolute value (``absolute``);
never the signed map, whose sums cancel. False positives are those of Siegel et al. (arXiv
2508.02560), after smoothing with a Gaussian of 2 cells FWHM; whether the network uses the place all
the same is asked in :mod:`stressnet.lab.reactions`. Displaced maps are shifted cyclically over the
word's sound.

Controls are deliberately broken explanations: none may beat all three chance levels in any measure,
while the intact map does. One is a control only where it breaks the perfect map; :func:`breaks`
asks this of the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix

from stressnet.axes import BoolArray, FloatArray
from stressnet.errors import ConfigError, check_names
from stressnet.lab.candidates import CANDIDATES, candidate_masks, grown, rivals, true_masks
from stressnet.lab.labset import LabSet
from stressnet.regions.measures import TOLERANCE_HZ, TOLERANCE_S

MEASURES = ("mass", "rank", "pointing", "first", "top3", "false_positive")
"""Measures of one word; in all but the last, higher is better."""

PARTS = ("positive", "absolute")  # What of a map counts
CHANCES = ("area", "exchange", "displaced")  # Chance levels, see above
N_DRAWS = 3  # Other words whose regions a word borrows, and shifts in time

SMOOTHING_FWHM = 2.0
INSIDE_PERCENTILE = 99.0


@dataclass(frozen=True)
class WordRegions:
    """One word's truth and regions as lists of cells; masks have shape (n_cells,)."""

    truth: BoolArray
    wide: BoolArray  # With a margin
    pointing: BoolArray  # With the pointing game's tolerance
    sound: BoolArray
    names: tuple[str, ...]
    is_true: BoolArray
    cells: csr_matrix  # 1 or 0, shape (n_regions, n_cells)
    sizes: FloatArray


class Scorer:
    """Scores maps of the words of a set, whose cue has cells of its own; else a ConfigError."""

    def __init__(self, words: LabSet, *, seed: int = 0) -> None:
        if not words.has_place:
            raise ConfigError(f"lab set {words.name}: cue {words.cue} has no cells of its own")
        if len(words) <= N_DRAWS:
            raise ConfigError(f"lab set {words.name}: {len(words)} words are too few to score")
        self.words = words
        self.regions = [self._word(i) for i in range(len(words))]
        rng = np.random.default_rng([seed, 11])
        everybody = np.arange(len(words))
        partners = [rng.choice(np.delete(everybody, i), N_DRAWS, replace=False) for i in everybody]
        self.partners = np.stack(partners)
        self.shifts = rng.random(self.partners.shape)

    def _word(self, i: int) -> WordRegions:
        words, scene = self.words, self.words.scenes[i]
        sound = np.broadcast_to(scene.sound, words.axes.shape)
        truth, wide = words.truth[i] & sound, words.wide[i]
        bins = int(TOLERANCE_HZ / words.axes.frequency_step_hz + 1e-6)
        frames = int(TOLERANCE_S / words.axes.time_step_s + 1e-6)
        masks = candidate_masks(scene)
        true = true_masks(masks, truth, scene, words.true_regions)
        kept = {**true, **rivals(masks, wide, words.true_regions)}
        stack = np.stack([mask.ravel() for mask in kept.values()])
        return WordRegions(
            truth=truth.ravel(),
            wide=wide.ravel(),
            pointing=(grown(truth, bins, frames) & sound).ravel(),
            sound=sound.ravel(),
            names=tuple(kept),
            is_true=np.array([name in true for name in kept]),
            cells=csr_matrix(stack, dtype=np.float64),
            sizes=stack.sum(axis=1).astype(np.float64),
        )

    def score(self, maps: NDArray[np.floating], part: str = "positive") -> WordScores:
        """Scores of one method; a ConfigError if shapes differ or ``part`` is unknown."""
        check_names("part", [part], PARTS)
        n = len(maps)
        own, *levels = (np.full((n, len(MEASURES)), np.nan) for _ in range(1 + len(CHANCES)))
        chance = dict(zip(CHANCES, levels, strict=True))
        densities = {
            level: np.full((n, len(CANDIDATES)), np.nan) for level in ("own", *CHANCES[1:])
        }
        marked, reasons = [""] * n, [""] * n
        for i, one in enumerate(maps):
            values = one.astype(np.float64)
            values = np.abs(values) if part == "absolute" else np.maximum(values, 0.0)
            mine = self.regions[i]
            total = values.ravel()[mine.sound].sum()
            if not np.isfinite(values).all() or not total > 0:
                reasons[i] = "the map has no positive relevance on sound"
                continue
            found = _Map(values, mine.sound)
            own[i], density = found.measure(mine)
            own[i, -1] = found.false_positive(mine)
            if own[i, -1] == 1:
                marked[i] = found.marked(mine)
            chance["area"][i] = _chance_by_area(mine)
            frames = self.words.scenes[i].sound
            shifted = [found.shifted(int(u * frames.sum()), frames) for u in self.shifts[i]]
            others = [self.regions[k] for k in self.partners[i]]
            mean = total / mine.sound.sum()
            densities["own"][i] = _by_candidate([mine], [density]) / mean
            for level, regions, moved in (
                ("exchange", others, [found] * N_DRAWS),
                ("displaced", [mine] * N_DRAWS, shifted),
            ):
                results = [one.measure(own) for own, one in zip(regions, moved, strict=True)]
                values, drawn = zip(*results, strict=True)
                chance[level][i] = column_means(np.stack(values))
                densities[level][i] = _by_candidate(regions, drawn) / mean
        return WordScores(self.words, own, chance, densities, marked, reasons)


@dataclass(frozen=True)
class WordScores:
    """Scores of one method on the words of a set; NaN, and a reason, where a word has none."""

    words: LabSet
    values: FloatArray  # Shape (n, n_measures)
    chance: dict[str, FloatArray]  # The same for each of `CHANCES`
    # Mean of each candidate region over the mean of the sound, shape (n, n_candidates), NaN where
    # the word lacks it or it is no rival: `own`, and under `exchange` and `displaced`.
    densities: dict[str, FloatArray]
    marked: list[str]  # The falsely marked region where there is a false positive, else empty
    reasons: list[str]


def _chance_by_area(regions: WordRegions) -> FloatArray:
    """Levels of :data:`MEASURES` for values strewn at random over the sounding cells."""
    n = regions.sound.sum()
    area = regions.truth.sum() / n
    r, true = len(regions.names), int(regions.is_true.sum())
    if true == 0 or r == true:
        first = top3 = np.nan
    else:
        first, top3 = true / r, 1.0 - comb(r - true, min(3, r)) / comb(r, min(3, r))
    return np.array([area, area, regions.pointing.sum() / n, first, top3, np.nan])


class _Map:
    """What counts of one map, with what several measures share."""

    def __init__(self, values: FloatArray, sound: BoolArray) -> None:
        self.flat = values.ravel()
        self.sound = sound
        self.sounding = self.flat * sound
        self.total = float(self.sounding.sum())
        self.ordered = np.sort(self.flat[sound])
        self.peaks = np.flatnonzero(sound & (self.flat == self.ordered[-1]))
        smooth = gaussian_filter(values, SMOOTHING_FWHM / 2.355, mode="constant")
        self.smooth = np.where(sound, smooth.ravel(), 0.0)

    def shifted(self, by: int, frames: BoolArray) -> _Map:
        """The map after a cyclic shift of its sounding frames."""
        other = copy(self)
        n_frames = len(frames)
        for name in ("flat", "smooth"):
            values = getattr(self, name).reshape(-1, n_frames).copy()
            values[:, frames] = np.roll(values[:, frames], by, axis=1)
            setattr(other, name, values.ravel())
        other.sounding = other.flat * self.sound
        other.peaks = np.flatnonzero(self.sound & (other.flat == self.ordered[-1]))
        return other

    def measure(self, regions: WordRegions) -> tuple[FloatArray, FloatArray]:
        """The measures but false positives, for the word's own regions or another's; densities."""
        truth = regions.truth & self.sound
        k = int(truth.sum())
        result = np.full(len(MEASURES), np.nan)
        if 0 < k < len(self.ordered):
            result[0] = self.sounding[truth].sum() / self.total
            result[1] = self._top(truth, k) / k
            result[2] = float(np.mean(regions.pointing[self.peaks]))
        densities = np.asarray(regions.cells @ self.flat) / regions.sizes
        result[3:5] = _places(densities, regions.is_true)
        return result, densities

    def false_positive(self, regions: WordRegions) -> float:
        """Whether something outside the wide truth exceeds nearly all of the truth."""
        outside = self.smooth[self.sound & ~regions.wide]
        truth = self.smooth[regions.truth & self.sound]
        if not outside.size or not truth.size:
            return np.nan
        return float(outside.max() > np.percentile(truth, INSIDE_PERCENTILE))

    def _top(self, truth: BoolArray, k: int) -> float:
        """How many of the truth's cells are among the k largest; ties by their chance."""
        value = self.ordered[-k]
        above = len(self.ordered) - np.searchsorted(self.ordered, value, side="right")
        tied = len(self.ordered) - above - np.searchsorted(self.ordered, value, side="left")
        inside = self.flat[truth]
        return float((inside > value).sum() + (k - above) / tied * (inside == value).sum())

    def marked(self, regions: WordRegions) -> str:
        """The smallest rival that holds the largest value outside the wide truth."""
        outside = np.where(self.sound & ~regions.wide, self.smooth, -1.0)
        peak = int(outside.argmax())
        holds = np.asarray(regions.cells[:, [peak]].todense()).ravel() > 0
        holding = np.flatnonzero(holds & ~regions.is_true)
        if not len(holding):
            return "elsewhere"
        return regions.names[holding[regions.sizes[holding].argmin()]]


def _by_candidate(draws: Sequence[WordRegions], densities: Sequence[FloatArray]) -> FloatArray:
    """Mean density of each of :data:`CANDIDATES`; NaN where no draw has it."""
    rows = np.full((len(draws), len(CANDIDATES)), np.nan)
    for row, regions, density in zip(rows, draws, densities, strict=True):
        row[[CANDIDATES.index(name) for name in regions.names]] = density
    return column_means(rows)


def column_means(values: FloatArray) -> FloatArray:
    """Means over rows without what is missing; NaN for columns without values."""
    there = np.isfinite(values)
    counted = there.sum(axis=0)
    sums = np.where(there, values, 0.0).sum(axis=0)
    return np.where(counted > 0, sums / np.maximum(counted, 1), np.nan)


def _places(densities: FloatArray, is_true: BoolArray) -> tuple[float, float]:
    """Whether a true region is first, and among the first three; ties count for the rivals."""
    if not is_true.any() or is_true.all():
        return np.nan, np.nan
    best = densities[is_true].max()
    before = int((densities[~is_true] >= best).sum()) if best > 0 else len(densities)
    return float(before < 1), float(before < 3)


Maps = NDArray[np.float32]

KEPT = 0.1
"""A control keeps at most this part of what the perfect map has above chance; the rest is luck of
the draws of other words."""


CONTROLS = {  # Broken explanations by name
    "time-reversed": "sounding frames in reverse order; padding as it was",
    "frequency-flipped": "the lowest bin becomes the highest",
    "other-word": "the map of another word, drawn so that no word keeps its own",
    "random": "noise with the spread of each map, on sounding frames",
}


def break_maps(name: str, maps: Maps, sound: BoolArray, seed: int = 0) -> Maps:
    """Maps broken in one way; a ConfigError for an unknown name or shapes that do not fit."""
    check_names("control", [name], CONTROLS)
    rng = np.random.default_rng([seed, 13])
    if name == "frequency-flipped":
        return maps[:, ::-1].copy()
    if name == "other-word":
        if len(maps) < 2:
            raise ConfigError("the map of another word needs at least two words")
        order = rng.permutation(len(maps))
        return maps[order[(np.argsort(order) + 1) % len(maps)]]
    if name == "random":
        noise = rng.standard_normal(maps.shape).astype(np.float32)
        return noise * maps.std(axis=(1, 2), keepdims=True) * sound[:, None, :]
    broken = maps.copy()
    for one, frames in zip(broken, sound, strict=True):
        one[:, frames] = one[:, frames][:, ::-1]
    return broken


def breaks(name: str, scorer: Scorer, seed: int = 0) -> bool:
    """Whether a control breaks the perfect map of these words, which is their truth.

    That is so if the broken truth keeps next to nothing (:data:`KEPT`) of what the truth has above
    chance in relevance rank accuracy.
    """
    words, at = scorer.words, MEASURES.index("rank")

    def gain(maps: Maps) -> float:
        scores = scorer.score(maps)
        level = max(float(np.nanmean(scores.chance[chance][:, at])) for chance in CHANCES)
        return float(np.nanmean(scores.values[:, at])) - level

    perfect = words.truth.astype(np.float32)
    broken = gain(break_maps(name, perfect, words.sound, seed))
    return bool(broken <= KEPT * gain(perfect))
