"""Intervals for numbers that come in two crossed kinds of clusters: who spoke and what was said.

Everything here is an estimate that is smooth in a few totals (a mean, a ratio of means, a product
of powers of means), linearised: each cluster g contributes U_g, and

    V = c_s Σ_speakers U² + c_w Σ_words U² - Σ_cells U²

where a cell is a speaker saying a word (Cameron, Gelbach & Miller 2011, *Journal of Business &
Economic Statistics* 29:238-249). Where the last term takes out too much, which happens by chance
with few clusters, the larger one-way term stays. c corrects the bias of few or unequal clusters,
and the t distribution gets the degrees of freedom of Satterthwaite, as Bell & McCaffrey (2002,
*Survey Methodology* 28:169-181) do for a mean of unequal clusters. Where the effective number of
clusters is below :data:`MIN_EFFECTIVE`, no interval is given, and a reason instead; where only
speakers are too few, the interval is over words and says so.
``docs/statistics.md`` shows how well that works.

For one kind of clusters there are ratios of totals (:func:`ratio_intervals`), and a test that flips
signs: if nothing distinguishes observed from null, each cluster's total difference is as likely
with either sign (Fisher's randomisation test). A studentised bootstrap does as well with equal
clusters, but its limits run away where few clusters outweigh the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import t as student

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError

SIGNED_MEASURES = ("signed_", "net_")
"""How names of measures begin that can be negative; shares, densities and scores cannot."""

MIN_CLUSTERS = 5  # With fewer speakers or words there is no honest interval and none is given

TOO_FEW = f"fewer than {MIN_CLUSTERS}"

MIN_EFFECTIVE = 3.0  # The same for the effective number (Σ w)² / Σ w² of clusters of weight w
MIN_DF = 2.0  # With fewer degrees of freedom an interval's width is luck

ONLY_THESE = "these speakers only, over words; "
"""Begins the note on an interval that says nothing of other speakers."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; nan where it does not exist, and why, or its limitation."""

    value: float
    low: float
    high: float
    reason: str = ""

    def columns(self, name: str = "") -> dict[str, float]:
        """For tables: ``estimate``, ``low``, ``high``, or ``name``, ``name_low``, ``name_high``."""
        keys = (name, f"{name}_low", f"{name}_high") if name else ("estimate", "low", "high")
        return dict(zip(keys, (self.value, self.low, self.high), strict=True))


