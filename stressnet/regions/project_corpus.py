"""Maps projected onto regions, token by token, in workers; tables written as they come.

A worker opens the corpus once. Results are written in the order of the tokens, a group of rows at a
time, so that memory does not grow with their number. A token that cannot be projected is recorded
and left out.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.axes import FloatArray
from stressnet.corpus.store import Corpus
from stressnet.errors import StressnetError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.pronunciation import bare
from stressnet.lexicon.stress import Stress
from stressnet.regions import get_regions, load_regions
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.measures import MEASURES
from stressnet.regions.nulls import EXCHANGE, applies, draw_partners, matched_share
from stressnet.regions.partition import partition
from stressnet.regions.projection import (
    NULL_MEASURES,
    ControlKey,
    Projection,
    project_map,
    project_masks,
)
from stressnet.regions.scene import BandRule
from stressnet.runs.folder import RunFolder
from stressnet.runs.parallel import in_order
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.tables import TableStream

PROJECTION_CHUNK = 50  # Tokens per projection task
N_DONORS = 2  # Tokens with which each token's tracks and times are exchanged for the null

RELEVANCE, NULLS, PARTITIONS = "relevance.parquet", "nulls.parquet", "partitions.parquet"
PARTITION_MEASURES = (
    *("signed_share", "net_share", "positive_share", "absolute_share"),
    *("area_share", "area_share_image", "energy_share", "density"),
)
"""Measures of ``partitions.parquet``; all but the density add up over a token's partition."""

MATCHES = ("both vowels, sex, class", "stressed vowel, sex, class", "stressed vowel, sex", "sex")
"""What a token and its donors have in common, from the finest stratum to the coarsest."""


@dataclass(frozen=True)
class ProjectionSettings:
    """What is projected: a file of maps under a preset, with a width of formant bands.

    `shifts` are of :data:`stressnet.regions.nulls.SHIFTS`, `partitions` of
    :data:`stressnet.regions.partition.PARTITIONS`; files may register further regions.
    """

    preset: str
    bands: BandRule
    maps: Path
    shifts: tuple[str, ...] = ()
    region_files: tuple[Path, ...] = ()
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControlMaps:
    """Maps of another network, or of the input, for some tokens in the order of the run.

    A null may have several draws: the seeds of untrained networks. Signs are 1 where the network
    says INITIAL, -1 where FINAL: its maps are turned towards its own verdict.
    """

    null: str
    draw: int | None
    file: Path
    token_ids: list[str]
    signs: list[float]

    def part(self, token_ids: Collection[str]) -> dict[str, tuple[int, float]]:
        """Row and sign of those of the given tokens that have a map."""
        rows = zip(self.token_ids, self.signs, strict=True)
        return {token: (row, sign) for row, (token, sign) in enumerate(rows) if token in token_ids}


@dataclass(frozen=True)
class _Task:
    corpus: Path
    settings: ProjectionSettings
    tokens: list[tuple[int, str, float, list[str]]]  # row of its map, id, sign, donors
    controls: list[tuple[ControlKey, Path, dict[str, tuple[int, float]]]]


