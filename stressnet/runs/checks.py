"""Whether the files of a folder that is read are whole, looked at before any work begins."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stressnet.errors import CorpusError
from stressnet.runs.arrays import open_array
from stressnet.runs.manifest import FILE_NAME, read_json
from stressnet.runs.names import inside
from stressnet.runs.tables import open_parquet

_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".parquet": open_parquet,
    ".npy": open_array,
    ".json": read_json,
}
"""How files are opened, by their ending; only their headers are read."""


def check_files(folder: Path) -> None:
    """Look at the tables and arrays that a folder's manifest lists, as far as they are there."""
    try:
        manifest = read_json(folder / FILE_NAME)
    except CorpusError:
        return
    outputs = manifest.get("outputs") if isinstance(manifest, dict) else None
    for name in outputs if isinstance(outputs, dict) else ():
        path = inside(folder, name)
        if path.suffix in _OPENERS and path.is_file():
            _OPENERS[path.suffix](path)
