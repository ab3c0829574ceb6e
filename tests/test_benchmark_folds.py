"""The script that puts cross-validated networks beside simpler listeners."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stressnet.training.data import StressData

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "folds.py"))


def test_a_part_of_a_corpus_is_trained_on_alone_but_tested_on_everything():
    tokens = pd.DataFrame(
        {
            "token_id": ["a1", "a2", "b1", "b2"],
            "utterance_id": ["a", "a", "b", "b"],
            "corpus": ["one", "one", "two", "two"],
        }
    )
    stretches = pd.DataFrame({"token_id": ["a3", "b3"], "utterance_id": ["a", "b"]})
    splits = ["train", "test", "valid", "test", "train", "train"]
    ids = ["a1", "a2", "b1", "b2", "a3", "b3"]
    data = StressData(np.zeros((6, 2, 2), np.float32), [0] * 6, ids, ids, splits, ids)
    part = SCRIPT["part_of"](SimpleNamespace(tokens=tokens, stretches=stretches), data, "one")
    other = "other corpus"
    assert list(part.splits) == ["train", "test", other, "test", "train", other]


def test_figures_and_paired_differences_of_listeners():
    n = 24
    frame = pd.DataFrame(
        {
            "stress_true": ["INITIAL", "FINAL"] * (n // 2),
            "speaker": [f"s{i // 4}" for i in range(n)],
            "lemma": [f"w{i % 6}" for i in range(n)],
        }
    )
    right = np.where(frame["stress_true"] == "INITIAL", 1.0, -1.0)
    frame = frame.assign(**{"logit good": right, "logit deaf": 1.0})
    rows = pd.DataFrame(SCRIPT["rows_of_set"](frame, [("good", "deaf")]))
    rows = rows.set_index(["listener", "minus", "metric"])["estimate"]
    assert rows["good", "", "balanced_accuracy"] == 1.0
    assert rows["deaf", "", "balanced_accuracy"] == 0.5
    assert rows["majority reading of each word", "", "accuracy"] == 1.0
    assert rows["good", "deaf", "balanced_accuracy"] == 0.5
    assert rows["good", "deaf", "recall_initial"] == 0.0
    assert rows["good", "deaf", "recall_final"] == pytest.approx(1.0)
