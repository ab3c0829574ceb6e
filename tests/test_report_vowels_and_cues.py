"""Vowel space and cues beside relevance: axes, values, what is missing, and how they look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_baselines import TOLERANCE, assert_looks_like, difference, grey
from matplotlib.figure import Figure
from report_runs import make_run

from stressnet.acoustics.cue_table import contrast_columns
from stressnet.errors import ConfigError, CorpusError
from stressnet.report.cues_figure import plot_cues_beside_relevance
from stressnet.report.run import RelevanceRun
from stressnet.report.vowel_space import align_speakers, plot_vowel_space, vowel_table
from stressnet.stages.report import report_run


def panel(figure: Figure, name: str):
    return next(ax for ax in figure.axes if ax.get_label() == name)


@pytest.fixture(scope="module")
def vowels() -> pd.DataFrame:
    """Two speakers whose tracts differ by a factor of 1.2; /IY/ dense, /AA/ sparse."""
    rows = []
    rng = np.random.default_rng(0)
    for speaker, factor in (("a", 1.0), ("b", 1.2)):
        for vowel, f1, f2, density in (("IY", 300, 2300, 4.0), ("AA", 700, 1200, 0.25)):
            for number in range(10):
                rows.append(
                    {
                        "speaker": speaker,
                        "vowel": vowel,
                        "stressed": number % 2 == 0,
                        "f1_hz": factor * f1 * rng.uniform(0.98, 1.02),
                        "f2_hz": factor * f2 * rng.uniform(0.98, 1.02),
                        "density": density,
                        "null_density": 0.5 * density,
                    }
                )
    return pd.DataFrame(rows)


def test_axes_are_reversed_as_phoneticians_draw_them(vowels: pd.DataFrame) -> None:
    figure = plot_vowel_space(vowels)
    for name in ("stressed", "unstressed"):
        ax = panel(figure, name)
        assert ax.get_xlim()[0] > ax.get_xlim()[1]
        assert ax.get_ylim()[0] > ax.get_ylim()[1]
    labels = {text.get_text(): text for text in panel(figure, "stressed").texts}
    assert set(labels) == {"i", "ɑ"}
    to_screen = panel(figure, "stressed").transData.transform
    i, a = (to_screen(labels[name].xy) for name in ("i", "ɑ"))
    assert i[0] < a[0]  # front on the left
    assert i[1] > a[1]  # close on top


def test_colours_follow_density(vowels: pd.DataFrame) -> None:
    figure = plot_vowel_space(vowels)
    labels = {text.get_text(): text for text in panel(figure, "stressed").texts}
    dense, sparse = (labels[n].get_bbox_patch().get_facecolor() for n in ("i", "ɑ"))
    assert dense[1] > dense[0]  # green
    assert sparse[0] > sparse[1]  # purple
    ratio = plot_vowel_space(vowels, measure="ratio")
    same = {
        t.get_text(): t.get_bbox_patch().get_facecolor() for t in panel(ratio, "stressed").texts
    }
    assert same["i"] == same["ɑ"]  # both twice their null


def test_aligning_takes_the_vocal_tract_out(vowels: pd.DataFrame) -> None:
    aligned = align_speakers(vowels)
    means = aligned.groupby(["vowel", "speaker"])["f1_hz"].mean().unstack()
    np.testing.assert_allclose(means["a"], means["b"], rtol=0.02)
    raw = vowels.groupby(["vowel", "speaker"])["f1_hz"].mean().unstack()
    assert (raw["b"] / raw["a"]).min() > 1.15


def test_missing_values_and_columns(vowels: pd.DataFrame) -> None:
    some = vowels.assign(f1_hz=vowels["f1_hz"].where(vowels["speaker"] == "a"))
    title = panel(plot_vowel_space(some), "stressed").get_title(loc="left")
    assert "10 vowels, 1 speaker" in title
    with pytest.raises(ConfigError, match="nothing to draw"):
        plot_vowel_space(vowels.assign(density=np.nan))
    with pytest.raises(ConfigError, match="lacks column vowel"):
        plot_vowel_space(vowels.drop(columns="vowel"))
    with pytest.raises(ConfigError, match="density, ratio"):
        plot_vowel_space(vowels, measure="tea leaves")  # type: ignore[arg-type]


def test_vowel_table_of_a_run(make_corpus, tmp_path_factory) -> None:
    run = RelevanceRun.open(make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run"))
    table = vowel_table(run.open_corpus(), run)
    assert len(table) == 2 * len(run.tokens)
    assert table.groupby("token_id")["stressed"].sum().eq(1).all()
    relevance = run.relevance.set_index(["token_id", "region"])["density"]
    row = table[table["syllable"] == 2].iloc[4]
    assert row["density"] == pytest.approx(relevance[row["token_id"], "nucleus_2"])
    assert table["f1_hz"].between(150, 1500).mean() > 0.9
    # Known maps: relevance for the class lies in the stressed nucleus only.
    means = table.groupby("stressed")["density"].mean()
    assert means[True] > 3
    assert means[False] == pytest.approx(0, abs=0.2)
    assert plot_vowel_space(table, width="column").axes


def cues() -> tuple[pd.DataFrame, pd.DataFrame]:
    columns = contrast_columns()
    value = np.linspace(-1, 1, len(columns))
    coefficients = pd.DataFrame(
        {
            "baseline": "logistic-regression",
            "cue": list(columns),
            "group": [cue.group for cue in columns.values()],
            "coefficient": value,
            "low": value - 0.2,
            "high": value + 0.2,
        }
    )
    summary = pd.DataFrame(
        {
            "region": ["F1", "F2", "F0", "band_0_500_hz"],
            "stress": "ALL",
            "measure": "density",
            "mean": [8.0, 3.0, np.nan, 2.0],
            "mean_low": [7.0, 2.5, np.nan, 1.8],
            "mean_high": [9.0, 3.5, np.nan, 2.2],
            "null_mean": [4.0, 3.0, np.nan, 2.0],
        }
    )
    return coefficients, summary


def test_families_of_cues_stand_beside_their_regions() -> None:
    coefficients, summary = cues()
    figure = plot_cues_beside_relevance(coefficients, summary)
    left, right = panel(figure, "cues"), panel(figure, "relevance")
    on_left = {
        t.get_text(): y for t, y in zip(left.get_yticklabels(), left.get_yticks(), strict=True)
    }
    on_right = {
        t.get_text(): y for t, y in zip(right.get_yticklabels(), right.get_yticks(), strict=True)
    }
    assert len(on_left) == len(coefficients)
    assert on_right["F1, nuclei"] == on_left["vowel: F1 (log₂ ratio)"]
    assert not any("F0" in name for name in on_right)  # not measured: no dot
    assert any("no region" in text.get_text() for text in right.texts)
    with pytest.raises(ConfigError, match="nothing to draw"):
        plot_cues_beside_relevance(coefficients, summary, baseline="oracle")
    with pytest.raises(ConfigError, match="lacks column"):
        plot_cues_beside_relevance(coefficients.drop(columns="low"), summary)
    with pytest.raises(ConfigError, match="5 inches"):
        plot_cues_beside_relevance(coefficients, summary, width="column")


def test_no_text_is_cut_off(vowels: pd.DataFrame) -> None:
    drawn = [
        plot_cues_beside_relevance(*cues()),
        *(plot_vowel_space(vowels, width=w) for w in ("page", "column")),
    ]
    for figure in drawn:
        values = grey(figure)
        rim = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
        assert rim.min() > 0.99
        assert (values < 0.5).mean() > 0.002  # something is drawn


def test_pictures_look_as_they_were_kept(vowels: pd.DataFrame) -> None:
    assert_looks_like(plot_vowel_space(vowels), "vowel-space")
    assert_looks_like(plot_vowel_space(vowels, width="column"), "vowel-space-column")
    assert_looks_like(plot_cues_beside_relevance(*cues()), "cues-beside-relevance")
    # The comparison finds faults: mirrored axes.
    figure = plot_vowel_space(vowels)
    figure.axes[0].invert_xaxis()
    assert difference(grey(plot_vowel_space(vowels)), grey(figure)) > TOLERANCE


def test_report_takes_coefficients(make_corpus, tmp_path_factory, tmp_path: Path) -> None:
    run = make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")
    coefficients, _ = cues()
    coefficients.to_csv(tmp_path / "coefficients.csv", index=False)
    made = report_run(run, tmp_path / "report", cues=tmp_path, explorer_tokens=0)
    text = made.page.read_text(encoding="utf-8")
    assert "Cues beside relevance" in text
    assert "Vowel space" in text
    assert (tmp_path / "report" / "figures" / "cues-beside-relevance.png").is_file()
    with pytest.raises(CorpusError, match=r"no coefficients\.csv"):
        report_run(run, tmp_path / "other", cues=tmp_path / "nowhere")
