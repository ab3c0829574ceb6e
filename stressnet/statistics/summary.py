"""From relevance per token and region to a table of means, intervals and tests.

Input is the tidy table of :func:`stressnet.regions.projection.project` with one row per token and
region and, added by the caller, the columns ``token_id``, ``word``, ``speaker`` and ``stress``.

Means are over tokens; intervals and tests respect speakers and words at once
(:mod:`stressnet.inference.twoway`). The null is compared only over tokens that have both an
observed and a null value.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError, require_columns
from stressnet.inference.twoway import holm, lower_limit
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.statistics.strata import ALL
from stressnet.statistics.sums import CELL_LIMIT, Clusters, SampleSums, StratifiedSums, TokenCodes

KEYS = ("token_id", "word", "speaker", "region")
SUMMARY_MEASURES = (
    *("positive_share", "signed_share", "absolute_share", "area_share", "energy_share"),
    *("density", "density_absolute", "density_energy"),
)
"""What :func:`summarise` summarises by default, as far as the table has it."""

SETTING_MEASURES = (
    *("positive_share", "signed_share", "area_share", "density"),
    *("share_in_nucleus", "density_in_nucleus", "iou"),
)
"""What :func:`summarise_settings` follows from setting to setting."""

SUMMARY_COLUMNS = (
    *("region", "stress", "measure", "mean", "mean_low", "mean_high", "null_mean"),
    *("difference", "difference_low", "difference_high", "ratio", "ratio_low", "ratio_high"),
    *("p_value", "p_holm", "n_tokens", "n_words", "n_speakers", "n_missing"),
)
"""Columns of :func:`summarise`; documented there."""


def summarise(
    table: pd.DataFrame,
    *,
    measures: Sequence[str] | None = None,
    level: float = 0.95,
    contrast: Contrast = STRESS,
) -> pd.DataFrame:
    """Means, intervals and comparison with the null, per region, stress class and measure.

    ``table``: one row per token and region: :data:`KEYS`, measures, and ``null_<measure>`` where
    there is a null. Words of one ``family`` count as one word where that column is there.
    ``measures``: columns to summarise; :data:`SUMMARY_MEASURES` as far as present if left out.
    Returns columns :data:`SUMMARY_COLUMNS`; ``stress`` is :data:`ALL` in rows over both classes.
    ``mean`` with its interval is over tokens that have the region; ``null_mean``, ``difference``
    (observed minus null) and ``ratio`` (mean observed / mean null) over those that have a null
    value too. ``p_value`` tests difference = 0, ``p_holm`` corrects it for the number of regions
    within a class and measure. ``n_words`` counts spellings, ``n_missing`` tokens without the
    region.
    """
    chosen, of = _checked(table, measures, contrast.column), contrast.column
    codes, clusters, regions, columns, tokens = _matrices(table, chosen)
    classes = [ALL, *sorted(str(s) for s in table[of].dropna().unique())]
    of_class = {name: i for i, name in enumerate(classes)}
    stress = np.array([of_class.get(str(s), -1) for s in tokens[of]], dtype=np.intp)
    everyone = np.zeros(len(tokens), dtype=np.intp)
    parts = []
    for measure in chosen:
        values = columns[measure]
        null = columns.get(f"null_{measure}", np.full(values.shape, np.nan))
        means = StratifiedSums(clusters, len(classes), len(regions), 1)
        against = StratifiedSums(clusters, len(classes), len(regions), 2)
        for group in (everyone, np.where(stress > 0, stress, -1)):
            means.add(codes, group, [values])
            against.add(codes, group, [values, null])
        for i, name in enumerate(classes):
            inside = np.ones(len(tokens), dtype=bool) if i == 0 else stress == i
            found = means.level(i).linear((1,), level)
            present = np.isfinite(values[inside])
            rows = pd.DataFrame(
                {
                    "region": regions,
                    of: name,
                    "measure": measure,
                    "mean": found.value,
                    "mean_low": lower_limit(found.low, measure),
                    "mean_high": found.high,
                    **_comparison(against.level(i), values[inside], null[inside], level),
                    **means.level(i).counts,
                    "n_words": _spellings(tokens["word"].to_numpy(object)[inside], present),
                    "n_missing": (~present).sum(axis=0),
                }
            )
            parts.append(rows)
    result = pd.concat(parts, ignore_index=True)
    order = pd.Categorical(result[of], classes)
    result = result.iloc[np.argsort(order.codes, kind="stable")].reset_index(drop=True)
    return result[[of if name == STRESS.column else name for name in SUMMARY_COLUMNS]]


def contrast(
    table: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    measure: str = "density",
    level: float = 0.95,
) -> pd.DataFrame:
    """Two regions of the same tokens compared, first minus second, e.g. the two nuclei.

    Returns ``region``, ``other``, ``measure``, ``mean`` and ``other_mean`` over tokens with both
    regions, ``difference`` and ``ratio`` with limits, ``p_value``, ``p_holm`` over the pairs,
    ``n_tokens``, ``n_words``, ``n_speakers``.
    """
    _checked(table, [measure])
    codes, clusters, regions, columns, tokens = _matrices(table, [measure])
    index = {name: position for position, name in enumerate(regions)}
    unknown = sorted({name for pair in pairs for name in pair} - set(index))
    if unknown or not pairs:
        raise ConfigError(f"no region {', '.join(unknown) or '(none given)'} in the table")
    first = columns[measure][:, [index[a] for a, _ in pairs]]
    second = columns[measure][:, [index[b] for _, b in pairs]]
    sums = StratifiedSums(clusters, 1, len(pairs), 2)
    sums.add(codes, np.zeros(len(tokens), dtype=np.intp), [first, second])
    rows = _comparison(sums.level(0), first, second, level)
    present = np.isfinite(first) & np.isfinite(second)
    counts = sums.level(0).counts
    return pd.DataFrame(
        {
            "region": [a for a, _ in pairs],
            "other": [b for _, b in pairs],
            "measure": measure,
            "mean": sums.level(0).means[0],
            "other_mean": rows.pop("null_mean"),
            **rows,
            "n_tokens": counts["n_tokens"],
            "n_words": _spellings(tokens["word"].to_numpy(object), present),
            "n_speakers": counts["n_speakers"],
        }
    )


def summarise_settings(measured: pd.DataFrame, reference: tuple[str, str, str]) -> pd.DataFrame:
    """Means, ratios to the null and changes from the reference setting, per setting and region."""
    keys = ["model", "composite", "bands", "region"]
    # A setting is a region of its own for the summary, which looks at all of them in one pass.
    settings = measured[keys].drop_duplicates().to_numpy()
    index = measured.groupby(keys, sort=False).ngroup()
    table = measured.assign(region=index.astype(str))
    against_null = summarise(table, measures=SETTING_MEASURES)

    at_reference = (measured[keys[:3]] == list(reference)).all(axis=1)
    base = measured.loc[at_reference, ["token_id", "region", *SETTING_MEASURES]]
    base = base.rename(columns={m: f"null_{m}" for m in SETTING_MEASURES})
    plain = measured.drop(
        columns=[f"null_{m}" for m in SETTING_MEASURES if f"null_{m}" in measured]
    )
    paired = plain.merge(base, on=["token_id", "region"], how="left")
    paired = paired.assign(region=table["region"].to_numpy())
    changes = summarise(paired, measures=SETTING_MEASURES)
    kept = ["stress", "measure", "mean", "mean_low", "mean_high", "null_mean"]
    kept += ["ratio", "ratio_low", "ratio_high"]
    result = against_null[kept].assign(
        reference_mean=changes["null_mean"],
        change=changes["difference"],
        change_low=changes["difference_low"],
        change_high=changes["difference_high"],
        **{n: against_null[n] for n in ("n_tokens", "n_words", "n_speakers", "n_missing")},
    )
    named = settings[against_null["region"].astype(int)]
    for position, key in enumerate(keys):
        result.insert(position, key, named[:, position])
    # In the order in which settings and regions were asked for.
    order = {key: list(dict.fromkeys(measured[key])) for key in keys}
    ranks = [result[key].map({v: i for i, v in enumerate(order[key])}) for key in keys]
    place = np.lexsort([np.arange(len(result)), *(r.to_numpy() for r in reversed(ranks))])
    return result.iloc[place].reset_index(drop=True)


def _comparison(
    sums: SampleSums, values: FloatArray, other: FloatArray, level: float
) -> dict[str, FloatArray]:
    """Difference and ratio of paired columns (n_tokens, n_quantities) from their sums."""
    shift = sums.linear((1, -1), level)
    ratio = sums.linear((1, -1), level, logarithmic=True)
    # Ratios only of quantities that are never negative.
    with np.errstate(invalid="ignore"):
        bad = (values < 0).any(axis=0) | (other < 0).any(axis=0)
    return {
        "null_mean": sums.means[1],
        **shift.columns("difference"),
        **{name: np.where(bad, np.nan, limit) for name, limit in ratio.columns("ratio").items()},
        "p_value": shift.p_value,
        "p_holm": holm(shift.p_value),
    }


def _spellings(words: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Different words with a value, per column of ``present``."""
    codes = pd.factorize(words)[0]
    return np.array([len(np.unique(codes[column])) for column in present.T], dtype=np.intp)


