"""Transcripts that do not belong to their recordings: speaking rate, fit of words and sound."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from command_line import run_cli

from stressnet.alignment.fit import SoundFit, fit_to_sound
from stressnet.alignment.frame_net import default_net, log_mel
from stressnet.alignment.frame_search import search
from stressnet.alignment.paths import to_alignment
from stressnet.corpus.building.expect import language_warnings
from stressnet.corpus.speaking_rate import frame_levels, rate_warning, speech_time_s
from stressnet.errors import AlignmentError, ConfigError
from stressnet.espeak import Voice, speak
from stressnet.intervals import Alignment
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.runs.problems import Severity
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.build_corpus.run import built_text
from stressnet.stages.predict import predict
from stressnet.stages.validate import validate_folder

RATE_HZ = 16_000
TEXTS = (
    "The hotel had a water garden and a little record player",
    "Seven people decide to travel under the open window",
    "Somebody forgot to mention the price of the machine",
    "The doctor will permit the women to visit after dinner",
)


def spoken(text: str, seed: int = 0) -> np.ndarray:
    """Synthetic speech with a little noise."""
    speech = speak(text, Voice())
    samples = soxr.resample(speech.samples, speech.rate_hz, RATE_HZ)
    samples = 0.5 * samples / np.abs(samples).max()
    return (samples + 3e-4 * np.random.default_rng(seed).standard_normal(len(samples))).astype("f4")


def found(text: str, samples: np.ndarray) -> Alignment:
    """The words of a text, wherever the network finds them best."""
    words = text.upper().split()
    variants = [load_dictionary().pronounce(word) for word in words]
    path = search(default_net(), log_mel(samples), variants, None)
    assert path is not None
    return to_alignment(words, path.words, len(samples) / RATE_HZ, "frame-net", path.confidence)


def test_time_of_speech() -> None:
    rng = np.random.default_rng(1)
    loud, quiet = rng.standard_normal(2 * RATE_HZ), rng.standard_normal(3 * RATE_HZ)
    least_s, most_s = speech_time_s(frame_levels(np.r_[0.1 * loud, 1e-5 * quiet], RATE_HZ))
    assert least_s == pytest.approx(2.0, abs=0.05) and most_s == pytest.approx(2.0, abs=0.05)
    least_s, most_s = speech_time_s(frame_levels(np.r_[0.1 * loud, 2e-3 * quiet], RATE_HZ))
    assert least_s == pytest.approx(2.0, abs=0.05) and most_s == pytest.approx(5.0, abs=0.05)
    assert speech_time_s(np.zeros(0)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("speech_s", "said"),
    [
        ((3.0, 3.5), ""),
        ((0.2, 1.2), "faster than most people speak"),
        ((0.2, 0.8), "faster than anybody speaks"),
        ((11.0, 12.0), "slower than most people speak"),
        ((20.0, 20.0), "slower than anybody speaks; check that the transcript is whole"),
        ((1.0, 30.0), ""),  # silence and noise may take any time
    ],
)
def test_rates_that_nobody_speaks(speech_s: tuple[float, float], said: str) -> None:
    words = "SEVEN PEOPLE DECIDE TO TRAVEL UNDER".split()  # 28 phones
    file, pronounce = Path("a.wav"), load_dictionary().pronounce
    if "anybody" in said:
        with pytest.raises(AlignmentError, match=rf"a\.wav: 6 words in .*{said}"):
            rate_warning(file, words, pronounce, speech_s)
    else:
        text = rate_warning(file, words, pronounce, speech_s)
        assert said in text and bool(text) == bool(said)


def test_right_words_fit_their_sound_and_others_do_not() -> None:
    sounds = [spoken(text) for text in TEXTS]
    for text, other, sound in zip(TEXTS, TEXTS[1:] + TEXTS[:1], sounds, strict=True):
        right, wrong = (fit_to_sound(found(t, sound), sound) for t in (text, other))
        assert right is not None and right.severity is None and right.score > -1.2
        assert wrong is not None and wrong.severity is Severity.ERROR and wrong.score < -2
    noisy = sounds[0] + 0.1 * np.random.default_rng(2).standard_normal(len(sounds[0]))
    fit = fit_to_sound(found(TEXTS[0], noisy.astype("f4")), noisy.astype("f4"))
    assert fit is not None and fit.severity is not Severity.ERROR
    assert fit_to_sound(Alignment((), ()), sounds[0]) is None


@pytest.mark.parametrize(
    ("score", "n_phones", "reversed_score", "severity"),
    [
        (-1.5, 100, float("nan"), None),
        (-2.5, 100, -2.7, Severity.ERROR),
        (-2.5, 100, -4.0, Severity.WARNING),  # another language, for instance
        (-2.5, 100, -6.0, None),
        (-2.5, 4, -2.5, None),  # a short word is hard to tell
        (-2.5, 100, float("nan"), Severity.ERROR),  # too long to be searched again
    ],
)
def test_what_a_score_means(
    score: float, n_phones: int, reversed_score: float, severity: Severity | None
) -> None:
    assert SoundFit(score, n_phones, reversed_score).severity is severity


def folder_of(path: Path, items: dict[str, tuple[np.ndarray, str]]) -> Path:
    for name, (samples, text) in items.items():
        file = path / "anna" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, samples, RATE_HZ)
        file.with_suffix(".txt").write_text(text)
    return path


def test_validate_the_build_and_predict_refuse_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = np.concatenate([spoken(text) for text in (*TEXTS, *TEXTS)])
    hurried = " ".join(TEXTS[:2])
    source = folder_of(
        tmp_path / "recordings",
        {
            "right": (spoken(TEXTS[0]), TEXTS[0]),
            "also": (spoken(TEXTS[2]), TEXTS[2]),
            "fast": (spoken("Seven people decide"), hurried),
            "slow": (long, "The record"),
            "wrong": (spoken(TEXTS[1]), TEXTS[3]),
        },
    )
    checked = validate_folder(source)
    errors = {row.item: row.problem for row in checked.rows if row.severity == "error"}
    assert sorted(errors) == ["fast", "slow"]
    config = BuildConfig("generic", tagger="none", no_splits=True, aligner="pocketsphinx")
    built = build_corpus(source, tmp_path / "out", config=config)
    lost = {p.item: p.reason for p in built.problems if p.severity is Severity.ERROR}
    assert {name: lost.pop(name) for name in ("fast", "slow")} == errors
    assert list(lost) == ["wrong"]
    assert not any("of 3 recordings" in p.reason for p in built.problems)
    assert not any(p.item in ("right", "also") for p in built.problems)

    files = [str(path) for path in sorted(source.rglob("*.wav"))]
    code, out, err = run_cli(capsys, "predict", *files, "--format", "csv", "-q")
    rows = list(csv.DictReader(io.StringIO(out)))
    unused = {Path(row["file"]).stem: row for row in rows if not row["word"]}
    assert sorted(unused) == ["fast", "slow", "wrong"] and code == 3
    for row in unused.values():
        assert row["stress"] == row["probability"] == row["start_s"] == ""
        assert "check that" in row["reason"]
    assert err.strip().endswith("3 of 5 recordings could not be used") and err.count("\n") == 1


def test_one_speaker_of_another_language_is_named() -> None:
    (warning,) = language_warnings(Counter(anna=30, ben=2), Counter(anna=5, ben=100))
    assert warning.startswith("speaker 'anna': 30 words are not in the dictionary")
    (warning,) = language_warnings(Counter(anna=30), Counter(ben=20))
    assert warning.startswith("30 words are not in the dictionary")
    assert language_warnings(Counter(anna=5), Counter(anna=5, ben=100)) == []  # too few to tell


def test_words_of_many_wrong_recordings_are_told_at_the_top(tmp_path: Path) -> None:
    source = folder_of(
        tmp_path / "c",
        {str(k): (spoken(TEXTS[k]), TEXTS[text]) for k, text in enumerate((0, 2, 3, 1))},
    )
    config = BuildConfig("generic", tagger="none", no_splits=True)
    built = build_corpus(source, tmp_path / "out", config=config)
    (problem,) = (p for p in built.problems if not p.item)
    assert problem.reason.startswith("the words of ") and "is this English?" in problem.reason
    assert built_text(built).startswith("WARNING: the words of 3 of 4 recordings")


def test_predict_tells_what_it_cannot_use_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder_of(
        tmp_path, {"right": (spoken(TEXTS[0]), TEXTS[0]), "empty": (spoken(TEXTS[1]), "  ")}
    )
    (source / "anna" / "broken.wav").write_bytes(b"RIFF")
    (source / "anna" / "broken.txt").write_text("the hotel")
    files = [str(source / "anna" / f"{name}.wav") for name in ("right", "empty", "broken")]
    table = tmp_path / "out.csv"
    code, out, err = run_cli(
        capsys, "predict", *files, "--format", "csv", "--out", str(table), "-q"
    )
    assert code == 3 and out == ""
    with table.open(newline="") as file:
        rows = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    assert "empty.txt: holds no words" in rows["empty"]["reason"]
    assert "not readable as audio" in rows["broken"]["reason"]
    *told, last = err.splitlines()
    assert [line.removeprefix("stressnet: ") for line in told] == [
        rows[name]["reason"] for name in ("empty", "broken")
    ]
    assert last.endswith("2 of 3 recordings could not be used")
    code, out, _ = run_cli(capsys, "predict", *files, "--format", "json", "-q")
    (lost, _) = (word for word in json.loads(out)["words"] if not word["word"])
    assert lost["stress"] is None and lost["start_s"] is None and lost["reason"]


def test_predict_of_nothing_but_skipped_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder_of(tmp_path, {"short": (spoken("The price of the big house"), "")})
    file = source / "anna" / "short.wav"
    file.with_suffix(".txt").write_text("the price of the big house")
    code, out, err = run_cli(capsys, "predict", str(file), "-q")
    assert code == 3 and "skipped, 1 syllable: THE PRICE OF THE BIG HOUSE" in out
    assert err == "0 words predicted, 6 skipped; nothing was predicted, see the reasons\n"
    with pytest.raises(ConfigError, match="given twice"):
        predict([file, file])
