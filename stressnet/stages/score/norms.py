"""How words differ from native speakers' in duration, F0, intensity and vowel quality.

Conventions
-----------
A cue of the word is that of the vowel which should be stressed minus the mean of its other vowels
(duration: binary logarithm of the ratio), so that it is large where stress is clear, in whichever
syllable. It is compared with the same word of native speakers if there are enough, else with all
their words of the same pattern (``10`` is stress on the first of two syllables). Formants of a
vowel are in Bark from the speaker's centroid and are compared with the same vowel, ``AH0`` with
``AH0``. A z-score is the distance from the natives' mean in their standard deviations.
"""

from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.acoustics.vowel_space import bark, centroid_bark
from stressnet.errors import CorpusError
from stressnet.lexicon.stress import MOST_SYLLABLES, Stress
from stressnet.runs import read_manifest
from stressnet.runs.tables import read_table
from stressnet.stages.measure.run import TABLE

WORD_CUES = {
    "duration_log2_ratio": "duration_s",
    "f0_difference_st": "f0_max_st",
    "intensity_difference_db": "intensity_max_db",
    "emphasis_difference_db": "spectral_emphasis_db",
    "peripherality_difference_bark": "peripherality_bark",
}
"""Cues of a word, and what is measured in each of its vowels."""

MIN_TOKENS, MIN_SPEAKERS = 10, 5  # With fewer native tokens or speakers there is no norm

NORMS = "native-norms.csv"
"""Norms of LibriSpeech's readers; ``benchmarks/native_norms.py`` makes the file."""


def differences(cues: pd.DataFrame) -> pd.DataFrame:
    """Cues of words and vowels, of which one stress is expected, one a row.

    ``cues`` are those of ``measure``. Columns: ``token_id``, ``speaker``, ``name`` (the column of
    ``words.csv``: ``f0_difference_st``, ``vowel_2_f1_bark``), ``cue``, ``value``, ``of`` (pattern
    or vowel), ``of_word`` (word and pattern; empty for vowels).
    """
    numbers = [k for k in range(1, MOST_SYLLABLES + 1) if f"nucleus_{k}_f1_hz" in cues]

    def vowels(cue: str) -> np.ndarray:
        columns = (cues[f"nucleus_{k}_{cue}"].astype("Float64") for k in numbers)
        return np.stack([c.to_numpy(np.float64, na_value=np.nan) for c in columns], axis=1)

    n = np.isfinite(vowels("duration_s")).sum(axis=1)
    pairs = zip(cues["stress"], n, strict=True)
    place = np.array([Stress(s).syllable(k) if pd.notna(s) else -1 for s, k in pairs], dtype=int)
    patterns = ["0" * k + "1" + "0" * (m - k - 1) for k, m in zip(place, n, strict=True)]
    suspect = vowels("formants_suspect") != 0
    ids = cues[["token_id", "speaker"]].assign(of=patterns, of_word=cues["word"] + " " + patterns)
    parts = []
    for name, cue in WORD_CUES.items():
        values = vowels(cue)
        if name.endswith("log2_ratio"):
            values = np.log2(values)
        if cue == WORD_CUES["peripherality_difference_bark"]:
            values[suspect] = np.nan
        others = np.where(np.arange(len(numbers)) == place[:, None], np.nan, values)
        there = np.isfinite(others).sum(axis=1)
        rest = np.nansum(others, axis=1) / np.where(there == n - 1, there, np.nan)
        value = values[np.arange(len(values)), place] - rest
        parts.append(ids.assign(name=name, cue=name, value=value))
    f1, f2 = (np.where(suspect, np.nan, vowels(f"f{k}_hz")) for k in (1, 2))
    centres = {
        speaker: centroid_bark(f1[rows].ravel(), f2[rows].ravel())
        for speaker, rows in cues.groupby("speaker").indices.items()
    }
    centre = np.stack([centres[speaker] for speaker in cues["speaker"]])
    for formant, hertz in enumerate((f1, f2)):
        from_centre = bark(hertz) - centre[:, [formant]]
        for column, k in enumerate(numbers):
            cue = f"f{formant + 1}_bark"
            own = ids.assign(of=cues[f"nucleus_{k}"], of_word="", name=f"vowel_{k}_{cue}", cue=cue)
            parts.append(own.assign(value=from_centre[:, column]))
    return pd.concat(parts)[np.tile(place >= 0, len(parts))]


def norms_of(cues: pd.DataFrame) -> pd.DataFrame:
    """Means and standard deviations of native speakers, one row per pattern, word or vowel and cue.

    Columns ``of``, ``cue``, ``mean``, ``sd``, ``n_tokens``, ``n_speakers``.
    """
    rows = differences(cues).dropna(subset="value")
    of_words = rows[rows["of_word"] != ""]
    rows = pd.concat([rows, of_words.assign(of=of_words["of_word"])])
    groups = rows.groupby(["of", "cue"])
    table = groups["value"].agg(mean="mean", sd="std", n_tokens="size")
    table["n_speakers"] = groups["speaker"].nunique()
    enough = (table["n_tokens"] >= MIN_TOKENS) & (table["n_speakers"] >= MIN_SPEAKERS)
    return table[enough & (table["sd"] > 0)].reset_index()


def load_norms(reference: Path | None) -> pd.DataFrame:
    """Norms of a folder of cues, or those in the package."""
    if reference is None:
        file = Path(str(resources.files("stressnet.stages.score"))) / NORMS
        return pd.read_csv(file, comment="#", dtype={"of": str})
    read_manifest(reference, "cues")
    norms = norms_of(read_table(reference / TABLE, ("token_id", "speaker", "word", "stress")))
    if norms.empty:
        raise CorpusError(
            f"{reference}: no pattern of stress has {MIN_TOKENS} words by {MIN_SPEAKERS} speakers; "
            f"measure more native speech, or leave --reference out"
        )
    return norms


def deviations(cues: pd.DataFrame, norms: pd.DataFrame) -> pd.DataFrame:
    """One row per token: every difference, its z-score, and the norm that words are compared with.

    Columns are names of :func:`differences` and the same with ``_z``; ``norm`` is ``word``,
    ``stress`` or empty.
    """
    rows = differences(cues)
    known = norms.set_index(["of", "cue"])
    finer, coarser = (
        known[["mean", "sd"]].reindex(pd.MultiIndex.from_frame(rows[[of, "cue"]]))
        for of in ("of_word", "of")
    )
    is_word = np.isfinite(finer["mean"].to_numpy())
    mean, sd = (np.where(is_word, finer[c], coarser[c]) for c in ("mean", "sd"))
    rows["z"] = (rows["value"] - mean) / sd
    rows["norm"] = np.where(is_word, "word", np.where(np.isfinite(mean), "stress", ""))
    wide = rows.pivot(index="token_id", columns="name", values=["value", "z"])
    wide.columns = [f"{c[1]}_z" if c[0] == "z" else c[1] for c in wide.columns]
    order = [c for name in dict.fromkeys(rows["name"]) for c in (name, f"{name}_z")]
    first = rows[rows["name"] == next(iter(WORD_CUES))].set_index("token_id")
    return wide[order].assign(norm=first["norm"]).reset_index()
