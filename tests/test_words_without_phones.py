"""Words, utterances or a transcript instead of words and phones: the best that is there is used."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import run_cli
from conftest import RATE_HZ, aligned_sentence, sound_of

from stressnet.alignment.textgrid import read_textgrid, speakers_of, write_textgrid
from stressnet.corpus.building.given import Given, pronounceable, use_given
from stressnet.corpus.building.stretches import Stretch, joined
from stressnet.corpus.scan import Recording
from stressnet.corpus.store import Corpus
from stressnet.corpus.written import Reading
from stressnet.errors import AlignmentError
from stressnet.intervals import TIMED_TEXT, Alignment, Interval
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.stages.build_corpus import BuildConfig, build_corpus

CASES = Path(__file__).parents[2] / "shared" / "cases"
SENTENCE = "THE WATER HOTEL RECORD"
CONFIG = BuildConfig("generic", tagger="none", no_splits=True, aligner="pocketsphinx")


def grid(path: Path, tiers: dict[str, list[Interval]], duration_s: float) -> Path:
    """A TextGrid with these tiers only."""
    write_textgrid(path, Alignment((), ()), duration_s, tiers)
    text = path.read_text(encoding="utf-8")
    text = text.replace('"words"', '"notes w"').replace('"phones"', '"notes p"')
    path.write_text(text.replace("<", "").replace('"_', '"'), encoding="utf-8")
    return path


def recording(path: Path, transcript: str = "", voice: str | None = None) -> Recording:
    said = Reading(tuple(transcript.split())) if transcript else None
    return Recording("u", "anna", "", Path("u.wav"), (), path, 3.0, voice=voice, transcript=said)


def spans(given: Given) -> list[tuple[float, float, str]]:
    return [(round(s.start_s, 3), round(s.end_s, 3), " ".join(s.words)) for s in given.stretches]


def test_words_keep_their_times_and_are_aligned_between_pauses(tmp_path: Path) -> None:
    words = [Interval(0.5, 0.6, "the"), Interval(0.6, 1.0, "water"), Interval(2.0, 2.5, "hotel")]
    path = grid(tmp_path / "u.TextGrid", {"_words": words}, 3.0)
    given = use_given(recording(path), path)
    assert given.alignment is None
    assert spans(given) == [(0.35, 1.15, "THE WATER"), (1.85, 2.65, "HOTEL")]
    assert given.stretches[0].kept == ((0.5, 0.6, 1), (0.6, 1.0, 1))


def test_utterances_are_aligned_where_they_stand(tmp_path: Path) -> None:
    tiers = {
        "Anna - utterances": [Interval(0.5, 1.0, "The water."), Interval(1.1, 2.0, "A hotel?")],
        "Bo - utterances": [Interval(1.0, 1.4, "[laughs]"), Interval(2.0, 2.5, "Record {sighs}")],
    }
    path = grid(tmp_path / "u.TextGrid", tiers, 3.0)
    assert speakers_of(path) == ("Anna", "Bo")
    anna = use_given(recording(path, voice="Anna"), path)
    assert spans(anna) == [(0.35, 1.05, "THE WATER"), (1.05, 2.15, "A HOTEL")]
    assert not any(stretch.kept for stretch in anna.stretches)
    bo = use_given(recording(path, voice="Bo"), path)
    assert bo.words == ("RECORD",)
    assert bo.stretches[0].noises == (0, 1)  # of the mark before it, too


def test_marks_between_words_are_noises(tmp_path: Path) -> None:
    labels = [(0.5, 1.0, "the"), (1.0, 1.2, "[laughs]"), (1.2, 1.6, "water {sighs}")]
    path = grid(tmp_path / "u.TextGrid", {"Anna": [Interval(*label) for label in labels]}, 3.0)
    (stretch,) = use_given(recording(path), path).stretches
    assert (stretch.words, stretch.noises) == (("THE", "WATER"), (1, 2))


def test_names_of_tiers_of_utterances(tmp_path: Path) -> None:
    said = [Interval(0.5, 1.0, "The water.")]
    tiers = {"Anna": said, "comments": [Interval(0, 1, "good")], "Bo": [Interval(1.5, 2, "Hotel")]}
    path = grid(tmp_path / "u.TextGrid", tiers, 3.0)
    assert speakers_of(path) == ("Anna", "Bo")
    assert read_textgrid(path, "Bo").source == TIMED_TEXT
    grid(path, {"Anna": said, "empty": []}, 3.0)
    assert speakers_of(path) == () and read_textgrid(path).words[1].label == "The water."


def test_every_speaker_by_the_best_tiers_there_are(tmp_path: Path) -> None:
    word, said = [Interval(0.5, 1.0, "water")], [Interval(1.0, 2.0, "a hotel")]
    tiers = {
        "Anna - words": word,
        "Anna - phones": [Interval(0.5, 1.0, "W")],
        "Anna - sentence": said,
        "Bo - words": said,
        "Cy - utterances": said,
    }
    path = grid(tmp_path / "u.TextGrid", tiers, 3.0)
    assert speakers_of(path) == ("Anna", "Bo", "Cy")
    found = [read_textgrid(path, name) for name in speakers_of(path)]
    assert [len(alignment.phones) > 0 for alignment in found] == [True, False, False]
    assert [alignment.source == TIMED_TEXT for alignment in found] == [False, False, True]
    path = grid(tmp_path / "v.TextGrid", {"sentence": said, "_phones": word}, 3.0)
    assert read_textgrid(path).words[1].label == "a hotel"


@pytest.mark.parametrize(
    ("intervals", "problem"),
    [
        ([Interval(0.5, 1.0, "[laughs]")], "holds no words"),
        ([Interval(4.0, 5.0, "water")], "lies outside the audio"),
    ],
)
def test_a_transcript_stands_in(tmp_path: Path, intervals: list[Interval], problem: str) -> None:
    path = grid(tmp_path / "u.TextGrid", {"_words": intervals}, 6.0)
    with pytest.raises(AlignmentError, match=problem):
        use_given(recording(path), path)
    given = use_given(recording(path, "THE WATER"), path)
    assert (given.words, given.stretches) == (("THE", "WATER"), ())
    (text,) = given.warnings
    assert problem in text and text.endswith("the transcript of the recording was aligned instead")


def test_a_grid_of_a_part_that_keeps_its_times(tmp_path: Path) -> None:
    alignment, duration_s = aligned_sentence(SENTENCE)
    shifted = Alignment(
        tuple(word.shifted(61.5) for word in alignment.words),
        tuple(phone.shifted(61.5) for phone in alignment.phones),
    )
    path = tmp_path / "u.TextGrid"
    write_textgrid(path, shifted, 61.5 + duration_s)
    own = replace(recording(path), duration_s=duration_s)
    with pytest.raises(AlignmentError, match="ends at"):  # it begins at 0
        use_given(own, path)
    text = path.read_text()
    first = text.index("intervals [1]")
    silent = text.index("intervals [2]")
    head = text[:first] + text[first:silent].replace("xmin = 0", "xmin = 61.5", 1)
    path.write_text((head + text[silent:]).replace("xmin = 0", "xmin = 61.5"))
    given = use_given(own, path)
    assert given.alignment is not None
    np.testing.assert_allclose(
        [word.start_s for word in given.alignment.spoken_words()],
        [word.start_s for word in alignment.spoken_words()],
        atol=1e-6,
    )
    assert "begins at 61.500 s and is as long as the audio" in given.warnings[0]


def test_a_word_that_cannot_be_pronounced_costs_its_stretch_only() -> None:
    parts = (Stretch(0, 1, ("THE", "WATER")), Stretch(1, 2, ("XYZ1",)))
    given = Given(None, ("THE", "WATER", "XYZ1"), parts)
    own = recording(Path("u.TextGrid"))
    kept = pronounceable(own, given, load_dictionary(None))
    assert kept.words == ("THE", "WATER") and kept.stretches == parts[:1]
    assert "1 words from 1.00 s on (XYZ1) are left out" in kept.warnings[0]
    with pytest.raises(AlignmentError, match="spell the word out"):
        pronounceable(own, Given(None, ("XYZ1",), parts[1:]), load_dictionary(None))


def test_phones_are_moved_into_words_that_keep_their_times() -> None:
    word, phones = Interval(0.2, 0.6, "A"), (Interval(0.2, 0.3, "B"), Interval(0.3, 0.6, "C"))
    heard = Alignment((word,), phones, "x", (0.5,))
    kept = Stretch(1.0, 2.0, ("A",), ((1.15, 1.62, 1),))
    alignment, n_far = joined([kept, kept], [heard, None])
    assert alignment.words == (Interval(1.15, 1.62, "A"),)
    assert alignment.phones == (Interval(1.15, 1.3, "B"), Interval(1.3, 1.62, "C"))
    assert (n_far, alignment.confidence) == (0, (0.5,))
    far = Stretch(1.0, 2.0, ("A",), ((1.4, 1.8, 1),))  # the inner boundary lies outside
    alignment, n_far = joined([far], [heard])
    assert n_far == 1
    times = [(p.start_s, p.end_s) for p in alignment.phones]
    np.testing.assert_allclose(times, [(1.4, 1.5), (1.5, 1.8)])


def rows_of(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "failures.csv").open(newline="", encoding="utf-8") as file:
        return [(r["item"], r["severity"], r["reason"]) for r in csv.DictReader(file)]


def test_ipa_and_tiers_of_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    (source / "anna").mkdir(parents=True)
    alignment, duration_s = aligned_sentence(SENTENCE)
    for name in ("ipa", "no-tiers"):
        samples = sound_of(alignment, duration_s, f0_hz=150, seed=1)
        soundfile.write(source / "anna" / f"{name}.flac", samples, RATE_HZ)
        write_textgrid(source / "anna" / f"{name}.TextGrid", alignment, duration_s)
    path = source / "anna" / "no-tiers.TextGrid"
    path.write_text(path.read_text().replace('"phones"', '"segments of Anna"'))
    path = source / "anna" / "ipa.TextGrid"
    text = path.read_text()
    for arpabet, ipa in (("AO1", "ɔ"), ("OW0", "o"), ("EH1", "ɛ"), ("HH", "h")):
        text = text.replace(f'"{arpabet}"', f'"{ipa}"')
    path.write_text(text, encoding="utf-8")

    build_corpus(source, tmp_path / "out", config=CONFIG)
    rows = rows_of(tmp_path / "out")
    assert {severity for _, severity, _ in rows} == {"warning"}
    of = {item: [reason for i, _, reason in rows if i == item] for item in ("ipa", "no-tiers")}
    assert "phone 'ɔ' at 0.540 s is not ARPAbet (5 of 17 phones are not, some" in of["ipa"][0]
    assert "until then phones are aligned anew inside its words" in of["ipa"][0]
    assert "no-tiers.TextGrid: holds words without phones" in of["no-tiers"][0]
    assert "name their tier 'phones'" in of["no-tiers"][0]
    tokens = Corpus.open(tmp_path / "out").tokens
    counts = tokens.groupby("utterance_id")["word"].agg(list).to_dict()
    assert counts == {"ipa": SENTENCE.split()[1:], "no-tiers": SENTENCE.split()[1:]}
    starts_s = [word.start_s for word in alignment.spoken_words()[1:]]
    np.testing.assert_allclose(tokens[tokens["utterance_id"] == "ipa"]["start_s"], starts_s)
    _, out, _ = run_cli(capsys, "validate", source, "-q")
    assert of["ipa"][0] in out and of["no-tiers"][0] in out


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize(
    ("case", "items", "severities"),
    [
        ("16-words-only-textgrid", ("utt", "w"), {"warning"}),
        ("19-arpabet-in-lower-case-and-ipa", ("ipa", "lower"), set()),
    ],
)
def test_cases(case: str, items: tuple[str, str], severities: set[str], tmp_path: Path) -> None:
    build_corpus(CASES / case / "recordings", tmp_path / "out", config=CONFIG)
    tokens = Corpus.open(tmp_path / "out").tokens
    counts = tokens.groupby("utterance_id")["word"].agg(list).to_dict()
    assert counts == {item: ["FINAL", "PERMIT", "REBEL", "REPORT"] for item in items}
    times_s = tokens.groupby("utterance_id")["start_s"].agg(list)
    np.testing.assert_allclose(times_s[items[0]], times_s[items[1]], atol=0.1)
    if not severities:  # phones keep the times that they came with
        phones = Corpus.open(tmp_path / "out").phones.assign(item=lambda p: p["token_id"].str[:3])
        starts_s = phones.groupby("item")["start_s"].agg(list)
        np.testing.assert_array_equal(starts_s["ipa"], starts_s["low"])
    assert {severity for _, severity, _ in rows_of(tmp_path / "out")} == severities
