"""Corpora at the edge: every command does its work, or says in one line why it cannot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import run_cli
from conftest import RATE_HZ, SENTENCES, aligned_sentence, sound_of

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.store import Corpus
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.registry import build_model

VOICES = {"anna": 210.0, "bo": 190.0, "carl": 110.0}
NO_TEST = dict.fromkeys(("test", "test_known_words", "test_known_speakers"), "valid_test_mixed")


@dataclass(frozen=True)
class Edge:
    """A corpus that differs in one way from an ordinary one, and what stops which command.

    ``stops`` holds a part of the one line that a command says instead of working.
    """

    voices: Mapping[str, float] = field(default_factory=lambda: VOICES)
    sentences: Sequence[str] = SENTENCES
    phone_s: float = 0.08
    rate_hz: int = RATE_HZ
    n_channels: int = 1
    gain: float = 1.0
    no_splits: bool = False
    stops: Mapping[str, str] = field(default_factory=dict)


ONE = {"anna": 210.0}
WITHOUT_SPLITS = {"train": "built with --no-splits", "evaluate": "none of its tokens belongs"}

EDGES = {
    "silence": Edge(gain=0.0, stops={"build-corpus": "digital silence"}),
    "one class": Edge(
        sentences=("THE WATER LETTER MONEY PICTURE",),
        stops={"build-corpus": "only 0 word families with stress FINAL"},
    ),
    "one class, no splits": Edge(
        ONE, ("THE WATER LETTER MONEY PICTURE",), no_splits=True, stops=WITHOUT_SPLITS
    ),
    "one speaker": Edge(ONE, stops={"build-corpus": "1 speaker: too few"}),
    "one token": Edge(ONE, ("THE HOTEL",), no_splits=True, stops=WITHOUT_SPLITS),
    "words of 5 ms": Edge(phone_s=0.001, stops={"build-corpus": "words left out"}),
    "words of 3 s": Edge(phone_s=0.6, stops={"build-corpus": "words left out"}),
    "7.9 kHz": Edge(rate_hz=7900, stops={"build-corpus": "supply at least 16000 Hz"}),
    "192 kHz": Edge(rate_hz=192_000),
    "eight channels": Edge(n_channels=8),
    "no test token": Edge(stops={"evaluate": "none of its tokens belongs to a test set"}),
}


def write(edge: Edge, folder: Path) -> Path:
    """The recordings of a corpus, with TextGrids."""
    for number, (speaker, f0_hz) in enumerate(edge.voices.items()):
        (folder / speaker).mkdir(parents=True)
        for index, sentence in enumerate(edge.sentences):
            alignment, duration_s = aligned_sentence(sentence, edge.phone_s)
            samples = edge.gain * sound_of(alignment, duration_s, f0_hz, 100 * number + index)
            places = np.arange(round(duration_s * edge.rate_hz)) * RATE_HZ / edge.rate_hz
            samples = np.interp(places, np.arange(len(samples)), samples)
            stem = folder / speaker / f"{speaker}-{index}"
            channels = np.repeat(samples[:, None], edge.n_channels, axis=1)
            soundfile.write(stem.with_suffix(".flac"), channels, edge.rate_hz)
            write_textgrid(stem.with_suffix(".TextGrid"), alignment, duration_s)
    return folder


def untrained(folder: Path, corpus: Path) -> None:
    """A network with random weights that says it was trained on a corpus."""
    opened = Corpus.open(corpus)
    images = opened.images("stressnet")
    info = CheckpointInfo(
        "compact",
        *images.axes.shape,
        "stressnet",
        dict(images.preset),
        corpus_hash=opened.fingerprint,
    )
    save_checkpoint(folder, build_model("compact", *images.axes.shape).eval(), info)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", EDGES)
def test_the_whole_way(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge = EDGES[name]
    recordings = write(edge, tmp_path / "recordings")
    corpus, model, relevance = (tmp_path / each for each in ("corpus", "model", "run"))

    def works(command: str, *arguments: object) -> bool:
        """Whether a command does its work; if not, it says what was expected, in one line."""
        code, _, err = run_cli(capsys, command, *arguments, "-q")
        reason = edge.stops.get(command)
        if reason is None:
            assert code in (0, 3), err
            return True
        lines = [line for line in err.splitlines() if line.startswith("stressnet: ")]
        assert code == 1, err
        assert len(lines) == 1
        assert reason in lines[0]
        return False

    assert works("validate", recordings)
    options = ["--no-longer-words", "-j", 1, *(["--no-splits"] if edge.no_splits else [])]
    if name == "no test token":
        assert works("build-corpus", recordings, tmp_path / "first", *options)
        splits = pd.read_csv(tmp_path / "first" / "splits.csv").replace({"split": NO_TEST})
        splits.to_csv(tmp_path / "splits.csv", index=False)
        options += ["--splits", tmp_path / "splits.csv"]
    if not works("build-corpus", recordings, corpus, *options):
        return
    if not works("train", corpus, model, "--max-epochs", 1):
        untrained(model, corpus)
    works("evaluate", corpus, model, tmp_path / "e", "--no-audits", "--resamples", 100)
    assert works("explain", corpus, model, relevance, "--split", "all", "--max-tokens", 2, "-j", 1)
    assert works("stats", relevance, tmp_path / "stats")


def test_a_name_that_is_not_utf8_is_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in archives from old systems: the file is named, escaped, and the rest is built."""
    recordings = write(Edge(ONE), tmp_path / "recordings")
    other = Path(os.fsdecode(os.fsencode(recordings / "anna") + b"/caf\xe9.flac"))
    try:
        shutil.copy(recordings / "anna" / "anna-0.flac", other)
    except OSError:
        pytest.skip("this file system takes no such names")
    table, corpus = tmp_path / "table.csv", tmp_path / "corpus"
    code, _, err = run_cli(capsys, "validate", recordings, "--csv", table, "-q")
    assert code == 3, err
    code, _, err = run_cli(capsys, "build-corpus", recordings, corpus, "--no-splits", "-q", "-j", 1)
    assert code == 3
    for text in (err, table.read_text(), (corpus / "failures.csv").read_text()):
        assert "caf\\udce9.flac: its name is not UTF-8; rename it" in text
    assert set(Corpus.open(corpus).tokens["utterance_id"]) == {"anna-0", "anna-1"}
