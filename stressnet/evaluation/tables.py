"""Tables of an evaluation: scores, groups, words, speakers, comparisons, hardest tokens."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from stressnet.evaluation.sets import (
    TestSets,
    Unit,
    asked,
    class_indices,
    representatives,
    whole_sets,
)
from stressnet.inference.bootstrap import Estimate, bootstrapped, mean_of_sides
from stressnet.lexicon.stress import Stress
from stressnet.runs.options import SURE
from stressnet.training.calibration import calibration_error, reliability
from stressnet.training.comparison import compare
from stressnet.training.metrics import METRICS, evaluate, majority_readings, mean_over_words

CALIBRATION_METRICS = ("ece", "ece_calibrated", "ece_balanced", "ece_balanced_calibrated")
OF_THRESHOLD = ("balanced_accuracy", "recall_initial", "recall_final")
"""Also given at the calibrated threshold, and there for the answers that are sure."""
WORD_MEAN, WORD_AUROC = "word_mean", "word_auroc"
"""Balanced accuracy and AUROC within each word that shows both readings, averaged over those."""

ORACLE = "majority reading of each word (no sound)"
"""Name of the oracle that stands beside the networks, see
:func:`stressnet.training.metrics.majority_readings`."""

GROUPS = ("sex", "unstressed_vowel", "phrase_position", "speaker_is_known")


def scores_table(
    units: Sequence[Unit], tests: TestSets, *, seed: int, n_resamples: int
) -> pd.DataFrame:
    """All metrics of all networks, and of :data:`ORACLE`, on all test sets.

    One row per ``model``, ``test_set`` and ``metric``: ``estimate``, ``low``, ``high``, ``n``,
    ``n_initial``, ``n_final``, ``n_speakers``, ``n_words``, ``majority_rate``, ``reason``.
    """
    how = {"seed": seed, "n_resamples": n_resamples}
    rows: list[dict[str, Any]] = []
    for unit in units:
        for name, mask in tests.masks.items():
            part, scores = tests.tokens[mask], unit.logit_difference[mask]
            about = {"model": unit.name, "test_set": name}
            calibration = _calibration(unit, part, scores, how)
            rows += [{**about, **row} for row in _scores(part, scores, calibration, how)]
    for name, mask in tests.masks.items():
        part, about = tests.tokens[mask], {"model": ORACLE, "test_set": name}
        rows += [{**about, **row} for row in _scores(part, _oracle(part), {}, how)]
    return pd.DataFrame(rows)


def _oracle(part: pd.DataFrame) -> NDArray[np.float64]:
    return majority_readings(class_indices(part), part["lemma"])


def _scores(
    part: pd.DataFrame,
    scores: NDArray[np.float64],
    calibration: dict[str, Estimate],
    how: dict[str, int],
) -> list[dict[str, Any]]:
    """A row per metric of some answers."""
    result = evaluate(*asked(part, scores), **how)
    within, by_word = mean_over_words(*asked(part, scores), **how)
    found = {**result.metrics, WORD_MEAN: within["balanced_accuracy"], WORD_AUROC: within["auroc"]}
    both = {"n": int(by_word[["n_initial", "n_final"]].to_numpy().sum()), "n_words": len(by_word)}
    rows = []
    for metric, estimate in {**found, **calibration}.items():
        counts = result.counts | (both if metric in (WORD_MEAN, WORD_AUROC) else {})
        rows.append({"metric": metric, **estimate.columns(), **counts, "reason": estimate.reason})
    return rows


def _calibration(
    unit: Unit, part: pd.DataFrame, scores: NDArray[np.float64], how: dict[str, int]
) -> dict[str, Estimate]:
    kinds, fitted = unit.probabilities(scores), unit.calibration
    missing = "no validation tokens to calibrate on"
    if unit.is_vote:
        missing = "a vote has no probability"
    found = {}
    for metric in CALIBRATION_METRICS:
        p = kinds.get("calibrated" if metric.endswith("_calibrated") else "plain")
        found[metric] = (
            Estimate(np.nan, np.nan, np.nan, missing)
            if p is None
            else calibration_error(*asked(part, p), balanced="balanced" in metric, **how)
        )
    if fitted is None:
        return found
    unsure = Estimate(np.nan, np.nan, np.nan, "no answer is sure")
    sure = np.abs(kinds["calibrated"] - 0.5) >= SURE - 0.5
    for suffix, kept in (("_calibrated", np.ones_like(sure)), ("_sure", sure)):
        own = asked(part[kept], scores[kept] - fitted.threshold)
        metrics = evaluate(*own, **how).metrics if kept.any() else dict.fromkeys(METRICS, unsure)
        found |= {f"{metric}{suffix}": metrics[metric] for metric in OF_THRESHOLD}
    share = partial(mean_of_sides, values=sure.astype(np.float64), sides=[slice(None)])
    return found | {"share_sure": bootstrapped(share, part["speaker"], part["lemma"], **how)}


def _parts(
    units: Sequence[Unit], tests: TestSets
) -> Iterator[tuple[Unit, str, pd.DataFrame, NDArray[np.float64]]]:
    """Ensembles and networks in none, with the tokens of each whole test set and their answers."""
    for unit in representatives(units):
        for name in whole_sets(tests.masks):
            mask = tests.masks[name]
            yield unit, name, tests.tokens[mask], unit.logit_difference[mask]


def pairs_table(units: Sequence[Unit], tests: TestSets) -> pd.DataFrame:
    """Words that show both readings, one row per network, test set and word."""
    parts = []
    for unit, name, part, scores in _parts(units, tests):
        _, by_word = mean_over_words(*asked(part, scores), n_resamples=1)
        parts.append(by_word.assign(model=unit.name, test_set=name))
    table = pd.concat(parts, ignore_index=True)
    return table[["model", "test_set", *[c for c in table if c not in ("model", "test_set")]]]


def groups_table(
    units: Sequence[Unit], tests: TestSets, *, seed: int, n_resamples: int
) -> pd.DataFrame:
    """Scores by sex, unstressed vowel (reduced or full), place in the phrase, and known voice.

    One row per ``model``, ``test_set``, ``group``, ``level`` and metric (accuracy, balanced
    accuracy, both recalls), with the columns of :func:`scores_table`.
    """
    rows = []
    for unit, name, part, scores in _parts(units, tests):
        for group in GROUPS:
            levels = part[group].astype(str).to_numpy()
            for level in sorted(set(levels)):
                chosen = levels == level
                few = asked(part[chosen], scores[chosen])
                result = evaluate(*few, seed=seed, n_resamples=n_resamples)
                for metric in "accuracy balanced_accuracy recall_initial recall_final".split():
                    row = {"model": unit.name, "test_set": name, "group": group}
                    row |= {"level": level or "unknown", "metric": metric}
                    rows.append({**row, **result.metrics[metric].columns(), **result.counts})
    return pd.DataFrame(rows).drop(columns=["n_words", "majority_rate"], errors="ignore")


def cluster_table(units: Sequence[Unit], tests: TestSets, column: str) -> pd.DataFrame:
    """Hits per word family (``lemma``) or ``speaker``, worst first.

    One row per ``model``, ``test_set`` and value of ``column``; ``mean_p_true`` is the mean
    uncalibrated probability of the true class, missing for votes. Speakers have their ``sex``,
    families the forms met (``words``).
    """
    rows = []
    for unit, name, part, scores in _parts(units, tests):
        first = class_indices(part) == 0
        p_true = np.nan if unit.is_vote else expit(scores * (2.0 * first - 1.0))
        part = part.assign(hit=(scores >= 0) == first, p_true=p_true)
        for value, few in part.groupby(column, sort=True):
            side = few["class_index"] == 0
            extra = (
                {"sex": few["sex"].iloc[0]}
                if column == "speaker"
                else {"words": " ".join(sorted(set(few["word"])))}
            )
            counts = {"n": len(few), "n_initial": int(side.sum()), "n_final": int((~side).sum())}
            means = {
                "accuracy": few["hit"].mean(),
                "recall_initial": few.loc[side, "hit"].mean(),
                "recall_final": few.loc[~side, "hit"].mean(),
                "mean_p_true": few["p_true"].mean(),
            }
            about = {"model": unit.name, "test_set": name, column: value}
            rows.append({**about, **extra, **counts, **means})
    table = pd.DataFrame(rows)
    names = [unit.name for unit in units]
    return table.sort_values(
        ["model", "test_set", "accuracy", "n"],
        ascending=[True, True, True, False],
        key=lambda column: pd.Categorical(column, names) if column.name == "model" else column,
        ignore_index=True,
    )


def comparison_table(
    units: Sequence[Unit], tests: TestSets, *, seed: int, n_resamples: int
) -> pd.DataFrame:
    """Every pair of networks (ensembles instead of their members) on every test set.

    Each is compared with :data:`ORACLE`, too. Differences are first minus second, with clustered
    intervals.
    """
    rows = []
    networks = {unit.name: unit.logit_difference for unit in representatives(units)}
    for first, second in combinations([*networks, ORACLE], 2):
        for name, mask in tests.masks.items():
            part = tests.tokens[mask]
            theirs = _oracle(part) if second == ORACLE else networks[second][mask]
            labels, ours, *clusters = asked(part, networks[first][mask])
            found = compare(labels, ours, theirs, *clusters, seed=seed, n_resamples=n_resamples)
            row: dict[str, Any] = {"first": first, "second": second, "test_set": name}
            for key in ("n", "only_first", "only_second", "mcnemar_p"):
                row[key] = getattr(found, key)
            for metric in ("accuracy", "balanced_accuracy"):
                value, low, high = getattr(found, metric).columns().values()
                row |= {f"{metric}_difference": value, f"{metric}_low": low, f"{metric}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def seeds_table(units: Sequence[Unit], scores: pd.DataFrame) -> pd.DataFrame:
    """How networks that differ in their seed only scatter, beside their ensemble."""
    keys, parts = ["test_set", "metric"], []
    for unit in units:
        if len(unit.members) > 1:
            members = scores[scores["model"].isin(unit.members)]
            found = members.groupby(keys, sort=False)["estimate"].agg(
                n_seeds="size", mean=pd.Series.mean, sd=pd.Series.std, min="min", max="max"
            )
            own = scores[scores["model"] == unit.name].set_index(keys)["estimate"]
            found = found.assign(ensemble=own).reset_index()
            found.insert(0, "model", unit.name)
            parts.append(found)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def agreement_table(
    units: Sequence[Unit], tests: TestSets, *, seed: int, n_resamples: int
) -> pd.DataFrame:
    """How often ensembles are right when so many of their members give their answer.

    One row per ensemble, test set and ``n_agreeing``, and one for all its tokens (nan):
    ``accuracy`` with its interval, and ``mean_probability`` of the answer, calibrated where there
    is a temperature. The rows for all tokens also have the areas under the curve by which wrong
    answers are told from right ones: ``auroc_disagreement`` by the standard deviation of the
    members' logit differences, ``auroc_margin`` by the mean's distance from zero.
    """
    rows = []
    for unit, name, part, scores in _parts(units, tests):
        if unit.each is None or len(unit.each) < 2:
            continue
        each, signs = unit.each[:, tests.masks[name]], np.where(scores >= 0, 1.0, -1.0)
        agreeing = ((each >= 0) == (scores >= 0)).sum(axis=0)
        right = (class_indices(part) == Stress.INITIAL.class_index) == (scores >= 0)
        p = list(unit.probabilities(scores).values())[-1]
        sure = np.where(signs > 0, p, 1 - p)
        for count in (np.nan, *sorted(set(agreeing.tolist()))):
            chosen = np.isnan(count) | (agreeing == count)
            hits = right[chosen].astype(np.float64)
            figure = partial(mean_of_sides, values=hits, sides=[slice(None)])
            clusters = part.loc[chosen, "speaker"], part.loc[chosen, "lemma"]
            found = bootstrapped(figure, *clusters, seed=seed, n_resamples=n_resamples)
            row = {"model": unit.name, "test_set": name, "n_members": len(each)}
            row |= {"n_agreeing": count, "n": len(hits), **found.columns("accuracy")}
            row["mean_probability"] = float(sure[chosen].mean())
            if np.isnan(count) and 0 < hits.mean() < 1:
                row["auroc_disagreement"] = roc_auc_score(~right, each.std(axis=0, ddof=1))
                row["auroc_margin"] = roc_auc_score(~right, -np.abs(scores))
            rows.append(row)
    return pd.DataFrame(rows).rename(columns={"accuracy_low": "low", "accuracy_high": "high"})


def reliability_table(units: Sequence[Unit], tests: TestSets) -> pd.DataFrame:
    """Bins of the reliability figure for every network, test set, and kind of probability."""
    parts = []
    for unit, name, part, scores in _parts(units, tests):
        for kind, p in unit.probabilities(scores).items():
            for balanced in (False, True):
                bins = reliability(class_indices(part), p, balanced=balanced)
                about = (unit.name, name, kind, balanced)
                for place, column in enumerate(("model", "test_set", "probability", "balanced")):
                    bins.insert(place, column, about[place])
                parts.append(bins)
    return pd.concat(parts, ignore_index=True)


def predictions_of(units: Sequence[Unit], tests: TestSets) -> pd.DataFrame:
    """What every network says of every token, one row per token and network."""
    contrast = tests.contrast
    columns = "token_id split speaker sex lemma word".split()
    columns += [contrast.column, "label_source", "speaker_is_known"]
    columns += ["is_prosody_only_pair", "unstressed_vowel", "phrase_position"]
    parts = []
    for unit in units:
        scores = unit.logit_difference
        part = tests.tokens[columns].rename(columns={contrast.column: contrast.true})
        part.insert(0, "model", unit.name)
        said = np.where(scores >= 0, *map(str, contrast.classes))
        kinds = unit.probabilities(scores)
        p = {"logit_difference": scores, contrast.p: kinds.get("plain", np.nan)}
        if "calibrated" in kinds:
            p[f"{contrast.p}_calibrated"] = kinds["calibrated"]
        parts.append(part.assign(**{contrast.predicted: said}, **p))
    return pd.concat(parts, ignore_index=True)


def hardest_tokens(unit: Unit, tests: TestSets, n: int) -> pd.DataFrame:
    """The tokens of any test set on which a network is most wrong, worst first."""
    tokens, sets = tests.tokens, tests.masks
    inside = np.any(list(sets.values()), axis=0)
    first = class_indices(tokens) == 0
    margin = unit.logit_difference * (2.0 * first - 1.0)
    table = tokens.assign(p_true=expit(margin), margin=margin)[inside]
    names = np.array(whole_sets(sets), dtype=object)
    where = np.stack([sets[name] for name in names])[:, inside].argmax(axis=0)
    return table.assign(test_set=names[where]).nsmallest(n, "margin").reset_index(drop=True)