def project_run(
    folder: RunFolder,
    corpus_path: Path,
    settings: ProjectionSettings,
    tokens: pd.DataFrame,
    seed: int,
    controls: Sequence[ControlMaps] = (),
) -> dict[str, float]:
    """Write ``relevance.parquet``, ``nulls.parquet`` and, if wanted, ``partitions.parquet``.

    ``tokens`` is that of the run with columns ``nucleus_1``, ``nucleus_2``, ...; those that cannot
    be projected become problems of the folder. Which part of the tokens agrees with its donors in
    what comes back.
    """
    contrast = Corpus.open(corpus_path).contrast
    donors, matches = draw_donors(tokens, seed, contrast)
    # Maps of longer words are of their own class already.
    second = (tokens[contrast.column] == contrast.classes[-1]) & contrast.is_pair
    signs = np.where(second, -1.0, 1.0).tolist()
    rows = list(zip(tokens["map_index"], tokens["token_id"], signs, donors, strict=True))
    tasks = []
    for start in range(0, len(rows), PROJECTION_CHUNK):
        part = rows[start : start + PROJECTION_CHUNK]
        ids = {token_id for _, token_id, _, _ in part}
        others = [((c.null, c.draw), c.file, c.part(ids)) for c in controls]
        tasks.append(_Task(corpus_path, settings, part, others))
    known = tokens.set_index("token_id")[
        [*token_keys(contrast), contrast.predicted, "correct", "split"]
    ]
    streams = {name: TableStream(folder.path / name) for name in (RELEVANCE, NULLS, PARTITIONS)}
    with ExitStack() as stack:
        bar = stack.enter_context(folder.progress.stage("project", len(tokens), "token"))
        for name, stream in streams.items():
            stack.enter_context(stream)
            folder.file(name, optional=name != RELEVANCE)
        parts = in_order(_project_chunk, tasks, folder.work.jobs, folder.pool)
        for task, (parts_of_task, problems) in zip(tasks, parts, strict=True):
            folder.problems += problems
            for name, table in parts_of_task.items():
                if name == RELEVANCE:
                    about = known.loc[table["token_id"]].reset_index(drop=True)
                    table = table[["token_id"]].join(about).join(table.drop(columns="token_id"))
                streams[name].write(table)
            bar.update(len(task.tokens))
    return matches


def token_keys(contrast: Contrast) -> list[str]:
    """What ``relevance.parquet`` says of tokens for statistics."""
    return list(dict.fromkeys(("word", "family", "speaker", "stress", contrast.column)))


@lru_cache(maxsize=2)
def reader_of(corpus_path: Path, preset: str, bands: BandRule) -> SceneReader:
    """The corpus's scenes; a worker opens it once."""
    return SceneReader(Corpus.open(corpus_path), preset, bands)


def _project_chunk(task: _Task) -> tuple[dict[str, pd.DataFrame], list[Problem]]:
    """Tables of a task by their file, and what went wrong."""
    settings = task.settings
    for file in settings.region_files:
        load_regions(file)
    reader = reader_of(task.corpus, settings.preset, settings.bands)
    regions = [region.name for region in get_regions(n_syllables=reader.corpus.lengths.longest)]
    maps = np.load(settings.maps, mmap_mode="r")
    others = [(key, np.load(file, mmap_mode="r"), rows) for key, file, rows in task.controls]
    done: dict[str, Projection] = {}
    pieces: list[dict[str, Any]] = []
    problems = []
    for index, token_id, sign, donors in task.tokens:
        try:
            scene = reader.scene(token_id)
            power = reader.power(token_id)
            done[token_id] = project_map(
                maps[index] * sign,
                scene,
                power=power,
                regions=regions,
                positive_for=None,
                donors=[reader.scene(donor, surroundings=False) for donor in donors],
                shifts=settings.shifts,
                other_maps={
                    key: other[rows[token_id][0]] * rows[token_id][1]
                    for key, other, rows in others
                    if token_id in rows
                },
            )
            for name in settings.partitions:
                masks = partition(scene, name, split_cells=True)
                own = maps[index] * sign
                for row in project_masks(own, scene, masks, power=power, positive_for=None):
                    kept = {measure: row[measure] for measure in PARTITION_MEASURES}
                    region = {"partition": name, "region": row["region"]}
                    pieces.append({"token_id": token_id, **region, **kept})
        except StressnetError as error:
            problems.append(Problem(token_id, "project", Severity.ERROR, str(error)))
    return _tables(done, pieces), problems


