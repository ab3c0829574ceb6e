"""Norms of native speakers for ``stressnet score``: the table in the package, from LibriSpeech.

    stressnet build-corpus LIBRISPEECH CORPUS --recipe librispeech --aligner pocketsphinx \
        --syllables 2-4 --no-splits
    stressnet measure CORPUS CUES
    python benchmarks/native_norms.py CUES stressnet/stages/score/native-norms.csv
    python benchmarks/native_norms.py CUES --check OTHER-CUES

The aligner is that of ``score``. Norms of single words are left out; ``--reference CUES`` has them.
``--check`` prints mean and standard deviation of the z-scores of other native speakers, which
should be 0 and 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from stressnet.runs import read_manifest
from stressnet.stages.score.norms import deviations, differences, norms_of

HEAD = """\
# Cues of native speakers: mean and standard deviation by pattern of stress (10: on the first of two
# syllables) or vowel (ARPAbet). Source: {source}, {n} words by {speakers} readers, aligned by
# {aligner}. Made by benchmarks/native_norms.py; docs/learners.md says what the cues are.
"""


def main() -> None:
    """Write the table, or check norms on other speakers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cues", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--check", type=Path)
    given = parser.parse_args()
    cues = pd.read_parquet(given.cues / "cues.parquet")
    norms = norms_of(cues)
    norms = norms[~norms["of"].str.contains(" ")]
    if given.out is not None:
        corpus = read_manifest(given.cues, "cues")["parameters"]
        n = differences(cues)["token_id"].nunique()
        about = {"source": corpus["corpus_name"], "n": n, "speakers": cues["speaker"].nunique()}
        text = HEAD.format(**about, aligner="pocketsphinx")
        rounded = norms.round({"mean": 4, "sd": 4}).to_csv(index=False, lineterminator="\n")
        given.out.write_text(text + rounded, encoding="utf-8")
        print(f"{len(norms)} norms, {given.out.stat().st_size} bytes")
    if given.check is not None:
        other = pd.read_parquet(given.check / "cues.parquet")
        z = deviations(other[~other["speaker"].isin(cues["speaker"])], norms)
        z = z[[name for name in z if str(name).endswith("_z")]]
        print(z.agg(["count", "mean", "std"]).T.to_string(float_format="%.2f"))


if __name__ == "__main__":
    main()
