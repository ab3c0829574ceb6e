"""Words before a pause and words within a phrase."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.phrases import FINAL, MEDIAL, MIN_PAUSE_S, phrase_positions
from stressnet.corpus.store import Corpus
from stressnet.intervals import Alignment, Interval


def test_words_before_pauses_and_at_the_end(tmp_path: Path) -> None:
    long_s, short_s = MIN_PAUSE_S + 0.05, MIN_PAUSE_S - 0.05
    words = [Interval(0.1, 0.5, "ONE")]
    for gap_s, label in ((0.0, "TWO"), (short_s, "THREE"), (long_s, "FOUR")):
        start_s = words[-1].end_s + gap_s
        words.append(Interval(start_s, start_s + 0.4, label))
    (tmp_path / "textgrids").mkdir()
    write_textgrid(tmp_path / "textgrids" / "a.TextGrid", Alignment(tuple(words), ()), 4.0)
    rows = [("a", word.end_s) for word in words] + [("gone", 1.0)]
    tokens = pd.DataFrame(rows, columns=["utterance_id", "end_s"], index=[7, 3, 5, 1, 9])
    found = phrase_positions(Corpus(tmp_path, {}), tokens)
    assert found.loc[[7, 3, 5, 1]].tolist() == [MEDIAL, MEDIAL, FINAL, FINAL]
    assert found.isna().tolist() == [False] * 4 + [True]
