"""A command as a value: its config, its inputs, what it writes, and the function that does it.

One :class:`Stage` serves the command line (:mod:`stressnet.cli.commands` makes a command of it)
and Python: called with its inputs, the output folder and options by name, it opens the inputs,
opens the run folder, and runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from stressnet.errors import ConfigError
from stressnet.runs.folder import RunFolder
from stressnet.runs.options import files_in, make_config
from stressnet.runs.work import Progress, Work


@dataclass(frozen=True)
class Input:
    """Something that a command reads, named on the command line by its place.

    ``opener`` is the ``module:function`` that opens a path (where ``several`` are taken, a list of
    paths) and checks the kind; empty passes the path on. ``on_device`` says whether it takes
    ``device``, for networks.
    """

    name: str
    opener: str = ""
    several: bool = False
    on_device: bool = False

    def open(self, given: Any, device: str) -> Any:
        """The input itself; what is open already is passed on."""
        from stressnet.runs.checks import check_files

        each = given if self.several and not isinstance(given, str | Path) else [given]
        if not all(isinstance(one, str | Path) for one in each):
            return given
        paths = [Path(one) for one in each]
        for path in paths:
            check_files(path)
        named: Any = paths if self.several else paths[0]
        if not self.opener:
            return named
        opener = load(self.opener)
        return opener(named, device=device) if self.on_device else opener(named)


_NETWORK = "stressnet.models.checkpoint:TrainedNetwork"

CORPUS = Input("corpus", "stressnet.corpus.store:Corpus.checked")
MODEL = Input("model", f"{_NETWORK}.load", on_device=True)
MODELS = Input("model", "stressnet.evaluation.sets:load_models", several=True, on_device=True)
DISYLLABLES = Input("corpus", "stressnet.corpus.store:Corpus.of_disyllables")
"""The same of any contrast, where `CORPUS` and `MODEL` refuse others than stress."""
ANY_CORPUS = Input("corpus", "stressnet.corpus.store:Corpus.of_any_length")
ANY_MODEL = Input("model", f"{_NETWORK}.of_any_length", on_device=True)
"""The same, also of words of more than two syllables, which `CORPUS` and `MODEL` refuse."""


def load(name: str) -> Any:
    """The object that ``module:name`` names, imported when it is first needed."""
    module, _, path = name.partition(":")
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value


@dataclass(frozen=True)
class Stage:
    """A command."""

    name: str  # Of the command, after that of its group if it is in one, e.g. `corpus export`
    config: type  # Class of its config, see `stressnet.runs.options`
    # `module:function`, called with the config, the opened inputs and the run folder (or, if it
    # writes none, the work); by default `run` of the module `run` beside its config.
    run: str = ""
    # What the folder that it writes holds; empty if it writes none. A config with a `kind` says it
    # itself.
    kind: str = ""
    inputs: tuple[Input, ...] = ()  # In the order of the command line
    output: str = "out"  # Name of the output folder on the help page
    default_output: str = ""  # Its default; the folder is then the option `--out`
    # `module:function` that turns the result into what is printed; empty prints its `text`.
    text: str = ""
    # What may fail item by item, in the plural with a verb, e.g. `tokens could not be projected`;
    # empty if nothing can.
    items: str = ""
    # Whether there are worker processes, and whether networks run.
    has_jobs: bool = False
    has_device: bool = False
    reuse: bool = False  # Whether the same command, repeated, accepts its finished folder
    # What the last line of output calls the folder; by default the output's own name, else its
    # kind.
    done: str = ""
    # What it does: a first line, an empty line, then the rest; by default the docstring of its
    # config's module.
    help: str = ""

    def __call__(
        self,
        *given: Any,
        config: Any = None,
        overwrite: bool = False,
        jobs: int = 1,
        device: str = "cpu",
        progress: Progress | None = None,
        executor: Any = None,
        **options: Any,
    ) -> Any:
        """Run the command.

        Parameters
        ----------
        *given
            The inputs, as paths or opened, then the output folder if it writes one.
        config, **options
            The whole config; or its fields by name.
        overwrite : bool
            Replace a folder of the same kind.
        jobs, device, progress, executor
            See :class:`stressnet.runs.work.Work`.
        """
        if config is not None and options:
            raise ConfigError(f"{self.name}: give a config or its fields, not both")
        if config is not None:
            options = {item.name: getattr(config, item.name) for item in fields(config)}
        config = make_config(self.config, options)
        work = Work(jobs, device, progress or Progress(verbose=False), executor)
        *inputs, out = given if self.kind else (*given, None)
        return self.execute(inputs, out, config, work, overwrite=overwrite)[0]

    def execute(
        self, given: Sequence[Any], out: Any, config: Any, work: Work, **asked: bool
    ) -> tuple[Any, RunFolder | None]:
        """The command's result, and the run folder if it writes one."""
        if len(given) != len(self.inputs):
            names = ", ".join(one.name for one in self.inputs)
            raise ConfigError(f"{self.name}: takes {names or 'no input'}, got {len(given)}")
        pairs = zip(self.inputs, given, strict=True)
        opened = [one.open(path, work.device) for one, path in pairs]
        if not self.kind:
            return self.runner(config, *opened, work), None
        inputs = [*(path for one in given for path in _paths_of(one)), *files_in(config)]
        kind = getattr(config, "kind", self.kind)
        options: dict[str, Any] = {"reuse": self.reuse, "work": work, **asked}
        with RunFolder(Path(out), kind, inputs=inputs, **options) as folder:
            folder.has_failures = bool(self.items)
            return self.runner(config, *opened, folder), folder

    @property
    def runner(self) -> Callable[..., Any]:
        """The function that does it."""
        function: Callable[..., Any] = load(self.run or f"{self.config.__module__}.run:run")
        return function

    @property
    def noun(self) -> str:
        """What the last line of output calls the folder."""
        return self.done or (self.kind if self.output == "out" else self.output)


def _paths_of(given: Any) -> list[Path]:
    """Paths behind an input that is a path, something opened, or a list of them."""
    if isinstance(given, list | tuple):
        return [path for one in given for path in _paths_of(one)]
    path = getattr(given, "path", given)
    return [Path(path)] if isinstance(path, str | Path) else []
