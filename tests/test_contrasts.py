"""Other contrasts than stress: from a column of a label table to every command that takes them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run_cli
from praatio import textgrid
from test_export_r import has_r

from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.splits import SplitConfig, assign_splits
from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError, ConfigError, CorpusError, RecipeError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.stages.build_corpus import build_corpus
from stressnet.stages.corpus_export import export_corpus, write_folds
from stressnet.stages.corpus_merge import merge_corpora
from stressnet.stages.cue_baselines import run_cue_baselines
from stressnet.stages.evaluate import evaluate_models
from stressnet.stages.explain import explain_corpus
from stressnet.stages.export_praat import export_praat
from stressnet.stages.export_r import export_r
from stressnet.stages.measure import measure_corpus
from stressnet.stages.report import report_run
from stressnet.stages.stats import run_statistics
from stressnet.stages.train import train_model
from stressnet.training.calibration import calibration_of

ACCENT = "sentence accent: accent = ACCENTED, UNACCENTED"
SENTENCES = (
    "THE WATER HOTEL LETTER DECIDE",
    "THE MONEY MACHINE PICTURE BELIEVE",
    "THE DECIDE LETTER HOTEL WATER",
    "THE BELIEVE PICTURE MACHINE MONEY",
)
SPEAKERS = ("anna", "bo", "carl", "dan")


def table(folder: Path, column: str, cell: Callable[[str, int, int], str]) -> Path:
    """A label table with a value for every word but the first."""
    rows = [
        f"{speaker}-{number}\t{index}\t{cell(speaker, number, index)}"
        for speaker in SPEAKERS
        for number in range(len(SENTENCES))
        for index in range(1, 5)
    ]
    file = folder / f"{column}.tsv"
    text = "\n".join([f"utterance_id\tword_index\t{column}", *rows]) + "\n"
    file.write_text(text, encoding="utf-8")
    return file


def accents(folder: Path) -> Path:
    """Every second word is accented; each word once in either place."""
    return table(folder, "accent", lambda _, __, k: "ACCENTED" if k % 2 else "unaccented")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory, make_corpus: Callable[..., Path]) -> Path:
    """Four speakers with four sentences, in which each word occurs in two places."""
    return make_corpus(tmp_path_factory.mktemp("spoken") / "recordings", sentences=SENTENCES)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    """A corpus of accented and unaccented words, a network and its run."""
    folder = tmp_path_factory.mktemp("accent")
    corpus, model = folder / "corpus", folder / "model"
    build_corpus(recordings, corpus, labels=accents(folder), contrast=ACCENT, jobs=1)
    train_model(corpus, model, max_epochs=1)
    explain_corpus(corpus, model, folder / "run", jobs=1)
    return folder


def test_a_contrast_is_written_and_read_as_one_line() -> None:
    accent = Contrast.parse(ACCENT)
    assert Contrast.parse(str(accent)) == accent and accent.name == "sentence accent"
    assert accent.told_apart == "ACCENTED from UNACCENTED" and accent.p == "p_accented"
    assert Contrast.parse("first_language=a,B").name == "first language"
    assert STRESS.told_apart == "INITIAL from FINAL stress" and STRESS.noted == {}
    named = accent.named(pd.DataFrame({"n_final": [1], "metric": ["recall_initial"], "n": [2]}))
    assert list(named) == ["n_unaccented", "metric", "n"]
    assert named["metric"].tolist() == ["recall_accented"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("accent", "expected COLUMN=FIRST,SECOND"),
        ("Accent!=A,B", "small letters a to z"),
        ("accent=A", "classes are A; name two"),
        ("accent=A,a", "classes are A, A; name two"),
        ("accent=A,", "class '' is no name"),
        ("accent=A,B/C", "class 'B/C' is no name"),
        ("accent=A,ALL", "class 'ALL' means something else"),
        ("stress=A,B", "stress is what is told apart without one"),
        ("speaker=A,B", "the tables have a column 'speaker'; rename"),
    ],
)
def test_names_that_cannot_be(text: str, reason: str, recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        build_corpus(recordings, tmp_path / "out", contrast=text)
    assert not (tmp_path / "out").exists()


def test_a_corpus_of_another_contrast(study: Path) -> None:
    corpus = Corpus.of_disyllables(study / "corpus")
    assert corpus.contrast == Contrast.parse(ACCENT)
    tokens = corpus.tokens
    assert tokens.groupby("word")["accent"].nunique().eq(2).all()
    assert set(tokens.loc[tokens["word"] == "WATER", "stress"]) == {"INITIAL"}
    for split in ("train", "test", "valid"):
        assert set(tokens.loc[tokens["split"] == split, "accent"]) == set(corpus.classes)
    grid = (study / "corpus" / "textgrids" / "anna-0.TextGrid").read_text(encoding="utf-8")
    assert '"accent"' in grid and '"UNACCENTED"' in grid and '"INITIAL"' in grid
    card = (study / "corpus" / "corpus-card.md").read_text(encoding="utf-8")
    assert "Told apart: sentence accent" in card and "| split | n | ACCENTED |" in card
    splits = tokens.set_index("token_id")["split"]
    assert (
        set(tokens["speaker"][tokens["split"] == "train"]).isdisjoint(
            tokens["speaker"][tokens["split"] == "test"]
        )
        and len(splits) == 64
    )


def test_maps_speak_for_the_class_and_regions_for_stress(study: Path) -> None:
    run = pd.read_parquet(study / "run" / "tokens.parquet").set_index("token_id")
    network = TrainedNetwork.of_disyllables(study / "model")
    corpus = Corpus.of_disyllables(study / "corpus")
    place = {name: row for row, name in enumerate(corpus.tokens["token_id"])}
    logits = network.logits(
        np.array(corpus.images("stressnet").values[[place[name] for name in run.index]])
    )
    assert np.allclose(logits[:, 0] - logits[:, 1], run["output"], atol=1e-4)
    said = np.where(run["output"] >= calibration_of(network).threshold, "ACCENTED", "UNACCENTED")
    assert (run["accent_predicted"] == said).all() and "stress_predicted" not in run
    relevance = pd.read_parquet(study / "run" / "relevance.parquet").set_index("token_id")
    whole = relevance[relevance["region"].isin(["word", "context", "padding"])]
    first = relevance[relevance["region"] == "nucleus_1"]["area_share"]
    strong = relevance[relevance["region"] == "nucleus_stressed"]["area_share"]
    initial = run["stress"] == "INITIAL"
    assert np.allclose(first[initial], strong[initial])
    maps = np.load(study / "run" / "maps.npy")
    sums = maps[run["map_index"]].sum(axis=(1, 2)) * np.where(run["accent"] == "ACCENTED", 1, -1)
    total = np.abs(maps[run["map_index"]]).sum(axis=(1, 2))
    signed = whole.groupby(level=0)["signed_share"].sum().loc[run.index]
    assert np.allclose(signed, sums / total, atol=1e-3)
    summary = pd.read_csv(study / "run" / "summary.csv")
    assert set(summary["accent"]) == {"ALL", "ACCENTED", "UNACCENTED"} and "stress" not in summary


@pytest.mark.long
def test_every_command_uses_the_names(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, model, run = (study / name for name in ("corpus", "model", "run"))
    metrics = pd.read_csv(model / "metrics.csv")
    assert {"n_accented", "n_unaccented"} <= set(metrics)
    assert "recall_unaccented" in set(metrics["metric"])
    evaluate_models(corpus, [model], study / "evaluation", audits=False, n_resamples=100)
    scores = pd.read_csv(study / "evaluation" / "scores.csv")
    assert "n_accented" in scores and "recall_accented" in set(scores["metric"])
    page = (study / "evaluation" / "index.html").read_text(encoding="utf-8")
    assert "ACCENTED from UNACCENTED" in page
    run_statistics(run, study / "stats")
    assert "accent" in set(pd.read_csv(study / "stats" / "summary.csv")["stratum"])
    report_run(run, study / "report", stats=study / "stats")
    text = (study / "report" / "report.md").read_text(encoding="utf-8")
    assert "hears sentence accent" in text and "whether a word is ACCENTED or UNACCENTED" in text
    for told in (page, text):
        assert "INITIAL from" not in told and "FINAL stress" not in told
    measure_corpus(corpus, study / "cues", jobs=1)
    baselines = run_cue_baselines(
        study / "cues", study / "baselines", models=(model,), n_seeds=1, n_resamples=100
    )
    assert "n_accented" in baselines.metrics
    assert "word_f0_range_st" in set(baselines.coefficients["cue"])
    recording = study.parent / "spoken0" / "recordings" / "anna" / "anna-0.flac"
    code, out, err = run_cli(
        capsys, "predict", recording, "--model", model,
        "--textgrid", recording.with_suffix(".TextGrid"), "--format", "csv",
    )  # fmt: skip
    assert code == 0, err
    assert out.splitlines()[0].split(",")[4:7] == ["accent", "probability", "p_accented"]
    assert "ACCENTED" in out
    code, out, err = run_cli(
        capsys, "look", recording, study / "word.png", "--word", "WATER", "--model", model,
        "--textgrid", recording.with_suffix(".TextGrid"),
    )  # fmt: skip
    assert code == 0 and "ACCENTED" in out, err


def test_praat_shows_the_classes(study: Path) -> None:
    """Tiers name them, and relevance speaks for the word's class as in the tables."""
    export_praat(study / "run", study / "praat", most=8)
    tokens = pd.read_parquet(study / "run" / "tokens.parquet").set_index("token_id")
    table = pd.read_parquet(study / "run" / "relevance.parquet").set_index(["token_id", "region"])
    grids = sorted((study / "praat").glob("*.TextGrid"))
    assert {tokens.loc[file.stem, "accent"] for file in grids} == {"ACCENTED", "UNACCENTED"}
    for file in grids:
        tiers = {tier.name: tier for tier in textgrid.openTextgrid(str(file), False).tiers}
        (answer,) = (entry.label for entry in tiers["network"].entries)
        said, own = tokens.loc[file.stem, ["accent_predicted", "accent"]]
        assert answer.startswith(f"{said}, p = ")
        assert answer.endswith("right" if said == own else "wrong")
        labels = [float(entry.label) for entry in tiers["relevance"].entries if entry.label]
        whole = table.loc[(file.stem, "word"), "signed_share"]
        assert sum(labels) == pytest.approx(whole, abs=0.0005 * len(labels))


