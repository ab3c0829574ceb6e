"""What patching found: sentences for the terminal and the page, and the page with its figures."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from stressnet.patching.agreement import ALL_LAYERS, TRUTH
from stressnet.patching.circuits import CIRCUIT_KINDS, KEPT, RANDOM, WHOLE, smallest
from stressnet.patching.pairs import NULL, STRESS
from stressnet.patching.tuning import MIN_TOKENS, NAMES
from stressnet.report.answers import patching_sentences
from stressnet.report.document import Block, Bullets, Document, Heading, Paragraph, Picture, Table
from stressnet.report.names import count_of
from stressnet.report.patching_figures import (
    plot_agreement,
    plot_circuit,
    plot_curves,
    plot_edges,
    plot_places,
)
from stressnet.runs.tables import read_table
from stressnet.version import __version__

if TYPE_CHECKING:
    from stressnet.corpus.store import Corpus

Tables = dict[str, pd.DataFrame]
ALPHA = 0.05
FINDINGS = "findings.csv"

CAPTIONS = {
    "places": "Mean effect of each unit by the mean difference of the pairs; 1 is all of it.",
    "circuit": "Circuits of the strongest channels or edges, judged on words that did not rank "
    "them. Solid: what they keep; dashed: what is left without them; grey: some at random.",
    "agreement": "Estimated against measured effects, a dot per pair and unit; grey: equal.",
    "channels": "The strongest channels of the circuit, as large as their effect: warm discs "
    "speak for the clean word, cool squares against it. Line: how far the later channel follows "
    "the earlier one.",
    "edges": "The strongest edges, as wide as their effect: what a head, a two-layer network (MLP) "
    "or the start of the stream adds (discs) for one reader of the stream (bars). Warm: for the "
    "clean word; cool: against it.",
}
"""Under each figure, by the first part of its name."""

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def heard_by(tuning: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The cue that each channel of a network goes with most, if that is no chance."""
    likely = tuning[tuning["p_value"] < ALPHA]
    ranked = likely.assign(size=likely["r"].abs()).sort_values("size")
    best = ranked.drop_duplicates(["layer", "unit"], keep="last")
    return {
        (row["layer"], str(row["unit"])): f"vowel {row['vowel']}'s {NAMES[row['cue']]}"
        for row in best.to_dict("records")
    }


