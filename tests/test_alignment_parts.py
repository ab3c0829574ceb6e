"""Parts of the aligner with known answers: audio, features, paths, landmarks, workers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from stressnet.alignment import landmarks, workers
from stressnet.alignment.features import Normalisation, cepstra, with_deltas
from stressnet.alignment.landmarks import moved_to_landmarks
from stressnet.alignment.paths import WordPath, averaged, confidence_of, segments, to_alignment
from stressnet.alignment.validation import validate
from stressnet.alignment.workers import isolated_map
from stressnet.audio import WORKING_RATE_HZ as RATE_HZ
from stressnet.audio import read_audio
from stressnet.errors import AudioError


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_audio_becomes_mono_16k(tmp_path, rate_hz, channels):
    time_s = np.arange(rate_hz) / rate_hz
    tone = 0.5 * np.sin(2 * np.pi * 440 * time_s)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([tone] * channels, axis=1), rate_hz)
    samples = read_audio(path, minimum_rate_hz=0).samples
    assert samples.shape == (RATE_HZ,)
    assert samples.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) == 440
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_bad_audio_is_named(tmp_path):
    good = tmp_path / "good.flac"
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE_HZ)
    soundfile.write(good, noise, RATE_HZ)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    empty = tmp_path / "empty.flac"
    empty.write_bytes(b"")
    silent = tmp_path / "none.wav"
    soundfile.write(silent, np.zeros(0), RATE_HZ)
    for path in (cut, empty, silent, tmp_path / "absent.wav"):
        with pytest.raises(AudioError, match=path.name):
            read_audio(path, minimum_rate_hz=0)


def test_frames_are_centred_on_time():
    """A step in level at 0.5 s lies between frames 49 and 50, not half a window off."""
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 1e-4, RATE_HZ)
    samples[RATE_HZ // 2 :] += rng.normal(0, 0.1, RATE_HZ // 2)
    static = cepstra(samples.astype(np.float32))
    assert static.shape == (100, 13)
    levels = static[:, 0]
    assert levels[:48].max() < levels[50:].min()
    # The window of 25 ms reaches 12.5 ms to either side of its centre.
    assert np.all(levels[50:] > 0.9 * levels[60:].mean())


def test_cepstra_are_reproducible_and_tolerate_short_and_silent_sound():
    samples = np.zeros(RATE_HZ // 10, dtype=np.float32)
    first, second = (cepstra(samples) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()
    assert cepstra(samples[:20]).shape == (0, 13)


def test_deltas_of_a_ramp_are_constant():
    ramp = np.arange(50, dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)
    full = with_deltas(ramp)
    assert full.shape == (50, 6)
    np.testing.assert_allclose(full[10:40, 2:4], full[10, 2])
    assert full[10, 2] > 0
    np.testing.assert_allclose(full[10:40, 4:], 0, atol=1e-6)


def test_normalisation_from_sums():
    values = np.random.default_rng(2).normal(3.0, 2.0, (500, 4))
    normal = Normalisation.from_sums(500, values.sum(0), (values**2).sum(0))
    result = normal.apply(values)
    np.testing.assert_allclose(result.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(0), 1, atol=1e-5)


def test_segments_drop_stress():
    assert segments(("P", "ER1", "M", "IH2", "T")) == ("P", "ER", "M", "IH", "T")


def test_average_lies_between_and_pauses_follow_the_first():
    ours = [
        WordPath(("DH", "AH0"), (0.10, 0.20, 0.30)),
        WordPath(("AA1", "K", "S"), (0.60, 0.70, 0.80, 0.90)),
    ]
    theirs = [
        WordPath(("DH", "AH1"), (0.12, 0.22, 0.34)),
        WordPath(("AA1", "K", "S"), (0.34, 0.72, 0.82, 0.94)),  # the pause missed
    ]
    first, second = averaged(ours, theirs)
    assert first.phones == ("DH", "AH0")
    assert first.edges_s == pytest.approx((0.10, 0.21, 0.32))
    assert second.edges_s == pytest.approx((0.60, 0.71, 0.81, 0.92))


@st.composite
def utterance_paths(draw):
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))

    def one():
        now, paths = 0.0, []
        for count in counts:
            now += draw(st.sampled_from([0.0, 0.0, 0.1, 0.4]))
            edges = [now]
            for _ in range(count):
                now += draw(st.integers(3, 20)) / 100
                edges.append(now)
            paths.append(WordPath(("AA1",) * count, tuple(edges)))
        return paths

    return one(), one()


@settings(max_examples=150, deadline=None)
@given(utterance_paths())
def test_average_is_always_a_valid_alignment(both):
    ours, theirs = both
    united = averaged(ours, theirs)
    words = [f"w{i}" for i in range(len(united))]
    duration_s = united[-1].edges_s[-1] + 0.1
    alignment = to_alignment(words, united, duration_s, "test")
    assert validate(alignment, duration_s) == []
    assert [w.label for w in alignment.spoken_words()] == words
    assert alignment.words[0].start_s == 0.0
    assert alignment.words[-1].end_s == duration_s
    for a, b in zip(alignment.phones, alignment.phones[1:], strict=False):
        assert a.end_s == b.start_s


def vowel(seconds: float) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 0.1 * sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 20))


def frication(seconds: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 0.1, round(seconds * RATE_HZ))
    return np.diff(noise, prepend=0.0)


def test_landmarks_find_onset_and_fricative_edges():
    rng = np.random.default_rng(3)
    parts = [np.zeros(4800), vowel(0.2), frication(0.15, rng), vowel(0.2), np.zeros(4800)]
    samples = np.concatenate(parts) + rng.normal(0, 1e-4, 9600 + round(0.55 * RATE_HZ))
    wrong = [WordPath(("AA1", "S", "AA0"), (0.27, 0.515, 0.638, 0.85))]
    (path,) = moved_to_landmarks(wrong, samples.astype(np.float32))
    assert path.edges_s[:3] == pytest.approx((0.30, 0.50, 0.65), abs=0.006)
    assert path.edges_s[3] == 0.85


def test_landmarks_leave_gradual_changes_alone_and_wait_for_the_rise():
    rng = np.random.default_rng(4)
    breath = frication(0.25, rng) * 0.1
    samples = np.concatenate([breath, np.zeros(2400), vowel(0.3)]).astype(np.float32)
    samples += rng.normal(0, 1e-4, len(samples)).astype(np.float32)
    stays = [WordPath(("P", "L", "W"), (0.23, 0.27, 0.37, 0.43))]
    assert moved_to_landmarks(stays, samples) == stays
    early = [WordPath(("AA1",), (0.37, 0.7))]
    (path,) = moved_to_landmarks(early, samples)
    assert path.edges_s[0] == pytest.approx(0.40, abs=0.006)
    at_breath = [WordPath(("AA1",), (0.27, 0.7))]
    (path,) = moved_to_landmarks(at_breath, samples)
    assert path.edges_s[0] >= 0.27 - 1e-9  # never to the end of the breath at 0.25 s


def test_landmarks_of_short_words_do_not_overlap(monkeypatch):
    """*A number*: both edges of a vowel of 10 ms move to one change inside it."""
    monkeypatch.setattr(landmarks, "_change", lambda *_, **__: 0.205)
    paths = [WordPath(("AH0",), (0.2, 0.21)), WordPath(("N", "OW1"), (0.21, 0.28, 0.4))]
    article, noun = moved_to_landmarks(paths, np.zeros(RATE_HZ, np.float32))
    assert article.edges_s == pytest.approx((0.205, 0.21))
    assert noun.edges_s[0] == article.edges_s[1]
    assert min(np.diff(noun.edges_s)) >= 0.005 - 1e-9


def test_confidence_falls_with_the_distance_of_the_models():
    """By hand: edges 10 ms apart give 1 / (1 + exp(-3.72 + 0.863 ln 10)) = 0.850."""
    at = lambda shift_s: [WordPath(("AH0", "N"), (0.1 + shift_s, 0.2, 0.3))]  # noqa: E731
    assert confidence_of(at(0.0), at(0.01), at(0.005)) == pytest.approx([0.850], abs=5e-4)
    later = [WordPath(("AH0", "N"), (0.1, 0.2, 0.31))]
    assert confidence_of(at(0.0), later) == pytest.approx([0.850], abs=5e-4)  # the worse edge
    sure = [confidence_of(at(0.0), at(shift_s))[0] for shift_s in (0.0, 0.005, 0.02, 0.1)]
    assert sure[0] == sure[1] > sure[2] > sure[3] > 0


def doubled_or_dead(item: int) -> int:
    if item < 0:
        os._exit(3)  # what a crash in a C library looks like
    return 2 * item


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(2)])
def test_a_crash_costs_one_item(jobs, executor, monkeypatch):
    monkeypatch.setattr(workers, "_GROUP", 2)
    items = [1, 2, -3, 4, 5]
    results = isolated_map(
        doubled_or_dead, items, jobs=jobs, on_crash=lambda item: item, executor=executor
    )
    assert list(results) == [2, 4, -3, 8, 10]


def test_splitting_is_reproducible_and_keeps_the_mean():
    khg = pytest.importorskip("kaldi_hmm_gmm")
    from stressnet.alignment.gmm_training import split

    def model():
        densities = khg.AmDiagGmm()
        for centre in (1.0, -2.0):
            gauss = khg.DiagGmm(nmix=1, dim=2)
            gauss.set_weights(np.ones(1, dtype=np.float32))
            gauss.set_invvars_and_means(
                np.full((1, 2), 4.0, np.float32), np.full((1, 2), centre, np.float32)
            )
            gauss.compute_gconsts()
            densities.add_pdf(gauss)
        return densities

    once, again = model(), model()
    occupancy = np.array([1000.0, 30.0])
    split(once, occupancy, 6)
    split(again, occupancy, 6)
    assert [once.num_gauss_in_pdf(k) for k in range(2)] == [5, 1]  # 30 frames bear no second
    first = once.get_pdf(0)
    assert np.array_equal(first.means, again.get_pdf(0).means)
    assert len(np.unique(first.means[:, 0])) == 5
    np.testing.assert_allclose(first.weights.sum(), 1.0, rtol=1e-6)
    np.testing.assert_allclose(first.weights @ first.means, 1.0, atol=0.02)
    np.testing.assert_allclose(first.vars, 0.25, rtol=1e-5)
