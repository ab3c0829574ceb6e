"""Maps projected onto regions under several widths of formant bands, some tokens at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.errors import StressnetError
from stressnet.regions import BandRule, get_regions
from stressnet.regions.project_corpus import reader_of
from stressnet.regions.projection import project_map
from stressnet.runs import Problem, RunFolder, Severity
from stressnet.runs.parallel import in_order

CHUNK = 20  # Tokens per task

Projected = tuple["pd.DataFrame | None", list[Problem]]


@dataclass(frozen=True)
class BandProjection:
    """A file of maps to be projected onto regions under every band rule.

    ``corpus`` is its folder; ``preset`` and ``maps`` are those of one network and method.
    """

    corpus: Path
    preset: str
    maps: Path
    bands: tuple[str, ...]
    regions: tuple[str, ...]


def project_bands(
    what: BandProjection,
    token_ids: Sequence[str],
    donors: Sequence[Sequence[str]],
    folder: RunFolder,
) -> Iterator[Projected]:
    """Measures of the maps of tokens (in their order), some at a time, and what failed."""
    rows = list(zip(range(len(token_ids)), token_ids, donors, strict=True))
    tasks = [(what, rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
    with folder.progress.stage("project", len(rows), "token") as bar:
        results = in_order(_project_chunk, tasks, folder.work.jobs, folder.pool)
        for (_, part), result in zip(tasks, results, strict=True):
            bar.update(len(part))
            yield result


def _project_chunk(task: tuple[BandProjection, list[tuple[int, str, Sequence[str]]]]) -> Projected:
    """Measures of every region under every band rule; regions of times only under the first."""

    what, tokens = task
    reader = reader_of(what.corpus, what.preset, BandRule())
    maps = np.load(what.maps, mmap_mode="r")
    drawn = [r.name for r in get_regions(what.regions) if r.exchange == "tracks"]
    rows, problems = [], []
    for index, token_id, donor_ids in tokens:
        found = []
        try:
            scene, *others = (reader.scene(i, surroundings=False) for i in (token_id, *donor_ids))
            for i, text in enumerate(what.bands):
                rule = BandRule.parse(text)
                projected = project_map(
                    maps[index],
                    replace(scene, bands=rule),
                    regions=what.regions if i == 0 else drawn,
                    donors=[replace(other, bands=rule) for other in others],
                )
                about = {"token_id": token_id, "bands": text}
                found += [about | record for record in projected.records()]
            rows += found
        except StressnetError as error:
            problems.append(Problem(token_id, "project", Severity.ERROR, str(error)))
    return (pd.DataFrame(rows) if rows else None), problems
