"""Work spread over processes whose crash costs one item, not the run."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from stressnet.runs.parallel import end_with_parent, in_order

Item = TypeVar("Item")
Result = TypeVar("Result")

_IN_FLIGHT_PER_WORKER = 4
_GROUP = 32  # Items for one task of an executor, each of which starts a process


def isolated_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int,
    on_crash: Callable[[Item], Result],
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
    executor: Executor | None = None,
) -> Iterator[Result]:
    """Apply a function in worker processes, results in the order of the items.

    Processes are spawned, with one thread each, even for one job: what crashes in a C library (no
    exception, the process is gone) takes a worker along and not the caller. Workers of an
    ``executor``, which may be on other machines, each start such a process for what they are given.

    The function is importable by name and gets one item; items are consumed a few at a time. With 0
    ``jobs`` it works in this process, which a crash then takes along. ``on_crash`` gives the result
    of an item that kills a process even when it runs alone. The initializer runs with ``initargs``
    once in every process before the first item.
    """
    if jobs == 0:
        if initializer is not None:
            initializer(*initargs)
        yield from map(function, items)
        return
    waiting = iter(items)
    if executor is not None:
        alone = partial(
            _group, function, on_crash=on_crash, initializer=initializer, initargs=initargs
        )
        groups = iter(lambda: list(islice(waiting, _GROUP)), [])
        for results in in_order(alone, groups, jobs, executor):
            yield from results
        return
    new_pool = partial(
        ProcessPoolExecutor,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(initializer, initargs),
    )
    while True:
        under_way: deque[Item] = deque()
        futures: deque[Future[Result]] = deque()
        with new_pool(jobs) as pool:
            try:
                while True:
                    for item in islice(waiting, _IN_FLIGHT_PER_WORKER * jobs - len(under_way)):
                        under_way.append(item)  # first, since the pool may be broken already
                        futures.append(pool.submit(function, item))
                    if not futures:
                        return
                    yield futures[0].result()
                    under_way.popleft()
                    futures.popleft()
            except BrokenProcessPool:
                pass
            finally:
                for future in futures:
                    future.cancel()
        # A process died; which item did it is unknown: each of those under way runs alone.
        for item in under_way:
            with new_pool(1) as lone:
                try:
                    result = lone.submit(function, item).result()
                except BrokenProcessPool:
                    result = on_crash(item)
            yield result


def _group(function: Callable[[Item], Result], items: list[Item], **how: Any) -> list[Result]:
    # Workers of a Dask cluster are daemons, which may not start processes.
    multiprocessing.current_process().daemon = False
    return list(isolated_map(function, items, jobs=1, **how))


def _start_worker(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    end_with_parent()
    threadpool_limits(1)
    if initializer is not None:
        initializer(*initargs)
