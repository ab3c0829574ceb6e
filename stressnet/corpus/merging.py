"""What ``stressnet corpus merge`` writes: tables, sound and images of several corpora as one.

Ids get their corpus's prefix in every table and file name. Large tables and images pass through
memory in pieces.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.axes import Axes
from stressnet.corpus.changes import READING_COLUMNS, READINGS, readings_table
from stressnet.corpus.images import Images, write_images_header
from stressnet.corpus.store import LONGER_WORDS, TOKENS, Corpus
from stressnet.runs.arrays import ArrayFile
from stressnet.runs.names import inside, safe_name
from stressnet.runs.tables import open_parquet, read_table, write_parquet

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.runs.folder import RunFolder

_CHUNK = 64


@dataclass(frozen=True)
class Part:
    """One of the corpora, its name among them, and what goes before its ids."""

    corpus: Corpus
    name: str
    prefix: str

    def renamed(self, column: pd.Series) -> pd.Series:
        """Ids as they are in the merged corpus."""
        return self.prefix + column if self.prefix else column


def merged_tokens(parts: Sequence[Part]) -> pd.DataFrame:
    """The token tables one below the other, with the column ``corpus``."""
    import pandas as pd

    tables = []
    for part in parts:
        tokens = part.corpus.tokens.copy()
        for column in ("token_id", "utterance_id", "speaker"):
            tokens[column] = part.renamed(tokens[column])
        if "corpus" not in tokens or tokens["corpus"].nunique() == 1:
            tokens["corpus"] = part.name
        tokens["excerpt_file"] = [
            f"excerpts/{safe_name(speaker)}/{safe_name(token)}.flac"
            for speaker, token in zip(tokens["speaker"], tokens["token_id"], strict=True)
        ]
        tables.append(tokens)
    return pd.concat(tables, ignore_index=True)


def small_tables(parts: Sequence[Part]) -> dict[str, pd.DataFrame]:
    """Trackers' settings, failures, readings and counts of words of all corpora, by file name.

    Raises
    ------
    CorpusError
        If one cannot be read.
    """
    import pandas as pd

    speakers, failures, readings = [], [], []
    rejected: Counter[str] = Counter()
    for part in parts:
        source = part.corpus.path
        table = read_table(source / "speakers.csv", ["speaker"], dtype={"speaker": str})
        table["speaker"] = part.renamed(table["speaker"])
        speakers.append(table)
        table = read_table(source / "failures.csv", ["item"], dtype=str, keep_default_na=False)
        table["item"] = part.renamed(table["item"])
        failures.append(table)
        table = read_table(source / "rejected_words.csv", ["reason", "n_words"])
        rejected.update(dict(zip(table["reason"], table["n_words"].astype(int), strict=True)))
        if (source / READINGS).is_file():  # not in corpora of older versions
            table = read_table(source / READINGS, READING_COLUMNS, dtype=str, keep_default_na=False)
            table["utterance_id"] = part.renamed(table["utterance_id"])
            readings.append(table)
    return {
        "speakers.csv": pd.concat(speakers, ignore_index=True),
        "failures.csv": pd.concat(failures, ignore_index=True),
        READINGS: pd.concat([readings_table({}), *readings], ignore_index=True),
        "rejected_words.csv": pd.DataFrame(rejected.most_common(), columns=["reason", "n_words"]),
    }


def append_table(out: Path, parts: Sequence[Part], table: str) -> None:
    """Concatenate a large table, a row group in memory at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema = open_parquet(parts[0].corpus.path / table).schema_arrow.remove_metadata()
    part_file = out.with_name(f".{out.name}.part")
    with pq.ParquetWriter(part_file, schema) as writer:
        for part in parts:
            for batch in open_parquet(part.corpus.path / table).iter_batches():
                rows = pa.Table.from_batches([batch]).replace_schema_metadata(None)
                for name in {"token_id", "utterance_id"} & set(schema.names if part.prefix else ()):
                    ids = rows.column(name)
                    prefixed = pc.binary_join_element_wise(
                        pa.scalar(part.prefix, ids.type), ids, pa.scalar("", ids.type)
                    )
                    rows = rows.set_column(rows.schema.get_field_index(name), name, prefixed)
                writer.write_table(rows.select(schema.names).cast(schema))
    part_file.replace(out)


def copy_excerpts(out: Path, parts: Sequence[Part], done: Callable[[], Any]) -> None:
    """Copy the sound of all tokens; ``done`` is called after each."""
    for part in parts:
        tokens = part.corpus.tokens
        for file, speaker, token in zip(
            tokens["excerpt_file"],
            part.renamed(tokens["speaker"]),
            part.renamed(tokens["token_id"]),
            strict=True,
        ):
            folder = out / "excerpts" / safe_name(speaker)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(inside(part.corpus.path, file), folder / f"{safe_name(token)}.flac")
            done()


def copy_textgrids(out: Path, parts: Sequence[Part]) -> None:
    """Copy the TextGrids of all utterances that have one."""
    (out / "textgrids").mkdir(exist_ok=True)
    for part in parts:
        for name in part.corpus.tokens["utterance_id"].unique():
            grid = part.corpus.textgrid_file(name)
            if grid.is_file():
                target = f"{safe_name(part.prefix + name)}.TextGrid"
                shutil.copyfile(grid, out / "textgrids" / target)


def append_images(folder: RunFolder, within: str, images: Sequence[Images], preset: str) -> None:
    """Write the images of all corpora into one store."""
    for name in ("values.npy", "mask.npy", "axes.json"):
        where = folder.file(f"{within}spectrograms/{preset}/{name}").parent
    n_images = sum(len(one.values) for one in images)
    axes: Axes = images[0].axes
    first = 0
    with (
        ArrayFile(where / "values.npy", (n_images, *axes.shape)) as values,
        folder.progress.stage(f"images {preset}", n_images, "image") as bar,
    ):
        for one in images:
            for start in range(0, len(one.values), _CHUNK):
                block = one.values[start : start + _CHUNK]
                values.write(first, block)
                first += len(block)
                bar.update(len(block))
    masks = np.concatenate([one.mask for one in images])
    n_cut = sum(one.n_truncated for one in images)
    write_images_header(where, axes, images[0].preset, masks, n_truncated=n_cut)


def write_longer_words(out: Path, parts: Sequence[Part]) -> None:
    """Tables and excerpts of the stretches of longer words, of those corpora that keep them."""
    import pandas as pd

    tables = []
    for part in parts:
        table = part.corpus.stretches.copy()
        for column in ("token_id", "utterance_id", "speaker"):
            table[column] = part.renamed(table[column])
        source = part.corpus.path / LONGER_WORDS
        for file, speaker in zip(table["excerpt_file"], table["speaker"], strict=True):
            folder = out / "excerpts" / safe_name(speaker)
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / f"{safe_name(part.prefix)}{Path(file).name}"
            if not target.exists():  # one word's excerpt serves several stretches
                shutil.copyfile(inside(source, file), target)
        table["excerpt_file"] = [
            f"excerpts/{safe_name(speaker)}/{safe_name(part.prefix)}{Path(file).name}"
            for file, speaker in zip(table["excerpt_file"], table["speaker"], strict=True)
        ]
        tables.append(table)
    if tables:
        write_parquet(pd.concat(tables, ignore_index=True), out / TOKENS)
