"""Measure how faithful attribution methods are to MODEL on tokens of CORPUS.

Removes or keeps what each map calls important (cells, phones, formant bands), randomises the
network, moves the input, and compares maps with regions and with each other. Every figure comes
with its chance level. Interrupted, it continues with the same command.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs.options import max_tokens_option, option, seed_option, splits_option
from stressnet.runs.stage import CORPUS, MODEL, Stage


@dataclass(frozen=True)
class AssessConfig:
    """Which methods are measured, by what."""

    composites: tuple[str, ...] = option(
        (),
        flag="--composite",
        help="LRP rules to assess; the first is what others are compared with.",
    )
    methods: tuple[str, ...] = option(
        (),
        flag="--method",
        help="Other method to assess.",
        default_text="five, see docs/faithfulness.md",
    )
    metrics: tuple[str, ...] = option(
        (), flag="--metric", help="Metric, see docs/faithfulness.md.", default_text="all"
    )
    baselines: tuple[str, ...] = option(
        ("fill", "noise", "local"),
        flag="--baseline",
        help="What removed cells become: fill, mean, noise, local, linear. The first is also used "
        "for infidelity.",
    )
    regions: tuple[str, ...] = option(
        ("word", "nucleus_stressed", "nucleus_unstressed", "F1", "F2"),
        flag="--region",
        help="Region in which relevance is looked for.",
    )
    score: str = option(
        "probability",
        choices=("probability", "log-odds", "logit"),
        help="Score of the predicted class by which removal is measured.",
    )
    other_models: tuple[Path, ...] = option(
        (),
        flag="--other-model",
        help="The network trained with another seed, for agreement between seeds.",
    )
    splits: tuple[str, ...] = splits_option()
    max_tokens: int | None = max_tokens_option(100)
    seed: int = seed_option()


assess = Stage(
    "assess",
    config=AssessConfig,
    kind="assessment",
    inputs=(CORPUS, MODEL),
    text="stressnet.stages.assess.run:summary_text",
    has_device=True,
)
