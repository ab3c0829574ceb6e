"""The explorer in a browser: it opens from disk, filters, draws, plays and obeys the keyboard."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser_pages import CHROMIUM, launched
from browser_pages import opened as opened_page
from matplotlib.figure import Figure
from report_runs import make_run

from stressnet.corpus.labels import read_labels
from stressnet.report.explorer.writing import write_explorer
from stressnet.report.run import RelevanceRun
from stressnet.report.style import save_figure
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_manifest, write_manifest
from stressnet.runs.tables import write_parquet

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

READY = "() => window.Stressnet && Stressnet.state && Stressnet.state.token"
SHOWN = """(id) => window.Stressnet && Stressnet.state && Stressnet.state.token
    && Stressnet.state.token.id === id"""
PIXEL = """([method, time, hz]) => {
    const picture = Stressnet.picture;
    const panel = picture.place.panels.find((p) => p.kind === "map" && p.method === method);
    const ratio = window.devicePixelRatio;
    const x = Math.round(picture.x(time) * ratio), y = Math.round(picture.y(panel, hz) * ratio);
    const data = picture.canvas.getContext("2d").getImageData(x, y, 1, 1).data;
    // The canvas is transparent; the paper behind it is white.
    return [0, 1, 2].map((c) => Math.round(data[c] * data[3] / 255 + 255 - data[3]));
}"""


@pytest.fixture(scope="module")
def report(make_corpus, tmp_path_factory) -> Path:
    """A report on two runs: the known maps, and the same with the opposite sign on half of it."""
    run = make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")
    folder = tmp_path_factory.mktemp("explorer")
    other = folder / "opposite"
    shutil.copytree(run, other)
    np.save(other / "maps.npy", -np.load(run / "maps.npy"))
    tokens = pd.read_parquet(other / "tokens.parquet")
    tokens.iloc[: len(tokens) // 2].to_parquet(other / "tokens.parquet")
    manifest = read_manifest(run, "relevance")
    write_manifest(
        other,
        "relevance",
        parameters={**manifest["parameters"], "composite": "opposite"},
        inputs=manifest["inputs"],
    )
    # Stand-ins for what the report has drawn already, which is tested elsewhere and takes long.
    out = folder / "report"
    RunFolder(out, "report").begin({}, inputs={})
    for name in ("regions", "mean-maps", "vowel-space"):
        save_figure(Figure(figsize=(2, 2)), out / "figures" / name, ["png"])
        save_figure(Figure(figsize=(2, 2)), out / "figures" / f"{name}-2", ["png"])
    (out / "index.html").write_text("<!DOCTYPE html><title>report</title>", encoding="utf-8")
    runs = [RelevanceRun.open(run), RelevanceRun.open(other)]
    ids = [str(token) for token in runs[0].tokens["token_id"]]
    patching = _patching(folder / "patching", ids)
    with RunFolder(out, "report") as opened:
        opened.begin({}, inputs={})
        page, n_tokens = write_explorer(
            runs, runs[0].open_corpus(), opened, most=2000, patching=patching
        )
    assert (n_tokens, opened.problems) == (50, [])
    return page


def _patching(folder: Path, ids: list[str]) -> Path:
    """What ``patch`` writes of three pairs: one holds a token not here, one is the null."""
    folder.mkdir()
    pairs = [(0, ids[0], ids[1]), (1, ids[0], "elsewhere"), (2, ids[0], ids[2])]
    table = pd.DataFrame(pairs, columns=["pair", "clean_id", "corrupted_id"])
    table.assign(network="net").to_csv(folder / "pairs.csv", index=False)
    rows = [
        (pair, layer, unit, kind, estimator, effect * (1 if estimator == "activation" else 9))
        for pair, effects in enumerate(((0.5, -1.0, 0.25), (0.1, -0.001, None), (9.0, 9.0, 9.0)))
        for layer, unit, kind, effect in zip(
            ("relu1", "relu1", "relu2"),
            ("nucleus 1", "context", "nucleus 1"),
            ("time", "time", "time"),
            effects,
            strict=True,
        )
        for estimator in ("relp", "activation")
        if effect is not None  # a unit that this pair lacks
    ]
    names = ["pair", "layer", "unit", "kind", "estimator", "effect"]
    effects = pd.DataFrame(rows, columns=names).assign(network="net")
    effects["direction"] = "corrupted-to-clean"
    effects["difference"] = effects["pair"].map({0: 3.0, 1: 1.0, 2: 5.0})
    effects["cue"] = effects["pair"].map({0: "stress", 1: "stress", 2: "same class"})
    write_parquet(effects, folder / "effects.parquet")
    return folder


@pytest.fixture(scope="module")
def run(report: Path, tmp_path_factory) -> RelevanceRun:
    return RelevanceRun.open(tmp_path_factory.getbasetemp() / "report-run" / "run")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launched()


@pytest.fixture
def page(browser, report: Path) -> Iterator:
    with opened(browser, report) as found:
        yield found


def opened(browser, file: Path, **options) -> opened_page:
    return opened_page(browser, file, READY, **options)


def count(page) -> int:
    return int(page.inner_text("#count").split(" of ")[0])


def test_opens_with_tokens_and_no_complaints(page, run: RelevanceRun) -> None:
    assert count(page) == len(run.tokens)
    assert page.inner_text("#word")
    assert page.locator(".row[aria-selected=true]").count() == 1
    assert page.get_attribute(".tools a", "href") == "index.html"
    rows = page.locator("#regions tbody tr:not(.group-head)")
    assert rows.count() > 10


def test_shows_what_patching_found_in_the_pairs_of_a_token(page, run: RelevanceRun) -> None:
    first, other, third = (str(token) for token in run.tokens["token_id"][:3])
    choose = "(id) => Stressnet.list.choose(Stressnet.index.tokens.id.indexOf(id))"
    page.evaluate(choose, first)
    page.wait_for_function(SHOWN, arg=first)
    maps = [[row.split("\t") for row in text.splitlines()]
            for text in page.locator("#inside tbody").all_inner_texts()]  # fmt: skip
    assert maps == [
        [["nucleus 1", "0.50", "0.25"], ["context", "−1.00", ""]],
        [["nucleus 1", "0.10", ""], ["context", "0.00", ""]],
        [["nucleus 1", "0.40", "0.19"], ["context", "−0.75", ""]],  # weighed by 3 and 1 logits
    ]
    colour = "(cell) => getComputedStyle(cell).backgroundColor.match(/[0-9]+/g).map(Number)"
    red, _, blue = page.locator("#inside td").nth(0).evaluate(colour)
    assert red > blue
    red, _, blue = page.locator("#inside td").nth(2).evaluate(colour)
    assert red < blue
    assert page.locator("#inside caption button").nth(1).is_disabled()
    page.locator("#inside caption button").nth(0).click()
    page.wait_for_function(SHOWN, arg=other)
    assert page.locator("#inside table").count() == 2
    page.evaluate(choose, third)  # only in the null
    page.wait_for_function(SHOWN, arg=third)
    assert page.locator("#inside caption").all_inner_texts() == [
        "mean of 2 pairs, from corrupted to clean"
    ]


def test_filters_filter(page, run: RelevanceRun) -> None:
    tokens = run.tokens
    page.fill("#f-text", "MONEY")
    assert count(page) == (tokens["word"] == "MONEY").sum()
    assert set(page.locator(".row > :first-child").all_inner_texts()) == {"money"}
    page.select_option("#f-speaker", "dan")
    assert count(page) == ((tokens["word"] == "MONEY") & (tokens["speaker"] == "dan")).sum()
    page.click("#f-reset")
    page.wait_for_function("() => Stressnet.list.shown.length === Stressnet.index.tokens.id.length")
    page.select_option("#f-stress", "FINAL")
    assert count(page) == (tokens["stress"] == "FINAL").sum()
    page.select_option("#f-answer", "wrong")
    wrong = (tokens["stress"] == "FINAL") & (tokens["stress_predicted"] != "FINAL")
    assert count(page) == wrong.sum()
    page.click("#f-reset")
    page.wait_for_function("() => Stressnet.list.shown.length === Stressnet.index.tokens.id.length")
    middle = round(float(tokens["p_initial"].median()), 2)
    page.fill("#f-low", str(middle))
    assert count(page) == (tokens["p_initial"].round(4) >= middle).sum()
    page.fill("#f-text", "no such word")
    assert count(page) == 0
    assert page.locator(".row").count() == 0


def test_sorting(page) -> None:
    page.click("#heads [data-sort=p]")
    shown = page.evaluate("() => Stressnet.list.shown.map((i) => Stressnet.index.runs[0].p[i])")
    assert shown == sorted(shown)
    page.click("#heads [data-sort=p]")
    shown = page.evaluate("() => Stressnet.list.shown.map((i) => Stressnet.index.runs[0].p[i])")
    assert shown == sorted(shown, reverse=True)
    assert page.get_attribute("#heads [data-sort=p]", "aria-pressed") == "true"


def choose(page, token_id: str) -> None:
    page.fill("#f-text", token_id)
    page.locator(".row").first.click()
    page.wait_for_function(
        "(id) => Stressnet.state.token && Stressnet.state.token.id === id", arg=token_id
    )


def test_relevance_lies_where_it_is_and_toggles_change_pixels(page, run: RelevanceRun) -> None:
    initial = run.tokens[run.tokens["stress"] == "INITIAL"].iloc[0]
    final = run.tokens[run.tokens["stress"] == "FINAL"].iloc[0]
    nuclei = run.open_corpus().tokens.set_index("token_id")
    page.keyboard.press("f")  # dots would lie on the cells
    for row, k, warm in ((initial, 1, True), (final, 2, False)):
        choose(page, row["token_id"])
        token = nuclei.loc[row["token_id"]]
        at = token[f"nucleus_{k}_start_s"] + 0.4 * (
            token[f"nucleus_{k}_end_s"] - token[f"nucleus_{k}_start_s"]
        )
        place = [0, float(at - token["start_s"]), 600.0]
        red, _, blue = page.evaluate(PIXEL, place)
        assert (red - blue > 60) if warm else (blue - red > 60)
        page.uncheck("[data-layer=relevance]")
        red, green, blue = page.evaluate(PIXEL, place)
        assert red == green == blue
        page.uncheck("[data-layer=image]")
        assert page.evaluate(PIXEL, place) == [255, 255, 255]
        page.check("[data-layer=image]")
        page.check("[data-layer=relevance]")


def test_every_layer_changes_the_picture(page) -> None:
    read = "() => Stressnet.picture.canvas.toDataURL()"
    for layer in ("relevance", "image", "formants", "pitch", "tiers", "shared", "whole", "all"):
        before = page.evaluate(read)
        page.locator(f"[data-layer={layer}]").click()
        changed = page.evaluate(read)
        # One scale may equal the word's own.
        assert changed != before or layer == "shared", layer
        page.locator(f"[data-layer={layer}]").click()
        assert page.evaluate(read) == before, layer


def test_regions_are_outlined(page) -> None:
    read = "() => Stressnet.picture.canvas.toDataURL()"
    plain = page.evaluate(read)
    page.check("[data-region=nucleus_1]")
    one = page.evaluate(read)
    assert one != plain
    page.keyboard.press("Tab")
    page.check("[data-region=F1]")
    assert page.evaluate(read) not in (plain, one)
    page.click("#clear-regions")
    assert page.evaluate(read) == plain
    assert not page.is_checked("[data-region=nucleus_1]")


def test_methods_are_exchanged(page, run: RelevanceRun) -> None:
    tokens = run.tokens
    choose(page, tokens["token_id"].iloc[0])
    assert page.locator("#methods button").count() == 2
    first = page.evaluate("() => Stressnet.relevanceAt(Stressnet.state.token, 0, 2000)")
    second = page.evaluate("() => Stressnet.relevanceAt(Stressnet.state.token, 1, 2000)")
    assert first == pytest.approx(-second)
    page.keyboard.press("Escape")
    page.focus("#list")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("() => Stressnet.state.method") == 1
    assert page.locator("#methods [aria-checked=true]").inner_text().startswith("opposite")
    page.fill("#f-text", tokens["token_id"].iloc[-1])
    page.locator(".row").first.click()
    page.wait_for_function("() => Stressnet.state.token.runs[1] === null")
    assert "no map" in page.locator(".row").first.inner_text()


def test_sound_plays_and_stops_at_the_end_of_what_is_shown(page) -> None:
    page.focus("#list")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.1")
    audio = page.evaluate(
        "() => { const a = document.getElementById('audio'); return [a.duration, a.error]; }"
    )
    assert audio[0] > 0.4
    assert audio[1] is None
    assert page.inner_text("#play") == "■ stop"
    page.wait_for_function("() => document.getElementById('audio').paused", timeout=10_000)
    assert page.inner_text("#play") == "▶ play"
    page.keyboard.press("w")
    page.wait_for_function("() => !document.getElementById('audio').paused")
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.getElementById('audio').paused")


def test_a_dragged_selection_is_what_plays(page) -> None:
    box = page.locator("#overlay").bounding_box()
    x = page.evaluate("() => [Stressnet.picture.x(0.1), Stressnet.picture.x(0.2)]")
    page.mouse.move(box["x"] + x[0], box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + x[1], box["y"] + 100, steps=4)
    page.mouse.up()
    start, end = page.evaluate("() => Stressnet.state.selection")
    assert (start, end) == pytest.approx((0.1, 0.2), abs=0.005)
    assert " s" in page.inner_text("#readout")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('audio').paused", timeout=10_000)
    stopped = page.evaluate("() => document.getElementById('audio').currentTime")
    origin = page.evaluate("() => Stressnet.state.token.sound.origin_s")
    assert stopped < origin + 0.2 + 0.25  # headless audio runs ahead of the frames
    page.keyboard.press("Escape")
    assert page.evaluate("() => Stressnet.state.selection") is None


def test_keyboard_alone(page, run: RelevanceRun) -> None:
    shown = "() => Stressnet.list.shown.indexOf(Stressnet.state.number)"
    page.focus("#list")
    page.keyboard.press("Home")
    assert page.evaluate(shown) == 0
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    assert page.evaluate(shown) == 2
    page.keyboard.press("ArrowUp")
    assert page.evaluate(shown) == 1
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "f-text"
    page.keyboard.type("hotel r")  # letters are text here, not keys
    assert page.evaluate("() => Stressnet.state.layers.relevance")
    page.keyboard.press("Escape")
    assert page.evaluate("() => document.activeElement.id") == "list"
    for key, layer in (("r", "relevance"), ("i", "image"), ("f", "formants"), ("p", "pitch")):
        page.keyboard.press(key)
        assert not page.evaluate(f"() => Stressnet.state.layers.{layer}")
        assert not page.is_checked(f"[data-layer={layer}]")
    page.keyboard.press("n")
    assert page.is_checked("[data-region=nucleus_2]")
    page.keyboard.press("?")
    assert page.evaluate("() => document.getElementById('help').open")
    page.keyboard.press("Escape")
    assert not page.evaluate("() => document.getElementById('help').open")
    page.focus("#tab-words")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#summary")
    assert not page.is_visible("#words")


def test_focus_can_be_seen(page) -> None:
    page.focus("#f-text")
    for _ in range(8):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "() => { const at = document.activeElement, s = getComputedStyle(at);"
            " return [at.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; }"
        )
        assert style[1] != "none", style
        assert style[2] >= 2, style


def test_summary_and_provenance_have_figures_and_sources(page, report: Path) -> None:
    page.click("#tab-summary")
    images = page.locator("#summary img").all()
    sources = [image.get_attribute("src") for image in images]
    assert len(sources) >= 4
    assert all((report.parent / source).is_file() for source in sources)
    assert page.inner_text("#summary").count("Source: relevance made") >= 4
    page.click("#tab-provenance")
    assert "hash of corpus" in page.inner_text("#provenance")


@pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (800, "dark"), (420, "light")])
def test_nothing_is_wider_than_the_window(browser, report: Path, width: int, theme: str) -> None:
    viewport = {"width": width, "height": 900}
    with opened(browser, report, viewport=viewport, color_scheme=theme) as page:
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= width
        ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        light = sum(int(c) for c in ground.removeprefix("rgb(").removesuffix(")").split(","))
        assert (light > 600) == (theme == "light")


def test_the_address_names_the_token(browser, report: Path, run: RelevanceRun) -> None:
    token_id = str(run.tokens["token_id"].iloc[7])
    with opened(browser, report) as page:
        page.goto(f"{report.as_uri()}#{token_id}")
        page.reload()
        page.wait_for_function(SHOWN, arg=token_id)


def test_two_thousand_tokens_open_fast_and_take_little_room(
    browser, report: Path, tmp_path: Path, record_property
) -> None:
    files = list((report.parent / "explorer" / "tokens").glob("*.js"))
    mean = sum(f.stat().st_size for f in files) / len(files)
    assert mean < 40_000
    # Forty copies of every row: tokens are read when they are looked at, so files may be shared.
    many = tmp_path / "many"
    shutil.copytree(report.parent, many)
    script = (many / "explorer" / "index.js").read_text(encoding="utf-8")
    head, text = script.split("Stressnet.index=", 1)
    index = json.loads(text.rstrip().rstrip(";").replace("<\\/", "</"))
    index["tokens"] = {name: values * 40 for name, values in index["tokens"].items()}
    index["tokens"]["id"] = [f"{i}_{t}" for i, t in enumerate(index["tokens"]["id"])]
    for one in index["runs"]:
        one["p"], one["predicted"] = one["p"] * 40, one["predicted"] * 40
    (many / "explorer" / "index.js").write_text(
        f"{head}Stressnet.index={json.dumps(index)};\n", encoding="utf-8"
    )
    started = time.perf_counter()
    with opened(browser, many / "explorer.html") as page:
        seconds = time.perf_counter() - started
        assert count(page) == 2000
        assert page.locator(".row").count() < 100
        page.evaluate("() => { Stressnet.list.box.scrollTop = 1e9; }")
        page.wait_for_function("() => document.getElementById('token-1999')")
    record_property("open_s", seconds)
    print(f"2,000 tokens: drawn after {seconds:.2f} s; {mean / 1000:.1f} kB per token")
    assert seconds < 10


def test_labels_go_into_a_table_that_build_corpus_reads(browser, report: Path, tmp_path) -> None:
    with opened(browser, report) as page:
        first = page.evaluate("Stressnet.state.token.id")
        page.keyboard.press("Shift+B")
        assert page.get_attribute("[data-label=BAD]", "aria-pressed") == "true"
        page.keyboard.press("j")
        page.wait_for_function(f"() => !({SHOWN})({json.dumps(first)})")
        second = page.evaluate("Stressnet.state.token.id")
        assert page.get_attribute("[data-label=BAD]", "aria-pressed") == "false"
        page.click("[data-label=INITIAL]")
        page.click("[data-label=INITIAL]")  # the same again takes it back
        assert page.inner_text("#labels-save") == "download labels.tsv (1)"
        page.click("[data-label=VARIES]")
        with page.expect_download() as download:
            page.click("#labels-save")
        download.value.save_as(tmp_path / "labels.tsv")
    labels = read_labels(tmp_path / "labels.tsv")
    found = {f"{u}_{index:03d}_{label.word}": label.stress for (u, index), label in labels.items()}
    assert found == {first: "BAD", second: "VARIES"}


def test_a_view_can_be_sent_to_somebody(browser, report: Path) -> None:
    with opened(browser, report) as page:
        page.keyboard.press("j")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("f")
        page.keyboard.press("1")
        page.wait_for_function("() => location.hash.includes('regions=F1')")
        address, shown = page.url, page.evaluate("Stressnet.state.number")
    with opened(browser, report) as page:
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_function(READY)
        state = page.evaluate("Stressnet.state")
        assert (state["number"], state["method"]) == (shown, 1)
        assert not state["layers"]["formants"] and state["layers"]["pitch"]
        assert [outline["name"] for outline in state["outlines"]] == ["F1"]


BESIDE = "(id) => Stressnet.state.beside?.token?.id === id"
SCALES = """() => [Stressnet.picture, Stressnet.pictureBeside].map(
    (p) => [p.place.end - p.place.start, p.limitOf(p.options.method)])"""


def test_two_methods_of_one_word_are_compared_and_the_view_can_be_sent(
    browser, report: Path, run: RelevanceRun
) -> None:
    ids = list(run.tokens["token_id"])
    with opened(browser, report) as page:
        choose(page, ids[0])
        page.click("#compare")
        page.wait_for_function(BESIDE, arg=ids[0])
        drawn = "() => [Stressnet.picture, Stressnet.pictureBeside].map((p) => p.options.method)"
        assert page.evaluate(drawn) == [0, 1]
        cells = page.locator("#regions tbody tr:not(.group-head)").first.locator("td")
        assert cells.count() == 9  # region, four numbers, four of the other run
        choose(page, ids[1])  # the second picture follows
        page.wait_for_function(BESIDE, arg=ids[1])
        page.focus("#list")
        page.keyboard.press("1")
        address = page.url
    with opened(browser, report) as page:
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_function(BESIDE, arg=ids[1])
        state = page.evaluate("Stressnet.state")
        assert (state["method"], state["beside"]["method"]) == (0, 1)
        assert [outline["name"] for outline in state["outlines"]] == ["F1"]
        page.keyboard.press("x")
        assert page.evaluate("Stressnet.state.beside") is None
        assert page.locator(".word:visible").count() == 1
        assert "beside" not in page.url


def test_two_words_are_compared_on_one_scale(browser, report: Path, run: RelevanceRun) -> None:
    ids = list(run.tokens["token_id"])
    with opened(browser, report) as page:
        choose(page, ids[0])
        page.focus("#list")
        page.keyboard.press("x")
        page.locator(".second [role=radio]").first.click()
        page.locator(".second .keep input").check()
        choose(page, ids[1])
        page.wait_for_function("() => Stressnet.state.beside.token")
        assert page.evaluate("Stressnet.state.beside.token.id") == ids[0]
        left, right = page.evaluate(SCALES)
        assert left == pytest.approx(right)
        page.locator(".second .play").click()
        page.wait_for_function("() => document.querySelector('.second audio').currentTime > 0.05")
        address = page.url
    with opened(browser, report, viewport={"width": 390, "height": 844}) as page:
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_function(BESIDE, arg=ids[0])
        page.wait_for_function(SHOWN, arg=ids[1])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [page.locator(".paper").nth(k).bounding_box() for k in (0, 1)]
        assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]  # below each other


def test_regions_are_sorted_by_click_and_enter_and_copied(page) -> None:
    page.locator("#regions th button").nth(3).click()

    def densities() -> list[float]:
        texts = page.locator("#regions tbody td:nth-child(4)").all_inner_texts()
        return [float(text.replace("−", "-")) for text in texts if text != "–"]

    assert densities() == sorted(densities())
    assert page.locator("#regions .group-head").count() == 0
    page.keyboard.press("Enter")
    assert densities() == sorted(densities(), reverse=True)
    assert page.locator("#regions th").nth(3).get_attribute("aria-sort") == "descending"
    other = page.evaluate("Stressnet.index.tokens.id[Stressnet.list.shown[0]]")
    page.focus("#list")
    page.keyboard.press("Home")  # another token's rows come in the same order
    page.wait_for_function(SHOWN, arg=other)
    assert densities() == sorted(densities(), reverse=True)
    with page.expect_download() as download:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        page.click("#copy-regions")
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("region,share (%)")
    page.locator("#regions th button").nth(3).click()  # as it was
    assert page.locator("#regions .group-head").count() > 1
    assert page.locator("#regions th[aria-sort]").count() == 0
