"""Small run folders with known effects, for tests of statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.runs.manifest import write_manifest
from stressnet.runs.tables import write_parquet

REGIONS = (
    "syllable_stressed",
    "syllable_unstressed",
    "nucleus_stressed",
    "nucleus_unstressed",
    "consonants",
    "F1_stressed",
    "F2_stressed",
    "F3_stressed",
    "F0_stressed",
)
MEANS = {"syllable_stressed": 2.0, "nucleus_stressed": 3.0, "F1_stressed": 2.0, "F3_stressed": 1.1}
"""True mean densities where they are not 1; the null's are 1."""


def make_run(
    folder: Path,
    *,
    n_tokens: int = 300,
    n_speakers: int = 20,
    n_words: int = 40,
    shift: float = 1.0,
    with_nulls: bool = True,
    controls: Mapping[str, Sequence[float]] | None = None,
    first_syllable: float = 1.0,
    seed: int = 0,
) -> Path:
    """Write ``folder/run`` and ``folder/corpus``; the corpus holds tokens between the run's.

    Parameters
    ----------
    shift : float
        Factor on all densities, as another training seed might have.
    with_nulls : bool
        Whether to write ``nulls.parquet``.
    controls : mapping of str to sequence of float
        Nulls of other maps instead, by name: per draw, how dense they are where the run's own map
        is, twice or three times as dense (:data:`MEANS`), over their density elsewhere.
    first_syllable : float
        Factor on the density of the first syllable, whether it is stressed or not.
    seed : int
        For the densities, not for the tokens.
    """
    rng = np.random.default_rng(0)
    run, corpus = folder / "run", folder / "corpus"
    run.mkdir(parents=True)
    corpus.mkdir()
    token = np.arange(n_tokens)
    speaker, word = rng.integers(0, n_speakers, n_tokens), rng.integers(0, n_words, n_tokens)
    tokens = pd.DataFrame(
        {
            "token_id": [f"t{i:05d}" for i in token],
            "word": [f"W{w}" for w in word],
            "family": [f"w{w // 2}" for w in word],
            "speaker": [f"s{s}" for s in speaker],
            "sex": np.where(speaker % 2 == 0, "female", ""),
            "stress": np.where(word % 3 == 0, "FINAL", "INITIAL"),
            "is_minimal_pair": word % 4 == 0,
            "is_prosody_only_pair": word % 8 == 0,
            "duration_s": 0.3 + 0.001 * (token % 90),
            "correct": rng.random(n_tokens) < 0.8,
        }
    )
    write_parquet(tokens, run / "tokens.parquet")
    more = pd.concat([tokens, tokens.assign(token_id=tokens["token_id"] + "_x")])
    more = more.sort_values("token_id", kind="stable")[["token_id"]]
    first = np.arange(len(more)) // 2 % 2 == 0
    more["nucleus_1"] = np.where(first, "AE1", "AH0")
    more["nucleus_2"] = np.where(first, "ER0", "IY1")
    write_parquet(more, corpus / "tokens.parquet")
    write_manifest(corpus, "corpus", parameters={"recipe": "tones"})
    rng = np.random.default_rng([1, seed])
    true = np.array([MEANS.get(r, 1.0) for r in REGIONS]) * shift
    effect = (
        0.1 * rng.standard_normal(n_speakers)[speaker] + 0.1 * rng.standard_normal(n_words)[word]
    )
    size = (n_tokens, len(REGIONS))
    density = true * np.exp(effect[:, None] + 0.3 * rng.standard_normal(size) - 0.055)
    null = np.exp(0.3 * rng.standard_normal(size) - 0.045)
    is_first = (tokens["stress"] == "INITIAL").to_numpy()
    density[is_first, 0] *= first_syllable
    density[~is_first, 1] *= first_syllable
    density[3, 0] = np.nan
    rows = pd.DataFrame(
        {
            "token_id": np.repeat(tokens["token_id"].to_numpy(), len(REGIONS)),
            "region": np.tile(REGIONS, n_tokens),
            "density": density.ravel(),
            "positive_share": 0.2 * density.ravel() / shift,
            "energy_share": 0.2,
            "pointing": (density.ravel() > 1.0).astype(float),
            "pointing_chance": 0.5,
            "null_density": null.ravel(),
            "null_positive_share": 0.2 * null.ravel(),
            "null_energy_share": 0.2,
        }
    )
    write_parquet(rows, run / "relevance.parquet")
    if controls:
        parts = []
        dense = np.tile(np.array([r in MEANS for r in REGIONS]), n_tokens)
        for name, factors in controls.items():
            for draw, factor in enumerate(factors):
                noise = np.exp(0.1 * rng.standard_normal((2, len(rows))))
                own, exchanged = np.where(dense, factor, 1.0) * noise[0], noise[1]
                part = rows[["token_id", "region"]].assign(null=name)
                seed_of = draw if len(factors) > 1 else None
                part["draw"] = pd.array([seed_of] * len(rows), dtype="Int64")
                shares = {"positive_share": 0.2 * own, "energy_share": 0.2}
                parts.append(part.assign(density=own, null_density=exchanged, **shares))
        nulls = pd.concat(parts).sort_values("token_id", kind="stable")
        write_parquet(nulls, run / "nulls.parquet")
    elif with_nulls:
        half = rows[rows["token_id"].isin(tokens["token_id"][::2])]
        keys = ["token_id", "region"]
        untrained = half[keys].assign(null="untrained", density=1.5)
        parts = [untrained, untrained.assign(density=0.5)]  # two draws, mean 1
        nulls = pd.concat([*parts, half[keys].assign(null="time_shift", density=2.0)])
        nulls = nulls.sort_values("token_id", kind="stable")
        write_parquet(nulls, run / "nulls.parquet")
    write_manifest(run, "relevance", parameters={"corpus": str(corpus), "model": "gone"})
    return run
