"""Test one or more MODELs on CORPUS; write tables, figures and a page into OUT.

A MODEL is a folder that train wrote, or a folder of such folders. Networks that differ in
their seed only are also averaged into an ensemble. On the corpus they were trained on, every
test set is reported; on any other, all its labelled tokens.
"""

from dataclasses import dataclass

from stressnet.runs.options import option, resamples_option, seed_option
from stressnet.runs.stage import DISYLLABLES, MODELS, Stage


@dataclass(frozen=True)
class EvaluateConfig:
    """What is computed beside the figures of every test set."""

    audits: bool = option(
        True,
        help="Leak audits: what classifiers know that see only padding, envelope or phones; a "
        "network on shuffled labels; nouns and verbs without stress shift.",
    )
    n_resamples: int = resamples_option(2000)
    seed: int = seed_option()


evaluate_models = Stage(
    "evaluate",
    config=EvaluateConfig,
    kind="evaluation",
    inputs=(DISYLLABLES, MODELS),
    text="stressnet.stages.evaluate.text:evaluation_text",
    has_device=True,
)
