"""Test explanation methods on words whose cue is known; write a scoreboard into OUT.

Draws synthetic words in which exactly one cue carries the class, trains networks on them, and
asks of every method whether its maps find the cue: tables, figures, and a recommendation of
method, rule and seed.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stressnet.lab.board_plan import DEFAULT_PLAN, SMALL_PLAN, Plan
from stressnet.runs import Stage, option, seed_option


@dataclass(frozen=True)
class ValidateMethodsConfig:
    """What differs from the usual plan, or from the small one."""

    small: bool = option(False, help="Three sets, one network, four methods: minutes.")
    sets: tuple[str, ...] = option(
        (),
        flag="--set",
        help="A design such as f1 or f2_relation, 'planted', 'natural:COLUMN' or "
        "'natural:COLUMN:MARGIN' (a cue of the corpus, without tokens within so many standard "
        "deviations of its middle), or 'folder:PATH'.",
        default_text="every single cue, F1 in vowel 1, F1+F2, none",
    )
    n_words: int | None = option(None, flag="--words", minimum=12, help="Words of a set.")
    n_scored: int | None = option(
        None, flag="--scored", minimum=6, help="Test words whose maps are scored."
    )
    effect: float | None = option(
        None, minimum=0, help="Size of the cue: 1 is obvious, 0.25 near threshold."
    )
    networks: tuple[str, ...] = option((), flag="--network", help="Architecture.")
    n_seeds: int | None = option(
        None, flag="--trainings", minimum=1, help="Trainings of each network."
    )
    methods: tuple[str, ...] = option(
        (),
        flag="--method",
        help="Composite or other method, for every network. With it, no network gets all methods.",
    )
    max_epochs: int | None = option(
        None, flag="--epochs", minimum=1, help="Epochs of the trainings."
    )
    precision: str | None = option(
        None,
        choices=("float32", "bfloat16"),
        help="Number format of the trainings; bfloat16 is faster on CPUs with AMX.",
    )
    allow_leaks: bool = option(
        False,
        help="Keep sets in which a measured cue beside the intended one separates the classes "
        "(AUROC beyond 0.5 ± 0.03); otherwise they are refused.",
    )
    corpus: Path | None = option(None, help="A built corpus, for natural:COLUMN.")
    cues: Path | None = option(None, help="What 'stressnet measure' made of it.")
    seed: int = seed_option()
    base: Plan | None = None

    @property
    def plan(self) -> Plan:
        """The plan with everything that was asked for."""
        names = "sets n_words n_scored effect networks n_seeds methods max_epochs precision".split()
        asked: dict[str, Any] = {name: getattr(self, name) for name in names}
        asked["all_methods"] = False if self.methods else None
        asked["allow_leaks"] = self.allow_leaks or None
        changes = {name: value for name, value in asked.items() if value not in (None, ())}
        base = self.base or (SMALL_PLAN if self.small else DEFAULT_PLAN)
        if self.base is None:
            changes["seed"] = self.seed
        return replace(base, **changes)


validate_methods = Stage(
    "validate-methods",
    config=ValidateMethodsConfig,
    kind="validation",
    text="stressnet.stages.validate_methods.text:summary_text",
    items="steps failed",
    done="scoreboard",
    has_jobs=True,
)
