"""The first sentences of a page: an effect, its interval and what it is compared with."""

import math
from typing import Any

import pandas as pd

from stressnet.evaluation.tables import ORACLE
from stressnet.evaluation.text import interval_text
from stressnet.lexicon.contrast import STRESS as BY_STRESS
from stressnet.lexicon.contrast import Contrast
from stressnet.patching.agreement import ALL_LAYERS, TRUTH
from stressnet.patching.circuits import KEPT, RANDOM, smallest
from stressnet.patching.pairs import NULL, STRESS
from stressnet.report.names import count_of
from stressnet.report.scores import set_name, test_order
from stressnet.report.tables import classes_counted, compared, number, p_value, with_interval

ASKED = ("nucleus_stressed", "nucleus_unstressed", "consonants", "F1_stressed", "F2_stressed")
"""Regions of a report's first figure."""

_SUBJECTS = {
    "nucleus_stressed": ("The stressed vowel holds", "boundaries"),
    "F1_stressed": ("Around its first formant (F1) lies", "formants"),
}
_PARTS = {"padding": "the word's length", "envelope": "the envelope", "phones": "the phones"}


def success_sentences(
    scores: pd.DataFrame, who: str, network: str | None = None, contrast: Contrast = BY_STRESS
) -> list[str]:
    """How well a network does on the first of its test sets, and on words with both readings.

    ``scores``: ``metrics.csv`` of train, or ``scores.csv`` of evaluate with the ``network`` to
    speak of.
    """
    rows = scores[(scores["metric"] == "balanced_accuracy") & scores["estimate"].notna()]
    own = rows if network is None else rows[rows["model"] == network]
    by_set: dict[str, Any] = {row["test_set"]: row for row in own.to_dict("records")}
    if not by_set:
        return []
    first = by_set[min(by_set, key=lambda s: (s.startswith(("minimal", "valid")), test_order(s)))]
    classes = classes_counted(first, contrast)
    told = contrast.told_apart
    if contrast.is_stress and len(classes) > 2:
        told = f"{', '.join(classes)} stress apart"
    verdict = "tells" if first["low"] > 1 / len(classes) else "is not shown to tell"
    sentences = [
        f"{who} {verdict} {told}: its balanced accuracy is {_value(first)} on "
        f"{set_name(first['test_set'])} ({_counts(first)}); guessing gives "
        f"{1 / len(classes):.2g}, and the majority rate is {first['majority_rate']:.3f}."
    ]
    if network is not None and "minimal_pairs" in by_set:
        of_set = rows[(rows["model"] == ORACLE) & (rows["test_set"] == "minimal_pairs")]
        sentences.append(
            f"On words that have both readings, it is {_value(by_set['minimal_pairs'])} "
            f"({_counts(by_set['minimal_pairs'])}); knowing each word's more frequent reading, "
            f"without any sound, gives {_value(of_set.iloc[0])}."
        )
    return sentences


def labels_sentence(tokens: pd.DataFrame, contrast: Contrast = BY_STRESS) -> list[str]:
    """How often answers are as labelled, where nothing is known of test words."""
    labelled = tokens[tokens[contrast.column].notna()]
    right = labelled[contrast.column] == labelled[contrast.predicted]
    if right.empty:
        return []
    recalls = right.groupby(labelled[contrast.column]).mean()
    return [
        f"The network answers as labelled in {int(right.sum())} of "
        f"{count_of(len(right), 'token')} (mean of the classes {recalls.mean():.3f}); whether it "
        "was trained on such words is not known here."
    ]


def audit_sentence(audits: pd.DataFrame) -> str:
    """What the best classifier reaches that sees only part of the input."""
    rows = audits[audits["audit"].isin(list(_PARTS))]
    if rows.empty:
        return "What can be known from a part of the input alone was not measured."
    order = rows["test_set"].map(test_order)
    best: Any = rows[order == order.min()].sort_values("estimate").iloc[-1]
    apart = interval_text(best, "difference", signed=True)
    return (
        f"On {set_name(best['test_set'])}, a classifier that is told only {_PARTS[best['audit']]} "
        f"reaches {_value(best)}; the network differs by {apart}: {best['verdict'].lower()}."
    )


def relevance_sentences(summary: pd.DataFrame, contrast: Contrast = BY_STRESS) -> list[str]:
    """How dense relevance is in the stressed vowel and around F1, against evenness and null."""
    rows = summary[(summary[contrast.column] == "ALL") & (summary["measure"] == "density")]
    by_region = rows[rows["mean"].notna()].set_index("region").to_dict("index")
    sentences = []
    for region, (subject, exchanged) in _SUBJECTS.items():
        if region not in by_region:
            continue
        row: Any = by_region[region]
        text = (
            f"{subject} {with_interval(row['mean'], row['mean_low'], row['mean_high'])} times as "
            f"much relevance for the word's class per cell of the spectrogram as in the mean"
        )
        if math.isfinite(row["ratio"]):
            ratio = with_interval(row["ratio"], row["ratio_low"], row["ratio_high"])
            text += f", {ratio} times as much as with the {exchanged} of other words"
        corrected = f", corrected p {p_value(row['p_holm'])}" if row["p_holm"] <= 1 else ""
        verdict = compared(row).replace("too few words", "too few words for an interval")
        sentences.append(f"{text}: {verdict} ({_counts(row)}{corrected}).")
    return sentences


_BESIDE = {
    "exchange": "as dense as under other tokens' tracks",
    "untrained": "what untrained networks show",
    "input": "what the input itself shows",
}
"""What a ratio is to, by the null of a claim's criterion."""


