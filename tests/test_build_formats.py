"""Whole builds from small corpora in other layouts: TIMIT, Buckeye, condensed LibriSpeech."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import RATE_HZ, aligned_sentence, sound_of

from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import scan
from stressnet.corpus.store import Corpus
from stressnet.intervals import Alignment, Interval
from stressnet.stages.build_corpus import BuildConfig, build_corpus

SENTENCE = "THE WATER HOTEL LETTER DECIDE"

_TO_TIMIT = {"ER0": "axr", "AH0": "ax", "IH0": "ix", "T": "tcl t", "D": "dcl d", "B": "bcl b"}


def narrow(label: str) -> list[str]:
    """An ARPAbet phone as TIMIT's labellers would write it."""
    return _TO_TIMIT.get(label, label.rstrip("012").lower()).split()


def write_timit(stem: Path, alignment: Alignment, samples: np.ndarray, upper: bool) -> None:
    """An utterance as on TIMIT's disc: sphere audio, words and phones in samples."""
    stem.parent.mkdir(parents=True, exist_ok=True)

    def name(suffix: str) -> Path:
        whole = f"{stem.name}.{suffix}"
        return stem.parent / (whole.upper() if upper else whole.lower())

    with soundfile.SoundFile(
        name("WAV"), "w", RATE_HZ, channels=1, format="NIST", subtype="PCM_16"
    ) as file:
        file.write(samples)
    at = [round(w.start_s * RATE_HZ) for w in alignment.words]
    words = [
        f"{start} {round(w.end_s * RATE_HZ)} {w.label.lower()}"
        for start, w in zip(at, alignment.words, strict=True)
    ]
    phones = [f"0 {at[0]} h#"]
    for phone in alignment.phones:
        first, last = round(phone.start_s * RATE_HZ), round(phone.end_s * RATE_HZ)
        parts = narrow(phone.label)
        edges = np.linspace(first, last, len(parts) + 1).round().astype(int)
        phones += [f"{a} {b} {p}" for a, b, p in zip(edges[:-1], edges[1:], parts, strict=True)]
    phones.append(f"{round(alignment.phones[-1].end_s * RATE_HZ)} {len(samples)} h#")
    name("WRD").write_text("\n".join(words) + "\n")
    name("PHN").write_text("\n".join(phones) + "\n")
    name("TXT").write_text(f"0 {len(samples)} {SENTENCE.capitalize()}.\n")


SPEAKERS = {"FCJF0": 210.0, "FDAW0": 190.0, "MJSW0": 110.0, "MCPM0": 120.0}


@pytest.mark.parametrize("upper", [True, False])
def test_timit(tmp_path: Path, upper: bool) -> None:
    source = tmp_path / "TIMIT"
    alignment, duration_s = aligned_sentence(SENTENCE)
    for number, (speaker, f0_hz) in enumerate(SPEAKERS.items()):
        samples = sound_of(alignment, duration_s, f0_hz, seed=number)
        folder = Path("TRAIN", "DR1", speaker)
        folder = source / (folder if upper else str(folder).lower())
        write_timit(folder / "SA1", alignment, samples, upper)
        # The copies of a well-known mirror must not count twice.
        soundfile.write(folder / "SA1.WAV.wav", samples, RATE_HZ)
    lost = next(source.rglob("*mcpm0/*.wrd" if not upper else "*MCPM0/*.WRD"))
    lost.unlink()

    found = scan(load_recipe("timit"), source)
    ids = {f"{speaker}_SA1" for speaker in SPEAKERS}
    assert {r.utterance_id.upper() for r in found.recordings} == ids
    assert {r.speaker.upper()[0]: r.sex for r in found.recordings} == {"F": "female", "M": "male"}
    # Without labels the transcript is there, less the two sample numbers before it.
    by_id = {r.utterance_id.upper(): r for r in found.recordings}
    assert by_id["MCPM0_SA1"].words == tuple(SENTENCE.split())
    lost.with_suffix(".TXT" if upper else ".txt").unlink()

    config = BuildConfig("timit", no_splits=True)
    summary = build_corpus(source, tmp_path / "out", config=config)
    assert [p.item.upper() for p in summary.problems] == ["MCPM0_SA1"]
    tokens = Corpus.open(tmp_path / "out").tokens
    assert len(tokens) == 3 * 4
    assert set(tokens["aligner"]) == {"timit"}
    first = tokens[tokens["speaker"].str.upper() == "FCJF0"].set_index("word")
    assert dict(first["pronunciation"]) == {
        "WATER": "W AO T ER0",
        "HOTEL": "HH OW T EH L",
        "LETTER": "L EH T ER0",
        "DECIDE": "D IH0 S AY D",
    }
    assert dict(first["stress"]) == {
        "WATER": "INITIAL", "HOTEL": "FINAL", "LETTER": "INITIAL", "DECIDE": "FINAL"
    }  # fmt: skip
    assert (first["dictionary_variant"] >= 0).all()
    words = {word.label: word for word in alignment.words}
    for word, row in first.iterrows():
        assert row["start_s"] == pytest.approx(words[word].start_s, abs=1e-4)
        assert row["end_s"] == pytest.approx(words[word].end_s, abs=1e-4)


