"""TOML files that people write: read, or said in one line why not."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from stressnet.errors import StressnetError


def read_toml(path: Path, error: type[StressnetError]) -> dict[str, Any]:
    """Entries of a TOML file.

    Parameters
    ----------
    path : Path
    error : type
        What to raise.

    Raises
    ------
    StressnetError
        An ``error``, if the file cannot be read, is not UTF-8, or is not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); check the path") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not UTF-8 ({problem.reason}); save it as UTF-8") from problem
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise error(f"{path}: not valid TOML: {problem}") from problem
