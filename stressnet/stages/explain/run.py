"""Relevance maps of a corpus's tokens, and their shares in regions.

Maps are written as they are computed, so memory does not grow with the corpus and an interrupted
run continues. Projection and statistics follow from the maps on disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.corpus.images import Images
from stressnet.corpus.mean_spectrum import mean_spectrum
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import ConfigError, CorpusError, check_names
from stressnet.evaluation.heard import count_heard
from stressnet.explain import COMPOSITES
from stressnet.explain.map_file import MapRequest, compute_maps
from stressnet.explain.reference import REFERENCED
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.models.registry import get_spec
from stressnet.models.untrained import N_STATISTICS, untrained_network
from stressnet.regions import BandRule, get_regions, load_regions
from stressnet.regions.nulls import SHIFTS
from stressnet.regions.partition import PARTITIONS
from stressnet.regions.project_corpus import (
    N_DONORS,
    NULLS,
    RELEVANCE,
    ControlMaps,
    ProjectionSettings,
    project_run,
    summarise_localisation,
    summarise_nulls,
)
from stressnet.runs.folder import RunFolder
from stressnet.runs.result import Result
from stressnet.runs.work import Step
from stressnet.stages.explain import ExplainConfig
from stressnet.statistics import summarise
from stressnet.statistics.stream import EXCHANGE, INPUT, UNTRAINED
from stressnet.training.calibration import temperature_of

if TYPE_CHECKING:
    import pandas as pd

NULL_NAMES = (EXCHANGE, *SHIFTS)
"""Nulls that can be asked for by name; ``all`` is all of them."""

MAX_CLOSURE = 1e-3
"""Largest residual of the ledger, relative to the explained value, that counts as closed."""


@dataclass(frozen=True, kw_only=True)
class ExplainedRun(Result):
    """What ``stressnet explain`` wrote; problems are tokens that could not be projected.

    Parameters
    ----------
    tokens : DataFrame
        One row per explained token.
    summary : DataFrame
        One row per region and class.
    summary_nulls : DataFrame or None
        The summary against further nulls, if any were asked for.
    """

    tokens: pd.DataFrame
    summary: pd.DataFrame
    summary_nulls: pd.DataFrame | None = None


def run(
    config: ExplainConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder
) -> ExplainedRun:
    """Explain a network's verdict on the tokens of a corpus.

    Raises
    ------
    ConfigError
        If a composite, null, band rule, partition or file of regions is unusable.
    CheckpointError
        If a network was trained on another preset.
    CorpusError
        If no token is left to explain, or the folder holds something else.
    """
    config = _checked(config, network)
    info = network.info
    images = corpus.images(info.preset)
    network.check_images(images)
    chosen = corpus.select(config.splits or TEST_SPLITS, config.max_tokens, config.seed)
    null_models = _null_models(config, network, corpus)
    n_control_tokens = min(config.control_tokens, len(chosen)) if config.untrained else 0
    folder.begin(
        config,
        inputs={
            "corpus": corpus.fingerprint,
            "model": network.digest,
            **{f"null model {name}": other.digest for name, other in null_models.items()},
        },
        notes={
            "corpus": str(corpus.path),
            "model": str(network.path),
            "preset": info.preset,
            "n_donors": N_DONORS,
            "regions": [region.name for region in get_regions()],
            "network": {"architecture": info.architecture, "seed": info.seed},
        },
        steps=[
            Step(
                "explain",
                len(chosen) * (1 + len(null_models)) + n_control_tokens * config.untrained,
                seconds_each=0.02,
            ),
            Step("project", len(chosen), seconds_each=0.05),
            Step("project controls", n_control_tokens * (1 + config.untrained), seconds_each=0.03),
        ],
    )

    request = MapRequest(
        chosen.image_index,
        str(config.composite),
        config.seed_output,
        Stress.INITIAL.class_index,
        mean_spectrum(corpus, images, chosen.tokens) if config.composite in REFERENCED else None,
        temperature_of(network),
    )

    def explain(
        name: str, model: Any, file: Path, part: Selection
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        with (
            folder.journal(name) as journal,
            folder.progress.stage(name, len(part), "token") as bar,
        ):
            wanted = replace(request, index=part.image_index)
            return compute_maps(file, model, images, wanted, journal, bar)

    verdicts, ledger = explain("explain", network.model, folder.file("maps.npy"), chosen)
    controls, accuracy = _controls(config, network, corpus, chosen, null_models, explain, folder)
    shutil.copyfile(corpus.axes_file(info.preset), folder.file("axes.json"))
    tokens = token_table(chosen.tokens, verdicts)
    folder.table("tokens.parquet", tokens)
    folder.table("ledger.csv", ledger)
    matches = _project(config, corpus, info.preset, chosen, tokens, controls, folder)
    with folder.progress.stage("summarise"):
        summary, summary_nulls = _summarise(folder)
    counts = {
        **_conservation(tokens),
        "trained_on_this_corpus": info.corpus_hash == corpus.fingerprint,
        "n_of_recordings_trained_on": count_heard(network, corpus, chosen.tokens),
        "accuracy_of_nulls": accuracy,
        "untrained_seeds": [one.draw for one in controls if one.null == UNTRAINED],
        "n_control_tokens": n_control_tokens,
        "donors_match_in": matches,
    }
    return ExplainedRun.of(
        folder, counts, tokens=tokens, summary=summary, summary_nulls=summary_nulls
    )


def _checked(config: ExplainConfig, network: TrainedNetwork) -> ExplainConfig:
    """The config with every name checked, and what is left open filled in."""
    composite = config.composite or get_spec(network.info.architecture).composite
    check_names("composite", [composite], (*COMPOSITES, *REFERENCED))
    if UNTRAINED in config.nulls:
        raise ConfigError("untrained networks are asked for with --untrained, not with --null")
    check_names("null", config.nulls, (*NULL_NAMES, "all"))
    wanted = {*config.nulls, EXCHANGE}
    nulls = tuple(name for name in NULL_NAMES if name in wanted or "all" in wanted)
    bands = str(BandRule.parse(config.bands))
    check_names("partition", config.partitions, PARTITIONS)
    for file in config.region_files:
        load_regions(file)
    splits = config.splits or TEST_SPLITS
    return replace(config, composite=composite, nulls=nulls, bands=bands, splits=splits)


def _null_models(
    config: ExplainConfig, network: TrainedNetwork, corpus: Corpus
) -> dict[str, TrainedNetwork]:
    """Networks whose maps serve as nulls, by the name of the null."""
    images = corpus.images(network.info.preset)
    models: dict[str, TrainedNetwork] = {}
    for path in config.null_models:
        name = path.resolve().name
        if name in models or name in (*NULL_NAMES, UNTRAINED, INPUT):
            raise ConfigError(f"{path}: there is already a null '{name}'; rename the folder")
        other = TrainedNetwork.load(path, device=network.device)
        other.check_images(images)
        models[name] = other
    return models


def _control_sample(config: ExplainConfig, chosen: Selection) -> Selection:
    """The tokens of the controls: one of every speaker, then a second one, until there are enough.

    They stay in the order of the table.
    """
    rng = np.random.default_rng([config.seed, 5])
    shuffled = chosen.tokens.iloc[rng.permutation(len(chosen))]
    turn = shuffled.groupby("speaker", sort=False).cumcount().to_numpy()
    places = shuffled.index[np.argsort(turn, kind="stable")[: config.control_tokens]]
    return Selection(chosen.tokens.loc[np.sort(places)].reset_index(drop=True))


def _controls(
    config: ExplainConfig,
    network: TrainedNetwork,
    corpus: Corpus,
    chosen: Selection,
    null_models: dict[str, TrainedNetwork],
    explain: Callable[[str, Any, Path, Selection], tuple[pd.DataFrame, pd.DataFrame]],
    folder: RunFolder,
) -> tuple[list[ControlMaps], dict[str, float]]:
    """Maps of other networks and of the input, and the networks' accuracy on them."""
    controls: list[ControlMaps] = []

    def control(null: str, model: Any, part: Selection, draw: int | None = None) -> float:
        """Maps of a network, turned towards its own verdicts; return its accuracy."""
        name = null if draw is None else f"{null} {draw}"
        file = folder.state / f"null-{name}.npy"
        answers, _ = explain(f"null {name}", model, file, part)
        table = token_table(part.tokens, answers)
        initial = table["stress_predicted"] == Stress.INITIAL.value
        signs = np.where(initial, 1.0, -1.0).tolist()
        controls.append(ControlMaps(null, draw, file, list(table["token_id"]), signs))
        return float(table["correct"].mean())

    accuracy = {name: control(name, one.model, chosen) for name, one in null_models.items()}
    if not config.untrained:
        return controls, accuracy
    images, sample = corpus.images(network.info.preset), _control_sample(config, chosen)
    some = _training_images(corpus, images, chosen)
    device = next(network.model.parameters()).device
    right = []
    for seed in range(config.seed, config.seed + config.untrained):
        fresh = untrained_network(network.info, some, seed).to(device)
        right.append(control(UNTRAINED, fresh, sample, seed))
    accuracy[UNTRAINED] = float(np.mean(right))
    file = folder.state / "null-input.npy"
    np.save(file, np.maximum(images.values[sample.image_index], 0.0) ** 2)
    ids = list(sample.tokens["token_id"])
    controls.append(ControlMaps(INPUT, None, file, ids, [1.0] * len(ids)))
    return controls, accuracy


