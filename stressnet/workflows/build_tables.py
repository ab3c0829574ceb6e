"""Stage *tables*: splits, counts, and the card that describes the corpus to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.recipe import Recipe
from stressnet.corpus.splits import SplitConfig, assign_splits, split_counts
from stressnet.corpus.store import TOKENS, write_parquet
from stressnet.lexicon.families import word_families
from stressnet.lexicon.syllables import RULE_NAME

if TYPE_CHECKING:
    import pandas as pd


def finish_tables(out: Path, splits: SplitConfig | None, rejected: Counter[str]) -> pd.DataFrame:
    """Add the split columns to the token table and write the small tables."""
    import pandas as pd

    tokens = pd.read_parquet(out / TOKENS)
    if splits is None:
        tokens["family"] = tokens["word"].map(word_families(tokens["word"]))
        tokens["speaker_set"] = tokens["family_set"] = ""
        tokens["split"] = "unsplit"
    else:
        tokens = assign_splits(tokens, splits)
    write_parquet(tokens, out / TOKENS)
    columns = ["token_id", "speaker_set", "family_set", "split"]
    tokens[columns].to_csv(out / "splits.csv", index=False)
    counts = pd.DataFrame(rejected.most_common(), columns=["reason", "n_words"])
    counts.to_csv(out / "rejected_words.csv", index=False)
    return tokens


def write_card(out: Path, recipe: Recipe, tokens: pd.DataFrame, results: Mapping[str, Any]) -> None:
    """Write ``corpus-card.md``: what this corpus is, for people."""
    counts = split_counts(tokens, sorted(tokens["split"].unique()))
    lines = [
        f"# {recipe.title}",
        "",
        "**Synthetic speech.**" if recipe.synthetic else "Recorded speech.",
        f"Licence: {recipe.licence}. Cite: {recipe.citation}",
        "",
        f"{results['n_tokens']} disyllabic word tokens of {results['n_words']} words by "
        f"{results['n_speakers']} speakers, from {results['n_utterances']} utterances "
        f"({results['audio_hours']} h of audio looked at).",
        f"Aligned by: {', '.join(sorted(tokens['aligner'].unique()))}. "
        f"Syllable boundaries: {RULE_NAME}.",
        "",
        "| split | n | INITIAL | FINAL | words | speakers |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in counts.to_numpy()]
    lines += ["", "Words that are no tokens:", ""]
    lines += [f"- {reason}: {n}" for reason, n in results["rejected_words"].items()]
    lines += ["", f"Items that failed: {results['n_errors']} (see failures.csv).", ""]
    (out / "corpus-card.md").write_text("\n".join(lines), encoding="utf-8")
