"""What the commands share: options of one shape everywhere, and exit codes."""

import os
from pathlib import Path

import click

from stressnet.runs.work import shown

EXIT_FAILED = 1
EXIT_SOME_FAILED = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

PATH = click.Path(path_type=Path)
DEFAULT_JOBS = max(1, min(os.cpu_count() or 1, 8))


def echo(text: str, err: bool = False) -> None:
    """Print text with what a terminal would act on, e.g. colours in a file's name, shown."""
    click.echo(shown(text), err=err)


_LONGEST = 2000
"""Characters of a message; damaged files can hold values of any length."""


def echo_line(text: str) -> None:
    """Print a message on stderr as one line, whatever names it holds."""
    text = " ".join(part.strip() for part in shown(text).split("\n"))
    if len(text) > _LONGEST:  # the file stands at the beginning, the remedy at the end
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    echo(text, err=True)


quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed."
)
