"""A known cue, and what each method finds of it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import cell_edges
from stressnet.lab.board_plan import SEEDLESS
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.report.grid import footnote
from stressnet.report.lab_figures import ROW_IN, score_panels
from stressnet.report.maps import draw_image, draw_relevance
from stressnet.report.style import Width, style, text_width_in, width_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from stressnet.lab.labset import LabSet

_TRUTH_COLOUR = "#0a7d3c"
_N_MAPS = 5
_ALWAYS = ("epsilon-gamma", "input-times-gradient")
_PADDING_SHOWN_S = 0.1


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
    from matplotlib.figure import Figure

    name = described["set"]
    summary = _set_summary(name, tables)
    placed = summary is not None
    if summary is None:
        summary = _places_summary(name, tables)
    if summary is None or not maps:
        return None
    shown = _shown(summary, maps)
    total, rows_in = width_in(width), ROW_IN * len(summary) + 0.5
    map_in = (total - 0.6) / (len(shown) + 1)
    with style():
        figure = Figure(figsize=(total, 2.4 + rows_in + 0.35), layout="constrained")
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
        score_panels(below, summary, summary["method"].tolist(), panels)
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
