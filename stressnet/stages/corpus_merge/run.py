"""Several corpora, or the shards of one, as one corpus.

Each token keeps where it came from in the column ``corpus``. If two corpora share an utterance's or
a speaker's name, which means different people, every name gets its corpus's in front. Shards of one
build share their speakers on purpose and keep all names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.building.tables import split_tokens
from stressnet.corpus.card import card_text, sources_of
from stressnet.corpus.merge_checks import check_columns, check_complete, version_of
from stressnet.corpus.merging import (
    Part,
    append_images,
    append_table,
    copy_excerpts,
    copy_textgrids,
    merged_tokens,
    small_tables,
    write_longer_words,
)
from stressnet.corpus.splits import SPLIT_COLUMNS, check_leaks
from stressnet.corpus.store import LONGER_WORDS, PHONES, TOKENS, TRACKS, Corpus
from stressnet.errors import CorpusError
from stressnet.lexicon.families import word_families
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_manifest
from stressnet.runs.work import Step
from stressnet.stages.corpus_merge.config import MergeConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MergedCorpus:
    """A merged corpus: its folder and manifest."""

    path: Path
    manifest: dict[str, Any]


def run(config: MergeConfig, parts: list[Part], folder: RunFolder) -> MergedCorpus:
    """Write one corpus with the tokens of several.

    Raises
    ------
    CorpusError
        If a kept split leaks, or the disk is full.
    """
    tokens = _split(merged_tokens(parts), config)
    parameters, small = _parameters(parts, config), small_tables(parts)
    is_there = folder.begin(
        {"parts": [[p.corpus.fingerprint, p.name, p.prefix] for p in parts]}
        | {"splits": config.identity()},
        inputs={str(part.corpus.path): part.corpus.fingerprint for part in parts},
        notes=parameters,
        steps=[Step("copy", len(tokens), seconds_each=0.005)],
    )
    if is_there:
        return MergedCorpus(folder.path, read_manifest(folder.path, "corpus"))
    out = folder.path
    with folder.progress.stage("tables"):
        folder.table(TOKENS, tokens)
        folder.table("splits.csv", tokens[list(SPLIT_COLUMNS)])
        for name, small_table in small.items():
            folder.table(name, small_table)
        for table in (PHONES, TRACKS):
            append_table(folder.file(table), parts, table)
    folder.tree("excerpts/*/*.flac")
    with folder.progress.stage("excerpts", len(tokens), "token") as bar:
        copy_excerpts(out, parts, bar.update)
    folder.tree("textgrids/*.TextGrid")
    copy_textgrids(out, parts)
    holding = [part for part in parts if len(part.corpus.stretches)]
    folder.tree(f"{LONGER_WORDS}/excerpts/*/*.flac")
    folder.file(f"{LONGER_WORDS}/{TOKENS}", optional=not holding)
    write_longer_words(out / LONGER_WORDS, holding)
    for preset in _common_presets(parts):
        images = [part.corpus.images(preset) for part in parts]
        append_images(folder, "", images, preset)
        if holding:
            images = [part.corpus.stretch_images(preset) for part in holding]
            append_images(folder, f"{LONGER_WORDS}/", images, preset)
    results = _results(parts, tokens)
    listed = sources_of({"parameters": parameters})
    text = card_text(str(parameters["title"]), listed, tokens, results)
    folder.file("corpus-card.md").write_text(text, encoding="utf-8")
    return MergedCorpus(out, folder.finish(results))


def merged_text(merged: MergedCorpus) -> str:
    """The corpus card."""
    return (merged.path / "corpus-card.md").read_text(encoding="utf-8")


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
    if _are_shards(corpora):
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


def _are_shards(corpora: Sequence[Corpus]) -> bool:
    """Whether they are different shards of one build."""
    shards = [corpus.manifest["parameters"].get("shard") for corpus in corpora]
    builds = {corpus.manifest["parameters"].get("whole") for corpus in corpora}
    return all(shards) and len(builds) == 1 and len({tuple(s) for s in shards if s}) == len(shards)


def _split(tokens: pd.DataFrame, config: MergeConfig) -> pd.DataFrame:
    if config.splits != "keep":
        return split_tokens(tokens, config.redrawn)
    # Families are closed over all words of a corpus, so they must be found anew.
    tokens["family"] = tokens["word"].map(word_families(tokens["word"]))
    try:
        check_leaks(tokens)
    except CorpusError as error:
        raise CorpusError(
            f"the corpora's own splits cannot be kept: {error}; draw them anew (--splits redraw)"
        ) from error
    return tokens


def _common_presets(parts: Sequence[Part]) -> list[str]:
    """Presets that all corpora hold with the same settings."""
    common = set.intersection(*(set(part.corpus.presets()) for part in parts))
    return sorted(
        name
        for name in common
        if len({part.corpus.images(name).fingerprint for part in parts}) == 1
    )


def _parameters(parts: Sequence[Part], config: MergeConfig) -> dict[str, Any]:
    """What the manifest says of the corpora."""
    shards = _are_shards([part.corpus for part in parts])
    sources = [p["parameters"] for p in (part.corpus.manifest for part in parts)]
    flat = [inner for p in sources for inner in (p.get("sources") or [p])]
    if shards:
        flat = flat[:1]
    keys = ("recipe", "title", "licence", "citation", "synthetic", "source", "request")
    kept = [{k: p.get(k) for k in keys if p.get(k) is not None} for p in flat]
    versions = sorted({version_of(part.corpus) for part in parts})
    licences = list(dict.fromkeys(str(p["licence"]) for p in kept))
    title = f"{len(kept)} corpora merged"
    if len(kept) == 1:
        title = str(kept[0].get("title", kept[0]["recipe"]))
    return {
        "recipe": kept[0]["recipe"] if len(kept) == 1 else "merged",
        "title": title,
        "licence": "; ".join(licences),
        "citation": " ".join(dict.fromkeys(str(p["citation"]) for p in kept)),
        "synthetic": all(bool(p["synthetic"]) for p in kept),
        "source": [str(part.corpus.path) for part in parts],
        "prefixed": bool(parts[0].prefix),
        "splits": config.identity(),
        "sources": kept,
        "built_by": [f"stressnet {version}" for version in versions],
    }


def _results(parts: Sequence[Part], tokens: pd.DataFrame) -> dict[str, Any]:
    each = [part.corpus.manifest["results"] for part in parts]

    def summed(key: str) -> dict[str, int]:
        total: Counter[str] = Counter()
        for results in each:
            total.update(results.get(key, {}))
        return dict(total)

    presets = _common_presets(parts)
    truncated: Mapping[str, int] = {
        preset: sum(r["words_longer_than_image"].get(preset, 0) for r in each) for preset in presets
    }
    return {
        "n_tokens": len(tokens),
        "n_stretches_of_longer_words": sum(len(part.corpus.stretches) for part in parts),
        "n_utterances": int(tokens["utterance_id"].nunique()),
        "n_recordings_found": sum(int(r["n_recordings_found"]) for r in each),
        "audio_hours": round(sum(float(r["audio_hours"]) for r in each), 3),
        "n_speakers": int(tokens["speaker"].nunique()),
        "n_words": int(tokens["word"].nunique()),
        "stress": {str(k): int(v) for k, v in tokens["stress"].value_counts(dropna=False).items()},
        "splits": {str(k): int(v) for k, v in tokens["split"].value_counts().items()},
        "rejected_words": summed("rejected_words"),
        "problems": summed("problems"),
        "n_errors": sum(int(r["n_errors"]) for r in each),
        "presets": presets,
        "words_longer_than_image": dict(truncated),
        "token_table": TOKENS,
    }
