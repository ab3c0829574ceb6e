"""Designs: which cue tells the classes apart, in which vowel, and by how much.

A design leaves every cue to natural variance but one (or two): that one is centred, keeps a share
of its natural variance, and moves by half a step up in one class and half a step down in the other.
At effect 1 a step is three to five standard deviations of what is left of that variance, obvious
to anybody who looks at the right place; at 0.25 about one, near threshold.

``f1`` has the cue in the second vowel, where FINAL has more of it, and ``f1_v1`` in the first
(there INITIAL has more, as stressed syllables do). ``f1_relation`` has it in neither: the second
vowel has more than the first in FINAL and less in INITIAL, while the mean of both varies as much as
in natural speech; one vowel alone decides little. In a conjunction FINAL words have both cues high,
INITIAL words one of them or neither, each in a third of the pairs: one cue alone is right in five
of six words at best, both together in all. ``none`` has no cue.
"""

from dataclasses import dataclass
from typing import Literal

from stressnet.errors import ConfigError, check_names
from stressnet.lexicon.stress import Stress

Where = Literal[1, 2, "relation"]


@dataclass(frozen=True)
class CueKind:
    """How a cue is moved."""

    name: str
    # Of a vowel or of the consonant before it: semitones, decibels, natural logarithms of duration
    # and formants, shares of the vowel and of the way to schwa.
    parameters: tuple[str, ...]
    step: float  # Between the classes at effect 1, in the parameter's unit
    kept: float  # Share of the natural standard deviation that stays
    regions: tuple[str, ...]  # Candidate regions in the cue's place, without syllable
    # Measured cues that move with it by definition; the first one is the cue itself.
    measured: tuple[str, ...]


CUE_KINDS: dict[str, CueKind] = {
    kind.name: kind
    for kind in (
        CueKind("f0_level", ("f0_level_st",), 5.0, 0.4, ("F0", "harmonics"), ("f0_level_st",)),
        CueKind(
            "f0_peak",
            ("f0_peak_position",),
            0.6,
            0.4,
            ("F0", "harmonics"),
            ("f0_slope_st_per_s", "f0_peak_position"),
        ),
        CueKind("duration", ("log_duration",), 0.8, 0.4, (), ("log_duration",)),
        CueKind("intensity", ("intensity_db",), 7.0, 0.4, (), ("intensity_db",)),
        CueKind("tilt", ("tilt_db",), 5.0, 0.3, ("high", "F2", "F3", "F4"), ("tilt_db",)),
        CueKind("f1", ("log_f1",), 0.38, 0.4, ("F1",), ("log_f1", "peripherality")),
        CueKind("f2", ("log_f2",), 0.36, 0.4, ("F2",), ("log_f2", "peripherality")),
        CueKind("f3", ("log_f3",), 0.16, 0.3, ("F3",), ("log_f3",)),
        CueKind(
            "reduction",
            ("peripherality",),
            0.85,
            0.4,
            ("F1", "F2"),
            ("peripherality", "log_f1", "log_f2"),
        ),
        CueKind("consonant", ("level_db",), 12.0, 0.5, ("onset",), ("consonant_db",)),
    )
}
"""Kinds of cues by name. More is: higher F0 and formants, a later peak of F0 with the same mean, a
longer or louder vowel, a stronger one from 1 kHz up (tilt), F1 and F2 further from those of schwa
in any direction (reduction), louder noise before the vowel (consonant)."""


