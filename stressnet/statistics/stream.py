"""Run folders of ``stressnet explain`` read block by block, so that memory does not grow with them.

A run's tables run in parallel: ``relevance.parquet`` and ``nulls.parquet`` hold the tokens of
``tokens.parquet`` in its order, each token's rows together, and the corpus's ``tokens.parquet``
holds them in the same order with others between. Joins go by walking along; a table in another
order is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stressnet.axes import FloatArray
from stressnet.errors import CorpusError
from stressnet.runs.checks import check_files
from stressnet.runs.manifest import FILE_NAME, read_json, read_manifest
from stressnet.runs.tables import open_parquet

Names = NDArray[np.object_]

ROWS_PER_BLOCK = 1 << 18  # Rows of relevance held in memory at a time
EXCHANGE = "exchange"  # Name of the null in the `null_*` columns of `relevance.parquet`

UNTRAINED, INPUT = "untrained", "input"
"""Names of the nulls of untrained networks and of the input taken as a map."""

CHANCE = "chance"  # Null in the `*_chance` columns: what a map strewn at random would get
CHANCE_COLUMNS = {"mass_accuracy": "area_share"}  # Those not called `<measure>_chance`

NOT_MEASURES = ("correct", "is_minimal_pair", "is_prosody_only_pair")
"""Columns of numbers that are no measurements."""


@dataclass(frozen=True)
class RunTables:
    """The tables of one run."""

    path: Path
    corpus: Path | None = None  # For columns that the run's tokens lack; None if it is not there
    constants: Mapping[str, str] | None = None  # The same for every token, e.g. the corpus's name

    @staticmethod
    @lru_cache(maxsize=64)
    def _columns(path: Path) -> pa.Schema:
        return open_parquet(path).schema_arrow

    @cached_property
    def token_columns(self) -> list[str]:
        """Columns of the run's tokens, then those that only the corpus has."""
        own = [c for c in self._columns(self.path / "tokens.parquet").names if c != "token_id"]
        more = [] if self.corpus is None else self._columns(self.corpus / "tokens.parquet").names
        columns = dict.fromkeys([*own, *more, *(self.constants or {})])
        columns.pop("token_id", None)
        return list(columns)

    @cached_property
    def measures(self) -> list[str]:
        """Columns of measurements of ``relevance.parquet``."""
        schema = self._columns(self.path / "relevance.parquet")
        return [
            f.name
            for f in schema
            if (pa.types.is_floating(f.type) or pa.types.is_boolean(f.type))
            and not f.name.startswith("null_")
            and not f.name.endswith("_chance")
            and f.name not in NOT_MEASURES
        ]

    @cached_property
    def _null_columns(self) -> set[str]:
        """Columns of numbers in ``nulls.parquet``; none without that file."""
        file = self.path / "nulls.parquet"
        if not file.exists():
            return set()
        schema = self._columns(file)
        lacking = {"token_id", "region", "null"} - set(schema.names)
        if lacking:
            raise CorpusError(
                f"{file}: lacks the column {min(lacking)}; run stressnet explain again"
            )
        return {f.name for f in schema if pa.types.is_floating(f.type)}

    @cached_property
    def draws(self) -> dict[str, list[int | None]]:
        """Draws of every null of ``nulls.parquet``: seeds of untrained networks, else None."""
        file = self.path / "nulls.parquet"
        found: dict[str, list[int | None]] = {}
        if not self._null_columns:
            return found
        columns = [c for c in ("null", "draw") if c in self._columns(file).names]
        with open_parquet(file) as opened:
            for batch in opened.iter_batches(ROWS_PER_BLOCK, columns=columns, use_threads=False):
                pairs = pa.Table.from_batches([batch]).group_by(columns, use_threads=False)
                for row in pairs.aggregate([]).to_pylist():
                    having = found.setdefault(str(row["null"]), [])
                    if row.get("draw") not in having:
                        having.append(row.get("draw"))
        return found

    @cached_property
    def nulls(self) -> list[str]:
        """Names of the nulls there are, the exchange and the chance level first."""
        known = [EXCHANGE, CHANCE, *self.draws]
        return [
            n for n in dict.fromkeys(known) if any(self.null_source(n, m) for m in self.measures)
        ]

    def null_source(self, null: str, measure: str) -> tuple[str, str] | None:
        """File and column of a measure under a null; None where the run does not have it."""
        columns = set(self._columns(self.path / "relevance.parquet").names)
        beside = {EXCHANGE: f"null_{measure}", CHANCE: f"{measure}_chance"}.get(null, "")
        if null == CHANCE:
            beside = CHANCE_COLUMNS.get(measure, beside)
        if beside in columns:
            return "relevance.parquet", beside
        if null in self.draws and measure in self._null_columns:
            return "nulls.parquet", measure
        return None

    @cached_property
    def regions(self) -> list[str]:
        """Names of regions, in order of appearance."""
        found: dict[str, None] = {}
        with open_parquet(self.path / "relevance.parquet") as file:
            for batch in file.iter_batches(ROWS_PER_BLOCK, columns=["region"], use_threads=False):
                found.update(dict.fromkeys(pc.unique(batch.column(0)).to_pylist()))
        return [str(name) for name in found if name is not None]

    def tokens(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Blocks of tokens with ``token_id`` and the given columns, from run and corpus."""
        file = self.path / "tokens.parquet"
        own = [c for c in columns if c in self._columns(file).names]
        constant = {
            c: v for c, v in (self.constants or {}).items() if c in columns and c not in own
        }
        more = [c for c in columns if c not in own and c not in constant]
        other = None
        if more:
            if self.corpus is None:
                raise CorpusError(
                    f"{file}: lacks the column {more[0]}, and the corpus that has it is not where "
                    f"the run's manifest says; give its folder with 'corpus' in [[run]]"
                )
            blocks = (
                (block["token_id"].to_numpy(object), block[more])
                for block in _frames(self.corpus / "tokens.parquet", ["token_id", *more])
            )
            other = Walk(blocks, self.corpus / "tokens.parquet")
        for block in _frames(file, ["token_id", *own]):
            if other is not None:
                found = other.take_all(block["token_id"].to_numpy(object))
                block = pd.concat([block, found.set_index(block.index)], axis=1)
            yield block.assign(**constant)

    def measured(
        self, measures: Sequence[str], nulls: Mapping[str, Sequence[str]], regions: Sequence[str]
    ) -> Iterator[tuple[Names, dict[str, FloatArray], dict[tuple[str, str], list[FloatArray]]]]:
        """Blocks of token ids, matrices per measure, and per measure and null a matrix per draw."""
        beside: dict[tuple[str, str], str] = {}  # columns of relevance.parquet
        elsewhere: dict[str, list[str]] = {}  # measures in nulls.parquet
        for measure, names in nulls.items():
            for null in names:
                file, column = self.null_source(null, measure) or ("", "")
                if file == "relevance.parquet":
                    beside[measure, null] = column
                elif file:
                    elsewhere.setdefault(null, []).append(measure)
        file_of_nulls = self.path / "nulls.parquet"
        others = {}
        for null, having in elsewhere.items():
            for draw in self.draws[null]:
                where: dict[str, str | int] = {"null": null}
                if draw is not None:
                    where["draw"] = draw
                others[null, draw] = Alongside(_blocks(file_of_nulls, having, regions, where))
        columns = list(dict.fromkeys([*measures, *beside.values()]))
        for ids, matrices in _blocks(self.path / "relevance.parquet", columns, regions, {}):
            under = {key: [matrices[column]] for key, column in beside.items()}
            for (null, _), other in others.items():
                for measure, matrix in other.take(ids, elsewhere[null], len(regions)).items():
                    under.setdefault((measure, null), []).append(matrix)
            yield ids, {measure: matrices[measure] for measure in measures}, under
        for other in others.values():
            other.finish(file_of_nulls)


def open_run(path: Path, corpus: Path | None = None, corpus_name: str | None = None) -> RunTables:
    """A finished run with its corpus, where that is still to be found."""
    check_files(path)
    manifest = read_manifest(path, "relevance")
    place = corpus or Path(str(manifest["parameters"].get("corpus", "")))
    if corpus is not None:
        read_manifest(corpus, "corpus")
    there = (place / "tokens.parquet").exists() and (place / FILE_NAME).exists()
    name = corpus_name
    if name is None and there:
        about = read_json(place / FILE_NAME)
        parameters = about.get("parameters", {})
        name = str(parameters.get("name") or parameters.get("recipe") or place.name)
    return RunTables(path, place if there else None, {"corpus": name or "unknown"})


def _frames(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    with open_parquet(path) as file:
        for batch in file.iter_batches(1 << 14, columns=list(columns), use_threads=False):
            yield batch.to_pandas()


def _blocks(
    path: Path, columns: Sequence[str], regions: Sequence[str], where: Mapping[str, str | int]
) -> Iterator[tuple[Names, dict[str, FloatArray]]]:
    wanted = ["token_id", "region", *columns, *where]
    value_set = pa.array(list(regions))
    rest: pa.Table | None = None
    with open_parquet(path) as file:
        for batch in file.iter_batches(ROWS_PER_BLOCK, columns=wanted, use_threads=False):
            table = pa.Table.from_batches([batch])
            for column, value in where.items():
                table = table.filter(pc.equal(table[column], value))
            if rest is not None:
                table = pa.concat_tables([rest, table])
            if not table.num_rows:
                continue
            token = table["token_id"].combine_chunks()
            changes = pc.not_equal(token[1:], token[:-1]).to_numpy(zero_copy_only=False)
            starts = np.flatnonzero(np.r_[True, changes])
            # The last token may go on in the next batch.
            rest = table.slice(int(starts[-1]))
            if len(starts) > 1:
                whole = table.slice(0, int(starts[-1]))
                yield _matrices(whole, starts[:-1], columns, value_set, path, bool(where))
    if rest is not None:
        yield _matrices(rest, np.zeros(1, dtype=np.intp), columns, value_set, path, bool(where))


def _matrices(
    table: pa.Table,
    starts: NDArray[np.intp],
    columns: Sequence[str],
    regions: pa.Array,
    path: Path,
    is_null: bool,
) -> tuple[Names, dict[str, FloatArray]]:
    n_rows, n_regions = table.num_rows, len(regions)
    token = np.zeros(n_rows, dtype=np.intp)
    token[starts[1:]] = 1
    token = np.cumsum(token)
    ids = table["token_id"].take(pa.array(starts)).to_numpy()
    names = table["region"]
    region = pc.index_in(names.cast(pa.string()), value_set=regions).to_numpy()
    inside = ~np.isnan(region) if region.dtype.kind == "f" else np.ones(n_rows, dtype=bool)
    place = token[inside] * n_regions + region[inside].astype(np.intp)
    size = len(starts) * n_regions
    if not is_null and len(np.unique(place)) < len(place):
        raise CorpusError(
            f"{path}: token {ids[0]} or one after it has a region twice; "
            f"run stressnet explain again"
        )
    matrices = {}
    for column in columns:
        values = table[column].cast(pa.float64()).to_numpy()[inside]
        there = np.isfinite(values)
        count = np.bincount(place[there], minlength=size)
        total = np.bincount(place[there], values[there], minlength=size)
        mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
        matrices[column] = mean.reshape(len(starts), n_regions)
    return ids, matrices


class Walk:
    """Rows of another table for given tokens, both in the same order.

    ``blocks`` are ids of tokens with rows of the other table, which holds all tokens that will be
    asked for, and may hold more.
    """

    def __init__(self, blocks: Iterator[tuple[Names, pd.DataFrame]], file: Path) -> None:
        self.blocks = blocks
        self.file = file
        self.place: dict[str, int] = {}
        self.frame = pd.DataFrame()

    def take_all(self, ids: Names) -> pd.DataFrame:
        """One row per id; the other table must hold all of them."""
        parts: list[pd.DataFrame] = []
        rows: list[int] = []
        for token_id in ids:
            while token_id not in self.place:
                if rows:
                    parts.append(self.frame.iloc[rows])
                    rows = []
                block = next(self.blocks, None)
                if block is None:
                    raise CorpusError(
                        f"{self.file}: does not hold the token {token_id} of the run, or not in "
                        f"the run's order; run stressnet explain again on this corpus"
                    )
                self.place = {name: i for i, name in enumerate(block[0])}
                self.frame = block[1]
            rows.append(self.place[token_id])
        parts.append(self.frame.iloc[rows])
        return pd.concat(parts, ignore_index=True)


class Alongside:
    """Matrices of another table for given tokens, missing where that table lacks a token."""

    def __init__(self, blocks: Iterator[tuple[Names, dict[str, FloatArray]]]) -> None:
        self._blocks = blocks
        self._ids: Names = np.empty(0, dtype=object)
        self._matrices: dict[str, FloatArray] = {}
        self._used = 0

    def take(self, ids: Names, columns: Sequence[str], n_regions: int) -> dict[str, FloatArray]:
        """Matrices (n_tokens, n_regions) of the tokens asked for."""
        result = {c: np.full((len(ids), n_regions), np.nan) for c in columns}
        done = 0
        while done < len(ids):
            if self._used == len(self._ids):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._ids, self._matrices = block
                self._used = 0
            n = min(len(ids) - done, len(self._ids) - self._used)
            same = ids[done : done + n] == self._ids[self._used : self._used + n]
            run = n if same.all() else int(np.argmin(same))
            for c in columns:
                result[c][done : done + run] = self._matrices[c][self._used : self._used + run]
            done += run
            self._used += run
            if run < n:  # the next one asked for is not here
                done += 1
        return result

    def finish(self, file: Path) -> None:
        """Raise unless everything was used, i.e. the orders agreed."""
        if self._used < len(self._ids) or next(self._blocks, None) is not None:
            raise CorpusError(
                f"{file}: its tokens are not in the order of relevance.parquet; "
                f"run stressnet explain again"
            )
