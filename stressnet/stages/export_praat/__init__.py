"""Write tokens of RUN into OUT as files that Praat opens.

Per token: sound, TextGrid with a tier of relevance per phone, Formant, PitchTier. In Praat:
Open > Read from file..., select sound and TextGrid, View & Edit.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs import Stage, option, seed_option
from stressnet.stages.report import RUN


@dataclass(frozen=True)
class PraatConfig:
    """Which tokens of a run are written; every condition must hold, an empty one holds always."""

    texts: tuple[str, ...] = option((), flag="--token", help="Part of a token id.")
    words: tuple[str, ...] = option((), flag="--word", help="A word, in any case.")
    splits: tuple[str, ...] = option((), flag="--split", help="A set of tokens.")
    wrong: bool = option(False, help="Only tokens that the network got wrong.")
    most: int = option(
        200,
        flag="--max-tokens",
        minimum=0,
        help="Of more tokens, a random sample of this size. 0: all.",
    )
    measure: str = option(
        "signed_share",
        choices=(
            *("signed_share", "positive_share", "absolute_share"),
            *("density", "density_absolute"),
        ),
        help="What the tier says of each phone.",
    )
    utterances: bool = option(False, help="One TextGrid per recording, not per token.")
    others: tuple[Path, ...] = option(
        (), flag="--run", help="A further run on the same corpus, as further tiers."
    )
    seed: int = seed_option()


export_praat = Stage(
    "export-praat", config=PraatConfig, kind="praat", inputs=(RUN,), items="problems"
)
