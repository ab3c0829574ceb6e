"""Find the channels of one or more MODELs that carry the decision, and what they hear.

Exchanges activations between two words of CORPUS that differ in stress, or in one cue, and
writes into OUT: effects of all units, how true each estimator is, circuits with the accuracy
that they keep, the tuning of channels to acoustic cues, figures and a page.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.errors import ConfigError, check_names
from stressnet.runs.options import max_tokens_option, option, seed_option, splits_option
from stressnet.runs.stage import CORPUS, MODELS, Stage
from stressnet.stages.manipulate import MEASURED_HELP

UNITS = ("channel", "layer", "time", "band", "head", "position", "edge")


@dataclass(frozen=True)
class PatchConfig:
    """What is exchanged between which words, and how the effect is found."""

    pairs: str = option(
        "natural",
        choices=("natural", "manipulated", "synthetic"),
        help="Words with both stresses in CORPUS; tokens with one cue moved; words of the lab.",
    )
    stimuli: Path | None = option(
        None, help="Folder of 'stressnet manipulate --save-audio', for --pairs manipulated."
    )
    units: tuple[str, ...] = option(
        ("channel", "time"),
        separated=True,
        help="What is exchanged, separated by commas: channel, layer, time (parts of the word in "
        "each layer), band, head, position, edge (from one part of a transformer to a later one).",
    )
    estimators: tuple[str, ...] = option(
        ("activation", "attribution", "relp"),
        separated=True,
        help="activation (the truth), attribution, integrated-gradients, relp, or a composite.",
    )
    direction: str = option(
        "corrupted-to-clean",
        choices=("corrupted-to-clean", "clean-to-corrupted"),
        help="Whose activations enter whose run; clean is the INITIAL word.",
    )
    max_pairs: int = option(60, minimum=1, help="Most pairs; words or cues take turns.")
    min_difference: float = option(
        1.0,
        minimum=0.0,
        help="Pairs whose logit differences lie closer are not patched: effects are shares of it.",
    )
    measured: Path | None = option(None, help=MEASURED_HELP)
    splits: tuple[str, ...] = splits_option()
    max_tokens: int | None = max_tokens_option(1000)
    seed: int = seed_option()

    def __post_init__(self) -> None:
        check_names("unit", self.units, dict.fromkeys(UNITS))
        if (self.pairs == "manipulated") != (self.stimuli is not None):
            raise ConfigError("--stimuli and --pairs manipulated belong together; give both")


patch_networks = Stage(
    "patch",
    config=PatchConfig,
    kind="patching",
    inputs=(CORPUS, MODELS),
    text="stressnet.stages.patch.run:patched_text",
    items="pairs were left out",
    has_jobs=True,
    has_device=True,
)
