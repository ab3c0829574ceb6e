"""Style of figures: nothing global changes, zero is transparent, signs are symmetric."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from stressnet.axes import cell_edges
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress
from stressnet.report.ipa import syllable_ipa, to_ipa
from stressnet.report.names import count_of, grouped, region_name
from stressnet.report.style import (
    STRESS_COLOURS,
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
