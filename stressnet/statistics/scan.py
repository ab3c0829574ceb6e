"""What a network's runs hold, before anything is summed: clusters, strata, how many tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stressnet.errors import ConfigError, CorpusError
from stressnet.statistics.strata import (
    ALL,
    DURATION_STEP_S,
    MAX_LEVELS,
    Stratum,
    get_strata,
    sort_levels,
    tertile_limits,
)
from stressnet.statistics.stream import RunTables
from stressnet.statistics.sums import CELL_LIMIT, Clusters

MAX_DURATION_S = 10.0


@dataclass(frozen=True)
class NetworkRuns:
    """The runs of one network, one per training seed, and what their tokens are like.

    Parameters
    ----------
    word_column : str
        Which column says what counts as one word.
    levels : dict of str to list of str
        The levels that occur, per stratum.
    n_tokens : int
        Tokens of the largest run.
    """

    name: str
    runs: tuple[RunTables, ...]
    seeds: tuple[int, ...]
    word_column: str
    clusters: Clusters
    strata: tuple[Stratum, ...]
    levels: dict[str, list[str]]
    n_tokens: int

    @property
    def token_columns(self) -> list[str]:
        """Columns of tokens that clusters and strata need."""
        needed = [c for stratum in self.strata for c in stratum.columns]
        return list(dict.fromkeys(["speaker", self.word_column, "stress", *needed]))


def scan(
    name: str,
    runs: Sequence[RunTables],
    seeds: Sequence[int],
    strata: Sequence[str],
    word_unit: str = "family",
) -> NetworkRuns:
    """Walk once along the tokens of a network's runs.

    Parameters
    ----------
    word_unit : str
        Column that says what counts as one word: ``family`` (forms of a lemma are one word) or
        ``word``; where the runs lack a family, the word is taken.

    Raises
    ------
    ConfigError
        If a seed occurs twice, or a stratum is unknown, has no level, or too many.
    CorpusError
        If a token lacks speaker or word.
    """
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"network '{name}' has two runs of one training seed; number them apart")
    available = [c for c in runs[0].token_columns if all(c in r.token_columns for r in runs)]
    column = word_unit if word_unit in available else "word"
    limits = _duration_limits(runs[0]) if any("duration" in s for s in strata) else None
    chosen = get_strata(strata, available, limits)
    columns = dict.fromkeys(["speaker", column, *(c for s in chosen for c in s.columns)])
    speakers: set[str] = set()
    words: set[str] = set()
    cells: set[tuple[str, str]] = set()
    levels: dict[str, set[str]] = {s.name: set() for s in chosen}
    n_tokens = []
    for run in runs:
        n = 0
        for tokens in run.tokens(list(columns)):
            n += len(tokens)
            for c in ("speaker", column):
                if tokens[c].isna().any():
                    raise CorpusError(
                        f"{run.path}/tokens.parquet: a token has no {c}; "
                        f"run stressnet explain again"
                    )
            who, what = tokens["speaker"].astype(str), tokens[column].astype(str)
            speakers.update(who.unique())
            words.update(what.unique())
            if len(cells) <= CELL_LIMIT:
                cells.update(zip(who, what, strict=True))
            for stratum in chosen:
                found = levels[stratum.name]
                found.update(v for v in stratum.level(tokens).unique() if isinstance(v, str))
                if len(found) > MAX_LEVELS:
                    raise ConfigError(
                        f"stratum '{stratum.name}' has more than {MAX_LEVELS} levels; "
                        f"choose a coarser one"
                    )
        if not n:
            raise CorpusError(f"{run.path}: holds no tokens; run stressnet explain again")
        n_tokens.append(n)
    by_speaker, by_word = sorted(speakers), sorted(words)
    coded = None
    if len(cells) <= CELL_LIMIT:
        s, w = ({name: i for i, name in enumerate(names)} for names in (by_speaker, by_word))
        coded = tuple(sorted((s[a], w[b]) for a, b in cells))
    clusters = Clusters(tuple(by_speaker), tuple(by_word), coded, len(runs))
    return NetworkRuns(
        name,
        tuple(runs),
        tuple(seeds),
        column,
        clusters,
        tuple(chosen),
        {ALL: [ALL], **{s: sort_levels(sorted(v)) for s, v in levels.items()}},
        max(n_tokens),
    )


def _duration_limits(run: RunTables) -> tuple[float, float]:
    n_bins = round(MAX_DURATION_S / DURATION_STEP_S)
    counts = np.zeros(n_bins, dtype=np.intp)
    if "duration_s" not in run.token_columns:
        raise ConfigError("stratum 'duration' needs the column duration_s, which the tokens lack")
    for tokens in run.tokens(["duration_s"]):
        seconds = tokens["duration_s"].dropna().to_numpy(np.float64)
        bins = np.clip(np.floor(seconds / DURATION_STEP_S).astype(np.intp), 0, n_bins - 1)
        counts += np.bincount(bins, minlength=n_bins)
    return tertile_limits(counts)
