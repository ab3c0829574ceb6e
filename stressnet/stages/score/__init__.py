"""Which syllable do learners stress in RECORDINGS, and how? Tables and pages into OUT.

For every word that the network can hear: the stress that the dictionary or the sentence expects,
the stress that is heard, and how duration, F0, intensity and vowel quality differ from native
speakers'. One folder per learner, recordings with transcripts or alignments, as build-corpus takes
them. The network learnt from native readers: its "no" is a reason to listen, not a mark.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs import Input, Stage, option
from stressnet.runs.options import check_sure, sure_option
from stressnet.stages.validate import ReadingConfig


@dataclass(frozen=True)
class ScoreConfig(ReadingConfig):
    """Who is listened to, with which network, and who the native speakers are."""

    model: Path = option(
        Path("pretrained"), help="Checkpoint folder.", default_text="the network in stressnet"
    )
    reference: Path | None = option(
        None,
        help="Cues of native speakers (what measure wrote), best of the same words.",
        default_text="norms of LibriSpeech's readers, in English",
    )
    sure: float = sure_option()
    aligner: str | None = option(
        None,
        help="Aligner for recordings with a transcript.",
        default_text="pocketsphinx in English, else kaldi-gmm",
    )

    def __post_init__(self) -> None:
        _ = self.lengths
        check_sure(self.sure)


score_learners = Stage(
    "score",
    config=ScoreConfig,
    kind="score",
    inputs=(Input("recordings"),),
    items="items could not be scored",
    has_jobs=True,
    has_device=True,
)
