"""What the commands share: options of one shape everywhere, and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
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


def jobs_option(function: Any) -> Any:
    """``-j``: worker processes."""
    return click.option(
        "-j",
        "--jobs",
        type=click.IntRange(1),
        default=DEFAULT_JOBS,
        show_default="number of cores, at most 8",
        help="Worker processes. The result does not depend on it.",
    )(function)


def seed_option(function: Any) -> Any:
    """``--seed``: for all chance."""
    return click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="For all chance."
    )(function)


def overwrite_option(function: Any) -> Any:
    """``--overwrite``: replace what stressnet wrote."""
    return click.option(
        "--overwrite", is_flag=True, help="Replace what stressnet wrote into the output folder."
    )(function)


def output_options(function: Any) -> Any:
    """``--overwrite`` and ``-q``: of every command that fills a folder."""
    return overwrite_option(quiet_option(function))


def work_options(function: Any) -> Any:
    """``-j``, ``--overwrite`` and ``-q``: of every command that fills a folder with workers."""
    return jobs_option(output_options(function))


def measured_option(function: Any) -> Any:
    """``--measured``: cues that were measured before."""
    return click.option(
        "--measured",
        type=PATH,
        help="What 'stressnet measure' wrote for CORPUS; saves measuring it.",
    )(function)


def presets_option(function: Any) -> Any:
    """``--preset``, repeatable: spectrogram presets."""
    return click.option(
        "--preset",
        "presets",
        multiple=True,
        default=("stressnet",),
        show_default=True,
        help="Spectrogram preset; may be repeated (stressnet, allouche2025).",
    )(function)


def sample_options(default: int | None = None) -> Callable[[Any], Any]:
    """``--split``, repeatable, and ``--max-tokens``: which tokens of a corpus, and how many."""

    def decorate(function: Any) -> Any:
        function = click.option(
            "--max-tokens",
            type=click.IntRange(1),
            default=default,
            show_default=default is not None,
            help="A random sample of this size.",
        )(function)
        return click.option(
            "--split",
            "splits",
            multiple=True,
            help="Which tokens; may be repeated; all for every one.  [default: all test sets]",
        )(function)

    return decorate


def names_in(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def exit_if_some_failed(n_failed: int, what: str = "") -> None:
    """End with exit code 3 if items were lost; ``what`` goes on from their number on stderr."""
    if n_failed:
        if what:
            click.echo(f"{n_failed} {what}", err=True)
        sys.exit(EXIT_SOME_FAILED)
