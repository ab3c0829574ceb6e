"""Independent tasks over processes, with results in the order of the tasks.

Any ``concurrent.futures.Executor`` can be handed in; the default is a pool of spawned processes
with one thread each, so that results do not depend on the number of workers. Praat holds Python's
lock during analysis, so threads would not help.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from typing import TypeVar

from stressnet.errors import MissingPartError, StressnetError

Task = TypeVar("Task")
Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ANSWER_WITHIN_S = 10
_AHEAD = 4  # Tasks in flight per worker: enough to keep it busy, few enough to bound memory


def _start_worker() -> None:
    """One thread for numerical libraries, which a worker loads later; no life without a parent.

    Ctrl-C reaches all processes of a terminal: the parent says what happened, and ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = "1"


def end_with_parent() -> None:
    """End this process as soon as its parent is gone, however that came about.

    A pool's workers wait for work on a pipe of which they hold both ends, so after a SIGKILL of
    their parent they would wait for ever, or go on writing beside the run that resumes. To be
    called when a worker starts; does nothing in a process that `multiprocessing` did not start.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def worker_pool(jobs: int) -> Iterator[Executor | None]:
    """Worker processes that several calls of :func:`in_order` share; None for a single job.

    Starting a process costs seconds of imports, so a workflow of several stages opens one pool. On
    an error or Ctrl-C what has not begun is dropped.
    """
    if jobs <= 1:
        yield None
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker) as pool:
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                for worker in multiprocessing.active_children():
                    worker.terminate()
            raise


@contextmanager
def dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """Workers of the ``dask.distributed`` cluster of a scheduler, e.g. ``tcp://10.0.0.1:8786``.

    The second value says how many work at a time now.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingPartError(
            "a Dask cluster needs the package distributed; pip install 'stressnet[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=_ANSWER_WITHIN_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise StressnetError(
            f"{address}: no Dask scheduler answers ({error}); start one with 'dask scheduler'"
        ) from error
    with client:
        yield client.get_executor(), sum(client.nthreads().values())


def in_order(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    jobs: int = 1,
    executor: Executor | None = None,
) -> Iterator[Result]:
    """Apply ``function`` to every task, consumed lazily; yield results in the order of the tasks.

    The function is defined at a module's top level, so that other processes can import it. ``jobs``
    are workers to keep busy; 1 works in this process unless there is an executor, which is used
    instead of a pool of its own, see :func:`worker_pool`.
    """
    waiting: deque[Future[Result]] = deque()
    with worker_pool(jobs) if executor is None else nullcontext(executor) as pool:
        if pool is None:
            yield from map(function, tasks)
            return
        try:
            for task in tasks:
                waiting.append(pool.submit(function, task))
                if len(waiting) >= _AHEAD * max(jobs, 1):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise StressnetError(
                "a worker process died, most likely for lack of memory; run the same command again "
                "with fewer --jobs (what is finished is kept)"
            ) from error
