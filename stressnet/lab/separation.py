"""Whether the intended cue tells the classes of a set apart, and no other measured cue does.

Cues that move with the intended one by definition are exempt
(:attr:`~stressnet.lab.designs.Design.own_measures`). By chance alone the area under the ROC curve
has a standard deviation of 0.018 in 1,000 words, and one of 25 cues would nearly always be out;
since words come in matched pairs, only what crosses over in the synthesis or the measurement is
left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from stressnet.errors import ConfigError
from stressnet.lab.designs import get_design
from stressnet.lab.measured import MEASURES
from stressnet.lab.residual import auroc
from stressnet.lab.words import LabWord
from stressnet.lexicon.stress import Stress

MAX_LEAK = 0.03
"""How far from one half the area may be for a cue that must not separate."""

FULL_SIZE = 300
"""From how many words on that limit holds as it stands."""

MIN_INTENDED = 0.55
"""Least area for the intended cue, near threshold; obvious ones reach 0.95 and more."""

Role = Literal["intended", "own", "other"]


@dataclass(frozen=True)
class Separation:
    """How well one measured cue tells the classes apart.

    Parameters
    ----------
    role : {"intended", "own", "other"}
        The design's cue; one that moves with it by definition; one that must not separate.
    auroc : float
        Probability that a FINAL word has more of it than an INITIAL one.
    limit : float
        How far from one half that may be where the role is "other".
    """

    measure: str
    role: Role
    auroc: float
    limit: float = MAX_LEAK

    @property
    def fails(self) -> bool:
        """Whether the set is not what it says it is."""
        if self.role == "other":
            return not abs(self.auroc - 0.5) <= self.limit
        return self.role == "intended" and not abs(self.auroc - 0.5) >= MIN_INTENDED - 0.5


def leak_limit(n_words: int) -> float:
    """How far from one half the area of another cue may be in a set of that many words."""
    return MAX_LEAK * max(1.0, FULL_SIZE / max(n_words, 1)) ** 0.5


def separations(words: Sequence[LabWord]) -> list[Separation]:
    """One row per measured cue, in the order of :data:`stressnet.lab.measured.MEASURES`.

    Raises
    ------
    ConfigError
        If there are no words, only one class, or several designs.
    """
    designs = {word.design for word in words}
    if len(designs) != 1 or len({word.stress for word in words}) != 2:
        raise ConfigError("separation needs words of both classes and of one design")
    design = get_design(designs.pop())
    final = np.array([word.stress is Stress.FINAL for word in words])
    roles: dict[str, Role] = dict.fromkeys(design.own_measures, "own")
    roles |= dict.fromkeys(design.intended_measures, "intended")
    table = pd.DataFrame([word.measured for word in words])
    return [
        Separation(
            measure,
            roles.get(measure, "other"),
            auroc(table[measure].to_numpy(), final),
            leak_limit(len(words)),
        )
        for measure in MEASURES
    ]


def separation_problem(words: Sequence[LabWord], rows: Sequence[Separation]) -> str | None:
    """Why a set of words is not what it says it is, in one line; None if it is."""
    failed = [row for row in rows if row.fails]
    if not failed:
        return None
    listed = ", ".join(f"{row.measure} {row.auroc:.3f} ({row.role})" for row in failed)
    return (
        f"design {words[0].design!r}, {len(words)} words: area under the ROC curve of {listed}; "
        f"other cues must stay within 0.5 ± {leak_limit(len(words)):.2g}, the intended one must "
        f"reach {MIN_INTENDED:g}"
    )
