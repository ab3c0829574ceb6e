"""From word scores to the board: one method on one network, then all of them together.

An *entry* is one method (with its seed, and the part of the map that counts) on one network trained
on one set: means over words with intervals over voices and words, and one row per voice. The unit
of the bar is *cue × voice*: the words of one voice in one set that one network solved. A unit is
right if, in the mean over its words, a true region has the largest density.

Where a cue has no cells of its own (duration, intensity) nothing can be right or wrong: what
differs is where things end, or the level of the same cells. What can be said is which parts of the
image maps turn to; :data:`PLACES` tile it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stressnet.axes import FloatArray
from stressnet.inference.bootstrap import cluster_weights, percentile_limits
from stressnet.lab.candidates import CANDIDATES, VOWEL_EDGE_S, around
from stressnet.lab.labset import LabSet
from stressnet.lab.scores import CHANCES, MEASURES, WordScores, column_means
from stressnet.regions.scene import Scene

PLACES = tuple("vowel_1 vowel_2 vowel_edges_1 vowel_edges_2 consonants beside_word padding".split())
"""Parts that tile the image. ``vowel_edges`` are frames within 15 ms of a vowel's limits,
``vowel_1`` and ``vowel_2`` what lies between them."""

PLACED_CUES = ("f0_level", "f0_peak", "f1", "f2", "f3", "reduction", "tilt")
"""Single cues with spectral place, which the bar is about."""

NATURAL = "natural"  # What the cues of localised targets in natural words begin with

QUESTIONS: Mapping[str, tuple[str, ...]] = {  # What users ask of a map, and the cues that test it
    "formants": ("f1", "f2", "f3", "reduction"),
    "pitch": ("f0_level", "f0_peak"),
    "spectral tilt": ("tilt",),
    "consonants": ("consonant",),
    "natural words": tuple(f"{NATURAL} {cue}" for cue in ("f1", "f2", "f3", "f0_level", "tilt")),
}

BAR_FIRST, BAR_FALSE = 0.95, 0.05
"""Least share of units whose true region comes first, and largest share of false positives."""

_KEYS = ["method", "seed_output", "part", "kind"]


def score_entry(scores: WordScores, used: frozenset[str], weights: FloatArray) -> dict[str, Any]:
    """Means, intervals, false positives and units of one method on one network."""
    measures = {}
    for k, name in enumerate(MEASURES):
        levels = {level: scores.chance[level][:, k] for level in CHANCES}
        measures[name] = _mean_row(scores.values[:, k], levels, weights)
    raw = scores.values[:, MEASURES.index("false_positive")]
    excused = np.array([name in used for name in scores.marked])
    confirmed = np.where(np.isfinite(raw), raw * ~excused, np.nan)
    measures["false_positive_confirmed"] = _mean_row(confirmed, {}, weights)
    return {
        "measures": measures,
        "marked": dict(sorted(Counter(filter(None, scores.marked)).items())),
        "units": _units(scores, confirmed),
        "n_words": len(raw),
        "n_without_score": sum(map(bool, scores.reasons)),
    }


def place_entry(
    words: LabSet, maps: NDArray[np.floating], part: str, weights: FloatArray
) -> dict[str, Any]:
    """Where one method's relevance goes in words whose cue has no place."""
    relevance, area = shares(words, maps, part)
    rows = {
        place: _mean_row(relevance[:, k], {"area": area[:, k]}, weights)
        for k, place in enumerate(PLACES)
    }
    return {"places": rows, "n_words": len(maps)}


def _mean_row(
    values: FloatArray, levels: Mapping[str, FloatArray], weights: FloatArray
) -> dict[str, float | None]:
    """Mean with interval, chance levels, and the gain over the highest of them."""
    there = np.isfinite(values)
    row: dict[str, float | None] = {"value": None, "low": None, "high": None}
    if there.any():
        row["value"] = float(values[there].mean())
        row["low"], row["high"] = _interval(values[there], weights[:, there])
    means = {}
    for name, level in levels.items():
        both = there & np.isfinite(level)
        row[name] = None
        if both.any():
            row[name] = means[name] = float(level[both].mean())
    if means:
        level = levels[max(means, key=lambda name: means[name])]
        both = there & np.isfinite(level)
        gain = (values - level)[both]
        row["gain"] = float(gain.mean())
        row["gain_low"], row["gain_high"] = _interval(gain, weights[:, both])
    return {key: None if value is None or value != value else value for key, value in row.items()}


