"""The folder that a command writes: claimed, locked, resumed, replaced, finished.

A run folder goes through three steps. *Opened*: its kind is checked and it is locked; nothing is
changed. *Begun*: what it held before is removed (with ``--overwrite``) or continued. *Finished*:
the manifest is written and the working files in ``state/`` go. Between opening and beginning a
command reads and checks all its inputs, so that bad input never costs an existing result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from stressnet.errors import FolderError
from stressnet.runs.held import (
    FAILURES,
    LISTED,
    REQUEST,
    STATE,
    Held,
    check_apart,
    hold,
    named,
    read_listed,
    release,
    remove_tree,
    unwritable,
)
from stressnet.runs.journal import Journal
from stressnet.runs.manifest import hash_data, hash_of, write_json, write_manifest
from stressnet.runs.options import files_in, identity, parameters
from stressnet.runs.parallel import in_order, worker_pool
from stressnet.runs.problems import Problem, count_lost, count_problems, write_rows
from stressnet.runs.work import DryRun, Progress, Step, Work, plan_text

if TYPE_CHECKING:
    import pandas as pd


class RunFolder:
    """The output folder of a command; a context manager.

    Parameters
    ----------
    kind : str
        What it holds, as its manifest says: ``corpus``, ``model``, ``relevance`` …
    inputs : sequence of Path
        Folders and files that are read; none may be the folder, hold it or lie in it.
    overwrite, reuse : bool
        Replace a folder of the same kind; accept a finished one of the same request.
    dry_run : bool
        Raise :class:`DryRun` instead of beginning.

    Attributes
    ----------
    problems : list of Problem
        Items that failed or look odd; written as ``failures.csv`` however the command ends.
    has_failures : bool
        Whether the table is written even if it is empty.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        *,
        inputs: Sequence[Path] = (),
        overwrite: bool = False,
        reuse: bool = False,
        dry_run: bool = False,
        work: Work | None = None,
    ) -> None:
        self.path = path
        self.kind = kind
        self.work = work or Work()
        self.problems: list[Problem] = []
        self.has_failures = False
        self._overwrite = overwrite
        self._reuse = reuse
        self._dry_run = dry_run
        self._request: dict[str, Any] = {}
        self._inputs: dict[str, str] = {}
        self._begun = False
        self._names: dict[str, bool] = {}  # and whether the file must be there in the end
        self._stack = ExitStack()
        self._pool = self.work.executor
        check_apart(path, inputs)
        self._held = Held.read(path, kind)

    @property
    def progress(self) -> Progress:
        """Where progress is shown."""
        return self.work.progress

    @property
    def state(self) -> Path:
        """Folder of working files, which is removed in the end."""
        return self.path / STATE

    @property
    def n_failed(self) -> int:
        """Number of items that are missing from the result."""
        return count_lost(self.problems)

    # -- the way of a folder -----------------------------------------------------------------

    def begin(
        self,
        config: Any,
        reads: Mapping[str, Any] | None = None,
        *,
        inputs: Mapping[str, str] | None = None,
        notes: Mapping[str, Any] | None = None,
        steps: Sequence[Step] = (),
    ) -> bool:
        """Make the folder ready to be written; the last moment at which bad input costs nothing.

        Parameters
        ----------
        config : dataclass or mapping
            The command's options, or its parameters where these are not a config.
        reads : mapping
            Name to what is read: a corpus, a network, or the path of a file or finished folder. Its
            hash decides with the options what is the same request; its path becomes a note.
        inputs, notes : mapping
            Name to hash of what is read beside that; further entries of the manifest's parameters
            that decide nothing.
        steps : sequence of Step
            The work ahead.

        Returns
        -------
        bool
            Whether the folder already holds the finished result (only with ``reuse``).
        """
        if isinstance(config, Mapping):
            content = given = dict(config)
        else:
            check_apart(self.path, files_in(config))
            content, given = identity(config), parameters(config)
        reads = reads or {}
        paths = {name: str(getattr(one, "path", one)) for name, one in reads.items()}
        self._inputs = {name: hash_of(one) for name, one in reads.items()} | dict(inputs or {})
        request = hash_data([content, self._inputs])
        self._request = {**paths, **given, **dict(notes or {}), "request": request}
        if self._dry_run:
            self._held.check(request, self._overwrite, self._reuse)
            plan = [f"{self.path}: {self._held.describe(self._overwrite)}"]
            plan += plan_text(self._inputs, self._request, steps, self.work.jobs)
            raise DryRun("\n".join([*plan, f"writes   {named(self.kind)} into {self.path}"]))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            hold(self.path)
            held = Held.read(self.path, self.kind)
            if held.finished and not self._overwrite:
                self._tidy()  # after a kill at the very end
            if held.check(request, self._overwrite, self._reuse):
                return True
            if self._overwrite:
                held.remove()
            write_json(self.path / REQUEST, {"kind": self.kind, "request": request})
            self.state.mkdir(exist_ok=True)
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot be written ({error.strerror}); choose another output folder"
            ) from error
        self._names = dict.fromkeys(read_listed(self.state / LISTED), False)
        self.has_failures |= FAILURES in self._names  # of the attempt that was interrupted
        self._begun = True
        return False

    def reopen(self, manifest: Mapping[str, Any]) -> None:
        """Add to a finished folder, of that manifest; ``finish`` then writes it anew."""
        self._request = dict(manifest["parameters"])
        self._inputs = dict(manifest["inputs"])
        self.progress.seconds = {**manifest["seconds"], **self.progress.seconds}
        self.state.mkdir(exist_ok=True)
        request = self._request.get("request", "")
        write_json(self.path / REQUEST, {"kind": self.kind, "request": request})
        self._begun = True
        self.has_failures, self.problems = False, []  # their table stays as it is
        for name in [*manifest["outputs"], *manifest.get("trees", [])]:
            self._register(name)

    def finish(self, results: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write the manifest with counts and the like, remove working files; the manifest."""
        results = dict(results or {})
        if self.has_failures or self.problems:
            self._write_failures()
            results.setdefault("problems", count_problems(self.problems))
        trees = [name for name in self._names if name.endswith("/") or "*" in name]
        files = {self.path / name: must for name, must in self._names.items() if name not in trees}
        for path, must in files.items():
            if must and not path.is_file():
                raise FolderError(f"{path}: was written and is gone; run the same command again")
        manifest = write_manifest(
            self.path,
            self.kind,
            parameters=self._request,
            inputs=self._inputs,
            outputs=[path for path in files if path.is_file()],
            trees=trees,
            results=results,
            seconds=self.progress.seconds,
        )
        self._tidy()
        self._begun = False
        return manifest

    def _tidy(self) -> None:
        """Remove working files, which are ours as long as the request is there."""
        if (self.path / REQUEST).is_file():
            remove_tree(self.state)
            (self.path / REQUEST).unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)
        try:
            if self._begun and error is not None:
                self._stop(error)
        finally:
            release(self.path)

    def _stop(self, error: BaseException) -> None:
        """Keep the failures so far; raise what the file system refused as one line."""
        stopped = unwritable(self.path, error) if isinstance(error, OSError) else error
        with suppress(OSError):  # a full disk is reported once
            if self.problems:
                self._write_failures()
                stopped.add_note(
                    f"{len(self.problems)} items failed or look odd before that; their reasons are "
                    f"in {self.path / FAILURES}"
                )
        if stopped is not error:
            raise stopped from error

    # -- what is written ---------------------------------------------------------------------

    def file(self, name: str, *, optional: bool = False) -> Path:
        """Path of an output file, listed in the manifest with its hash; or, optional, if there."""
        self._register(name, not optional)
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def tree(self, pattern: str) -> Path:
        """Folder of many output files, e.g. ``excerpts/*/*.flac``, listed by the pattern alone.

        Returns the part of the pattern before the first star.
        """
        self._register(pattern)
        folder = self.path / pattern.split("*", 1)[0]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def table(self, name: str, frame: pd.DataFrame, **how: Any) -> Path:
        """Write a table as Parquet or CSV, by its name; it appears whole or not at all."""
        from stressnet.runs.tables import write_csv, write_parquet

        path = self.file(name)
        if path.suffix == ".parquet":
            write_parquet(frame, path)
        else:
            write_csv(frame, path, **how)
        return path

    def json(self, name: str, data: Any) -> Path:
        """Write JSON that appears whole or not at all."""
        path = self.file(name)
        write_json(path, data)
        return path

    def figure(self, name: str) -> Path:
        """Path without suffix of a figure, which is listed as PNG and PDF."""
        for suffix in ("png", "pdf"):
            self.file(f"{name}.{suffix}")
        return self.path / name

    def folder(self, name: str, kind: str, *, writes: bool = True) -> RunFolder:
        """A run folder within this one, e.g. the model of one seed; finished ones are kept."""
        if writes:
            self._register(f"{name}/")
        return RunFolder(self.path / name, kind, reuse=True, work=self.work)

    def _register(self, name: str, must_exist: bool = True) -> None:
        if not self._begun:
            raise ValueError(f"'{name}' cannot be written before begin() of {self.path}")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"'{name}' is no name of an output of {self.path}")
        if name not in self._names:
            with (self.state / LISTED).open("a", encoding="utf-8") as file:
                file.write(name + "\n")
        self._names[name] = must_exist

    def _write_failures(self) -> None:
        self._register(FAILURES)
        write_rows(self.path / FAILURES, Problem, self.problems)

    # -- work --------------------------------------------------------------------------------

    def use(self, executor: Executor, workers: int) -> None:
        """Hand the work to another executor than worker processes here."""
        self.work = replace(self.work, executor=executor, jobs=max(workers, self.work.jobs))
        self._pool = executor

    @property
    def pool(self) -> Executor | None:
        """Workers that all steps of the command share; None works in this process."""
        if self._pool is None:
            self._pool = self._stack.enter_context(worker_pool(self.work.jobs))
        return self._pool

    def journal(self, name: str) -> Journal:
        """Journal of finished items, kept until the folder is finished."""
        return Journal(self.state / f"{name}.jsonl")

    def chunks(
        self,
        name: str,
        tasks: Iterable[tuple[str, Any]],
        function: Callable[[Any], Any],
        *,
        total: int | None = None,
        unit: str = "token",
        n_items: Callable[[Any], int] = lambda task: 1,
        here: bool = False,
    ) -> Iterator[tuple[str, Any]]:
        """Names of tasks and their results of a function, in the order of the tasks.

        What is finished is journalled, so that an interrupted command does not repeat it. The
        result does not depend on the number of workers.

        ``name`` is the step's, for the progress bar and the journal; names of tasks are unique in
        it. The function turns a task into anything that JSON can hold, and is at a module's top
        level, so that workers find it, unless it works ``here``, in this process, e.g. with a
        network in memory. ``total``, ``unit`` and ``n_items`` are for the bar: number of items,
        what an item is, and their number in a task.
        """
        jobs, pool = (1, None) if here else (self.work.jobs, self.pool)
        with self.journal(name) as journal, self.progress.stage(name, total, unit) as bar:
            work = partial(in_order, function, jobs=jobs, executor=pool)
            for key, n, result in journal.results(tasks, work, n_items):
                bar.update(n)
                yield key, result
