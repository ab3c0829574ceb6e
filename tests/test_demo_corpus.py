"""The demo corpus: its words, its design, its files and its truth."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.demo import speak_corpus, truth_alignment
from stressnet.demo.corpus import SIZES, SPEAKERS, speakers
from stressnet.demo.sentences import compose, frame_words, frames, spoken_stress, target_words
from stressnet.errors import AlignmentError, ConfigError, CorpusError
from stressnet.espeak import phonemize, speak
from stressnet.languages import available_languages, capitals, language
from stressnet.lexicon.dictionary import Entry, load_dictionary
from stressnet.lexicon.pronunciation import Pronunciation
from stressnet.lexicon.stress import CLASSES, Stress


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return speak_corpus(tmp_path_factory.mktemp("demo") / "speech", size="tiny")


@pytest.fixture(scope="module")
def full_text():
    n_speakers, each = SIZES["full"]
    return list(compose(n_speakers * each, np.random.default_rng([0, len("full")])))


def transcripts(corpus: Path) -> dict[str, list[str]]:
    lines = [
        line.split()
        for path in sorted(corpus.rglob("*.trans.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return {line[0]: line[1:] for line in lines}


def test_words_have_one_class_in_the_dictionary_and_pairs_have_two():
    dictionary = load_dictionary()
    types = Counter()
    for (slot, stress), words in target_words().items():
        for word in words:
            entry = dictionary.entry(word.upper())
            assert isinstance(entry, Entry), word
            if slot in "NV":
                assert entry.is_minimal_pair, word
            else:
                assert entry.stress is stress, word
        if slot in "nva":
            types[stress] += len(words)
    assert types[Stress.INITIAL] >= 170
    assert types[Stress.FINAL] >= 150
    nouns, verbs = (target_words()[key] for key in (("N", Stress.INITIAL), ("V", Stress.FINAL)))
    assert nouns == verbs
    assert len(nouns) >= 30
    plain = [w for (slot, _), words in target_words().items() if slot in "nva" for w in words]
    assert len(plain) == len(set(plain))
    assert not set(plain) & set(nouns)


def test_frames_add_no_tokens():
    dictionary = load_dictionary()
    for frame in frames():
        for word in frame_words(frame):
            if not word.startswith("{"):
                assert word.upper() in dictionary
                assert not isinstance(dictionary.entry(word.upper()), Entry), word


OTHERS = [code for code in available_languages() if code != "en"]


@pytest.mark.parametrize("code", OTHERS)
def test_words_of_other_languages_are_spoken_as_they_are_labelled(code):
    voice = language(code).voice
    for (_, stress), words in target_words(code).items():
        assert len(set(words)) == len(words) >= 100
        for word in words:  # as a dictionary has them: upper case does not lose a letter
            phones = phonemize(capitals(word).lower(), voice)
            assert Pronunciation(tuple(phones)).stress() is stress, word
    for frame in frames(code):
        for word in frame_words(frame):
            if not word.startswith("{"):
                assert Pronunciation(tuple(phonemize(word.lower(), voice))).n_syllables != 2, word


@pytest.mark.parametrize("code", OTHERS)
def test_sentences_of_other_languages_are_spoken(code):
    voice = list(speakers(code).values())[1]
    sentences = list(compose(6, np.random.default_rng(0), code))
    classes = Counter(target.stress for sentence in sentences for target in sentence.targets)
    assert abs(classes[Stress.INITIAL] - classes[Stress.FINAL]) <= 2
    heard = [
        spoken_stress(speech, target.word_index) is target.stress
        for sentence in sentences
        for speech in [speak(sentence.text, voice)]
        for target in sentence.targets
    ]
    assert np.mean(heard) > 0.95


def test_no_demo_in_a_language():
    with pytest.raises(ConfigError, match="no language is called 'xx'"):
        frames("xx")


def test_voices():
    assert len(SPEAKERS) >= 12
    assert Counter(voice.sex for voice in SPEAKERS.values()) == {"F": 7, "M": 7}
    assert {voice.name for voice in SPEAKERS.values()} == {"en-us"}
    assert len({(v.variant, v.pitch, v.rate_wpm) for v in SPEAKERS.values()}) == len(SPEAKERS)


def test_class_is_independent_of_position_frame_and_part_of_speech(full_text):
    plain = [
        (target, target.word_index / max(len(frame_words(sentence.text)) - 1, 1))
        for sentence in full_text
        for target in sentence.targets
        if not target.is_minimal_pair
    ]
    assert 3000 <= sum(len(s.targets) for s in full_text) <= 5000
    initial = np.array([t.stress is Stress.INITIAL for t, _ in plain])
    assert abs(initial.mean() - 0.5) < 0.02
    position = np.array([p for _, p in plain])
    standard_error = position.std() * np.sqrt(1 / initial.sum() + 1 / (~initial).sum())
    assert abs(position[initial].mean() - position[~initial].mean()) < 3 * standard_error
    for part in ("noun", "verb", "adjective"):
        of_part = np.array([t.part_of_speech == part for t, _ in plain])
        assert abs(initial[of_part].mean() - 0.5) < 0.02
    for low, high in pairwise([0, 0.25, 0.5, 0.75, 1.001]):
        here = (position >= low) & (position < high)
        assert here.sum() > 150
        assert abs(initial[here].mean() - 0.5) < 4 * 0.5 / np.sqrt(here.sum())


def test_pairs_stand_early_and_late_in_both_readings(full_text):
    places = Counter(
        (target.stress, 3 * target.word_index // len(frame_words(sentence.text)))
        for sentence in full_text
        for target in sentence.targets
        if target.is_minimal_pair
    )
    for stress in CLASSES:
        assert places[stress, 0] >= 20
        assert places[stress, 2] >= 20
    assert abs(sum(n for (s, _), n in places.items() if s is Stress.INITIAL) - 165) < 60


def test_every_type_comes_up_with_several_voices(full_text):
    each = SIZES["full"][1]
    voices: dict[str, set[int]] = {}
    for k, sentence in enumerate(full_text):
        for target in sentence.targets:
            voices.setdefault(target.word, set()).add(k // each)
    assert len(voices) == len({w for words in target_words().values() for w in words})
    assert min(len(v) for v in voices.values()) >= 2


def test_every_voice_speaks_every_pair_both_ways():
    """A cross-section: each voice, three pairs, noun and verb frames."""
    pairs = target_words()["N", Stress.INITIAL]
    for k, voice in enumerate(SPEAKERS.values()):
        for word in pairs[3 * k : 3 * k + 3]:
            assert spoken_stress(speak(f"The {word} is old.", voice), 1) is Stress.INITIAL
            assert spoken_stress(speak(f"They will {word} it.", voice), 2) is Stress.FINAL


def test_layout_and_summary(tiny):
    spoken = transcripts(tiny.audio)
    audio = {path.stem: path for path in tiny.audio.rglob("*.flac")}
    assert set(spoken) == set(audio)
    assert tiny.n_utterances == len(spoken) == 36
    assert tiny.n_dropped == 0
    total_s = 0.0
    for utterance_id, path in audio.items():
        speaker, chapter, _ = utterance_id.split("-")
        assert path.relative_to(tiny.audio).parts[:2] == (speaker, chapter)
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.format) == (16000, 1, "FLAC")
        total_s += info.duration
    assert total_s == pytest.approx(tiny.duration_s)
    with (tiny.audio / "speakers.tsv").open() as file:
        speakers = {row["speaker"]: row["sex"] for row in csv.DictReader(file, delimiter="\t")}
    assert speakers == {str(k): SPEAKERS[k].sex for k in list(SPEAKERS)[:3]}
    assert not list(tiny.audio.rglob("*.TextGrid"))


def test_transcripts_and_truth(tiny):
    dictionary = load_dictionary()
    for utterance_id, words in transcripts(tiny.audio).items():
        truth = truth_alignment(tiny.truth, utterance_id)
        assert [w.label for w in truth.spoken_words()] == words
        assert truth.source == "espeak"
        assert all(word in dictionary for word in words)
        assert all(truth.phones_of(word) for word in truth.spoken_words())


def test_truth_begins_and_ends_with_the_sound(tiny):
    """The first and last phone bound the sound; a stop's opening closure is silent."""
    for path in tiny.audio.rglob("*.flac"):
        samples, rate_hz = soundfile.read(path)
        phones = truth_alignment(tiny.truth, path.stem).spoken_phones()
        loud = np.flatnonzero(np.abs(samples) > 0.01) / rate_hz
        assert -0.01 < loud[0] - phones[0].start_s < 0.06
        assert -0.01 < phones[-1].end_s - loud[-1] < 0.08


