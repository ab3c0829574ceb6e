"""The three sources of the paper's data: its own clips, TED-LIUM, and the US Supreme Court."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.alignment.readers import read_alignment
from stressnet.corpus.labels import label_of
from stressnet.corpus.layouts import layouts_of
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import Scan, scan
from stressnet.errors import AlignmentError, RecipeError

STM = """;; comment
AlGore_2009 1 inter_segment_gap 0 0.5 <o,,unknown> ignore_time_segment_in_scoring
AlGore_2009 1 AlGore_2009 0.50 1.50 <o,f0,male> i 'm at the(2) hotel {NOISE} <unk>
AlGore_2009 1 AlGore_2009 1.50 2.00 <o,f0,male> a record
"""
TURN = {"speaker": {"name": "William H. Rehnquist"}}
OYEZ = {
    "transcript": {
        "sections": [
            {"turns": [{**TURN, "text_blocks": [{"start": 0.1, "stop": 0.9, "text": "Proceed."}]}]},
            {
                "turns": [
                    {
                        "speaker": {"name": "Ann Berg"},
                        "text_blocks": [
                            {"start": 1.0, "stop": 1.4, "text": "The permit,"},
                            {"start": 1.4, "stop": 1.9, "text": "Mr. Chief Justice."},
                        ],
                    }
                ]
            },
        ]
    }
}


def sound(path: Path, duration_s: float = 2.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(len(path.name)).standard_normal(int(16_000 * duration_s))
    soundfile.write(path, noise, 16_000, format="WAV" if path.suffix == ".sph" else None)


def by_id(found: Scan) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {r.utterance_id: (r.speaker, r.words) for r in found.recordings}


def test_clips_of_words_have_the_class_of_their_folder(tmp_path: Path) -> None:
    for name in (
        "train/IS_tar/4010-10801-0000_RECORDS_31_libri.wav",
        "valid/FS_tar/1154_conducts_41_supreme.wav",
        "valid/FS_tar/clips/911Mothers_2010W_present_7_ted.wav",
    ):
        sound(tmp_path / name, 0.5)
    (best, *_) = layouts_of(tmp_path)
    assert best.recipe.name == "stress-clips"
    found = best.found
    assert not found.problems
    assert by_id(found) == {
        "4010-10801-0000_RECORDS_31_libri": ("4010", ("RECORDS",)),
        "1154_conducts_41_supreme": ("1154", ("CONDUCTS",)),
        "911Mothers_2010W_present_7_ted": ("911Mothers_2010W", ("PRESENT",)),
    }
    classes = {
        r.words[0]: getattr(label_of(found.labels, r.utterance_id, 0), "stress", None)
        for r in found.recordings
    }
    assert classes == {"RECORDS": "INITIAL", "CONDUCTS": "FINAL", "PRESENT": "FINAL"}


def test_talks(tmp_path: Path) -> None:
    sound(tmp_path / "legacy/train/sph/AlGore_2009.sph")
    segments = tmp_path / "legacy/train/stm/AlGore_2009.stm"
    segments.parent.mkdir()
    segments.write_text(STM, encoding="utf-8")
    (recording,) = scan(load_recipe("tedlium"), tmp_path).recordings
    assert (recording.utterance_id, recording.speaker) == ("AlGore_2009", "AlGore_2009")
    said = read_alignment(segments, utterance_id="AlGore_2009").words
    assert [(i.start_s, i.end_s, i.label.split()) for i in said] == [
        (0.5, 1.5, ["i'm", "at", "the", "hotel"]),
        (1.5, 2.0, ["a", "record"]),
    ]
    segments.write_text("AlGore_2009 1 AlGore_2009 0.5\n", encoding="utf-8")
    with pytest.raises(AlignmentError, match=r"stm, line 1: expected recording, channel, speaker"):
        read_alignment(segments)


def test_arguments_before_the_court(tmp_path: Path) -> None:
    sound(tmp_path / "1969/case.mp3")
    transcript = tmp_path / "1969/case.json"
    transcript.write_text(json.dumps(OYEZ), encoding="utf-8")
    found = scan(load_recipe("oyez"), tmp_path)
    assert {r.speaker for r in found.recordings} == {"William H. Rehnquist", "Ann Berg"}
    own = read_alignment(transcript, speaker="Ann Berg")
    assert [(i.start_s, i.label) for i in own.words] == [
        (1.0, "The permit,"),
        (1.4, "Mr. Chief Justice."),
    ]
    transcript.write_text(json.dumps({"transcript": {"sections": [1]}}), encoding="utf-8")
    with pytest.raises(AlignmentError, match=r"case\.json"):
        read_alignment(transcript)


@pytest.mark.parametrize("entries", ["", "folder = 'IS'", "folder = 'IS'\nvalue = 'FIRST'"])
def test_labels_need_a_file_or_a_folder_with_its_class(tmp_path: Path, entries: str) -> None:
    text = Path(__file__).parents[1].joinpath("corpora/generic.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(f"{text}\n[[labels]]\n{entries}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"\[\[labels\]\] needs a file, or a folder"):
        load_recipe(str(path))