def _tables(done: dict[str, Projection], pieces: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Tables of some tokens, column by column: a dictionary per row costs as much as the sums."""

    if not done:
        return {}
    first = next(iter(done.values()))
    nothing = np.full(first.values.shape, np.nan)
    exchanged = [p.nulls.get(EXCHANGE, nothing) for p in done.values()]
    pairs = zip((p.values for p in done.values()), exchanged, strict=True)
    missing = np.array([reason for one in done.values() for reason in one.missing], dtype=object)
    relevance = _measured(done, {"missing": missing}, list(pairs))
    if EXCHANGE not in first.nulls:
        relevance = relevance.drop(columns=[f"null_{name}" for name in NULL_MEASURES])
    tables = {RELEVANCE: relevance}
    keys: list[ControlKey] = [(null, None) for null in first.nulls]
    keys += dict.fromkeys(key for one in done.values() for key in one.others)
    rows = [_null_rows(null, draw, done) for null, draw in keys]
    if rows:
        tables[NULLS] = pd.concat(rows, ignore_index=True)
    if pieces:
        tables[PARTITIONS] = pd.DataFrame(pieces)
    return tables


def _measured(
    done: Mapping[str, Projection],
    about: Mapping[str, Any],
    pairs: Sequence[tuple[FloatArray, FloatArray]],
) -> pd.DataFrame:
    """A row per token and region, with measures of a map and of the same under the exchange."""

    regions = [region.name for region in next(iter(done.values())).regions]
    values, exchanged = (np.concatenate(each) for each in zip(*pairs, strict=True))
    columns: dict[str, Any] = {
        "token_id": np.repeat(np.array(list(done), dtype=object), len(regions)),
        "region": np.array(regions * len(done), dtype=object),
        **about,
        **{name: values[:, i] for i, name in enumerate(MEASURES)},
        **{f"null_{name}": exchanged[:, MEASURES.index(name)] for name in NULL_MEASURES},
    }
    return pd.DataFrame(columns)


def _null_rows(null: str, draw: int | None, done: Mapping[str, Projection]) -> pd.DataFrame:
    """Rows of one null, for the tokens that have it and regions of which it says something."""

    having = {t: p for t, p in done.items() if null in p.nulls or (null, draw) in p.others}
    first = next(iter(having.values()))
    nothing = np.full(first.values.shape, np.nan)
    pairs = [
        (p.nulls[null], nothing) if null in p.nulls else p.others[null, draw]
        for p in having.values()
    ]
    missing = [reason for p in having.values() for reason in p.missing]
    there = np.array([applies(null, region) for region in first.regions] * len(having))
    there &= np.array(missing, dtype=object) == ""
    of_null = np.full(len(there), null, dtype=object)
    about = {"null": of_null, "draw": pd.array([draw] * len(there), dtype="Int64")}
    return _measured(having, about, pairs)[there]


def draw_donors(
    tokens: pd.DataFrame, seed: int, contrast: Contrast = STRESS
) -> tuple[list[list[str]], dict[str, float]]:
    """For each token the ids of :data:`N_DONORS` others that lend it tracks and times.

    Donors are tokens of other word families. They share sex, class and both vowels where the tokens
    allow, else sex, class and the stressed vowel, else sex and that vowel, else sex; among those
    they are near in duration. Also returns which part of the tokens agrees with its donors in each
    of :data:`MATCHES`.
    """
    if len(tokens) < 2:
        return [[] for _ in range(len(tokens))], {}
    rng = np.random.default_rng([seed, 3])
    ids = tokens["token_id"].to_numpy()
    columns = [name for name in tokens if re.fullmatch(r"nucleus_\d", str(name))]
    vowels = [[bare(v) for v in row if isinstance(v, str)] for row in tokens[columns].to_numpy()]
    stress, sex = tokens["stress"].tolist(), tokens["sex"].tolist()
    own = [row[Stress(s).syllable(len(row))] for row, s in zip(vowels, stress, strict=True)]
    if not contrast.is_stress:
        stress = [f"{s} {one}" for s, one in zip(stress, tokens[contrast.column], strict=True)]
    strata = [
        [" ".join((*row, *rest)) for row, *rest in zip(vowels, sex, stress, strict=True)],
        [" ".join(parts) for parts in zip(own, sex, stress, strict=True)],
        [" ".join(parts) for parts in zip(own, sex, strict=True)],
        [str(s) for s in sex],
    ]
    durations = tokens["duration_s"].to_numpy()
    groups = tokens["family"].tolist()
    drawn = [draw_partners(durations, rng, groups=groups, strata=strata) for _ in range(N_DONORS)]
    shares = np.mean([matched_share(partner, strata) for partner in drawn], axis=0)
    donors = [[str(ids[partner[i]]) for partner in drawn] for i in range(len(tokens))]
    return donors, dict(zip(MATCHES, shares.tolist(), strict=True))
