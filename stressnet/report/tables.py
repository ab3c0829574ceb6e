"""Tables of a report: counts, success, conservation, relevance by region, provenance."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.inference.twoway import MIN_CLUSTERS
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.report.document import Cell, Table
from stressnet.report.names import grouped, region_name
from stressnet.report.scores import set_name, test_order

DASH = "–"


def number(value: float, digits: int = 2) -> str:
    """A figure with fixed decimals, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{digits}f}".replace("-", "−")


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """``0.81 [0.77, 0.85]``; without brackets where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def p_value(value: float) -> str:
    """A p-value as papers print it."""
    if not math.isfinite(value):
        return DASH
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def corpus_table(tokens: pd.DataFrame, contrast: Contrast = STRESS) -> Table:
    """Tokens, classes, words and speakers per split."""
    rows, classes = [], contrast.among(tokens[contrast.column])
    splits = {str(name): part for name, part in tokens.groupby("split", sort=False)}
    parts = {set_name(name): splits[name] for name in sorted(splits, key=_split_order)}
    for name, part in {**parts, "all": tokens}.items():
        counts = [int((part[contrast.column] == one).sum()) for one in classes]
        sizes = [len(part), *counts, len(part) - sum(counts)]
        different = [part[column].nunique() for column in ("word", "speaker")]
        rows.append([name, *map(str, [*sizes, *different])])
    return Table(
        ["split", "tokens", *classes, "unknown", "words", "speakers"],
        rows,
        f"Tokens per split and class of {contrast.name}; different words (spellings) and speakers.",
    )


def classes_counted(columns: Iterable[object], contrast: Contrast = STRESS) -> tuple[str, ...]:
    """The classes whose tokens a table of figures counts: ``n_initial``, ``n_final`` or others."""
    return contrast.among(str(name).removeprefix("n_").upper() for name in columns)


def metrics_table(metrics: pd.DataFrame, contrast: Contrast = STRESS) -> Table:
    """Success on every test set, each accuracy beside n and the majority rate."""
    rows: dict[Any, Any] = metrics.set_index(["test_set", "metric"]).to_dict("index")
    classes = classes_counted(metrics, contrast)
    shown = [m for m in ("accuracy", "balanced_accuracy", "mcc") if m in set(metrics["metric"])]
    firsts = metrics.drop_duplicates("test_set")
    firsts = firsts.sort_values("test_set", key=lambda names: names.map(test_order))

    def success(metric: str) -> tuple[str, Cell]:
        def text(first: Any) -> str:
            row = rows.get((first["test_set"], metric))
            return (
                DASH if row is None else with_interval(row["estimate"], row["low"], row["high"], 3)
            )

        return {"mcc": "MCC"}.get(metric, metric.replace("_", " ")), text

    return Table.of(
        firsts,
        [
            ("test set", lambda first: set_name(str(first["test_set"]))),
            "n",
            *((str(one), f"n_{one.lower()}") for one in classes),
            ("speakers / words", lambda first: f"{first['n_speakers']} / {first['n_words']}"),
            ("majority rate", lambda first: number(first["majority_rate"], 3)),
            *map(success, shown),
        ],
        caption="Success with 95 % intervals (bootstrap clustered by speaker and word family). The "
        "majority rate is the accuracy of always saying the more frequent class; balanced "
        f"accuracy is {1 / len(classes):.2g} and MCC 0 by chance.",
    )


def alignment_table(scores: dict[str, dict[str, float]]) -> Table:
    """The aligner's error against known times."""
    rows = [
        [
            level,
            f"{s['n']:.0f}",
            *(number(s[name], 1) for name in ("median_ms", "mean_ms", "p90_ms")),
            *(number(100 * s[name], 0) for name in ("within_20_ms", "within_50_ms")),
        ]
        for level, s in scores.items()
    ]
    columns = ["level", "n", "median (ms)", "mean (ms)", "90th percentile (ms)"]
    return Table(
        [*columns, "within 20 ms (%)", "within 50 ms (%)"],
        rows,
        "Absolute difference between the aligner's boundaries and the known ones.",
    )


def conservation_table(tokens: pd.DataFrame, explained: str) -> Table | None:
    """Where the explained output went; None if the run does not say."""
    names = {
        "relevance_sum": "relevance on the image",
        "bias_share": "kept by biases",
        "stabiliser_share": "kept by stabilisers",
    }
    if not {"output", *names} <= set(tokens.columns) or tokens.empty:
        return None
    output = tokens["output"].to_numpy(np.float64)
    parts = {names[name]: tokens[name].to_numpy(np.float64) for name in names}
    scale = np.maximum.reduce([np.abs(output), *(np.abs(p) for p in parts.values())])
    residual = np.abs(output - sum(parts.values())) / np.maximum(scale, 1e-30)

    def median(values: NDArray[np.float64]) -> str:
        return number(float(np.median(values)), 3)

    with np.errstate(divide="ignore", invalid="ignore"):
        rows = [[name, median(p / output), median(np.abs(p))] for name, p in parts.items()]
    rows.append([f"explained {explained}", "1.000", median(np.abs(output))])
    return Table(
        ["part", f"median share of the {explained}", "median absolute value (logits)"],
        rows,
        f"Conservation over {len(tokens)} tokens. What is not accounted for is at most "
        f"{residual.max():.1e} of the largest part in any token.",
    )


