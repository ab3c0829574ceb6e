"""Tables of a run for R.

``tokens.csv`` has a row per token, ``relevance.csv`` one per token and region, ``cues.csv`` one per
token and syllable, ``contours.csv`` one per token, part and point. Logicals are TRUE and FALSE,
what is missing is an empty cell.
"""

import re
from importlib import resources
from pathlib import Path

import pandas as pd

from stressnet.errors import CorpusError
from stressnet.lexicon.stress import Stress
from stressnet.report.run import RelevanceRun
from stressnet.runs import Result, RunFolder, hash_file
from stressnet.runs.manifest import FILE_NAME
from stressnet.runs.tables import read_table
from stressnet.stages.export_r import ExportRConfig
from stressnet.stages.manipulate.inputs import fingerprint_of
from stressnet.stages.measure.run import CONTOURS
from stressnet.stages.measure.run import TABLE as CUES

SCRIPT, DICTIONARY = "analysis.R", "data-dictionary.md"
_OF_A_SYLLABLE = re.compile(r"(syllable|nucleus)_(\d)(?:_(.*))?")
_OF_TOKENS = ("word", "family", "speaker", "stress", "stress_predicted", "correct", "split")


def run(config: ExportRConfig, opened: RelevanceRun, folder: RunFolder) -> Result:
    """Write the tables of a run, and of its cues, for R."""
    regions = opened.path / "relevance.parquet"
    if not regions.is_file():
        raise CorpusError(f"{opened.path}: has no relevance.parquet; run explain again")
    inputs = {"run": hash_file(opened.path / FILE_NAME)}
    of_class = opened.contrast.column, opened.contrast.predicted
    tables = {"tokens": opened.tokens.drop(columns="map_index")}
    relevance = read_table(regions)
    tables["relevance"] = relevance.drop(
        columns=[c for c in (*_OF_TOKENS, *of_class) if c in relevance]
    )
    if config.measured is not None:
        inputs["cues"] = fingerprint_of(config.measured, opened.open_corpus())
        cues = read_table(config.measured / CUES)
        own = opened.tokens["token_id"]
        tables["cues"] = by_syllable(cues[cues["token_id"].isin(own)])
        if (config.measured / CONTOURS).is_file():
            contours = read_table(config.measured / CONTOURS)
            tables["contours"] = contours[contours["token_id"].isin(own)]
    folder.begin(config, inputs=inputs, notes={"run": str(opened.path)})
    for name, table in tables.items():
        folder.table(f"{name}.csv", table)
    package = Path(str(resources.files("stressnet")))
    script = package / "stages" / "export_r" / SCRIPT
    # The data dictionary of the package, else the checkout's.
    known = (package / "_docs" / DICTIONARY, package.parent / "docs" / DICTIONARY)
    folder.file(SCRIPT).write_bytes(script.read_bytes())
    folder.file(DICTIONARY).write_bytes(next(p for p in known if p.is_file()).read_bytes())
    rows = ", ".join(f"{len(table)} rows of {name}.csv" for name, table in tables.items())
    text = f"{rows}\nin R: setwd('{folder.path}'); source('{SCRIPT}')"
    counts = {f"n_{name}": len(table) for name, table in tables.items()}
    return Result.of(folder, counts, text=text)


def by_syllable(cues: pd.DataFrame) -> pd.DataFrame:
    """Cues with one row per token and syllable instead of columns for each syllable.

    What is known of the token, then ``syllable`` (1, 2, ...), ``stressed``, ``vowel``, and the cues
    of the syllable and its vowel: ``syllable_duration_s``, ``nucleus_f1_hz``. Columns that compare
    the two syllables are left out: R makes them from these.
    """
    parts = {name: _OF_A_SYLLABLE.fullmatch(name) for name in cues.columns}
    compared = re.compile(r"(syllable|nucleus)_(diff|log2ratio)_")
    shared = [name for name, part in parts.items() if part is None and not compared.match(name)]
    numbers = sorted({int(part[2]) for part in parts.values() if part is not None})
    n_syllables = cues[[f"nucleus_{k}" for k in numbers]].notna().sum(axis=1)
    pairs = zip(cues["stress"], n_syllables, strict=True)
    places = [Stress(s).syllable(n) + 1 if pd.notna(s) else None for s, n in pairs]
    place_of = pd.Series(places, index=cues.index, dtype="Int64")
    rows = []
    for number in numbers:
        own = {
            name: "vowel" if part[3] is None else f"{part[1]}_{part[3]}"
            for name, part in parts.items()
            if part is not None and part[2] == str(number)
        }
        table = cues[[*shared, *own]].rename(columns=own)
        table.insert(len(shared), "syllable", number)
        table.insert(len(shared) + 1, "stressed", place_of == number)
        rows.append(table[number <= n_syllables])
    return pd.concat(rows, ignore_index=True).sort_values(["token_id", "syllable"], kind="stable")
