"""Which phones and cues decide MODEL's answers on tokens of CORPUS; sentences and tables into OUT.

Takes single phones, and formants and F0 of each vowel, out of the spectrogram, and ranks them by
what the answer loses and by relevance. Lists of the most and least important are then removed, or
kept alone, beside random ones.
"""

from dataclasses import dataclass

from stressnet.runs.options import max_tokens_option, option, seed_option, splits_option
from stressnet.runs.stage import CORPUS, MODEL, Stage


@dataclass(frozen=True)
class DecisiveConfig:
    """Which tokens, and how units are removed and ranked."""

    composite: str | None = option(
        None, help="LRP rules.", default_text="the rules that suit the network"
    )
    baselines: tuple[str, ...] = option(
        ("local", "fill"),
        flag="--baseline",
        choices=("local", "fill"),
        help="What removed cells become: the mean of their neighbourhood, or what pads the image. "
        "Sentences rest on the first.",
    )
    n_random: int = option(3, minimum=1, help="Random orders of each token's units.")
    min_tokens: int = option(3, minimum=1, help="Tokens that a word needs to get a sentence.")
    splits: tuple[str, ...] = splits_option()
    max_tokens: int | None = max_tokens_option(200)
    seed: int = seed_option()


find_decisive = Stage(
    "decisive",
    config=DecisiveConfig,
    kind="decisive",
    inputs=(CORPUS, MODEL),
    has_device=True,
    done="decisive units",
)
