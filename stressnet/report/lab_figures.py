"""Figures of the validation lab: the board of methods, and one page per cue.

The board shows for every method how often it puts the true region first, how often it marks a
place that the network does not use, and how well the most relevant cells match the true ones. The
page of a cue shows a word, where its cue is, what the best and the default methods make of it, and
the scores of all of them.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from stressnet.axes import cell_edges
from stressnet.errors import ConfigError
from stressnet.lab.board_plan import SEEDLESS
from stressnet.lab.labset import LabSet
from stressnet.lab.scoreboard import BAR_FALSE, BAR_FIRST
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.report.grid import blank, draw_estimate, footnote, row_panels
from stressnet.report.layers import draw_image, draw_relevance
from stressnet.report.style import NULL_COLOUR, Width, style, text_width_in, width_in

_ROW_IN = 0.155
_TRUTH_COLOUR = "#0a7d3c"
_N_MAPS = 5
_ALWAYS = ("epsilon-gamma", "input-times-gradient")
_PADDING_SHOWN_S = 0.1


@style()
def plot_board(methods: pd.DataFrame, *, width: Width = "page") -> Figure:
    """A row per method, a panel per measure; the bar is dashed, chance is a grey tick."""
    if not len(methods):
        raise ConfigError("the board is empty: no network solved a set whose cue has a place")
    # Of each method the best seed and part, in the order of the table.
    rows = methods[methods["kind"] != "no control"].drop_duplicates(["method", "kind"])
    names = [_label(row) for row in rows.to_dict("records")]
    panels = {
        "true region first →": "first",
        "false positives ←": "false_positive",
        "rank accuracy →": "rank",
        "pointing →": "pointing",
    }
    rows = rows.assign(
        rank_chance=rows["rank"] - rows["rank_gain"],
        pointing_chance=rows["pointing"] - rows["pointing_gain"],
    )
    figure = blank(width, _ROW_IN * len(rows) + 1.0)
    axes = _score_panels(figure, rows, names, panels)
    for ax, bar in zip(axes, (BAR_FIRST, BAR_FALSE), strict=False):
        ax.axvline(bar, color="#555555", linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    footnote(
        figure,
        "Best seed and part of each map (+ positive, ± absolute). Mean over cues with spectral "
        "place; intervals over voices and sets; n: cue × voice units.\n"
        "Dashed: the bar. Grey tick: highest chance level. Brown: deliberately broken maps. "
        "Arrow: better.",
    )
    return figure


def _label(row: Mapping[Any, Any]) -> str:
    sign = "+" if row["part"] == "positive" else "±"
    seed = "" if row["seed_output"] == "logit-difference" else ", logit"
    return f"{row['method']}{seed} ({sign}, n = {row['n_units']})"


def _score_panels(
    figure: Figure | SubFigure, rows: pd.DataFrame, names: Sequence[str], columns: Mapping[str, str]
) -> list[Plot]:
    """A panel per title and column of scores, a row per method, limits and chance where known."""
    axes = row_panels(figure, names, list(columns), len(columns))
    for ax, column in zip(axes, columns.values(), strict=True):
        for y, row in enumerate(rows.to_dict("records")):
            low, high, chance = (
                row.get(f"{column}_{k}", np.nan) for k in ("low", "high", "chance")
            )
            draw_estimate(ax, y, row[column], (low, high), chance, colour=_row_colour(row))
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    return axes


def _row_colour(row: Mapping[Any, Any]) -> str:
    """Brown for broken maps, grey for methods that are not ranked, else black."""
    if row["method"] in SEEDLESS:
        return NULL_COLOUR
    return "#303030" if row["kind"] == "method" else "#b0721e"


@style()
def plot_cue(
    word: LabSet,
    maps: Mapping[str, NDArray[np.floating]],
    described: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    *,
    width: Width = "page",
) -> Figure | None:
    """The page of a cue: a word, its truth, maps, and the scores of all methods on the set.

    The provenance of the ``word`` names the network, whose oriented ``maps``, shape (n_bins,
    n_frames), are given by method (``method@seed`` for other seeds). None if no network solved the
    set.
    """
    units, scores, places = (
        _rows_of(described["set"], tables[name]) for name in ("units", "scores", "places")
    )
    if not maps or not len(units) + len(places):
        return None
    placed = len(units) > 0
    summary = _set_summary(units, scores) if placed else _places_summary(places)
    shown = _shown(summary, maps)
    total, rows_in = width_in(width), _ROW_IN * len(summary) + 0.5
    map_in = (total - 0.6) / (len(shown) + 1)
    figure = blank(total, 2.4 + rows_in + 0.35)
    parts: Any = figure.subfigures(2, 1, height_ratios=[2.4, rows_in])
    above, below = parts
    names = described["true_regions"]
    names = names if isinstance(names, str) else ", ".join(names)
    heading = f"{described['set']}: true region {names or 'none of its own'}\n"
    above.suptitle(heading, x=0.01, ha="left", fontsize=8, weight="bold")
    more = (
        f"{described['n_words']} words ({described['n_train']} train, {described['n_test']} test), "
        f"{described['n_voices']} voices, preset {described['preset']}; shown: a word of class "
        f"{_stress(word)}, voice {word.voices[0]}, network {word.provenance['network']}"
    )
    above.text(0.01, 0.90, more, fontsize=6.5)
    panels = above.subplots(1, len(shown) + 1, sharey=True)
    for ax, method in zip(panels, [None, *shown], strict=True):
        ax.set_label(method or "word")
        _draw_map(ax, word, None if method is None else maps[method])
        if method is not None:
            ax.set_ylabel("")
        ax.set_xlabel("time (s)")
        title = method or "word and truth"
        points = min(6.5, 6.5 * (map_in - 0.16) / text_width_in(title, 6.5))
        ax.set_title(title, fontsize=points, pad=8, loc="left")
    measures = _MEASURES
    if not placed:
        measures = {str(c).replace("_", " "): str(c) for c in dict.fromkeys(places["place"])}
    _score_panels(below, summary, summary["method"].tolist(), measures)
    footnote(figure, _PLACED_FOOT if placed else _UNPLACED_FOOT)
    return figure


_MEASURES = {
    "first →": "first",
    "false positives ←": "false_positive",
    "rank accuracy →": "rank",
    "mass accuracy →": "mass",
}
_PLACED_FOOT = (
    "Green: the truth, from the parameters of the synthesis. Warm: relevance for INITIAL, cool: "
    "for FINAL. Dots: mean over networks, grey ticks: highest\nchance level. All methods of the "
    "set, best first. Brown: deliberately broken maps."
)
_UNPLACED_FOOT = (
    "Green: cells in which something differs between the classes; the cue has none of its own. "
    "Warm: relevance for INITIAL, cool: for FINAL.\nDots: share of positive relevance by place, "
    "grey ticks: of the image's area; mean over networks."
)


def _stress(word: LabSet) -> Stress:
    return CLASSES[int(word.labels[0])]


def _shown(summary: pd.DataFrame, maps: Container[str]) -> list[str]:
    """The best methods that have a map, the usual ones among them."""
    ranked = [m for m in dict.fromkeys(summary["method"]) if m in maps and m not in SEEDLESS]
    chosen = sorted(ranked, key=lambda method: method not in _ALWAYS)[:_N_MAPS]
    return [method for method in ranked if method in chosen]


def _draw_map(ax: Plot, word: LabSet, values: NDArray[np.floating] | None) -> None:
    """The word in grey with the outline of its truth, and a map on it."""
    axes, scene = word.axes, word.scenes[0]
    draw_image(ax, word.images[0], axes, scene.sound)
    if values is not None:
        # Maps speak for the word's own class; in figures warm is INITIAL everywhere.
        draw_relevance(ax, values if _stress(word) is Stress.INITIAL else -values, axes)
    if word.truth[0].any():
        ax.contour(
            axes.time_s,
            axes.frequency_hz,
            word.truth[0].astype(float),
            levels=[0.5],
            colors=[_TRUTH_COLOUR],
            linewidths=0.7,
        )
    # What follows the word's sound is padding; a little of it tells that it is there.
    sounding_s = axes.time_s[scene.sound][-1] if scene.sound.any() else 0.0
    end_s = min(cell_edges(axes.time_s)[-1], sounding_s + _PADDING_SHOWN_S)
    for phone in scene.times.phones:
        ax.axvline(phone.start_s, color="#999999", linewidth=0.3)
        if phone.end_s <= end_s:
            look: dict[str, Any] = {"fontsize": 5, "ha": "center", "va": "bottom"}
            ax.text(phone.middle_s, 1.01, phone.label, transform=ax.get_xaxis_transform(), **look)
    ax.set_xlim(cell_edges(axes.time_s)[0], end_s)
    ax.locator_params(axis="x", nbins=3)


def _rows_of(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of one set: positive relevance for the logit difference, intact maps and controls."""
    seed_and_part = (table["seed_output"] == "logit-difference") & (table["part"] == "positive")
    return table[(table["set"] == name) & seed_and_part & (table["kind"] != "no control")]


def _set_summary(units: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Per method: first places, false positives, rank accuracy and mass of one set, best first."""
    keys = ["method", "kind"]
    by_method = units.assign(first=units["place"] == 1).groupby(keys, sort=False)
    table = by_method[["first", "false_positive"]].mean()
    for measure in ("rank", "mass"):
        part = scores[scores["measure"] == measure].groupby(keys, sort=False)[["value", "gain"]]
        means = part.mean()
        table[measure] = means["value"]
        table[f"{measure}_chance"] = means["value"] - means["gain"]
    table = table.reset_index()
    table["_broken"] = table["kind"] != "method"
    order = ["_broken", "first", "false_positive", "rank"]
    return table.sort_values(order, ascending=[True, False, True, False], kind="stable")


def _places_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Per method: share of each place, for a cue without place."""
    means = rows.groupby(["method", "kind", "place"], sort=False)[["value", "area"]].mean()
    wide = means.unstack("place")
    places = list(dict.fromkeys(rows["place"]))
    area = wide["area"][places].add_suffix("_chance")
    return wide["value"][places].join(area).reset_index()
