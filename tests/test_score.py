"""``stressnet score``: differences by hand, what is expected, heard and told, and whom it fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from command_line import run_cli

from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import scan
from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.lexicon.stress import WordLengths
from stressnet.models.answer import Answer
from stressnet.models.checkpoint import CheckpointInfo, TrainedNetwork, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.stages.build_corpus import build_corpus
from stressnet.stages.measure import measure_corpus
from stressnet.stages.score import run as stage
from stressnet.stages.score import score_learners
from stressnet.stages.score.norms import deviations, differences, load_norms, norms_of
from stressnet.stages.score.run import learners_of, share_of, words_of
from stressnet.training.calibration import calibration_of

FEW = {"anna": 210.0, "carl": 110.0}


def cue_rows(words: list[tuple[str, str, str | None, list[float]]]) -> pd.DataFrame:
    """Cues of words: speaker, word, class, and the duration of each vowel; the rest follows it."""
    rows = []
    for index, (speaker, word, stress, durations_s) in enumerate(words):
        row = {"token_id": f"t{index}", "speaker": speaker, "word": word, "stress": stress}
        for k in (1, 2, 3):
            value = durations_s[k - 1] if k <= len(durations_s) else np.nan
            row |= {
                f"nucleus_{k}": "AH0" if np.isfinite(value) else None,
                f"nucleus_{k}_duration_s": value,
                f"nucleus_{k}_f0_max_st": 10 * value,
                f"nucleus_{k}_intensity_max_db": 100 * value,
                f"nucleus_{k}_spectral_emphasis_db": value,
                f"nucleus_{k}_peripherality_bark": value,
                f"nucleus_{k}_f1_hz": 500 + 1000 * value,
                f"nucleus_{k}_f2_hz": 1500.0 if np.isfinite(value) else np.nan,
                f"nucleus_{k}_formants_suspect": 0.0 if np.isfinite(value) else np.nan,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def test_the_stressed_vowel_stands_against_the_mean_of_the_others() -> None:
    cues = cue_rows(
        [
            ("a", "PERMIT", "FINAL", [0.1, 0.2]),
            ("a", "WATER", "INITIAL", [0.2, 0.05]),
            ("a", "BANANA", "PENULTIMATE", [0.1, 0.4, 0.2]),
            ("a", "RECORD", None, [0.1, 0.2]),
        ]
    )
    cues.loc[1, "nucleus_1_formants_suspect"] = 1.0
    for k in (1, 2, 3):  # with <NA>, as measure writes it
        name = f"nucleus_{k}_formants_suspect"
        cues[name] = cues[name].astype("boolean")
    rows = differences(cues)
    assert set(rows["token_id"]) == {"t0", "t1", "t2"}, "no difference without an expectation"
    value = rows.set_index(["name", "token_id"])["value"]
    log2 = value["duration_log2_ratio"]
    assert log2["t0"] == pytest.approx(1.0)
    assert log2["t1"] == pytest.approx(2.0)
    assert log2["t2"] == pytest.approx(1.5), "0.4 against 0.1 and 0.2: twice and four times"
    assert value["f0_difference_st"]["t2"] == pytest.approx(4 - 1.5)
    assert np.isnan(value["peripherality_difference_bark"]["t1"]), "its formants are suspect"
    assert value["peripherality_difference_bark"]["t0"] == pytest.approx(0.1)
    of = rows[rows["name"] == "duration_log2_ratio"].set_index("token_id")["of"]
    assert of.to_dict() == {"t0": "01", "t1": "10", "t2": "010"}
    assert np.isnan(value["vowel_1_f1_bark"]["t0"]), "seven vowels are no vowel space"


def natives(words: list[str], n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    speakers = [f"s{k % 6}" for k in range(n)]  # with ten vowels each there is a vowel space
    return cue_rows(
        [
            (s, word, "INITIAL", list(rng.uniform(0.05, 0.3, 2) + 0.1 * (word == "LONG")))
            for word in words
            for s in speakers
        ]
    )


def test_words_are_compared_with_the_same_word_if_natives_said_it_often_enough() -> None:
    reference = natives(["LONG", "WATER"], 18)
    norms = norms_of(reference)
    assert {"10", "LONG 10", "WATER 10", "AH0"} == set(norms["of"])
    own = norms_of(natives(["RARE"], n=9)), norms_of(natives(["RARE"]).assign(speaker="one"))
    assert all(table.empty for table in own), "nine tokens, or one speaker, are no norm"
    learner = cue_rows([("x", word, "INITIAL", [0.3, 0.1]) for word in ("LONG", "NEW")])
    found = deviations(learner, norms).set_index("token_id")
    assert found["norm"].to_dict() == {"t0": "word", "t1": "stress"}
    values = np.log2(reference["nucleus_1_duration_s"] / reference["nucleus_2_duration_s"])
    for token, known in (("t0", values[reference["word"] == "LONG"]), ("t1", values)):
        z = (np.log2(3) - known.mean()) / known.std(ddof=1)
        assert found["duration_log2_ratio_z"][token] == pytest.approx(z)
    z = deviations(reference, norms)["f0_difference_st_z"]
    assert z.mean() == pytest.approx(0, abs=1e-9) and z.std() == pytest.approx(1, rel=0.1)


def test_norms_in_the_package_are_of_many_readers() -> None:
    norms = load_norms(None)
    assert {"10", "01", "100", "010", "AH0", "IY1"} <= set(norms["of"])
    assert norms["n_speakers"].min() >= 5 and norms["n_tokens"].min() >= 10
    duration = norms[norms["cue"] == "duration_log2_ratio"].set_index("of")["mean"]
    assert duration["10"] > 0 and duration["01"] > 0, "stressed vowels are longer"


@pytest.fixture(scope="module")
def recordings(make_corpus, tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("score") / "recordings", FEW)


@pytest.fixture(scope="module")
def scored(recordings: Path) -> Path:
    return score_learners(recordings, recordings.with_name("out"), recipe="generic").path


def words_in(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "words.csv")


def test_answers_are_the_networks_and_matches_follow(scored: Path) -> None:
    words, corpus = words_in(scored), Corpus.open(scored / "corpus")
    assert list(words["token_id"]) == list(corpus.tokens["token_id"]) and len(words) == 20
    network = TrainedNetwork.load("pretrained")
    logits = network.logits(np.array(corpus.images("stressnet").values))
    calibration = calibration_of(network)
    for (_, row), own in zip(words.iterrows(), logits, strict=True):
        answer = Answer.among(network.info.contrast, own, calibration)
        assert (row["heard"], row["probability"]) == (
            answer.stress.value,
            pytest.approx(answer.probability, rel=1e-4),
        )
        same = "yes" if row["heard"] == row["expected"] else "no"
        unknown = pd.isna(row["expected"])
        match = "" if unknown else same if answer.probability >= 0.8 else "not sure"
        assert row["match"] == match or (unknown and pd.isna(row["match"]))
    cues = pd.read_parquet(scored / "cues" / "cues.parquet").set_index("token_id")
    row = words.set_index("token_id").loc["anna-0_002_HOTEL"]
    ratio = cues["nucleus_2_duration_s"] / cues["nucleus_1_duration_s"]
    assert row["duration_ratio"] == pytest.approx(ratio["anna-0_002_HOTEL"], rel=1e-4)
    learners = pd.read_csv(scored / "learners.csv").set_index("learner")
    own = words[(words["learner"] == "anna") & words["expected"].notna()]
    right = (own["heard"] == own["expected"]).sum()
    assert learners["share"]["anna"] == pytest.approx(right / len(own))
    p, n, z = right / len(own), len(own), 1.959964
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    assert learners["share_low"]["anna"] == pytest.approx(middle - half, rel=1e-3)


def test_what_only_the_sound_tells_is_not_expected(scored: Path) -> None:
    corpus = Corpus.open(scored / "corpus")
    sources = ["aligner", "agreement", *["lexicon"] * (len(corpus.tokens) - 2)]
    corpus.__dict__["tokens"] = corpus.tokens.assign(label_source=sources, stress="FINAL")
    words = words_of(corpus, pd.DataFrame(), TrainedNetwork.load("pretrained"), 0.8, None)
    assert words["expected"].isna().tolist() == [True, True, *[False] * (len(words) - 2)]
    assert words["match"].tolist()[:2] == ["", ""] and "" not in words["match"].tolist()[2:]


def test_one_learner_alone_gets_the_same(scored: Path, recordings: Path, tmp_path: Path) -> None:
    alone = score_learners(recordings, tmp_path / "out", recipe="generic", speakers=("carl",))
    both = words_in(scored).query("learner == 'carl'").reset_index(drop=True)
    pd.testing.assert_frame_equal(words_in(alone.path), both)


def test_pages_say_it_in_words_and_lead_to_each_other(scored: Path) -> None:
    index = (scored / "index.html").read_text(encoding="utf-8")
    assert '<a href="learners/anna.html">anna</a>' in index and "no test of pronunciation" in index
    page = (scored / "learners" / "anna.html").read_text(encoding="utf-8")
    assert "../index.html" in page and "0.793" in page and "z-anna.png" in page
    for sound in ("anna-0_002_HOTEL",):
        assert f"../corpus/excerpts/anna/{sound}.flac" in page
        assert (scored / "corpus" / "excerpts" / "anna" / f"{sound}.flac").is_file()


def test_an_interrupted_run_goes_on(recordings: Path, scored: Path, tmp_path: Path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(stage, "write_pages", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            score_learners(recordings, tmp_path / "out", recipe="generic")
    score_learners(recordings, tmp_path / "out", recipe="generic")
    for name in ("words.csv", "learners.csv", "index.html", "learners/anna.html"):
        assert (tmp_path / "out" / name).read_bytes() == (scored / name).read_bytes(), name


def test_a_bad_recording_costs_itself(recordings: Path, tmp_path: Path, capsys) -> None:
    own = tmp_path / "recordings"
    shutil.copytree(recordings, own)
    (own / "anna" / "anna-0.flac").write_bytes(b"no sound")
    code, out, err = run_cli(capsys, "score", own, tmp_path / "out", "--recipe", "generic", "-q")
    assert code == 3 and "A 'no' is a reason to listen" in out and "anna-0" in err
    assert len(words_in(tmp_path / "out")) == 15
    assert "anna-0" in (tmp_path / "out" / "failures.csv").read_text()
    code, _, err = run_cli(capsys, "score", own, tmp_path / "o", "--sure", "0.3")
    assert code == 2 and "--sure 0.3" in err


def test_natives_of_the_users_own(recordings: Path, scored: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no pattern of stress"):
        score_learners(recordings, tmp_path / "out", recipe="generic", reference=scored / "cues")
    assert not (tmp_path / "out").exists()


def test_words_of_three_syllables(make_corpus, tmp_path: Path) -> None:
    """Any network for longer words: they are measured, heard and compared, too."""
    sentences = ("THE BANANA ELEPHANT", "THE TOMATO KANGAROO")
    own = make_corpus(tmp_path / "recordings", FEW, sentences)
    corpus = build_corpus(
        own, tmp_path / "corpus", recipe="generic", no_splits=True, syllables="3"
    ).path
    images = Corpus.open(corpus).images("stressnet")
    shape, preset = images.axes.shape, dict(images.preset)
    classes = WordLengths.parse("3").classes
    torch.manual_seed(0)
    info = CheckpointInfo(
        "compact", *shape, "stressnet", preset, classes=classes, training={"syllables": "3"}
    )
    save_checkpoint(tmp_path / "model", build_model("compact", *shape, 3).eval(), info)
    options = {"recipe": "generic", "model": tmp_path / "model"}
    with pytest.raises(CorpusError, match="give --syllables 3"):
        score_learners(own, tmp_path / "out", **options)
    words = score_learners(own, tmp_path / "out", **options, syllables="3").words
    assert set(words["expected"]) == {str(stress) for stress in classes}
    assert set(words["heard"]) <= set(words["expected"])
    first = words.set_index("token_id").loc["anna-0_001_BANANA"]
    assert first["expected"] == "PENULTIMATE" and first["duration_log2_ratio"] == pytest.approx(0)
    assert np.isfinite(first["duration_log2_ratio_z"]) and "vowel_3_f1_bark" in words
    cues = measure_corpus(corpus, tmp_path / "cues", contours=3)
    table = pd.read_parquet(tmp_path / "cues" / "contours.parquet")
    assert set(table["part"]) == {"word", "vowel_1", "vowel_2", "vowel_3"}
    assert "nucleus_3_f0_mean_hz" in cues.cues and "nucleus_diff_f0_mean_st" not in cues.cues


def test_a_learner_whose_words_have_no_expectation_has_no_share() -> None:
    words = pd.DataFrame(
        {"learner": ["x"], "word": ["A"], "expected": [None], "heard": ["FINAL"], "match": [""]}
    )
    row = learners_of(words).iloc[0]
    assert row["n_words"] == 1 and row["n_expected"] == 0 and np.isnan(row["share"])


def test_a_share_is_no_more_than_all() -> None:
    heard = ["FINAL"] * 19 + ["INITIAL"]
    known = pd.DataFrame({"expected": "FINAL", "heard": heard})
    known["learner"], known["word"] = [f"s{k % 6}" for k in range(20)], [f"w{k}" for k in range(20)]
    share = share_of(known)
    assert share.value == 0.95 and share.high == 1.0 and 0.7 < share.low < 0.95


def test_recipe_for_speechocean762(tmp_path: Path) -> None:
    """The corpus's own layout, as its files list it: ids, texts and sexes of both sets."""
    people = {"train": ("0001", "m", "WE CALL IT BEAR"), "test": ("0003", "f", "PETER'S WATER")}
    for name, (speaker, sex, text) in people.items():
        utterance, folder = f"{speaker}10011", tmp_path / name
        sound = tmp_path / "WAVE" / f"SPEAKER{speaker}" / f"{utterance}.WAV"
        sound.parent.mkdir(parents=True)
        folder.mkdir()
        soundfile.write(sound, np.zeros(16000), 16000, format="WAV")
        (folder / "text").write_text(f"{utterance}\t{text}\n")
        (folder / "spk2gender").write_text(f"{speaker} {sex}\n")
        (folder / "utt2spk").write_text(f"{utterance} {speaker}\n")
        (folder / "wav.scp").write_text(f"{utterance}\tWAVE/SPEAKER{speaker}/{utterance}.WAV\n")
    found = scan(load_recipe("speechocean762"), tmp_path)
    assert not found.problems
    assert [(r.utterance_id, r.speaker, r.sex, r.words) for r in found.recordings] == [
        ("000110011", "0001", "male", ("WE", "CALL", "IT", "BEAR")),
        ("000310011", "0003", "female", ("PETER'S", "WATER")),
    ]
