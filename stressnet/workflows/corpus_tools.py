"""``stressnet corpus show`` and ``export``: look at a corpus and hand it to other programs."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.card import Source, card_text
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.intervals import Alignment, Interval
from stressnet.runs.lock import hold
from stressnet.runs.manifest import FILE_NAME, read_manifest, write_manifest
from stressnet.runs.progress import Progress
from stressnet.workflows.build_tokens import safe_name

if TYPE_CHECKING:
    import pandas as pd

EXPORTS = ("csv", "wav", "textgrid", "huggingface")

_READ_ME_R = """# Tables of a stressnet corpus for R; columns: docs/data-dictionary.md
tokens <- read.csv("tokens.csv", na.strings = "", stringsAsFactors = TRUE)
phones <- read.csv("phones.csv", na.strings = "", stringsAsFactors = TRUE)
tokens$sex <- factor(tokens$sex)
# Durations of stressed and unstressed first vowels, speakers and words as random effects:
# library(lme4)
# tokens$nucleus_1_s <- tokens$nucleus_1_end_s - tokens$nucleus_1_start_s
# lmer(log(nucleus_1_s) ~ stress + (1 + stress | speaker) + (1 | word), data = tokens)
"""


def sources_of(manifest: dict[str, Any]) -> list[Source]:
    """Where a corpus comes from; several if it was merged."""
    parameters = manifest["parameters"]
    return [Source.of_parameters(p) for p in parameters.get("sources") or [parameters]]


def show_corpus(path: Path) -> str:
    """The card of a corpus, counted anew from its tables.

    Raises
    ------
    CorpusError
        If it is not a finished corpus.
    """
    corpus = Corpus.open(path)
    sources = sources_of(corpus.manifest)
    title = sources[0].title if len(sources) == 1 else f"{len(sources)} corpora merged"
    text = card_text(title, sources, corpus.tokens, corpus.manifest["results"])
    presets = ", ".join(corpus.presets()) or "none"
    versions = corpus.manifest["versions"]
    return (
        f"{text}\nSpectrograms: {presets}. Made by stressnet {versions['stressnet']}, "
        f"{corpus.manifest['created']}.\n"
    )


def export_corpus(
    path: Path,
    out: Path,
    what: Collection[str] = ("csv", "wav", "textgrid"),
    *,
    context: bool = True,
    overwrite: bool = False,
    progress: Progress,
) -> dict[str, int]:
    """Write a corpus for other programs.

    Parameters
    ----------
    path : Path
        The corpus.
    out : Path
        New folder.
    what : collection of str
        ``csv``: tables and a script for R; ``wav``: a WAV per token; ``textgrid``: a TextGrid per
        token that fits its WAV, in the same folder; ``huggingface``: Parquet with the sound inside.
    context : bool
        Whether WAVs have the sound around the word, or the word alone.
    overwrite : bool
        Replace an earlier export.

    Returns
    -------
    dict
        Number of files or rows per kind.

    Raises
    ------
    ConfigError
        If a kind is unknown.
    CorpusError
        If ``out`` holds something else.
    """
    unknown = set(what) - set(EXPORTS)
    if unknown or not what:
        raise ConfigError(
            f"nothing to export as '{min(unknown, default='')}'; there are {', '.join(EXPORTS)}"
        )
    corpus = Corpus.open(path)
    _prepare(out, overwrite)
    counts: dict[str, int] = {}
    try:
        if "csv" in what:
            counts["csv"] = _export_tables(corpus, out)
        if "wav" in what or "textgrid" in what:
            counts |= _export_tokens(corpus, out, what, context, progress)
        if "huggingface" in what:
            from stressnet.corpus.huggingface import write_dataset

            with progress.stage("huggingface"):
                counts["huggingface"] = sum(write_dataset(corpus, out / "huggingface").values())
    except OSError as error:
        raise CorpusError(
            f"{error.filename or out}: {error.strerror or error}; make room or correct the "
            f"permissions and run the same command again with --overwrite"
        ) from error
    write_manifest(
        out,
        "export",
        parameters={"corpus": str(path), "what": sorted(what), "context": context},
        inputs={"tokens.parquet": corpus.fingerprint},
        outputs=[p for p in out.rglob("*") if p.suffix in (".csv", ".parquet", ".R")],
        results=counts,
        seconds=progress.seconds,
    )
    return counts


def _prepare(out: Path, overwrite: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        hold(out)
        if (out / FILE_NAME).exists() and overwrite:
            read_manifest(out, "export")
            shutil.rmtree(out)
            out.mkdir()
            hold(out)
        if any(out.iterdir()):
            raise CorpusError(f"{out}: not empty; choose a new folder, or --overwrite an export")
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another folder"
        ) from error


def write_folds(
    path: Path,
    out: Path,
    n_folds: int = 5,
    *,
    rotations: int = 1,
    seed: int = 0,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Write the splits of a k-fold evaluation, one file per run, each as ``splits.csv``.

    Returns
    -------
    DataFrame
        Per run and set: tokens, classes, words, speakers.

    Raises
    ------
    CorpusError
        If there are too few speakers or words, or ``out`` holds something else.
    """
    import pandas as pd

    from stressnet.corpus.folds import assign_folds, fold_splits
    from stressnet.corpus.splits import SPLIT_COLUMNS, split_counts

    corpus = Corpus.open(path)
    _prepare(out, overwrite)
    dealt = assign_folds(corpus.tokens, n_folds, seed)
    counts = []
    for rotation in range(min(rotations, n_folds)):
        for fold in range(n_folds):
            tokens = fold_splits(dealt, fold, n_folds, rotation=rotation)
            name = f"splits-{rotation * n_folds + fold + 1:03d}.csv"
            tokens[list(SPLIT_COLUMNS)].to_csv(out / name, index=False)
            main = split_counts(tokens, ["train", "valid", "test"])
            main.insert(0, "file", name)
            counts.append(main)
    table = pd.concat(counts, ignore_index=True)
    table.to_csv(out / "counts.csv", index=False)
    parameters = {"corpus": str(path), "n_folds": n_folds, "rotations": rotations, "seed": seed}
    write_manifest(
        out,
        "export",
        parameters=parameters,
        inputs={"tokens.parquet": corpus.fingerprint},
        outputs=list(out.glob("*.csv")),
    )
    return table


