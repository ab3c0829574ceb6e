"""The paper's claims: relevance, deletion and causal effect side by side, with verdicts.

STATS is a folder of 'stressnet stats', STIMULI one of 'stressnet manipulate' with the networks'
responses. Deletion is computed here on tokens of CORPUS. Rules: docs/findings.md.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.errors import ConfigError
from stressnet.runs.options import max_tokens_option, option, seed_option, splits_option
from stressnet.runs.stage import CORPUS, Input, Stage


@dataclass(frozen=True)
class FindingsConfig:
    """Which network is judged, and on which tokens regions are deleted."""

    models: tuple[Path, ...] = option(
        (), flag="--model", help="Checkpoint; several are training seeds of one network."
    )
    network: str | None = option(None, help="Which network of STATS.", default_text="its only one")
    splits: tuple[str, ...] = splits_option()
    max_tokens: int | None = max_tokens_option(400)
    seed: int = seed_option()

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigError("findings need a network; give --model")


find_out = Stage(
    "findings",
    config=FindingsConfig,
    kind="findings",
    inputs=(CORPUS, Input("stats"), Input("stimuli")),
    text="stressnet.manipulation.verdicts:findings_text",
    has_device=True,
)
