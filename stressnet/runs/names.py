"""File names made from ids: never outside a folder, the same wherever they are made."""

import hashlib
import unicodedata
from pathlib import Path, PurePath

from stressnet.errors import CorpusError

_MAX_NAME_BYTES = 200  # File systems allow 255 bytes for a name, endings included

_RESERVED = {"", "CON", "PRN", "AUX", "NUL"}
_RESERVED |= {f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10)}
"""Names that Windows keeps for devices, and no name at all."""


def safe_name(name: str) -> str:
    """A name that any file system takes, still readable.

    Characters that some system forbids become ``_``, names that are too long are cut; a changed
    name gets a few digits of its hash, so that no two become one.
    """
    name = unicodedata.normalize("NFC", name)
    safe = "".join("_" if c in '/\\:*?"<>|' or ord(c) < 32 else c for c in name)
    if safe.startswith((".", "-")):
        safe = "_" + safe[1:]
    if safe.endswith((".", " ")):  # Windows drops them
        safe = safe[:-1] + "_"
    if safe.partition(".")[0].upper() in _RESERVED:
        safe = f"_{safe}"
    if len(safe.encode()) > _MAX_NAME_BYTES:
        safe = safe.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return safe if safe == name else f"{safe}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def inside(folder: Path, name: object) -> Path:
    """Path of a file that a table or a manifest names, if it lies in the folder."""
    path = folder / str(name)
    parts = PurePath(str(name)).parts
    if (
        not isinstance(name, str)
        or PurePath(name).is_absolute()
        or ".." in parts
        or (not path.resolve().is_relative_to(folder.resolve()))
    ):
        raise CorpusError(
            f"{folder}: names the file '{name}', which lies outside the folder; it was not made by "
            f"stressnet or was changed"
        )
    return path
