"""Train simple classifiers on CUES (from measure) and test them as networks are tested.

Majority, every cue alone, families of cues, five classical cues, and logistic regression and
gradient boosting on all of them, trained on the corpus's own training split. Writes figures per
test set with intervals, predictions per token, coefficients and permutation importance.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs import Input, Stage, option, resamples_option, seed_option


@dataclass(frozen=True)
class CueBaselinesConfig:
    """How the baselines are trained and compared."""

    models: tuple[Path, ...] = option(
        (), flag="--model", help="Network of the same corpus to compare token by token."
    )
    n_seeds: int = option(
        5, flag="--seeds", minimum=1, help="Seeds of gradient boosting, the only one with chance."
    )
    n_resamples: int = resamples_option(1000, minimum=1)
    seed: int = seed_option()


run_cue_baselines = Stage(
    "cue-baselines",
    config=CueBaselinesConfig,
    kind="cue-baselines",
    inputs=(Input("cues"),),
    text="stressnet.stages.cue_baselines.run:baselines_text",
    done="cue baselines",
)
