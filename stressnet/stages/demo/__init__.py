"""The whole study on synthetic speech, without data or network.

Speaks a corpus with espeak-ng, builds, aligns, trains, explains and reports. Since the engine's
own times are known, the aligner's error is printed too. Synthetic speech is far more regular
than people: its figures say that the software works, not how people stress words.
"""

from dataclasses import dataclass

from stressnet.languages import ENGLISH
from stressnet.runs import Stage, option, seed_option


@dataclass(frozen=True)
class DemoConfig:
    """How much is spoken."""

    size: str = option(
        "full",
        choices=("full", "tiny"),
        help="tiny takes about a minute and proves only that everything runs.",
    )
    language: str = option(ENGLISH, help="Language that is spoken: en, de, es, it, nl, pt or ru.")
    syllables: str = option("2", choices=("2", "3"), help="Of the target words; 3 only in es.")
    seed: int = seed_option()


run_demo = Stage(
    "demo", config=DemoConfig, kind="demo", default_output="stressnet-demo", has_jobs=True
)
