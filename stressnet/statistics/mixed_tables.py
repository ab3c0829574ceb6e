"""Fitted mixed models as rows of a table, and as a script for R."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from stressnet.statistics.mixed import Design, Fit

COLUMNS = (
    *("network", "model", "response", "term", "estimate", "se", "low", "high", "z", "p_value"),
    *("ratio", "ratio_low", "ratio_high", "standardised", "raw_difference"),
    *("sd_speaker", "sd_word", "sd_residual", "log_likelihood", "converged"),
    *("n_tokens", "n_words", "n_speakers", "n_seeds", "n_left_out", "n_available", "message"),
)


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
    """An R script that fits the model to its exported data with ``lme4``.

    Parameters
    ----------
    stem : str
        File name of the exported CSV without ``.csv``; the script writes ``<stem>_r.csv``.
    """
    terms = " + ".join(["1", *model.terms.values()])
    legend = "\n".join(f"#   {column}: {term}" for term, column in model.terms.items())
    names = ", ".join(f'"{t}"' for t in ("Intercept", *model.terms))
    return f"""\
# Mixed-effects model '{model.name}', written by stressnet.
# Response: {model.response}
# Coded columns (two levels: +0.5 and -0.5; more: deviations from the mean of levels):
{legend or "#   none"}
# Run in this folder: Rscript {stem}.R
library(lme4)

d <- read.csv("{stem}.csv", colClasses = c(speaker = "character", word = "character"))
m <- lmer(response ~ {terms} + (1 | speaker) + (1 | word), data = d, REML = TRUE)
print(summary(m))

if (requireNamespace("broom.mixed", quietly = TRUE)) {{
  print(broom.mixed::tidy(m, conf.int = TRUE))
}}
fixed <- coef(summary(m))
sds <- as.data.frame(VarCorr(m))
sd_of <- function(group) sds$sdcor[sds$grp == group]
out <- data.frame(
  term = c({names}),
  estimate = fixed[, "Estimate"],
  se = fixed[, "Std. Error"],
  sd_speaker = sd_of("speaker"),
  sd_word = sd_of("word"),
  sd_residual = sd_of("Residual"),
  log_likelihood = as.numeric(logLik(m))
)
write.csv(out, "{stem}_r.csv", row.names = FALSE)
"""
