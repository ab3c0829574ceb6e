"""The command line: parses, calls, prints. Everything heavy is imported inside the commands.

:mod:`stressnet.cli.commands` makes a command from a stage; the others are in
:mod:`stressnet.cli.small_commands`. Exit codes: 0 all good, 1 failed, 2 wrong usage, 3 done but
some items failed (see the table named in the output), 130 interrupted and 143 terminated (run the
same command to continue).
"""

import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NoReturn

import click

from stressnet import stages
from stressnet.cli import small_commands
from stressnet.cli.commands import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    command_of,
    echo,
    echo_line,
)
from stressnet.errors import StressnetError
from stressnet.runs import Stage
from stressnet.version import __version__


class Topics(click.Group):
    """A group that lists its commands by topic, in the order of the work."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their topics."""
        for topic, names in TOPICS.items():
            rows = []
            for name in names.split():
                first = str(self.commands[name].help).strip().partition("\n\n")[0]
                rows.append((name, " ".join(first.split()).rstrip(".")))
            with formatter.section(topic):
                formatter.write_dl(rows)


TOPICS = {  # Names of all commands, as `stressnet --help` shows them
    "Start here": "demo look predict score validate build-corpus train explain report doctor",
    "Corpora": "inspect fetch recipes languages corpus",
    "Acoustic cues": "measure cue-baselines manipulate psychometrics",
    "Networks": "models evaluate ensemble card search quantise export",
    "Relevance": "stats decisive power regions word export-praat export-r",
    "What to believe": "assess validate-methods causal-agreement findings patch sensitivity",
}


@click.group(
    cls=Topics,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Which command answers which question: docs/commands.md.",
)
@click.version_option(__version__, prog_name="stressnet")
def cli() -> None:
    """How a neural network hears lexical stress.

    From recordings to a corpus of disyllabic words, a network that predicts their stress, and
    tables and figures that say which parts of the sound decided. 'stressnet demo' tries everything
    without data; 'stressnet COMMAND --help' explains one command.
    """


@cli.group("corpus")
def corpus_group() -> None:
    """Look at corpora, export them, merge them."""


STAGES = [
    one
    for module in iter_modules(stages.__path__, "stressnet.stages.")
    for one in vars(import_module(module.name)).values()
    if isinstance(one, Stage)
]
COMMANDS: tuple[Stage | click.Command, ...] = (
    *STAGES,
    *(one for one in vars(small_commands).values() if isinstance(one, click.Command)),
)
"""Stages and other commands; names with a space are those of a group."""

for command in COMMANDS:
    group, _, name = str(command.name).rpartition(" ")
    made = command_of(command) if isinstance(command, Stage) else command
    {"": cli, "corpus": corpus_group}[group].add_command(made, name)
cli.commands["stats"].params.insert(2, small_commands.EXAMPLE_OPTION)


class Terminated(KeyboardInterrupt):
    """SIGTERM, e.g. of a batch system whose time is up."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: errors become one line on stderr and an exit code."""
    before = _on_sigterm(_terminate)
    try:
        cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        is_terminated = isinstance(error.__cause__ or error, Terminated)
        word = "terminated" if is_terminated else "interrupted"
        _tell(f"{word}; run the same command again to continue", error)
        sys.exit(EXIT_TERMINATED if is_terminated else EXIT_INTERRUPTED)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        echo(text.getvalue().rstrip("\n"), err=True)
        sys.exit(error.exit_code)
    except StressnetError as error:
        _fail(str(error), error)
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}", error)
    except ValueError as error:
        if not type(error).__module__.startswith("pyarrow"):
            raise
        _fail(f"a table of an input is damaged ({error}); make its folder again", error)
    except BaseException as error:  # Praat's lack of memory is no Exception
        if not _is_lack_of_memory(error):
            raise
        _fail(
            "not enough memory; run the same command again with fewer --jobs, or with more memory",
            error,
        )
    finally:
        _on_sigterm(before)


def _tell(text: str, error: BaseException) -> None:
    """Print a message and the notes of the error behind it, one line each."""
    for line in (text, *getattr(error, "__notes__", ())):
        echo_line(line)


def _fail(text: str, error: BaseException) -> NoReturn:
    _tell(f"stressnet: {text}", error)
    if sys.stdout is sys.__stdout__:
        # What could not be printed would be tried again, and complained about, at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(EXIT_FAILED)


def _is_lack_of_memory(error: BaseException) -> bool:
    """Also torch's, Praat's, and that of a thread that finds no room to start."""
    words = ("allocate memory", "out of memory", "not enough memory", "start new thread")
    is_known = isinstance(error, RuntimeError) or type(error).__name__ == "PraatFatal"
    in_words = any(word in str(error).lower() for word in words)
    return isinstance(error, MemoryError) or (is_known and in_words)


def _terminate(*_: object) -> None:
    raise Terminated


def _on_sigterm(handler: Any) -> Any:
    """Set what SIGTERM does, and return what it did; only a main thread may."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, handler or signal.SIG_DFL)
