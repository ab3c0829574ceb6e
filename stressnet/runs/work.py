"""How a command works, and what it plans to do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from stressnet.runs.progress import Progress


def is_first_process() -> bool:
    """Whether this process writes and prints for all that torchrun started."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True)
class Step:
    """A part of the work, for ``--dry-run``: a verb, and the number of items.

    ``unit`` is what they are, in the plural; ``seconds_each`` the processor time of one, measured
    on an ordinary laptop core.
    """

    what: str
    n: int
    unit: str = "tokens"
    seconds_each: float = 0.0


@dataclass(frozen=True)
class Work:
    """How a command works; nothing here changes its result.

    ``device`` is ``cpu``, ``cuda`` or ``auto``, for networks; ``executor`` is used instead of
    worker processes (``jobs``) here.
    """

    jobs: int = 1
    device: str = "cpu"
    progress: Progress = field(default_factory=lambda: Progress(verbose=False))
    executor: Executor | None = None


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