def _export_tables(corpus: Corpus, out: Path) -> int:
    """The tables as CSV; the tracks, the largest, a part at a time."""
    import pyarrow.parquet as pq

    from stressnet.corpus.store import TRACKS

    corpus.tokens.to_csv(out / "tokens.csv", index=False)
    corpus.phones.to_csv(out / "phones.csv", index=False)
    n_tables = 2
    if (corpus.path / TRACKS).is_file():
        with (out / "tracks.csv").open("w", encoding="utf-8", newline="") as file:
            for number, batch in enumerate(pq.ParquetFile(corpus.path / TRACKS).iter_batches()):
                batch.to_pandas().to_csv(file, index=False, header=number == 0)
        n_tables += 1
    (out / "read.R").write_text(_READ_ME_R, encoding="utf-8")
    return n_tables


def _export_tokens(
    corpus: Corpus, out: Path, what: Collection[str], context: bool, progress: Progress
) -> dict[str, int]:
    """A WAV and a TextGrid per token, in a folder per speaker."""
    import soundfile

    counts = dict.fromkeys([kind for kind in ("wav", "textgrid") if kind in what], 0)
    rows = corpus.tokens
    with progress.stage("tokens", len(rows), "token") as bar:
        for row in rows.to_dict("records"):
            folder = out / "tokens" / safe_name(row["speaker"])
            folder.mkdir(parents=True, exist_ok=True)
            stem = folder / safe_name(row["token_id"])
            audio = corpus.excerpt(row["token_id"])
            origin_s = row["excerpt_start_s"]
            if not context:
                audio = audio.cut(row["start_s"] - origin_s, row["end_s"] - origin_s)
                origin_s = row["start_s"]
            if "wav" in what:
                file = stem.with_name(f"{stem.name}.wav")
                soundfile.write(str(file), audio.samples, audio.rate_hz, subtype="PCM_16")
                counts["wav"] += 1
            if "textgrid" in what:
                grid = stem.with_name(f"{stem.name}.TextGrid")
                write_textgrid(grid, *_token_grid(corpus, row, origin_s, audio.duration_s))
                counts["textgrid"] += 1
            bar.update()
    return counts


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
    for number, start_s, end_s in (
        (1, row["start_s"], row["boundary_s"]),
        (2, row["boundary_s"], row["end_s"]),
    ):
        labels = [
            p.label for p, (syllable, _) in zip(found, parts, strict=True) if syllable == number
        ]
        syllables.append(clipped(start_s, end_s, " ".join(labels)))
    stress = "?" if row["stress"] is None else str(row["stress"])
    extra = {"syllables": syllables, "stress": [Interval(word.start_s, word.end_s, stress)]}
    return Alignment((word,), phones), duration_s, extra
