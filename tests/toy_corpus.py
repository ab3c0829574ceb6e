"""A corpus folder without speech: noise with a louder patch, left for INITIAL, right for FINAL."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import PRESETS
from stressnet.corpus.images import write_images_header
from stressnet.corpus.splits import SplitConfig, assign_splits
from stressnet.corpus.store import PHONES, TOKENS
from stressnet.runs.manifest import write_manifest
from stressnet.runs.tables import write_parquet

PRESET = replace(PRESETS["stressnet"], max_frequency_hz=1600.0, n_frames=40)


def write_toy_corpus(folder: Path, n_speakers: int = 9, n_words: int = 14, seed: int = 0) -> Path:
    """Every speaker says every word and both readings of two minimal pairs."""
    rng = np.random.default_rng(seed)
    syllables = ["".join(p) for p in itertools.product("bdgkmnpt", "aou")]
    words = [rng.choice(syllables) + rng.choice(syllables) + "x" for _ in range(n_words)]
    entries = [(f"{word}{i}", ("INITIAL", "FINAL")[i % 3 == 0]) for i, word in enumerate(words)]
    entries += [(word, s) for word in ("permit", "rebel") for s in ("INITIAL", "FINAL")]
    rows = []
    for speaker, (word, stress) in itertools.product(range(n_speakers), entries):
        is_pair = word in ("permit", "rebel")
        rows.append(
            {
                "token_id": f"t{len(rows):04d}",
                "utterance_id": f"u{len(rows):04d}",
                "speaker": f"s{speaker}",
                "sex": "FM"[speaker % 2],
                "word": word.upper(),
                "stress": stress,
                "label_source": "table" if is_pair else "lexicon",
                "is_minimal_pair": is_pair,
                "is_prosody_only_pair": False,
                "start_s": 0.0,
                "end_s": 0.3,
                "duration_s": 0.3,
            }
        )
    tokens = assign_splits(pd.DataFrame(rows), SplitConfig(0.2, 0.25))
    folder.mkdir(parents=True)
    write_parquet(tokens, folder / TOKENS)
    write_parquet(pd.DataFrame({"token_id": tokens["token_id"]}), folder / PHONES)
    images = rng.normal(size=(len(tokens), *PRESET.shape)).astype(np.float32)
    for image, stress in zip(images, tokens["stress"], strict=True):
        start = {"INITIAL": 4, "FINAL": 20}[stress]
        image[10:20, start : start + 8] += 1.2
    images[:, :, 34:] = 0.0
    target = folder / "spectrograms" / "stressnet"
    target.mkdir(parents=True)
    np.save(target / "values.npy", images)
    mask = np.arange(PRESET.n_frames)[None, :].repeat(len(tokens), 0) < 34
    write_images_header(target, PRESET.axes(), PRESET.to_dict(), mask)
    write_manifest(
        folder, "corpus", parameters={"recipe": "toy"}, outputs=[folder / TOKENS, folder / PHONES]
    )
    return folder
