"""A word, an answer and its reasons, from Python and with ``stressnet look``."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import run_cli
from report_runs import make_run

import stressnet
from stressnet import listen
from stressnet.acoustics.track_types import Tracks
from stressnet.alignment.textgrid import write_textgrid
from stressnet.errors import AlignmentError, ConfigError
from stressnet.espeak.speech import Voice, speak
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.stress import Stress
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.stages.explain import explain_corpus


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``permit.wav``, one word in digital silence, and ``sentence.wav`` with its text."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, text in (("permit", "permit"), ("sentence", "the teacher bought a red balloon")):
        speech = speak(text, Voice())
        silence = np.zeros(6000, dtype=np.float32)
        sound = np.concatenate([silence, speech.samples, silence])
        soundfile.write(folder / f"{name}.wav", sound, speech.rate_hz)
    (folder / "sentence.txt").write_text("the teacher bought a red balloon")
    return folder


@pytest.fixture(scope="module")
def built(make_corpus: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(make_corpus, tmp_path_factory.mktemp("run")).parent / "corpus"


@pytest.fixture(scope="module")
def permit(recordings: Path) -> stressnet.Word:
    return stressnet.load_word(recordings / "permit.wav", word="permit")


@pytest.mark.parametrize("name", stressnet.__all__)
def test_examples_of_all_public_names(
    name: str, recordings: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = getattr(stressnet, name)
    if not hasattr(public, "__doc__") or name == "__version__":
        return
    (recordings / "corpus").exists() or (recordings / "corpus").symlink_to(built)
    monkeypatch.chdir(recordings)
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(public, name, globs={"stressnet": stressnet})
    assert example.examples or name in ("StressNetwork", "OpenedCorpus")
    assert doctest.DocTestRunner().run(example).failed == 0


def test_digital_silence_moves_no_phones(permit: stressnet.Word) -> None:
    """Phones of a word between digital silences are where they are without it."""
    assert permit.times is not None
    truth = speak("permit", Voice()).phones
    for nucleus, true in zip(permit.times.nuclei, (truth[1], truth[3]), strict=True):
        assert abs(nucleus.middle_s - (true.middle_s - truth[0].start_s)) < 0.04


def test_an_answer_is_that_of_predict(
    recordings: Path, permit: stressnet.Word, capsys: pytest.CaptureFixture[str]
) -> None:
    file = recordings / "permit.wav"
    code, text, _ = run_cli(capsys, "predict", file, "--word", "permit", "--format", "json")
    (word,) = json.loads(text)["words"]
    assert code == 0
    answer = stressnet.load_network()(permit)
    assert answer.stress.value == word["stress"]
    assert answer.p_initial == pytest.approx(word["p_initial"], abs=1e-6)


def test_relevance_adds_up_to_the_answer(permit: stressnet.Word) -> None:
    """What biases keep is missing; the two halves of the word tile it."""
    why = stressnet.load_network().explain(permit)
    shares = why.by_region(["syllable_1", "syllable_2"]).set_index("region")["signed_share"]
    word = (why.axes.time_s > 0) & (why.axes.time_s < permit.end_s - permit.start_s)
    sign = 1 if why.answer.stress is Stress.INITIAL else -1
    share = sign * why.relevance[:, word].sum() / np.abs(why.relevance).sum()
    assert shares.sum() == pytest.approx(share, abs=0.05)


def test_a_word_of_a_sentence_is_chosen(recordings: Path) -> None:
    sentence = recordings / "sentence.wav"
    assert stressnet.load_word(sentence, word="balloon").label == "BALLOON"
    with pytest.raises(AlignmentError, match="2 words of two syllables; say which with word"):
        stressnet.load_word(sentence)
    with pytest.raises(AlignmentError, match=r"0 'red' with two syllables \(1 syllable\)"):
        stressnet.load_word(sentence, word="red")


def test_a_word_of_unknown_phones_has_an_answer_and_no_regions(recordings: Path) -> None:
    word = stressnet.load_word(recordings / "permit.wav")
    assert word.label == "" and word.times is None
    why = stressnet.load_network().explain(word)
    with pytest.raises(ConfigError, match="its phones are not known; give load_word the word"):
        why.by_region()
    assert "phones are not known" in why._repr_html_()


def test_words_of_a_corpus_show_themselves_and_are_explained(built: Path) -> None:
    corpus = stressnet.open_corpus(built)
    token = corpus.tokens.iloc[0]
    word = corpus.word(token["token_id"])
    sources = [one.source for one in corpus.words(token["word"].lower())]
    assert word.label == token["word"] and word.source in sources
    why = stressnet.load_network().explain(word)
    assert why._repr_html_().count("data:image/png;base64") == 1
    assert "audio controls" in word._repr_html_()


def test_a_word_has_one_answer_everywhere(built: Path, tmp_path: Path) -> None:
    """In a run's tables and pictures, and from Python (as from ``predict``)."""
    run = explain_corpus(built, "pretrained", tmp_path / "run", splits=("all",), max_tokens=2)
    row = pd.read_parquet(run.path / "tokens.parquet").iloc[0]
    why = stressnet.load_network().explain(stressnet.open_corpus(built).word(row["token_id"]))
    assert row["p_initial"] == pytest.approx(why.answer.p_initial, abs=1e-5)
    rows = (
        pd.read_parquet(run.path / "relevance.parquet").set_index("token_id").loc[row["token_id"]]
    )
    names = ["nucleus_1", "F1", "F2", "F0"]
    expected = rows.set_index("region").loc[names, ["absolute_share", "area_share"]]
    shares = why.by_region(names).set_index("region")[["absolute_share", "area_share"]]
    np.testing.assert_allclose(shares, expected, rtol=1e-4)


