"""Style of figures: nothing global changes, zero is transparent, signs are symmetric."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from stressnet.axes import cell_edges
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import CLASSES, Stress, WordLengths
from stressnet.report import document
from stressnet.report.ipa import syllable_ipa, to_ipa
from stressnet.report.names import count_of, grouped, region_name
from stressnet.report.scores import accuracy_figure
from stressnet.report.style import (
    COLOURS,
    FORMANT_COLOUR,
    MARKERS,
    NULL_COLOUR,
    PITCH_COLOUR,
    STRESS_COLOURS,
    STRESS_MARKERS,
    relevance_colormap,
    relevance_limit,
    save_figure,
    style,
    symmetric_norm,
    text_width_in,
    width_in,
)


def is_warm(rgb: tuple[float, ...]) -> bool:
    return rgb[0] > rgb[2]


def test_style_leaves_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
    assert dict(matplotlib.rcParams) == before


def test_initial_is_warm_and_final_cool_in_map_and_colours() -> None:
    colours = relevance_colormap()
    for strength in (0.2, 0.6, 1.0):
        assert is_warm(colours(0.5 + strength / 2))
        assert not is_warm(colours(0.5 - strength / 2))
    to_rgb = matplotlib.colors.to_rgb
    assert is_warm(to_rgb(STRESS_COLOURS[Stress.INITIAL]))
    assert not is_warm(to_rgb(STRESS_COLOURS[Stress.FINAL]))


def test_zero_is_transparent_and_opacity_symmetric_and_rising() -> None:
    alpha = relevance_colormap()(np.linspace(0, 1, 255))[:, 3]
    assert alpha[127] == 0
    np.testing.assert_allclose(alpha, alpha[::-1])
    assert np.all(np.diff(alpha[127:]) > 0)
    norm = symmetric_norm(3.0)
    assert norm(0.0) == pytest.approx(0.5)
    assert relevance_colormap()(norm(0.0))[3] == 0


def test_limit_ignores_empty_cells_and_survives_an_empty_map() -> None:
    values = np.zeros((10, 10))
    assert relevance_limit(values) == 0
    assert symmetric_norm(relevance_limit(values)).vmax > 0
    values[0, 0] = -2.0
    assert relevance_limit(values) == pytest.approx(2.0)


def test_edges_lie_halfway_between_centres() -> None:
    np.testing.assert_allclose(cell_edges(np.array([0.0, 1.0, 3.0])), [-0.5, 0.5, 2.0, 4.0])


@pytest.mark.parametrize(("width", "inches"), [("column", 3.5), ("page", 7.0), (5, 5.0)])
def test_widths(width: str | float, inches: float) -> None:
    assert width_in(width) == inches


@pytest.mark.parametrize("width", ["poster", 0.1, 1000.0])
def test_useless_widths_are_refused(width: str | float) -> None:
    with pytest.raises(ConfigError, match=r"width|wide") as caught:
        width_in(width)
    assert "\n" not in str(caught.value)


def test_text_width_grows_with_text_and_size() -> None:
    assert text_width_in("stressed", 7) > text_width_in("stress", 7) > 0
    assert text_width_in("stress", 14) == pytest.approx(2 * text_width_in("stress", 7))


def test_files_are_written_with_truetype_fonts_and_come_out_equal(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 2))
    figure.text(0.1, 0.5, "ˈɹɛkɚd")
    files = save_figure(figure, tmp_path / "new" / "word.of.three", ["png", "pdf", "svg"])
    assert [f.name for f in files] == [f"word.of.three.{s}" for s in ("png", "pdf", "svg")]
    pdf = files[1].read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    again = save_figure(figure, tmp_path / "again", ["pdf", "svg"])
    assert again[0].read_bytes() == pdf
    assert b"<text" not in files[2].read_bytes()  # outlines


def test_figures_name_other_languages_than_english(tmp_path: Path) -> None:
    figures = {code: Figure() for code in ("en", "el")}
    files = {code: save_figure(f, tmp_path / code, ["png"], code) for code, f in figures.items()}
    assert [[t.get_text() for t in f.texts] for f in figures.values()] == [[], ["Greek"]]
    assert files["en"][0].read_bytes() != files["el"][0].read_bytes()


def test_unknown_format_and_unwritable_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no figure format 'bmp'"):
        save_figure(Figure(), tmp_path / "x", ["bmp"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        save_figure(Figure(), tmp_path / "file" / "x")


def test_ipa() -> None:
    assert [to_ipa(p) for p in ("AH0", "AH1", "ER0", "CH", "??")] == ["ə", "ʌ", "ɚ", "tʃ", "??"]
    assert syllable_ipa(["K", "AO1", "R", "D"]) == "ˈkɔɹd"
    assert syllable_ipa(["HH", "OW2"]) == "ˌhoʊ"
    assert syllable_ipa([]) == ""
    # the label decides, not the variant that was aligned (TRANsport heard as tranSPORT)
    assert syllable_ipa(["T", "R", "AE0", "N"], stressed=True) == "ˈtɹæn"
    assert syllable_ipa(["S", "P", "AO1", "R", "T"], stressed=False) == "spɔɹt"
    assert syllable_ipa(["HH", "OW2"], stressed=False) == "ˌhoʊ"


def test_region_names_and_groups() -> None:
    assert region_name("F1_stressed") == "F1, stressed nucleus"
    assert region_name("F2_unstressed") == "F2, unstressed nucleus"
    assert region_name("H2") == "H2, nuclei"
    assert region_name("band_0_500_hz") == "0–500 Hz, whole word"
    assert region_name("my_own_part") == "my own part"
    assert grouped(["F1_stressed", "nucleus_stressed", "other"]) == [
        ("nuclei", ["nucleus_stressed"]),
        ("stressed nucleus", ["F1_stressed"]),
    ]
    assert (count_of(1, "speaker"), count_of(2, "speaker")) == ("1 speaker", "2 speakers")


# ---------------------------------------------------------------- colour-blind readers, and print

# Full severity: Machado, Oliveira & Fernandes (2009), doi:10.1109/TVCG.2009.113.
_BLIND = {
    "deutan": [[0.3673, 0.8606, -0.2279], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "protan": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "tritan": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
_TO_XYZ = [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
APART = 15.0
"""CIE 1976 difference that is seen at a glance; a just noticeable one is about 2."""


def linear(colour: str | tuple[float, ...]) -> np.ndarray:
    c = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array(_TO_XYZ) @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.0888]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def seen_apart(one: str, other: str) -> float:
    """The least difference of two colours to readers of any kind of colour vision."""
    pairs = [(linear(one), linear(other))]
    pairs += [tuple(np.array(m) @ c for c in pairs[0]) for m in _BLIND.values()]
    return min(float(np.linalg.norm(lab(a) - lab(b))) for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """Ratio of luminances as WCAG 2 defines it."""
    dark, light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, other))
    return light / dark


def page_colours() -> tuple[dict[str, str], dict[str, str]]:
    """The style sheet's colours in light and in dark."""
    text = (Path(document.__file__).parent / "pages.css").read_text(encoding="utf-8")
    blocks = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", b)) for b in text.split("}")]
    light, *dark = [block for block in blocks if "ground" in block]
    assert len(dark) == 2 and dark[0] == dark[1]  # what the system asks for, and the button
    return light, dark[0]


