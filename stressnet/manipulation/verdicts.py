"""What three kinds of evidence together say about a claim of the paper.

Relevance
    The claim's own criterion on maps (:mod:`stressnet.statistics.claims`).
Deletion
    What the network loses when the region is taken out of the image.
Causal effect
    What the network does when the cue itself is changed in the sound.

The first is what an explanation says, the other two are what the network does. Each is decided by
its interval against a margin that is the same for every network; the table :data:`VERDICTS` says
what follows. A kind of evidence that cannot exist for a claim (no cue belongs to "throughout the
word") does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stressnet.errors import ConfigError
from stressnet.statistics.claims import FAILS, FEW_SEEDS, HOLDS, NOT_TESTED, OPEN

DENSITY_MARGIN = 0.10
"""Deletion: smallest difference of interest, in units of evidence spread evenly over the sound."""

SHARE_MARGIN = 0.10
"""Deletion: smallest share of the evidence of interest."""

CAUSAL_MARGIN = 0.05
"""Causal effect: smallest share of the distance between the classes of interest."""

CONSISTENT = "consistent"
MAP_ONLY = "only in the map"
MISSED = "missed by the map"
REFUTED = "smaller than the margin"
UNDECIDED = "cannot be decided"

VERDICTS = {
    CONSISTENT: "relevance holds, and so does everything that tests it",
    MAP_ONLY: "relevance holds, but deletion or the causal effect is smaller than the margin",
    MISSED: "relevance is smaller than the margin, though deletion and the causal effect hold",
    REFUTED: "relevance, deletion and the causal effect are smaller than the margin",
    FEW_SEEDS: "fewer than three networks",
    UNDECIDED: "anything else",
}
"""Verdicts and when they are given."""


@dataclass(frozen=True)
class ClaimTests:
    """What tests a claim besides relevance.

    Parameters
    ----------
    against : str
        What deletion of a region is compared with: another region, ``"exchange"`` (the same region
        by another token's times or tracks), or ``"share"`` (nothing: the share itself counts).
    cue : str
        Continuum whose effect tests the claim; empty if none does.
    """

    claim: str
    regions: tuple[str, ...]
    against: str
    cue: str = ""


TESTS = (
    ClaimTests("stressed syllable", ("syllable_stressed",), "syllable_unstressed"),
    ClaimTests("stressed vowel", ("nucleus_stressed",), "consonants", "all"),
    ClaimTests("vowels", ("nucleus_unstressed",), "consonants", "all"),
    ClaimTests("F1", ("F1_stressed",), "exchange", "f1"),
    ClaimTests("F2", ("F2_stressed",), "exchange", "f2"),
    ClaimTests("F3", ("F3_stressed",), "exchange", "f3"),
    ClaimTests("F0", ("F0_stressed",), "exchange", "f0"),
    ClaimTests("throughout the word", ("syllable_unstressed", "consonants"), "share"),
)
"""In the order of the claims. Cues are changed as a relation between both vowels, so that no
continuum tests one syllable against the other; consonants are not changed."""


def overall(relevance: str, others: Sequence[str]) -> str:
    """The verdict on a claim.

    Raises
    ------
    ConfigError
        If a decision is none of these.
    """
    for decision in (relevance, *others):
        if decision not in (HOLDS, FAILS, OPEN, NOT_TESTED, FEW_SEEDS):
            raise ConfigError(f"no decision '{decision}'")
    if FEW_SEEDS in (relevance, *others):
        return FEW_SEEDS
    tested = {decision for decision in others if decision != NOT_TESTED}
    if relevance == HOLDS and FAILS in tested:
        return MAP_ONLY
    both = (relevance, tested.pop() if len(tested) == 1 else OPEN)
    agreed = {(HOLDS, HOLDS): CONSISTENT, (FAILS, HOLDS): MISSED, (FAILS, FAILS): REFUTED}
    return agreed.get(both, UNDECIDED)
