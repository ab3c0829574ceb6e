"""The tables of a run: regions, tokens, summaries, and what the manifest says of conservation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import CorpusError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.regions import BandRule
from stressnet.regions.nulls import SHIFTS
from stressnet.regions.project_corpus import (
    NULLS,
    RELEVANCE,
    ControlMaps,
    ProjectionSettings,
    project_run,
    token_keys,
)
from stressnet.runs.folder import RunFolder
from stressnet.stages.explain import ExplainConfig
from stressnet.statistics import summarise

MAX_CLOSURE = 1e-3
"""Largest residual of the ledger, relative to the explained value, that counts as closed."""


def project_tokens(
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
    tokens = tokens.join(chosen.tokens.filter(regex=r"^nucleus_\d$"))
    matches = project_run(folder, corpus.path, settings, tokens, config.seed, controls)
    if not (folder.path / RELEVANCE).exists():
        first = folder.problems[0]
        raise CorpusError(
            f"{folder.path}: no token could be projected. First: {first.item}: {first.reason}"
        )
    return matches


def token_table(
    chosen: pd.DataFrame, maps: pd.DataFrame, contrast: Contrast = STRESS
) -> pd.DataFrame:
    """``tokens.parquet`` of a run: what is known of the tokens and what the network said.

    The probability is that of the first class, ``p_initial``; of longer words that of the token's
    own class, ``p_own_class``.
    """
    columns = ["token_id", "word", "family", "speaker", "sex", "stress"]
    columns += [*([] if contrast.is_stress else [contrast.column]), "split", "label_source"]
    columns += ["is_minimal_pair", "is_prosody_only_pair", "duration_s"]
    columns += [
        name for name in ("phrase_position", "pitch_prominence", "language") if name in chosen
    ]
    table = chosen[columns].copy()
    table.insert(1, "map_index", np.arange(len(table)))
    table[contrast.predicted] = [str(contrast.classes[int(k)]) for k in maps["predicted"]]
    table["correct"] = table[contrast.column] == table[contrast.predicted]
    kept = ["p_explained", "output", "relevance_sum", "bias_share", "stabiliser_share", "closure"]
    told = {"p_explained": contrast.p if contrast.is_pair else "p_own_class"}
    return table.join(maps[kept].rename(columns=told))


def summarise_run(
    folder: RunFolder, contrast: Contrast
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Write the summaries; return that of the exchange and that of further nulls."""
    relevance = pd.read_parquet(folder.path / RELEVANCE)
    summary = summarise(relevance, contrast=contrast)
    folder.table("summary.csv", summary)
    folder.table("summary_localisation.csv", summarise_localisation(relevance, contrast))
    if not (folder.path / NULLS).exists():
        return summary, None
    nulls = pd.read_parquet(folder.path / NULLS)
    if set(nulls["null"]) <= {"exchange"}:
        return summary, None
    against = summarise_nulls(relevance, nulls, contrast)
    folder.table("summary_nulls.csv", against)
    return summary, against


def conservation(tokens: pd.DataFrame) -> dict[str, Any]:
    """How well the ledger closes, over all tokens."""
    output = tokens["output"]
    return {
        "n_tokens": len(tokens),
        "accuracy_on_explained_tokens": float(tokens["correct"].mean()),
        "median_relevance_over_output": float((tokens["relevance_sum"] / output).median()),
        "median_absolute_output": float(output.abs().median()),
        "median_bias_share": float((tokens["bias_share"] / output).median()),
        "largest_closure_residual": float(tokens["closure"].max()),
        "conserved": bool(tokens["closure"].max() <= MAX_CLOSURE),
    }


def summarise_nulls(
    relevance: pd.DataFrame, nulls: pd.DataFrame, contrast: Contrast = STRESS
) -> pd.DataFrame:
    """The columns of ``summary.csv`` against each null, with a column ``null`` in front."""
    keys = ["token_id", *token_keys(contrast), "region"]
    parts = []
    for name in nulls["null"].unique():
        theirs = nulls.loc[nulls["null"] == name, ["token_id", "region", *NULL_SUMMARY]]
        if theirs.duplicated(["token_id", "region"]).any():  # several draws
            theirs = theirs.groupby(["token_id", "region"], sort=False, as_index=False).mean()
        renamed = theirs.rename(columns={m: f"null_{m}" for m in NULL_SUMMARY})
        there = relevance["region"].isin(theirs["region"].unique())
        table = relevance.loc[there, [*keys, *NULL_SUMMARY]]
        table = table.merge(renamed, on=["token_id", "region"], how="left")
        summary = summarise(table, measures=NULL_SUMMARY, contrast=contrast)
        summary.insert(0, "null", name)
        parts.append(summary)
    return pd.concat(parts, ignore_index=True)


NULL_SUMMARY = (
    *("positive_share", "signed_share", "density", "density_energy"),
    *("share_in_nucleus", "density_in_nucleus", "rank_accuracy", "iou"),
)
"""Measures of ``summary_nulls.csv``."""


def summarise_localisation(relevance: pd.DataFrame, contrast: Contrast = STRESS) -> pd.DataFrame:
    """The columns of ``summary.csv`` for measures of localisation, against their chance level."""
    chance = {"mass_accuracy": "area_share"}
    chance |= {m: f"{m}_chance" for m in ("rank_accuracy", "iou", "iou_top10", "pointing")}
    keys = ["token_id", *token_keys(contrast), "region"]
    table = relevance[[*keys, *chance]].assign(
        **{f"null_{measure}": relevance[column] for measure, column in chance.items()}
    )
    summary = summarise(table, measures=list(chance), contrast=contrast)
    return summary.rename(columns={"null_mean": "chance_mean"})
