"""TOML files that people write."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from stressnet.errors import StressnetError


def read_toml(path: Path, error: type[StressnetError]) -> dict[str, Any]:
    """Entries of a TOML file; raises ``error`` if it cannot be read, is not UTF-8, or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); check the path") from problem
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not UTF-8 ({problem.reason}); save it as UTF-8") from problem
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise error(f"{path}: not valid TOML: {problem}") from problem
