"""A corpus for other programs: tables as CSV, and a WAV and a TextGrid of every token."""

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any

import pandas as pd
import soundfile

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.store import NOT_TOKENS, TRACKS, Corpus
from stressnet.corpus.tokens import syllable_limits
from stressnet.intervals import Alignment, Interval
from stressnet.runs.folder import RunFolder
from stressnet.runs.names import safe_name
from stressnet.runs.tables import open_parquet, with_logicals

_READ_ME_R = """# Tables of a stressnet corpus for R; columns: docs/data-dictionary.md
tokens <- read.csv("tokens.csv", na.strings = "", stringsAsFactors = TRUE)
phones <- read.csv("phones.csv", na.strings = "", stringsAsFactors = TRUE)
tokens$sex <- factor(tokens$sex)
# Durations of stressed and unstressed first vowels, speakers and words as random effects:
# library(lme4)
# tokens$nucleus_1_s <- tokens$nucleus_1_end_s - tokens$nucleus_1_start_s
# lmer(log(nucleus_1_s) ~ stress + (1 + stress | speaker) + (1 | word), data = tokens)
"""


def export_tables(
    corpus: Corpus, folder: RunFolder, changed: Callable[[pd.DataFrame], pd.DataFrame]
) -> int:
    """The tables as CSV; the largest a part at a time."""
    folder.table("tokens.csv", changed(corpus.tokens))
    folder.table("phones.csv", changed(corpus.phones))
    n_tables = 2
    for name in (TRACKS, NOT_TOKENS):
        if not (corpus.path / name).is_file():
            continue
        target = folder.file(name.replace(".parquet", ".csv"))
        with target.open("w", encoding="utf-8", newline="") as file:
            empty = open_parquet(corpus.path / name).schema_arrow.empty_table().to_pandas()
            empty.to_csv(file, index=False)
            for batch in open_parquet(corpus.path / name).iter_batches():
                table = with_logicals(changed(batch.to_pandas()))
                table.to_csv(file, index=False, header=False)
        n_tables += 1
    folder.file("read.R").write_text(_READ_ME_R, encoding="utf-8")
    return n_tables


def export_tokens(
    corpus: Corpus, folder: RunFolder, what: Collection[str], context: bool
) -> dict[str, int]:
    """A WAV and a TextGrid per token, in a folder per speaker."""
    rows = corpus.tokens
    if "wav" in what:
        folder.tree("tokens/*/*.wav")
    if "textgrid" in what:
        folder.tree("tokens/*/*.TextGrid")
    with folder.progress.stage("tokens", len(rows), "token") as bar:
        for row in rows.to_dict("records"):
            own = folder.path / "tokens" / safe_name(row["speaker"])
            own.mkdir(parents=True, exist_ok=True)
            # Without quotes, which emuR does not bear in names.
            stem = own / safe_name(row["token_id"]).replace("'", "")
            audio = corpus.excerpt(row["token_id"])
            origin_s = row["excerpt_start_s"]
            if not context:
                audio = audio.cut(row["start_s"] - origin_s, row["end_s"] - origin_s)
                origin_s = row["start_s"]
            if "wav" in what:
                file = stem.with_name(f"{stem.name}.wav")
                soundfile.write(str(file), audio.samples, audio.rate_hz, subtype="PCM_16")
            if "textgrid" in what:
                grid = stem.with_name(f"{stem.name}.TextGrid")
                write_textgrid(grid, *_token_grid(corpus, row, origin_s, audio.duration_s))
            bar.update()
    return {kind: len(rows) for kind in ("wav", "textgrid") if kind in what}


def _token_grid(
    corpus: Corpus, row: dict[Any, Any], origin_s: float, duration_s: float
) -> tuple[Alignment, float, dict[str, list[Interval]]]:
    """A token's word, phones, syllables and stress, zero at its WAV's start."""

    def clipped(start_s: float, end_s: float, label: str) -> Interval:
        return Interval(max(0.0, start_s - origin_s), min(duration_s, end_s - origin_s), label)

    word = clipped(row["start_s"], row["end_s"], row["word"])
    found = corpus.phone_intervals(row["token_id"])
    phones = tuple(clipped(p.start_s, p.end_s, p.label) for p in found)
    parts = corpus.phone_parts(row["token_id"])
    syllables = []
    for number, (start_s, end_s) in enumerate(pairwise(syllable_limits(row)), start=1):
        labels = [p.label for p, (k, _) in zip(found, parts, strict=True) if k == number]
        syllables.append(clipped(start_s, end_s, " ".join(labels)))
    stress = "?" if row["stress"] is None else str(row["stress"])
    extra = {"syllables": syllables, "stress": [Interval(word.start_s, word.end_s, stress)]}
    of = corpus.contrast.column
    extra[of] = [Interval(word.start_s, word.end_s, stress if of == "stress" else row[of])]
    return Alignment((word,), phones), duration_s, extra
