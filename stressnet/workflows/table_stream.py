"""A Parquet table that is written part by part and appears whole or not at all."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 20_000
"""Rows per group of the file; fewer would make it large and slow to read."""


class TableStream:
    """Collects parts of a table and writes them in groups of rows.

    Types follow from the first part: numbers, truth values, and text for all else, so that a part
    without a single value does not change them.

    Parameters
    ----------
    path : Path
        The file; nothing is written if no part comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._waiting: list[pd.DataFrame] = []
        self._n_waiting = 0
        self._writer: Any = None

    def write(self, part: pd.DataFrame) -> None:
        """Add rows; columns must be those of the first part."""
        self._waiting.append(part)
        self._n_waiting += len(part)
        if self._n_waiting >= MIN_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._waiting:
            return
        frame = pd.concat(self._waiting, ignore_index=True)
        self._waiting, self._n_waiting = [], 0
        if self._writer is None:
            fields = [(str(name), _arrow_type(kind)) for name, kind in frame.dtypes.items()]
            self._writer = pq.ParquetWriter(self._part, pa.schema(fields))
        table = pa.Table.from_pandas(frame, schema=self._writer.schema, preserve_index=False)
        self._writer.write_table(table.replace_schema_metadata())

    def __enter__(self) -> TableStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()
            if kind is None:
                self._part.replace(self.path)
            else:
                self._part.unlink(missing_ok=True)


def _arrow_type(kind: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if pd.api.types.is_bool_dtype(kind):
        return pa.bool_()
    if pd.api.types.is_integer_dtype(kind):
        return pa.int64()
    return pa.float64() if pd.api.types.is_float_dtype(kind) else pa.string()
