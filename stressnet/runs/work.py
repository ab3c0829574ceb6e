"""How a command works, what it plans to do, and its progress on stderr."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

_HIDDEN = re.compile(
    r"(?!\r\n)[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that a terminal acts on, or that no encoding has (from names that are not UTF-8)."""


def shown(text: str) -> str:
    """Text with what a terminal would act on, e.g. colours in a file's name, written as escapes."""
    return _HIDDEN.sub(lambda match: repr(match[0])[1:-1], text)


class Progress:
    """Shows stages with bars on stderr, if ``verbose``; ``seconds`` is the wall time of each."""

    def __init__(self, verbose: bool = True) -> None:
        self.verbose = verbose
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """One line on stderr."""
        if self.verbose:
            print(shown(text), file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "it") -> Iterator[tqdm]:
        """A stage with a bar; the bar's ``update`` counts finished items."""
        from tqdm import tqdm

        name = shown(name)
        started = time.perf_counter()
        interactive = sys.stderr.isatty()
        with tqdm(
            total=total,
            desc=f"{name:<12}",
            unit=unit,
            disable=not self.verbose or not interactive,
            file=sys.stderr,
            dynamic_ncols=True,
        ) as bar:
            yield bar
        elapsed = time.perf_counter() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
        if self.verbose and not interactive:
            counted = f"{total} {unit}, " if total is not None else ""
            print(f"{name:<12} {counted}{elapsed:.1f} s", file=sys.stderr, flush=True)


def is_first_process() -> bool:
    """Whether this process writes and prints for all that torchrun started."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True)
class Step:
    """A part of the work, for ``--dry-run``: a verb, and the number of items."""

    what: str
    n: int
    unit: str = "tokens"  # What they are, in the plural
    seconds_each: float = 0.0  # Processor time of one, measured on an ordinary laptop core


@dataclass(frozen=True)
class Work:
    """How a command works; nothing here changes its result."""

    jobs: int = 1
    device: str = "cpu"  # Of networks: `cpu`, `cuda` or `auto`
    progress: Progress = field(default_factory=lambda: Progress(verbose=False))
    executor: Executor | None = None  # Used instead of worker processes here


def plan_text(
    inputs: Mapping[str, str], options: Mapping[str, Any], steps: Sequence[Step], jobs: int
) -> list[str]:
    """Inputs with their hashes, options, the work ahead and about how long it takes, by line."""
    lines = [f"reads    {name} {digest[:12]}" for name, digest in inputs.items()]
    lines += [f"option   {name} = {value}" for name, value in options.items()]
    lines += [f"computes {step.what}: {step.n} {step.unit}" for step in steps]
    seconds = sum(step.n * step.seconds_each for step in steps) / max(1, jobs)
    return [*lines, f"time     about {max(1, round(seconds / 60))} min"] if seconds else lines


class DryRun(Exception):
    """Raised where the work would begin, with the plan as its text."""
