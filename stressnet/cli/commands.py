"""Commands of the command line, made from stages, and what all of them share.

Every command that writes a folder has, beside its own options, ``--config``, ``--dry-run``,
``--overwrite`` and ``--quiet``, and, where they apply, ``--jobs`` and ``--device``.
"""

import os
import sys
from pathlib import Path
from typing import Any

import click

from stressnet.errors import ConfigError
from stressnet.runs import Input, Progress, RunFolder, Severity, Stage, Work
from stressnet.runs.held import FAILURES
from stressnet.runs.options import Option, make_config, options_of
from stressnet.runs.stage import load
from stressnet.runs.toml_file import read_toml
from stressnet.runs.work import DryRun, is_first_process, shown

_LONGEST = 2000  # Characters of a message; damaged files can hold values of any length

EXIT_FAILED = 1
EXIT_SOME_FAILED = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

PATH = click.Path(path_type=Path)
DEFAULT_JOBS = max(1, min(os.cpu_count() or 1, 8))


def echo(text: str, err: bool = False) -> None:
    """Print text with what a terminal would act on, e.g. colours in a file's name, shown."""
    click.echo(shown(text), err=err)


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


def command_of(stage: Stage) -> click.Command:
    """The click command of a stage."""
    own = [_parameter_of(item) for item in options_of(stage.config)]
    return _Command(
        stage.name,
        params=[*_arguments(stage), *own, *_shared(stage)],
        callback=lambda **values: _execute(stage, values),
        help=stage.help or sys.modules[stage.config.__module__].__doc__,
    )


class _Command(click.Command):
    """A command whose help ends with a call as a newcomer would type it."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example: every argument that is needed is a folder called ``my-...``."""
        needed = [p for p in self.params if isinstance(p, click.Argument)]
        names = [f"my-{p.make_metavar(ctx).lower().rstrip('.')}" for p in needed]
        call = " ".join([ctx.command_path, *names])
        for name, typed in _TYPED.items():
            call = call.replace(name, typed)
        formatter.write_paragraph()
        formatter.write_text(f"Example: {call}")


_TYPED = {  # What stands in examples for arguments that are no single folder of that name
    "my-file": "word.wav --word permit",
    "my-corpora": "my-corpus another-corpus",
    "my-source": "my-run",
    "python -m ": "",
}


def _arguments(stage: Stage) -> list[click.Parameter]:
    arguments: list[click.Parameter] = [_argument(one) for one in stage.inputs]
    if stage.default_output:
        about: dict[str, Any] = {"show_default": True, "help": "Folder to write."}
        default = Path(stage.default_output)
        arguments.append(click.Option(["--out", _OUT], type=PATH, default=default, **about))
    elif stage.kind:
        arguments.append(click.Argument([_OUT], type=PATH, metavar=stage.output.upper()))
    return arguments


_OUT = "output_folder"

_SHOWN = 5  # Failed items that are named on stderr


def _argument(one: Input) -> click.Argument:
    metavar, nargs = one.name.upper(), 1
    if one.several:
        metavar, nargs = f"{metavar}...", -1
    name = f"input_{one.name}"
    return click.Argument([name], type=PATH, nargs=nargs, required=True, metavar=metavar)


def _parameter_of(item: Option) -> click.Option:
    """The click option of a declared option."""
    text, several = item.help, item.repeatable and not item.separated
    if several:
        text = text.rstrip(".") + "; may be repeated."
    if item.default_text:
        text += f"  [default: {item.default_text}]"
    default = ",".join(item.default) or None if item.separated else item.default
    shared: dict[str, Any] = {"help": text, "default": default}
    if item.type is bool:
        return _switch(item, shared)
    kind: Any = {str: click.STRING, int: click.INT, float: click.FLOAT, Path: PATH}[item.type]
    if item.choices:
        kind = click.Choice(item.choices)
    elif item.minimum is not None:
        whole = item.type is int
        kind = click.IntRange(int(item.minimum)) if whole else click.FloatRange(item.minimum)
    return click.Option(
        [*item.flag.split(","), item.name],
        type=kind,
        multiple=several,
        show_default=default not in (None, ()) and not item.default_text,
        **shared,
    )


