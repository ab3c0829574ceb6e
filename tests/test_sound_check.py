"""Recordings whose sound is not what it seems: each fault is found, and good sound has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from conftest import RATE_HZ, aligned_sentence, sound_of

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.sound_check import check_sound
from stressnet.corpus.store import Corpus
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.validate import validate_folder

RNG = np.random.default_rng(5)


def speech(duration_s: float = 3.0) -> np.ndarray:
    """Noise with the slope and the pauses of speech, peak 0.5."""
    n = round(duration_s * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(n))
    spectrum *= 1 / (1 + (np.fft.rfftfreq(n, 1 / RATE_HZ) / 800) ** 1.5)
    sound = np.fft.irfft(spectrum, n) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(n) / RATE_HZ))
    return 0.5 * sound / np.abs(sound).max()


def written(path: Path, samples: np.ndarray, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, RATE_HZ, subtype)
    return path


SPEECH = speech()
OTHER = SPEECH[::-1]
TELEPHONE = soxr.resample(soxr.resample(SPEECH, RATE_HZ, 8000), 8000, RATE_HZ)
FAULTS = {
    "clipped": (np.clip(8 * SPEECH, -0.99, 0.99), "PCM_16", "warning", "clipped at -0.1 dB"),
    "clipped, then turned down": (np.clip(4 * SPEECH, -1, 1) / 4, "PCM_16", "warning", "clipped"),
    "loud": (2.2 * SPEECH, "FLOAT", "warning", "beyond full scale (peak 1.1)"),
    "numbers of 16 bit": (SPEECH * 32768, "FLOAT", "error", "beyond full scale (peak 1.64e+04)"),
    "quiet": (SPEECH / 1000, "PCM_24", "warning", "nearly silent (peak -66 dB)"),
    "zeros": (np.zeros(RATE_HZ), "PCM_16", "error", "only digital silence"),
    "offset": (SPEECH + 0.1, "PCM_16", "warning", "shifted by +0.10"),
    "telephone": (TELEPHONE, "PCM_16", "warning", "nothing lies above 4"),
    "antiphase": (np.stack([SPEECH, -SPEECH], 1), "PCM_16", "error", "choose one with --channel"),
    "half empty": (
        np.stack([0 * SPEECH, SPEECH], 1), "PCM_16", "warning", "channel 1 is silent, so the mean "
        "is half as loud; choose the other with --channel 2",
    ),
    "two people": (np.stack([SPEECH, OTHER], 1), "PCM_16", "warning", "hold different sound"),
    "not finite": (np.r_[SPEECH, np.nan], "FLOAT", "error", "no finite numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_the_only_finding(tmp_path: Path, name: str) -> None:
    samples, subtype, severity, text = FAULTS[name]
    file = written(tmp_path / "a.wav", samples, subtype)
    ((found_severity, found),) = check_sound(file).findings
    assert (found_severity, found.startswith(f"{file}: ")) == (severity, True)
    assert text in found
    assert "\n" not in found


@pytest.mark.parametrize("samples", [SPEECH, np.stack([SPEECH, 0.8 * SPEECH], 1), SPEECH[:100]])
def test_good_sound_has_none(tmp_path: Path, samples: np.ndarray) -> None:
    assert check_sound(written(tmp_path / "a.wav", samples)).findings == []


@pytest.mark.parametrize("name", ["antiphase", "half empty", "two people"])
def test_with_a_channel_chosen_the_others_do_not_count(tmp_path: Path, name: str) -> None:
    assert check_sound(written(tmp_path / "a.wav", FAULTS[name][0]), channel=2).findings == []


def test_validate_and_the_build_say_the_same_item_by_item(tmp_path: Path) -> None:
    source = tmp_path / "c"

    def recording(name: str, seed: int = 1) -> tuple[Path, np.ndarray]:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        alignment, duration_s = aligned_sentence("THE WATER HOTEL RECORD")
        samples = sound_of(alignment, duration_s, f0_hz=150, seed=seed)
        soundfile.write(f"{path}.wav", samples, RATE_HZ)
        write_textgrid(f"{path}.TextGrid", alignment, duration_s)
        return path, samples

    recording("anna/good")
    for seed, name in enumerate(("anna/same", "ben/same")):
        recording(name, seed)
    path, samples = recording("ben/antiphase")
    soundfile.write(f"{path}.wav", np.stack([samples, -samples], 1), RATE_HZ)
    path, samples = recording("ben/half")
    whole = Path(f"{path}.wav").read_bytes()
    Path(f"{path}.wav").write_bytes(whole[: len(whole) // 2])
    path, samples = recording("ben/zeros")
    soundfile.write(f"{path}.wav", 0 * samples, RATE_HZ)
    path, _ = recording("ben/ipa")
    grid = Path(f"{path}.TextGrid")
    text = grid.read_text(encoding="utf-8")
    for arpabet, ipa in (("AO1", "ɔ"), ("OW0", "o"), ("EH1", "ɛ"), ("HH", "h")):
        text = text.replace(f'"{arpabet}"', f'"{ipa}"')
    grid.write_text(text, encoding="utf-8")
    path, _ = recording("ben/digits")
    Path(f"{path}.TextGrid").unlink()
    Path(f"{path}.txt").write_text("the hotel x٣q", encoding="utf-8")
    (source / "ben" / "phone.m4a").write_bytes(bytes(100))
    (source / "speakers.tsv").write_text("speaker\tsex\nanna\tfemale\ncarl\tmale\n")
    (source / "labels.tsv").write_text("utterance_id\tword_index\tstress\nnone\t1\tFINAL\n")

    checked = validate_folder(source)
    config = BuildConfig("generic", tagger="none", no_splits=True)
    built = build_corpus(source, tmp_path / "out", config=config)
    by_aligning = ("from where the aligner hears them", "fit the sound")
    assert {(r.item, r.severity, r.problem) for r in checked.rows} == {
        (p.item, p.severity.value, p.reason)
        for p in built.problems
        if not any(text in p.reason for text in by_aligning)
    }
    assert {p.item for p in built.problems} == {
        *("same", "antiphase", "half", "zeros", "ipa", "digits", "phone"),
        *("speakers.tsv", "labels.tsv"),
    }
    tokens = Corpus.open(built.path).tokens
    decided = tokens.loc[tokens["label_source"] != "aligner", "stress"].value_counts()
    assert f"expected tokens: {decided['INITIAL']} INITIAL" in checked.expected
    assert "speakers: 2 (anna, ben)" in checked.expected
