"""Corpus figures: means, null and speakers where they belong; warping with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from report_runs import make_run

from stressnet.axes import Axes
from stressnet.corpus.landmarks import warp_columns
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.report.corpus import plot_regions, plot_warped_means, warped_means
from stressnet.report.run import RelevanceRun
from stressnet.report.scores import plot_accuracy, plot_confusion
from stressnet.report.warp import MARGIN_S
from stressnet.statistics import summarise

DENSITY = {"nucleus_stressed": 4.0, "nucleus_unstressed": 0.5, "padding": 0.0, "F1_stressed": 8.0}


@pytest.fixture(scope="module")
def relevance() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for speaker in "abcdef":
        for k in range(6):
            stress = "INITIAL" if k % 2 else "FINAL"
            token = {"token_id": f"{speaker}{k}", "word": f"w{k}", "speaker": speaker}
            for region, density in DENSITY.items():
                value = density * (1 + 0.1 * rng.standard_normal())
                null = np.nan if region == "padding" else 2.0
                rows.append(
                    {
                        **token,
                        "stress": stress,
                        "region": region,
                        "density": value,
                        "null_density": null,
                        "signed_share": 0.1 if region != "padding" else -0.1,
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def summary(relevance: pd.DataFrame) -> pd.DataFrame:
    return summarise(relevance)


def panel(figure: Figure, name: str):
    return next(ax for ax in figure.axes if ax.get_label() == name)


def points(ax, marker: str) -> list[tuple[float, float]]:
    found = []
    for line in ax.lines:
        if line.get_marker() == marker:
            found += list(zip(*line.get_data(), strict=True))
    return found


def test_regions_show_means_speakers_and_null(
    relevance: pd.DataFrame, summary: pd.DataFrame
) -> None:
    figure = plot_regions(relevance, summary)
    labels = [t.get_text() for t in panel(figure, "INITIAL").get_yticklabels()]
    assert labels == ["stressed nucleus", "unstressed nucleus", "padding", "F1"]
    for stress in CLASSES:
        ax = panel(figure, stress.value)
        rows = summary[(summary["stress"] == stress.value) & (summary["measure"] == "density")]
        means = rows.set_index("region")["mean"]
        drawn = dict(zip(ax.get_yticks(), DENSITY, strict=True))
        diamonds = {drawn[y]: x for x, y in points(ax, "D")}
        assert set(diamonds) == set(DENSITY) - {"padding"}
        for region, x in diamonds.items():
            assert x == pytest.approx(means[region])
        assert len(points(ax, "o")) == 6 * 3  # a dot per speaker
        nulls = [line for line in ax.lines if list(line.get_xdata()) == [2.0, 2.0]]
        assert len(nulls) == 3
        assert "18 tokens, 6 speakers" in ax.get_title(loc="left")
        assert any("0" in t.get_text() for t in ax.texts)  # padding is off the logarithmic axis
    assert panel(figure, "INITIAL").get_xlim() == panel(figure, "FINAL").get_xlim()
    assert panel(figure, "INITIAL").get_xscale() == "log"


def test_everything_drawn_lies_within_the_axes(
    relevance: pd.DataFrame, summary: pd.DataFrame
) -> None:
    for measure in ("density", "signed_share"):
        ax = panel(plot_regions(relevance, summary, measure=measure), "FINAL")
        low, high = ax.get_xlim()
        for x, _ in points(ax, "D") + points(ax, "o"):
            assert low <= x <= high


@pytest.mark.parametrize("width", ["page", "column"])
def test_no_text_leaves_the_figure(
    width: str, relevance: pd.DataFrame, summary: pd.DataFrame
) -> None:
    figure = plot_regions(relevance, summary, width=width)
    FigureCanvasAgg(figure).draw()
    legend = figure.legends[0].get_window_extent()
    boxes = [legend, *(t.get_window_extent() for t in figure.texts)]
    for ax in figure.axes:
        titles = [ax.title, ax._left_title, *ax.get_yticklabels()]
        boxes += [t.get_window_extent() for t in titles if t.get_text() and t.get_visible()]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    assert not legend.overlaps(figure.texts[0].get_window_extent())


def test_regions_can_be_chosen_and_lack_null_or_intervals(relevance: pd.DataFrame) -> None:
    few = relevance[relevance["speaker"].isin(["a", "b"])].drop(columns="null_density")
    figure = plot_regions(few, summarise(few), regions=["F1_stressed"])
    ax = panel(figure, "FINAL")
    assert len(points(ax, "D")) == 1
    assert len(points(ax, "o")) == 2
    labels = [t.get_text() for t in panel(figure, "INITIAL").get_yticklabels()]
    assert labels == ["F1, stressed nucleus"]


def test_tables_that_do_not_fit_are_refused(relevance: pd.DataFrame, summary: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="table of relevance lacks column speaker"):
        plot_regions(relevance.drop(columns="speaker"), summary)
    with pytest.raises(ConfigError, match="lacks column null_mean"):
        plot_regions(relevance, summary.drop(columns="null_mean"))
    with pytest.raises(ConfigError, match="no region to draw"):
        plot_regions(relevance, summary, regions=["elsewhere"])


def test_warping_by_nothing_is_the_identity() -> None:
    axes = Axes(np.arange(50) * 0.01, np.arange(3.0))
    marks = np.array([0.1, 0.2, 0.3])
    left, weight = warp_columns(axes, marks, marks, axes.time_s)
    np.testing.assert_allclose(axes.time_s[left] + weight * 0.01, axes.time_s, atol=1e-12)


def test_landmarks_fall_on_landmarks_and_halves_on_halves() -> None:
    axes = Axes(np.arange(101) * 0.01, np.arange(3.0))
    source, target = np.array([0.2, 0.4, 0.8]), np.array([0.0, 0.3, 0.5])
    grid = np.array([-0.05, 0.0, 0.15, 0.3, 0.4, 0.4999, 0.55])
    left, weight = warp_columns(axes, source, target, grid)
    found = axes.time_s[left] + 0.01 * weight
    np.testing.assert_allclose(found, [0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 0.85], atol=5e-4)


def test_lacking_segments_and_times_outside_the_image_are_marked() -> None:
    axes = Axes(np.arange(31) * 0.01, np.arange(3.0))
    source, target = np.array([0.0, 0.1, 0.1, 0.4]), np.array([0.0, 0.1, 0.15, 0.3])
    left, _ = warp_columns(axes, source, target, np.array([0.05, 0.12, 0.2, 0.29, -0.1]))
    assert left[0] >= 0 and left[2] >= 0
    assert left[1] == left[3] == left[4] == -1  # no such segment; beyond the end; before the start


@pytest.fixture(scope="module")
def run(make_corpus, tmp_path_factory) -> RelevanceRun:
    return RelevanceRun.open(make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run"))


def test_mean_maps_keep_relevance_in_its_nucleus(run: RelevanceRun) -> None:
    corpus = run.open_corpus()
    initial, final = warped_means(corpus, run)
    assert (initial.stress, final.stress) == (Stress.INITIAL, Stress.FINAL)
    counts = run.tokens["stress"].value_counts()
    assert (initial.n_tokens, final.n_tokens) == (counts["INITIAL"], counts["FINAL"])
    assert initial.n_speakers == 5
    marks = initial.landmarks_s
    np.testing.assert_array_equal(marks, final.landmarks_s)
    mean_duration = corpus.tokens["duration_s"].mean()
    assert marks[-1] == pytest.approx(mean_duration)
    assert initial.axes.time_s[0] == pytest.approx(-MARGIN_S)
    for mean, nucleus, sign in ((initial, marks[1:3], 1), (final, marks[4:6], -1)):
        time_s = mean.axes.time_s
        band = mean.axes.bins_within(400, 800)
        inside = (time_s > nucleus[0] + 0.01) & (time_s < nucleus[1] - 0.01)
        assert np.all(sign * mean.relevance[np.ix_(band, inside)] > 0)
        outside = (
            (time_s > 0)
            & (time_s < marks[-1])
            & ~((time_s > nucleus[0] - 0.015) & (time_s < nucleus[1] + 0.015))
        )
        there = mean.relevance[np.ix_(band, outside)]
        assert np.all(sign * there[np.isfinite(there)] < 0)


def test_a_token_weighs_the_same_whatever_its_scale(run: RelevanceRun) -> None:
    corpus = run.open_corpus()
    scaled = replace(run, maps=run.maps * np.linspace(1, 50, len(run.maps))[:, None, None])
    for one, other in zip(warped_means(corpus, run), warped_means(corpus, scaled), strict=True):
        np.testing.assert_allclose(one.relevance, other.relevance, rtol=1e-5, atol=1e-12)


def test_samples_and_right_answers_only(run: RelevanceRun) -> None:
    corpus = run.open_corpus()
    assert all(m.n_tokens == 3 for m in warped_means(corpus, run, max_tokens=3))
    tokens = run.tokens.assign(stress_predicted="INITIAL")
    only = warped_means(corpus, replace(run, tokens=tokens), correct_only=True)
    assert [m.stress for m in only] == [Stress.INITIAL]


def test_warped_figure_has_shared_axes_and_colours(run: RelevanceRun) -> None:
    means = warped_means(run.open_corpus(), run)
    figure = plot_warped_means(means)
    maps = [panel(figure, f"map {s.value}") for s in CLASSES]
    limits = [[c for c in ax.collections if isinstance(c, QuadMesh)][1].get_clim() for ax in maps]
    assert limits[0] == limits[1] == pytest.approx((-limits[0][1], limits[0][1]))
    assert panel(figure, "time INITIAL").get_ylim() == panel(figure, "time FINAL").get_ylim()
    assert [t.get_text() for t in panel(figure, "syllables FINAL").texts] == [
        "unstressed",
        "stressed",
    ]
    assert maps[0].get_ylim()[1] == pytest.approx(run.axes.frequency_hz[-1])
    narrow = plot_warped_means(means[:1], width="column")
    assert narrow.get_size_inches()[0] == pytest.approx(3.5)
    with pytest.raises(ConfigError, match="no mean relevance maps"):
        plot_warped_means([])


def test_means_of_another_corpus_are_refused(run: RelevanceRun) -> None:
    corpus = run.open_corpus()
    with pytest.raises(CorpusError, match="none of its tokens"):
        warped_means(corpus, replace(run, tokens=run.tokens.assign(token_id="x")))
    unknown = run.tokens.assign(token_id=run.tokens["token_id"])
    corpus.tokens["stress"] = None
    with pytest.raises(ConfigError, match="no token with known stress"):
        warped_means(corpus, replace(run, tokens=unknown))


def test_accuracy_and_confusion() -> None:
    rows = []
    for name, n in (("valid", 10), ("test", 40), ("minimal_pairs", 0)):
        for metric in ("accuracy", "balanced_accuracy", "mcc"):
            figures = {"estimate": 0.9, "low": 0.8, "high": np.nan if name == "valid" else 0.95}
            rows.append(
                {"test_set": name, "metric": metric, **figures, "n": n, "majority_rate": 0.7}
            )
    ax = panel(plot_accuracy(pd.DataFrame(rows)), "accuracy")
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["new words, new speakers\n40 tokens", "validation\n10 tokens"]
    assert len(points(ax, "D")) == 2
    predictions = pd.DataFrame(
        {
            "split": ["test"] * 4,
            "stress_true": ["INITIAL", "INITIAL", "FINAL", None],
            "stress_predicted": ["INITIAL", "FINAL", "FINAL", "FINAL"],
        }
    )
    ax = panel(plot_confusion(predictions), "confusion test")
    assert [t.get_text() for t in ax.texts] == ["1\n50 %", "1\n50 %", "0\n0 %", "1\n100 %"]
    with pytest.raises(ConfigError, match="lacks column low"):
        plot_accuracy(pd.DataFrame(rows).drop(columns="low"))
    with pytest.raises(ConfigError, match="no tokens"):
        plot_confusion(predictions.iloc[3:])
