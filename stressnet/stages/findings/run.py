"""The paper's claims beside what tests them, by :mod:`stressnet.manipulation.verdicts`."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import ConfigError, CorpusError
from stressnet.evaluation.heard import with_splits_of
from stressnet.manipulation import verdicts
from stressnet.models.checkpoint import TrainedNetwork, load_networks
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.project_corpus import draw_donors
from stressnet.runs import Result, RunFolder, Step, read_manifest, read_table
from stressnet.stages.findings import FindingsConfig
from stressnet.stages.findings.deletion import delete_regions
from stressnet.stages.manipulate.results import effects_and_tokens, responses_of
from stressnet.statistics.stream import EXCHANGE

FINDINGS, DELETION, CAUSAL = "findings.csv", "deletion.parquet", "causal.parquet"
CUES = "cues.csv"


def run(
    config: FindingsConfig, corpus: Corpus, stats: Path, stimuli: Path, folder: RunFolder
) -> Result:
    """Put relevance, deletion and causal effects side by side, in the result's ``table``."""
    claims = _claims(stats, config.network)
    networks = load_networks(config.models, folder.work.device)
    causal = []
    for network in networks:
        network.check_images(corpus.images(network.info.preset))
        effects, tokens = effects_and_tokens(responses_of(stimuli, corpus, network), corpus)
        about = ["token_id", "speaker", "family", "stress", "logit_difference"]
        causal.append(effects.merge(tokens[about], on="token_id").assign(model=network.name))
    network_name = str(claims["network"].iloc[0])
    config = replace(config, network=network_name, splits=config.splits or TEST_SPLITS)
    chosen = with_splits_of(corpus, networks).select(config.splits, config.max_tokens, config.seed)
    folder.begin(
        config,
        {
            **{"corpus": corpus, "stats": stats, "stimuli": stimuli},
            **{network.name: network for network in networks},
        },
        notes={
            "margins": {
                "density": verdicts.DENSITY_MARGIN,
                "share": verdicts.SHARE_MARGIN,
                "causal": verdicts.CAUSAL_MARGIN,
            }
        },
        steps=[Step("delete", len(chosen) * len(networks), seconds_each=0.2)],
    )
    deleted = [
        _deletion(corpus, network, chosen, config.seed, folder).assign(model=network.name)
        for network in networks
    ]
    losses, swings = pd.concat(deleted, ignore_index=True), pd.concat(causal, ignore_index=True)
    table = verdicts.findings_table(claims, losses, swings)
    folder.table(DELETION, losses)
    folder.table(CAUSAL, swings)
    cues = pd.DataFrame([verdicts.causal_row(swings, cue) for cue in swings["cue"].unique()])
    for name, one in ((FINDINGS, table), (CUES, cues)):
        folder.table(name, one, float_format="%.6g", lineterminator="\n")
    counts = {
        "n_deletion": int(losses["token_id"].nunique()),
        "n_causal": int(swings["token_id"].nunique()),
    }
    return Result.of(folder, counts, table=table, cues=cues)


def _claims(stats: Path, network: str | None) -> pd.DataFrame:
    """Claims over all tokens of one network."""
    read_manifest(stats, "statistics")
    file = stats / "claims.csv"
    if not file.is_file():
        raise CorpusError(f"{file}: file is missing; run 'stressnet stats' again")
    claims = read_table(file, ["network", "stratum"])
    there = [str(name) for name in claims["network"].unique()]
    if network is None and len(there) != 1:
        raise ConfigError(f"{stats}: several networks; name one with --network: {', '.join(there)}")
    name = network or there[0]
    if name not in there:
        raise ConfigError(f"{stats}: no network '{name}'; there are {', '.join(there)}")
    return claims[(claims["network"] == name) & (claims["stratum"] == "ALL")]


def _deletion(
    corpus: Corpus, network: TrainedNetwork, chosen: Selection, seed: int, folder: RunFolder
) -> pd.DataFrame:
    """What the network loses without each region, and with the region of another token."""
    wanted: dict[str, bool] = {}
    for test in verdicts.TESTS:
        for region in test.regions:
            wanted[region] = wanted.get(region, False) or test.against == EXCHANGE
        if test.against not in (EXCHANGE, "share"):
            wanted.setdefault(test.against, False)
    donors, _ = draw_donors(chosen.tokens, seed)
    reader = SceneReader(corpus, network.info.preset)
    losses = delete_regions(network, reader, chosen.tokens, donors, wanted, folder)
    return losses.merge(chosen.tokens[["token_id", "speaker", "family", "stress"]], on="token_id")
