"""What the commands share: options of one shape everywhere, and exit codes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

EXIT_FAILED = 1
EXIT_SOME_FAILED = 3
EXIT_INTERRUPTED = 130

PATH = click.Path(path_type=Path)


class ModelPath(click.ParamType):
    """A checkpoint folder, or ``pretrained`` for the network in the package."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The folder; a folder of that name comes first."""
        path = Path(value)
        if str(value) == "pretrained" and not path.exists():
            from stressnet.pretrained import pretrained_folder

            return pretrained_folder()
        return path


MODEL = ModelPath()
DEFAULT_JOBS = max(1, min(os.cpu_count() or 1, 8))


def quiet_option(function: Any) -> Any:
    """``-q``: no progress."""
    return click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")(function)


def seed_option(function: Any) -> Any:
    """``--seed``."""
    return click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed."
    )(function)
