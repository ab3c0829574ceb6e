"""Cues of every token: speakers first, then tokens in chunks, then what needs all of a speaker.

The tokens' stress is copied into the table but never looked at.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stressnet.acoustics.cue_table import ID_COLUMNS, table_columns
from stressnet.corpus.store import Corpus
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.measure import MeasureConfig
from stressnet.stages.measure.speakers import find_voices, first_pass, speaker_rows
from stressnet.stages.measure.tables import (
    measured_counts,
    praat_arguments,
    typed,
    with_vowel_space,
)
from stressnet.stages.measure.tokens import measure_tokens

TABLE, TABLE_CSV, SPEAKERS = "cues.parquet", "cues.csv", "speakers.csv"


def run(config: MeasureConfig, corpus: Corpus, folder: RunFolder) -> Result:
    """Measure all tokens of a corpus; ``cues`` has a row per token, see ``docs/cues.md``."""
    tokens = corpus.tokens
    folder.begin(
        config,
        {"corpus": corpus},
        notes={
            "corpus_name": corpus.name,
            "f0_ceiling_factor": config.f0_ceiling_factor,
            "first_pass": first_pass(config.pitch_method).praat_arguments(),
        },
        steps=[Step("measure", len(tokens), seconds_each=0.15)],
    )
    voices = find_voices(corpus, config, folder)
    measured = measure_tokens(corpus, voices, folder)
    with folder.progress.stage("tables"):
        ids = tokens[list(ID_COLUMNS)]
        table = ids.merge(with_vowel_space(measured, tokens), on="token_id", validate="1:1")
        table = typed(table[table_columns()])
        folder.table(TABLE, table)
        folder.table(TABLE_CSV, table, lineterminator="\n")
        speakers = pd.DataFrame(speaker_rows(voices))
        folder.table(SPEAKERS, speakers, lineterminator="\n")
    results = {**measured_counts(table, folder.problems), "praat": praat_arguments(voices)}
    return Result.of(folder, results, cues=table)


def measured(corpus: Corpus, folder: RunFolder) -> Path:
    """The folder of the cues of a whole corpus, measured into ``cues/`` unless they are there."""
    with folder.folder("cues", "cues") as child:
        return run(MeasureConfig(), corpus, child).path


def measured_text(result: Result) -> str:
    """How many tokens were measured, and what they lack."""
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_tokens']} tokens measured, {counts['n_complete']} of them completely; "
        f"the others lack a cue, see missing_reason",
        *(f"  {n:6d}  {reason}" for reason, n in list(counts["missing"].items())[:6]),
    ]
    if result.problems:
        lines.append(f"problems: {counts['problems']}, see {result.path / 'failures.csv'}")
    return "\n".join(lines)
