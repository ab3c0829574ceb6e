"""``stressnet sensitivity``: how relevance in regions moves with choices that nobody can avoid.

Width of formant bands, rules of relevance propagation, spectrogram preset with its window, and the
network itself. One sample of tokens is explained under every network and composite and projected
under every band rule; all in one table. Maps are journalled, so an interrupted run continues.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, StressnetError
from stressnet.models.registry import get_spec
from stressnet.runs.manifest import hash_data, hash_file, write_manifest
from stressnet.runs.parallel import in_order
from stressnet.runs.problems import Problem, Severity, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.workflows.assess_tokens import reference_spectrum
from stressnet.workflows.explain import choose_tokens
from stressnet.workflows.explain_maps import compute_maps
from stressnet.workflows.explain_regions import draw_donors
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.regions.from_corpus import SceneReader

TABLE = "sensitivity.csv"
CHUNK = 20
"""Tokens per task."""

DEFAULT_COMPOSITES = ("epsilon-gamma", "epsilon-plus", "epsilon-plus-flat", "epsilon-alpha2-beta1")
DEFAULT_BANDS = (
    "fixed-hz",
    "fixed-hz:*0.5",
    "fixed-hz:*1.5",
    "fixed-hz:*2",
    "fixed-bins:1.5",
    "fixed-bins:2.5",
    "bandwidth",
)
DEFAULT_REGIONS = (
    "syllable_stressed",
    "syllable_unstressed",
    "nucleus_stressed",
    "nucleus_unstressed",
    "consonants",
    *(f"F{k}_{which}" for which in ("stressed", "unstressed") for k in (1, 2, 3, 4)),
    "F0_stressed",
    "F0_unstressed",
    "valley_F1_F2_stressed",
    "valley_F2_F3_stressed",
)
MEASURES = (
    "positive_share",
    "signed_share",
    "area_share",
    "density",
    "share_in_nucleus",
    "density_in_nucleus",
    "iou",
)
"""What the table follows from setting to setting."""

SETTING_COLUMNS = (
    "model",
    "architecture",
    "preset",
    "window_s",
    "hop_s",
    "resolution_hz",
    "composite",
    "bands",
)
"""Columns that name a row's setting."""


@dataclass(frozen=True)
class SensitivityResult:
    """What ``stressnet sensitivity`` left on disk.

    Parameters
    ----------
    path : Path
        The folder.
    table : DataFrame
        One row per setting, region, class and measure.
    problems : list of Problem
        Tokens that could not be projected under some setting.
    """

    path: Path
    table: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    corpus: Path
    preset: str
    maps: Path
    bands: tuple[str, ...]
    regions: tuple[str, ...]
    token_ids: list[str]
    map_indices: list[int]
    donor_ids: list[list[str]]


