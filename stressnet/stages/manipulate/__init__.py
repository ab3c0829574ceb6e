"""Change cues to stress in the words of CORPUS, one at a time; write stimuli into OUT.

Continua from INITIAL-like to FINAL-like in F0, duration, intensity, F1, F2, F3 and spectral
tilt of the two vowels, or in groups of them; everything else of the word stays. Every stimulus
is measured again: crosstalk.csv says how far the intended cue and the others moved. Stimuli
whose cue did not move, or that Praat cannot analyse, are left out and listed in failures.csv.
With --model, responses.parquet holds the networks' logits. See docs/manipulation.md.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from stressnet.errors import ConfigError
from stressnet.runs import CORPUS, Stage, max_tokens_option, option, seed_option

MEASURED_HELP = "Folder that 'stressnet measure' wrote for CORPUS; saves measuring it."


@dataclass(frozen=True)
class ManipulateConfig:
    """What is changed, and in which tokens."""

    cues: tuple[str, ...] = option(
        ("f0", "duration", "intensity", "f1", "f2", "f3", "tilt"),
        separated=True,
        help="Cues, or groups of cues that move together (quality, prosody, source), to change one "
        "at a time, separated by commas.",
    )
    every_pair: bool = option(False, flag="--pairs", help="Full grids of every pair of the cues.")
    pairs: tuple[str, ...] = option((), flag="--pair", help="Grid of two, e.g. quality+duration.")
    subsets: bool = option(
        False, help="Both ends of every subset of the cues together, for Shapley values."
    )
    together: bool = option(False, flag="--all", help="A continuum of all the cues at once.")
    no_single: bool = option(False, help="No continua of single cues.")
    n_steps: int = option(7, flag="--steps", minimum=2, help="Steps of a continuum.")
    endpoints: str = option(
        "class",
        choices=("class", "pair"),
        help="Ends from the speaker's class means, or from the other member of a minimal pair.",
    )
    min_tokens: int = option(
        5,
        minimum=1,
        help="Tokens of each class that a mean must rest on, else those of the sex, else all.",
    )
    max_tokens: int | None = max_tokens_option()
    words: tuple[str, ...] = option(
        (), separated=True, help="Only these words, separated by commas, whatever their split."
    )
    splits: tuple[str, ...] = option((), flag="--split", help="Tokens of this split.")
    measured: Path | None = option(None, help=MEASURED_HELP)
    models: tuple[Path, ...] = option((), flag="--model", help="Network that answers.")
    save_audio: bool = option(False, help="Write every stimulus as WAV with a TextGrid.")
    seed: int = seed_option()

    def __post_init__(self) -> None:
        if self.every_pair and self.pairs:
            raise ConfigError("give --pairs for every pair or --pair for some, not both")
        if self.subsets and self.no_single:
            raise ConfigError("--subsets needs the continua of single cues; leave out --no-single")

    @property
    def pair_list(self) -> tuple[tuple[str, str], ...]:
        """Pairs of cues or groups, each in the order of tables."""
        from stressnet.manipulation.cues import in_order

        if self.every_pair:
            return tuple(combinations(in_order(self.cues, apart=True), 2))
        pairs = []
        for text in self.pairs:
            names = tuple(part.strip() for part in text.split("+"))
            if len(names) != 2 or len(set(names)) != 2:
                raise ConfigError(f"'{text}' is no pair of cues; write f0+duration")
            first, second = in_order(names, apart=True)
            pairs.append((first, second))
        return tuple(pairs)


manipulate_corpus = Stage(
    "manipulate",
    config=ManipulateConfig,
    kind="manipulation",
    inputs=(CORPUS,),
    text="stressnet.stages.manipulate.text:manipulated_text",
    items="stimuli, continua or tokens were left out",
    has_jobs=True,
    has_device=True,
)
