"""Corpora to be merged: whether they fit together, of other versions too, and their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stressnet.corpus.merging import Part
from stressnet.corpus.store import PHONES, TOKENS, TRACKS, Corpus
from stressnet.errors import CorpusError
from stressnet.runs.manifest import read_json
from stressnet.runs.tables import open_parquet

_SMALL_TABLES = ("speakers.csv", "failures.csv", "rejected_words.csv")
_COUNTS = ("n_recordings_found", "audio_hours", "n_errors", "words_longer_than_image")


def open_parts(paths: Sequence[Path]) -> list[Part]:
    """Corpora that can be merged, each with its name and what goes before its ids.

    Raises
    ------
    CorpusError
        If there is only one, one is given twice, or they do not fit together.
    """
    if len(paths) < 2:
        raise CorpusError("one corpus cannot be merged; give two or more")
    corpora = [Corpus.checked(path) for path in paths]
    fingerprints: dict[str, Path] = {}
    for corpus in corpora:
        twin = fingerprints.get(corpus.fingerprint)
        if twin is not None:
            raise CorpusError(f"{twin} and {corpus.path} hold the same tokens; give each once")
        fingerprints[corpus.fingerprint] = corpus.path
    for corpus in corpora:
        check_complete(corpus)
        check_columns(corpora[0], corpus)
    names = _names(corpora)
    utterances = Counter(u for c in corpora for u in c.tokens["utterance_id"].unique())
    speakers = Counter(s for c in corpora for s in c.tokens["speaker"].unique())
    if are_shards(corpora):
        if max(utterances.values()) > 1:
            twice = next(u for u, n in utterances.items() if n > 1)
            raise CorpusError(f"the utterance '{twice}' is in two shards; give each shard once")
        return [Part(corpus, corpus.name, "") for corpus in corpora]
    collide = max(*utterances.values(), *speakers.values()) > 1
    return [
        Part(corpus, name, f"{name}-" if collide else "")
        for corpus, name in zip(corpora, names, strict=True)
    ]


def _names(corpora: Sequence[Corpus]) -> list[str]:
    """Recipes' names, else folders', else folders' with numbers."""
    names = [corpus.name for corpus in corpora]
    if len(set(names)) < len(names):
        names = [corpus.path.resolve().name for corpus in corpora]
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, start=1)]
    return names


def are_shards(corpora: Sequence[Corpus]) -> bool:
    """Whether they are different shards of one build."""
    shards = [corpus.manifest["parameters"].get("shard") for corpus in corpora]
    builds = {corpus.manifest["parameters"].get("whole") for corpus in corpora}
    return all(shards) and len(builds) == 1 and len({tuple(s) for s in shards if s}) == len(shards)


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
