"""What a command hands back: its folder, and whatever it read or made there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_manifest
from stressnet.runs.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command wrote; tables and counts of the manifest are attributes by their name, too."""

    path: Path
    manifest: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)  # Rows of `failures.csv`
    tables: dict[str, Any] = field(default_factory=dict)  # And what else the command found
    up_to_date: bool = False  # Nothing had to be done

    @classmethod
    def of(cls, folder: RunFolder, counts: Mapping[str, Any], **tables: Any) -> Self:
        """Finish a folder, with counts for its manifest."""
        manifest = folder.finish(counts)
        return cls(path=folder.path, manifest=manifest, problems=folder.problems, tables=tables)

    @classmethod
    def kept(cls, folder: RunFolder) -> Self:
        """What a folder holds that was finished before."""
        manifest = read_manifest(folder.path, folder.kind)
        return cls(path=folder.path, manifest=manifest, up_to_date=True)

    def __getattr__(self, name: str) -> Any:
        known = self.__dict__  # a copy that is being made has no fields yet
        for names in (known.get("tables", {}), known.get("manifest", {}).get("results", {})):
            if name in names:
                return names[name]
        raise AttributeError(f"no table or count '{name}' in {known.get('path')}")
