"""Where words stand in their phrase, as far as pauses tell.

Words before a pause are longer, their last syllable most of all, whatever their stress (Wightman
et al. 1992, *J. Acoust. Soc. Am.* 91:1707-1717). Claims about duration are therefore also made of
words within phrases alone.
"""

from bisect import bisect_left

import pandas as pd

from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.store import Corpus

MIN_PAUSE_S = 0.2  # Shorter silences may be closures of plosives

FINAL, MEDIAL = "phrase-final", "phrase-medial"


def phrase_positions(corpus: Corpus, tokens: pd.DataFrame) -> pd.Series:
    """Whether each token stands before a pause of at least `MIN_PAUSE_S` or ends its recording.

    ``tokens`` are rows of the corpus's table. Missing where the utterance has no TextGrid.
    """
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
