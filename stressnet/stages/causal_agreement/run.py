"""Stimuli first, then maps of the same tokens as recorded, then rank correlations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stressnet.corpus.mean_spectrum import mean_spectrum
from stressnet.corpus.store import Corpus
from stressnet.explain.composites import suited
from stressnet.explain.faithfulness.attributions import find_attributions
from stressnet.explain.reference import REFERENCED
from stressnet.manipulation.causal import ALL_CUES, agreement_table
from stressnet.manipulation.cue_relevance import cue_relevance, pairs_of
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions.from_corpus import SceneReader
from stressnet.report.manipulation_figures import plot_agreement
from stressnet.report.style import save_figure
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.assess.run import DEFAULT_METHODS
from stressnet.stages.causal_agreement import CausalConfig
from stressnet.stages.manipulate import ManipulateConfig
from stressnet.stages.manipulate.inputs import fingerprint_of
from stressnet.stages.manipulate.results import effects_and_tokens, responses_of
from stressnet.stages.manipulate.run import run as manipulate

PAIRS, TABLE, FIGURE = "pairs.parquet", "agreement.csv", "agreement"
STIMULI_FOLDER = "stimuli"

N_STEPS = 3  # Both ends and the middle: what causal agreement needs of a continuum


def run(config: CausalConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder) -> Result:
    """Compare maps with the effects of changed cues, token by token."""
    own = network.info.composite
    names = tuple(dict.fromkeys(config.methods or suited(DEFAULT_METHODS, own)))
    config = replace(config, methods=names)
    images = corpus.images(network.info.preset)
    network.check_images(images)
    spectrum = None
    if any(name in REFERENCED for name in names):
        everything = corpus.tokens.assign(image=np.arange(len(corpus.tokens)))
        spectrum = mean_spectrum(corpus, images, everything)
    attributions = find_attributions(names, str(images.preset["padding"]), config.seed, spectrum)
    reads = {"corpus": corpus, "model": network}
    if config.measured is not None:
        fingerprint_of(config.measured, corpus)
    if config.stimuli is not None:
        responses_of(config.stimuli, corpus, network)
        reads["stimuli"] = config.stimuli
    folder.begin(
        config,
        reads,
        notes={
            "stimuli": str(config.stimuli or folder.path / STIMULI_FOLDER),
            "preset": network.info.preset,
        },
        steps=[Step("manipulate", 0 if config.stimuli else config.max_tokens or 0, "tokens", 10.0)],
    )
    stimuli = config.stimuli or _make_stimuli(config, corpus, network, folder)
    effects, tokens = effects_and_tokens(responses_of(stimuli, corpus, network), corpus)
    reader = SceneReader(corpus, network.info.preset)
    cues = set(effects["cue"])
    relevance = cue_relevance(network, attributions, reader, tokens, folder, cues)
    with folder.progress.stage("summarise"):
        pairs = pairs_of(effects, relevance, tokens)
        table = agreement_table(pairs, seed=config.seed)
        folder.table(PAIRS, pairs)
        folder.table(TABLE, table, float_format="%.8g", lineterminator="\n")
        figure = plot_agreement(pairs, table, method=names[0])
        save_figure(figure, folder.figure(FIGURE), spoken=corpus.language)
    counts = {
        "n_tokens": int(pairs["token_id"].nunique()),
        "n_speakers": int(tokens["speaker"].nunique()),
        "n_pairs": len(pairs),
    }
    return Result.of(folder, counts, pairs=pairs, table=table)


def _make_stimuli(
    config: CausalConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder
) -> Path:
    """Both ends and the middle of every cue's continuum, unless they are there."""
    options = ManipulateConfig(
        n_steps=N_STEPS,
        together=True,
        splits=config.splits,
        max_tokens=config.max_tokens,
        measured=config.measured,
        models=(network.path,),
        seed=config.seed,
    )
    with folder.folder(STIMULI_FOLDER, "manipulation") as child:
        manipulate(options, corpus, child)
    folder.problems += child.problems
    return child.path


def summary_text(result: Result) -> str:
    """Rank correlations: a line per cue, a column per method."""
    table = result.table
    methods = list(dict.fromkeys(table["method"]))
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_tokens']} tokens of {counts['n_speakers']} speakers",
        "rank correlation of relevance with the effect of neutralising the cue [95 %] (null)",
        f"{'':<20}" + "".join(f"{method:>30}" for method in methods),
    ]
    for cue in dict.fromkeys(table["cue"]):
        name = "cues of a token" if cue == ALL_CUES else str(cue)
        cells = []
        for method in methods:
            rows = table[(table["method"] == method) & (table["cue"] == cue)]
            cells.append(f"{_cell(rows.iloc[0]) if len(rows) else '-':>30}")
        lines.append(f"{name:<20}" + "".join(cells))
    return "\n".join(lines)


def _cell(row: Any) -> str:
    if not np.isfinite(row["rho"]):
        return "-"
    star = "*" if row["p_holm"] < 0.05 else ""
    return (
        f"{row['rho']:.2f}{star} [{row['rho_low']:.2f}, {row['rho_high']:.2f}] ({row['null']:.2f})"
    )
