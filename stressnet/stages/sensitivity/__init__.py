"""Measure how shares of relevance change with band width, LRP rules and network.

Explains a sample of tokens under every composite, projects it under every band rule, and writes
one table. The first MODEL, composite and band rule are what the others are compared with.
Spectrogram presets and windows are compared by networks trained on them.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs.options import max_tokens_option, option, seed_option, splits_option
from stressnet.runs.stage import CORPUS, MODEL, Stage

DEFAULT_COMPOSITES = ("epsilon-gamma", "epsilon-plus", "epsilon-plus-flat", "epsilon-alpha2-beta1")
DEFAULT_BANDS = (
    "fixed-hz",
    "fixed-hz:*0.5",
    "fixed-hz:*1.5",
    "fixed-hz:*2",
    "fixed-bins:1.5",
    "fixed-bins:2.5",
    "bandwidth",
)
DEFAULT_REGIONS = (
    "syllable_stressed",
    "syllable_unstressed",
    "nucleus_stressed",
    "nucleus_unstressed",
    "consonants",
    *(f"F{k}_{which}" for which in ("stressed", "unstressed") for k in (1, 2, 3, 4)),
    "F0_stressed",
    "F0_unstressed",
    "valley_F1_F2_stressed",
    "valley_F2_F3_stressed",
)


@dataclass(frozen=True)
class SensitivityConfig:
    """Which networks, rules, band widths and regions are compared."""

    models: tuple[Path, ...] = option(
        (), flag="--model", help="Further network, e.g. one trained on another preset or window."
    )
    composites: tuple[str, ...] = option(
        (), flag="--composite", help="LRP rules.", default_text="four, see docs/regions.md"
    )
    bands: tuple[str, ...] = option(
        (), help="Width of formant bands.", default_text="seven, see docs/regions.md"
    )
    regions: tuple[str, ...] = option(
        (), flag="--region", help="Region.", default_text="a dozen, see docs/regions.md"
    )
    splits: tuple[str, ...] = splits_option()
    max_tokens: int = max_tokens_option(100)
    seed: int = seed_option()


measure_sensitivity = Stage(
    "sensitivity",
    config=SensitivityConfig,
    kind="sensitivity",
    inputs=(CORPUS, MODEL),
    text="stressnet.stages.sensitivity.text:sensitivity_text",
    items="tokens could not be projected",
    has_jobs=True,
    has_device=True,
)
