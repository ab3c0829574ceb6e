"""Maps projected onto regions under several widths of formant bands, some tokens at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stressnet.errors import StressnetError
from stressnet.regions.project_corpus import reader_of
from stressnet.runs.problems import Problem, Severity

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BandTask:
    """Some tokens to be projected under every band rule."""

    corpus: Path
    preset: str
    maps: Path
    bands: tuple[str, ...]
    regions: tuple[str, ...]
    token_ids: list[str]
    map_indices: list[int]
    donor_ids: list[list[str]]


def project_bands(task: BandTask) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Measures of every region under every band rule; regions of times only under the first."""
    import pandas as pd

    from stressnet.regions import BandRule, get_regions
    from stressnet.regions.projection import project_map

    reader = reader_of(task.corpus, task.preset, BandRule())
    maps = np.load(task.maps, mmap_mode="r")
    drawn = [r.name for r in get_regions(task.regions) if r.exchange == "tracks"]
    rows, problems = [], []
    for token_id, index, donor_ids in zip(
        task.token_ids, task.map_indices, task.donor_ids, strict=True
    ):
        found = []
        try:
            scene, *others = (reader.scene(i, surroundings=False) for i in (token_id, *donor_ids))
            for i, text in enumerate(task.bands):
                rule = BandRule.parse(text)
                projected = project_map(
                    maps[index],
                    replace(scene, bands=rule),
                    regions=task.regions if i == 0 else drawn,
                    donors=[replace(other, bands=rule) for other in others],
                )
                about = {"token_id": token_id, "bands": text}
                found += [about | record for record in projected.records()]
            rows += found
        except StressnetError as error:
            problems.append(Problem(token_id, "project", Severity.ERROR, str(error)))
    return (pd.DataFrame(rows) if rows else None), problems
