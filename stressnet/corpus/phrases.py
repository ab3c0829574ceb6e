"""Where words stand in their phrase, as far as pauses tell, and whether pitch stands out in them.

Words before a pause are longer, their last syllable most of all, whatever their stress (Wightman
et al. 1992, *J. Acoust. Soc. Am.* 91:1707-1717). Claims about duration are therefore also made of
words within phrases alone. Accented words have their stressed syllable marked by F0, others hardly
(Sluijter & van Heuven 1996, *J. Acoust. Soc. Am.* 100:2471-2485). What accents a word is a matter
of its whole phrase, so how high its F0 reaches only stands for an accent.
"""

from bisect import bisect_left

import numpy as np
import pandas as pd

from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.store import TRACKS, Corpus
from stressnet.runs.tables import open_parquet, read_table

MIN_PAUSE_S = 0.2  # Shorter silences may be closures of plosives

FINAL, MEDIAL = "phrase-final", "phrase-medial"

MIN_RISE_ST = 3.0  # Smaller differences of F0 are hardly heard as prominence ('t Hart 1981)

HIGH, LOW = "high pitch", "low pitch"


def phrase_positions(corpus: Corpus, tokens: pd.DataFrame) -> pd.Series:
    """Whether each token stands before a pause of at least `MIN_PAUSE_S` or ends its recording."""
    found = {}
    for utterance, rows in tokens.groupby("utterance_id", sort=False):
        file = corpus.textgrid_file(str(utterance))
        if not file.is_file():
            continue
        starts_s = sorted(word.start_s for word in read_textgrid(file).words if not word.is_silence)
        for index, end_s in rows["end_s"].items():
            place = bisect_left(starts_s, end_s - 1e-3)
            pause = place == len(starts_s) or starts_s[place] - end_s >= MIN_PAUSE_S
            found[index] = FINAL if pause else MEDIAL
    return pd.Series(found, dtype=object).reindex(tokens.index)


def pitch_prominence(corpus: Corpus, tokens: pd.DataFrame) -> pd.Series:
    """Whether each token's F0 reaches `MIN_RISE_ST` semitones above its speaker's median.

    Missing where it has no voiced frame, or the corpus no tracks.
    """
    voices = corpus.path / "speakers.csv"
    if not (voices.is_file() and (corpus.path / TRACKS).is_file()):
        return pd.Series(None, tokens.index, dtype=object)
    ends_s = tokens.set_index("token_id")["duration_s"]
    parts = []
    with open_parquet(corpus.path / TRACKS) as file:
        for batch in file.iter_batches(columns=["token_id", "time_s", "f0_hz"]):
            part = batch.to_pandas()
            inside = (part["time_s"] >= 0) & (part["time_s"] <= part["token_id"].map(ends_s))
            parts.append(part[inside].groupby("token_id")["f0_hz"].max())
    highest_hz = tokens["token_id"].map(pd.concat(parts).groupby(level=0).max())
    medians = read_table(voices, ["speaker", "f0_median_hz"], dtype={"speaker": str})
    median_hz = tokens["speaker"].map(medians.groupby("speaker")["f0_median_hz"].mean())
    ratio = highest_hz / median_hz
    named = np.where(ratio >= 2 ** (MIN_RISE_ST / 12), HIGH, LOW)
    return pd.Series(named, tokens.index, dtype=object).where(ratio.notna(), None)
