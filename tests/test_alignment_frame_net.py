"""The aligner's network and its search: known answers, known best paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from stressnet.alignment import frame_net, frame_search
from stressnet.alignment.frame_net import CLASSES, STEP_S, FrameNet, class_of, default_net
from stressnet.alignment.frame_search import PAUSE_COST, PHONE_FRAMES, cuts, search
from stressnet.alignment.kaldi_gmm import _is_confirmed
from stressnet.alignment.landmarks import moved_to_landmarks
from stressnet.alignment.paths import WordPath, averaged
from stressnet.audio import WORKING_RATE_HZ as RATE_HZ
from stressnet.errors import CheckpointError


class Known:
    """Stands in for the network: posteriors made by hand."""

    log_priors = np.zeros(len(CLASSES))

    def __init__(self, sounds: list[str], sure: float = 0.99) -> None:
        rest = (1.0 - sure) / (len(CLASSES) - 1)
        self.posteriors = np.full((len(sounds), len(CLASSES)), np.log(rest))
        for frame, sound in enumerate(sounds):
            self.posteriors[frame, class_of(sound)] = np.log(sure)

    def log_posteriors(self, energies: np.ndarray) -> np.ndarray:
        return self.posteriors[: len(energies)]


def found_in(sounds, variants, around=None):
    net = Known(sounds)
    return search(net, np.zeros((len(sounds), 40)), variants, around)


def test_known_times_pauses_and_variants():
    sounds = [""] * 20 + ["AH0"] * 10 + ["B"] * 12 + ["AW1"] * 18 + ["T"] * 9
    sounds += [""] * 15 + ["S"] * 14 + ["IY1"] * 11 + [""] * 8
    variants = [[("AE1", "B", "AW1", "T"), ("AH0", "B", "AW1", "T")], [("S", "IY2")]]
    found = found_in(sounds, variants)
    first, second = found.words
    assert first.phones == variants[0][1] and second.phones == variants[1][0]
    assert first.edges_s == pytest.approx(np.array([20, 30, 42, 60, 69]) * STEP_S)
    assert second.edges_s == pytest.approx(np.array([84, 98, 109]) * STEP_S)
    assert found.confidence == pytest.approx((0.99, 0.99))


def test_short_pauses_and_phones_that_are_not_there():
    """A phone without a sound gets the shortest time; three frames are no pause."""
    sounds = ["S"] * 10 + [""] * 3 + ["IY1"] * 12
    (first, second) = found_in(sounds, [[("S", "T")], [("IY1",)]]).words
    assert first.edges_s[-1] == second.edges_s[0]
    assert first.edges_s[2] - first.edges_s[1] == pytest.approx(PHONE_FRAMES * STEP_S)


def test_the_best_of_all_paths():
    """Random posteriors: the search agrees with trying all boundaries."""
    draw, count = np.random.default_rng(1), 26
    net = Known([""] * count)
    net.posteriors = np.log(draw.dirichlet(np.ones(len(CLASSES)), count))
    scores = np.maximum(net.posteriors, frame_search.WORST)
    silence, first, second = (scores[:, class_of(sound)] for sound in ("", "S", "IY1"))

    def value(start: int, middle: int, end: int) -> float:
        spoken = first[start:middle].sum() + second[middle:end].sum()
        pauses = silence[:start].sum() + silence[end:].sum() - PAUSE_COST * (end < count)
        return float(spoken + pauses)

    shortest = frame_search.PAUSE_FRAMES
    starts = [0, *range(shortest, count)]
    ends = [*range(1, count - shortest + 1), count]
    best = max(
        (
            (start, middle, end)
            for start, middle, end in itertools.product(starts, range(count), ends)
            if middle - start >= PHONE_FRAMES and end - middle >= PHONE_FRAMES
        ),
        key=lambda times: value(*times),
    )
    (word,) = search(net, np.zeros((count, 40)), [[("S", "IY1")]], None).words
    assert word.edges_s == pytest.approx(np.array(best) * STEP_S)


def test_too_few_frames_and_nothing_to_cut_at():
    assert found_in(["S"] * 7, [[("S", "IY1")]]) is None
    assert found_in([], [[("S",)]]) is None
    long = round(frame_search.LONGEST_PIECE_S / STEP_S) + 10
    assert search(Known(["S"]), np.zeros((long, 40)), [[("S",)]], None) is None


def test_long_recordings_are_cut_at_pauses(monkeypatch):
    monkeypatch.setattr(frame_search, "PIECE_S", 0.3)
    monkeypatch.setattr(frame_search, "LONGEST_PIECE_S", 1.0)
    one = [""] * 30 + ["S"] * 20 + ["IY1"] * 20 + [""] * 30
    sounds, variants = one * 5, [[("S", "IY1")]] * 5
    around = [
        WordPath(("S", "IY1"), (0.5 * k + 0.14, 0.5 * k + 0.26, 0.5 * k + 0.36)) for k in range(5)
    ]
    limits = cuts(around, 2.5)
    assert [word for word, _ in limits] == [0, 1, 2, 3, 4, 5]
    assert [time for _, time in limits] == pytest.approx([0, 0.5, 1.0, 1.5, 2.0, 2.5])
    cut = found_in(sounds, variants, around)
    monkeypatch.undo()
    whole = found_in(sounds, variants, around)
    for a, b in zip(cut.words, whole.words, strict=True):
        assert a.edges_s == pytest.approx(b.edges_s)


def test_pieces_do_not_change_the_network(monkeypatch):
    draw = np.random.default_rng(0)
    energies = draw.normal(5, 3, (501, 40)).astype(np.float32)
    whole = default_net().log_posteriors(energies)
    assert whole.shape == (501, len(CLASSES))
    assert np.exp(whole).sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    monkeypatch.setattr(frame_net, "_PIECE", 37)
    assert default_net().log_posteriors(energies) == pytest.approx(whole, abs=1e-3)


def test_level_and_length_of_pauses_do_not_matter():
    draw = np.random.default_rng(0)
    loud = draw.normal(12, 1, (100, 40)).astype(np.float32)
    with_pause = np.vstack([loud, np.full((60, 40), 0.0, dtype=np.float32)])
    normal = frame_net.normalised(with_pause)
    assert frame_net.normalised(with_pause + 3.0) == pytest.approx(normal, abs=1e-4)
    assert np.abs(normal[:100].mean(axis=0)).max() < 1e-4


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        frame_net.read_net(tmp_path / "weights.safetensors")
    assert isinstance(default_net(), FrameNet)


def test_one_lost_model_of_three_does_not_count():
    near, close = [WordPath(("S", "T"), (0.1, 0.2, 0.3))], [WordPath(("S", "T"), (0.1, 0.21, 0.31))]
    lost = [WordPath(("S", "T"), (0.1, 0.22, 0.6))]
    (word,) = averaged(near, close, lost)
    assert word.edges_s == pytest.approx((0.1, 0.21, 0.31))
    (word,) = averaged(near, lost)
    assert word.edges_s == pytest.approx((0.1, 0.21, 0.45))


def test_music_is_not_a_part_of_the_first_phone():
    ours, theirs = (
        [WordPath(("DH", "AH0"), (0.0, 5.1, 5.2))],
        [WordPath(("DH", "AH0"), (5.0, 5.1, 5.2))],
    )
    (word,) = averaged(ours, theirs, theirs)
    assert word.edges_s == pytest.approx((5.0, 5.1, 5.2))


def hum(duration_s: float, partials: int, level: float) -> np.ndarray:
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return level * sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, partials + 1))


@pytest.mark.parametrize(
    ("phones", "before", "wrong_s"),
    [
        (("N", "AA1"), hum(0.2, 2, 0.05), 0.215),  # a nasal murmur is weaker and duller
        (("V", "AA1"), hum(0.2, 1, 0.02), 0.217),
        (("L", "AA1"), hum(0.2, 3, 0.05), 0.215),
        (("T", "AA1"), np.zeros(3200), 0.216),
    ],
)
def test_vowels_begin_where_their_energy_does(phones, before, wrong_s):
    noise = np.random.default_rng(0).normal(0, 1e-4, 3200 + 4800)
    samples = (np.concatenate([before, hum(0.3, 25, 0.2)]) + noise).astype(np.float32)
    (path,) = moved_to_landmarks([WordPath(phones, (0.02, wrong_s, 0.5))], samples)
    assert path.edges_s[1] == pytest.approx(0.2, abs=0.006)


def test_a_closure_begins_where_the_vowel_ends():
    noise = np.random.default_rng(0).normal(0, 1e-4, 4800 + 3200)
    samples = (np.concatenate([hum(0.3, 25, 0.2), np.zeros(3200)]) + noise).astype(np.float32)
    (path,) = moved_to_landmarks([WordPath(("AA1", "T"), (0.0, 0.325, 0.45))], samples)
    assert path.edges_s[1] == pytest.approx(0.3, abs=0.006)


def test_a_sound_that_is_no_word_takes_no_time_from_words():
    """Somebody else's sounds between two words: without a mark they stretch a word."""
    said = [""] * 10 + ["S"] * 20 + ["IY1"] * 20
    others = ["K", "AA1", "N", "UH0"] * 20
    sounds = said + others + ["T"] * 10 + ["UW1"] * 20 + [""] * 10
    variants = [[("S", "IY1")], [("T", "UW1")]]
    net, energies = Known(sounds), np.zeros((len(sounds), 40))
    edges = [word.edges_s for word in search(net, energies, variants, None, noises=(1,)).words]
    assert edges[0] == pytest.approx(np.array([10, 30, 50]) * STEP_S)
    assert edges[1] == pytest.approx(np.array([130, 140, 160]) * STEP_S)
    without = [word.edges_s for word in search(net, energies, variants, None).words]
    elsewhere = [w.edges_s for w in search(net, energies, variants, None, noises=(0, 2)).words]
    assert without[1][0] - without[0][-1] < 0.3
    assert elsewhere[1][0] - elsewhere[0][-1] < 0.3


def test_who_is_lost_beside_a_noise_does_not_count():
    leader = [WordPath(("S",), (0.1, 0.3)), WordPath(("T",), (0.9, 1.2))]
    lost = [WordPath(("S",), (0.12, 0.6)), WordPath(("T",), (0.6, 1.22))]
    near = [WordPath(("S",), (0.12, 0.32)), lost[1]]
    beside = averaged(leader, lost, near, lost, noisy={0, 1})
    assert beside[0].edges_s == pytest.approx((0.1, 0.31))
    assert beside[1].edges_s == (0.9, 1.2)
    together = averaged(leader, lost, lost)
    assert together[0].edges_s[1] == pytest.approx(0.6)


def test_a_noise_that_took_a_word_away_is_not_believed():
    heard = [WordPath(("S",), (0.1, 0.3)), WordPath(("T",), (1.9, 2.0))]
    other = [WordPath(("S",), (0.1, 0.5)), WordPath(("T",), (0.5, 0.8))]
    assert not _is_confirmed(heard, [other], 1)
    assert _is_confirmed(heard, [other, heard], 1)
    assert _is_confirmed(heard, [], 1)
