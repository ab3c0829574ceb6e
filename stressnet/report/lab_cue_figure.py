"""A known cue, and what each method finds of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.axes import cell_edges
from stressnet.lexicon.stress import Stress
from stressnet.report.grid import bare_rows, draw_estimate, panel
from stressnet.report.lab_figures import ROW_IN, UNRANKED, Example, row_colour
from stressnet.report.maps import draw_image, draw_relevance
from stressnet.report.style import Width, style, text_width_in, width_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

_TRUTH_COLOUR = "#0a7d3c"
_N_MAPS = 5
_ALWAYS = ("epsilon-gamma", "input-times-gradient")
_PADDING_SHOWN_S = 0.1


def plot_cue(
    example: Example,
    described: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    *,
    width: Width = "page",
) -> Figure | None:
    """The page of a cue: a word, its truth, maps, and the scores of all methods on the set.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``units``, ``scores`` and ``places`` of the board.

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
    rows_in = ROW_IN * len(summary) + 0.1
    foot_in = 0.62
    tall = head_in + map_high + under_in + 0.3 + rows_in + foot_in
    with style():
        figure = Figure(figsize=(total, tall))
        heading, below = _headings(described, example)
        figure.text(0.01, 1 - 0.16 / tall, heading, fontsize=8, weight="bold")
        figure.text(0.01, 1 - 0.31 / tall, below, fontsize=6.5)
        bottom = tall - head_in - map_high
        for k, method in enumerate([None, *shown]):
            left = left_in + k * (map_in + gap_in)
            ax = panel(figure, left, bottom, (map_in, map_high), label=method or "word")
            _draw_map(ax, example, method)
            if k:
                ax.set_yticks([])
                ax.set_ylabel("")
            ax.set_xlabel("time (s)")
            title = method or "word and truth"
            points = min(6.5, 6.5 * (map_in - 0.04) / text_width_in(title, 6.5))
            ax.set_title(title, fontsize=points, pad=8, loc="left")
        _score_panels(figure, summary, foot_in, rows_in, placed)
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


def _headings(described: Mapping[str, Any], example: Example) -> tuple[str, str]:
    true = described["true_regions"]
    names = ", ".join(true) if not isinstance(true, str) else true
    return (
        f"{described['set']}: true region {names or 'none of its own'}",
        f"{described['n_words']} words ({described['n_train']} train, {described['n_test']} test), "
        f"{described['n_voices']} voices, preset {described['preset']}; shown: a word of class "
        f"{example.stress}, {example.caption}",
    )


def _shown(summary: pd.DataFrame, example: Example) -> list[str]:
    """The best methods that have a map, the usual ones among them."""
    ranked = [
        method
        for method in dict.fromkeys(summary["method"])
        if method in example.maps and method not in UNRANKED
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
    end_s = min(cell_edges(example.axes.time_s)[-1], sounding_s + _PADDING_SHOWN_S)
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
    ax.set_xlim(cell_edges(example.axes.time_s)[0], end_s)
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
    figure: Figure, summary: pd.DataFrame, bottom_in: float, high_in: float, placed: bool
) -> None:
    """A panel per measure, a row per method."""
    total = float(figure.get_figwidth())
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
    for k, (title, column) in enumerate(panels):
        left = names_in + k * (panel_in + gap_in)
        ax = panel(figure, left, bottom_in, (panel_in, high_in), label=title)
        for y, row in enumerate(summary.to_dict("records")):
            chance, colour = row.get(f"{column}_chance", np.nan), row_colour(row)
            draw_estimate(ax, y, row[column], chance=chance, colour=colour, size=2.6)
        ax.set_xlim(-0.04, 1.04)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_yticks(range(len(names)), names if k == 0 else [])
        ax.tick_params(axis="y", labelsize=6.0)
        points = min(6.5, 6.5 * (panel_in + 0.06) / text_width_in(title, 6.5))
        ax.set_title(title, fontsize=points, pad=3, loc="left")
        bare_rows(ax, lines=True)
