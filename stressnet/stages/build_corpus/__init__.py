"""Build CORPUS, a folder of word tokens, from RECORDINGS.

Finds every disyllabic content word (longer ones with --syllables), aligns words and phones where
no TextGrid is given, labels stress from CMUdict, and writes tables, excerpts, spectrograms,
formant and pitch tracks, and TextGrids. Interrupted, it continues with the same command;
repeated, it does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stressnet.errors import ConfigError
from stressnet.lexicon.contrast import ORDINARY, Wanted
from stressnet.runs import Input, Stage, option, seed_option
from stressnet.stages.validate import ReadingConfig

if TYPE_CHECKING:
    from stressnet.corpus.splits import SplitConfig


@dataclass(frozen=True)
class BuildConfig(ReadingConfig):
    """What decides the content of a corpus."""

    presets: tuple[str, ...] = option(
        ("stressnet",), flag="--preset", help="Spectrogram preset (stressnet, allouche2025)."
    )
    aligner: str = option("auto", help="Aligner, used where there is no alignment.")
    min_confidence: float | None = option(
        None,
        minimum=0.0,
        help="Leave out words with less alignment_confidence: by the default aligner, how probably "
        "both edges are within 20 ms of the truth.",
    )
    tagger: str = option(
        "auto",
        choices=("auto", "spacy", "crf", "none"),
        help="Part-of-speech tagger, which decides the stress of words with both readings.",
    )
    context_s: float = option(
        0.25, flag="--context", help="Seconds of sound kept around each word."
    )
    valid_share: float = option(0.10, help="Share of speakers and of words for validation.")
    test_share: float = option(0.22, help="Share of speakers and of words to test on.")
    splits_file: Path | None = option(
        None,
        flag="--splits",
        help="Take the sets over from another build's splits.csv instead of drawing them.",
    )
    match: tuple[str, ...] = option(
        (),
        choices=("duration", "frequency"),
        help="Make the classes of each set alike in this by leaving out tokens.",
    )
    no_splits: bool = option(False, help="Build without training and test sets.")
    no_longer_words: bool = option(
        False, help="Do not keep two-syllable stretches of longer words, which only training uses."
    )
    shard: str | None = option(
        None,
        help="i/n: build the i-th of n parts, by speaker, e.g. in a SLURM array; without splits, "
        "which 'stressnet corpus merge' draws. The default aligner learns from what it sees, so "
        "boundaries may differ by milliseconds from those of an undivided build.",
    )
    scheduler: str | None = option(
        None,
        in_identity=False,
        help="Address of a dask.distributed scheduler (tcp://...) whose workers do the work.",
    )
    seed: int = seed_option()

    def __post_init__(self) -> None:
        if self.no_splits and self.splits_file is not None:
            raise ConfigError("--splits and --no-splits exclude each other")
        _ = self.words
        if self.context_s < 0.05:
            raise ConfigError(
                f"context of {self.context_s} s is too short for formant analysis; use 0.05 s or "
                f"more"
            )
        least = self.min_confidence
        if least is not None and (least > 1 or self.aligner not in ("auto", "kaldi-gmm")):
            raise ConfigError(
                f"--min-confidence {least:g}: a probability up to 1, which only the aligners auto "
                f"and kaldi-gmm give"
            )
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise ConfigError(f"--shard {self.shard}: the first number goes from 1 to the second")

    @property
    def part(self) -> tuple[int, int] | None:
        """The number of the shard, and of how many."""
        if self.shard is None:
            return None
        index, _, n_shards = self.shard.partition("/")
        if not (index.isdecimal() and n_shards.isdecimal()):
            raise ConfigError(f"--shard {self.shard}: expected i/n, e.g. 3/10")
        return int(index), int(n_shards)

    @property
    def splits(self) -> SplitConfig | None:
        """How training and test sets are drawn; None for a corpus without."""
        from stressnet.corpus.splits import SplitConfig

        if self.no_splits or self.shard is not None:
            return None
        return SplitConfig(self.valid_share, self.test_share, self.seed)

    @property
    def words(self) -> Wanted:
        """Which words are tokens, and which classes they have."""
        return replace(super().words, min_confidence=self.min_confidence or 0.0)

    @property
    def longer_words(self) -> bool:
        """Whether stretches of longer words are kept; without splits they have no use."""
        has_splits = not self.no_splits or self.shard is not None
        return super().words == ORDINARY and not self.no_longer_words and has_splits


build_corpus = Stage(
    "build-corpus",
    config=BuildConfig,
    kind="corpus",
    inputs=(Input("recordings"),),
    output="corpus",
    text="stressnet.stages.build_corpus.run:built_text",
    items="items failed, the rest was built; reasons are in",
    has_jobs=True,
    reuse=True,
)
