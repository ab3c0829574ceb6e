"""Does relevance predict what changing a cue does to MODEL, token by token?

Sets each cue of words of CORPUS to the midpoint between the classes, and compares the change of
the logit difference with the relevance of the cue's region: rank correlation per method, over
tokens and over the cues of a token, beside the relevance of other tokens. Writes a table and a
figure into OUT.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs.options import max_tokens_option, option, seed_option, splits_option
from stressnet.runs.stage import CORPUS, MODEL, Stage
from stressnet.stages.manipulate import MEASURED_HELP


@dataclass(frozen=True)
class CausalConfig:
    """Which methods are compared with the effects of changed cues, on which stimuli."""

    methods: tuple[str, ...] = option(
        (),
        separated=True,
        help="Composites and other methods, separated by commas; the first is drawn.",
        default_text="five, see docs/faithfulness.md",
    )
    stimuli: Path | None = option(
        None,
        help="Finished folder of 'stressnet manipulate' with MODEL's responses; made if left out.",
    )
    measured: Path | None = option(None, help=MEASURED_HELP)
    splits: tuple[str, ...] = splits_option()
    max_tokens: int | None = max_tokens_option(150)
    seed: int = seed_option()


causal_agreement = Stage(
    "causal-agreement",
    config=CausalConfig,
    kind="causal agreement",
    inputs=(CORPUS, MODEL),
    text="stressnet.stages.causal_agreement.run:summary_text",
    items="stimuli were left out",
    has_jobs=True,
    has_device=True,
)
