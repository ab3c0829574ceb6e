"""Options of a command, declared once.

A command's options are the fields of one frozen dataclass, its config. The same declaration gives
the command line its options and help texts, Python its keyword arguments, a TOML file its keys,
the manifest its parameters, and a run its identity.

Example
-------
::

    @dataclass(frozen=True)
    class EvaluateConfig:
        audits: bool = option(True, help="Run the leak audits.")
        n_resamples: int = option(2000, help="Bootstrap resamples.", minimum=100)
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from stressnet.errors import ConfigError
from stressnet.runs.manifest import hash_file

_KEY = "stressnet"


@dataclass(frozen=True)
class Option:
    """One option of a command."""

    # Field of the config, and its type: `str`, `int`, `float`, `bool` or `Path`.
    name: str
    type: type
    repeatable: bool  # Whether it takes several values, as a tuple
    default: Any  # None where the command chooses
    help: str
    # Its name on the command line, e.g. `--max-tokens`; follows from the field's name if left out.
    # `--no-...` for a field that is True by default gives a switch that turns it off.
    flag: str
    choices: tuple[str, ...] = ()  # The values allowed; empty if any is
    minimum: float | None = None
    default_text: str = ""  # Says in words what the default is, where None stands for it
    # Whether it changes the result; an unfinished run continues only under equal values.
    in_identity: bool = True
    separated: bool = False  # Whether several values are written with commas between them


def option(default: Any, **declared: Any) -> Any:
    """Field of a config that is an option of its command; ``declared`` as in :class:`Option`."""
    return field(default=default, metadata={_KEY: declared})


def seed_option() -> Any:
    """The option ``--seed``."""
    return option(0, help="Random seed.", minimum=0)


SURE = 0.8  # An answer of a smaller probability is "not sure"


def sure_option() -> Any:
    """The option ``--sure``."""
    return option(SURE, help="Below this probability, an answer is 'not sure' (0.5 to below 1).")


def check_sure(sure: float) -> None:
    """Raise :class:`ConfigError` for a limit that no probability of an answer can have."""
    if not 0.5 <= sure < 1:
        raise ConfigError(f"--sure {sure}: use 0.5 to below 1, e.g. {SURE}")


def splits_option() -> Any:
    """The option ``--split``: which tokens of a corpus."""
    text = "Tokens of this set, or 'all'."
    return option((), flag="--split", help=text, default_text="all test sets")


def max_tokens_option(default: int | None = None) -> Any:
    """The option ``--max-tokens``: a random sample."""
    return option(default, help="Random sample of this many tokens.", minimum=1)


def resamples_option(default: int, minimum: int = 100) -> Any:
    """The option ``--resamples``."""
    text = "Bootstrap resamples of the intervals."
    return option(default, flag="--resamples", minimum=minimum, help=text)


def options_of(config: Any) -> tuple[Option, ...]:
    """Options of a config class, in the order of its fields."""
    hints = get_type_hints(config)
    options = []
    for item in fields(config):
        if _KEY not in item.metadata:
            continue
        declared = {"flag": "--" + item.name.replace("_", "-"), **item.metadata[_KEY]}
        kind, repeatable = _value_type(hints[item.name])
        default = None if item.default is MISSING else item.default
        options.append(Option(item.name, kind, repeatable, default, **declared))
    return tuple(options)


def _value_type(hint: Any) -> tuple[type, bool]:
    """Type of one value, and whether there may be several."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    return hint, False


def make_config(config: type, values: Mapping[str, Any]) -> Any:
    """A config from values by field name, checked; lists become tuples, text becomes paths."""
    known: dict[str, Option] = {item.name: item for item in options_of(config)}
    rest = {item.name for item in fields(config)} - set(known)
    checked = {}
    for name, value in values.items():
        if name not in known and name not in rest:
            raise ConfigError(f"no option '{name}'; there are {', '.join(known)}")
        checked[name] = _checked(known[name], value) if name in known else value
    return config(**checked)


def _checked(item: Option, value: Any) -> Any:
    """A value in its field's type."""
    if value is None:
        return () if item.repeatable else None
    if item.repeatable:
        if item.separated and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        elif isinstance(value, str | Path):
            value = (value,)
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{item.name} = {value!r}: expected a list")
        return tuple(_one(item, part) for part in value)
    return _one(item, value)


def _one(item: Option, value: Any) -> Any:
    also = {float: (int, float), Path: (str, Path), str: (str, Path)}
    accepts: tuple[type, ...] = also.get(item.type, (item.type,))
    of_type = isinstance(value, accepts) and not (isinstance(value, bool) and item.type is not bool)
    if not of_type:
        raise ConfigError(f"{item.name} = {value!r}: expected {item.type.__name__}")
    if item.choices and value not in item.choices:
        raise ConfigError(f"{item.name} = {value!r}: choose from {', '.join(item.choices)}")
    if item.minimum is not None and value < item.minimum:
        raise ConfigError(f"{item.name} = {value}: {item.minimum:g} is the smallest value")
    converted: Any = item.type(value)
    return converted


def parameters(config: Any) -> dict[str, Any]:
    """A config's options as JSON holds them: tuples as lists, paths as text."""
    return {item.name: _plain(getattr(config, item.name)) for item in options_of(type(config))}


def identity(config: Any) -> dict[str, Any]:
    """What decides a result: options that change it, files by their content."""
    return {
        item.name: [hash_file(path) for path in files_in(config, item)]
        if item.type is Path
        else _plain(getattr(config, item.name))
        for item in options_of(type(config))
        if item.in_identity
    }


def files_in(config: Any, item: Option | None = None) -> list[Path]:
    """Files that the options of a config name (or one option), those that exist."""
    chosen = [item] if item is not None else options_of(type(config))
    paths: list[Path] = []
    for one in chosen:
        value = getattr(config, one.name)
        if one.type is Path and value is not None:
            paths += value if one.repeatable else [value]
    return [path for path in paths if path.is_file()]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
