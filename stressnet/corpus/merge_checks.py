"""Whether corpora, perhaps of different versions of stressnet, can be merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stressnet.corpus.store import PHONES, TOKENS, TRACKS, Corpus
from stressnet.errors import CorpusError
from stressnet.runs.manifest import read_json
from stressnet.runs.tables import open_parquet

_SMALL_TABLES = ("speakers.csv", "failures.csv", "rejected_words.csv")
_COUNTS = ("n_recordings_found", "audio_hours", "n_errors", "words_longer_than_image")


def check_complete(corpus: Corpus) -> None:
    """Raise unless a corpus has every file and count that is merged, as older ones may not."""
    missing = [name for name in (TRACKS, *_SMALL_TABLES) if not (corpus.path / name).is_file()]
    missing += [name for name in _COUNTS if name not in corpus.manifest["results"]]
    missing += [
        f"'n_truncated' of preset {preset}"
        for preset in corpus.presets()
        if "n_truncated" not in images_header(corpus.path / "spectrograms" / preset)
    ]
    if missing:
        raise CorpusError(
            f"{corpus.path}: made by stressnet {version_of(corpus)}, lacks {missing[0]}; build it "
            f"again with this version"
        )


def check_columns(first: Corpus, second: Corpus) -> None:
    """Raise unless the tables of two corpora have the same columns."""
    for table in (TOKENS, PHONES, TRACKS):
        one, two = (
            set(open_parquet(c.path / table).schema_arrow.names) - {"corpus"}
            for c in (first, second)
        )
        if one != two:
            raise CorpusError(
                f"{second.path}: its {table} (stressnet {version_of(second)}) and that of "
                f"{first.path} (stressnet {version_of(first)}) differ in the column "
                f"'{min(one ^ two)}'; build both with the same version"
            )


def version_of(corpus: Corpus) -> str:
    """Version of stressnet that built a corpus."""
    return str(corpus.manifest["versions"]["stressnet"])


def images_header(folder: Path) -> dict[str, Any]:
    """What ``axes.json`` of a preset's folder says."""
    header: dict[str, Any] = read_json(folder / "axes.json")
    return header
