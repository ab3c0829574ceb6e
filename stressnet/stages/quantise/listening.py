"""Whether networks in few bits still listen to the same: maps and densities, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stressnet.corpus.mean_spectrum import mean_spectrum
from stressnet.corpus.store import Corpus
from stressnet.explain.map_file import MapRequest, compute_maps
from stressnet.explain.reference import REFERENCED
from stressnet.inference.bootstrap import bootstrapped, mean_of_sides
from stressnet.lexicon.stress import Stress
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.quantise.cost import map_correlation
from stressnet.regions.project_bands import BandProjection, project_bands
from stressnet.regions.project_corpus import draw_donors
from stressnet.runs.folder import RunFolder
from stressnet.statistics.summary import summarise_settings

REGIONS = (
    *("nucleus_stressed", "nucleus_unstressed", "syllable_stressed", "syllable_unstressed"),
    *("consonants", "F1_stressed", "F2_stressed", "F0_stressed"),
)
BANDS = "fixed-hz"


def compare_maps(
    models: Mapping[str, Any],
    corpus: Corpus,
    network: TrainedNetwork,
    composite: str,
    tokens: pd.DataFrame,
    folder: RunFolder,
    number: int,
) -> dict[str, pd.DataFrame]:
    """Explain some words by a network and by its versions in few bits.

    Parameters
    ----------
    models : mapping of str to Network or callable
        The network first; the others are made when they are asked for.
    tokens : DataFrame
        Words, with ``row`` of their image.

    Returns
    -------
    dict
        ``maps``: correlation with the first network's map, mean over words with its interval.
        ``densities``: of relevance in regions, and their change, if a word could be projected.
    """
    images = corpus.images(network.info.preset)
    spectrum = mean_spectrum(corpus, images, tokens) if composite in REFERENCED else None
    rows = tokens["row"].to_numpy()
    initial = Stress.INITIAL.class_index
    request = MapRequest(rows, composite, "logit-difference", initial, spectrum)
    ids, (donors, _) = tokens["token_id"].tolist(), draw_donors(tokens, 0)
    clusters = tokens["speaker"], tokens["lemma"]
    correlations, parts = [], []
    first: Any = None
    for place, (name, model) in enumerate(models.items()):
        key = f"maps-{number}-{place}"
        file = folder.state / f"{key}.npy"
        with (
            folder.journal(key) as journal,
            folder.progress.stage(f"maps of {network.name} {name}", len(rows), "word") as bar,
        ):
            made = model if place == 0 else model()
            compute_maps(file, made, images, request, journal, bar)
        maps = np.load(file)
        if place == 0:
            first = maps
        else:
            same = map_correlation(first, maps)
            usable = np.isfinite(same)
            values = same[usable]
            mean = bootstrapped(
                partial(mean_of_sides, values=values, sides=[slice(None)]),
                *(column[usable] for column in clusters),
            )
            row = {"plan": name, "n": int(usable.sum()), "median": float(np.median(values))}
            correlations.append(row | mean.columns("correlation"))
        what = BandProjection(corpus.path, network.info.preset, file, (BANDS,), REGIONS)
        for table, problems in project_bands(what, ids, donors, folder):
            if table is not None:
                parts.append(table.assign(model=name, composite=composite))
            if place == 0:
                folder.problems += problems
    result = {"maps": pd.DataFrame(correlations)}
    if parts:
        known = tokens[["token_id", "word", "family", "speaker", "stress"]]
        measured = pd.concat(parts, ignore_index=True).merge(known, on="token_id")
        table = summarise_settings(measured, (next(iter(models)), composite, BANDS))
        table = table[table["measure"] == "density"]
        result["densities"] = table.rename(columns={"model": "plan"}).reset_index(drop=True)
    return result
