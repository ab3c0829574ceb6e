"""Where times of a word lie after some of its stretches became longer or shorter.

Conventions
-----------
Times are seconds in the excerpt. A :class:`TimeMap` is linear between its knots; a stretch that was
not changed keeps its length and only moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.cues import Segments
from stressnet.errors import ConfigError
from stressnet.intervals import Interval


@dataclass(frozen=True)
class TimeMap:
    """From times before a change to times after it.

    Raises
    ------
    ConfigError
        If they differ in number or fall.
    """

    before_s: tuple[float, ...]
    after_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.before_s) != len(self.after_s) or len(self.before_s) < 2:
            raise ConfigError("a time map needs two knots or more, as many after as before")
        if min(np.diff(self.before_s)) < 0 or min(np.diff(self.after_s)) < 0:
            raise ConfigError("the knots of a time map must rise")

    @classmethod
    def stretched(
        cls, spans_s: Sequence[tuple[float, float]], factors: Sequence[float], end_s: float
    ) -> TimeMap:
        """The map under which each span gets ``factor`` times as long and the rest only moves."""
        before, after, now_s, last_s = [0.0], [0.0], 0.0, 0.0
        for (start_s, stop_s), factor in zip(spans_s, factors, strict=True):
            now_s += start_s - last_s
            before.append(start_s)
            after.append(now_s)
            now_s += (stop_s - start_s) * factor
            before.append(stop_s)
            after.append(now_s)
            last_s = stop_s
        return cls((*before, end_s), (*after, now_s + end_s - last_s))

    def __call__(self, time_s: float) -> float:
        """One time after the change."""
        return float(self.at(np.array([time_s]))[0])

    def at(self, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times after the change; beyond the knots they move with the nearest one."""
        inside = np.interp(time_s, self.before_s, self.after_s)
        first = np.minimum(time_s - self.before_s[0], 0.0)
        last = np.maximum(time_s - self.before_s[-1], 0.0)
        return inside + first + last

    def segments(self, segments: Segments) -> Segments:
        """A token's parts after the change."""
        word, first, second = (
            (self(start_s), self(end_s)) for start_s, end_s in (segments.word, *segments.nuclei)
        )
        return Segments(word, self(segments.boundary_s), (first, second))

    def intervals(self, intervals: Sequence[Interval]) -> tuple[Interval, ...]:
        """Intervals after the change."""
        return tuple(Interval(self(i.start_s), self(i.end_s), i.label) for i in intervals)
