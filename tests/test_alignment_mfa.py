"""The wrapper of the Montreal Forced Aligner, with a stand-in that records how it is called."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.alignment.aligner import AlignmentFailure, Utterance
from stressnet.alignment.choose import get_aligner
from stressnet.alignment.mfa_aligner import MfaAligner, check_mfa
from stressnet.errors import AlignmentError, LexiconError, MissingPartError
from stressnet.intervals import Alignment
from stressnet.lexicon.dictionary import load_dictionary

STAND_IN = '''#!{python}
"""Answers as mfa does: words of equal length, the last variant of each, a table of quality."""
import json, pathlib, sys, wave

log = pathlib.Path({log!r})
calls = json.loads(log.read_text()) if log.exists() else []
calls.append(sys.argv[1:])
log.write_text(json.dumps(calls))
if sys.argv[1] == "version":
    print({version!r})
    sys.exit(0)
if {fail!r}:
    print("PronunciationAcousticMismatchError:\\nphones differ", file=sys.stderr)
    sys.exit(1)
corpus, dictionary, model, out = (pathlib.Path(a) for a in sys.argv[2:6])
variants = {{}}
for line in dictionary.read_text().splitlines():
    word, phones = line.split("\\t")
    variants[word] = phones.split()
rows = ["file,begin,end,speaker,overall_log_likelihood,speech_log_likelihood"]
for lab in sorted(corpus.rglob("*.lab")):
    assert lab.with_suffix(".wav").exists(), lab
    words = lab.read_text().split()
    if "lost" in words:
        continue
    now, tiers = 0.1, {{"words": ["0 0.1 "], "phones": ["0 0.1 sil"]}}
    for word in words:
        start = now
        for phone in variants[word]:
            tiers["phones"].append(f"{{now}} {{now + 0.05}} {{phone}}")
            now = round(now + 0.05, 6)
        tiers["words"].append(f"{{start}} {{now}} {{word}}")
    text = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    text += ["0", str(now), "<exists>", "2"]
    for name, entries in sorted(tiers.items()):
        text += ['"IntervalTier"', f'"{{name}}"', "0", str(now), str(len(entries))]
        for entry in entries:
            a, b, label = entry.split(" ")
            text += [a, b, f'"{{label}}"']
    target = out / lab.relative_to(corpus).with_suffix(".TextGrid")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\\n".join(text) + "\\n")
    rows.append(f"{{lab.stem}},0,1,{{lab.parent.name}},-40.5,-38.25")
(out / "alignment_analysis.csv").write_text("\\n".join(rows) + "\\n")
'''


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch):
    """Put an ``mfa`` on the PATH; returns the file with its calls."""

    def install(version: str = "3.2.1", fail: bool = False) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        log = tmp_path / "calls.json"
        program = folder / "mfa"
        program.write_text(
            STAND_IN.format(python=sys.executable, log=str(log), version=version, fail=fail)
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return log

    return install


def utterances(folder: Path) -> list[Utterance]:
    folder.mkdir(parents=True)
    made = []
    for name, speaker, text in (
        ("é 汉", "anna b", "THE RECORD"),
        ("two", "bo", "THE LOST WATER"),
        ("three", "anna b", "WATER"),
    ):
        path = folder / f"{name}.WAV"
        soundfile.write(path, 0.1 * np.ones(32_000), 16_000, format="WAV")
        made.append(Utterance(name, speaker, path, tuple(text.split())))
    (folder / "empty.wav").write_bytes(b"")
    return [
        *made,
        Utterance("empty", "bo", folder / "empty.wav", ("THE",)),
        Utterance("silent", "bo", made[0].audio_path, ()),
    ]


def test_one_call_for_the_corpus(tmp_path: Path, stand_in) -> None:
    log = stand_in()
    pronounce = load_dictionary(None).pronounce
    aligner = get_aligner("mfa")
    results = dict(aligner.align(utterances(tmp_path / "in"), pronounce, jobs=3))
    calls = json.loads(log.read_text())
    assert [call[0] for call in calls if call[0] == "align"] == ["align"]
    call = calls[-1]
    assert call[3] == "english_us_arpa"
    assert call[5:8] == ["--clean", "--num_jobs", "3"]
    assert call[call.index("--output_format") + 1] == "long_textgrid"
    assert all(part.isascii() and " " not in part for part in call)

    found = results["é 汉"]
    assert isinstance(found, Alignment) and found.source == "mfa"
    assert [w.label for w in found.spoken_words()] == ["THE", "RECORD"]  # not 'record'
    last_variant = pronounce("RECORD")[-1]
    record = found.spoken_words()[1]
    assert tuple(p.label for p in found.phones_of(record)) == last_variant
    assert found.confidence == (-38.25, -38.25)

    reasons = {k: v.reason for k, v in results.items() if isinstance(v, AlignmentFailure)}
    assert reasons == {"two": "no path", "empty": "unreadable audio", "silent": "no words"}
    assert "check that audio and transcript belong together" in results["two"].detail
    assert list(results) == ["é 汉", "two", "three", "empty", "silent"]


def test_a_word_without_pronunciation_costs_its_utterance_only(tmp_path: Path, stand_in) -> None:
    stand_in("2.0.6")

    def pronounce(word: str) -> tuple[tuple[str, ...], ...]:
        if word == "THE":
            raise LexiconError("no pronunciation of 'THE'")
        return (("W",),)

    results = dict(MfaAligner().align(utterances(tmp_path / "in"), pronounce))
    assert results["é 汉"].reason == "no pronunciation"
    assert isinstance(results["three"], Alignment)


@pytest.mark.parametrize(
    ("version", "usable"),
    [("2.0.0rc4", True), ("2.2.17", True), ("3.4.0", True), ("1.0.1", False), ("4.0.0", False)],
)
def test_versions(stand_in, version: str, usable: bool) -> None:
    stand_in(version)
    if usable:
        assert check_mfa().endswith("/mfa")
        return
    with pytest.raises(MissingPartError, match=rf"version {version}, but .*montreal-forced"):
        check_mfa()


def test_no_mfa(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingPartError, match=r"'mfa' is not on the PATH; conda create"):
        get_aligner("mfa")


def test_what_is_no_mfa(stand_in) -> None:
    stand_in("hello")
    with pytest.raises(MissingPartError, match="gives no version"):
        check_mfa()


def test_its_failure_is_one_line(tmp_path: Path, stand_in) -> None:
    stand_in(fail=True)
    with pytest.raises(AlignmentError) as caught:
        list(MfaAligner().align(utterances(tmp_path / "in"), load_dictionary(None).pronounce))
    message = str(caught.value)
    assert "exit code 1: PronunciationAcousticMismatchError: phones differ" in message
    assert "\n" not in message
