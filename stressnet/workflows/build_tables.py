"""Stage *tables*: splits, counts, and the card that describes the corpus to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.card import Source, card_text
from stressnet.corpus.folds import match_classes
from stressnet.corpus.recipe import Recipe
from stressnet.corpus.splits import SPLIT_COLUMNS, SplitConfig, assign_splits, given_splits
from stressnet.corpus.store import TOKENS, write_parquet
from stressnet.lexicon.families import word_families

if TYPE_CHECKING:
    import pandas as pd


def finish_tables(
    out: Path,
    splits: SplitConfig | None,
    rejected: Counter[str],
    *,
    corpus: str,
    splits_file: Path | None = None,
    match: Collection[str] = (),
) -> pd.DataFrame:
    """Add the columns of corpus and splits to the token table and write the small tables.

    Parameters
    ----------
    out : Path
        The corpus folder.
    splits : SplitConfig or None
        How to draw the sets; None draws none.
    rejected : Counter
        Words that are no tokens, by reason.
    corpus : str
        The recipe's name.
    splits_file : Path or None
        Splits to take over instead of drawing.
    match : collection of str
        What the classes are matched by within each set, see `match_classes`.
    """
    import pandas as pd

    tokens = pd.read_parquet(out / TOKENS)
    tokens["corpus"] = corpus
    tokens = split_tokens(tokens, splits, splits_file)
    if match:
        tokens = match_classes(tokens, match, splits.seed if splits else 0)
    write_parquet(tokens, out / TOKENS)
    write_splits(out, tokens)
    counts = pd.DataFrame(rejected.most_common(), columns=["reason", "n_words"])
    counts.to_csv(out / "rejected_words.csv", index=False)
    return tokens


def split_tokens(
    tokens: pd.DataFrame, splits: SplitConfig | None, splits_file: Path | None = None
) -> pd.DataFrame:
    """The token table with ``family``, ``speaker_set``, ``family_set`` and ``split``."""
    if splits_file is not None:
        return given_splits(tokens, splits_file)
    if splits is not None:
        return assign_splits(tokens, splits)
    tokens = tokens.copy()
    tokens["family"] = tokens["word"].map(word_families(tokens["word"]))
    tokens["speaker_set"] = tokens["family_set"] = ""
    tokens["split"] = "unsplit"
    return tokens


def write_splits(out: Path, tokens: pd.DataFrame) -> None:
    """Write ``splits.csv``, which `--splits` takes back in."""
    tokens[list(SPLIT_COLUMNS)].to_csv(out / "splits.csv", index=False)


def write_card(out: Path, recipe: Recipe, tokens: pd.DataFrame, results: Mapping[str, Any]) -> None:
    """Write ``corpus-card.md``: what this corpus is, for people."""
    source = Source(recipe.name, recipe.title, recipe.licence, recipe.citation, recipe.synthetic)
    text = card_text(recipe.title, [source], tokens, results)
    (out / "corpus-card.md").write_text(text, encoding="utf-8")
