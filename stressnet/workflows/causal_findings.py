"""``stressnet findings``: the paper's claims beside what tests them, with verdicts.

Relevance comes from a folder of ``stressnet stats``, deletion is computed here, causal effects come
from the responses in a folder of ``stressnet manipulate``. Rules are in
:mod:`stressnet.manipulation.verdicts` and ``docs/findings.md``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, write_parquet
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.stress import Stress
from stressnet.manifest import FILE_NAME, hash_data, hash_file, read_manifest, write_manifest
from stressnet.manipulation.verdicts import (
    CAUSAL_MARGIN,
    DENSITY_MARGIN,
    NOT_TESTED,
    SHARE_MARGIN,
    TESTS,
    ClaimTests,
    overall,
)
from stressnet.progress import Progress
from stressnet.statistics.claims import HOLDS, PRIMARY, decide, verdict
from stressnet.statistics.jackknife import jackknife
from stressnet.statistics.stream import EXCHANGE
from stressnet.statistics.twoway import FloatArray, Inference, Spread, add_seeds, infer
from stressnet.workflows.causal import effects_and_tokens, responses_of
from stressnet.workflows.causal_deletion import Target, delete_regions
from stressnet.workflows.explain import choose_tokens
from stressnet.workflows.explain_regions import draw_donors
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

FINDINGS, DELETION, CAUSAL = "findings.csv", "deletion.parquet", "causal.parquet"

COLUMNS = (
    *("claim", "verdict", "relevance", "deletion", "causal"),
    *("relevance_effect", "relevance_low", "relevance_high", "relevance_observed"),
    *("relevance_null", "relevance_beyond_energy"),
    *("region", "against", "deleted", "deleted_null", "deletion_effect"),
    *("deletion_low", "deletion_high", "cue", "causal_effect", "causal_low", "causal_high"),
    *("n_relevance", "n_deletion", "n_causal", "n_networks", "reason"),
)
"""Columns of ``findings.csv``: a row per claim and deleted region."""


@dataclass(frozen=True)
class Findings:
    """What ``stressnet findings`` left on disk.

    Parameters
    ----------
    path : Path
    table : DataFrame
        :data:`COLUMNS`.
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
    chosen = choose_tokens(corpus, splits or TEST_SPLITS, max_tokens, seed)
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


# -- numbers ---------------------------------------------------------------------------------------


def findings_table(
    claims: pd.DataFrame, losses: pd.DataFrame, swings: pd.DataFrame
) -> pd.DataFrame:
    """The table of findings.

    Parameters
    ----------
    claims : DataFrame
        Claims of one network over all tokens, from ``claims.csv``.
    losses : DataFrame
        From :func:`stressnet.workflows.causal_deletion.delete_regions` with ``model``, ``speaker``
        and ``family``.
    swings : DataFrame
        ``model, token_id, speaker, family, stress, logit_difference, cue, swing``.

    Returns
    -------
    DataFrame
        :data:`COLUMNS`.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for test in TESTS:
        relevance = _relevance(claims, test)
        deletion = [_deletion_row(losses, test, region) for region in test.regions]
        causal = _causal_row(swings, test)
        decisions = [str(row["deletion"]) for row in deletion]
        said = verdict(decisions)
        for row, mine in zip(deletion, relevance, strict=False):
            rows.append(
                {
                    "claim": test.claim,
                    **mine,
                    **row,
                    **causal,
                    "deletion": said,
                    "n_networks": losses["model"].nunique(),
                    "verdict": overall(str(mine["relevance"]), [said, str(causal["causal"])]),
                }
            )
    return pd.DataFrame(rows)[list(COLUMNS)]


def _relevance(claims: pd.DataFrame, test: ClaimTests) -> list[dict[str, Any]]:
    """The claim's primary criteria, one per deleted region."""
    rows = claims[(claims["claim"] == test.claim) & (claims["role"] == PRIMARY)]
    if rows.empty:
        raise ConfigError(f"no claim '{test.claim}' in the statistics; run 'stressnet stats' again")
    energy = claims[
        (claims["claim"] == test.claim)
        & (claims["criterion"] == "beyond the energy there")
        & (claims["null"] == EXCHANGE)
    ]
    beyond = float(energy["effect"].iloc[0]) if len(energy) else np.nan
    return [
        {
            "relevance": row["verdict"],
            "relevance_effect": row["effect"],
            "relevance_low": row["low"],
            "relevance_high": row["high"],
            "relevance_observed": row["observed"],
            "relevance_null": row["compared_with"],
            "relevance_beyond_energy": beyond,
            "n_relevance": row["n_tokens"],
        }
        for row in rows.to_dict("records")
    ]


def _deletion_row(losses: pd.DataFrame, test: ClaimTests, region: str) -> dict[str, Any]:
    is_share = test.against == "share"
    null = EXCHANGE if test.against == EXCHANGE else ""
    other = region if test.against == EXCHANGE else test.against
    per_model: list[FloatArray] = []
    found: Inference | None = None
    tables = []
    for _, part in losses.groupby("model", sort=False):
        tables.append(_paired(part, region, None if is_share else (other, null)))
    whole = _mean_over_models(tables)
    row: dict[str, Any] = {
        "region": region,
        "against": test.against,
        "n_deletion": len(whole),
        "reason": "",
    }
    nothing = ("deleted", "deleted_null", "deletion_effect", "deletion_low", "deletion_high")
    if whole.empty:
        return row | dict.fromkeys(nothing, np.nan) | {"deletion": decide(np.nan, np.nan, 0)}
    per_model = [_deleted(table, np.ones((len(table), 1)), is_share)[0] for table in tables]
    found = _jackknifed(whole, lambda table, kept: _deleted(table, kept, is_share), per_model)
    margin = SHARE_MARGIN if is_share else DENSITY_MARGIN
    return row | {
        "deleted": found.value[0],
        "deleted_null": np.nan if is_share else found.value[1],
        "deletion_effect": found.value[2],
        "deletion_low": found.low[2],
        "deletion_high": found.high[2],
        "deletion": decide(float(found.low[2]), float(found.high[2]), margin),
        "reason": str(found.reason[2]),
    }


