"""What a command hands back: its folder, and whatever it read or made there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from stressnet.runs.folder import RunFolder
from stressnet.runs.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command wrote.

    Parameters
    ----------
    path : Path
        The folder.
    manifest : dict
        Its manifest.
    problems : list of Problem
        Items that failed or look odd; also in ``failures.csv``.
    """

    path: Path
    manifest: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, folder: RunFolder, counts: Mapping[str, Any], **tables: Any) -> Self:
        """Finish a folder, with counts for its manifest; ``tables`` are the other fields."""
        manifest = folder.finish(counts)
        return cls(path=folder.path, manifest=manifest, problems=folder.problems, **tables)