@dataclass(frozen=True)
class Inference:
    """Estimates with standard errors, limits and tests, each of shape (n_quantities,).

    What is not estimable is NaN, with a ``reason``; so is ``df``, the degrees of freedom of the t
    distribution, where nothing varies. ``p_value`` is two-sided, that the value is zero (of
    logarithms: the ratio one).
    """

    value: FloatArray
    error: FloatArray
    df: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray
    reason: NDArray[np.object_]
    note: NDArray[np.object_] | str = ""

    @property
    def remark(self) -> NDArray[np.object_]:
        """Why there is no interval, else what it is limited to."""
        return np.where(self.reason != "", self.reason, self.note)

    def __getitem__(self, index: int) -> Estimate:
        """One quantity."""
        value, low, high = (float(each[index]) for each in (self.value, self.low, self.high))
        return Estimate(value, low, high, str(self.remark[index]))

    def columns(self, name: str) -> dict[str, FloatArray]:
        """For tables: ``name``, ``name_low``, ``name_high`` of all quantities."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


@dataclass(frozen=True)
class Weights:
    """What the weights of clusters say about how much they can tell, each (n_quantities,).

    ``n`` clusters have any weight, which is as that of ``effective`` equal ones, (Σ w)² / Σ w²;
    ``correction`` makes Σ U² unbiased for clusters that vary alike, ``df`` are its degrees of
    freedom by Satterthwaite.
    """

    n: FloatArray
    effective: FloatArray
    correction: FloatArray
    df: FloatArray


def cluster_weights(bottom: FloatArray) -> Weights:
    """Effective numbers, bias corrections and degrees of freedom of weighted clusters.

    With weights w that sum to 1 and independent cluster means of equal variance, Σ U² is a
    quadratic form in the means, (I - 1w')' W² (I - 1w'), W the weights on the diagonal; its
    expectation and variance follow from power sums of w. ``bottom``, of shape (n_clusters,
    n_quantities), is the weight of each cluster: its number of tokens, or its sum of what stands
    below the line.
    """
    total = bottom.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = bottom / total
        s2, s3, s4, s5 = ((w**k).sum(axis=0) for k in (2, 3, 4, 5))
        trace = s2 * (1 + s2) - 2 * s3
        squared = s2**4 + 2 * s4 * s2 - 4 * s2**2 * s3 + 2 * s3**2 + s4 * (1 + 2 * s2) - 4 * s5
        usable = trace > _ROUNDING * s2
        return Weights(
            n=(bottom != 0).sum(axis=0).astype(np.float64),
            effective=np.where(total != 0, 1 / s2, 0.0),
            correction=np.where(usable, s2 / trace, np.nan),
            df=np.where(usable, trace**2 / squared, np.nan),
        )


@dataclass(frozen=True)
class Spread:
    """A variance from crossed clusters; NaN with a reason where it is not estimable."""

    variance: FloatArray
    df: FloatArray
    reason: NDArray[np.object_]
    note: NDArray[np.object_] | str = ""


def crossed_variance(
    contributions: Mapping[str, FloatArray], bottoms: Mapping[str, FloatArray]
) -> Spread:
    """Variance of a linearised estimate from its contributions by kind of cluster.

    ``contributions`` are U of each cluster, per kind (``"speakers"``, ``"words"``), whose names
    appear in reasons; ``"cells"``, of speakers saying words, are taken out once. ``bottoms`` are
    the weights of the clusters, for the kinds that are added, see :func:`cluster_weights`. Each is
    of shape (n_clusters, n_quantities).
    """
    weights = {kind: cluster_weights(bottom) for kind, bottom in bottoms.items()}
    squares = {kind: (u**2).sum(axis=0) for kind, u in contributions.items()}
    terms = np.stack([w.correction * squares[kind] for kind, w in weights.items()])
    dfs = np.stack([w.df for w in weights.values()])
    variance = np.maximum(terms.sum(axis=0) - squares.get("cells", 0.0), terms.max(axis=0))
    few = {
        kind: np.array([_too_few(kind, *of) for of in zip(w.n, w.effective, strict=True)], object)
        for kind, w in weights.items()
    }
    reason = np.full(variance.shape, "", dtype=object)
    for found in few.values():
        reason = np.where(reason == "", found, reason)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = terms.sum(axis=0) ** 2 / (terms**2 / dfs).sum(axis=0)
    # Where one kind carries everything, its own degrees of freedom decide; where nothing varies,
    # any number would do.
    df = np.where(terms.sum(axis=0) > 0, df, dfs.min(axis=0))
    note = np.full(variance.shape, "", dtype=object)
    if {"speakers", "words"} <= few.keys():
        # With too few speakers, other words of the same speakers are all that can be spoken of.
        alone, own = (few["speakers"] != "") & (few["words"] == ""), list(few).index("words")
        variance, df = np.where(alone, terms[own], variance), np.where(alone, dfs[own], df)
        reason = np.where(alone, "", reason)
        note = np.where(alone, ONLY_THESE + few["speakers"], "")
    for place in np.flatnonzero(~(df >= MIN_DF) & (reason == "")):
        reason[place] = f"{df[place]:.1f} degrees of freedom: a few clusters outweigh all others"
    bad = reason != ""
    return Spread(np.where(bad, np.nan, variance), np.where(bad, np.nan, df), reason, note)


def _too_few(kind: str, n: float, effective: float) -> str:
    if n < MIN_CLUSTERS:
        return f"{n:.0f} {kind if n != 1 else kind.removesuffix('s')}: {TOO_FEW}"
    if effective < MIN_EFFECTIVE:
        return f"{n:.0f} {kind} weigh like {effective:.1f}: fewer than {MIN_EFFECTIVE:.0f}"
    return ""


def add_seeds(spread: Spread, per_seed: FloatArray) -> Spread:
    """Add the variance between training seeds, so that an interval is about the network.

    Seeds are crossed with tokens (all explain the same ones), so the variance of their mean comes
    on top of that from speakers and words. With one seed nothing can be added and the interval is
    about that one set of weights. Degrees of freedom are combined by Satterthwaite. ``per_seed``
    has the estimate of each seed, shape (n_seeds, n_quantities).
    """
    n_seeds = len(per_seed)
    if n_seeds < 2:
        return spread
    between = per_seed.var(axis=0, ddof=1) / n_seeds
    total = spread.variance + between
    with np.errstate(divide="ignore", invalid="ignore"):
        df = total**2 / (spread.variance**2 / spread.df + between**2 / (n_seeds - 1))
    df = np.where(total > 0, df, spread.df)
    reason = spread.reason.copy()
    for i in np.flatnonzero((reason == "") & ~(df >= MIN_DF)):
        reason[i] = f"{n_seeds} seeds disagree: {df[i]:.1f} degrees of freedom"
    bad = reason != ""
    return Spread(np.where(bad, np.nan, total), np.where(bad, np.nan, df), reason, spread.note)


def infer(
    value: FloatArray, spread: Spread, *, level: float = 0.95, logarithmic: bool = False
) -> Inference:
    """t intervals and tests of estimates, shape (n_quantities,), from their variances.

    With ``logarithmic`` both are of logarithms; value and limits are taken out of the logarithm,
    and errors become those of the ratio. The confidence ``level`` lies between 0 and 1.
    """
    if not 0 < level < 1:
        raise ConfigError(f"confidence level {level} must lie between 0 and 1")
    missing = ~np.isfinite(value) & (spread.reason == "")
    reason = np.where(missing, "no value", spread.reason)
    error = np.where(reason == "", np.sqrt(spread.variance), np.nan)
    half = student.ppf(0.5 + level / 2, spread.df) * error
    scale = np.maximum(np.abs(value), np.finfo(float).tiny)
    constant = error <= _ROUNDING * scale
    half = np.where(constant, 0.0, half)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * student.sf(np.abs(value) / error, spread.df)
    p = np.where(constant, np.nan, p)
    low, high = value - half, value + half
    df = np.where((reason == "") & ~constant, spread.df, np.nan)
    if logarithmic:
        with np.errstate(over="ignore"):
            value, low, high = np.exp(value), np.exp(low), np.exp(high)
        error = value * error
    return Inference(value, error, df, low, high, p, reason, spread.note)


def lower_limit(low: FloatArray, measure: str) -> FloatArray:
    """Lower limits of a mean, not below zero if the measure cannot be negative."""
    return low if measure.startswith(SIGNED_MEASURES) else np.maximum(low, 0.0)


def sums_by(values: FloatArray, codes: NDArray[np.intp], n_groups: int) -> FloatArray:
    """Column sums within groups, shape (n_groups, n_quantities); NaN counts as zero."""
    n_rows = len(codes)
    member = csr_matrix((np.ones(n_rows), (codes, np.arange(n_rows))), shape=(n_groups, n_rows))
    return np.asarray(member @ np.nan_to_num(values, nan=0.0))


def ratio_intervals(top: FloatArray, bottom: FloatArray, *, level: float = 0.95) -> Inference:
    """Ratios of totals with intervals over clusters.

    ``top`` and ``bottom`` are sums per cluster, shape (n_clusters, n_quantities); for means,
    ``bottom`` is the number of tokens. Clusters whose sums are both zero do not count. There are no
    limits where fewer than five clusters are there, or so few outweigh the others that the
    effective number is below three.
    """
    if top.shape != bottom.shape or top.ndim != 2:
        raise ConfigError(f"sums have shapes {top.shape} and {bottom.shape}, not the same matrix")
    total = bottom.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = top.sum(axis=0) / total
        contributions = (top - value * bottom) / total
    spread = crossed_variance({"clusters": contributions}, {"clusters": bottom})
    return infer(value, spread, level=level)


def sign_flip_p(
    differences: FloatArray, rng: np.random.Generator, *, n_resamples: int = 4999
) -> FloatArray:
    """Two-sided p-values that differences between paired measurements are not zero.

    ``differences`` are sums per cluster, shape (n_clusters, n_quantities); NaN where fewer than
    five clusters have one. ``n_resamples`` are random sign patterns; the smallest p-value is 1 /
    (n_resamples + 1), and never below 2 / 2^n_clusters.
    """
    observed = np.abs(differences.sum(axis=0))
    signs = rng.integers(0, 2, size=(n_resamples, len(differences))) * 2.0 - 1.0
    flipped = np.abs(signs @ differences)
    # Patterns that equal the observed one up to rounding count as equal.
    extreme = (flipped >= observed * (1 - 1e-9)).sum(axis=0)
    p = (1.0 + extreme) / (1.0 + n_resamples)
    return np.where((differences != 0).sum(axis=0) < MIN_CLUSTERS, np.nan, p)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bound the chance of any false positive (Holm 1979, *Scand. J. Stat.* 6:65-70).

    The numbers are those of statsmodels' own Holm, which collects garbage at every call and made
    statistics five times slower.
    """

    def corrected(p: NDArray[np.float64]) -> NDArray[np.float64]:
        order = np.argsort(p)
        raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
        result = np.empty_like(p)
        result[order] = np.minimum(raised, 1.0)
        return result

    return _where_present(corrected, p_values)


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bound the share of false positives (Benjamini & Hochberg 1995, *JRSS B* 57:289-300)."""
    from statsmodels.stats.multitest import multipletests

    return _where_present(lambda p: multipletests(p, method="fdr_bh")[1], p_values)


def _where_present(
    correct: Callable[[NDArray[np.float64]], NDArray[np.float64]], p_values: NDArray[np.float64]
) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=np.float64)
    result = np.full(p.shape, np.nan)
    present = np.isfinite(p)
    if present.any():
        result[present] = correct(p[present])
    return result