def _switch(item: Option, shared: dict[str, Any]) -> click.Option:
    """``--audits/--no-audits``, ``--no-splits`` or ``--samples``."""
    if item.flag.startswith("--no-"):
        return click.Option([item.flag, item.name], flag_value=not item.default, **shared)
    if item.default:
        name = item.flag.removeprefix("--")
        names = f"--{name}/--no-{name}"
        return click.Option([names, item.name], show_default=True, **shared)
    return click.Option([item.flag, item.name], is_flag=True, **shared)


def _shared(stage: Stage) -> list[click.Parameter]:
    """Options that commands have in common."""
    options: list[click.Parameter] = []

    def add(*names: str, **about: Any) -> None:
        options.append(click.Option(names, **about))

    if stage.has_jobs:
        text = "Worker processes. The result does not depend on it."
        whole, cores = click.IntRange(1), "number of cores, at most 8"
        add("-j", "--jobs", type=whole, default=DEFAULT_JOBS, show_default=cores, help=text)
    if stage.has_device:
        text = "Where networks run: cpu, cuda, or auto (cuda if there is one)."
        add("--device", default="auto", show_default=True, help=text)
    if stage.kind:
        text = "TOML file with options by name; the command line wins."
        eager: dict[str, Any] = {"is_eager": True, "expose_value": False}
        add("--config", type=PATH, callback=_read_config(stage), help=text, **eager)
        text = "Check everything and show the plan; write nothing."
        add("--dry-run", is_flag=True, help=text)
        text = f"Replace the {stage.kind} that the output folder holds."
        add("--overwrite", is_flag=True, help=text)
    add("-q", "--quiet", is_flag=True, help="No progress on stderr.")
    return options


def _read_config(stage: Stage) -> Any:
    """Callback of ``--config``: the file's values become the options' defaults."""

    def callback(context: click.Context, _: click.Parameter, path: Path | None) -> None:
        if path is None:
            return
        values = read_toml(path, ConfigError)
        try:
            make_config(stage.config, values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        context.default_map = {**(context.default_map or {}), **values}

    return callback


def _execute(stage: Stage, values: dict[str, Any]) -> None:
    """Run a stage with what click parsed, print its result, and exit with the right code."""
    given = [values.pop(f"input_{one.name}") for one in stage.inputs]
    given = [list(one) if isinstance(one, tuple) else one for one in given]
    out = values.pop(_OUT, None)
    asked = {name: values.pop(name, False) for name in ("dry_run", "overwrite")}
    progress = Progress(not values.pop("quiet"))
    work = Work(values.pop("jobs", 1), values.pop("device", "cpu"), progress)
    try:
        config = make_config(stage.config, values)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    try:
        result, folder = stage.execute(given, out, config, work, **asked)
    except DryRun as plan:
        echo(str(plan))
        return
    if folder is None:
        _print(stage, result)
        _exit_for(result)
        return
    if not is_first_process():
        return
    _print(stage, result)
    echo(f"{stage.noun}: {out}")
    _tell_failures(folder)
    if folder.n_failed:
        echo(f"{folder.n_failed} {stage.items}: {folder.path / FAILURES}", err=True)
        sys.exit(EXIT_SOME_FAILED)


def _tell_failures(folder: RunFolder) -> None:
    """The first items that failed, on stderr; all of them are in the failure table."""
    lost = [p for p in folder.problems if p.severity is Severity.ERROR]
    for problem in lost[:_SHOWN]:
        echo_line(f"{problem.item}: {problem.reason}")
    if len(lost) > _SHOWN:
        echo(f"... and {len(lost) - _SHOWN} more", err=True)


def _exit_for(result: Any) -> None:
    """Tell what failed in a command that writes no folder, and exit with the right code."""
    for line in getattr(result, "messages", ()):
        echo_line(line)
    if getattr(result, "n_failed", 0):
        sys.exit(EXIT_FAILED if getattr(result, "is_empty", False) else EXIT_SOME_FAILED)


def _print(stage: Stage, result: Any) -> None:
    text = load(stage.text)(result) if stage.text else getattr(result, "text", "")
    if text:
        echo(text)