@pytest.mark.long
def test_tables_and_figures_of_r_tell_the_classes_apart(study: Path) -> None:
    cues = measure_corpus(study / "corpus", study / "contours", contours=3, jobs=1).path
    export_r(study / "run", study / "r", measured=cues)
    tokens = pd.read_csv(study / "r" / "tokens.csv")
    assert set(tokens["accent"]) == {"ACCENTED", "UNACCENTED"} and "accent_predicted" in tokens
    assert not {"accent", "stress"} & set(pd.read_csv(study / "r" / "relevance.csv", nrows=1))
    if has_r():
        done = subprocess.run(
            ["Rscript", "analysis.R"], cwd=study / "r", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_corpora_are_shown_merged_exported_and_folded(
    study: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = []
    for number, speakers in enumerate((SPEAKERS[:2], SPEAKERS[2:])):
        own = tmp_path / f"recordings-{number}"
        for speaker in speakers:
            shutil.copytree(recordings / speaker, own / speaker)
        parts.append(tmp_path / f"corpus-{number}")
        labels = accents(tmp_path)
        build_corpus(own, parts[-1], labels=labels, contrast=ACCENT, no_splits=True, jobs=1)
    merge_corpora(parts, tmp_path / "merged")
    merged = Corpus.of_disyllables(tmp_path / "merged")
    assert str(merged.contrast) == str(Contrast.parse(ACCENT)) and len(merged.tokens) == 64
    code, out, _ = run_cli(capsys, "corpus", "show", tmp_path / "merged")
    assert code == 0 and "| ACCENTED | UNACCENTED |" in out
    export_corpus(tmp_path / "merged", tmp_path / "export", textgrid=True)
    grid = read_textgrid(next((tmp_path / "export").rglob("*WATER.TextGrid")))
    text = next((tmp_path / "export").rglob("*WATER.TextGrid")).read_text(encoding="utf-8")
    assert "WATER" in {word.label for word in grid.words} and '"accent"' in text
    write_folds(tmp_path / "merged", tmp_path / "folds", folds=3)
    build_corpus(recordings, tmp_path / "stress", no_splits=True, jobs=1)
    with pytest.raises(CorpusError, match=r"ACCENTED from UNACCENTED, .* INITIAL from FINAL"):
        merge_corpora([parts[0], tmp_path / "stress"], tmp_path / "mixed")


def test_what_is_only_done_for_stress_says_so(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = "ACCENTED from UNACCENTED"
    with pytest.raises(CorpusError, match=f"{both}, and this is only done for stress"):
        Corpus.checked(study / "corpus")
    with pytest.raises(CheckpointError, match=f"{both}, and this is only done for stress"):
        TrainedNetwork.load(study / "model")
    for command in ("manipulate", "patch", "quantise", "assess"):
        model = [study / "model"] if command != "manipulate" else []
        code, _, err = run_cli(capsys, command, study / "corpus", *model, tmp_path / command)
        assert code == 1 and "only done for stress" in err, (command, err)
    code, _, err = run_cli(capsys, "explain", study / "corpus", "pretrained", tmp_path / "run")
    assert code == 1 and "INITIAL from FINAL stress" in err and both in err
    code, _, err = run_cli(capsys, "evaluate", study / "corpus", "pretrained", tmp_path / "run")
    assert code == 1 and "INITIAL from FINAL stress" in err and both in err


def test_a_contrast_of_utterances_in_a_recipe(recordings: Path, tmp_path: Path) -> None:
    source = tmp_path / "recordings"
    shutil.copytree(recordings, source)
    rows = [f"{s}-{n}\t{'question' if n % 2 else 'statement'}" for s in SPEAKERS for n in range(4)]
    (source / "moods.tsv").write_text("\n".join(["utterance_id\tmood", *rows]), encoding="utf-8")
    generic = Path(__file__).parents[1] / "corpora" / "generic.toml"
    recipe = tmp_path / "mine.toml"
    labels = '\n[[labels]]\nfile = "moods.tsv"\ncontrast = "mood = QUESTION, STATEMENT"\n'
    recipe.write_text(generic.read_text(encoding="utf-8") + labels, encoding="utf-8")
    build_corpus(source, tmp_path / "corpus", recipe=str(recipe), only_stress="FINAL", jobs=1)
    tokens = Corpus.of_disyllables(tmp_path / "corpus").tokens
    number = tokens["utterance_id"].str[-1].astype(int)
    assert (tokens["mood"] == np.where(number % 2, "QUESTION", "STATEMENT")).all()
    assert set(tokens["stress"]) == {"FINAL"}
    rejected = pd.read_csv(tmp_path / "corpus" / "rejected_words.csv").set_index("reason")
    assert rejected.loc["stress is not FINAL", "n_words"] == 32
    train_model(tmp_path / "corpus", tmp_path / "model", max_epochs=1)
    assert TrainedNetwork.of_disyllables(tmp_path / "model").info.contrast.name == "mood"
    recipe.write_text(recipe.read_text(encoding="utf-8") + labels.replace("mood ", "tone "))
    with pytest.raises(RecipeError, match=r"contrasts 'mood' and 'tone'; keep one"):
        load_recipe(str(recipe))


def test_labels_that_are_wrong_or_missing(recordings: Path, tmp_path: Path) -> None:
    def build(name: str, cell: Callable[[str, int, int], str], **options: object) -> Path:
        labels = table(tmp_path, "accent", cell)
        out = tmp_path / name
        build_corpus(recordings, out, labels=labels, jobs=1, **{"contrast": ACCENT, **options})
        return out

    with pytest.raises(CorpusError, match=r"accent\.tsv, line 2: .*accent 'LOUD'; expected"):
        build("unknown", lambda *_: "loud")
    with pytest.raises(CorpusError, match="all 64 tokens are ACCENTED"):
        build("one", lambda *_: "ACCENTED")
    with pytest.raises(CorpusError, match="lacks the column tone; the first line"):
        build("column", lambda *_: "A", contrast="tone=A,B")
    with pytest.raises(ConfigError, match="--only-stress: needs --contrast"):
        build_corpus(recordings, tmp_path / "only", only_stress="FINAL")
    (tmp_path / "bare.tsv").write_text("accent\nACCENTED\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="lacks the column utterance_id or speaker"):
        build_corpus(recordings, tmp_path / "bare", labels=tmp_path / "bare.tsv", contrast=ACCENT)
    some = {1: "", 2: "BAD", 3: "ACCENTED", 4: "UNACCENTED"}
    rejected = pd.read_parquet(build("some", lambda _, __, k: some[k]) / "not_tokens.parquet")
    counts = rejected["reason"].value_counts()
    assert counts["no accent in the label table"] == counts["BAD in the label table"] == 16
    labels = accents(tmp_path)
    text = labels.read_text(encoding="utf-8")
    labels.write_text(text + "anna-0\t9\tACCENTED\n", encoding="utf-8")
    made = build_corpus(recordings, tmp_path / "more", labels=labels, contrast=ACCENT, jobs=1)
    assert "word 9 of 'anna-0' is missing" in next(p.reason for p in made.problems)
    labels.write_text(text + "anna-0\t1\tUNACCENTED\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="is UNACCENTED here and ACCENTED further up"):
        build_corpus(recordings, tmp_path / "twice", labels=labels, contrast=ACCENT)


def test_classes_of_speakers_are_in_every_set() -> None:
    """Six speakers of either first language, eight words of both."""
    rows = [(f"s{k}", word) for k in range(12) for word in "WATER MONEY HOTEL DECIDE".split()]
    tokens = pd.DataFrame(rows, columns=["speaker", "word"]).assign(
        stress="INITIAL", is_minimal_pair=False, label_source="lexicon"
    )
    tokens["l1"] = np.where(tokens["speaker"].str[1:].astype(int) < 6, "NATIVE", "OTHER")
    contrast = Contrast.parse("l1=NATIVE,OTHER")
    for seed in range(5):
        dealt = assign_splits(tokens, SplitConfig(seed=seed), contrast)
        for _, part in dealt.groupby("speaker_set"):
            assert set(part["l1"]) == {"NATIVE", "OTHER"}
        assert dealt.groupby("speaker")["speaker_set"].nunique().eq(1).all()
