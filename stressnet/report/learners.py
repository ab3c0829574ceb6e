"""Pages about learners: one each, and one that compares them; their words are in learners.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.inference.jackknife import jackknife, mean_of
from stressnet.inference.twoway import Estimate
from stressnet.report.document import (
    Block,
    Bullets,
    Cell,
    Document,
    Heading,
    Link,
    Paragraph,
    Picture,
    Table,
)
from stressnet.report.grid import blank, draw_estimate, legend, named_rows
from stressnet.report.names import count_of
from stressnet.report.style import style
from stressnet.report.tables import number, with_interval
from stressnet.runs import RunFolder
from stressnet.runs.names import safe_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
CUES: dict[str, list[str]] = TEXT["cues"]

_LOOKS = {"yes": ("#009e73", "o"), "no": ("#d55e00", "D"), "not sure": ("#8a8a8a", "^")}
_MOST_ROWS, _MOST_NAMED, _FAR, _EDGE = 60, 12, 2.0, 4.0


def write_pages(
    folder: RunFolder, corpus: Corpus, words: pd.DataFrame, learners: pd.DataFrame, share: Estimate
) -> None:
    """Write ``index.html`` and ``learners/NAME.html`` with their figures."""
    excerpts = dict(zip(corpus.tokens["token_id"], corpus.tokens["excerpt_file"], strict=True))
    place, figures = (folder.tree(f"{name}/**") for name in ("learners", "figures"))
    limit = Paragraph(TEXT["limits"][1], "warning")
    about: dict[str, Any] = {"spoken": corpus.language}
    rows: list[Any] = learners.to_dict("records")
    for row in rows:
        own = words[words["learner"] == row["learner"]]
        name, drawn = safe_name(row["learner"]), _z_scores(own)
        page = Document(TEXT["one"].format(**row))
        if len(drawn):
            drawing = (_deviations(drawn), place, f"z-{name}", TEXT["deviations"])
            page.add(Picture.saved(*drawing, data=drawn, **about))
        sounds = [quote(f"../corpus/{excerpts[token]}") for token in own["token_id"]]
        page.add(*_answer(own, row, {"words": own["word"]}), limit)
        page.add(Heading("Words"), _word_table(own, sounds))
        page.add(Link("../index.html", "All learners"))
        page.write(place / f"{name}.html")
    shown = learners.sort_values("share").head(_MOST_ROWS)
    n = count_of(len(learners), "learner")
    caption = TEXT["shares"].format(shown=len(shown), n=n)
    total: dict[Any, Any] = learners.sum(numeric_only=True).to_dict()
    total |= share.columns("share")
    clusters = {"speakers": words["learner"], "words": words["word"]}
    page = Document(TEXT["all"])
    about["data"] = shown
    page.add(Picture.saved(_shares(shown), figures.parent, "learners", caption, **about))
    page.add(*_answer(words, total, clusters, f"; {n}; {share.reason}".rstrip("; ")), limit)
    page.add(Heading("Learners"), learner_table(learners), Heading("What this is not"))
    page.add(Bullets(TEXT["limits"]), Heading("Tables"), Paragraph(TEXT["tables"]))
    page.write(folder.file("index.html"))


def _answer(
    words: pd.DataFrame, n: Mapping[str, Any], clusters: Mapping[str, pd.Series], note: str = ""
) -> list[Block]:
    """Three sentences: heard as expected, sure or not, and what differs most from natives."""
    wrong = list(dict.fromkeys(words.loc[words["match"] == "no", "word"].str.lower()))
    more = " and others" if len(wrong) > _MOST_NAMED else ""
    listen = f" Listen to {', '.join(wrong[:_MOST_NAMED])}{more}." if wrong else ""
    share = with_interval(n["share"], n["share_low"], n["share_high"])
    yes, no, unsure = (int(n[f"n_{match}"]) for match in ("yes", "no", "not_sure"))
    known = count_of(int(n["n_expected"]), "word")
    sentences = [
        TEXT["share"].format(share=share, n=known, note=note),
        TEXT["sure"].format(sure=yes + no, yes=yes, no=no, unsure=unsure, listen=listen),
    ]
    means = []
    for cue, (name, *_) in CUES.items():
        z = words[f"{cue}_z"].dropna() if f"{cue}_z" in words else pd.Series(dtype=float)
        if len(z):
            of = {kind: each[z.index] for kind, each in clusters.items()}
            mean = jackknife(mean_of(z.to_numpy()[:, None]), len(z), of)[0]
            means.append((abs(mean.value), name, mean, count_of(len(z), "word")))
    if not means:
        return [Bullets(sentences), Paragraph(TEXT["no_norms"], "missing")]
    _, name, mean, counted = max(means, key=lambda each: each[0])
    interval = with_interval(mean.value, mean.low, mean.high)
    return [Bullets([*sentences, TEXT["furthest"].format(cue=name, mean=interval, n=counted)])]


def _z_scores(words: pd.DataFrame) -> pd.DataFrame:
    """One row per word (or vowel) and cue: ``word``, ``match``, ``cue``, ``z``."""
    parts = [
        words[["word", "match"]].assign(cue=name, z=words[str(column)])
        for end, name in TEXT["rows"].items()
        for column in words
        if str(column).endswith(end)
    ]
    return pd.concat(parts).dropna(subset="z") if parts else words[:0]


@style()
def _deviations(drawn: pd.DataFrame) -> Figure:
    """Words' z-scores by cue."""
    names = [name for name in TEXT["rows"].values() if name in set(drawn["cue"])]
    figure = blank("page", 1.0 + 0.32 * len(names))
    ax = figure.subplots()
    rng = np.random.default_rng(0)  # of the jitter, which means nothing
    for reach in (2, 1):
        ax.axvspan(-reach, reach, color="#000000", alpha=0.06, linewidth=0, zorder=0)
    for row, name in enumerate(names):
        own = drawn[drawn["cue"] == name]
        for match, (colour, marker) in _LOOKS.items():
            z = own.loc[own["match"] == match, "z"].clip(-_EDGE, _EDGE)
            look: dict[str, Any] = {"color": colour, "alpha": 0.7, "markeredgewidth": 0}
            y = row + rng.uniform(-0.25, 0.25, len(z))
            ax.plot(z, y, marker, markersize=3.2, linewidth=0, **look)
        draw_estimate(ax, row, own["z"].mean(), colour="#000000", marker="D", size=4)
    named_rows(ax, names)
    ax.set_xlim(-_EDGE - 0.2, _EDGE + 0.2)
    ax.set_xlabel(f"standard deviations from native speakers (beyond {_EDGE:g}: at the edge)")
    dot = {"linewidth": 0, "markersize": 4}
    entries = {
        f"stress as expected: {match}": {"color": colour, "marker": marker, **dot}
        for match, (colour, marker) in _LOOKS.items()
    }
    legend(figure, entries, ncols=len(entries))
    return figure


