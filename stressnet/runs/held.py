"""What an output folder holds before a command begins, and whether it may be replaced.

Only a folder of the same kind is replaced, and of it only the files that its own manifest (or,
unfinished, its own list of files) names. A folder that holds anything else is left untouched.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from stressnet.errors import CorpusError, FolderError
from stressnet.runs.manifest import FILE_NAME, read_json, write_json

REQUEST = "request.json"
STATE = "state"
FAILURES = "failures.csv"

LISTED = "files.txt"  # In `state/`: files and trees of an unfinished folder, one a line

_ADDED = {"corpus": "alignment-error.json", "model": "calibration.json"}
"""Files that another command adds to a finished folder, by its kind."""

_SHOWN = 3

_NOUNS = {"relevance": "run", "models": "set of models", "statistics": "set of statistics"}
"""What people call a folder, where that is not its kind."""


@dataclass(frozen=True)
class Held:
    """What an output folder holds before a command begins."""

    path: Path
    kind: str
    finished: bool = False
    request: str = ""
    version: str = ""
    names: tuple[str, ...] = ()
    is_empty: bool = True

    @classmethod
    def read(cls, path: Path, kind: str = "") -> Self:
        """Look at a folder without changing it; ``kind`` is left out where any will do."""
        if path.is_file():
            raise FolderError(f"{path}: is a file; choose a new folder")
        if not path.is_dir() or all(p.name == f".{REQUEST}.part" for p in path.iterdir()):
            return cls(path, kind)
        finished = (path / FILE_NAME).is_file()
        if not finished and not (path / REQUEST).is_file():
            raise FolderError(
                f"{path}: not empty and not {named(kind)} of stressnet; choose a new folder"
            )
        try:
            about = read_json(path / (FILE_NAME if finished else REQUEST))
        except CorpusError as error:
            raise FolderError(f"{error} or choose a new folder") from None
        other = about.get("kind") if isinstance(about, dict) else None
        if other != (kind or other) or not isinstance(other, str):
            what = named(other) if isinstance(other, str) else "something else"
            raise FolderError(f"{path}: holds {what}, not {named(kind)}; choose a new folder")
        try:
            if finished:
                names = [*about["outputs"], *about.get("trees", [])]
                request = about["parameters"].get("request", "")
                version = about["versions"]["stressnet"]
            else:
                listed = path / STATE / LISTED
                names = read_listed(listed)
                request, version = about["request"], ""
            if not all(isinstance(name, str) and _may_be_path(name) for name in names):
                raise TypeError
        except (KeyError, TypeError, AttributeError) as error:
            raise FolderError(
                f"{path}: its manifest is damaged or not of stressnet; choose a new folder"
            ) from error
        return cls(path, other, finished, str(request), str(version), tuple(names), False)

    def check(self, request: str, overwrite: bool, reuse: bool) -> bool:
        """Whether the result is there already; raise unless the folder may be written."""
        if self.is_empty:
            return False
        if overwrite:
            self._refuse_foreign()
        elif self.finished:
            if reuse and self.request == request:
                return True
            other = "" if self.request == request else " of other settings or of changed files"
            raise FolderError(
                f"{self.path}: already holds {named(self.kind)}{other}; use --overwrite or a new "
                f"folder"
            )
        elif self.request != request:
            raise FolderError(
                f"{self.path}: holds an unfinished {_NOUNS.get(self.kind, self.kind)} of other "
                f"settings or inputs; use --overwrite or a new folder"
            )
        return False

    def _refuse_foreign(self) -> None:
        foreign = sorted(self._foreign())
        if foreign:
            shown = ", ".join(foreign[:_SHOWN])
            more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
            by = f" (written by stressnet {self.version})" if self.version else ""
            raise FolderError(
                f"{self.path}: holds files that its manifest{by} does not list: {shown}{more}; "
                f"move them away, or choose a new folder"
            )

    def _foreign(self) -> Iterator[str]:
        """Names of the files below that stressnet did not write."""
        for name in self.names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise FolderError(
                    f"{self.path}: its manifest lists '{name}', which lies outside; remove the "
                    f"folder yourself"
                )
        within = tuple({name for name in self.names if name.endswith("/")})
        for name in within:
            yield from (name + other for other in Held.read(self.path / name)._foreign())
        patterns = {name for name in self.names if "*" in name}
        if not self.finished or (self.path / REQUEST).is_file():  # or killed at the very end
            patterns.add(f"{STATE}/**")
        is_of_tree = re.compile("|".join(map(_as_regex, patterns)) or "(?!)").fullmatch
        own = {FILE_NAME, REQUEST, FAILURES, _ADDED.get(self.kind), *self.names}
        for path in _files_below(self.path):
            name = path.relative_to(self.path).as_posix()
            whole = _PART.sub(r"\1", name)  # a kill may leave an output half written
            if not (whole in own or name in own or is_of_tree(whole) or name.startswith(within)):
                yield name

    def remove(self) -> None:
        """Remove what stressnet wrote; :meth:`check` has seen that nothing else is there.

        Whatever a kill leaves is an unfinished folder: the list of its files goes last, and the
        request, which says its kind, stays until the next one takes its place.
        """
        if self.is_empty:
            return
        files = list(_files_below(self.path))
        listed, request = self.path / STATE / LISTED, self.path / REQUEST
        write_json(request, {"kind": self.kind, "request": ""})
        listed.parent.mkdir(exist_ok=True)
        part = listed.with_name(f".{LISTED}.part")
        names = [path.relative_to(self.path).as_posix() for path in files]
        part.write_bytes(os.fsencode("".join(f"{name}\n" for name in names)))
        part.replace(listed)
        (self.path / FILE_NAME).unlink(missing_ok=True)
        for path in files:
            if path not in (listed, request):
                path.unlink(missing_ok=True)
        listed.unlink()
        _remove_empty_below(self.path)

    def describe(self, overwrite: bool) -> str:
        """What will happen to the folder, for people."""
        if self.is_empty:
            return "would be made"
        if overwrite:
            return f"the {self.kind} there would be replaced"
        return f"the unfinished {self.kind} there would be continued"


def unwritable(folder: Path, error: OSError) -> FolderError:
    """What to say when the file system refuses something in the middle of the work."""
    reason = os.strerror(error.errno) if error.errno else str(error)  # Arrow adds its own words
    return FolderError(
        f"{error.filename or folder}: {reason}; what is finished is kept, so make room or correct "
        f"the permissions and run the same command again"
    )


def named(kind: str) -> str:
    """A kind with its article, e.g. ``an evaluation``."""
    noun = _NOUNS.get(kind, kind)
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _may_be_path(name: str) -> bool:
    """Whether every part of a name is short enough for file systems, and none holds a NUL."""
    parts = PurePosixPath(name).parts
    return "\0" not in name and all(len(part.encode(errors="replace")) <= 255 for part in parts)


def read_listed(file: Path) -> list[str]:
    """Names of the files and trees of an unfinished folder; a line that a kill tore is no name."""
    if not file.is_file():
        return []
    return os.fsdecode(file.read_bytes()).split("\n")[:-1]


_PART = re.compile(r"(?<![^/])\.([^/]+)\.part$")  # The name of a file that is being written


def _as_regex(pattern: str) -> str:
    """A regular expression for a pattern of names: ``*`` within a name, ``**`` over folders."""
    texts = (re.escape(part) for part in re.split(r"\*\*/?", pattern))
    return ".*".join(text.replace(r"\*", "[^/]*") for text in texts)


def _files_below(folder: Path) -> Iterator[Path]:
    """All files and links below a folder; links are not followed."""
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        yield from (Path(where) / name for name in [*files, *links])


def _remove_empty_below(folder: Path) -> None:
    for where, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            (Path(where) / name).rmdir()


def remove_tree(folder: Path) -> None:
    """Remove a folder of working files, links in it unfollowed."""
    for path in _files_below(folder):
        path.unlink()
    _remove_empty_below(folder)
    if folder.is_dir():
        folder.rmdir()


def check_file(out: Path, inputs: Iterable[Path | None]) -> None:
    """Raise if a file to be written is an input or would replace a file of one; through links, too.

    Inputs that are None are left out.
    """
    target = out.resolve()
    for path in filter(None, inputs):
        source = path.resolve()
        if target == source or (source in target.parents and out.exists()):
            raise FolderError(f"{out}: belongs to the input {path}; choose another file")


def check_apart(out: Path, inputs: Iterable[Path]) -> None:
    """Raise if an output folder is an input, lies in one, or holds one; also through links."""
    target = out.resolve()
    for path in inputs:
        source = path.resolve()
        if target == source:
            raise FolderError(f"{out}: is also an input ({path}); choose another output folder")
        if source in target.parents and source.is_dir():
            raise FolderError(
                f"{out}: lies inside the input {path}; choose an output folder outside it"
            )
        if target in source.parents:
            raise FolderError(
                f"{out}: the input {path} lies inside it; choose another output folder"
            )


_held: dict[str, int] = {}  # Open descriptors by folder


def hold(folder: Path) -> None:
    """Lock a folder, which must exist, for this process, until :func:`release` or its end.

    The folder itself is locked (``flock``), so no lock file is left behind; nothing is checked
    where a system (Windows) or file system has no such locks. May be called again, also after the
    folder was removed and made anew. Raises `CorpusError` if another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        return
    name = str(folder.resolve())
    descriptor = _held.get(name)
    if descriptor is not None and os.fstat(descriptor).st_ino == folder.stat().st_ino:
        return
    release(folder)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise CorpusError(
            f"{folder}: another stressnet command is writing it; wait for it, or choose another "
            f"folder"
        ) from error
    except OSError:  # the file system has no locks
        os.close(descriptor)
        return
    _held[name] = descriptor


def release(folder: Path) -> None:
    """Give up a folder, if this process holds it."""
    descriptor = _held.pop(str(folder.resolve()), None)
    if descriptor is not None:
        os.close(descriptor)


def _forget() -> None:
    """In a forked child: the lock is its parent's, whose death must not leave it behind."""
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