def _training_images(corpus: Corpus, images: Images, chosen: Selection) -> NDArray[np.float32]:
    """Some training images, for BatchNorm; of explained tokens where the corpus has no training."""
    where = np.flatnonzero((corpus.tokens["split"] == "train").to_numpy())
    where = where if len(where) else chosen.image_index
    return images.values[where[:: max(1, len(where) // N_STATISTICS)][:N_STATISTICS]]


def _project(
    config: ExplainConfig,
    corpus: Corpus,
    preset: str,
    chosen: Selection,
    tokens: pd.DataFrame,
    controls: Sequence[ControlMaps],
    folder: RunFolder,
) -> dict[str, float]:
    """Write the tables of regions; return which part of the tokens agrees with its donors."""
    settings = ProjectionSettings(
        preset=preset,
        bands=BandRule.parse(config.bands),
        maps=folder.path / "maps.npy",
        shifts=tuple(name for name in config.nulls if name in SHIFTS),
        region_files=config.region_files,
        partitions=config.partitions,
    )
    vowels = chosen.tokens[["nucleus_1", "nucleus_2"]]
    matches = project_run(folder, corpus.path, settings, tokens.join(vowels), config.seed, controls)
    if not (folder.path / RELEVANCE).exists():
        first = folder.problems[0]
        raise CorpusError(
            f"{folder.path}: no token could be projected. First: {first.item}: {first.reason}"
        )
    return matches


def token_table(chosen: pd.DataFrame, maps: pd.DataFrame) -> pd.DataFrame:
    """``tokens.parquet`` of a run: what is known of the tokens and what the network said."""
    columns = ["token_id", "word", "family", "speaker", "sex", "stress", "split", "label_source"]
    columns += ["is_minimal_pair", "is_prosody_only_pair", "duration_s"]
    table = chosen[columns].copy()
    table.insert(1, "map_index", np.arange(len(table)))
    table["stress_predicted"] = [CLASSES[int(k)].value for k in maps["predicted"]]
    table["correct"] = table["stress"] == table["stress_predicted"]
    kept = ["p_initial", "output", "relevance_sum", "bias_share", "stabiliser_share", "closure"]
    return table.join(maps[kept])


def _summarise(folder: RunFolder) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Write the summaries; return that of the exchange and that of further nulls."""
    import pandas as pd

    relevance = pd.read_parquet(folder.path / RELEVANCE)
    summary = summarise(relevance)
    folder.table("summary.csv", summary)
    folder.table("summary_localisation.csv", summarise_localisation(relevance))
    if not (folder.path / NULLS).exists():
        return summary, None
    nulls = pd.read_parquet(folder.path / NULLS)
    if set(nulls["null"]) <= {"exchange"}:
        return summary, None
    against = summarise_nulls(relevance, nulls)
    folder.table("summary_nulls.csv", against)
    return summary, against


def _conservation(tokens: pd.DataFrame) -> dict[str, Any]:
    """How well the ledger closes, over all tokens."""
    return {
        "n_tokens": len(tokens),
        "accuracy_on_explained_tokens": float(tokens["correct"].mean()),
        "median_relevance_over_output": float(
            (tokens["relevance_sum"] / tokens["output"]).median()
        ),
        "median_absolute_output": float(tokens["output"].abs().median()),
        "median_bias_share": float((tokens["bias_share"] / tokens["output"]).median()),
        "largest_closure_residual": float(tokens["closure"].max()),
        "conserved": bool(tokens["closure"].max() <= MAX_CLOSURE),
    }
