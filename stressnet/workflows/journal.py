"""A journal of finished items, so that an interrupted run goes on where it stopped.

One JSON line per item, flushed as soon as it is finished. A line torn by a kill is ignored and its
item done again.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any


class Journal:
    """Append-only record of finished items.

    Parameters
    ----------
    path : Path
        The file; made if missing.

    Attributes
    ----------
    done : dict
        Item id to its last recorded result, from earlier runs and this one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, Any] = {}
        self._first: dict[str, Any] = {}
        whole = 0
        if path.exists():
            data = path.read_bytes()
            whole = data.rfind(b"\n") + 1
            for line in data[:whole].splitlines():
                record = json.loads(line)
                self.done[record["id"]] = record["result"]
                self._first.setdefault(record["id"], record["result"])
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "wb")
        self._file.truncate(whole)
        self._file.seek(whole)

    def add(self, item: str, result: Any) -> None:
        """Record that ``item`` is finished, with a result that JSON can hold."""
        line = json.dumps({"id": item, "result": result}, ensure_ascii=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        self.done[item] = result
        self._first.setdefault(item, result)

    def first(self, item: str) -> Any:
        """The first result recorded for an item that was recorded more than once."""
        return self._first[item]

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