def _checked(
    table: pd.DataFrame, measures: Sequence[str] | None, of: str = STRESS.column
) -> list[str]:
    chosen = list(measures or [m for m in SUMMARY_MEASURES if m in table.columns])
    require_columns(table, (*KEYS, of, *chosen), "table of relevance")
    if table.empty or not chosen:
        raise ConfigError("table of relevance has no rows or no measure to summarise")
    unnamed = [c for c in ("token_id", "word", "speaker", "region") if table[c].isna().any()]
    if unnamed:
        raise ConfigError(f"table of relevance has rows without {', '.join(unnamed)}")
    if table.duplicated(["token_id", "region"]).any():
        raise ConfigError(
            "table of relevance has a token and region twice; summarise one explanation at a time"
        )
    return chosen


def _matrices(
    table: pd.DataFrame, measures: Sequence[str]
) -> tuple[TokenCodes, Clusters, list[str], dict[str, FloatArray], pd.DataFrame]:
    """Tokens' clusters, and measures as matrices (n_tokens, n_regions)."""
    token, ids = pd.factorize(table["token_id"])
    region, names = pd.factorize(table["region"])
    wanted = [*measures, *(f"null_{m}" for m in measures if f"null_{m}" in table.columns)]
    columns = {}
    for measure in wanted:
        matrix = np.full((len(ids), len(names)), np.nan)
        matrix[token, region] = table[measure].to_numpy(np.float64)
        columns[measure] = matrix
    rows = table.drop_duplicates("token_id")  # in the order of ids
    said = rows["family"].fillna(rows["word"]) if "family" in rows.columns else rows["word"]
    speaker, speakers = pd.factorize(rows["speaker"].astype(str), sort=True)
    word, words = pd.factorize(said.astype(str), sort=True)
    pairs = sorted(set(zip(speaker.tolist(), word.tolist(), strict=True)))
    cells = tuple(pairs) if len(pairs) <= CELL_LIMIT else None
    clusters = Clusters(tuple(map(str, speakers)), tuple(map(str, words)), cells)
    codes = TokenCodes.of(clusters, speaker.astype(np.intp), word.astype(np.intp))
    return codes, clusters, [str(name) for name in names], columns, rows