_SAID = {
    "smaller than the margin": "does not hold, an effect being smaller than the margin",
    "needs three networks": "cannot be said yet, since it needs three networks",
}


def claim_sentences(claims: pd.DataFrame) -> list[str]:
    """A sentence per network and claim over all tokens, as a paper may quote it."""
    shown = claims[(claims["stratum"] == "ALL") & (claims["role"] == "primary")]
    sentences = []
    for (network, _), criteria in shown.groupby(["network", "claim"], sort=False):
        first = criteria.iloc[0]
        parts = []
        for row in criteria.to_dict("records"):
            effect = with_interval(row["effect"], row["low"], row["high"])
            is_ratio = row["scale"] == "ratio"
            parts.append(
                f"{effect} times {_BESIDE.get(row['null'], 'as dense')}"
                if is_ratio
                else f"{row['criterion']}: {effect}"
            )
        who = f" of {network}" if shown["network"].nunique() > 1 else ""
        verdict = _SAID.get(first["verdict"], first["verdict"])
        sentences.append(
            f"That {first['statement'][:1].lower()}{first['statement'][1:]} {verdict}{who}: "
            f"{', '.join(parts)} (95 % intervals; smallest effect of interest "
            f"{number(first['margin'])}; Holm-corrected p {p_value(first['p_holm'])}; "
            f"{count_of(first['n_seeds'], 'network')})."
        )
    return sentences


def verdicts_sentence(claims: pd.DataFrame) -> str:
    """Which claims hold and which do not."""
    firsts = claims[claims["stratum"] == "ALL"].drop_duplicates(["network", "claim"])
    parts = [
        f"“{verdict}”: {', '.join(dict.fromkeys(rows['claim']))}"
        for verdict, rows in firsts.groupby("verdict", sort=False)
    ]
    return (
        f"Claims about where relevance lies, tested against untrained networks and the input "
        f"itself, came out as {'; '.join(parts)}."
    )


def patching_sentences(tables: dict[str, pd.DataFrame], network: str, kind: str) -> list[str]:
    """Where in a network the decision is, how few units carry it, and how true estimates are."""
    own = {name: table[table["network"] == network] for name, table in tables.items()}
    places = own["places"][own["places"]["kind"] == kind]
    rows = places[(places["cue"] != NULL) & places["share"].notna()]
    if rows.empty:
        return [f"No pair of words could be patched in “{network}”."]
    best: Any = rows.iloc[int(rows["share"].abs().argmax())]
    where = (places["layer"] == best["layer"]) & (places["unit"] == best["unit"])
    null = places[where & (places["cue"] == NULL)]["size"]
    about = "" if best["cue"] == STRESS else f" (cue: {best['cue']})"
    moved = with_interval(best["effect"], best["effect_low"], best["effect_high"])
    pairs, words = count_of(best["n_pairs"], "pair"), count_of(best["n_words"], "word")
    text = (
        f"In “{network}”, {best['unit']} in {best['layer']} carries most of the decision{about}: "
        f"given that of the other word, the answer moves by {moved} logits, "
        f"{100 * best['share']:.0f} % of what lies between both (95 % interval; {pairs}, {words})"
    )
    if len(null):
        apart = f"{best['size']:.2f} in absolute value, {null.iloc[0]:.2f} where both"
        text += f"; {apart} words have the same stress"
    sentences = [f"{text}."]
    for name, curves in own["circuit"].groupby("kind") if "circuit" in own else ():
        kept = curves[curves["measure"] == "faithfulness"]
        ranking = TRUTH if TRUTH in set(kept["ranking"]) else kept["ranking"].iloc[0]
        total, needed = int(kept["n_units"].max()), smallest(curves, ranking)
        row: Any = kept[(kept["ranking"] == ranking) & (kept["n_units"] == needed)].iloc[0]
        share = with_interval(row["mean"], row["low"], row["high"])
        alone = "judged on words that did not rank them; drawn at random, it takes"
        sentences.append(
            f"It takes all {total} {name}s to keep {100 * KEPT:.0f} % of the decision: there is no "
            f"small circuit."
            if needed == total
            else f"{needed} of {total} {name}s keep {share} of the decision, {alone} "
            f"{smallest(curves, RANDOM)}."
        )
    agreement = own["agreement"]
    whole = agreement[(agreement["layer"] == ALL_LAYERS) & (agreement["kind"] == kind)]
    ranked = whole[whole["r"].notna()].sort_values("r", ascending=False)
    for first in ranked.head(1).to_dict("records"):
        r = with_interval(first["r"], first["r_low"], first["r_high"])
        others = [f"{o.estimator} {o.r:.2f}" for o in ranked.iloc[1:].itertuples()]
        beside = f" ({', '.join(others)})" if others else ""
        sentences.append(
            f"Of the estimates that need no exchange, {first['estimator']} agrees best with these "
            f"effects: r = {r}{beside}."
        )
    return sentences


def _value(row: Any) -> str:
    return with_interval(row["estimate"], row["low"], row["high"], 3)


def _counts(row: Any) -> str:
    n, low = row.get("n_tokens", row.get("n")), row.get("mean_low", row.get("low"))
    parts = [(n, "token"), (row["n_words"], "word"), (row["n_speakers"], "speaker")]
    counts = ", ".join(count_of(int(k), noun) for k, noun in parts)
    return f"95 % interval; {counts}" if math.isfinite(low) else counts
