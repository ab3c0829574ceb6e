"""One command at a time per output folder.

Two commands that write one folder damage it. The folder itself is locked (``flock``), so there is
no lock file to be left behind: the lock goes with the process, however that ends. Where a system
or file system has no such locks (Windows, some network shares) nothing is checked.
"""

from __future__ import annotations

import os
from pathlib import Path

from stressnet.errors import CorpusError

_held: dict[str, int] = {}
"""Open descriptors by folder."""


def hold(folder: Path) -> None:
    """Lock a folder, which must exist, for this process, until :func:`release` or its end.

    May be called again, also after the folder was removed and made anew.

    Raises
    ------
    CorpusError
        If another process holds it.
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
