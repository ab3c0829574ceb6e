"""A table of power from the tokens of a folder of statistics, or of an evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.errors import CorpusError
from stressnet.evaluation.sets import WORD_SETS
from stressnet.report.document import Table
from stressnet.runs import Result, RunFolder, read_manifest, read_table
from stressnet.stages.power import PowerConfig
from stressnet.statistics.claims import RATIO_MARGIN
from stressnet.statistics.power import Study, balanced

TABLE = "power.csv"
ANSWERS = {"predictions.parquet": "evaluation", "ensemble/predictions.parquet": "models"}
"""Files with networks' answers, and the kind of folder they are in."""
PAIRS, PROSODY = "minimal_pairs", "minimal_pairs/prosody_only"

Sample = tuple[dict[str, Any], pd.DataFrame]
"""What is to be shown (with ``margin``), and tokens with ``value, speaker, word``."""


def run(config: PowerConfig, stats: Path, folder: RunFolder) -> Result:
    """Power, and the size of studies that reach it, in the result's ``table``."""
    answers = next((f for f in map(stats.joinpath, ANSWERS) if f.is_file()), None)
    read_manifest(stats, ANSWERS[str(answers.relative_to(stats))] if answers else "statistics")
    folder.begin(config, {"stats": stats})
    rows = []
    for about, tokens in _scores(answers) if answers else _claims(stats):
        study = Study.of(tokens["value"], tokens["speaker"], tokens["word"])
        distance = study.mean - about["margin"] if config.distance is None else config.distance
        names = ("speaker", "word", "residual")
        row = about | {"effect": study.mean, "distance": distance}
        row |= {f"sd_{k}": v**0.5 for k, v in zip(names, study.variances, strict=True)}
        rows.append(row | study.needed(distance, config.goal))
    if not rows:
        raise CorpusError(f"{stats}: no tokens of a model or a test set to take variances from")
    table = pd.DataFrame(rows)
    folder.table(TABLE, table, float_format="%.6g", lineterminator="\n")
    return Result.of(folder, {"n_rows": len(table)}, table=table, goal=config.goal)


def _claims(stats: Path) -> Iterator[Sample]:
    """Log ratios of densities per token, by network and model."""
    for file in sorted((stats / "models").glob("*.csv")):
        tokens = pd.read_csv(file, dtype={"speaker": str, "word": str})
        if len(tokens) < 2:
            continue
        value = tokens["response"].to_numpy(np.float64)
        if "stress" in tokens and tokens["stress"].nunique() > 1:
            value = balanced(value, tokens["stress"])
        network, _, name = file.stem.partition("_")
        about = {"network": network, "what": name.replace("_", " "), "scale": "log ratio"}
        yield about | {"margin": np.log(RATIO_MARGIN)}, tokens.assign(value=value)


def _scores(file: Path) -> Iterator[Sample]:
    """Right answers per token, by network and test set; of pairs also beyond the commoner one."""
    answers = read_table(file)
    if "model" not in answers:
        answers["model"] = file.parents[1].name
    for network, part in answers.groupby("model", sort=False):
        sets = {name: part["split"] == name for name in (*WORD_SETS, PAIRS)}
        sets[PROSODY] = sets[PAIRS] & part["is_prosody_only_pair"]
        for name, inside in sets.items():
            tokens = part[inside].assign(word=part["lemma"])
            if tokens["stress_true"].nunique() < 2:
                continue
            right = (tokens["stress_predicted"] == tokens["stress_true"]).astype(float)
            about = {"network": network, "what": name, "scale": "balanced accuracy"}
            value = balanced(right, tokens["stress_true"])
            yield about | {"margin": 0.5}, tokens.assign(value=value)
            if name in (PAIRS, PROSODY):
                initial = tokens["stress_true"] == "INITIAL"
                commoner = initial.groupby(tokens["word"]).transform("mean") >= 0.5
                oracle = (commoner == initial).astype(float)
                value = balanced(right - oracle, tokens["stress_true"])
                about["what"] = f"{name}, beyond each word's commoner reading"
                yield about | {"margin": 0.0}, tokens.assign(value=value)


def power_text(result: Result) -> str:
    """The table for people."""
    columns: list[Any] = ["network", "what"]
    columns += [(k, f"{k}:.2f") for k in ("effect", "margin", "power")]
    columns += [(k, f"n_{k}_needed:.0f") for k in ("tokens", "speakers", "words")]
    columns.append(("or words", "n_words_if_more_words:.0f"))
    table = Table.of(result.table, columns, flush_left=(0, 1))
    title = (
        f"for a power of {result.goal:.0%}: tokens, speakers, words in proportion, or more words"
    )
    return "\n".join([title, *table.lines()])
