"""A journal of finished items, so that an interrupted run goes on where it stopped.

One JSON line per item, flushed as soon as it is finished. A line torn by a kill is ignored and its
item done again. Results stay in the file until they are asked for, so that memory holds the items'
names only.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self


class Results(Mapping[str, Any]):
    """Results of a journal by item, each read from the file when it is asked for."""

    def __init__(self, path: Path, starts: dict[str, int]) -> None:
        self._path, self._starts = path, starts  # at which byte an item's line begins

    def __getitem__(self, item: str) -> Any:
        with self._path.open("rb") as file:
            file.seek(self._starts[item])
            return json.loads(file.readline())["result"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)

    def __contains__(self, item: object) -> bool:
        return item in self._starts


class Journal:
    """Append-only record of finished items in a file, which is made if missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._firsts: dict[str, int] = {}
        self._lasts: dict[str, int] = {}
        self.done = Results(path, self._lasts)
        whole = 0
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._note(json.loads(line)["id"], whole)
                    whole += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "wb")
        self._file.truncate(whole)
        self._file.seek(whole)
        self._end = whole

    def _note(self, item: str, start: int) -> None:
        self._lasts[item] = start
        self._firsts.setdefault(item, start)

    def add(self, item: str, result: Any) -> None:
        """Record that ``item`` is finished, with a result that JSON can hold."""
        line = json.dumps({"id": item, "result": result}, ensure_ascii=False).encode() + b"\n"
        self._file.write(line)
        self._file.flush()
        self._note(item, self._end)
        self._end += len(line)

    def first(self, item: str) -> Any:
        """The first result recorded for an item that was recorded more than once."""
        return Results(self.path, self._firsts)[item]

    def results(
        self,
        tasks: Iterable[tuple[str, Any]],
        work: Callable[[Iterator[Any]], Iterable[Any]],
        n_items: Callable[[Any], int],
    ) -> Iterator[tuple[str, int, Any]]:
        """Results of all tasks, in their order; what is not yet recorded is done and recorded.

        ``work`` turns tasks, which are consumed lazily, into results in the same order. Yields a
        task's name, its number of items (``n_items``) and its result.
        """
        order: deque[tuple[str, int]] = deque()

        def unfinished() -> Iterator[Any]:
            for key, task in tasks:
                order.append((key, n_items(task)))
                if key not in self.done:
                    yield task

        def finished() -> Iterator[tuple[str, int, Any]]:
            while order and order[0][0] in self.done:
                key, n = order.popleft()
                yield key, n, self.done[key]

        for result in work(unfinished()):
            yield from finished()
            self.add(order[0][0], result)
            yield from finished()
        yield from finished()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