@dataclass(frozen=True)
class CueRule:
    """One cue in vowel 1 or 2 (``consonant``: at the onset of its syllable), or between both."""

    cue: str
    where: Where

    def __post_init__(self) -> None:
        check_names("cue", [self.cue], CUE_KINDS)
        if self.where not in (1, 2, "relation"):
            raise ConfigError(f"a cue is in vowel 1, 2 or a relation, not {self.where!r}")

    @property
    def kind(self) -> CueKind:
        """How the cue is moved."""
        return CUE_KINDS[self.cue]

    @property
    def vowels(self) -> tuple[int, ...]:
        """Vowels (1, 2) that the cue moves in."""
        return (1, 2) if self.where == "relation" else (self.where,)

    def share(self, vowel: int, sign: int) -> float:
        """By which part of a step the cue moves in a vowel; ``sign`` 1 is high, -1 is low.

        A relation moves both vowels by a quarter of a step, against each other: their difference
        moves by a whole step between the classes.
        """
        if vowel not in self.vowels:
            return 0.0
        if self.where == "relation":
            return 0.25 * sign * (1 if vowel == 2 else -1)
        return 0.5 * sign


@dataclass(frozen=True)
class Design:
    """What tells the classes apart: no rule, one, or two for a conjunction."""

    name: str
    rules: tuple[CueRule, ...] = ()

    @property
    def cue(self) -> str:
        """Name of the cue; several joined by ``+``; ``none``."""
        return "+".join(rule.cue for rule in self.rules) or "none"

    @property
    def where(self) -> str:
        """``syllable-1``, ``syllable-2``, ``relation``, several joined by ``+``, or ``nowhere``."""
        places = [
            "relation" if rule.where == "relation" else f"syllable-{rule.where}"
            for rule in self.rules
        ]
        return "+".join(dict.fromkeys(places)) or "nowhere"

    def signs(self, stress: Stress, case: int = 0) -> tuple[int, ...]:
        """High (1) or low (-1) of every rule in a word of a class."""
        if len(self.rules) == 2:
            if stress is Stress.FINAL:
                return 1, 1
            return ((1, -1), (-1, 1), (-1, -1))[case % 3]
        up = 1 if stress is Stress.FINAL else -1
        return tuple(-up if rule.where == 1 else up for rule in self.rules)

    @property
    def true_regions(self) -> tuple[str, ...]:
        """Candidate regions that are the true place; empty where the cue has none of its own."""
        return tuple(
            f"{region}_{vowel}"
            for rule in self.rules
            for region in rule.kind.regions
            for vowel in rule.vowels
        )

    @property
    def own_measures(self) -> frozenset[str]:
        """Measured cues, with the vowel's number or ``diff``, that may separate the classes."""
        names = set()
        for rule in self.rules:
            for measure in rule.kind.measured:
                names |= {f"{measure}_{vowel}" for vowel in rule.vowels} | {f"{measure}_diff"}
            if rule.cue == "duration":
                names.add("word_duration_s")
        return frozenset(names)

    @property
    def intended_measures(self) -> tuple[str, ...]:
        """The measured cues that must separate the classes, one per rule."""
        return tuple(
            f"{rule.kind.measured[0]}_{'diff' if rule.where == 'relation' else rule.where}"
            for rule in self.rules
        )


def _registry() -> dict[str, Design]:
    designs = [Design("none")]
    for cue in CUE_KINDS:
        designs += [Design(cue, (CueRule(cue, 2),)), Design(f"{cue}_v1", (CueRule(cue, 1),))]
        if cue not in ("f0_peak", "reduction"):
            designs.append(Design(f"{cue}_relation", (CueRule(cue, "relation"),)))
    designs += [
        Design("f1_v1+f0_level", (CueRule("f1", 1), CueRule("f0_level", 2))),
        Design("f1_v1+duration", (CueRule("f1", 1), CueRule("duration", 2))),
        Design("f1+f2", (CueRule("f1", 2), CueRule("f2", 2))),
        Design("tilt+f0_level_v1", (CueRule("tilt", 2), CueRule("f0_level", 1))),
    ]
    return {design.name: design for design in designs}


DESIGNS: dict[str, Design] = _registry()  # Designs by name


def get_design(design: str | Design) -> Design:
    """A design by name; a design is passed through."""
    if isinstance(design, Design):
        return design
    check_names("design", [design], DESIGNS)
    return DESIGNS[design]
