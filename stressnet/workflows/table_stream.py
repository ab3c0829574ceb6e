"""A Parquet table that is written part by part and appears whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.tables import WholeTable

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 20_000
"""Rows per group of the file; fewer would make it large and slow to read."""


class TableStream(WholeTable):
    """Collects parts of a table and writes them in groups of rows.

    Types follow from the first part: numbers, truth values, and text for all else, so that a part
    without a single value does not change them.

    Parameters
    ----------
    path : Path
        The file; nothing is written if no part comes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._waiting: list[pd.DataFrame] = []
        self._n_waiting = 0

    def write(self, part: pd.DataFrame) -> None:
        """Add rows; columns must be those of the first part."""
        self._waiting.append(part)
        self._n_waiting += len(part)
        if self._n_waiting >= MIN_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pandas as pd
        import pyarrow as pa

        if not self._waiting:
            return
        frame = pd.concat(self._waiting, ignore_index=True)
        self._waiting, self._n_waiting = [], 0
        fields = [(str(name), _arrow_type(kind)) for name, kind in frame.dtypes.items()]
        writer = self._open(pa.schema(fields))
        table = pa.Table.from_pandas(frame, schema=writer.schema, preserve_index=False)
        writer.write_table(table.replace_schema_metadata())


def _arrow_type(kind: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if pd.api.types.is_bool_dtype(kind):
        return pa.bool_()
    if pd.api.types.is_integer_dtype(kind):
        return pa.int64()
    return pa.float64() if pd.api.types.is_float_dtype(kind) else pa.string()
