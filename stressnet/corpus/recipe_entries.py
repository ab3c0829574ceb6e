"""Entries of a TOML file, each checked by name and type, so that a typing error is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from stressnet.errors import RecipeError

Entry = TypeVar("Entry")
_IN_WORDS = {"str": "text in quotes", "int": "a whole number", "bool": "true or false"}


def only_known(table: Mapping[str, Any], known: set[str], path: Path, where: str = "") -> None:
    """Raise :class:`RecipeError` if a section has an entry that is not among the known ones."""
    unknown = set(table) - known
    if unknown:
        what = f"[{where}] has an unknown entry" if where else "unknown section"
        raise RecipeError(f"{path}: {what} '{min(unknown)}'; see docs/recipes.md")


def section(
    data: Mapping[str, Any], key: str, path: Path, *, optional: bool = False
) -> dict[str, Any]:
    """A section of a recipe, empty if it is optional and not there.

    Raises
    ------
    RecipeError
        If it is missing or no section.
    """
    if key not in data and not optional:
        raise RecipeError(f"{path}: lacks the section [{key}]; see docs/recipes.md")
    section = data.get(key, {})
    if not isinstance(section, dict):
        raise RecipeError(f"{path}: '{key}' must be a section, written [{key}]")
    return section


def text(
    table: Mapping[str, Any], key: str, path: Path, where: str, default: str | None = None
) -> str:
    """An entry that is text.

    Raises
    ------
    RecipeError
        If it is missing and has no default, or is no text.
    """
    value = table.get(key, default)
    if value is None:
        raise RecipeError(f"{path}: [{where}] lacks '{key}'")
    if not isinstance(value, str):
        raise RecipeError(f"{path}: [{where}] {key} = {value!r} must be text in quotes")
    return value


def entries(
    kind: type[Entry], data: Mapping[str, Any], key: str, path: Path, prefix: str = ""
) -> tuple[Entry, ...]:
    """Sections that may occur more than once, each as an instance of a dataclass.

    Raises
    ------
    RecipeError
        If one has an entry of another name or type, or lacks one.
    """
    where = f"[[{prefix}{key}]]"
    entries = data.get(key, [])
    if not isinstance(entries, list):
        raise RecipeError(f"{path}: '{key}' may occur more than once and must be written {where}")
    return tuple(entry(kind, values, path, where) for values in entries)


def entry(kind: type[Entry], values: Any, path: Path, where: str) -> Entry:
    """An instance of a dataclass from a TOML table, every entry checked by name and type."""
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: {where} must be a section, not {values!r}")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in known:
            raise RecipeError(
                f"{path}: {where} has an unknown entry '{name}'; known are {', '.join(known)}"
            )
        if type(value).__name__ != known[name].type:
            kind_of_value = _IN_WORDS[str(known[name].type)]
            raise RecipeError(f"{path}: {where} {name} = {value!r} must be {kind_of_value}")
    if missing := [n for n, f in known.items() if n not in values and f.default is MISSING]:
        raise RecipeError(f"{path}: {where} lacks '{missing[0]}'")
    return kind(**values)
