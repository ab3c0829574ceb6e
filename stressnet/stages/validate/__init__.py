"""List what is wrong with RECORDINGS and their alignments; change nothing.

Overlaps, intervals without length, ends past the audio, phones that cross words, tiers that do
not match, unreadable or truncated files, clipping and other faults of the sound, missing
transcripts, words without pronunciation, files that are not used. Says how many tokens of each
class to expect, and whether they are enough to train on. Exit code 3 if anything is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from stressnet.errors import ConfigError
from stressnet.languages import ENGLISH
from stressnet.lexicon.contrast import STRESS, Contrast, Wanted
from stressnet.lexicon.stress import CLASSES, DISYLLABLES, WordLengths
from stressnet.runs import Input, Stage, option

if TYPE_CHECKING:
    from stressnet.corpus.recipe import Recipe

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
        "wins over the recipe's own. With --contrast, its column instead of stress.",
    )
    contrast: str | None = option(
        None,
        help="Learn another contrast than stress: a column of the label table and its two classes, "
        "such as accent=ACCENTED,UNACCENTED. Positive relevance speaks for the first.",
        default_text="the recipe's, else stress",
    )
    only_stress: str | None = option(
        None,
        choices=CLASSES,
        help="Of another contrast, take only words with this stress.",
        default_text="both",
    )
    dictionary: Path | None = option(None, help="Further pronunciations in CMUdict's format.")
    function_words: Path | None = option(None, help="List of words to leave out, one per line.")

    @cached_property
    def lengths(self) -> WordLengths:
        """How many syllables the words have."""
        return WordLengths.parse(self.syllables)

    @cached_property
    def tells(self) -> Contrast:
        """What is told apart."""
        return Contrast.parse(self.contrast) if self.contrast else STRESS

    @property
    def words(self) -> Wanted:
        """Which words are tokens, and which classes they have."""
        return Wanted(self.lengths, self.tells, self.only_stress or "")

    def telling(self, recipe: Recipe) -> Self:
        """The same with the contrast of a recipe."""
        from stressnet.corpus.tables import RESERVED

        named = self.tells if recipe.contrast.is_stress else recipe.contrast
        told = self if named.is_stress else replace(self, contrast=str(named))
        of, is_other = named.column, not named.is_stress
        for is_wrong, text in (
            (
                self.contrast and named != self.tells,
                f"--contrast {self.contrast}: the recipe has another contrast, '{of}'; drop one",
            ),
            (self.only_stress and not is_other, "--only-stress: needs --contrast, or leave it out"),
            (of in RESERVED, f"contrast '{of}': the tables have a column '{of}'; rename yours"),
            (
                is_other and self.lengths != DISYLLABLES,
                f"contrast '{of}': is learnt from disyllables; leave out --syllables",
            ),
        ):
            if is_wrong:
                raise ConfigError(text)
        return told

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
