"""Figures of the validation lab: the board of methods, and one page per cue.

The board shows for every method how often it puts the true region first, how often it marks a
place that the network does not use, and how well the most relevant cells match the true ones. The
page of a cue shows a word, where its cue is, what the best and the default methods make of it, and
the scores of all of them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure, SubFigure

_ROW_IN = 0.155
_TRUTH_COLOUR = "#0a7d3c"
_N_MAPS = 5
_ALWAYS = ("epsilon-gamma", "input-times-gradient")
_PADDING_SHOWN_S = 0.1


def plot_board(methods: pd.DataFrame, *, width: Width = "page") -> Figure:
    """A row per method, a panel per measure; the bar is dashed, chance is a grey tick.

    Raises
    ------
    ConfigError
        If the table is empty.
    """
    if not len(methods):
        raise ConfigError("the board is empty: no network solved a set whose cue has a place")
    # Of each method the best seed and part, in the order of the table.
    rows = methods[methods["kind"] != "no control"].drop_duplicates(["method", "kind"])
    names = [_label(row) for row in rows.to_dict("records")]
    panels = [
        ("true region first →", "first", BAR_FIRST),
        ("false positives ←", "false_positive", BAR_FALSE),
        ("rank accuracy →", "rank", None),
        ("pointing →", "pointing", None),
    ]
    rows = rows.assign(
        rank_chance=rows["rank"] - rows["rank_gain"],
        pointing_chance=rows["pointing"] - rows["pointing_gain"],
    )
    with style():
        figure = blank(width_in(width), _ROW_IN * len(rows) + 1.0)
        axes = _score_panels(figure, rows, names, [(title, column) for title, column, _ in panels])
        for ax, (_, _, bar) in zip(axes, panels, strict=True):
            if bar is not None:
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
    figure: Figure | SubFigure,
    rows: pd.DataFrame,
    names: Sequence[str],
    panels: Sequence[tuple[str, str]],
) -> list[Plot]:
    """A panel per title and column of scores, a row per method, limits and chance where known."""
    axes = row_panels(figure, names, [title for title, _ in panels], len(panels))
    for ax, (_, column) in zip(axes, panels, strict=True):
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


def plot_cue(
    word: LabSet,
    maps: Mapping[str, NDArray[np.floating]],
    described: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    *,
    width: Width = "page",
) -> Figure | None:
    """The page of a cue: a word, its truth, maps, and the scores of all methods on the set.

    None if no network solved the set.

    Parameters
    ----------
    word : LabSet
        One word of the set; its provenance names the network.
    maps : mapping of str to ndarray, shape (n_bins, n_frames)
        Oriented maps of that network by method (``method@seed`` for other seeds).
    tables : mapping of str to DataFrame
        ``units``, ``scores`` and ``places`` of the board.
    """
    name = described["set"]
    summary = _set_summary(name, tables)
    placed = summary is not None
    if summary is None:
        summary = _places_summary(name, tables)
    if summary is None or not maps:
        return None
    shown = _shown(summary, maps)
    total, rows_in = width_in(width), _ROW_IN * len(summary) + 0.5
    map_in = (total - 0.6) / (len(shown) + 1)
    with style():
        figure = blank(total, 2.4 + rows_in + 0.35)
        parts: Any = figure.subfigures(2, 1, height_ratios=[2.4, rows_in])
        above, below = parts
        heading, more = _headings(described, word)
        above.suptitle(f"{heading}\n", x=0.01, ha="left", fontsize=8, weight="bold")
        above.text(0.01, 0.90, more, fontsize=6.5)
        for ax, method in zip(
            above.subplots(1, len(shown) + 1, sharey=True), [None, *shown], strict=True
        ):
            ax.set_label(method or "word")
            _draw_map(ax, word, None if method is None else maps[method])
            if method is not None:
                ax.set_ylabel("")
            ax.set_xlabel("time (s)")
            title = method or "word and truth"
            points = min(6.5, 6.5 * (map_in - 0.16) / text_width_in(title, 6.5))
            ax.set_title(title, fontsize=points, pad=8, loc="left")
        panels = [
            ("first →", "first"),
            ("false positives ←", "false_positive"),
            ("rank accuracy →", "rank"),
            ("mass accuracy →", "mass"),
        ]
        if not placed:
            columns = [str(c) for c in summary if c not in ("method", "kind")]
            panels = [(c.replace("_", " "), c) for c in columns if not c.endswith("_chance")]
        _score_panels(below, summary, summary["method"].tolist(), panels)
        footnote(figure, _PLACED_FOOT if placed else _UNPLACED_FOOT)
    return figure


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


def _headings(described: Mapping[str, Any], word: LabSet) -> tuple[str, str]:
    true = described["true_regions"]
    names = ", ".join(true) if not isinstance(true, str) else true
    return (
        f"{described['set']}: true region {names or 'none of its own'}",
        f"{described['n_words']} words ({described['n_train']} train, {described['n_test']} test), "
        f"{described['n_voices']} voices, preset {described['preset']}; shown: a word of class "
        f"{_stress(word)}, voice {word.voices[0]}, network {word.provenance['network']}",
    )


def _stress(word: LabSet) -> Stress:
    return CLASSES[int(word.labels[0])]


def _shown(summary: pd.DataFrame, maps: Container[str]) -> list[str]:
    """The best methods that have a map, the usual ones among them."""
    ranked = [
        method
        for method in dict.fromkeys(summary["method"])
        if method in maps and method not in SEEDLESS
    ]
    usual = [method for method in _ALWAYS if method in ranked]
    best = [method for method in ranked if method not in usual]
    chosen = set(usual + best[: max(0, _N_MAPS - len(usual))])
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


def _set_summary(name: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Per method: first places, false positives, rank accuracy and mass of one set, best first."""
    units, scores = tables["units"], tables["scores"]
    units = units[(units["set"] == name) & (units["seed_output"] == "logit-difference")]
    scores = scores[(scores["set"] == name) & (scores["seed_output"] == "logit-difference")]
    units = units[(units["part"] == "positive") & (units["kind"] != "no control")]
    if not len(units):
        return None
    keys = ["method", "kind"]
    table = units.assign(first=units["place"] == 1).groupby(keys, sort=False)
    found = table[["first", "false_positive"]].mean()
    scores = scores[(scores["part"] == "positive") & (scores["kind"] != "no control")]
    for measure in ("rank", "mass"):
        part = scores[scores["measure"] == measure].groupby(keys, sort=False)[["value", "gain"]]
        means = part.mean()
        found[measure] = means["value"]
        found[f"{measure}_chance"] = means["value"] - means["gain"]
    found = found.reset_index()
    found["_broken"] = found["kind"] != "method"
    order = ["_broken", "first", "false_positive", "rank"]
    return found.sort_values(order, ascending=[True, False, True, False], kind="stable")


def _places_summary(name: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Per method: share of each place, for a cue without place."""
    table = tables["places"]
    table = table[(table["set"] == name) & (table["seed_output"] == "logit-difference")]
    table = table[table["part"] == "positive"]
    if not len(table):
        return None
    means = table.groupby(["method", "kind", "place"], sort=False)[["value", "area"]].mean()
    wide = means.unstack("place")
    places = list(dict.fromkeys(table["place"]))
    found = wide["value"][places].copy()
    for place in places:
        found[f"{place}_chance"] = wide["area"][place]
    return found.reset_index()
