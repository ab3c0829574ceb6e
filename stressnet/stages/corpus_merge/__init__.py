"""Write the tokens of CORPORA as one corpus OUT; also joins the shards of one build.

The column 'corpus' says where a token came from. Where two corpora share names of utterances or
speakers, all names get their corpus's in front: they are taken for different people, unless
--same-speakers is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stressnet.runs import Input, Stage, option, seed_option

if TYPE_CHECKING:
    from stressnet.corpus.splits import SplitConfig


@dataclass(frozen=True)
class MergeConfig:
    """What becomes of the training and test sets."""

    same_speakers: bool = option(
        False, help="Speakers of the same name are one person, as in parts of one collection."
    )
    splits: str = option(
        "redraw",
        choices=("redraw", "keep", "none"),
        help="Training and test sets: drawn anew, each corpus's own, or none.",
    )
    valid_share: float = option(0.10, help="Share of speakers and of words for validation.")
    test_share: float = option(0.22, help="Share of speakers and of words to test on.")
    seed: int = seed_option()

    @property
    def redrawn(self) -> SplitConfig | None:
        """How sets are drawn, if they are."""
        from stressnet.corpus.splits import SplitConfig

        if self.splits != "redraw":
            return None
        return SplitConfig(self.valid_share, self.test_share, self.seed)

    def identity(self) -> Any:
        """The sets, as the manifest says them."""
        from dataclasses import asdict

        if self.redrawn is not None:
            return asdict(self.redrawn)
        return "keep" if self.splits == "keep" else None


merge_corpora = Stage(
    "corpus merge",
    config=MergeConfig,
    kind="corpus",
    inputs=(Input("corpora", "stressnet.corpus.merge_parts:open_parts", several=True),),
    text="stressnet.stages.corpus_merge.run:merged_text",
    reuse=True,
)
