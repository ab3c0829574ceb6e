"""Work spread over processes whose crash costs one item, not the run."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from stressnet.runs.worker_process import end_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")

_IN_FLIGHT_PER_WORKER = 4


def isolated_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int,
    on_crash: Callable[[Item], Result],
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """Apply a function in worker processes, results in the order of the items.

    Processes are spawned, with one thread each, even for one job: what crashes in a C library
    (no exception, the process is gone) takes a worker along and not the caller.

    Parameters
    ----------
    function : callable
        Importable by name; gets one item.
    items : iterable
        Consumed a few at a time.
    jobs : int
        Number of processes.
    on_crash : callable
        Gives the result of an item that kills a process even when it runs alone.
    initializer, initargs : callable and tuple, optional
        Run once in every process before the first item.

    Yields
    ------
    Result
        One per item.
    """
    waiting = iter(items)
    setup = (initializer, initargs)
    while True:
        pending: deque[tuple[Item, Future[Result]]] = deque()
        with _pool(jobs, setup) as pool:
            try:
                while True:
                    room = _IN_FLIGHT_PER_WORKER * jobs - len(pending)
                    for item in islice(waiting, room):
                        pending.append((item, _submitted(pool, function, item)))
                    if not pending:
                        return
                    yield pending[0][1].result()
                    pending.popleft()
            except BrokenProcessPool:
                pass
            finally:
                for _, future in pending:
                    future.cancel()
        # A process died; which item did it is unknown: each of those under way runs alone.
        for item, _ in pending:
            with _pool(1, setup) as lone:
                try:
                    result = lone.submit(function, item).result()
                except BrokenProcessPool:
                    result = on_crash(item)
            yield result


def _submitted(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], item: Item
) -> Future[Result]:
    try:
        return pool.submit(function, item)
    except BrokenProcessPool as error:  # broken since the last look: the item counts as under way
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def _pool(
    jobs: int, setup: tuple[Callable[..., None] | None, tuple[Any, ...]]
) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=setup,
    )


def _start_worker(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    end_with_parent()
    threadpool_limits(1)
    if initializer is not None:
        initializer(*initargs)