def write_buckeye(stem: Path, alignment: Alignment, duration_s: float) -> None:
    """Words and phones as xlabel writes them: only ends, silence and noises marked."""
    header = "signal x\ntype 1\ncolor 121\nseparator ;\nnfields 1\n#\n"
    start_s = alignment.words[0].start_s
    words = [f"{start_s / 2:11.6f}  122 {{B_TRANS}}; B_TRANS; null; null"]
    words += [f"{start_s:11.6f}  122 <SIL>; S; S; null"]
    words += [f"{w.end_s:11.6f}  122 {w.label.lower()}; x; x; NN" for w in alignment.words]
    words += [f"{duration_s + 0.4:11.6f}  122 {{E_TRANS}}; E_TRANS; null; null"]
    phones = [f"{start_s:11.6f}  122 SIL"]
    phones += [f"{p.end_s:11.6f}  122 {p.label.rstrip('012').lower()}" for p in alignment.phones]
    phones += [f"{duration_s:11.6f}  122 {{E_TRANS}}"]
    stem.with_suffix(".words").write_text(header + "\n".join(words) + "\n")
    stem.with_suffix(".phones").write_text(header + "\n".join(phones) + "\n")


def test_buckeye_with_a_file_of_minutes(tmp_path: Path) -> None:
    source = tmp_path / "Buckeye"
    long_sentence = " ".join([SENTENCE] * 40)  # three minutes
    for speaker, f0_hz, text in (("s01", 210.0, long_sentence), ("s02", 120.0, SENTENCE)):
        stem = source / speaker / f"{speaker}01a" / f"{speaker}01a"
        stem.parent.mkdir(parents=True)
        alignment, duration_s = aligned_sentence(text, phone_s=0.25 if speaker == "s01" else 0.08)
        samples = sound_of(alignment, duration_s, f0_hz, seed=3)
        soundfile.write(stem.with_suffix(".wav"), samples, RATE_HZ)
        write_buckeye(stem, alignment, duration_s)
    (source / "speakers.tsv").write_text("speaker\tsex\ns01\tf\ns02\tm\n")
    summary = build_corpus(source, tmp_path / "out", config=BuildConfig("buckeye", no_splits=True))
    assert summary.n_errors == 0
    # The label of the end lies past the audio, which is silence and does no harm.
    assert {(p.item, p.severity.value) for p in summary.problems} == {
        ("s0101a", "warning"), ("s0201a", "warning")
    }  # fmt: skip
    assert "ends 400 ms past the audio" in summary.problems[0].reason
    tokens = Corpus.open(tmp_path / "out").tokens
    assert tokens.groupby("speaker")["sex"].first().to_dict() == {"s01": "female", "s02": "male"}
    assert tokens.groupby("utterance_id").size().to_dict() == {"s0101a": 160, "s0201a": 4}
    last = tokens[tokens["utterance_id"] == "s0101a"].iloc[-1]
    assert last["start_s"] > 180
    assert (last["word"], last["word_index"]) == ("DECIDE", 199)
    assert len(soundfile.read(tmp_path / "out" / last["excerpt_file"])[0]) == round(
        last["excerpt_duration_s"] * RATE_HZ
    )