def _interval(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Percentile interval of a mean over resamples; missing where there are none."""
    total = weights.sum(axis=1)
    return percentile_limits((weights @ values)[total > 0] / total[total > 0])


def _units(scores: WordScores, confirmed: FloatArray) -> list[dict[str, Any]]:
    """One row per voice: which region is densest in the mean over its words, and by chance."""
    true = np.isin(CANDIDATES, scores.words.true_regions)
    rows = []
    for voice in np.unique(scores.words.voices):
        mine = scores.words.voices == voice
        means = {level: _means(values[mine]) for level, values in scores.densities.items()}
        own = means["own"]
        row: dict[str, Any] = {"voice": str(voice), "place": None, "top": "", "second": ""}
        row["n"] = int(np.isfinite(scores.densities["own"][mine]).any(axis=1).sum())
        for level, density in means.items():
            if density[true].max() >= 0:
                place = int((density[~true] >= density[true].max()).sum()) + 1
                row["place" if level == "own" else f"place_{level}"] = place
        if row["place"] is not None:
            order = np.argsort(-own, kind="stable")
            row["top"], row["second"] = CANDIDATES[order[0]], CANDIDATES[order[1]]
            row["density"], row["rival"] = float(own[true].max()), float(own[~true].max())
            row["n_regions"] = int((own >= 0).sum())
            row["n_true"] = int((own[true] >= 0).sum())
        false = confirmed[mine]
        row["false_positive"] = float(np.nanmean(false)) if np.isfinite(false).any() else None
        rows.append(row)
    return rows


def _means(density: FloatArray) -> FloatArray:
    """Mean over words of each region's density; -1 for those that fewer than half of them have."""
    there = np.isfinite(density)
    n = there.any(axis=1).sum()
    enough = (there.sum(axis=0) >= 0.5 * n) & there.any(axis=0)
    return np.where(enough, column_means(density), -1.0)


def scores_table(entries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Tidy: one row per entry and measure."""
    chances = " ".join(CHANCES)
    return _tidy(entries, "measure", f"value low high {chances} gain gain_low gain_high")


def places_table(entries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Tidy: one row per entry of a cue without place, and place."""
    return _tidy(entries, "place", "value low high area gain gain_low")


def _tidy(entries: Iterable[Mapping[str, Any]], what: str, columns: str) -> pd.DataFrame:
    rows = [
        {**entry, what: name, **row}
        for entry in entries
        for name, row in entry.get(f"{what}s", {}).items()
    ]
    return _table(rows, f"{what} {columns}")


def units_table(entries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per entry and voice that the network solved."""
    rows = [
        {**entry, **row}
        for entry in entries
        for row in entry.get("units", ())
        if row["voice"] in entry.get("solved_voices", ()) and row["place"] is not None
    ]
    return _table(
        rows,
        "voice n place place_exchange place_displaced n_regions n_true top second density rival "
        "false_positive",
    )


def _table(rows: list[dict[str, Any]], columns: str) -> pd.DataFrame:
    """What a row is about, and the given columns."""
    about = ["set", "cue", "where", "network", "net_seed", *_KEYS, "n_words"]
    return pd.DataFrame(rows).reindex(columns=[*about, *columns.split()])


def methods_table(
    units: pd.DataFrame, scores: pd.DataFrame, cues: Sequence[str] = PLACED_CUES, *, seed: int = 0
) -> pd.DataFrame:
    """One row per method over units and words of some cues, best first.

    Rates are means over cues of means over units, so that a cue with more sets does not count for
    more; intervals resample voices and sets. Columns are ``method, seed_output, part, kind,
    n_units, n_cues, n_networks, first, first_low, first_high, first_chance, top3, false_positive,
    false_positive_low, false_positive_high, false_positive_raw, mass, rank, pointing`` and their
    ``*_gain``, ``meets_bar``.
    """
    units = units[units["cue"].isin(cues)]
    scores = scores[scores["cue"].isin(cues)]
    rows = []
    by_scores = dict(iter(scores.groupby(_KEYS, sort=False)))
    for key, mine in units.groupby(_KEYS, sort=False):
        row: dict[str, Any] = dict(zip(_KEYS, key, strict=True))
        row["n_units"], row["n_cues"] = len(mine), mine["cue"].nunique()
        row["n_networks"] = len(mine[["set", "network", "net_seed"]].drop_duplicates())
        draws = cluster_weights(mine["voice"], mine["set"], seed=seed, n_resamples=500)
        weights = np.concatenate([np.zeros((0, len(mine))), *draws])
        codes = pd.factorize(mine["cue"])[0]
        first, false = mine["place"] == 1, mine["false_positive"]
        for name, values in (("first", first), ("false_positive", false)):
            value, low, high = _macro(values, codes, weights)
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        row["first_chance"] = max(
            _macro(mine["n_true"] / mine["n_regions"], codes)[0],
            _macro(mine["place_exchange"] == 1, codes)[0],
            _macro(mine["place_displaced"] == 1, codes)[0],
        )
        row["top3"] = _macro(mine["place"] <= 3, codes)[0]
        table = by_scores.get(key)
        if table is not None:
            for name in ("mass", "rank", "pointing"):
                part = table[table["measure"] == name].groupby("cue")
                row[name] = part["value"].mean().mean()
                row[f"{name}_gain"] = part["gain"].mean().mean()
            part = table[table["measure"] == "false_positive"].groupby("cue")
            row["false_positive_raw"] = part["value"].mean().mean()
        row["meets_bar"] = bool(row["first"] >= BAR_FIRST and row["false_positive"] <= BAR_FALSE)
        rows.append(row)
    columns = (
        "n_units n_cues n_networks first first_low first_high first_chance top3 false_positive "
        "false_positive_low false_positive_high false_positive_raw mass mass_gain rank rank_gain "
        "pointing pointing_gain meets_bar"
    )
    return rank_methods(pd.DataFrame(rows).reindex(columns=[*_KEYS, *columns.split()]))


def rank_methods(table: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of recommendation.

    The share of units whose true region comes first decides, in steps of one per cent; then fewer
    false positives, likewise; then relevance rank accuracy above chance.
    """
    order = table.assign(
        _first=-table["first"].round(2),
        _false=table["false_positive"].round(2),
        _rank=-table["rank_gain"],
        _broken=table["kind"] != "method",
    )
    names = ["_broken", "_first", "_false", "_rank", "method", "seed_output", "part"]
    order = order.sort_values(names, kind="stable", na_position="last")
    return order.drop(columns=["_first", "_false", "_rank", "_broken"]).reset_index(drop=True)


def _macro(
    values: ArrayLike, codes: NDArray[np.integer], weights: FloatArray | None = None
) -> tuple[float, float, float]:
    """Mean over cues of means over units, with its percentile interval."""
    values = np.asarray(values, dtype=np.float64)

    def mean(of: FloatArray) -> FloatArray:
        totals = []
        for code in np.unique(codes):
            mine = (codes == code) & np.isfinite(values)
            with np.errstate(invalid="ignore", divide="ignore"):
                totals.append((of[:, mine] @ values[mine]) / of[:, mine].sum(axis=1))
        return column_means(np.stack(totals))

    value = float(mean(np.ones((1, len(values))))[0])
    resampled = np.zeros(0) if weights is None else mean(weights)
    return value, *percentile_limits(resampled[np.isfinite(resampled)])


def sets_table(described: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per set: sizes, true regions, and the largest AUROC of a cue that should not tell."""
    rows = []
    for one in described:
        row = {key: value for key, value in one.items() if key != "provenance"}
        row["true_regions"] = " ".join(one["true_regions"])
        made: Mapping[str, Any] = {"where": "", **one["provenance"]}
        rows.append(
            {**row, **{key: made.get(key) for key in ("made_by", "where", "effect", "seed")}}
        )
    return pd.DataFrame(rows)


def places(scene: Scene) -> NDArray[np.int64]:
    """Index into :data:`PLACES` of every frame, shape (n_frames,)."""
    times = scene.times
    found = np.full(scene.axes.shape[1], PLACES.index("consonants"), dtype=np.int64)
    found[scene.sound & (scene.in_time(times.word) < 0.5)] = PLACES.index("beside_word")
    for k, nucleus in enumerate(times.nuclei, start=1):
        found[scene.in_time(nucleus) >= 0.5] = PLACES.index(f"vowel_{k}")
    for k, nucleus in enumerate(times.nuclei, start=1):
        for t in (nucleus.start_s, nucleus.end_s):
            found[scene.in_time(around(t, VOWEL_EDGE_S)) >= 0.5] = PLACES.index(f"vowel_edges_{k}")
    found[~scene.sound] = PLACES.index("padding")
    return found


def shares(
    words: LabSet, maps: NDArray[np.floating], part: str = "positive"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of each place in a map, and in the image's area, both of shape (n, n_places)."""
    relevance = np.full((len(maps), len(PLACES)), np.nan)
    area = np.zeros((len(maps), len(PLACES)))
    for i, (one, scene) in enumerate(zip(maps, words.scenes, strict=True)):
        where: NDArray[np.int64] = places(scene)
        values = np.abs(one) if part == "absolute" else np.maximum(one, 0.0)
        per_frame = values.sum(axis=0, dtype=np.float64)
        sums = np.bincount(where, per_frame, minlength=len(PLACES))
        if sums.sum() > 0:
            relevance[i] = sums / sums.sum()
        area[i] = np.bincount(where, minlength=len(PLACES)) / len(where)
    return relevance, area