def test_gold_readings_are_what_was_spoken(tiny):
    spoken = transcripts(tiny.audio)
    with (tiny.truth / "minimal_pairs.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == tiny.n_minimal_pair_tokens
    assert {row["stress"] for row in rows} == {"INITIAL", "FINAL"}
    for row in rows:
        index = int(row["word_index"])
        assert spoken[row["utterance_id"]][index] == row["word"]
        truth = truth_alignment(tiny.truth, row["utterance_id"])
        phones = truth.phones_of(truth.spoken_words()[index])
        heard = Pronunciation(tuple(phone.label for phone in phones)).stress()
        assert heard is not None
        assert heard.value == row["stress"]
        assert {"noun": "INITIAL", "verb": "FINAL"}[row["part_of_speech"]] == row["stress"]


def test_same_seed_same_bytes(tiny, tmp_path):
    again = speak_corpus(tmp_path / "again", size="tiny")
    other = speak_corpus(tmp_path / "other", size="tiny", seed=1)

    def digest(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
        }

    assert digest(again.audio) == digest(tiny.audio)
    assert digest(again.truth) == digest(tiny.truth)
    assert transcripts(other.audio) != transcripts(tiny.audio)


def test_progress_counts_up(tmp_path):
    seen: list[tuple[int, int]] = []
    speak_corpus(tmp_path / "speech", size="tiny", progress=lambda *args: seen.append(args))
    assert seen == [(k, 36) for k in range(1, 37)]


def test_only_its_own_recordings_are_overwritten(tmp_path):
    out = tmp_path / "speech"
    first = speak_corpus(out, size="tiny")
    assert speak_corpus(out, size="tiny", seed=3).n_utterances == first.n_utterances
    stranger = out / "84" / "121123" / "84-121123-0000.flac"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"somebody's recording")
    with pytest.raises(CorpusError, match=r"84-121123-0000.*empty folder"):
        speak_corpus(out, size="tiny")
    assert stranger.read_bytes() == b"somebody's recording"


def test_bad_requests(tmp_path):
    with pytest.raises(ConfigError, match="size"):
        speak_corpus(tmp_path / "a", size="huge")
    with pytest.raises(ConfigError, match="inside the corpus"):
        speak_corpus(tmp_path / "a", truth_out=tmp_path / "a" / "truth")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CorpusError, match="choose another folder"):
        speak_corpus(tmp_path / "file", size="tiny")
    with pytest.raises(AlignmentError):
        truth_alignment(tmp_path, "nobody-0-0000")
