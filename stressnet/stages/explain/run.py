"""Relevance maps of a corpus's tokens, and their shares in regions.

Maps are written as they are computed, so memory does not grow with the corpus and an interrupted
run continues. Projection and statistics follow from the maps on disk.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.corpus.mean_spectrum import mean_spectrum
from stressnet.corpus.phrases import phrase_positions, pitch_prominence
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import ConfigError, check_names
from stressnet.evaluation.heard import count_heard, tell_language, with_splits_of
from stressnet.explain import COMPOSITES
from stressnet.explain.map_file import MapRequest, compute_maps
from stressnet.explain.reference import REFERENCED
from stressnet.lexicon.contrast import Contrast
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions import BandRule, get_regions, load_regions
from stressnet.regions.partition import PARTITIONS
from stressnet.regions.project_corpus import N_DONORS
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.explain import ExplainConfig
from stressnet.stages.explain.controls import NULL_NAMES, control_maps, load_null_models
from stressnet.stages.explain.tables import conservation, project_tokens, summarise_run, token_table
from stressnet.statistics.stream import EXCHANGE, UNTRAINED
from stressnet.training.calibration import calibration_of


def run(
    config: ExplainConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder
) -> Result:
    """Explain a network's verdict on the tokens of a corpus."""
    config = _checked(config, network)
    info = network.info
    images, preset = corpus.images(info.preset), info.presets[0].get("name", "")
    network.check_images(images)
    network.check_classes(corpus)
    chosen = with_splits_of(corpus, [network]).select(
        config.splits or TEST_SPLITS, config.max_tokens, config.seed
    )
    null_models = load_null_models(config, network, corpus)
    n_control_tokens = min(config.control_tokens, len(chosen)) if config.untrained else 0
    folder.begin(
        config,
        {
            "corpus": corpus,
            "model": network,
            **{f"null model {name}": other for name, other in null_models.items()},
        },
        notes={
            "preset": preset,
            "n_donors": N_DONORS,
            "regions": [one.name for one in get_regions(n_syllables=corpus.lengths.longest)],
            "network": {"architecture": info.architecture, "seed": info.seed},
            **corpus.contrast.noted,
        },
        steps=_steps(config, len(chosen), len(null_models), n_control_tokens),
    )

    tell_language([network], corpus, folder)
    calibration = calibration_of(network)
    request = MapRequest(
        chosen.image_index,
        str(config.composite),
        config.seed_output,
        0,
        mean_spectrum(corpus, images, chosen.tokens) if config.composite in REFERENCED else None,
        calibration.temperature,
        calibration.threshold,
    )

    def explain(
        name: str, model: Any, file: Path, part: Selection, predicted: bool = False
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        with (
            folder.journal(name) as journal,
            folder.progress.stage(name, len(part), "token") as bar,
        ):
            target = _target(corpus.contrast, part, predicted)
            wanted = replace(request, index=part.image_index, target=target)
            return compute_maps(file, model, images, wanted, journal, bar)

    verdicts, ledger = explain("explain", network.model, folder.file("maps.npy"), chosen)
    controls, accuracy = control_maps(config, network, corpus, chosen, null_models, explain, folder)
    shutil.copyfile(corpus.axes_file(preset), folder.file("axes.json"))
    placed = chosen.tokens.assign(
        phrase_position=phrase_positions(corpus, chosen.tokens),
        pitch_prominence=pitch_prominence(corpus, chosen.tokens),
    )
    tokens = token_table(placed, verdicts, corpus.contrast)
    folder.table("tokens.parquet", tokens)
    folder.table("ledger.csv", ledger)
    matches = project_tokens(config, corpus, preset, chosen, tokens, controls, folder)
    with folder.progress.stage("summarise"):
        summary, summary_nulls = summarise_run(folder, corpus.contrast)
    counts = {
        **conservation(tokens),
        "trained_on_this_corpus": info.corpus_hash == corpus.fingerprint,
        "n_of_recordings_trained_on": count_heard(network, corpus, chosen.tokens),
        "accuracy_of_nulls": accuracy,
        "untrained_seeds": [one.draw for one in controls if one.null == UNTRAINED],
        "n_control_tokens": n_control_tokens,
        "donors_match_in": matches,
    }
    return Result.of(folder, counts, tokens=tokens, summary=summary, summary_nulls=summary_nulls)


def _steps(config: ExplainConfig, n: int, n_models: int, n_control: int) -> list[Step]:
    n_maps = n * (1 + n_models) + n_control * config.untrained
    return [
        Step("explain", n_maps, seconds_each=0.02),
        Step("project", n, seconds_each=0.05),
        Step("project controls", n_control * (1 + config.untrained), seconds_each=0.03),
    ]


def _target(contrast: Contrast, part: Selection, predicted: bool) -> int | NDArray[np.int64] | None:
    """The first class; of longer words a token's own, or of a control what it predicts (None)."""
    if contrast.is_pair:
        return 0
    own = np.array([contrast.classes.index(name) for name in part.tokens[contrast.column]])
    return None if predicted else own


def _checked(config: ExplainConfig, network: TrainedNetwork) -> ExplainConfig:
    """The config with every name checked, and what is left open filled in."""
    composite = config.composite or network.info.composite
    if not network.info.contrast.is_pair and config.seed_output == "logit-difference":
        config = replace(config, seed_output="best-other")
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
