"""Psychometric functions of the networks that answered to STIMULI (from manipulate).

Slope and crossover of every cue, and weights of two cues against each other where STIMULI holds
pairs, beside what listeners do. Where STIMULI holds every subset of the cues, Shapley values and
interactions. Tables and figures go to OUT.
"""

from dataclasses import dataclass

from stressnet.runs import Input, Stage, option


@dataclass(frozen=True)
class PsychometricsConfig:
    """What counts as an answer."""

    answers: str = option(
        "decision",
        choices=("decision", "probability"),
        help="What a network answers: its class, as a listener would, or its probability.",
    )


psychometrics = Stage(
    "psychometrics",
    config=PsychometricsConfig,
    kind="psychometrics",
    inputs=(Input("stimuli"),),
    text="stressnet.stages.psychometrics.run:psychometrics_text",
)
