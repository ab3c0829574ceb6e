"""Tables in a run folder: each file appears whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from stressnet.errors import CorpusError
from stressnet.runs.manifest import FILE_NAME, hash_file, read_json

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

MIN_ROWS = 20_000  # Rows per group of the file; fewer would make it large and slow to read


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table that appears whole or not at all.

    A column without a single value is written as text, so that its type does not depend on the
    data; numbers are never concerned, since they are missing as NaN.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    for index, column in enumerate(table.schema):
        if pa.types.is_null(column.type):
            text = column.with_type(pa.string())
            table = table.set_column(index, text, table.column(index).cast(pa.string()))
    part = path.with_name(f".{path.name}.part")
    pq.write_table(table, part)
    part.replace(path)


def write_csv(frame: pd.DataFrame, path: Path, **how: Any) -> None:
    """Write a CSV table that appears whole or not at all; ``how`` is for ``to_csv``."""
    part = path.with_name(f".{path.name}.part")
    with_logicals(frame).to_csv(part, index=False, **how)
    part.replace(path)


def with_logicals(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose True and False are TRUE and FALSE, which R takes for logicals and not text."""
    names = frame.select_dtypes(["bool", "boolean"]).columns
    return frame.assign(**{name: frame[name].map({True: "TRUE", False: "FALSE"}) for name in names})


def read_table(path: Path, columns: Sequence[str] = (), **how: Any) -> pd.DataFrame:
    """Read a CSV or Parquet table, with certain columns, that a command or a person has written.

    ``how`` is for :func:`pandas.read_csv` or :func:`pandas.read_parquet`, e.g. ``dtype``. Raises
    `CorpusError` if the table is missing, cannot be read, or lacks a column; and if it is a CSV of
    a finished folder that was changed since.
    """
    import pandas as pd
    import pyarrow as pa

    read: Any = pd.read_parquet
    if path.suffix == ".csv":  # unlike Parquet, it can be read when its end is missing
        read = pd.read_csv
        check_unchanged(path)
    try:
        table: pd.DataFrame = read(path, **how)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise CorpusError(f"{path}: lacks the column {', '.join(missing)}")
    return table


def check_unchanged(path: Path) -> None:
    """Raise :class:`CorpusError` if a file of a finished folder was changed since."""
    manifest = path.with_name(FILE_NAME)
    if not (manifest.is_file() and path.is_file()):
        return
    about = read_json(manifest)
    outputs = about.get("outputs") if isinstance(about, dict) else None
    if isinstance(outputs, dict) and outputs.get(path.name) not in (None, hash_file(path)):
        raise CorpusError(
            f"{path}: was changed or cut since stressnet wrote it; put it back, or make its folder "
            f"again"
        )


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file to be read part by part; a `CorpusError` if it is missing or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, pre_buffer=False)  # a buffer keeps all it read
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> CorpusError:
    reason = str(error).strip().split("\n", 1)[0].rstrip(".")
    return CorpusError(
        f"{path}: cannot be read as a table ({reason}); correct it, or make its folder again"
    )


def no_formula(cell: Any) -> Any:
    """A cell of a CSV table that no spreadsheet takes for a formula.

    Text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return gets a ``'`` before
    it, as OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection); all else, numbers
    included, stays as it is.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def no_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """A table in whose text columns no cell is taken for a formula."""
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    return frame.assign(**{str(name): frame[name].map(no_formula) for name in texts})


class WholeTable(ABC):
    """A Parquet file written part by part, which appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._writer: pq.ParquetWriter | None = None

    @abstractmethod
    def _flush(self) -> None:
        """Write the rows that wait."""

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        """The file, begun with these columns if it was not yet."""
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._part, schema)
        return self._writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if kind is None:
            writer.close()
            self._part.replace(self.path)
            return
        with suppress(OSError):  # a full disk is reported once
            writer.close()
        self._part.unlink(missing_ok=True)


class TableStream(WholeTable):
    """Collects parts of a table and writes them in groups of rows.

    Types follow from the first part: numbers, truth values, and text for all else, so that a part
    without a single value does not change them. Nothing is written if no part comes.
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
