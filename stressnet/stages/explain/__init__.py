"""Explain what MODEL hears in the tokens of CORPUS; write maps and tables into RUN.

MODEL is a folder of 'stressnet train', or the word pretrained: the network in the package.

Computes signed relevance by layer-wise relevance propagation, checks its conservation, projects
it onto regions (syllables, vowels, consonants, formants, F0, see 'stressnet regions'), and
compares with nulls: the tracks and times of other tokens, shifted ones, other networks,
untrained networks and the input itself.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs.options import max_tokens_option, option, seed_option, splits_option
from stressnet.runs.stage import ANY_CORPUS, ANY_MODEL, Stage


@dataclass(frozen=True)
class ExplainConfig:
    """What decides the content of a run."""

    composite: str | None = option(
        None,
        help="LRP rules, or integrated-gradients-mean.",
        default_text="the rules that suit the network",
    )
    seed_output: str = option(
        "logit-difference",
        help="Output that is explained; the difference is INITIAL minus FINAL, the others are of "
        "INITIAL. Of longer words, which have no such difference, it is each token's own class "
        "against the best other if nothing is asked for.",
        choices=("logit-difference", "logit", "log-odds", "best-other", "mean-others"),
    )
    splits: tuple[str, ...] = splits_option()
    max_tokens: int | None = max_tokens_option()
    nulls: tuple[str, ...] = option(
        ("exchange",),
        flag="--null",
        help="What relevance is compared with: exchange, time_shift, frequency_shift, all. The "
        "exchange is always computed.",
    )
    untrained: int = option(
        5,
        help="Untrained networks of the same architecture that, with the input itself taken as a "
        "map, are the controls of the claims; claims need 5; 0 computes no controls.",
        minimum=0,
    )
    control_tokens: int = option(
        400,
        help="Random sample of this many tokens, spread over speakers, for untrained networks and "
        "the input.",
        minimum=1,
    )
    null_models: tuple[Path, ...] = option(
        (),
        flag="--null-model",
        help="Network whose maps serve as a null, e.g. one trained on permuted labels.",
    )
    bands: str = option(
        "fixed-hz",
        help="Half-width of formant bands: fixed-hz[:HZ,HZ,HZ,HZ or :*FACTOR], fixed-bins[:BINS], "
        "bandwidth[:LARGEST_HZ].",
    )
    region_files: tuple[Path, ...] = option(
        (), flag="--regions-file", help="Python file with regions of your own."
    )
    partitions: tuple[str, ...] = option(
        (),
        flag="--partition",
        help="Shares that add up to 1, as a further table: time, syllables, parts, manners, "
        "formants, valleys, harmonics, balance.",
    )
    seed: int = seed_option()


explain_corpus = Stage(
    "explain",
    config=ExplainConfig,
    kind="relevance",
    inputs=(ANY_CORPUS, ANY_MODEL),
    output="run",
    text="stressnet.stages.explain.text:run_text",
    items="tokens could not be projected",
    has_jobs=True,
    has_device=True,
)
