"""Whether networks in few bits still listen to the same: maps and densities, before and after."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.explain.map_file import MapRequest, compute_maps
from stressnet.inference.bootstrap import bootstrapped, mean_of_sides
from stressnet.lexicon.stress import Stress
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
    models: Mapping[str, Callable[[], Any]],
    corpus: Corpus,
    preset: str,
    tokens: pd.DataFrame,
    folder: RunFolder,
    label: tuple[str, str, str],
) -> dict[str, pd.DataFrame]:
    """Explain some words by a network and by its versions in few bits.

    ``models`` make the network, which comes first, and the others; ``tokens`` are words, with
    ``row`` of their image; ``label`` is the name of the network, of the step, and the composite.
    The table ``maps`` has Pearson's correlation with the first network's map, mean over words;
    ``densities`` those of relevance in regions, and their change, if a word could be projected.
    """
    network, step, composite = label
    images = corpus.images(preset)
    rows, initial = tokens["row"].to_numpy(), Stress.INITIAL.class_index
    request = MapRequest(rows, composite, "logit-difference", initial)
    ids, (donors, _) = tokens["token_id"].tolist(), draw_donors(tokens, 0)
    correlations, parts = [], []
    first: Any = None
    for place, (name, make) in enumerate(models.items()):
        file = folder.state / f"{step}-{place}.npy"
        stage = folder.progress.stage(f"maps of {network} {name}", len(ids), "word")
        with folder.journal(f"{step}-{place}") as journal, stage as bar:
            compute_maps(file, make(), images, request, journal, bar)
        maps = np.load(file).reshape(len(ids), -1).astype(np.float64)
        maps -= maps.mean(axis=1, keepdims=True)
        maps /= np.sqrt((maps**2).sum(axis=1, keepdims=True)) + np.finfo(float).tiny
        first = maps if place == 0 else first
        if place:
            same = (first * maps).sum(axis=1)
            figure = partial(mean_of_sides, values=same, sides=[slice(None)])
            mean = bootstrapped(figure, tokens["speaker"], tokens["lemma"])
            row = {"plan": name, "n": len(same), "median": float(np.median(same))}
            correlations.append(row | mean.columns("correlation"))
        what = BandProjection(corpus.path, preset, file, (BANDS,), REGIONS)
        for table, problems in project_bands(what, ids, donors, folder):
            if table is not None:
                parts.append(table.assign(model=name, composite=composite))
            folder.problems += problems if place == 0 else []
    result = {"maps": pd.DataFrame(correlations)}
    if parts:
        known = tokens[["token_id", "word", "family", "speaker", "stress"]]
        measured = pd.concat(parts, ignore_index=True).merge(known, on="token_id")
        table = summarise_settings(measured, (next(iter(models)), composite, BANDS))
        table = table[table["measure"] == "density"].drop(columns="bands")
        result["densities"] = table.rename(columns={"model": "plan"}).reset_index(drop=True)
    return result
