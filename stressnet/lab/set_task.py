"""What is to be done with one set of lab words, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.explain.composites import suited
from stressnet.lab.board_plan import Plan
from stressnet.lab.designs import DESIGNS
from stressnet.lab.drawn import drawn_set
from stressnet.lab.labset import LabSet
from stressnet.lab.localised import TargetRules, localised_set
from stressnet.lab.maps import VARIANTS
from stressnet.lab.planted import planted_set
from stressnet.lab.related import parse_natural
from stressnet.lab.scoreboard import NATURAL
from stressnet.models.registry import get_spec
from stressnet.runs.problems import Problem
from stressnet.runs.tables import read_table

CONTROL_METHODS = ("epsilon-gamma",)
"""Methods whose maps are broken on purpose."""


N_RESAMPLES = 400


@dataclass(frozen=True)
class SetTask:
    """Everything a worker needs for one set.

    Parameters
    ----------
    name : str
        A design, ``planted``, ``natural:COLUMN`` (a cue of the corpus), or ``folder:PATH``.
    plan : Plan
        How much of everything; its list of sets has no part in it.
    corpus, cues : Path, optional
        A corpus and its table of cues, for ``natural:``.
    """

    name: str
    plan: Plan
    state: Path
    corpus: Path | None = None
    cues: Path | None = None

    @property
    def slug(self) -> str:
        """A name for files."""
        return "".join(c if c.isalnum() or c in "-_+." else "-" for c in self.name)

    @property
    def folder(self) -> Path:
        """Where the set's state is."""
        return self.state / self.slug


@dataclass(frozen=True)
class SetResult:
    """What came of a set."""

    name: str
    described: dict[str, Any] = field(default_factory=dict)
    networks: list[dict[str, Any]] = field(default_factory=list)
    reactions: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def usable_methods(names: Sequence[str], network: str) -> tuple[str, ...]:
    """Of some methods those that an architecture can be explained by, its own composite among them
    if it has attention."""
    found = suited(names, get_spec(network).composite)
    if set(names) <= set(found):
        return found
    return tuple(name for name in found if name not in VARIANTS)


def make_set(task: SetTask, problems: list[Problem]) -> LabSet:
    """The words of a task.

    Raises
    ------
    ConfigError
        If there is no such set, or what it needs was not given.
    """
    plan = task.plan
    kind, _, rest = task.name.partition(":")
    if task.name == "planted":
        return planted_set(plan.n_words, strength=plan.effect, seed=plan.seed)
    if kind == "folder":
        return LabSet.load(Path(rest))
    if kind == "natural":
        if task.corpus is None or task.cues is None:
            raise ConfigError(f"set {task.name} needs a corpus and its table of cues")
        cue, margin_sd = parse_natural(rest)
        rules = TargetRules() if margin_sd is None else TargetRules(margin_sd=margin_sd)
        table = read_table(task.cues)
        words = localised_set(Corpus.open(task.corpus), table, cue, rules=rules)
        return words if margin_sd is None else replace(words, name=f"{words.name}/{margin_sd:g}")
    if task.name not in DESIGNS:
        raise ConfigError(
            f"no set {task.name!r}; there are planted, {', '.join(DESIGNS)}, natural:COLUMN and "
            "folder:PATH"
        )
    return drawn_set(
        task.name,
        plan.n_words,
        plan.seed,
        effect=plan.effect,
        problems=problems,
        allow_leaks=plan.allow_leaks,
    )


def cue_name(words: LabSet) -> str:
    """The cue; that of natural words apart, whose truth is measured and whose cue is not alone."""
    natural = words.provenance.get("made_by") == "localised target"
    return f"{NATURAL} {words.cue}" if natural else words.cue