def test_words_of_a_corpus_keep_its_tracks(built: Path) -> None:
    """Settings of the speaker, not of the word alone."""
    corpus = stressnet.open_corpus(built)
    word = corpus.words()[0]
    stored = corpus.tracks[corpus.tracks["token_id"] == word.source]
    expected = Tracks.from_frame(stored)[word.source]
    np.testing.assert_array_equal(word.tracks.pitch.f0_hz, expected.pitch.f0_hz)
    other = replace(word, stored_tracks=lambda: expected.missing())
    assert len(other.tracks.pitch.time_s) == 0


def test_what_is_doubtful_is_a_warning(recordings: Path, tmp_path: Path) -> None:
    """A transcript that hardly fits the sound."""
    sound = tmp_path / "sentence.wav"
    sound.write_bytes((recordings / "sentence.wav").read_bytes())
    (tmp_path / "sentence.txt").write_text("permit")
    with pytest.warns(UserWarning, match="sentence.wav") as told:
        stressnet.load_word(sound, word="permit")
    assert len(told) >= 1


def test_look_listens_in_the_language_of_its_network(
    recordings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainedNetwork, "language", "es")
    at = (0.1, 0.2, 0.3, 0.4, 0.5)
    phones = (Interval(*span) for span in zip(at, at[1:], ("θ", "o1", "r", "o0"), strict=False))
    grid = recordings / "spanish.TextGrid"
    write_textgrid(grid, Alignment((Interval(0.1, 0.5, "ZORRO"),), tuple(phones)), 0.75)
    figure, file = recordings / "spanish.svg", recordings / "sentence.wav"
    asked = ("--word", "zorro", "--textgrid", grid)
    load_word, languages = listen.load_word, []
    monkeypatch.setattr(
        listen,
        "load_word",
        lambda *given, **how: languages.append(how["language"]) or load_word(*given, **how),
    )
    code, out, err = run_cli(capsys, "look", file, figure, *asked)
    assert code == 0 and out.startswith("ZORRO: ") and languages == ["es"], err
    word = stressnet.load_word(file, "zorro", textgrid=grid, language="es")
    why = stressnet.load_network().explain(word)
    assert "Spanish" in {text.get_text() for text in why.plot().texts}


def test_look_draws_a_word(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = recordings / "look.svg"
    file = recordings / "permit.wav"
    code, text, _ = run_cli(capsys, "look", file, figure, "--word", "permit")
    assert code == 0 and text.startswith("PERMIT: ")
    assert figure.read_text().startswith("<?xml")
    code, _, text = run_cli(capsys, "look", file, file)
    assert code == 1 and "belongs to the input" in text


def test_a_script_without_a_guard_needs_no_processes(recordings: Path) -> None:
    script = recordings / "script.py"
    script.write_text(
        "import stressnet\nprint(stressnet.load_word('permit.wav', word='permit').label)\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=recordings, capture_output=True, text=True, timeout=600
    )
    assert done.stdout == "PERMIT\n", done.stderr


def test_importing_the_package_is_cheap() -> None:
    code = "import stressnet, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"
