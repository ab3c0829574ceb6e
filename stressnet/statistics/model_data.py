"""The tokens of a mixed model: log ratios collected from a network's runs."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pandas as pd

from stressnet.errors import ConfigError
from stressnet.statistics.analysis import ModelEntry
from stressnet.statistics.mixed import Design, design
from stressnet.statistics.scan import NetworkRuns
from stressnet.statistics.walk import Walk


def collect(network: NetworkRuns, entry: ModelEntry, max_tokens: int = 5000) -> Design:
    """The data of one model.

    The response is log((a + offset) / (b + offset)) per token, a the region's measure, b that of
    ``other`` or of the region under ``null``. Training seeds are averaged per token. More tokens
    than ``max_tokens`` are sampled by a hash of their names, so that the sample depends on nothing
    else.

    Raises
    ------
    ConfigError
        If the runs lack a region, measure, null or factor.
    """
    name, region, other, null = entry.name, entry.region, entry.other, entry.null
    measure, fixed, offset = entry.measure, entry.fixed, entry.offset
    run = network.runs[0]
    for wanted in (region, *([other] if other else [])):
        if wanted not in run.regions:
            raise ConfigError(f"model '{name}': {run.path} has no region '{wanted}'")
    if measure not in run.measures:
        raise ConfigError(f"model '{name}': {run.path} has no measure '{measure}'")
    if null and any(r.null_source(null, measure) is None for r in network.runs):
        raise ConfigError(f"model '{name}': {run.path} has no null '{null}' of {measure}")
    known = {s.name: s for s in network.strata}
    factors = dict.fromkeys(part for term in fixed for part in term.split(":"))
    for factor in factors:
        if factor not in known:
            raise ConfigError(f"model '{name}': '{factor}' is no stratum of this analysis")
    share = min(1.0, max_tokens / network.n_tokens)
    sums: dict[str, list[float]] = {}
    about: dict[str, dict[str, object]] = {}
    for run in network.runs:
        tokens = run.tokens(network.token_columns)
        walk = Walk(((t["token_id"].to_numpy(object), t) for t in tokens), run.path)
        nulls = {measure: [null] if null else []}
        for ids, values, under in run.measured(
            [measure], nulls, [region, *([other] if other else [])]
        ):
            first = values[measure][:, 0]
            second = (np.mean(under[measure, null], axis=0) if null else values[measure])[:, -1]
            rows = walk.take_all(ids)
            kept = np.array([share >= 1 or crc32(i.encode()) < share * 2**32 for i in ids])
            levels = {f: known[f].level(rows) for f in factors}
            with np.errstate(invalid="ignore"):
                response = np.log((first + offset) / (second + offset))
            for i in np.flatnonzero(kept):
                token_id = str(ids[i])
                if token_id not in about:
                    about[token_id] = {
                        "token_id": token_id,
                        "speaker": str(rows["speaker"].iloc[i]),
                        "word": str(rows[network.word_column].iloc[i]),
                        **{f: levels[f].iloc[i] for f in factors},
                    }
                    sums[token_id] = [0.0, 0.0, 0.0]
                if np.isfinite(response[i]):
                    total = sums[token_id]
                    total[0] += response[i]
                    total[1] += first[i] - second[i]
                    total[2] += 1
    table = pd.DataFrame(list(about.values()))
    if table.empty:
        raise ConfigError(f"model '{name}': no tokens left")
    totals = np.array(list(sums.values()))
    with np.errstate(invalid="ignore", divide="ignore"):
        table["response"] = totals[:, 0] / totals[:, 2]
        table["raw_difference"] = totals[:, 1] / totals[:, 2]
    against = other or f"{region} under the null '{null}'"
    words = f"log(({measure} of {region} + {offset:g}) / ({measure} of {against} + {offset:g}))"
    return design(name, words, table, fixed, network.n_tokens)
