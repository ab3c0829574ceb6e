"""Reports and evaluations in a browser: tables sort, figures hand out their numbers, pages fit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from browser_pages import CHROMIUM, launched, opened
from matplotlib.figure import Figure

from stressnet.report.document import Bullets, Document, Heading, Link, Paragraph, Picture, Table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

NUMBERS = pd.DataFrame({"region": ["F1, <b>", 'the "rest"'], "density": [1.25, -0.5]})
VALUES = "() => [...document.querySelectorAll('tbody td:nth-child(2)')].map((c) => c.textContent)"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pages")
    figure = Figure(figsize=(7, 2))
    figure.subplots().plot([0, 1], [0, 1])
    page = Document("What was found")
    page.add(
        Picture.saved(figure, out, "answer", "The answer", data=NUMBERS),
        Bullets(["One sentence."]),
        Paragraph("Something is missing.", "warning"),
        Link("other.html", "More"),
        Heading("Numbers"),
        Table(
            ["set", "value", "a column with many words, of which there are more", "p"],
            [
                ["b", "−0.50 [−0.70, −0.20]", "10 of 12", ".041"],
                ["a", "10.0 [9.0, 11.0]", "9 of 12", "< .001"],
                ["c", "–", "a_rather_long_name_that_cannot_be_broken_anywhere_at_all", "1.000"],
                ["d", "2.0 [1.0, 3.0]", "", "–"],
            ],
            "Values with intervals.",
        ),
        Heading("Claims"),
        Table(["claim", "effect"], [["F1", ""], ["", "1.2"], ["F2", ""], ["", "0.8"]]),
    )
    return page.write(out / "index.html")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from launched()


def test_tables_sort_by_number_up_down_and_back(browser, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        value, p = (page.locator("th button", has_text=name) for name in ("value", "p"))
        head = page.locator("th", has_text="value")
        values = [text.split(" ")[0] for text in page.evaluate(VALUES)[:4]]
        assert values == ["−0.50", "10.0", "–", "2.0"]
        value.click()
        assert head.get_attribute("aria-sort") == "ascending"
        values = [text.split(" ")[0] for text in page.evaluate(VALUES)[:4]]
        assert values == ["−0.50", "2.0", "10.0", "–"]
        page.keyboard.press("Enter")  # the heading has the focus
        assert head.get_attribute("aria-sort") == "descending"
        values = [text.split(" ")[0] for text in page.evaluate(VALUES)[:4]]
        assert values == ["10.0", "2.0", "−0.50", "–"]  # what is missing stays last
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") is None
        assert page.evaluate(VALUES)[0].startswith("−0.50")
        p.last.focus()
        page.keyboard.press("Space")
        first = page.locator("tbody tr").first.inner_text()
        assert first.startswith("a") and "< .001" in first


def test_rows_that_belong_together_are_not_torn_apart(browser, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        assert page.locator("table").nth(1).locator("th button").count() == 0


def test_figures_hand_out_their_numbers(browser, page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.click("button.copy")
        page.wait_for_function("() => document.querySelector('.copy').textContent === 'copied'")
        text = page.evaluate("() => navigator.clipboard.readText()")
        pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text)), NUMBERS)
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        with page.expect_download() as download:
            page.click("button.copy")
        assert download.value.suggested_filename == "answer.csv"
        pd.testing.assert_frame_equal(pd.read_csv(download.value.path()), NUMBERS)
    pd.testing.assert_frame_equal(pd.read_csv(page_file.parent / "figures/answer.csv"), NUMBERS)


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark"), (390, "light")])
def test_pages_fit_and_follow_the_theme(browser, page_file: Path, width: int, theme: str) -> None:
    viewport = {"width": width, "height": 844}
    with opened(browser, page_file, viewport=viewport, color_scheme=theme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert ground(page) > 600 if theme == "light" else ground(page) < 200
        figure = page.locator("figure img").bounding_box()
        assert figure["width"] > 600  # its letters can be read; the box around it scrolls
        assert figure["y"] < 300 and page.locator("header li").bounding_box()["y"] < 844
        if width < 500:  # and is reached by keyboard
            assert page.locator("figure .scroll").get_attribute("tabindex") == "0"
        focused = []
        for _ in range(12):
            page.keyboard.press("Tab")
            focused.append(
                page.evaluate(
                    "() => { const at = document.activeElement, s = getComputedStyle(at);"
                    " return [at.textContent, s.outlineStyle, parseFloat(s.outlineWidth)]; }"
                )
            )
        assert all(style != "none" and wide >= 2 for _, style, wide in focused[:8]), focused
        assert "copy data" in [text for text, _, _ in focused]


def ground(page) -> int:
    colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_print_is_light_whole_and_without_controls(browser, page_file: Path) -> None:
    paper = {"width": 700, "height": 1000}
    with opened(browser, page_file, viewport=paper, color_scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert ground(page) == 3 * 255
        for name in ("nav", "button.copy"):
            assert not page.locator(name).first.is_visible()
        for box in page.locator(".scroll").all():
            assert box.evaluate("(e) => e.scrollWidth <= e.clientWidth")
        colour = page.evaluate("() => getComputedStyle(document.querySelector('li')).color")
        assert sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) < 200
        assert page.pdf(format="A4").startswith(b"%PDF")
