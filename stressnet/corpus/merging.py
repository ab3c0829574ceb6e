"""What ``stressnet corpus merge`` writes: tables, sound and images of several corpora as one.

Ids get their corpus's prefix in every table and file name. Large tables and images pass through
memory in pieces.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from stressnet.corpus.changes import READING_COLUMNS, READINGS, readings_table
from stressnet.corpus.images import Images, write_images_header
from stressnet.corpus.store import LONGER_WORDS, TOKENS, Corpus
from stressnet.corpus.tables import TableWriter
from stressnet.runs.arrays import ArrayFile
from stressnet.runs.folder import RunFolder
from stressnet.runs.names import inside, safe_name
from stressnet.runs.tables import open_parquet, read_table, write_parquet

_CHUNK = 64
_IDS = ("token_id", "utterance_id", "speaker")


@dataclass(frozen=True)
class Part:
    """One of the corpora, its name among them, and what goes before its ids."""

    corpus: Corpus
    name: str
    prefix: str

    def renamed(self, table: pd.DataFrame, *columns: str) -> pd.DataFrame:
        """A copy of a table with ids as they are in the merged corpus."""
        columns = columns if self.prefix else ()
        return table.assign(**{name: self.prefix + table[name] for name in columns})


def merged_tokens(parts: Sequence[Part]) -> pd.DataFrame:
    """The token tables one below the other, with the column ``corpus``."""
    tables = []
    for part in parts:
        tokens = part.renamed(part.corpus.tokens, *_IDS)
        if "corpus" not in tokens or tokens["corpus"].nunique() == 1:
            tokens["corpus"] = part.name
        tokens["excerpt_file"] = [
            f"excerpts/{safe_name(speaker)}/{safe_name(token)}.flac"
            for speaker, token in zip(tokens["speaker"], tokens["token_id"], strict=True)
        ]
        tables.append(tokens)
    return pd.concat(tables, ignore_index=True)


def small_tables(parts: Sequence[Part]) -> dict[str, pd.DataFrame]:
    """Trackers' settings, failures, readings and counts of words of all corpora, by file name."""
    text: dict[str, Any] = {"dtype": str, "keep_default_na": False}
    tables: dict[str, list[pd.DataFrame]] = {"speakers.csv": [], "failures.csv": []}
    tables[READINGS] = [readings_table({})]
    rejected: Counter[str] = Counter()
    for part in parts:
        source = part.corpus.path
        for name, column, needed, how in (
            ("speakers.csv", "speaker", ["speaker"], {"dtype": {"speaker": str}}),
            ("failures.csv", "item", ["item"], text),
            (READINGS, "utterance_id", READING_COLUMNS, text),
        ):
            if name != READINGS or (source / name).is_file():  # not in corpora of older versions
                table = read_table(source / name, needed, **how)
                tables[name].append(part.renamed(table, column))
        table = read_table(source / "rejected_words.csv", ["reason", "n_words"])
        rejected.update(dict(zip(table["reason"], table["n_words"].astype(int), strict=True)))
    counts = pd.DataFrame(rejected.most_common(), columns=["reason", "n_words"])
    joined = {name: pd.concat(several, ignore_index=True) for name, several in tables.items()}
    return joined | {"rejected_words.csv": counts}


def append_table(out: Path, parts: Sequence[Part], table: str) -> None:
    """Concatenate a large table, a row group in memory at a time."""
    schema = open_parquet(parts[0].corpus.path / table).schema_arrow.remove_metadata()
    with TableWriter(out, schema) as writer:
        for part in parts:
            for batch in open_parquet(part.corpus.path / table).iter_batches():
                rows = pa.Table.from_batches([batch]).replace_schema_metadata(None)
                for name in {"token_id", "utterance_id"} & set(schema.names if part.prefix else ()):
                    ids = rows.column(name)
                    prefixed = pc.binary_join_element_wise(
                        pa.scalar(part.prefix, ids.type), ids, pa.scalar("", ids.type)
                    )
                    rows = rows.set_column(rows.schema.get_field_index(name), name, prefixed)
                writer.add_table(rows)


def copy_excerpts(out: Path, parts: Sequence[Part], done: Callable[[], Any]) -> None:
    """Copy the sound of all tokens; ``done`` is called after each."""
    for part in parts:
        columns = part.renamed(part.corpus.tokens, *_IDS)[["excerpt_file", "speaker", "token_id"]]
        for file, speaker, token in columns.itertuples(index=False):
            target = out / "excerpts" / safe_name(speaker) / f"{safe_name(token)}.flac"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(inside(part.corpus.path, file), target)
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
    axes, first = images[0].axes, 0
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
    tables = []
    for part in parts:
        table = part.renamed(part.corpus.stretches, *_IDS)
        files = [
            f"excerpts/{safe_name(speaker)}/{safe_name(part.prefix)}{Path(file).name}"
            for file, speaker in zip(table["excerpt_file"], table["speaker"], strict=True)
        ]
        for file, target in dict(zip(table["excerpt_file"], files, strict=True)).items():
            (out / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(inside(part.corpus.path / LONGER_WORDS, file), out / target)
        tables.append(table.assign(excerpt_file=files))
    if tables:
        write_parquet(pd.concat(tables, ignore_index=True), out / TOKENS)
