"""Linear mixed-effects models with speaker and word as crossed random effects.

The response is the logarithm of a ratio per token: of a region's density to another's, or to its
null's, both plus a small offset, since a density can be zero. Factors are coded so that the
intercept is the unweighted mean over levels, and the effect of a factor with two levels their
difference. ``statsmodels`` fits by restricted maximum likelihood; its optimiser stops early on
crossed effects and says that it converged, so it starts at the maximum of the same likelihood,
profiled over the variances (Bates et al. 2015, *Journal of Statistical Software* 67(1), equation
41), and a fit whose likelihood falls behind is reported as not converged.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.inference.twoway import MIN_CLUSTERS, TOO_FEW

GROUPS = ("speaker", "word")  # The crossed random effects
LIKELIHOOD_TOLERANCE = 0.01  # A log-likelihood further below the profiled maximum has not converged
_NO_VARIANCE = 1e-3  # standard deviation relative to the residual's


@dataclass(frozen=True)
class Design:
    """The data of a model and its response, in words."""

    name: str
    response: str
    # One row per token: `token_id`, `response`, `raw_difference`, `speaker`, `word`, the factors,
    # and the coded columns named in `terms`.
    data: pd.DataFrame
    # Readable name of each fixed effect (beside the intercept) to its coded column.
    terms: dict[str, str]
    # For factors of two levels: term to factor, first and second level.
    comparisons: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    # Tokens without the response or a factor, and tokens before sampling.
    n_left_out: int = 0
    n_available: int = 0


def design(
    name: str, response: str, tokens: pd.DataFrame, fixed: Sequence[str], n_available: int = 0
) -> Design:
    """Code the fixed effects of a model.

    ``tokens`` have columns ``token_id``, ``response``, ``raw_difference``, ``speaker``, ``word``
    and factors; in ``fixed``, ``a:b`` is the interaction of two factors that are also listed;
    ``n_available`` are tokens before sampling, the number of rows if left out. Raises
    :class:`ConfigError` if a factor is missing or has only one level, or an interaction lacks a
    main effect.
    """
    factors = [f for f in fixed if ":" not in f]
    missing = [f for f in factors if f not in tokens.columns]
    if missing:
        raise ConfigError(f"model '{name}': no factor '{missing[0]}' among the strata")
    whole = tokens[tokens[["response", *factors]].notna().all(axis=1)].reset_index(drop=True)
    coded: dict[str, list[tuple[str, FloatArray]]] = {}
    comparisons = {}
    for factor in factors:
        values = whole[factor].astype(str)
        levels = sorted(values.unique(), reverse=factor == "stress")
        if len(levels) < 2:
            raise ConfigError(f"model '{name}': all tokens have one level of '{factor}'")
        if len(levels) == 2:
            column = np.where(values == levels[0], 0.5, -0.5)
            term = f"{factor}[{levels[0]} - {levels[1]}]"
            coded[factor] = [(term, column)]
            comparisons[term] = (factor, levels[0], levels[1])
        else:
            last = (values == levels[-1]).to_numpy(np.float64)
            coded[factor] = [
                (f"{factor}[{one} - mean]", (values == one).to_numpy(np.float64) - last)
                for one in levels[:-1]
            ]
    for interaction in (f for f in fixed if ":" in f):
        parts = interaction.split(":")
        if any(part not in coded for part in parts):
            raise ConfigError(f"model '{name}': '{interaction}' needs both factors in 'fixed' too")
        products: list[tuple[str, FloatArray]] = [("", np.ones(len(whole)))]
        for part in parts:
            products = [
                (f"{a}:{b}".removeprefix(":"), x * y) for a, x in products for b, y in coded[part]
            ]
        coded[interaction] = products
    terms, columns = {}, {}
    for i, (term, column) in enumerate(pair for pairs in coded.values() for pair in pairs):
        terms[term] = f"x{i + 1}"
        columns[f"x{i + 1}"] = column
    kept = ["token_id", "response", "raw_difference", *GROUPS, *factors]
    data = whole[kept].assign(**columns)
    n_left_out = len(tokens) - len(whole)
    return Design(name, response, data, terms, comparisons, n_left_out, n_available or len(tokens))


@dataclass(frozen=True)
class Fit:
    """A fitted model: fixed effects with errors, and standard deviations of random effects."""

    terms: tuple[str, ...]
    estimate: FloatArray
    error: FloatArray
    sd: dict[str, float]
    log_likelihood: float
    converged: bool
    message: str


def fit(model: Design) -> Fit:
    """Fit a model by restricted maximum likelihood."""
    names = ("Intercept", *model.terms)
    for group in GROUPS:
        n = model.data[group].nunique()
        if n < MIN_CLUSTERS:
            return _unfitted(names, f"{n} {group}s: {TOO_FEW}")
    y = model.data["response"].to_numpy(np.float64)
    x = np.column_stack([np.ones(len(y)), *(model.data[c] for c in model.terms.values())])
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return _unfitted(names, "fixed effects determine one another; name fewer factors")
    if len(y) <= x.shape[1] + len(GROUPS) or np.ptp(y) == 0:
        return _unfitted(names, "too few tokens, or the response does not vary")
    theta, likelihood = profile(y, x, [model.data[group].to_numpy() for group in GROUPS])
    # statsmodels sorts variance components by name, and so does GROUPS.
    kept = {g: t for g, t in zip(GROUPS, theta, strict=True) if t > _NO_VARIANCE}
    fitted = _statsmodels(model, x, y, kept) if kept else _without_groups(names, x, y)
    converged = fitted.converged
    notes = [f"no variance between {g}s" for g in GROUPS if g not in kept]
    behind = likelihood - fitted.log_likelihood
    if kept and behind > LIKELIHOOD_TOLERANCE:
        converged = False
        notes.append(f"log-likelihood {behind:.2f} below its maximum")
    if not np.isfinite(fitted.error).all():
        converged = False
        notes.append("a standard error is not finite")
    message = "; ".join([*notes, *([fitted.message] if fitted.message else [])])
    return replace(fitted, converged=converged, message=message)


def _unfitted(names: tuple[str, ...], message: str) -> Fit:
    nothing = np.full(len(names), np.nan)
    sd = dict.fromkeys([*GROUPS, "residual"], np.nan)
    return Fit(names, nothing, nothing.copy(), sd, np.nan, False, message)


def _without_groups(names: tuple[str, ...], x: FloatArray, y: FloatArray) -> Fit:
    """Ordinary least squares, where no group varies."""
    import statsmodels.api as sm

    plain = sm.OLS(y, x).fit()
    sd = {**dict.fromkeys(GROUPS, 0.0), "residual": float(np.sqrt(plain.scale))}
    likelihood = -0.5 * _deviance(np.zeros(0), _Crossed(y, x, []))
    return Fit(names, plain.params, plain.bse, sd, likelihood, True, "")


def _statsmodels(model: Design, x: FloatArray, y: FloatArray, theta: dict[str, float]) -> Fit:
    """Fitted from the profiled maximum, with the groups in ``theta`` (relative deviations)."""
    import statsmodels.api as sm
    from statsmodels.regression.mixed_linear_model import MixedLMParams

    names = ("Intercept", *model.terms)
    columns = [f"f{i}" for i in range(x.shape[1])]
    frame = model.data.assign(**dict(zip(columns, x.T, strict=True)))
    start = MixedLMParams.from_components(
        fe_params=np.linalg.lstsq(x, y, rcond=None)[0],
        vcomp=np.array([value**2 for value in theta.values()]),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mixed = sm.MixedLM.from_formula(
            "response ~ 0 + " + " + ".join(columns),
            groups=np.ones(len(y)),
            vc_formula={group: f"0 + C({group})" for group in theta},
            re_formula="0",
            data=frame,
        )
        try:
            result = mixed.fit(reml=True, method="lbfgs", start_params=start)
        except np.linalg.LinAlgError as error:
            return replace(_unfitted(names, f"statsmodels: {error}"), log_likelihood=-np.inf)
    deviations = (float(np.sqrt(max(variance, 0.0))) for variance in result.vcomp)
    sd = dict.fromkeys(GROUPS, 0.0) | dict(zip(theta, deviations, strict=True))
    remarks = sorted({str(w.message).splitlines()[0] for w in caught})
    return Fit(
        names,
        np.asarray(result.fe_params, dtype=np.float64),
        np.asarray(result.bse_fe, dtype=np.float64),
        {**sd, "residual": float(np.sqrt(result.scale))},
        float(result.llf),
        bool(result.converged),
        "" if result.converged else "; ".join(remarks),
    )


class _Crossed:
    """Cross products of a model with random intercepts, from which its deviance follows."""

    def __init__(self, y: FloatArray, x: FloatArray, groups: Sequence[NDArray[Any]]) -> None:
        indicators = []
        for group in groups:
            codes = pd.factorize(group)[0]
            n = len(codes)
            indicators.append(csr_matrix((np.ones(n), (np.arange(n), codes))))
        self.sizes = [z.shape[1] for z in indicators]
        xy = np.column_stack([x, y])
        self.n, self.p = x.shape
        self.fixed = xy.T @ xy
        if indicators:
            z = hstack(indicators).tocsr()
            self.random = (z.T @ z).toarray()
            self.between = z.T @ xy


def _deviance(theta: FloatArray, crossed: _Crossed) -> float:
    """-2 restricted log-likelihood, profiled over fixed effects and residual variance."""
    log_det, inner = 0.0, crossed.fixed
    if crossed.sizes:
        scale = np.repeat(np.abs(theta), crossed.sizes)
        system = scale[:, None] * crossed.random * scale
        system[np.diag_indices_from(system)] += 1.0
        lower = np.linalg.cholesky(system)
        half = solve_triangular(lower, scale[:, None] * crossed.between, lower=True)
        inner = crossed.fixed - half.T @ half
        log_det = 2 * float(np.log(np.diag(lower)).sum())
    p = crossed.p
    beta = np.linalg.solve(inner[:p, :p], inner[:p, p])
    rest = float(inner[p, p] - inner[p, :p] @ beta)
    df = crossed.n - p
    det_x = float(np.linalg.slogdet(inner[:p, :p])[1])
    return log_det + det_x + df * (1 + float(np.log(2 * np.pi * rest / df)))


def profile(
    y: FloatArray, x: FloatArray, groups: Sequence[NDArray[Any]]
) -> tuple[FloatArray, float]:
    """Where the restricted likelihood of crossed random intercepts has its maximum, and its log."""
    crossed = _Crossed(y, x, groups)
    best = minimize(
        _deviance,
        np.full(len(groups), 0.5),
        args=(crossed,),
        method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-6},
    )
    return np.abs(best.x), -0.5 * float(best.fun)
