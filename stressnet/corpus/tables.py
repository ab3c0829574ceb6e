"""Tables and arrays of a corpus, written a few rows at a time.

What is too large for memory passes through here: rows are buffered, written as row groups, and
the file appears under its name when it is whole. Types are fixed, so that they do not depend on
what happens to be in the first rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.errors import CorpusError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.runs.tables import WholeTable, open_parquet

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 4_096  # Rows of a table that are held before they are written

_STRING, _INT, _FLOAT, _BOOL = "string", "int64", "float64", "bool"

_ABOUT_TOKENS: Mapping[str, str] = {
    **dict.fromkeys(("token_id", "utterance_id", "speaker", "sex", "word"), _STRING),
    "word_index": _INT,
    **dict.fromkeys(("stress", "label_source", "lexicon_stress", "aligner_stress"), _STRING),
    **dict.fromkeys(("table_stress", "part_of_speech", "pos_stress", "label_agreement"), _STRING),
    **dict.fromkeys(("is_minimal_pair", "is_prosody_only_pair"), _BOOL),
    "pronunciation": _STRING,
    **dict.fromkeys(("dictionary_variant", "n_dictionary_variants"), _INT),
}

_FROM_WHERE: Mapping[str, str] = {
    "aligner": _STRING,
    "alignment_confidence": _FLOAT,
    **dict.fromkeys(("recording", "excerpt_file"), _STRING),
    **dict.fromkeys(("excerpt_start_s", "excerpt_duration_s"), _FLOAT),
    "rate_hz": _INT,
}


def token_types(n_syllables: int = 2, contrast: Contrast = STRESS) -> dict[str, str]:
    """Columns of the token table before splits are dealt, for words of so many syllables at most.

    Every syllable has a vowel and, but for the last, a boundary behind it.
    """
    boundaries = ("boundary_s", *(f"boundary_{k}_s" for k in range(2, n_syllables)))
    times = dict.fromkeys(("start_s", "end_s", "duration_s", *boundaries), _FLOAT)
    vowels = [f"nucleus_{k}" for k in range(1, n_syllables + 1)]
    of_vowels = {
        name: kind
        for vowel in vowels
        for name, kind in (
            (vowel, _STRING),
            *((f"{vowel}_{e}_s", _FLOAT) for e in ("start", "end")),
        )
    }
    return {**_ABOUT_TOKENS, contrast.column: _STRING, **times, **of_vowels, **_FROM_WHERE}


SPLIT_TYPES: Mapping[str, str] = dict.fromkeys(  # Columns that dealing the splits adds
    ("corpus", "family", "speaker_set", "family_set", "split"), _STRING
)

RESERVED = {*token_types(4), *SPLIT_TYPES} - {STRESS.column} | set(
    "language lemma row image position correct output region missing measure metric model "
    "test_set estimate hit class_index word_index level stratum network null aspect".split()
)
"""Names of columns that a contrast cannot have."""

PHONE_TYPES: Mapping[str, str] = {
    "token_id": _STRING,
    "phone_index": _INT,
    "phone": _STRING,
    "start_s": _FLOAT,
    "end_s": _FLOAT,
    "syllable": _INT,
    "role": _STRING,
}

NOT_TOKEN_TYPES: Mapping[str, str] = {  # Columns of the table of words that are no tokens
    "utterance_id": _STRING,
    "word_index": _INT,
    "word": _STRING,
    "start_s": _FLOAT,
    "end_s": _FLOAT,
    "reason": _STRING,
}

STRETCH_TYPES: Mapping[str, str] = {  # Columns of the table of stretches of longer words
    **dict.fromkeys(("token_id", "utterance_id", "speaker", "word"), _STRING),
    **dict.fromkeys(("word_index", "first_syllable"), _INT),
    **dict.fromkeys(("stress", "pronunciation"), _STRING),
    **dict.fromkeys(("start_s", "end_s"), _FLOAT),
    "excerpt_file": _STRING,
    **dict.fromkeys(("excerpt_start_s", "excerpt_duration_s"), _FLOAT),
    "rate_hz": _INT,
}


def arrow_schema(types: Mapping[str, str]) -> pa.Schema:
    """Column names and types as Arrow has them."""
    import pyarrow as pa

    return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])


def columns_of(item: object, types: Mapping[str, str]) -> dict[str, Any]:
    """Those columns of a table that an object has as attributes of the same name."""
    return {name: getattr(item, name) for name in types if hasattr(item, name)}


def check_types(path: Path, types: Mapping[str, str]) -> None:
    """Raise :class:`CorpusError` if a column of a table holds another type than it should."""
    import pyarrow as pa

    kinds = {_STRING: "text", _INT: "numbers", _FLOAT: "numbers", _BOOL: "yes or no"}
    for column in open_parquet(path).schema_arrow:
        expected = kinds.get(types.get(column.name, ""))
        is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        found = "numbers" if is_number else "text" if is_text else str(column.type)
        found = kinds[_BOOL] if pa.types.is_boolean(column.type) else found
        if expected and found not in (expected, "null"):
            raise CorpusError(
                f"{path}: the column '{column.name}' holds {found} instead of {expected}; build "
                f"the corpus again"
            )


class TableWriter(WholeTable):
    """A Parquet file from rows that come one by one; it is there even if none comes."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        super().__init__(path)
        self._schema = schema
        self._rows: list[Mapping[str, Any]] = []
        self.n_rows = 0

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append rows; a value that is missing or no number becomes null."""
        self._rows += rows
        self.n_rows += len(rows)
        if len(self._rows) >= ROWS_PER_GROUP:
            self._flush()

    def add_table(self, table: pa.Table) -> None:
        """Append a table of the same columns, in any order."""
        self._flush()
        ordered = table.select(self._schema.names).cast(self._schema)
        self._open(self._schema).write_table(ordered)
        self.n_rows += len(table)

    def _flush(self) -> None:
        import pyarrow as pa

        writer = self._open(self._schema)
        if self._rows:
            columns = {
                name: pa.array([row.get(name) for row in self._rows], kind, from_pandas=True)
                for name, kind in zip(self._schema.names, self._schema.types, strict=True)
            }
            writer.write_table(pa.table(columns, schema=self._schema))
            self._rows = []
