"""Mixed models: their tokens from a network's runs, and the fits as a table and a script for R."""

import re
from importlib import resources
from zlib import crc32

import numpy as np
import pandas as pd
from scipy.stats import norm

from stressnet.errors import ConfigError
from stressnet.statistics.accumulate import NetworkRuns
from stressnet.statistics.analysis import ModelEntry
from stressnet.statistics.mixed import Design, Fit, design
from stressnet.statistics.stream import Walk

COLUMNS = (
    *("network", "model", "response", "term", "estimate", "se", "low", "high", "z", "p_value"),
    *("ratio", "ratio_low", "ratio_high", "standardised", "raw_difference"),
    *("sd_speaker", "sd_word", "sd_residual", "log_likelihood", "converged"),
    *("n_tokens", "n_words", "n_speakers", "n_seeds", "n_left_out", "n_available", "message"),
)


def collect(network: NetworkRuns, entry: ModelEntry, max_tokens: int = 5000) -> Design:
    """The data of one model.

    The response is log((a + offset) / (b + offset)) per token, a the region's measure, b that of
    ``other`` or of the region under ``null``. Training seeds are averaged per token. More tokens
    than ``max_tokens`` are sampled by a hash of their names, so that the sample depends on nothing
    else. Raises :class:`ConfigError` if the runs lack a region, measure, null or factor.
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


def fit_rows(
    network: str, model: Design, fitted: Fit, n_seeds: int, level: float = 0.95
) -> pd.DataFrame:
    """A fitted model as a table, one row per fixed effect, with columns :data:`COLUMNS`.

    ``ratio`` is the effect taken out of the logarithm; ``standardised`` the effect divided by the
    square root of all variances (Westfall, Kenny & Judd 2014); ``raw_difference`` the plain
    difference of mean densities, or of that difference between two levels.
    """
    half = norm.ppf(0.5 + level / 2) * fitted.error
    low, high = fitted.estimate - half, fitted.estimate + half
    total = float(np.sqrt(sum(s**2 for s in fitted.sd.values())))
    data = model.data
    raw = []
    for term in fitted.terms:
        if term == "Intercept":
            raw.append(float(data["raw_difference"].mean()))
        elif term in model.comparisons:
            factor, one, other = model.comparisons[term]
            means = data.groupby(factor)["raw_difference"].mean()
            raw.append(float(means[one] - means[other]))
        else:
            raw.append(np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = fitted.estimate / fitted.error
    rows = pd.DataFrame(
        {
            "term": list(fitted.terms),
            "estimate": fitted.estimate,
            "se": fitted.error,
            "low": low,
            "high": high,
            "z": z,
            "p_value": 2 * norm.sf(np.abs(z)),
            "ratio": np.exp(fitted.estimate),
            "ratio_low": np.exp(low),
            "ratio_high": np.exp(high),
            "standardised": fitted.estimate / total if total > 0 else np.nan,
            "raw_difference": raw,
        }
    ).assign(
        network=network,
        model=model.name,
        response=model.response,
        **{f"sd_{name}": value for name, value in fitted.sd.items()},
        log_likelihood=fitted.log_likelihood,
        converged=fitted.converged,
        n_tokens=len(data),
        n_words=data["word"].nunique(),
        n_speakers=data["speaker"].nunique(),
        n_seeds=n_seeds,
        n_left_out=model.n_left_out,
        n_available=model.n_available,
        message=fitted.message,
    )
    return rows[list(COLUMNS)]


def r_script(model: Design, stem: str) -> str:
    """An R script that fits the model to its exported data, ``<stem>.csv``, with ``lme4``."""
    terms = " + ".join(["1", *model.terms.values()])
    legend = "\n".join(f"#   {column}: {term}" for term, column in model.terms.items())
    names = ", ".join(f'"{t}"' for t in ("Intercept", *model.terms))
    values = {
        "NAME": model.name,
        "RESPONSE": model.response,
        "LEGEND": legend or "#   none",
        "STEM": stem,
        "TERMS": terms,
        "NAMES": names,
    }
    script = resources.files("stressnet.statistics").joinpath("mixed_model.R").read_text("utf-8")
    return re.sub("@([A-Z]+)@", lambda found: values[found[1]], script)
