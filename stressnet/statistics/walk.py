"""Another table read along with a run's tokens, block by block, both in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.errors import CorpusError

FloatArray = NDArray[np.float64]
Names = NDArray[np.object_]


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
    """Matrices of another table for given tokens, missing where that table lacks a token.

    ``blocks`` are ids of tokens, in the order in which they will be asked for, with matrices
    (n_tokens, n_regions).
    """

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
