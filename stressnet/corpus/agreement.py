"""How far the sources of stress labels agree on words with both readings.

A second rater would show how far labels can be trusted; where there is none, what independent
sources say of the same tokens stands in: a person who read the sentence (``table``), a tagger
(``part of speech``), the variant that the aligner heard (``aligner``), and the reading that the
dictionary lists first, whatever the sentence (``dictionary``).
"""

from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from stressnet.axes import FloatArray
from stressnet.inference.jackknife import jackknife
from stressnet.languages import language_of
from stressnet.lexicon.dictionary import Entry, load_dictionary
from stressnet.lexicon.stress import CLASSES

SOURCES = ("table", "part of speech", "aligner", "dictionary")  # Who says what the stress is

_COLUMNS = {"table": "table_stress", "part of speech": "pos_stress", "aligner": "aligner_stress"}


def readings(tokens: pd.DataFrame) -> pd.DataFrame:
    """What each of :data:`SOURCES` says of the tokens of minimal pairs: a class, or missing."""
    pairs = tokens[tokens["is_minimal_pair"]]
    dictionary = load_dictionary(code=language_of(tokens).code)
    entries = {word: dictionary.entry(word, frozenset()) for word in pairs["word"].unique()}
    firsts = {word: e.commoner for word, e in entries.items() if isinstance(e, Entry)}
    said = {name: pairs[column] for name, column in _COLUMNS.items()}
    table = pd.DataFrame(said | {"dictionary": pairs["word"].map(firsts)})
    return table.where(table.isin(CLASSES))


def agreement_of_sources(tokens: pd.DataFrame) -> pd.DataFrame:
    """Kappa of every two sources, and of all, on tokens of words with both readings.

    Columns are ``sources``, ``n``, ``agree`` (share of tokens), ``kappa`` (Cohen's for two sources,
    Fleiss's for all), ``kappa_low`` and ``kappa_high`` (95 %, over speakers and word families).
    """
    said = readings(tokens)
    there = [name for name in SOURCES if said[name].notna().any()]
    sets = [*combinations(there, 2)] + ([tuple(there)] if len(there) > 2 else [])
    rows = []
    for names in sets:
        known = said[list(names)].dropna()
        initial = (known == CLASSES[0]).to_numpy(np.float64)
        if len(known) < 2:
            continue
        here = tokens.loc[known.index]
        clusters = {"speakers": here["speaker"].to_numpy(), "words": here["family"].to_numpy()}
        found = jackknife(partial(_kappa, initial), len(known), clusters)
        agree = float((known.nunique(axis=1) == 1).mean())
        row = {"sources": ", ".join(names), "n": len(known), "agree": agree}
        rows.append(row | found[0].columns("kappa"))
    limits = ["kappa_low", "kappa_high"]
    table = pd.DataFrame(rows, columns=["sources", "n", "agree", "kappa", *limits])
    return table.assign(**table[limits].clip(-1.0, 1.0))


def _kappa(initial: FloatArray, kept: FloatArray) -> FloatArray:
    """Kappa of the tokens of each set, shape (n_sets, 1)."""
    from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa, to_table

    found = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for weight in kept.T:
            said = initial[weight > 0].astype(int)
            if initial.shape[1] == 2:
                found.append(cohens_kappa(to_table(said, 2)[0], return_results=False))
            else:
                n = said.sum(axis=1)
                found.append(fleiss_kappa(np.column_stack([n, initial.shape[1] - n])))
    return np.array(found)[:, None]


def agreement_text(tokens: pd.DataFrame) -> list[str]:
    """The table in Markdown; nothing if fewer than two sources speak of any word."""
    if not tokens["is_minimal_pair"].any():
        return []
    table = agreement_of_sources(tokens)
    lines = [
        f"Agreement on {int(tokens['is_minimal_pair'].sum())} tokens of words with both readings "
        "(kappa, 95 % over speakers and words):",
        "",
        "| sources | n | agree | kappa |",
        "|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        kappa = f"{row['kappa']:.2f} [{row['kappa_low']:.2f}, {row['kappa_high']:.2f}]"
        lines.append(f"| {row['sources']} | {row['n']} | {row['agree']:.3f} | {kappa} |")
    return ["", *lines, ""] if len(table) else []
