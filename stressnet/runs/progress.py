"""Progress on stderr, and how long each stage took."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
        """A stage with a bar; the bar's ``update`` counts finished items.

        On a terminal the bar moves; into a file only the finished state is written.
        """
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
