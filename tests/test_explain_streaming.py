"""Maps of many images go to disk in memory that does not grow with their number, and resume."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from lrp_nets import CompactCNN, randomise

from stressnet.axes import Axes
from stressnet.corpus.images import Images
from stressnet.explain import explain_batch, map_file
from stressnet.explain.stream import PeakMemory
from stressnet.lexicon.stress import Stress
from stressnet.runs.journal import Journal

SHAPE = (64, 48)
MAP_BYTES = 4 * SHAPE[0] * SHAPE[1]
IMAGES = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype(np.float32)
STORED = Images(
    IMAGES,
    np.ones((len(IMAGES), SHAPE[1]), dtype=bool),
    Axes(0.01 * np.arange(SHAPE[1]), 50.0 * np.arange(SHAPE[0])),
    {},
)
MODEL = randomise(CompactCNN(2)).float()


class Bar:
    """Counts tokens; stops the run after some."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.n, self.stop_after = 0, stop_after

    def update(self, n: int) -> None:
        self.n += n
        if self.stop_after is not None and self.n >= self.stop_after:
            raise KeyboardInterrupt


def write(folder: Path, n: int, bar: Bar | None = None) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    request = map_file.MapRequest(
        np.arange(n) % len(IMAGES), "epsilon-gamma", "logit-difference", Stress.INITIAL.class_index
    )
    with Journal(folder / "maps.jsonl") as journal:
        map_file.compute_maps(folder / "maps.npy", MODEL, STORED, request, journal, bar or Bar())
    return np.load(folder / "maps.npy", mmap_mode="r")


def test_memory_does_not_grow_with_the_number_of_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_file, "BATCH", 4)
    write(tmp_path / "warm", 4)
    peaks = []
    for n in (16, 160):
        tracemalloc.start()
        with PeakMemory() as tensors:
            write(tmp_path / str(n), n)
        peaks.append((tensors.peak, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    (tensors_few, python_few), (tensors_many, python_many) = peaks
    assert tensors_many == tensors_few
    # what is kept per token is its row of the table and its line of the journal, not its map
    assert python_many - python_few < 144 * MAP_BYTES / 4


def test_an_interrupted_run_goes_on_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_file, "BATCH", 4)
    whole = write(tmp_path / "whole", 20)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "parts", 20, Bar(stop_after=9))
    journal = tmp_path / "parts" / "maps.jsonl"
    before = journal.read_text()
    assert [json.loads(line)["id"] for line in before.splitlines()] == ["0", "4", "8"]
    bar = Bar()
    parts = write(tmp_path / "parts", 20, bar)
    assert bar.n == 20  # progress counts what was there already
    assert journal.read_text().startswith(before)
    assert len(journal.read_text().splitlines()) == 5
    np.testing.assert_array_equal(parts, whole)
    exact = explain_batch(MODEL, torch.from_numpy(IMAGES)[:, None]).relevance[:, 0]
    np.testing.assert_allclose(whole[:8], exact.numpy(), atol=1e-5 * float(exact.abs().max()))
