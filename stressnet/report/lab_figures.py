"""Figures of the validation lab: the board of methods, and one page per cue.

The board shows for every method how often it puts the true region first, how often it marks a
place that the network does not use, and how well the most relevant cells match the true ones. The
page of a cue shows a word, where its cue is, what the best and the default methods make of it, and
the scores of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes, BoolArray
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.report.maps import draw_image, draw_relevance
from stressnet.report.style import NULL_COLOUR, edges, style, text_width_in, width_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

_GOOD, _BROKEN = "#303030", "#b0721e"
_TRUTH_COLOUR = "#0a7d3c"
_N_MAPS = 5
_ALWAYS = ("epsilon-gamma", "input-times-gradient")
_UNRANKED = ("random", "sobel")
_ROW_IN = 0.155
_PADDING_SHOWN_S = 0.1


@dataclass(frozen=True)
class Example:
    """A word of a set with the maps of one network.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (n_bins, n_frames)
        Oriented maps by method (``method@seed`` for other seeds).
    image : ndarray, shape (n_bins, n_frames)
    truth : ndarray of bool, shape (n_bins, n_frames)
    axes : Axes
    sound : ndarray of bool, shape (n_frames,)
    phones : list of (float, float, str)
        Start and end in seconds, label.
    stress : Stress
        The word's class.
    caption : str
        Voice and network.
    """

    maps: Mapping[str, NDArray[np.floating]]
    image: NDArray[np.floating]
    truth: BoolArray
    axes: Axes
    sound: BoolArray
    phones: list[tuple[float, float, str]]
    stress: Stress
    caption: str


def load_example(path: Path) -> Example:
    """Read what ``stressnet validate-methods`` keeps of a set for its figure."""
    with np.load(path, allow_pickle=False) as kept:
        data = {name: kept[name] for name in kept.files}
    return Example(
        maps=dict(zip(data["names"].tolist(), data["maps"].astype(np.float32), strict=True)),
        image=data["image"],
        truth=data["truth"],
        axes=Axes(data["time_s"], data["frequency_hz"]),
        sound=data["sound"],
        phones=[
            (float(a), float(b), str(label))
            for (a, b), label in zip(data["phone_s"], data["phones"], strict=True)
        ],
        stress=CLASSES[int(data["label"])],
        caption=f"voice {data['voice']}, network {data['network']}",
    )


def best_rows(methods: pd.DataFrame) -> pd.DataFrame:
    """One row per method: its best seed and part, in the order of the table; controls last."""
    kept = methods[methods["kind"] != "no control"]
    return kept.drop_duplicates(["method", "kind"]).reset_index(drop=True)


def plot_board(methods: pd.DataFrame, *, width: str | float = "page") -> Figure:
    """A row per method, a panel per measure; the bar is dashed, chance is a grey tick.

    Parameters
    ----------
    methods : DataFrame
        As :func:`stressnet.lab.scoreboard.methods_table` makes it.
    width : {"page", "column"} or float
        Inches or a name.

    Raises
    ------
    ConfigError
        If the table is empty.
    """
    from matplotlib.figure import Figure

    if not len(methods):
        raise ConfigError("the board is empty: no network solved a set whose cue has a place")
    rows = best_rows(methods)
    names = [_label(row) for row in rows.to_dict("records")]
    total = width_in(width)
    names_in = 0.15 + max(text_width_in(name, 6.5) for name in names)
    panels = (
        ("true region first", "first", "first_chance", 0.95),
        ("false positives", "false_positive", None, 0.05),
        ("rank accuracy", "rank", "rank_chance", None),
        ("pointing", "pointing", "pointing_chance", None),
    )
    rows = rows.assign(
        rank_chance=rows["rank"] - rows["rank_gain"],
        pointing_chance=rows["pointing"] - rows["pointing_gain"],
    )
    gap_in, bottom_in, top_in = 0.16, 0.62, 0.28
    panel_in = (total - names_in - 0.1 - gap_in * (len(panels) - 1)) / len(panels)
    high_in = _ROW_IN * len(rows) + 0.1
    tall = top_in + high_in + bottom_in
    with style():
        figure = Figure(figsize=(total, tall))
        for k, (title, column, chance, bar) in enumerate(panels):
            left = names_in + k * (panel_in + gap_in)
            ax = figure.add_axes(
                (left / total, bottom_in / tall, panel_in / total, high_in / tall), label=title
            )
            _dots(ax, rows, column, chance, bar)
            ax.set_title(f"{title} {'←' if column == 'false_positive' else '→'}", loc="left")
            ax.set_yticks(range(len(rows)), names if k == 0 else [])
        figure.text(
            0.008,
            0.04 / tall,
            "Best seed and part of each map (+ positive, ± absolute). Mean over cues with spectral "
            "place; intervals over voices and sets; n: cue × voice units.\n"
            "Dashed: the bar. Grey tick: highest chance level. Brown: deliberately broken maps. "
            "Arrow: better.",
            fontsize=6.0,
            color="#444444",
            linespacing=1.4,
        )
    return figure


def _label(row: Mapping[Any, Any]) -> str:
    sign = "+" if row["part"] == "positive" else "±"
    seed = "" if row["seed_output"] == "logit-difference" else ", logit"
    return f"{row['method']}{seed} ({sign}, n = {row['n_units']})"


def _dots(ax: Plot, rows: pd.DataFrame, column: str, chance: str | None, bar: float | None) -> None:
    """One panel of the board."""
    for y, row in enumerate(rows.to_dict("records")):
        colour = _BROKEN if row["kind"] != "method" else _GOOD
        colour = NULL_COLOUR if row["method"] in _UNRANKED else colour
        low, high = row.get(f"{column}_low", np.nan), row.get(f"{column}_high", np.nan)
        if chance is not None and np.isfinite(row[chance]):
            ax.plot([row[chance]] * 2, [y - 0.3, y + 0.3], color="#bbbbbb", linewidth=1.6, zorder=1)
        if np.isfinite(low):
            ax.plot([low, high], [y, y], color=colour, linewidth=0.9)
        if np.isfinite(row[column]):
            ax.plot([row[column]], [y], "o", markersize=2.8, color=colour)
    if bar is not None:
        ax.axvline(bar, color="#555555", linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    _bare(ax)


def _bare(ax: Plot) -> None:
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color="#eeeeee", linewidth=0.5)
    ax.set_axisbelow(True)


def plot_cue(
    example: Example,
    described: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    *,
    width: str | float = "page",
) -> Figure | None:
    """The page of a cue: a word, its truth, maps, and the scores of all methods on the set.

    Parameters
    ----------
    example : Example
        A word with maps.
    described : mapping
        The set, as in the table of sets.
    tables : mapping of str to DataFrame
        ``units``, ``scores`` and ``places`` of the board.
    width : {"page", "column"} or float
        Inches or a name.

    Returns
    -------
    Figure or None
        None if no network solved the set.
    """
    from matplotlib.figure import Figure

    name = described["set"]
    summary = _set_summary(name, tables)
    placed = summary is not None
    if summary is None:
        summary = _places_summary(name, tables)
    if summary is None or not example.maps:
        return None
    shown = _shown(summary, example)
    total, gap_in, left_in = width_in(width), 0.08, 0.50
    n = len(shown) + 1
    map_in = (total - left_in - 0.08 - gap_in * (n - 1)) / n
    map_high, head_in, under_in = 1.35, 0.62, 0.42
    rows_in = _ROW_IN * len(summary) + 0.1
    foot_in = 0.62
    tall = head_in + map_high + under_in + 0.3 + rows_in + foot_in
    with style():
        figure = Figure(figsize=(total, tall))
        figure.text(0.01, 1 - 0.16 / tall, _heading(described), fontsize=8, weight="bold")
        figure.text(0.01, 1 - 0.31 / tall, _subheading(described, example), fontsize=6.5)
        bottom = (tall - head_in - map_high) / tall
        for k, method in enumerate([None, *shown]):
            left = (left_in + k * (map_in + gap_in)) / total
            ax = figure.add_axes(
                (left, bottom, map_in / total, map_high / tall), label=method or "word"
            )
            _draw_map(ax, example, method)
            if k:
                ax.set_yticks([])
                ax.set_ylabel("")
            ax.set_xlabel("time (s)")
            title = method or "word and truth"
            points = min(6.5, 6.5 * (map_in - 0.04) / text_width_in(title, 6.5))
            ax.set_title(title, fontsize=points, pad=8, loc="left")
        area = (0.0, foot_in / tall, 1.0, rows_in / tall)
        _score_panels(figure, summary, area, total, placed)
        figure.text(
            0.008,
            0.04 / tall,
            _PLACED_FOOT if placed else _UNPLACED_FOOT,
            fontsize=6.0,
            color="#444444",
            linespacing=1.4,
        )
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


def _heading(described: Mapping[str, Any]) -> str:
    true = described["true_regions"]
    names = ", ".join(true) if not isinstance(true, str) else true
    return f"{described['set']}: true region {names or 'none of its own'}"


def _subheading(described: Mapping[str, Any], example: Example) -> str:
    return (
        f"{described['n_words']} words ({described['n_train']} train, {described['n_test']} test), "
        f"{described['n_voices']} voices, preset {described['preset']}; shown: a word of class "
        f"{example.stress}, {example.caption}"
    )


def _shown(summary: pd.DataFrame, example: Example) -> list[str]:
    """The best methods that have a map, the usual ones among them."""
    ranked = [
        method
        for method in dict.fromkeys(summary["method"])
        if method in example.maps and method not in _UNRANKED
    ]
    usual = [method for method in _ALWAYS if method in ranked]
    best = [method for method in ranked if method not in usual]
    chosen = set(usual + best[: max(0, _N_MAPS - len(usual))])
    return [method for method in ranked if method in chosen]


def _draw_map(ax: Plot, example: Example, method: str | None) -> None:
    """The word in grey with the outline of its truth, and a map on it."""
    draw_image(ax, example.image, example.axes, example.sound)
    if method is not None:
        # Maps speak for the word's own class; in figures warm is INITIAL everywhere.
        sign = 1.0 if example.stress is Stress.INITIAL else -1.0
        draw_relevance(ax, sign * example.maps[method], example.axes)
    if example.truth.any():
        ax.contour(
            example.axes.time_s,
            example.axes.frequency_hz,
            example.truth.astype(float),
            levels=[0.5],
            colors=[_TRUTH_COLOUR],
            linewidths=0.7,
        )
    # What follows the word's sound is padding; a little of it tells that it is there.
    sounding_s = example.axes.time_s[example.sound][-1] if example.sound.any() else 0.0
    end_s = min(edges(example.axes.time_s)[-1], sounding_s + _PADDING_SHOWN_S)
    for start, end, label in example.phones:
        ax.axvline(start, color="#999999", linewidth=0.3)
        if end <= end_s:
            ax.text(
                0.5 * (start + end),
                1.01,
                label,
                fontsize=5,
                ha="center",
                va="bottom",
                transform=ax.get_xaxis_transform(),
            )
    ax.set_xlim(edges(example.axes.time_s)[0], end_s)
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


def _score_panels(
    figure: Figure,
    summary: pd.DataFrame,
    area: tuple[float, float, float, float],
    total: float,
    placed: bool,
) -> None:
    """A panel per measure, a row per method."""
    if placed:
        panels = [
            ("first →", "first"),
            ("false positives ←", "false_positive"),
            ("rank accuracy →", "rank"),
            ("mass accuracy →", "mass"),
        ]
    else:
        skip = ("method", "kind")
        columns = [c for c in summary.columns if c not in skip and not c.endswith("_chance")]
        panels = [(str(c).replace("_", " "), str(c)) for c in columns]
    names = summary["method"].tolist()
    names_in = 0.12 + max(text_width_in(name, 6.0) for name in names)
    gap_in = 0.12
    panel_in = (total - names_in - 0.08 - gap_in * (len(panels) - 1)) / len(panels)
    _, bottom, _, high = area
    for k, (title, column) in enumerate(panels):
        left = (names_in + k * (panel_in + gap_in)) / total
        ax = figure.add_axes((left, bottom, panel_in / total, high), label=title)
        for y, row in enumerate(summary.to_dict("records")):
            colour = _BROKEN if row["kind"] != "method" else _GOOD
            colour = NULL_COLOUR if row["method"] in _UNRANKED else colour
            chance = row.get(f"{column}_chance", np.nan)
            if np.isfinite(chance):
                ax.plot([chance] * 2, [y - 0.3, y + 0.3], color="#bbbbbb", linewidth=1.6, zorder=1)
            if np.isfinite(row[column]):
                ax.plot([row[column]], [y], "o", markersize=2.6, color=colour)
        ax.set_xlim(-0.04, 1.04)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_yticks(range(len(names)), names if k == 0 else [])
        ax.tick_params(axis="y", labelsize=6.0)
        points = min(6.5, 6.5 * (panel_in + 0.06) / text_width_in(title, 6.5))
        ax.set_title(title, fontsize=points, pad=3, loc="left")
        _bare(ax)
