"""TOML files that people write: read, and their entries checked by name and type."""

import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from stressnet.errors import StressnetError

Entry = TypeVar("Entry")
_IN_WORDS: dict[Any, str] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list[str]: "a list of texts in quotes",
}


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


def entry(
    kind: type[Entry], values: Any, path: Path, where: str, error: type[StressnetError]
) -> Entry:
    """An instance of a dataclass from a section, every entry checked by name and type.

    ``where`` is the section in messages, ``[[run]]``; ``error`` is raised if an entry is unknown,
    missing, or of another type.
    """
    if not isinstance(values, dict):
        raise error(f"{path}: {where} must be a section, not {values!r}")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    types, checked = get_type_hints(kind), {}
    for name, value in values.items():
        if name not in known:
            raise error(
                f"{path}: {where} has an unknown entry '{name}'; known are {', '.join(known)}"
            )
        checked[name] = typed(value, types[name], f"{path}: {where} {name}", error)
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise error(f"{path}: {where} lacks '{name}'")
    return kind(**checked)


def typed(value: Any, kind: Any, where: str, error: type[StressnetError]) -> Any:
    """A value of the type that a dataclass declares; an error says at which place it is not."""
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise error(f"{where} is beyond all numbers") from None
    is_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    if not (is_texts if kind == list[str] else type(value) is kind):
        raise error(f"{where} = {value!r} must be {_IN_WORDS[kind]}")
    return value