def region_table(summary: pd.DataFrame, contrast: Contrast = STRESS) -> Table:
    """Relevance by region and class: area, share, density, null, comparison."""
    rows = []
    regions = [r for _, members in grouped(summary["region"]) for r in members]
    index: dict[Any, Any] = summary.set_index(["region", contrast.column, "measure"]).to_dict(
        "index"
    )
    for region in regions:
        for one_class in contrast.among(summary[contrast.column]):
            measures = ("density", "positive_share", "area_share")
            density, share, area = (index.get((region, str(one_class), m)) for m in measures)
            if density is None:
                continue
            row = [region_name(region), str(one_class), str(int(density["n_tokens"]))]
            row += [number(100 * one["mean"], 1) if one else DASH for one in (area, share)]
            mean, ratio = (
                with_interval(density[name], density[f"{name}_low"], density[f"{name}_high"])
                for name in ("mean", "ratio")
            )
            p = p_value(density["p_holm"])
            rows.append([*row, mean, number(density["null_mean"]), ratio, p, compared(density)])
    columns = "n,area (%),share (%),density,null density,density / null,p (Holm)"
    return Table(
        ["region", contrast.column, *columns.split(","), "verdict"],
        rows,
        "Relevance that speaks for the word's own class. Area: share of the sounding cells. "
        "Share: of all positive relevance. Density: mean relevance per cell re the mean over "
        "sounding cells (1 = spread evenly). Null: the same with another token's formants, F0 or "
        "boundaries; density / null is over the words that have one. Brackets: 95 % intervals over "
        "speakers and words (with fewer than five speakers over words, for these speakers only), "
        "each by itself; p and verdict are "
        "corrected for all regions, so that an interval may exclude 1 and the verdict not.",
        flush_left=(0, 1, 9),
    )


def compared(row: Any) -> str:
    """How a region fares against its null, in words, after correction for many regions."""
    if not math.isfinite(row["null_mean"]):
        return "no null"
    if not math.isfinite(row["p_holm"]):
        return "too few words"
    limited = " (these speakers)" if row["n_speakers"] < MIN_CLUSTERS else ""
    if row["p_holm"] > 0.05:
        return f"not told apart from null{limited}"
    return f"{'denser' if row['difference'] > 0 else 'less dense'} than null{limited}"


def provenance_table(manifests: dict[str, dict[str, Any]]) -> Table:
    """How each folder was made."""
    rows = []
    for name, manifest in manifests.items():
        parameters = manifest.get("parameters", {})
        shown = ("composite", "seed_output", "architecture", "preset", "aligner", "seed")
        facts = {key.replace("_", " "): parameters[key] for key in shown if key in parameters}
        if (code := parameters.get("language") or ENGLISH) != ENGLISH:
            facts["language"] = language(code).name
        facts["made"] = manifest.get("created", DASH)
        facts["command"] = " ".join(map(str, manifest.get("command", [])))
        versions = manifest.get("versions", {})
        kept = ("stressnet", "python", "numpy", "torch", "praat-parselmouth")
        facts["versions"] = ", ".join(f"{k} {versions[k]}" for k in kept if k in versions) or DASH
        facts |= {f"hash of {key}": str(v)[:16] for key, v in manifest.get("inputs", {}).items()}
        if seconds := manifest.get("seconds"):
            facts["time"] = ", ".join(f"{k} {v:.0f} s" for k, v in seconds.items())
        rows += [[name, what, str(value)] for what, value in facts.items()]
    return Table(["folder", "what", "value"], rows, flush_left=(0, 1, 2))


def _split_order(name: str) -> tuple[int, int, str]:
    order = ("train", "valid", "test", "minimal_pair", "unlabelled")
    first = next((i for i, start in enumerate(order) if name.startswith(start)), len(order))
    return first, len(name), name


CLAIM_COLUMNS = (
    *("network", "stratum", "claim", "statement", "verdict", "p_holm", "criterion", "role", "null"),
    *("effect", "low", "high", "scale", "margin", "observed", "compared_with", "decision"),
    "n_seeds",
)
"""Columns of ``claims.csv`` that a report shows."""


def claims_tables(claims: pd.DataFrame) -> list[Table]:
    """Per network the claims over all tokens: verdicts, then criteria with intervals."""
    shown = claims[claims["stratum"] == "ALL"].assign(null=claims["null"].fillna(""))
    found = []
    for network, rows in shown.groupby("network", sort=False):
        lines = []
        for claim, criteria in rows.groupby("claim", sort=False):
            first = criteria.iloc[0]
            p = p_value(first["p_holm"])
            lines.append([str(claim), "", "", "", "", f"{first['verdict']} (p {p})"])
            for row in criteria.to_dict("records"):
                interval = with_interval(row["effect"], row["low"], row["high"])
                parts = [number(row["observed"]), number(row["compared_with"])]
                said = row["decision"] if row["role"] == "primary" else f"({row['decision']})"
                null = f" ({row['null']})" if row["null"] else ""
                name = f"{row['criterion']}{null}"
                lines.append(["", name, interval, *parts, said])
        head = ["claim", "criterion", "effect", "observed", "compared with", "verdict, decision"]
        note = f"{network}, {rows['n_seeds'].max()} networks; controls in brackets."
        found.append(Table(head, lines, note, flush_left=(0, 1, 5)))
    return found
