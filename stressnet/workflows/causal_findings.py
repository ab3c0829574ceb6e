"""``stressnet findings``: the paper's claims beside what tests them, with verdicts.

Relevance comes from a folder of ``stressnet stats``, deletion is computed here, causal effects come
from the responses in a folder of ``stressnet manipulate``. Rules are in
:mod:`stressnet.manipulation.verdicts` and ``docs/findings.md``.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.manipulation.verdicts import (
    CAUSAL_MARGIN,
    DENSITY_MARGIN,
    SHARE_MARGIN,
    TESTS,
)
from stressnet.regions.project_corpus import draw_donors
from stressnet.runs.manifest import FILE_NAME, hash_data, hash_file, read_manifest, write_manifest
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.statistics.stream import EXCHANGE
from stressnet.workflows.causal import effects_and_tokens, responses_of
from stressnet.workflows.causal_deletion import Target, delete_regions
from stressnet.workflows.causal_findings_table import findings_table
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

FINDINGS, DELETION, CAUSAL = "findings.csv", "deletion.parquet", "causal.parquet"


@dataclass(frozen=True)
class Findings:
    """What ``stressnet findings`` left on disk.

    Parameters
    ----------
    path : Path
    table : DataFrame
        :data:`stressnet.workflows.causal_findings_table.COLUMNS`.
    manifest : dict
    """

    path: Path
    table: pd.DataFrame
    manifest: dict[str, Any]


def find_out(
    corpus_path: Path,
    stats: Path,
    stimuli: Path,
    out: Path,
    models: Sequence[Path],
    *,
    network: str | None = None,
    splits: Sequence[str] | None = None,
    max_tokens: int | None = 400,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Findings:
    """Put relevance, deletion and causal effects side by side.

    Parameters
    ----------
    corpus_path : Path
        A built corpus.
    stats : Path
        Folder of ``stressnet stats`` over runs of the networks.
    stimuli : Path
        Folder of ``stressnet manipulate`` with the networks' responses.
    out : Path
        Folder to write.
    models : sequence of Path
        Checkpoints; several are training seeds of one network.
    network : str, optional
        Label of the network in ``stats``; needed if there are several.
    splits : sequence of str, optional
        Tokens for deletion; all test sets if left out.
    max_tokens : int, optional
        A random sample of this size for deletion.
    seed : int
        For the sample and the donors.
    overwrite : bool
        Replace what is in ``out``.

    Raises
    ------
    ConfigError
        If no network is given or ``stats`` holds several and none was named.
    CorpusError
        If a folder is of another corpus or network.
    CheckpointError
        If a network does not fit the corpus, or ``out`` holds something else.
    """
    import pandas as pd

    from stressnet.models.checkpoint import WEIGHTS_NAME

    progress = progress or Progress(verbose=False)
    if not models:
        raise ConfigError("findings need a network; give --model")
    corpus = Corpus.open(corpus_path)
    claims = _claims(stats, network)
    read_manifest(stimuli, "manipulation")
    inputs = {"corpus": corpus.fingerprint, "stats": hash_file(stats / FILE_NAME)}
    inputs["stimuli"] = hash_file(stimuli / FILE_NAME)
    digests = {path.resolve().name: hash_file(path / WEIGHTS_NAME) for path in models}
    content = {
        "network": str(claims["network"].iloc[0]),
        "splits": list(splits or TEST_SPLITS),
        "max_tokens": max_tokens,
        "seed": seed,
    }
    claim_folder(out, hash_data([content, inputs, digests]), overwrite, "findings")
    chosen = corpus.select(splits or TEST_SPLITS, max_tokens, seed).tokens
    deleted, causal = [], []
    for path in models:
        name = path.resolve().name
        effects, tokens = effects_and_tokens(
            responses_of(stimuli, corpus, path, digests[name]), corpus
        )
        about = ["token_id", "speaker", "family", "stress", "logit_difference"]
        causal.append(effects.merge(tokens[about], on="token_id").assign(model=name))
        with progress.stage(f"delete {name}", len(chosen), "token") as bar:
            found = _deletion(out, corpus, path, chosen, seed, bar)
        deleted.append(found.assign(model=name))
    losses, swings = pd.concat(deleted, ignore_index=True), pd.concat(causal, ignore_index=True)
    table = findings_table(claims, losses, swings)
    write_parquet(losses, out / DELETION)
    write_parquet(swings, out / CAUSAL)
    table.to_csv(out / FINDINGS, index=False, float_format="%.6g", lineterminator="\n")
    manifest = write_manifest(
        out,
        "findings",
        parameters={
            "corpus": str(corpus_path),
            "stats": str(stats),
            "stimuli": str(stimuli),
            "models": [str(path) for path in models],
            **content,
            "margins": {
                "density": DENSITY_MARGIN,
                "share": SHARE_MARGIN,
                "causal": CAUSAL_MARGIN,
            },
        },
        inputs={**inputs, **digests},
        outputs=[out / name for name in (FINDINGS, DELETION, CAUSAL)],
        results={
            "n_deletion": int(losses["token_id"].nunique()),
            "n_causal": int(swings["token_id"].nunique()),
        },
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    return Findings(out, table, manifest)


def _claims(stats: Path, network: str | None) -> pd.DataFrame:
    """Claims over all tokens of one network."""
    import pandas as pd

    read_manifest(stats, "statistics")
    file = stats / "claims.csv"
    if not file.is_file():
        raise CorpusError(f"{file}: file is missing; run 'stressnet stats' again")
    claims = pd.read_csv(file, keep_default_na=True)
    there = [str(name) for name in claims["network"].unique()]
    if network is None and len(there) != 1:
        raise ConfigError(f"{stats}: several networks; name one with --network: {', '.join(there)}")
    name = network or there[0]
    if name not in there:
        raise ConfigError(f"{stats}: no network '{name}'; there are {', '.join(there)}")
    return claims[(claims["network"] == name) & (claims["stratum"] == "ALL")]


def _deletion(
    out: Path, corpus: Corpus, model_path: Path, chosen: pd.DataFrame, seed: int, bar: Any
) -> pd.DataFrame:
    from stressnet.models.checkpoint import load_checkpoint
    from stressnet.regions.from_corpus import SceneReader

    model, info = load_checkpoint(model_path)
    images = corpus.images(info.preset)
    info.check_input(info.preset, images.preset, images.axes.shape)
    wanted: dict[str, bool] = {}
    for test in TESTS:
        for region in test.regions:
            wanted[region] = wanted.get(region, False) or test.against == EXCHANGE
        if test.against not in (EXCHANGE, "share"):
            wanted.setdefault(test.against, False)
    targets = [Target(region, with_null) for region, with_null in wanted.items()]
    donors, _ = draw_donors(chosen, seed)
    (out / "state").mkdir(exist_ok=True)
    file = out / "state" / f"{model_path.resolve().name}.jsonl"
    found = delete_regions(
        file, model, SceneReader(corpus, info.preset), chosen, donors, targets, bar
    )
    return found.merge(chosen[["token_id", "speaker", "family", "stress"]], on="token_id")
