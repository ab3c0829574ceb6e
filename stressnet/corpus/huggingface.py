"""Tokens with their sound as Parquet files that Hugging Face ``datasets`` opens.

The layout is that of ``datasets`` itself: a column ``audio`` of the structure ``{bytes, path}``,
the bytes being a FLAC file, and the features in the schema's metadata, so that ``load_dataset``
decodes the column without being told. Everything else in ``tokens.parquet`` is beside it. Any
Parquet reader can use the files; nothing here needs ``datasets``.

Source: the ``Audio`` feature, https://huggingface.co/docs/datasets/audio_dataset.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from stressnet.corpus.store import TOKENS, Corpus
from stressnet.corpus.tables import TableWriter
from stressnet.errors import CorpusError
from stressnet.runs.names import inside
from stressnet.runs.tables import open_parquet

AUDIO = "audio"
ROWS_PER_GROUP = 256  # Tokens whose sound is in memory at a time

_DTYPES = {"string": "string", "large_string": "string", "int64": "int64", "double": "float64"}
_DTYPES |= {"bool": "bool", "float": "float32"}


def _dataset_schema(tokens: pa.Schema, rate_hz: int) -> pa.Schema:
    """The schema of the files: ``audio`` of a sampling rate, then the columns of a token table."""
    audio = pa.field(AUDIO, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    is_large = pa.types.is_large_string
    fields = [audio] + [f.with_type(pa.string()) if is_large(f.type) else f for f in tokens]
    features: dict[str, Any] = {AUDIO: {"sampling_rate": rate_hz, "_type": "Audio"}}
    for field in fields[1:]:
        features[field.name] = {"dtype": _DTYPES[str(field.type)], "_type": "Value"}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


def write_dataset(corpus: Corpus, folder: Path) -> dict[str, int]:
    """Write ``data/<split>-00000-of-00001.parquet`` and a ``README.md``; count tokens per split."""

    source = open_parquet(corpus.path / TOKENS)
    rates = corpus.tokens["rate_hz"].unique().tolist()
    if len(rates) != 1:
        raise CorpusError(f"{corpus.path}: excerpts of several rates ({rates}); export them apart")
    schema = _dataset_schema(source.schema_arrow, int(rates[0]))
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for split in sorted(corpus.tokens["split"].unique()):
        with TableWriter(data / f"{split}-00000-of-00001.parquet", schema) as writer:
            for rows in _rows_of(source, split):
                audio = [_sound(corpus.path, row["excerpt_file"]) for row in rows]
                columns = {AUDIO: audio} | {n: [row[n] for row in rows] for n in schema.names[1:]}
                writer.add_table(pa.table(columns, schema=schema))
        counts[split] = writer.n_rows
    (folder / "README.md").write_text(_readme(corpus, counts), encoding="utf-8")
    return counts


def _rows_of(source: Any, split: str) -> Iterator[list[dict[str, Any]]]:
    """The token table's rows of one split, a few at a time."""
    for batch in source.iter_batches(batch_size=ROWS_PER_GROUP):
        rows = [row for row in batch.to_pylist() if row["split"] == split]
        if rows:
            yield rows


def _sound(folder: Path, file: str) -> dict[str, Any]:
    try:
        return {"bytes": inside(folder, file).read_bytes(), "path": Path(file).name}
    except OSError as error:
        raise CorpusError(
            f"{folder / file}: cannot be read ({error.strerror}); build the corpus again"
        ) from error


def _readme(corpus: Corpus, counts: dict[str, int]) -> str:
    """The dataset card: which file is which split, then the corpus's own card."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split in counts:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    card = corpus.path / "corpus-card.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    return "\n".join([*lines, "---", "", text])
