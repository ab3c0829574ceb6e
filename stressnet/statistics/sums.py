"""Sums over clusters, from which every estimate and its uncertainty follow.

Tokens pass by once; what is kept is, for every group of tokens (a stratum's level) and every
*sample*, the number of tokens and the sums of the sample's members by speaker, by word, by cell (a
speaker saying a word) and by training seed. Sums over parts of a corpus add up, so memory does not
grow with the number of tokens.

A sample is a tuple of columns that are compared token by token; a token counts if all of them are
finite. ``(observed,)`` gives means, ``(observed, null)`` comparisons with a null, ``(one region,
other region)`` contrasts, and all four contrasts with their null.

Cells can be as many as tokens. Up to :data:`CELL_LIMIT` of them are kept apart; beyond, each goes
with a random sign into one of so many bins, whose sums of squares estimate the cells' without bias
(Alon, Matias & Szegedy 1999; standard error 2 % of a term that is itself small).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.inference.twoway import (
    Inference,
    Spread,
    add_seeds,
    crossed_variance,
    infer,
    sums_by,
)

Codes = NDArray[np.intp]

CELL_LIMIT = 4096  # So many cells of speaker and word are kept apart

_ROUNDING = 1e-12

CLUSTERS = ("speakers", "words")  # Kinds of clusters that are crossed


@dataclass(frozen=True)
class Clusters:
    """Who can speak and what can be said, by sorted names."""

    speakers: tuple[str, ...]
    words: tuple[str, ...]
    cells: tuple[tuple[int, int], ...] | None = None
    n_seeds: int = 1

    @cached_property
    def _hashes(self) -> list[NDArray[np.uint64]]:
        return [
            np.array([crc32(n.encode()) for n in names], dtype=np.uint64)
            for names in (self.speakers, self.words)
        ]

    @cached_property
    def _known(self) -> dict[tuple[int, int], int]:
        return {pair: i for i, pair in enumerate(self.cells or ())}

    @property
    def sizes(self) -> dict[str, int]:
        """Number of clusters of each kind."""
        n_cells = CELL_LIMIT if self.cells is None else len(self.cells)
        return {
            "speakers": len(self.speakers),
            "words": len(self.words),
            "cells": n_cells,
            "seeds": self.n_seeds,
        }

    def cell_codes(self, speaker: Codes, word: Codes) -> tuple[Codes, FloatArray]:
        """Cell and sign of each token."""
        if self.cells is not None:
            pairs = zip(speaker.tolist(), word.tolist(), strict=True)
            codes = [self._known[pair] for pair in pairs]
            return np.array(codes, dtype=np.intp), np.ones(len(codes))
        by_speaker, by_word = self._hashes
        mixed = _mix(by_speaker[speaker] << np.uint64(32) | by_word[word])
        sign = np.where((mixed >> np.uint64(60)) & np.uint64(1), 1.0, -1.0)
        return (mixed % np.uint64(CELL_LIMIT)).astype(np.intp), sign


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: every bit of the input moves every bit of the output."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True)
class TokenCodes:
    """Codes of a block of tokens in :class:`Clusters`, each array of shape (n_tokens,)."""

    speaker: Codes
    word: Codes
    cell: Codes
    sign: FloatArray
    seed: int = 0

    @classmethod
    def of(cls, clusters: Clusters, speaker: Codes, word: Codes, seed: int = 0) -> TokenCodes:
        """Codes of tokens with the given speakers and words."""
        return cls(speaker, word, *clusters.cell_codes(speaker, word), seed)

    def where(self, rows: NDArray[np.bool_]) -> TokenCodes:
        """Those of some tokens."""
        return TokenCodes(
            self.speaker[rows], self.word[rows], self.cell[rows], self.sign[rows], self.seed
        )


class StratifiedSums:
    """Sums of one sample in several disjoint groups of tokens, e.g. the levels of a stratum."""

    def __init__(
        self, clusters: Clusters, n_levels: int, n_quantities: int, n_members: int
    ) -> None:
        self.clusters = clusters
        self.n_levels = n_levels
        self.n_members = n_members
        shape = (1 + n_members, n_quantities)
        self._rows = np.zeros((clusters.n_seeds, n_levels), dtype=np.intp)
        self._tables = {
            kind: np.zeros((n_levels * size, *shape)) for kind, size in clusters.sizes.items()
        }

    @staticmethod
    def n_bytes(clusters: Clusters, n_levels: int, n_quantities: int, n_members: int) -> int:
        """Memory that such sums take."""
        return 8 * n_levels * (1 + n_members) * n_quantities * sum(clusters.sizes.values())

    def add(self, codes: TokenCodes, level: Codes, members: Sequence[FloatArray]) -> None:
        """Add a block of tokens."""
        inside = level >= 0
        if not inside.any():
            return
        self._rows[codes.seed] += np.bincount(level[inside], minlength=self.n_levels)
        there = np.isfinite(members[0])
        for member in members[1:]:
            there &= np.isfinite(member)
        flat = np.concatenate(
            [there.astype(np.float64), *(np.where(there, m, 0.0) for m in members)], axis=1
        )
        if not inside.all():
            flat, level, codes = flat[inside], level[inside], codes.where(inside)
        signed = flat if (codes.sign > 0).all() else flat * codes.sign[:, None]
        seed = np.full(len(level), codes.seed, dtype=np.intp)
        for kind, group, values in (
            ("speakers", codes.speaker, flat),
            ("words", codes.word, flat),
            ("cells", codes.cell, signed),
            ("seeds", seed, flat),
        ):
            place = level * self.clusters.sizes[kind] + group
            present, inverse = np.unique(place, return_inverse=True)
            sums = sums_by(values, inverse.astype(np.intp), len(present))
            self._tables[kind][present] += sums.reshape(len(present), 1 + self.n_members, -1)

    def n_rows(self, number: int) -> int:
        """Tokens of one group, with or without measurement; the largest number of any seed."""
        return int(self._rows[:, number].max())

    def level(self, number: int) -> SampleSums:
        """The sums of one group."""
        sizes = self.clusters.sizes
        return SampleSums(
            {k: t[number * sizes[k] : (number + 1) * sizes[k]] for k, t in self._tables.items()}
        )


@dataclass(frozen=True)
class SampleSums:
    """Sums of one sample in one group of tokens."""

    tables: dict[str, FloatArray]

    @property
    def counts(self) -> dict[str, NDArray[np.intp]]:
        """``n_tokens``, ``n_words``, ``n_speakers``, ``n_seeds`` of each quantity."""
        return {
            "n_tokens": self.tables["seeds"][:, 0].max(axis=0).astype(np.intp),
            "n_words": (self.tables["words"][:, 0] > 0).sum(axis=0),
            "n_speakers": (self.tables["speakers"][:, 0] > 0).sum(axis=0),
            "n_seeds": (self.tables["seeds"][:, 0] > 0).sum(axis=0),
        }

    @property
    def means(self) -> FloatArray:
        """Mean of each member over tokens, shape (n_members, n_quantities)."""
        total = self.tables["seeds"].sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return total[1:] / total[0]

    def __add__(self, other: SampleSums) -> SampleSums:
        """The sums of two disjoint groups of tokens."""
        return SampleSums({kind: t + other.tables[kind] for kind, t in self.tables.items()})

    def linear(
        self, coefficients: Sequence[float], level: float = 0.95, *, logarithmic: bool = False
    ) -> Inference:
        """A sum of means, Σ c_j mean_j, with interval and test of zero.

        With ``logarithmic`` a product of powers of means, Π mean_j^c_j (a ratio, a ratio of
        ratios), with the interval computed on the logarithm and a test of one; not estimable where
        a mean is not positive.
        """
        part = self.part(coefficients, logarithmic)
        spread = crossed_variance(part.contributions, part.weights)
        spread = add_seeds(add_seeds(spread, part.seeds), part.draws)
        return infer(part.value, spread, level=level, logarithmic=logarithmic)

    def part(self, coefficients: Sequence[float], logarithmic: bool) -> Part:
        """The estimate of :meth:`linear`, linearised."""
        c = np.asarray(coefficients, dtype=np.float64)
        seeds = self.tables["seeds"]
        if c.shape != (seeds.shape[1] - 1,):
            raise ConfigError(
                f"{seeds.shape[1] - 1} members need as many coefficients, not {len(c)}"
            )
        total = seeds.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, by_seed = total[1:] / total[0], seeds[:, 1:] / seeds[:, :1]
            if logarithmic:
                mean = np.where(mean > 0, mean, np.nan)
                value, slope = c @ np.log(mean), c[:, None] / mean
                by_seed = np.log(np.where(by_seed > 0, by_seed, np.nan))
            else:
                value, slope = c @ mean, np.repeat(c[:, None], mean.shape[1], axis=1)
            contributions = {}
            size = _ROUNDING * np.abs(slope * mean).sum(axis=0)  # rounding is no variation
            for kind in (*CLUSTERS, "cells"):
                table = self.tables[kind]
                # Σ_j slope_j (A_jg - mean_j B_g) / B
                along = np.einsum("gjq,jq->gq", table[:, 1:], slope)
                u = (along - (slope * mean).sum(axis=0) * table[:, 0]) / total[0]
                floor = size * np.abs(table[:, 0]) / total[0]
                contributions[kind] = np.where(np.abs(u) <= floor, 0.0, u)
            per_seed = np.einsum("j,kjq->kq", c, by_seed)
            terms = c[2:, None] * (np.log(mean) if logarithmic else mean)[2:]
        n_draws = len(terms) // 2
        draws = n_draws * terms[: 2 * n_draws].reshape(n_draws, 2, mean.shape[1]).sum(axis=1)
        weights = {k: self.tables[k][:, 0] for k in CLUSTERS}
        return Part(value, per_seed, draws, contributions, weights)


@dataclass(frozen=True)
class Part:
    """An estimate, those of each seed, and what each cluster contributes and weighs."""

    value: FloatArray
    seeds: FloatArray
    draws: FloatArray
    contributions: dict[str, FloatArray]
    weights: dict[str, FloatArray]


def combined(
    groups: Sequence[SampleSums],
    coefficients: Sequence[float],
    *,
    weights: Sequence[float] = (1.0, -1.0),
    logarithmic: bool = False,
    level: float = 0.95,
) -> Inference:
    """The same estimate in disjoint groups of tokens: of two the difference, or another sum.

    Speakers and words may occur in several groups; what they share is accounted for. Degrees of
    freedom follow Welch: those of the groups' variances, combined. ``coefficients`` are those of
    :meth:`SampleSums.linear`; the estimates are multiplied by ``weights``: (0.5, 0.5) gives the
    mean of two, or with ``logarithmic`` (a product of powers instead of a sum) the geometric mean.
    """
    parts = [sums.part(coefficients, logarithmic) for sums in groups]
    own = [crossed_variance(part.contributions, part.weights) for part in parts]
    variances = [one.variance * w**2 for one, w in zip(own, weights, strict=True)]

    def added(values: Iterable[FloatArray]) -> FloatArray:
        return reduce(add, (w * x for w, x in zip(weights, values, strict=True)))

    first = parts[0]
    joint = crossed_variance(
        {k: added(part.contributions[k] for part in parts) for k in first.contributions},
        {k: reduce(add, (part.weights[k] for part in parts)) for k in first.weights},
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (v**2 / one.df for v, one in zip(variances, own, strict=True))
        welch = reduce(add, variances) ** 2 / reduce(add, shares)
    df = np.where(welch > 0, np.fmin(welch, joint.df), joint.df)
    reason = joint.reason
    for one in reversed(own):
        reason = np.where(one.reason != "", one.reason, reason)
    spread = Spread(joint.variance, df, reason, joint.note)
    spread = add_seeds(spread, added(part.seeds for part in parts))
    spread = add_seeds(spread, added(part.draws for part in parts))
    return infer(added(part.value for part in parts), spread, level=level, logarithmic=logarithmic)
