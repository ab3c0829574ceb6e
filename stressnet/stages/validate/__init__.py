"""List what is wrong with RECORDINGS and their alignments; change nothing.

Overlaps, intervals without length, ends past the audio, phones that cross words, tiers that do
not match, unreadable or truncated files, clipping and other faults of the sound, missing
transcripts, words without pronunciation, files that are not used. Says how many tokens of each
class to expect, and whether they are enough to train on. Exit code 3 if anything is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stressnet.languages import ENGLISH
from stressnet.runs import Input, Stage, option

if TYPE_CHECKING:
    from stressnet.lexicon.stress import WordLengths

AUTO = "auto"  # The recipe is found by looking at the recordings


@dataclass(frozen=True)
class ReadingConfig:
    """How recordings are read, the same for ``validate`` and ``build-corpus``."""

    recipe: str = option(
        AUTO,
        help="How the recordings are laid out: a name (see 'stressnet recipes'), a TOML file, or "
        "auto: the recipe that 'stressnet inspect' finds.",
    )
    speakers: tuple[str, ...] = option(
        (), flag="--speaker", help="Take only what this speaker says.", default_text="everybody"
    )
    channel: int | None = option(
        None,
        minimum=1,
        help="Channel of the recordings to take, counted from 1.",
        default_text="the recipe's, else the mean of all",
    )
    language: str | None = option(
        None,
        help="Language of the speech (see 'stressnet languages').",
        default_text="the recipe's, else en",
    )
    syllables: str = option(
        "2",
        help="Syllables of the words: 2, 3, 4, or a range such as 2-4. The classes of longer words "
        "are ANTEPENULTIMATE, PENULTIMATE and FINAL.",
    )
    labels: Path | None = option(
        None,
        help="Table of stress decided by a person: utterance_id, word_index, stress (TSV or CSV); "
        "wins over the recipe's own.",
    )
    dictionary: Path | None = option(None, help="Further pronunciations in CMUdict's format.")
    function_words: Path | None = option(None, help="List of words to leave out, one per line.")

    @cached_property
    def lengths(self) -> WordLengths:
        """How many syllables the words have."""
        from stressnet.lexicon.stress import WordLengths

        return WordLengths.parse(self.syllables)

    @property
    def code(self) -> str:
        """Code of the language."""
        return self.language or ENGLISH


@dataclass(frozen=True)
class ValidateConfig(ReadingConfig):
    """How deep recordings are looked into, and what is shown."""

    samples: bool = option(True, help="Read the sound too, not only the headers.")
    csv: Path | None = option(None, help="Write the whole table to this file.")
    limit: int = option(200, minimum=1, help="Most rows to print.")


validate_folder = Stage(
    "validate",
    config=ValidateConfig,
    inputs=(Input("recordings"),),
    text="stressnet.stages.validate.run:validation_text",
)
