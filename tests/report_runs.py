"""A run folder as ``explain`` leaves it, small, with maps whose content is known."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.lexicon.stress import Stress
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.projection import project_map
from stressnet.runs.manifest import write_manifest
from stressnet.runs.tables import write_parquet
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.statistics import summarise

VOICES = {"anna": 210.0, "bea": 190.0, "cleo": 220.0, "dan": 120.0, "emil": 130.0}


def make_run(make_corpus: Callable[..., Path], folder: Path) -> Path:
    """Build a corpus of five tones that play speakers, and a run on it.

    Positive relevance of one per cell lies in the first nucleus of INITIAL words, negative in the
    second nucleus of FINAL words, both at 400 to 800 Hz, and a tenth of it, of the other sign, in
    the rest of the word.

    Returns
    -------
    Path
        The run folder; ``corpus`` lies beside it.
    """
    corpus_path, run = folder / "corpus", folder / "run"
    if (run / "manifest.json").exists():  # made for another test module; nobody writes into it
        return run
    recordings = make_corpus(folder / "recordings", VOICES)
    build_corpus(recordings, corpus_path, config=BuildConfig("generic", no_splits=True))
    corpus = Corpus.open(corpus_path)
    reader = SceneReader(corpus, "stressnet")
    ids = corpus.tokens["token_id"].tolist()
    scenes = {token_id: reader.scene(token_id) for token_id in ids}
    maps = np.stack([known_map(scenes[token_id]) for token_id in ids])
    run.mkdir()
    np.save(run / "maps.npy", maps)
    shutil.copyfile(corpus_path / "spectrograms" / "stressnet" / "axes.json", run / "axes.json")
    sums = maps.sum(axis=(1, 2), dtype=np.float64)
    columns = ["token_id", "word", "speaker", "stress", "split"]
    tokens = corpus.tokens[columns].assign(
        map_index=np.arange(len(ids)),
        stress_predicted=np.where(sums >= 0, "INITIAL", "FINAL"),
        p_initial=1 / (1 + np.exp(-sums / 100)),
        output=sums + 0.5,
        relevance_sum=sums,
        bias_share=0.5,
        stabiliser_share=0.0,
    )
    write_parquet(
        tokens.assign(correct=tokens["stress"] == tokens["stress_predicted"]),
        run / "tokens.parquet",
    )
    rows = []
    for i, token_id in enumerate(ids):
        donor = scenes[ids[(i + 1) % len(ids)]]
        known = tokens.iloc[i][columns].to_dict()
        power = reader.power(token_id)
        projected = project_map(maps[i], scenes[token_id], power=power, donors=[donor])
        for record in projected.records():
            rows.append({**known, **record})
    relevance = pd.DataFrame(rows)
    write_parquet(relevance, run / "relevance.parquet")
    summarise(relevance).to_csv(run / "summary.csv", index=False)
    write_manifest(
        run,
        "relevance",
        parameters={"corpus": str(corpus_path), "preset": "stressnet", "composite": "by hand"},
        inputs={"corpus": corpus.fingerprint},
        outputs=[run / "maps.npy"],
    )
    return run


def known_map(scene) -> np.ndarray:
    """The map that :func:`make_run` describes."""
    initial = scene.times.stress is Stress.INITIAL
    nucleus = scene.times.nuclei[0 if initial else 1]
    inside = np.outer(
        scene.axes.bins_within(400, 800), scene.axes.frames_within(nucleus.start_s, nucleus.end_s)
    )
    word = scene.axes.frames_within(0.0, scene.times.word.end_s)
    sign = 1.0 if initial else -1.0
    values = np.where(inside, sign, -0.1 * sign * word)
    return values.astype(np.float32)
