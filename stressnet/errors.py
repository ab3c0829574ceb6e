"""Errors that tell a user what is wrong and what to do, in one line.

Every error that stressnet raises on purpose derives from :class:`StressnetError`. Its text names
the file (or tier, or time), what is wrong, and the remedy; the command line prints it without a
traceback. Anything else that escapes is a bug.
"""

from collections.abc import Iterable
from typing import Any


class StressnetError(Exception):
    """Base of all errors raised on purpose."""


class AudioError(StressnetError):
    """An audio file that cannot be read or used."""


class TranscriptError(StressnetError):
    """A transcript that is missing, empty or unreadable."""


class LexiconError(StressnetError):
    """A word or pronunciation that cannot be handled."""


class AlignmentError(StressnetError):
    """An utterance that cannot be aligned, or an alignment that cannot be read."""


class UnknownFormatError(AlignmentError):
    """A file of which neither name nor beginning tell that it is an alignment."""


class RecipeError(StressnetError):
    """A corpus recipe that is missing or malformed."""


class CorpusError(StressnetError):
    """A corpus folder that is missing, damaged, or not the one expected."""


class FolderError(StressnetError):
    """An output folder that cannot be written, or that holds something else."""


class CheckpointError(StressnetError):
    """A model checkpoint that is damaged or does not fit the data."""


class ExplainError(StressnetError):
    """A model or operation that cannot be explained faithfully."""


class ConfigError(StressnetError):
    """A parameter out of range, or parameters that contradict each other."""


def require_columns(table: Any, columns: Iterable[str], what: str) -> None:
    """Raise :class:`ConfigError` if a DataFrame lacks columns; ``what`` names it in the message."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ConfigError(f"{what} lacks column {', '.join(missing)}")


def check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise :class:`ConfigError` for names that are unknown; it lists those there are."""
    known = list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        named = ", ".join(f"'{name}'" for name in unknown)
        raise ConfigError(f"no {what} {named}; there are {', '.join(known)}")


class MissingPartError(StressnetError):
    """An optional part is not installed or does not load."""


class ManipulationError(StressnetError):
    """A word whose cue cannot be changed as asked."""
