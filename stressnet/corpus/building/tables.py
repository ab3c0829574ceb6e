"""Stage *tables*: splits, counts for manifest and warnings, and the card that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stressnet.corpus.card import card_text
from stressnet.corpus.changes import count_changes
from stressnet.corpus.folds import match_classes
from stressnet.corpus.recipe import Recipe
from stressnet.corpus.scan import Scan
from stressnet.corpus.splits import (
    SPLIT_COLUMNS,
    SplitConfig,
    assign_splits,
    given_splits,
    with_families,
)
from stressnet.corpus.store import LONGER_WORDS, NOT_TOKENS, TOKENS
from stressnet.corpus.tables import (
    ROWS_PER_GROUP,
    SPLIT_TYPES,
    TableWriter,
    arrow_schema,
    token_types,
)
from stressnet.errors import CorpusError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.dictionary import Reject
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_json
from stressnet.runs.problems import count_lost, count_problems

if TYPE_CHECKING:
    from stressnet.stages.build_corpus import BuildConfig


_DECIDING = (
    *("token_id", "utterance_id", "speaker", "sex", "word", "stress"),
    *("label_source", "is_minimal_pair", "duration_s", "aligner"),
)
"""Columns that splits, counts and the card need; the others never are in memory as a whole."""


def finish_tables(
    folder: RunFolder, config: BuildConfig, rejected: Counter[str], corpus: str
) -> pd.DataFrame:
    """Add the columns of corpus and splits to the token table and write the small tables.

    ``rejected`` counts words that are no tokens by reason. The columns that counts and the card
    need come back, with those added.
    """
    contrast = config.tells
    columns = list(dict.fromkeys([*_DECIDING, contrast.column]))
    tokens = pd.read_parquet(folder.path / TOKENS, columns=columns)
    check_classes(tokens, contrast)
    tokens["corpus"], tokens["language"] = corpus, config.code
    tokens = split_tokens(tokens, config.splits, config.splits_file, contrast)
    if config.match:
        seed = config.seed if config.splits else 0
        tokens = match_classes(tokens, config.match, seed, contrast)
    _add_columns(folder.path / TOKENS, tokens, token_types(config.lengths.longest, contrast))
    folder.table("splits.csv", tokens[list(SPLIT_COLUMNS)])
    counts = pd.DataFrame(rejected.most_common(), columns=["reason", "n_words"])
    folder.table("rejected_words.csv", counts)
    return tokens


def check_classes(tokens: pd.DataFrame, contrast: Contrast) -> None:
    """Raise `CorpusError` unless tokens of another contrast than stress have both classes."""
    there = sorted(tokens[contrast.column].unique()) if not contrast.is_stress else []
    if len(there) == 1:
        raise CorpusError(
            f"all {len(tokens)} tokens are {there[0]}: the contrast '{contrast.name}' needs words "
            f"that are {' and some that are '.join(contrast.classes)}; complete the label table"
        )


def _add_columns(path: Path, tokens: pd.DataFrame, types: Mapping[str, str]) -> None:
    """Put the columns of `SPLIT_TYPES` beside those of a token table, some rows at a time."""
    schema, first = arrow_schema({**types, **SPLIT_TYPES}), 0
    with TableWriter(path, schema) as writer, pq.ParquetFile(path) as source:
        for batch in source.iter_batches(ROWS_PER_GROUP, columns=list(types)):
            table = pa.Table.from_batches([batch])
            rows = tokens.iloc[first : first + len(table)]
            for name in SPLIT_TYPES:
                values = pa.array(rows[name], pa.string(), from_pandas=True)
                table = table.append_column(name, values)
            writer.add_table(table)
            first += len(table)


def split_tokens(
    tokens: pd.DataFrame,
    splits: SplitConfig | None,
    splits_file: Path | None = None,
    contrast: Contrast = STRESS,
) -> pd.DataFrame:
    """The token table with ``family``, ``speaker_set``, ``family_set`` and ``split``."""
    if splits_file is not None:
        return given_splits(tokens, splits_file)
    if splits is not None:
        return assign_splits(tokens, splits, contrast)
    return with_families(tokens).assign(speaker_set="", family_set="", split="unsplit")


def write_card(
    folder: RunFolder,
    recipe: Recipe,
    tokens: pd.DataFrame,
    results: Mapping[str, Any],
    contrast: Contrast,
) -> None:
    """Write ``corpus-card.md``: what this corpus is, for people."""
    text = card_text(recipe.title, [recipe], tokens, results, contrast)
    folder.file("corpus-card.md").write_text(text, encoding="utf-8")


def unknown_words(out: Path, found: Scan) -> Counter[str]:
    """Words that are not in the dictionary, by speaker."""
    words = pd.read_parquet(out / NOT_TOKENS, columns=["utterance_id", "reason"])
    speakers = {recording.utterance_id: recording.speaker for recording in found.recordings}
    of_reason = words["reason"] == Reject.NOT_IN_DICTIONARY
    return Counter(words.loc[of_reason, "utterance_id"].map(speakers))


def words_longer_than_image(out: Path, presets: list[str]) -> dict[str, int]:
    """Per preset, words that are longer than its images and were cut on the right."""
    files = {name: out / "spectrograms" / name / "axes.json" for name in presets}
    return {name: int(read_json(file)["n_truncated"]) for name, file in files.items()}


def n_stretches(out: Path) -> int:
    """Rows of the table of stretches of longer words."""
    path = out / LONGER_WORDS / TOKENS
    return int(pq.read_metadata(path).num_rows) if path.is_file() else 0


def class_counts(tokens: pd.DataFrame, contrast: Contrast) -> dict[str, dict[str, int]]:
    """Tokens by stress, and by the classes of another contrast."""
    columns = dict.fromkeys(("stress", contrast.column))
    counts = {name: tokens[name].value_counts(dropna=False) for name in columns}
    return {name: {str(k): int(v) for k, v in n.items()} for name, n in counts.items()}


def build_counts(
    folder: RunFolder,
    tokens: pd.DataFrame,
    found: Scan,
    rejected: Counter[str],
    presets: list[str],
    config: BuildConfig,
) -> dict[str, Any]:
    """What the manifest of a corpus says of its build."""
    return {
        "kind_of_words": config.lengths.adjective,
        "n_tokens": len(tokens),
        "n_stretches_of_longer_words": n_stretches(folder.path),
        "n_utterances": int(tokens["utterance_id"].nunique()),
        "n_recordings_found": len(found.recordings),
        "audio_hours": round(sum(r.duration_s for r in found.recordings) / 3600, 3),
        "n_speakers": int(tokens["speaker"].nunique()),
        "n_words": int(tokens["word"].nunique()),
        **class_counts(tokens, config.tells),
        "splits": {str(k): int(v) for k, v in tokens["split"].value_counts().items()},
        "rejected_words": dict(rejected.most_common()),
        "readings": count_changes(found.changes),
        "problems": count_problems(folder.problems),
        "n_errors": count_lost(folder.problems),
        "presets": presets,
        "words_longer_than_image": words_longer_than_image(folder.path, presets),
        "token_table": TOKENS,
    }
