"""The report folder: opens from disk, states what is missing, chooses words by rule."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from report_runs import make_run

from stressnet.errors import CorpusError
from stressnet.evaluation.tables import ORACLE
from stressnet.report import answers, tables
from stressnet.report.choose import choose_words
from stressnet.report.claims_figure import plot_claims
from stressnet.report.document import Document, Heading, Paragraph, Table
from stressnet.report.page import ALIGNMENT_FILE, write_report
from stressnet.report.run import RelevanceRun
from stressnet.report.tables import claims_tables
from stressnet.runs.manifest import write_manifest

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Collects what a page refers to and whether its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href"):
                self.references.append(value or "")
            if name == "id":
                self.ids.add(value or "")
            if tag == "img" and name == "alt":
                assert value
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def run(make_corpus, tmp_path_factory) -> Path:
    return make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    rows = [
        {
            "test_set": "test",
            "metric": metric,
            "estimate": 0.8,
            "low": 0.7,
            "high": 0.9,
            "n": 50,
            "n_initial": 30,
            "n_final": 20,
            "n_speakers": 5,
            "n_words": 10,
            "majority_rate": 0.6,
            "reason": "",
        }
        for metric in ("accuracy", "balanced_accuracy", "mcc")
    ]
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)
    write_manifest(folder, "model", parameters={"architecture": "lenet", "seed": 3})
    return folder


@pytest.fixture(scope="module")
def report(run: Path, model: Path, tmp_path_factory) -> Path:
    corpus = RelevanceRun.open(run).open_corpus()
    return write_report(run, model, corpus, tmp_path_factory.mktemp("report") / "out")


def test_page_refers_only_to_files_beside_it(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    assert len(page.references) > 10
    for reference in page.references:
        assert "://" not in reference
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        else:
            assert (report.parent / unquote(reference)).stat().st_size > 0
    assert "url(" not in report.read_text(encoding="utf-8")


def test_page_holds_the_figures_of_the_tables(report: Path) -> None:
    text = Page(report.read_text(encoding="utf-8")).text
    assert "0.800 [0.700, 0.900]" in text  # balanced accuracy with its interval
    assert "tells INITIAL from FINAL stress: its balanced accuracy is 0.800" in text
    assert "guessing gives 0.5, and the majority rate is 0.600" in text
    assert "a network (lenet)" in text
    assert "not told apart from null" in text  # five speakers cannot give p < .05
    assert "Conservation over 50 tokens" in text
    for part in ("Limits", "Provenance", "by hand", "stressed nucleus", "hash of corpus"):
        assert part in text
    assert "Alignment error unknown" in text


def test_the_first_screen_is_a_figure_and_three_sentences(report: Path) -> None:
    head = report.read_text(encoding="utf-8").split("<header>")[1].split("</header>")[0]
    assert head.index("figures/answer.png") < head.index("<li>")
    sentences = re.findall("<li>(.*?)</li>", head)
    assert len(sentences) == 3
    assert "0.800 [0.700, 0.900] on new words, new speakers" in sentences[0]
    for sentence in sentences[1:]:  # effect, interval, comparison, counts
        assert re.search(r"(holds|lies) \d+\.\d\d \[.*\] times as much relevance", sentence)
        assert re.search(r"\d+\.\d\d \[.*\] times as much as with the \w+ of other words", sentence)
        assert "not told apart from null (95 % interval; 50 tokens, " in sentence
    numbers = pd.read_csv(report.parent / "figures" / "answer.csv")
    assert {"nucleus_stressed", "F1_stressed"} <= set(numbers["region"])
    assert set(numbers["measure"]) == {"density"}


def test_sentences_about_claims_can_be_quoted() -> None:
    row = {"network": "net", "stratum": "ALL", "claim": "F1", "verdict": "smaller than the margin"}
    row |= {"p_holm": 0.0123, "criterion": "more than in untrained networks", "role": "primary"}
    row |= {"statement": "Relevance follows F1", "scale": "ratio", "effect": 1.02, "low": 0.99}
    row |= {"high": 1.05, "margin": 1.1, "observed": 1.32, "compared_with": 1.29, "n_seeds": 3}
    row |= {"null": "untrained"}
    control = row | {"role": "control"}
    share = row | {"claim": "word", "scale": "share", "compared_with": np.nan, "verdict": "holds"}
    claims = pd.DataFrame([row, control, share])
    one, other = answers.claim_sentences(claims)
    assert one == (
        "That relevance follows F1 does not hold, an effect being smaller than the margin: 1.02 "
        "[0.99, 1.05] times what untrained networks show (95 % intervals; smallest effect of "
        "interest 1.10; Holm-corrected p .012; 3 networks)."
    )
    assert other.startswith("That relevance follows F1 holds: ")
    assert "networks: 1.02 [0.99, 1.05] (95 %" in other
    both = answers.claim_sentences(pd.concat([claims, claims.assign(network="other")]))
    assert " of net: " in both[0] and " of other: " in both[2]
    (ax,) = plot_claims(claims).axes  # shares and controls are not drawn
    assert [label.get_text() for label in ax.get_yticklabels()] == ["F1"]
    drawn = [line.get_xdata() for line in ax.lines if len(line.get_xdata())]
    assert [list(x) for x in drawn[2:]] == [[0.99, 1.05], [1.02]]
    assert list(drawn[1]) == [1.1, 1.1]  # the margin
    assert len(plot_claims(pd.concat([claims, claims.assign(network="other")])).axes) == 2
    text = answers.verdicts_sentence(claims)
    assert "“smaller than the margin”: F1; “holds”: word." in text


def test_what_is_not_shown_is_not_claimed() -> None:
    row = {"test_set": "test", "metric": "balanced_accuracy", "estimate": 0.6, "low": 0.45}
    row |= {"high": 0.75, "n": 9, "n_words": 1, "n_speakers": 2, "majority_rate": 0.5}
    (text,) = answers.success_sentences(pd.DataFrame([row]), "It")
    assert text.startswith("It is not shown to tell INITIAL from FINAL stress")
    (text,) = answers.success_sentences(pd.DataFrame([row | {"low": np.nan}]), "It")
    assert "is not shown" in text and "interval" not in text and "1 word, 2 speakers" in text
    assert answers.success_sentences(pd.DataFrame([row | {"estimate": np.nan}]), "It") == []
    sets = ["minimal_pairs", "all/new_words", "all"]  # of a corpus that was not trained on
    foreign = pd.DataFrame([row | {"test_set": name, "model": "net"} for name in sets])
    oracle = pd.DataFrame([row | {"test_set": sets[0], "model": ORACLE, "estimate": 0.7}])
    first, pairs = answers.success_sentences(pd.concat([foreign, oracle]), "It", "net")
    assert " on all tokens (" in first
    assert pairs.endswith("without any sound, gives 0.700 [0.450, 0.750].")
    audits = pd.DataFrame(columns=["audit", "test_set", "estimate"])
    assert "was not measured" in answers.audit_sentence(audits)


def test_claims_come_with_their_verdicts_or_are_said_to_be_missing(report: Path) -> None:
    assert "report --stats" in Page(report.read_text(encoding="utf-8")).text
    row = {"network": "net", "stratum": "ALL", "claim": "F1", "verdict": "smaller than the margin"}
    row |= {"p_holm": 0.0123, "criterion": "more than in untrained networks", "role": "primary"}
    row |= {"null": "untrained", "effect": 1.02, "low": 0.99, "high": 1.05, "margin": 1.1}
    row |= {"observed": 1.32, "compared_with": 1.29, "decision": "smaller than the margin"}
    other = {"stratum": "stress", "claim": "F2", "null": np.nan}
    (table,) = claims_tables(pd.DataFrame([row | {"n_seeds": 3}, row | other | {"n_seeds": 3}]))
    assert table.rows[0] == ["F1", "", "", "", "", "smaller than the margin (p .012)"]
    name = "more than in untrained networks (untrained)"
    numbers = ["1.02 [0.99, 1.05]", "1.32", "1.29"]
    assert table.rows[1] == ["", name, *numbers, "smaller than the margin"]
    assert len(table.rows) == 2  # strata are in the file


def test_folder_has_every_figure_twice_and_the_sounds(report: Path) -> None:
    figures = {p.stem for p in (report.parent / "figures").glob("*.png")}
    assert figures == {p.stem for p in (report.parent / "figures").glob("*.pdf")}
    assert {"accuracy", "confusion", "regions", "regions-signed", "mean-maps"} <= figures
    words = {f for f in figures if f.startswith("word-")}
    assert 2 <= len(words) <= 6
    assert words == {p.stem for p in (report.parent / "sounds").iterdir()}
    assert (report.parent / "report.md").read_text(encoding="utf-8").startswith("# Where")


def test_missing_parts_are_stated(run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "run"
    shutil.copytree(run, bare)
    (bare / "summary.csv").unlink()
    tokens = pd.read_parquet(bare / "tokens.parquet")
    tokens.drop(columns=["bias_share", "output"]).to_parquet(bare / "tokens.parquet")
    corpus = RelevanceRun.open(run).open_corpus()
    text = Page(
        write_report(bare, tmp_path / "no-model", corpus, tmp_path / "out").read_text()
    ).text
    assert "Not measured on test words" in text and "answers as labelled in" in text
    assert "Relevance by region is missing" in text
    assert "Conservation unknown" in text


def test_no_null_is_stated(run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "run"
    shutil.copytree(run, bare)
    summary = pd.read_csv(bare / "summary.csv")
    for column in ("null_mean", "difference", "ratio", "p_value", "p_holm"):
        summary[column] = float("nan")
    summary.to_csv(bare / "summary.csv", index=False)
    corpus = RelevanceRun.open(run).open_corpus()
    text = Page(write_report(bare, None, corpus, tmp_path / "out").read_text()).text
    assert "No null" in text
    assert "denser than null" not in text


def test_known_alignment_error_and_synthetic_speech_are_reported(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(run.parent / "corpus", folder)
    scores = {"n": 10, "median_ms": 7.3, "mean_ms": 9, "p90_ms": 20, "within_20_ms": 0.9}
    levels = {"word": {**scores, "within_50_ms": 1.0}}
    (folder / ALIGNMENT_FILE).write_text(json.dumps(levels))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["parameters"]["synthetic"] = True
    (folder / "manifest.json").write_text(json.dumps(manifest))
    text = Page(write_report(run, None, folder, tmp_path / "out").read_text()).text
    assert "7.3" in text
    assert "Alignment error unknown" not in text
    assert "Synthetic speech" in text


def test_refusals_are_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is missing"):
        write_report(tmp_path / "nothing", None, run.parent / "corpus", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="cannot be written"):
        write_report(run, None, run.parent / "corpus", tmp_path / "file")
    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    tokens = pd.read_parquet(broken / "tokens.parquet")
    tokens.assign(map_index=10**6).to_parquet(broken / "tokens.parquet")
    with pytest.raises(CorpusError, match="points beyond") as caught:
        RelevanceRun.open(broken)
    assert "\n" not in str(caught.value)
    (broken / "maps.npy").unlink()
    with pytest.raises(CorpusError, match=r"maps\.npy is missing"):
        RelevanceRun.open(broken)


def test_run_is_found_inside_a_study_and_after_moving(run: Path, tmp_path: Path) -> None:
    assert RelevanceRun.find(run.parent).path == run
    assert RelevanceRun.find(run).path == run
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.parent / "corpus", moved / "corpus")
    shutil.copytree(run, moved / "run")
    manifest = json.loads((moved / "run" / "manifest.json").read_text())
    manifest["parameters"]["corpus"] = "/not/there/corpus"
    (moved / "run" / "manifest.json").write_text(json.dumps(manifest))
    assert RelevanceRun.find(moved).open_corpus().path == moved / "corpus"
    manifest["inputs"]["corpus"] = "other"
    (moved / "run" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorpusError, match="another corpus"):
        RelevanceRun.find(moved).open_corpus()


def test_words_are_chosen_by_rule_not_by_order() -> None:
    rows = [
        ("a", "RECORD", "x", "INITIAL", "INITIAL", 3.0),
        ("b", "RECORD", "x", "FINAL", "FINAL", -2.0),
        ("c", "WATER", "y", "INITIAL", "INITIAL", 9.0),
        ("d", "HOTEL", "y", "FINAL", "FINAL", -8.0),
        ("e", "MONEY", "y", "INITIAL", "FINAL", -5.0),
        ("f", "DECIDE", "y", "FINAL", "FINAL", -0.1),
        ("g", "PERMIT", "y", "INITIAL", "INITIAL", 4.0),
        ("h", "PERMIT", "z", "FINAL", "FINAL", -4.0),
        ("i", "PERMIT", "z", None, "FINAL", -40.0),
    ]
    columns = ["token_id", "word", "speaker", "stress", "stress_predicted", "output"]
    tokens = pd.DataFrame(rows, columns=columns).assign(p_initial=0.5)
    chosen = choose_words(tokens)
    assert [c.token_id for c in chosen] == ["c", "d", "e", "a", "b", "f"]
    assert "one speaker" in chosen[3].reason  # although two speakers' PERMIT is surer
    shuffled = tokens.sample(frac=1, random_state=1).reset_index(drop=True)
    assert choose_words(shuffled) == chosen
    two = tokens[~tokens["token_id"].isin(["a", "b"])]
    assert [c.token_id for c in choose_words(two)][3:5] == ["g", "h"]
    assert choose_words(tokens.iloc[8:]) == []
    by_p = tokens.drop(columns="output").assign(
        p_initial=[0.9, 0.2, 0.99, 0.01, 0.1, 0.5, 0.6, 0.4, 0]
    )
    assert [c.token_id for c in choose_words(by_p)][:3] == ["c", "d", "e"]


def test_numbers_as_papers_print_them() -> None:
    nan = float("nan")
    assert tables.number(-0.5) == "−0.50"
    assert tables.number(nan) == tables.DASH
    assert tables.with_interval(0.5, nan, nan) == "0.50"
    assert tables.with_interval(0.5, 0.4, 0.6, 1) == "0.5 [0.4, 0.6]"
    assert [tables.p_value(p) for p in (0.0002, 0.0421, 1.0, nan)] == [
        "< .001",
        ".042",
        "1.000",
        "–",
    ]
    row = {"null_mean": 1.0, "p_holm": 0.01, "difference": 0.5, "n_speakers": 9}
    assert tables.compared(row) == "denser than null"
    assert tables.compared({**row, "difference": -0.5}) == "less dense than null"
    assert tables.compared({**row, "p_holm": 0.2}) == "not told apart from null"
    assert tables.compared({**row, "p_holm": nan}) == "too few words"
    assert tables.compared({**row, "n_speakers": 4}) == "denser than null (these speakers)"
    assert tables.compared({**row, "null_mean": nan}) == "no null"


def test_documents_escape_what_they_are_given() -> None:
    document = Document("<b> & co")
    document.add(Heading("A & B"), Paragraph("x < y"), Table(["a|b", "n"], [["<i>", "1"]], "c"))
    page = Page(document.to_html())
    assert "x < y" in page.text and "<i>" in page.text
    assert "a-b" in page.ids
    assert "a\\|b" in document.to_markdown()
    assert "---:|" in document.to_markdown()