@style()
def _shares(learners: pd.DataFrame) -> Figure:
    """Shares of words heard as expected."""
    rows = learners.to_dict("records")
    figure = blank("page", 0.8 + 0.2 * len(rows))
    ax = figure.subplots()
    for y, row in enumerate(rows):
        limits = row["share_low"], row["share_high"]
        draw_estimate(ax, y, row["share"], limits, colour="#000000", size=3.5)
    named_rows(ax, [f"{row['learner']} ({row['n_expected']})" for row in rows])
    ax.set_xlim(0, 1.02)
    ax.set_xlabel("share of words heard as expected (in brackets: number of words)")
    return figure


def learner_table(learners: pd.DataFrame) -> Table:
    """Counts, shares and mean distances from native speakers, a row per learner."""
    columns: list[tuple[str, Cell]] = [
        *(("learner", "learner"), ("words", "n_expected")),
        ("as expected", lambda r: with_interval(r["share"], r["share_low"], r["share_high"])),
        *(("sure: yes", "n_yes"), ("sure: no", "n_no"), ("not sure", "n_not_sure")),
        *((CUES[cue][0], _z_cell(cue)) for cue in CUES if f"{cue}_z" in learners),
    ]
    pages = [quote(f"learners/{safe_name(learner)}.html") for learner in learners["learner"]]
    return Table.of(learners, columns, caption=TEXT["learners"], links=pages)


def _word_table(words: pd.DataFrame, sounds: list[str]) -> Table:
    columns: list[tuple[str, Cell]] = [
        ("word", lambda r: r["word"].lower()),
        ("expected", lambda r: r["expected"] if pd.notna(r["expected"]) else ""),
        *(("heard", "heard"), ("probability", "probability:.2f"), ("match", "match")),
    ]
    if "duration_ratio" in words:
        columns += [("stressed vowel", _remarks)]
        columns += [("× as long", lambda r: number(r["duration_ratio"], 1))]
        columns += [(name, _z_cell(cue)) for cue, (name, *_) in CUES.items()]
    return Table.of(words, columns, caption=TEXT["words"], sounds=sounds, flush_left=(0, 5))


def _z_cell(cue: str) -> Cell:
    return lambda row: number(round(row[f"{cue}_z"], 1) + 0.0, 1)  # no -0.0


def _remarks(row: Any) -> str:
    """What is beyond two standard deviations, in words."""
    z = {cue: row[f"{cue}_z"] for cue in CUES}
    return ", ".join(CUES[cue][1 + (far > 0)] for cue, far in z.items() if abs(far) > _FAR)
