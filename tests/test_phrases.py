"""Words before a pause and words within a phrase."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.phrases import (
    FINAL,
    HIGH,
    LOW,
    MEDIAL,
    MIN_PAUSE_S,
    phrase_positions,
    pitch_prominence,
)
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


def test_pitch_is_compared_with_the_speakers_median_and_within_the_word(tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d"]
    tokens = pd.DataFrame({"token_id": ids, "speaker": ["x", "x", "y", "y"], "duration_s": 0.5})
    corpus = Corpus(tmp_path, {})
    assert pitch_prominence(corpus, tokens).isna().all()  # no tracks
    rows = [  # a 3 st above 100 Hz, b just below; c high only after the word; d without voice
        *[("a", 0.2, 100 * 2**0.25 + 0.01), ("a", 0.3, 90.0), ("b", 0.2, 100 * 2**0.25 - 0.01)],
        *[("c", 0.2, 210.0), ("c", 0.6, 400.0), ("d", 0.2, float("nan"))],
    ]
    pd.DataFrame(rows, columns=["token_id", "time_s", "f0_hz"]).to_parquet(
        tmp_path / "tracks.parquet"
    )
    voices = pd.DataFrame({"speaker": ["x", "y", "y"], "f0_median_hz": [100.0, 190.0, 210.0]})
    voices.to_csv(tmp_path / "speakers.csv", index=False)
    found = pitch_prominence(corpus, tokens)
    assert found[:3].tolist() == [HIGH, LOW, LOW] and pd.isna(found[3])
