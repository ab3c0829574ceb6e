"""Continua from an INITIAL-like to a FINAL-like version of a word.

A **plan** lists the stimuli of a token: the word as recorded (``natural``), sent through
overlap-add without any change (``resynthesised``), and the steps of each continuum: one cue or
group alone (``single``), two against each other on a full grid (``pair``), further subsets
(``subset``, the two ends only), or all cues together (``all``). **Positions** run from 0
(INITIAL-like) to 1. All steps of a continuum in which F0 or duration moves go through overlap-add.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Literal

from stressnet.errors import ConfigError
from stressnet.manipulation.cues import (
    CUE_NAMES,
    CueChange,
    Pair,
    cues_of,
    get_cue,
    in_order,
    members,
    needs_psola,
)
from stressnet.manipulation.endpoints import Endpoint
from stressnet.manipulation.envelope import slope_for_tilt
from stressnet.manipulation.resynthesis import Source

StimulusKind = Literal["natural", "resynthesised", "single", "pair", "subset", "all"]

DEFAULT_STEPS = 7


@dataclass(frozen=True)
class Step:
    """One stimulus of a token's plan.

    ``cues`` (or groups) are those that move, in the order of tables (none for the first two kinds),
    ``steps`` the step of each, counted from 0, and ``positions`` go from 0 (INITIAL-like) to 1
    (FINAL-like).
    """

    kind: StimulusKind
    cues: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    positions: tuple[float, ...] = ()

    @property
    def continuum(self) -> str:
        """Name of the continuum: ``f0``, ``f0+duration``, ``all``, ``natural``."""
        return self.kind if self.kind == "all" else "+".join(self.cues) or self.kind

    @property
    def name(self) -> str:
        """Name of the stimulus within its token: ``f0-3``, ``f0+duration-3-0``, ``all-6``."""
        if not self.cues:
            return self.kind
        steps = self.steps if self.kind == "pair" else self.steps[:1]
        return "-".join([self.continuum, *map(str, steps)])

    @property
    def psola(self) -> bool:
        """Whether it goes through overlap-add."""
        return self.kind == "resynthesised" or needs_psola(self.cues)


@dataclass(frozen=True)
class Asked:
    """What a step asks of a token.

    ``moves`` says for each cue that moves how far each nucleus's value moves on the cue's scale;
    ``limited`` are cues whose move was larger than resynthesis can do and was cut to what it can.
    """

    changes: tuple[CueChange, CueChange]
    moves: dict[str, Pair] = field(default_factory=dict)
    limited: tuple[str, ...] = ()


def plan_steps(
    cues: Sequence[str] = CUE_NAMES,
    n_steps: int = DEFAULT_STEPS,
    *,
    single: bool = True,
    pairs: Sequence[tuple[str, str]] = (),
    subsets: bool = False,
    together: bool = False,
) -> list[Step]:
    """All stimuli of a token.

    Each continuum has ``n_steps``, two or more; an odd number has a neutral middle. There is one of
    each of the ``cues`` (or groups) alone (``single``) and of all at once (``together``), there are
    grids of ``n_steps`` by ``n_steps`` of the ``pairs``, and both ends of all ``subsets`` of two or
    more of the ``cues``, which must not share any.
    """
    if n_steps < 2:
        raise ConfigError(f"a continuum of {n_steps} steps has no ends; give two or more")
    names = in_order(cues)
    if not names:
        raise ConfigError(f"no cue to change; there are {', '.join(CUE_NAMES)}")
    places = [index / (n_steps - 1) for index in range(n_steps)]
    plan = [Step("natural"), Step("resynthesised")]
    if single:
        for cue in names:
            plan += [Step("single", (cue,), (i,), (places[i],)) for i in range(n_steps)]
    for pair in pairs:
        if len(set(pair)) != 2:
            raise ConfigError(f"a pair needs two different cues, not {' and '.join(pair)}")
        ordered = in_order(pair, apart=True)
        for i, j in product(range(n_steps), repeat=2):
            plan.append(Step("pair", ordered, (i, j), (places[i], places[j])))
    if subsets:
        in_order(names, apart=True)
        for n in range(2, len(names) + 1):
            for some in combinations(names, n):
                for i in (0, n_steps - 1):
                    plan.append(Step("subset", some, (i,) * n, (places[i],) * n))
    every = cues_of(names)
    if together and len(every) > 1:
        for i in range(n_steps):
            plan.append(Step("all", every, (i,) * len(every), (places[i],) * len(every)))
    return list(dict.fromkeys(plan))


def ask(step: Step, source: Source, endpoints: Mapping[str, Endpoint]) -> Asked:
    """What a step asks of a token; :class:`ConfigError` if a cue that moves has no ends."""
    moves: dict[str, Pair] = {}
    limited = []
    places = zip(step.cues, step.positions, strict=True)
    for cue, position in [(cue, at) for name, at in places for cue in members(name)]:
        if cue not in endpoints:
            raise ConfigError(f"step {step.name}: no ends of cue '{cue}'")
        end, most = endpoints[cue], get_cue(cue).most
        wanted = [t - n for t, n in zip(end.at(position), end.natural, strict=True)]
        possible = [min(max(w, -most), most) for w in wanted]
        if possible != wanted:
            limited.append(cue)
        moves[cue] = (possible[0], possible[1])
    first, second = (_change(source, k, moves) for k in (0, 1))
    return Asked((first, second), moves, tuple(limited))


def _change(source: Source, nucleus: int, moves: Mapping[str, Pair]) -> CueChange:
    """What has to be done to one nucleus for its values to move so far."""
    move = {cue: pair[nucleus] for cue, pair in moves.items()}
    slope = 0.0
    if "tilt" in move:
        span = source.segments.nuclei[nucleus]
        slope = slope_for_tilt(source.samples, source.rate_hz, span, move["tilt"])
    return CueChange(
        f0_st=move.get("f0", 0.0),
        duration_factor=2.0 ** move.get("duration", 0.0),
        intensity_db=move.get("intensity", 0.0),
        f1_factor=2.0 ** move.get("f1", 0.0),
        f2_factor=2.0 ** move.get("f2", 0.0),
        f3_factor=2.0 ** move.get("f3", 0.0),
        tilt_db_per_octave=slope,
    )
