"""A token's sound as a short hash that stays the same wherever the sound is copied to.

Names change when a corpus is built again; samples do not. A hash of all samples would change with
every shift of the word's limits by an aligner, so the hash is the smallest of those of all windows
of 2 ms in the word: two cuts of one word that share 95 % of their samples have it in common with a
probability of 95 % (Broder 1997, On the resemblance and containment of documents).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stressnet.audio import read_audio
from stressnet.errors import AudioError
from stressnet.runs.names import inside

if TYPE_CHECKING:
    import pandas as pd

_WINDOW = 32
_LEAST_MOVEMENT = 4 * _WINDOW  # In steps of 16 bits; digital silence is the same everywhere

_BASE = np.uint64(0x9E3779B97F4A7C15)


def sound_hash(samples: NDArray[np.float32]) -> str:
    """The hash of a word's sound; empty for silence.

    Samples, shape (n,), at full scale 1, are compared after rounding to 16 bits, as excerpts are
    stored.
    """
    steps = np.round(samples.astype(np.float64) * 32768).astype(np.int64)
    n = len(steps) - _WINDOW + 1
    if n < 1:
        return ""
    moved = np.concatenate([[0], np.cumsum(np.abs(np.diff(steps, prepend=steps[:1])))])
    hashes = np.zeros(n, dtype=np.uint64)
    for k in range(_WINDOW):
        hashes = hashes * _BASE + steps[k : k + n].astype(np.uint64)
    hashes = (hashes ^ (hashes >> np.uint64(31))) * _BASE
    hashes ^= hashes >> np.uint64(29)
    hashes = hashes[moved[_WINDOW:] - moved[1 : n + 1] >= _LEAST_MOVEMENT]
    return f"{hashes.min():016x}" if len(hashes) else ""


def sound_hashes(folder: Path, tokens: pd.DataFrame) -> pd.Series:
    """The hash of the sound of a corpus's tokens by id; empty where an excerpt cannot be read."""
    import pandas as pd

    if "excerpt_file" not in tokens:  # a corpus without sound
        return pd.Series("", tokens["token_id"], dtype=object)
    hashes = []
    columns = tokens[["excerpt_file", "start_s", "end_s", "excerpt_start_s"]]
    for file, start_s, end_s, origin_s in columns.itertuples(index=False):
        try:
            excerpt = read_audio(inside(folder, file))
        except AudioError:
            hashes.append("")
            continue
        hashes.append(sound_hash(excerpt.cut(start_s - origin_s, end_s - origin_s).samples))
    return pd.Series(hashes, tokens["token_id"], dtype=object)
