"""How many tokens, speakers and words a study needs, for effects seen in STATS.

STATS is a folder of 'stressnet stats' (claims about density), of 'stressnet evaluate' or of
'stressnet train' in folds (balanced accuracy, noun/verb pairs). Variances between speakers, words
and tokens come from its tokens. A table goes to OUT; what it assumes is in docs/statistics.md.
"""

from dataclasses import dataclass

from stressnet.errors import ConfigError
from stressnet.runs.options import option
from stressnet.runs.stage import Input, Stage


@dataclass(frozen=True)
class PowerConfig:
    """What is to be shown."""

    goal: float = option(0.8, flag="--power", help="Chance to show the effect.")
    distance: float | None = option(
        None,
        help="How far above its margin the effect is, as a share or the logarithm of a ratio.",
        default_text="as seen",
    )

    def __post_init__(self) -> None:
        if not 0 < self.goal < 1:
            raise ConfigError(f"a power of {self.goal:g} is not between 0 and 1")


find_power = Stage(
    "power",
    config=PowerConfig,
    kind="power",
    inputs=(Input("stats"),),
    text="stressnet.stages.power.run:power_text",
)
