"""How much of what cues do together is due to each, and which of them depend on one another.

Effects of cues do not add up. With v(S) what moving the cues in S together does, the Shapley value
of a cue is what it adds on average over all orders in which the cues can be moved one after another
(Shapley 1953); the values sum to what all of them do. For two cues there is what they do together
beyond the sum of what each does alone, v(ij) - v(i) - v(j), and its mean over all sets of other
cues that move, too (Grabisch & Roubens 1999, *Int. J. Game Theory* 28:547-565). All are exact:
every subset was made by ``stressnet manipulate --subsets``.
"""

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.inference.jackknife import jackknife
from stressnet.inference.twoway import holm
from stressnet.manipulation.psychometric import clusters_of, counts_of
from stressnet.manipulation.verdicts import share_of_distance

ALL = "all"  # Name of the row about all cues together

MOST_MISSING = 0.25
"""Share of a token's subsets that may be missing since a stimulus failed its check; they are filled
by what cues and pairs do in the others (least squares)."""


def subsets_of(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All subsets of one or more names, small ones first."""
    return [some for n in range(1, len(names) + 1) for some in combinations(names, n)]


def shapley_weights(names: Sequence[str]) -> FloatArray:
    """What values of :func:`subsets_of` are multiplied by, shape (n_subsets, n_names)."""
    n = len(names)

    def weight(some: tuple[str, ...], name: str) -> float:
        others = len(some) - (name in some)
        share = factorial(others) * factorial(n - others - 1) / factorial(n)
        return share if name in some else -share

    return np.array([[weight(some, name) for name in names] for some in subsets_of(names)])


def interaction_weights(names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """The same for pairs of names, alone and over all other names, (n_subsets, n_pairs) each."""
    n, pairs = len(names), [set(pair) for pair in combinations(names, 2)]
    subsets = [set(some) for some in subsets_of(names)]
    signs = np.array([[-1.0 if len(s & pair) == 1 else 1.0 for pair in pairs] for s in subsets])
    others = np.array([[len(s - pair) for pair in pairs] for s in subsets])
    share = [factorial(k) * factorial(n - k - 2) / factorial(n - 1) for k in range(n - 1)]
    return signs * (others == 0), signs * np.array(share)[others]


def subset_swings(responses: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """What moving each subset from one end to the other does to one network, and the cues.

    A row per token of which at most :data:`MOST_MISSING` subsets are missing: ``token_id, speaker,
    word, stress, logit_difference`` (of the word as recorded), ``n_filled``, and per subset a
    column (``duration+f1``): the logit difference of the INITIAL-like end minus that of the
    FINAL-like one.
    """
    together = responses.loc[responses["kind"] == "subset", "cue"]
    names = max((str(cue).split("+") for cue in together), key=len, default=[])
    wanted = ["+".join(some) for some in subsets_of(names)]
    steps = responses[responses["kind"].isin(["single", "subset"])]
    ends = [
        steps[steps["position"] == at].pivot(
            index="token_id", columns="cue", values="logit_difference"
        )
        for at in (0.0, 1.0)
    ]
    if not names or set(wanted) - set(ends[0].columns):
        raise ConfigError("not every subset of the cues was made; run 'manipulate --subsets'")
    swings = (ends[0] - ends[1])[wanted]
    swings = swings[swings.isna().mean(axis=1) <= MOST_MISSING]
    n_filled = swings.isna().sum(axis=1)
    subsets = [set(some) for some in subsets_of(names)]
    terms = np.array([[float(t <= s) for t in subsets if len(t) <= 2] for s in subsets])
    for row in swings.index[n_filled > 0]:
        values = swings.loc[row].to_numpy(np.float64)
        known = np.isfinite(values)
        effects, *_ = np.linalg.lstsq(terms[known], values[known])
        swings.loc[row] = np.where(known, values, terms @ effects)
    swings = swings.assign(n_filled=n_filled)
    natural = responses.loc[
        responses["kind"] == "natural",
        ["token_id", "speaker", "word", "stress", "logit_difference"],
    ]
    return natural.merge(swings, left_on="token_id", right_index=True), names


def shapley_tables(responses: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shapley values of cues, and interactions of pairs, of one network.

    All are shares of the distance between the classes, with intervals over speakers and words:
    what a cue does ``alone``, its ``shapley`` value, and what it adds as the ``last`` one; in the
    row :data:`ALL` the sum of what each does alone, and twice what all do together. ``interaction``
    is what a pair does beyond the sum of both, ``index`` its mean over all sets of other cues.
    """
    table, names = subset_swings(responses)
    subsets, n = subsets_of(names), len(names)
    pairs = list(combinations(names, 2))
    alone, total = np.eye(len(subsets), n), np.eye(len(subsets))[:, -1:]
    last = total - np.column_stack(
        [[float(set(some) == set(names) - {name}) for some in subsets] for name in names]
    )
    weights = np.column_stack(
        [
            *(alone, alone.sum(axis=1), shapley_weights(names), total, last, total),
            *interaction_weights(names),
        ]
    )
    columns = ["+".join(some) for some in subsets]
    found = jackknife(
        lambda kept: share_of_distance(table, columns, kept) @ weights,
        len(table),
        clusters_of(table),
    )

    def part(name: str, start: int, n_rows: int) -> dict[str, FloatArray]:
        return {k: v[start : start + n_rows] for k, v in found.columns(name).items()}

    kinds = ("alone", "shapley", "last")
    cues = pd.DataFrame({"cue": [*names, ALL]})
    for place, kind in enumerate(kinds):
        cues = cues.assign(**part(kind, place * (n + 1), n + 1))
    start, counts = len(kinds) * (n + 1), dict[str, float](counts_of(table))
    both = pd.DataFrame(pairs, columns=["cue_1", "cue_2"])
    both = both.assign(**part("interaction", start, len(pairs)))
    counts |= {"share_filled": float(table["n_filled"].mean() / len(subsets))}
    p_value = found.p_value[start : start + len(pairs)]
    both = both.assign(p_value=p_value, p_holm=holm(p_value))
    both = both.assign(**part("index", start + len(pairs), len(pairs)))
    return cues.assign(**counts), both.assign(**counts)