def _paired(part: pd.DataFrame, region: str, other: tuple[str, str] | None) -> pd.DataFrame:
    """A network's losses by a region and by what it is compared with, token by token."""
    keys = ["token_id", "speaker", "family", "evidence"]
    own = part[(part["region"] == region) & (part["null"] == "")]
    table = own[[*keys, "loss", "area"]]
    if other is None:
        return table.assign(other_loss=0.0, other_area=1.0)
    theirs = part[(part["region"] == other[0]) & (part["null"] == other[1])]
    theirs = theirs[["token_id", "loss", "area"]].rename(
        columns={"loss": "other_loss", "area": "other_area"}
    )
    return table.merge(theirs, on="token_id", validate="1:1")


def _mean_over_models(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean over networks of every number of each token."""
    import pandas as pd

    keys = ["token_id", "speaker", "family"]
    return pd.concat(tables).groupby(keys, sort=False, as_index=False).mean(numeric_only=True)


def _deleted(table: pd.DataFrame, kept: FloatArray, is_share: bool) -> FloatArray:
    """Deleted share (or density), that of the null, and their difference, (n_sets, 3)."""
    names = ["loss", "area", "other_loss", "other_area", "evidence"]
    loss, area, other, other_area, evidence = table[names].to_numpy(np.float64).T @ kept
    n = kept.sum(axis=0)
    if is_share:
        share = loss / evidence
        return np.column_stack([share, np.zeros_like(share), share])
    one = loss / evidence / (area / n)
    two = other / evidence / (other_area / n)
    return np.column_stack([one, two, one - two])


def _causal_row(swings: pd.DataFrame, test: ClaimTests) -> dict[str, Any]:
    row: dict[str, Any] = {"cue": test.cue, "n_causal": 0, "causal": NOT_TESTED}
    row |= dict.fromkeys(("causal_effect", "causal_low", "causal_high"), np.nan)
    here = swings[(swings["cue"] == test.cue) & np.isfinite(swings["swing"])]
    if here.empty:
        return row
    tables = [part for _, part in here.groupby("model", sort=False)]
    keys = ["token_id", "speaker", "family", "stress"]
    whole = here.groupby(keys, sort=False, as_index=False).mean(numeric_only=True)
    per_model = [_swing(table, np.ones((len(table), 1)))[0] for table in tables]
    found = _jackknifed(whole, _swing, per_model)
    low, high = float(found.low[0]), float(found.high[0])
    return row | {
        "n_causal": len(whole),
        "causal_effect": float(found.value[0]),
        "causal_low": low,
        "causal_high": high,
        "causal": decide(low, high, CAUSAL_MARGIN),
    }


def _swing(table: pd.DataFrame, kept: FloatArray) -> FloatArray:
    """Mean swing as a share of the distance between the classes, shape (n_sets, 1)."""
    logit = table["logit_difference"].to_numpy(np.float64)
    initial = (table["stress"] == Stress.INITIAL.value).to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [(logit * of) @ kept / (of @ kept) for of in (initial, 1 - initial)]
        swing = table["swing"].to_numpy(np.float64) @ kept / kept.sum(axis=0)
        return (swing / (means[0] - means[1]))[:, None]


def _jackknifed(table: pd.DataFrame, statistic: Any, per_model: Sequence[FloatArray]) -> Inference:
    """Interval over speakers, words and training seeds."""
    clusters = {
        "speakers": table["speaker"].astype(str).to_numpy(),
        "words": table["family"].astype(str).to_numpy(),
    }
    found = jackknife(lambda kept: statistic(table, kept), len(table), clusters)
    spread = Spread(found.error**2, found.df, found.reason)
    return infer(found.value, add_seeds(spread, np.stack(per_model)))


def findings_text(table: pd.DataFrame) -> str:
    """The table for people."""
    head = f"{'claim':<20}{'relevance':>26}{'deletion':>26}{'causal effect':>26}  verdict"
    lines = [head]
    for row in table.to_dict("records"):
        cells = [
            _cell(row["relevance_effect"], row["relevance_low"], row["relevance_high"]),
            _cell(row["deletion_effect"], row["deletion_low"], row["deletion_high"]),
            _cell(row["causal_effect"], row["causal_low"], row["causal_high"]),
        ]
        marks = [_MARKS.get(str(row[kind]), "?") for kind in ("relevance", "deletion", "causal")]
        text = "".join(f"{f'{c} {m}':>26}" for c, m in zip(cells, marks, strict=True))
        lines.append(f"{row['claim']:<20}{text}  {row['verdict']}")
    lines.append("+ holds, - does not hold, ? cannot be decided; rules: docs/findings.md")
    return "\n".join(lines)


_MARKS: Mapping[str, str] = {HOLDS: "+", "does not hold": "-", NOT_TESTED: " "}


def _cell(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