def test_colours_stay_apart_for_colour_blind_readers() -> None:
    assert seen_apart("#ff0000", "#6b6b00") < APART  # the measure tells what looks alike
    for one, other in itertools.combinations(COLOURS, 2):
        assert seen_apart(one, other) > APART, (one, other)
    assert seen_apart(*(STRESS_COLOURS[stress] for stress in CLASSES)) > 3 * APART
    for one, other in itertools.combinations(WordLengths(4, 4).classes, 2):
        assert seen_apart(STRESS_COLOURS[one], STRESS_COLOURS[other]) > APART, (one, other)
    assert seen_apart(FORMANT_COLOUR, PITCH_COLOUR) > 3 * APART
    colours = relevance_colormap()
    for strength in (0.3, 0.6, 1.0):
        warm, cool = (colours(0.5 + sign * strength / 2)[:3] for sign in (1, -1))
        assert seen_apart(warm, cool) > 2 * APART
    for theme in page_colours():
        assert seen_apart(theme["warm"], theme["cool"]) > 3 * APART
        assert seen_apart(theme["right"], theme["wrong"]) > APART


def test_text_can_be_read_in_light_and_dark() -> None:
    for theme in page_colours():
        for ground in ("ground", "surface"):
            for name in ("text", "quiet", "warm", "cool", "right", "wrong"):
                assert contrast(theme[name], theme[ground]) >= 4.5, (name, theme[name])


def test_series_stay_apart_in_grey_print() -> None:
    assert len(set(MARKERS)) == len(COLOURS) == len(MARKERS)
    assert len(set(STRESS_MARKERS.values())) == len(STRESS_MARKERS)
    for colour in (*COLOURS, *STRESS_COLOURS.values(), NULL_COLOUR):
        assert lab(linear(colour))[0] < 75, colour  # is there on white paper
    names = list("abc")
    rows = [
        {"model": m, "test_set": "test", "metric": "balanced_accuracy", "estimate": 0.8}
        | {"low": 0.7, "high": 0.9, "n": 9, "n_final": 4}
        for m in names
    ]
    audits = pd.DataFrame({"audit": [], "test_set": [], "estimate": []})
    figure = accuracy_figure(pd.DataFrame(rows), audits, names)
    marks = [container.lines[0].get_marker() for container in figure.axes[0].containers]
    assert len(set(marks)) == 3
    sizes = [
        text.get_fontsize() for text in figure.findobj(matplotlib.text.Text) if text.get_text()
    ]
    assert min(sizes) >= 5.5  # points at the width of a page
