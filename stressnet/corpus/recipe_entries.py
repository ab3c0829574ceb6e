"""Entries of a TOML file, each checked by name and type, so that a typing error is named.

Whatever is missing, unknown or of another type is a `RecipeError`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stressnet.errors import RecipeError
from stressnet.runs.toml_file import Entry, entry


def only_known(table: Mapping[str, Any], known: set[str], path: Path, where: str = "") -> None:
    """Raise :class:`RecipeError` if a section has an entry that is not among the known ones."""
    unknown = set(table) - known
    if unknown:
        what = f"[{where}] has an unknown entry" if where else "unknown section"
        raise RecipeError(f"{path}: {what} '{min(unknown)}'; see docs/recipes.md")


def section(
    data: Mapping[str, Any], key: str, path: Path, *, optional: bool = False
) -> dict[str, Any]:
    """A section of a recipe, empty if it is optional and not there."""
    if key not in data and not optional:
        raise RecipeError(f"{path}: lacks the section [{key}]; see docs/recipes.md")
    section = data.get(key, {})
    if not isinstance(section, dict):
        raise RecipeError(f"{path}: '{key}' must be a section, written [{key}]")
    return section


def text(
    table: Mapping[str, Any], key: str, path: Path, where: str, default: str | None = None
) -> str:
    """An entry that is text."""
    value = table.get(key, default)
    if value is None:
        raise RecipeError(f"{path}: [{where}] lacks '{key}'")
    if not isinstance(value, str):
        raise RecipeError(f"{path}: [{where}] {key} = {value!r} must be text in quotes")
    return value


def entries(
    kind: type[Entry], data: Mapping[str, Any], key: str, path: Path, prefix: str = ""
) -> tuple[Entry, ...]:
    """Sections that may occur more than once, each as an instance of a dataclass."""
    where = f"[[{prefix}{key}]]"
    entries = data.get(key, [])
    if not isinstance(entries, list):
        raise RecipeError(f"{path}: '{key}' may occur more than once and must be written {where}")
    return tuple(entry(kind, values, path, where, RecipeError) for values in entries)