def test_condensed_alignments_serve_as_transcripts(make_corpus, tmp_path: Path) -> None:
    """Words without phones cannot make tokens; the words are known and aligned anew."""
    source = tmp_path / "LibriSpeech"
    folder = source / "84" / "121123"
    folder.mkdir(parents=True)
    alignment, duration_s = aligned_sentence(SENTENCE, phone_s=0.1)
    for number in range(2):
        path = folder / f"84-121123-{number:04d}.flac"
        soundfile.write(path, sound_of(alignment, duration_s, 200.0, number), RATE_HZ)
    words = ",".join(["", *SENTENCE.split(), ""])
    ends = ",".join(f"{e:.3f}" for e in [0.3, *(w.end_s for w in alignment.words), duration_s])
    (folder / "84-121123.alignment.txt").write_text(f'84-121123-0000 "{words}" "{ends}"\n')
    # The second utterance is one of those that the release lacks.
    (folder / "84-121123.trans.txt").write_text(f"84-121123-0001 {SENTENCE}\n")
    recordings = scan(load_recipe("librispeech"), source).recordings
    assert [bool(r.alignment_path) for r in recordings] == [True, False]
    assert recordings[1].words == tuple(SENTENCE.split())
    config = BuildConfig("librispeech", no_splits=True, aligner="pocketsphinx")
    summary = build_corpus(source, tmp_path / "out", config=config)
    with (tmp_path / "out" / "failures.csv").open() as file:
        rows = list(csv.DictReader(file))
    told = [row["reason"] for row in rows if row["severity"] == "warning"]
    told = [reason for reason in told if "fit the sound" not in reason]  # of tones
    assert len(told) == 2 and "holds words without phones" in told[0], rows
    assert "from where the aligner hears them; their times were kept" in told[1]  # it hears tones
    tokens = Corpus.open(summary.path).tokens
    counts = tokens.groupby("utterance_id")["word"].agg(list)
    assert counts["84-121123-0000"] == SENTENCE.split()[1:]
    kept = tokens[tokens["utterance_id"] == "84-121123-0000"]
    ends_s = [word.end_s for word in alignment.words[1:]]
    np.testing.assert_allclose(kept["end_s"], ends_s, atol=0.001)
    assert set(tokens["aligner"]) == {"pocketsphinx"}


def test_one_ctm_for_a_whole_corpus(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    lines: dict[str, list[str]] = {"words": [], "phones": []}
    for number, name in enumerate(("a", "b")):
        alignment, duration_s = aligned_sentence(SENTENCE)
        (source / "wav" / "anna").mkdir(parents=True, exist_ok=True)
        samples = sound_of(alignment, duration_s, 200.0, number)
        soundfile.write(source / "wav" / "anna" / f"{name}.flac", samples, RATE_HZ)
        for tier, intervals in (("words", alignment.words), ("phones", alignment.phones)):
            lines[tier] += [
                f"{name} 1 {i.start_s:.3f} {i.duration_s:.3f} {i.label}" for i in intervals
            ]
    for tier, rows in lines.items():
        (source / f"all.{tier}.ctm").write_text("\n".join(rows) + "\n")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[corpus]\nname = "mine"\ntitle = "t"\nlicence = "CC0"\ncitation = "c"\n'
        '[audio]\npattern = "**/wav/{speaker}/{utterance}.flac"\n'
        '[[alignment]]\npattern = "{folder}/../../all.words.ctm"\nformat = "ctm"\n'
    )
    config = BuildConfig(str(recipe), no_splits=True)
    summary = build_corpus(source, tmp_path / "out", config=config)
    assert summary.n_errors == 0
    tokens = pd.read_parquet(tmp_path / "out" / "tokens.parquet")
    assert tokens["word"].tolist() == SENTENCE.split()[1:] * 2
    assert build_corpus(source, tmp_path / "out", config=config).up_to_date