def measure_sensitivity(
    corpus_path: Path,
    model_paths: Sequence[Path],
    out: Path,
    *,
    composites: Sequence[str] | None = None,
    bands: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    max_tokens: int = 100,
    seed: int = 0,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SensitivityResult:
    """Explain and project a sample of tokens under every combination of choices.

    Parameters
    ----------
    corpus_path : Path
        A built corpus with the spectrograms of every network's preset.
    model_paths : sequence of Path
        Checkpoints. Presets and windows are compared by networks trained on each; all explain the
        same tokens.
    out : Path
        Folder to write.
    composites, bands, regions : sequence of str, optional
        Rules, widths of formant bands (:meth:`stressnet.regions.BandRule.parse`) and regions;
        :data:`DEFAULT_COMPOSITES`, :data:`DEFAULT_BANDS`, :data:`DEFAULT_REGIONS` if left out.
    splits : sequence of str, optional
        Which tokens; all test sets if left out.
    max_tokens : int
        Size of the sample.
    seed : int
        For the sample and the null's exchanges.
    jobs : int
        Workers; the result does not depend on it.
    overwrite : bool
        Replace what is in ``out``.

    Returns
    -------
    SensitivityResult
        ``table`` has :data:`SETTING_COLUMNS`, ``region``, ``stress``, ``measure``, ``mean`` with
        its interval, ``null_mean`` and ``ratio`` (to the null of exchanged tracks and times),
        ``reference_mean`` (the mean under the first network, composite and band rule),
        ``change`` (mean minus reference over tokens that have both) with its interval, and counts.

    Raises
    ------
    ConfigError
        If a composite, band rule or region is unknown, or two networks have one name.
    CheckpointError
        If a network does not fit the corpus, or ``out`` holds something else.
    """
    import pandas as pd

    from stressnet.explain import COMPOSITES
    from stressnet.explain.composites import suited
    from stressnet.explain.reference import REFERENCED
    from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
    from stressnet.regions import BandRule, get_regions

    progress = progress or Progress(verbose=False)
    usable = (*COMPOSITES, *REFERENCED)
    unknown = [name for name in composites or () if name not in usable]
    if unknown:
        raise ConfigError(f"no composite {', '.join(unknown)}; there are {', '.join(usable)}")
    widths = _distinct([str(BandRule.parse(text)) for text in bands or DEFAULT_BANDS], "band rule")
    names = _distinct(regions or DEFAULT_REGIONS, "region")
    get_regions(names)
    labels = _distinct([path.resolve().name for path in model_paths], "network")
    corpus = Corpus.open(corpus_path)
    chosen = choose_tokens(corpus, splits or TEST_SPLITS, max_tokens, seed)
    donors, _ = draw_donors(chosen, seed)
    loaded = [load_checkpoint(path) for path in model_paths]
    usual: tuple[str, ...] = DEFAULT_COMPOSITES
    for _, info in loaded:
        usual = suited(usual, get_spec(info.architecture).composite)
    rules = _distinct(composites or usual, "composite")
    for _, info in loaded:
        images = corpus.images(info.preset)
        info.check_input(info.preset, images.preset, images.axes.shape)
    parameters = {
        "corpus": str(corpus_path),
        "models": [str(path) for path in model_paths],
        "composites": list(rules),
        "bands": list(widths),
        "regions": list(names),
        "splits": list(splits or TEST_SPLITS),
        "max_tokens": max_tokens,
        "seed": seed,
    }
    inputs = {"corpus": corpus.fingerprint}
    inputs |= {
        f"model {label}": hash_file(path / WEIGHTS_NAME)
        for label, path in zip(labels, model_paths, strict=True)
    }
    content = {k: v for k, v in parameters.items() if k not in ("corpus", "models")}
    request = hash_data([content, inputs, len(chosen)])
    claim_folder(out, request, overwrite, "sensitivity")

    image_index = chosen["image"].to_numpy()
    parts: list[pd.DataFrame] = []
    problems: list[Problem] = []
    for label, (model, info) in zip(labels, loaded, strict=True):
        images = corpus.images(info.preset)
        for composite in rules:
            file = out / "state" / f"{label}-{composite}.npy"
            file.parent.mkdir(exist_ok=True)
            with progress.stage(f"{label} {composite}", len(chosen), "token") as bar:
                compute_maps(
                    file,
                    model,
                    images,
                    image_index,
                    composite,
                    "logit-difference",
                    bar,
                    journal_file=file.with_suffix(".jsonl"),
                    spectrum=reference_spectrum(corpus, images, chosen, [composite]),
                )
            tasks = _tasks(corpus_path, info.preset, file, widths, names, chosen, donors)
            with progress.stage("project", len(chosen), "token") as bar:
                for task, (table, lost) in zip(
                    tasks, in_order(_project_chunk, tasks, jobs), strict=True
                ):
                    if table is not None:
                        parts.append(table.assign(model=label, composite=composite))
                    problems += [replace(p, stage=f"{label} {composite}") for p in lost]
                    bar.update(len(task.token_ids))
    write_problems(out / "failures.csv", problems)
    if not parts:
        raise ConfigError(f"{out}: no token could be projected; see failures.csv there")
    with progress.stage("summarise"):
        known = chosen[["token_id", "word", "family", "speaker", "stress"]]
        measured = pd.concat(parts, ignore_index=True).merge(known, on="token_id")
        table = _summarise(measured, (labels[0], rules[0], widths[0]))
        described = pd.DataFrame(
            [
                _described(label, info, corpus)
                for label, (_, info) in zip(labels, loaded, strict=True)
            ]
        )
        table = table.merge(described, on="model", how="left")
        rest = [column for column in table.columns if column not in SETTING_COLUMNS]
        table = table[[*SETTING_COLUMNS, *rest]]
        table.to_csv(out / TABLE, index=False)
    write_manifest(
        out,
        "sensitivity",
        parameters={**parameters, "request": request},
        inputs=inputs,
        outputs=[out / TABLE],
        results={"n_tokens": len(chosen), "problems": count_problems(problems)},
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    return SensitivityResult(out, table, problems)


def _distinct(values: Sequence[str], what: str) -> tuple[str, ...]:
    doubled = sorted({value for value in values if list(values).count(value) > 1})
    if doubled:
        raise ConfigError(f"{what} {', '.join(doubled)} is given twice")
    return tuple(values)


def _described(label: str, info: Any, corpus: Corpus) -> dict[str, Any]:
    from stressnet.acoustics.spectrogram import SpectrogramPreset

    preset = SpectrogramPreset.from_dict(corpus.images(info.preset).preset)
    return {
        "model": label,
        "architecture": info.architecture,
        "preset": info.preset,
        "window_s": preset.window_s,
        "hop_s": preset.hop_s,
        "resolution_hz": round(preset.resolution_hz, 2),
    }


def _tasks(
    corpus: Path,
    preset: str,
    maps: Path,
    bands: tuple[str, ...],
    regions: tuple[str, ...],
    chosen: pd.DataFrame,
    donors: list[list[str]],
) -> list[_Task]:
    ids = chosen["token_id"].tolist()
    return [
        _Task(
            corpus,
            preset,
            maps,
            bands,
            regions,
            ids[start : start + CHUNK],
            list(range(len(ids)))[start : start + CHUNK],
            donors[start : start + CHUNK],
        )
        for start in range(0, len(ids), CHUNK)
    ]


@lru_cache(maxsize=4)
def _reader(corpus_path: Path, preset: str) -> SceneReader:
    from stressnet.regions.from_corpus import SceneReader

    return SceneReader(Corpus.open(corpus_path), preset)


def _project_chunk(task: _Task) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Measures of every region under every band rule; regions of times only under the first."""
    import pandas as pd

    from stressnet.regions import BandRule, get_regions
    from stressnet.regions.projection import project

    reader = _reader(task.corpus, task.preset)
    maps = np.load(task.maps, mmap_mode="r")
    drawn = [r.name for r in get_regions(task.regions) if r.exchange == "tracks"]
    rows, problems = [], []
    for token_id, index, donor_ids in zip(
        task.token_ids, task.map_indices, task.donor_ids, strict=True
    ):
        try:
            scene = reader.scene(token_id, surroundings=False)
            others = [reader.scene(donor, surroundings=False) for donor in donor_ids]
            found = []
            for i, text in enumerate(task.bands):
                rule = BandRule.parse(text)
                records = project(
                    maps[index],
                    replace(scene, bands=rule),
                    regions=task.regions if i == 0 else drawn,
                    donors=[replace(other, bands=rule) for other in others],
                )
                found += [{"token_id": token_id, "bands": text, **record} for record in records]
            rows += found
        except StressnetError as error:
            problems.append(Problem(token_id, "project", Severity.ERROR, str(error)))
    return (pd.DataFrame(rows) if rows else None), problems


def _summarise(measured: pd.DataFrame, reference: tuple[str, str, str]) -> pd.DataFrame:
    """Means, ratios to the null and changes from the reference setting, per setting and region."""
    from stressnet.statistics import summarise

    keys = ["model", "composite", "bands", "region"]
    # A setting is a region of its own for the summary, which looks at all of them in one pass.
    settings = measured[keys].drop_duplicates().to_numpy()
    index = measured.groupby(keys, sort=False).ngroup()
    table = measured.assign(region=index.astype(str))
    against_null = summarise(table, measures=MEASURES)

    at_reference = (measured[keys[:3]] == list(reference)).all(axis=1)
    base = measured.loc[at_reference, ["token_id", "region", *MEASURES]]
    base = base.rename(columns={m: f"null_{m}" for m in MEASURES})
    plain = measured.drop(columns=[f"null_{m}" for m in MEASURES if f"null_{m}" in measured])
    paired = plain.merge(base, on=["token_id", "region"], how="left")
    paired = paired.assign(region=table["region"].to_numpy())
    changes = summarise(paired, measures=MEASURES)
    kept = ["stress", "measure", "mean", "mean_low", "mean_high", "null_mean"]
    kept += ["ratio", "ratio_low", "ratio_high"]
    result = against_null[kept].assign(
        reference_mean=changes["null_mean"],
        change=changes["difference"],
        change_low=changes["difference_low"],
        change_high=changes["difference_high"],
        **{n: against_null[n] for n in ("n_tokens", "n_words", "n_speakers", "n_missing")},
    )
    named = settings[against_null["region"].astype(int)]
    for position, key in enumerate(keys):
        result.insert(position, key, named[:, position])
    # In the order in which settings and regions were asked for.
    order = {key: list(dict.fromkeys(measured[key])) for key in keys}
    ranks = [result[key].map({v: i for i, v in enumerate(order[key])}) for key in keys]
    place = np.lexsort([np.arange(len(result)), *(r.to_numpy() for r in reversed(ranks))])
    return result.iloc[place].reset_index(drop=True)


def sensitivity_text(table: pd.DataFrame) -> str:
    """The table for people: density over null density per region and setting."""
    rows = table[(table["measure"] == "density") & (table["stress"] == "ALL")]
    lines = ["density of relevance (ratio to the null of other tokens' tracks and times)"]
    settings = rows[["model", "composite", "bands"]].drop_duplicates()
    first = settings.iloc[0]
    for what, fixed in (
        ("bands", ("model", "composite")),
        ("composite", ("model", "bands")),
        ("model", ("composite", "bands")),
    ):
        part = rows
        for column in fixed:
            part = part[part[column] == first[column]]
        values = list(dict.fromkeys(part[what]))
        if len(values) < 2:
            continue
        width = max(14, *(len(value) + 2 for value in values))
        lines += ["", f"{'by ' + what:<24}" + "".join(f"{value:>{width}}" for value in values)]
        cells = part.set_index(["region", what])[["mean", "ratio"]].to_dict("index")
        for region in dict.fromkeys(part["region"]):
            if sum((region, value) in cells for value in values) < 2:
                continue  # regions of times do not change with the band rule
            line = f"{region:<24}"
            for value in values:
                cell = cells.get((region, value))
                known = cell is not None and np.isfinite(cell["mean"])
                text = f"{cell['mean']:.2f} ({cell['ratio']:.2f})" if known and cell else "-"
                line += f"{text:>{width}}"
            lines.append(line)
    return "\n".join(lines)