def findings(tables: Tables, network: str) -> list[str]:
    """Sentences about one network."""
    own = {name: table[table["network"] == network] for name, table in tables.items()}
    pairs = own["pairs"][own["pairs"]["cue"] != NULL]
    used = pairs[pairs["patched"]]
    facts = [
        f"{count_of(len(pairs), 'pair')}, of which {len(used)} patched "
        f"({count_of(used['word'].nunique(), 'word')}); their logit differences lie "
        f"{used['difference'].mean():.2f} apart in the mean."
    ]
    if (pairs["cue"] == STRESS).all():
        null = own["pairs"].loc[own["pairs"]["cue"] == NULL, "difference"].abs()
        before = (used["clean_recorded"] - used["corrupted_recorded"]).mean()
        facts.append(
            f"Alignment: before it, the words' logit differences lay {before:.2f} apart; those of "
            f"aligned words of the same stress lie {null.mean():.2f} apart ({len(null)} pairs)."
        )
        sizes = own["places"].groupby(["kind", "cue"])["size"].mean().unstack()
        facts += [
            f"Mean size of the effect of one unit ({kind}): {row[STRESS]:.3f} logits between words "
            f"of different stress, {row[NULL]:.3f} between words of the same stress."
            for kind, row in sizes.iterrows()
            if NULL in row and row[NULL] == row[NULL]
        ]
    facts += [
        f"{row['estimator']}, {row['kind']}: r {_limits('r')(row)} with the measured effects, "
        f"scale {row['scale']:.2f}, right sign {100 * row['sign_agreement']:.0f} %."
        for row in own["agreement"].to_dict("records")
        if row["layer"] == ALL_LAYERS
    ]
    for kind in dict.fromkeys(own["circuit"]["kind"]) if "circuit" in own else ():
        names = ("circuit", "accuracy", "circuit_units")
        curves, accuracy, members = (own[name][own[name]["kind"] == kind] for name in names)
        facts += _circuit_facts(str(kind), curves, accuracy, used["word"].nunique())
        members = members.head(max(1, min(len(members), int(curves["n_units"].max()) // 10)))
        if kind == "edge":
            listed = [f"{r.unit} to {r.layer} {r.effect:+.2f}" for r in members.itertuples()]
            facts.append(f"The strongest {len(members)} edges: {'; '.join(listed)}.")
        elif own["tuning"].empty:
            facts.append(f"Tuning: fewer than {MIN_TOKENS} tokens have all cues.")
        else:
            facts += _tuning_facts(own["tuning"], members)
    return facts


def _circuit_facts(
    kind: str, curves: pd.DataFrame, accuracy: pd.DataFrame, n_words: int
) -> list[str]:
    """How small a network's circuit is, and what it does alone."""
    total = int(curves["n_units"].max())
    needed = {str(name): smallest(curves, str(name)) for name in curves["ranking"].unique()}
    listed = ", ".join(f"{name} {n}" for name, n in needed.items() if name != RANDOM)
    facts = [
        f"{kind.capitalize()}s of {total} that keep {100 * KEPT:.0f} % of the decision, by "
        f"ranking: {listed}; drawn at random {needed[RANDOM]}."
    ]
    if n_words < 2:
        facts.append("Ranked and judged by the same word: this is no test of the circuit.")
    best = TRUTH if TRUTH in needed else next(iter(needed))
    if needed[best] == total:
        facts.append("So there is no small circuit: only the whole network keeps that much.")
        accuracy = accuracy.head(0)
    for name, rows in accuracy.groupby("test_set", sort=False):
        rows = rows[rows["ranking"].isin([WHOLE, best])]
        by = rows.set_index("works")["balanced_accuracy"]
        facts.append(
            f"Balanced accuracy on {name}: whole network {by['network']:.3f}, circuit alone "
            f"{by['circuit']:.3f}, network without it {by['rest']:.3f}."
        )
    return facts


def _tuning_facts(tuning: pd.DataFrame, members: pd.DataFrame) -> list[str]:
    """What the strongest channels of a circuit go with."""
    heard = heard_by(tuning)
    facts = [f"The strongest {len(members)} channels of the circuit:"]
    keys = [(row["layer"], str(row["unit"])) for row in members.to_dict("records")]
    groups = Counter((layer, heard[layer, unit]) for layer, unit in keys if (layer, unit) in heard)
    for (layer, cue), n in sorted(groups.items()):
        number = _NUMBERS[n] if n < len(_NUMBERS) else str(n)
        noun, verb = ("channel", "carries") if n == 1 else ("channels", "carry")
        facts.append(f"{number.capitalize()} {noun} of {layer} {verb} {cue}.")
    silent = len(keys) - sum(groups.values())
    return [*facts, f"No measured cue: {count_of(silent, 'channel')}."]


def findings_table(tables: Tables) -> pd.DataFrame:
    """All sentences: ``network, finding``."""
    networks = dict.fromkeys(tables["pairs"]["network"])
    rows = [(name, text) for name in networks for text in findings(tables, name)]
    return pd.DataFrame(rows, columns=["network", "finding"])


def patching_blocks(folder: Path, out: Path) -> Iterator[Block]:
    """Section of a report about a folder of ``stressnet patch``, whose figures are copied."""
    yield Heading("Inside the network")
    table = read_table(folder / FINDINGS, ["network", "finding"])
    for network, rows in table.groupby("network", sort=False):
        yield from (Heading(str(network), 3), Bullets(rows["finding"].tolist()))
    for picture in sorted((folder / "figures").glob("*.png")):
        name = f"patching-{picture.stem}"
        for file in (folder / "figures").glob(f"{picture.stem}.*"):
            shutil.copyfile(file, out / "figures" / f"{name}{file.suffix}")
        yield Picture.saved(None, out, name, _caption(picture.stem))


def _caption(name: str) -> str:
    return CAPTIONS[name.rpartition("-")[0] or name]


def write_page(out: Path, corpus: Corpus, direction: str, tables: Tables) -> None:
    """Write ``index.html`` and ``circuit.md`` with their figures; both open from disk."""
    page = Document(f"Inside the network: {corpus.title}")
    networks = list(dict.fromkeys(tables["pairs"]["network"]))
    places = tables["places"]
    kinds = list(dict.fromkeys(places["kind"]))
    shown = [kind for kind in kinds if kind != "channel"]

    def picture(name: str, figure: Figure, data: pd.DataFrame) -> None:
        text, spoken = _caption(name), corpus.language
        page.add(Picture.saved(figure, out, name, text, data=data, spoken=spoken))

    def of_kind(kind: str) -> None:
        rows = places[places["kind"] == kind]
        picture(f"places-{kind}", plot_places(rows, kind), rows)

    if shown:
        of_kind(shown[0])
    elif "circuit" in tables:
        picture("circuit", plot_curves(tables["circuit"]), tables["circuit"])
    page.add(Bullets(patching_sentences(tables, networks[0], (shown or kinds)[0])))
    page.add(Heading("Method"))
    page.say(
        f"Activations go from {direction.replace('-', ' ')}. The clean word of a pair is INITIAL "
        "or INITIAL-like, the corrupted one FINAL. Effects are shares of the difference between "
        "the logit differences of both. Intervals are 95 %, over words and speakers."
    )
    for kind in shown[1:]:
        page.add(Heading(f"Where in the network: {kind}"))
        of_kind(kind)
    if len(tables["agreement"]):
        page.add(Heading("How true the estimates are"))
        page.add(
            Table.of(
                tables["agreement"],
                [
                    *("network", "kind", "layer", "estimator"),
                    *(("r", _limits("r")), ("rank r", _limits("rank_r"))),
                    *(("scale", _limits("scale")), ("right sign", _limits("sign_agreement"))),
                    ("pairs", "n_pairs"),
                ],
                caption="Estimated effects against measured ones. Scale: slope, 1 is right.",
                flush_left=(0, 1, 2, 3),
            )
        )
    if "circuit" in tables and shown:
        page.add(Heading("Circuits"))
        picture("circuit", plot_curves(tables["circuit"]), tables["circuit"])
    for number, network in enumerate(networks):
        own = {name: table[table["network"] == network] for name, table in tables.items()}
        page.add(Heading(network), Bullets(own["findings"]["finding"].tolist()))
        if len(own["agreement"]):
            drawn = plot_agreement(own["effects"], own["agreement"])
            picture(f"agreement-{number}", drawn, own["effects"])
        members = own.get("circuit_units", pd.DataFrame({"kind": []}))
        channels, edges = (members[members["kind"] == kind] for kind in CIRCUIT_KINDS)
        if len(channels):
            layers = list(dict.fromkeys(own["effects"]["layer"]))
            drawn = plot_circuit(channels, own["circuit_edges"], heard_by(own["tuning"]), layers)
            picture(f"channels-{number}", drawn, channels)
        if len(edges):
            every = own["places"].query("kind == 'edge'")[["layer", "unit"]].drop_duplicates()
            picture(f"edges-{number}", plot_edges(edges, every), edges)
    page.add(Paragraph(f"stressnet {__version__}; all tables lie beside this page."))
    for name in ("index.html", "circuit.md"):
        page.write(out / name)


def _limits(name: str) -> Callable[[Any], str]:
    """Writes a column of a row with its interval."""

    def text(row: Any) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        return f"{row[name]:.2f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]")

    return text
