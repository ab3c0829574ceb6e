"""Means of relevance under several settings, and their changes from a reference setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stressnet.statistics import summarise

if TYPE_CHECKING:
    import pandas as pd

MEASURES = (
    "positive_share",
    "signed_share",
    "area_share",
    "density",
    "share_in_nucleus",
    "density_in_nucleus",
    "iou",
)
"""What the table follows from setting to setting."""


def summarise_settings(measured: pd.DataFrame, reference: tuple[str, str, str]) -> pd.DataFrame:
    """Means, ratios to the null and changes from the reference setting, per setting and region."""
    keys = ["model", "composite", "bands", "region"]
    # A setting is a region of its own for the summary, which looks at all of them in one pass.
    settings = measured[keys].drop_duplicates().to_numpy()
    index = measured.groupby(keys, sort=False).ngroup()
    table = measured.assign(region=index.astype(str))
    against_null = summarise(table, measures=MEASURES)

    at_reference = (measured[keys[:3]] == list(reference)).all(axis=1)
    base = measured.loc[at_reference, ["token_id", "region", *MEASURES]]
    base = base.rename(columns={m: f"null_{m}" for m in MEASURES})
    plain = measured.drop(columns=[f"null_{m}" for m in MEASURES if f"null_{m}" in measured])
    paired = plain.merge(base, on=["token_id", "region"], how="left")
    paired = paired.assign(region=table["region"].to_numpy())
    changes = summarise(paired, measures=MEASURES)
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