def spoken_corpus(folder: Path) -> list[tuple[str, Alignment, float]]:
    """Two recordings of one speaker and what is said in them."""
    found = []
    for number, name in enumerate(("a", "b")):
        alignment, duration_s = aligned_sentence(SENTENCE)
        (folder / "anna").mkdir(parents=True, exist_ok=True)
        samples = sound_of(alignment, duration_s, 200.0, number)
        soundfile.write(folder / "anna" / f"{name}.wav", samples, RATE_HZ)
        found.append((name, alignment, duration_s))
    return found


def tiers(alignment: Alignment) -> list[tuple[str, tuple[Interval, ...]]]:
    return [("words", alignment.words), ("phones", alignment.phones)]


def write_ctm(folder: Path) -> None:
    for tier in ("words", "phones"):
        lines = [
            f"{name} 1 {i.start_s:.3f} {i.duration_s:.3f} {i.label}"
            for name, alignment, _ in spoken_corpus(folder)
            for i in getattr(alignment, tier)
        ]
        (folder / f"all.{tier}.ctm").write_text("\n".join(lines) + "\n")


def write_mfa(folder: Path) -> None:
    """As MFA does it: one recording as JSON, one as CSV."""
    aligned = folder / "aligned" / "anna"
    aligned.mkdir(parents=True)
    (_, one, duration_s), (_, two, _) = spoken_corpus(folder)
    entries = {
        name: {"type": "interval", "entries": [[i.start_s, i.end_s, i.label] for i in intervals]}
        for name, intervals in tiers(one)
    }
    text = json.dumps({"start": 0.0, "end": duration_s, "tiers": entries})
    (aligned / "a.json").write_text(text)
    rows = [
        f"{i.start_s:.3f},{i.end_s:.3f},{i.label},{name},anna"
        for name, intervals in tiers(two)
        for i in intervals
    ]
    (aligned / "b.csv").write_text("\n".join(["Begin,End,Label,Type,Speaker", *rows]) + "\n")


def write_lhotse(folder: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    from lhotse.supervision import AlignmentItem

    segments = [
        lhotse.SupervisionSegment(
            id=name,
            recording_id=name,
            start=0.0,
            duration=duration_s,
            speaker="anna",
            alignment={
                tier: [AlignmentItem(i.label, i.start_s, i.duration_s) for i in intervals]
                for tier, intervals in (("word", alignment.words), ("phone", alignment.phones))
            },
        )
        for name, alignment, duration_s in spoken_corpus(folder)
    ]
    lhotse.SupervisionSet.from_segments(segments).to_file(folder / "supervisions.jsonl.gz")


@pytest.mark.parametrize(
    ("recipe", "write"), [("ctm", write_ctm), ("mfa", write_mfa), ("lhotse", write_lhotse)]
)
def test_shipped_recipes_for_other_programs(tmp_path: Path, recipe: str, write) -> None:
    source = tmp_path / "corpus"
    write(source)
    config = BuildConfig(recipe, no_splits=True, tagger="none")
    summary = build_corpus(source, tmp_path / "out", config=config)
    assert [p.reason for p in summary.problems] == []
    tokens = Corpus.open(tmp_path / "out").tokens
    assert tokens["word"].tolist() == SENTENCE.split()[1:] * 2
    assert tokens["speaker"].unique().tolist() == ["anna"]
    alignment, _ = aligned_sentence(SENTENCE)
    expected = [word.start_s for word in alignment.words[1:]] * 2
    np.testing.assert_allclose(tokens["start_s"], expected, atol=1.1e-3)
