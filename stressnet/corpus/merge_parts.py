"""Corpora to be merged: whether they fit together, their names, and what their manifest says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.corpus.building.tables import class_counts
from stressnet.corpus.merging import Part
from stressnet.corpus.store import PHONES, TOKENS, TRACKS, Corpus
from stressnet.errors import CorpusError
from stressnet.runs.manifest import read_json
from stressnet.runs.tables import open_parquet

_SMALL_TABLES = ("speakers.csv", "failures.csv", "rejected_words.csv")
_COUNTS = ("n_recordings_found", "audio_hours", "n_errors", "words_longer_than_image")


def open_parts(paths: Sequence[Path]) -> list[Part]:
    """Corpora that can be merged, each with its name and what goes before its ids."""
    if len(paths) < 2:
        raise CorpusError("one corpus cannot be merged; give two or more")
    corpora = [Corpus.of_any_length(path) for path in paths]
    fingerprints: dict[str, Path] = {}
    for corpus in corpora:
        if twin := fingerprints.get(corpus.fingerprint):
            raise CorpusError(f"{twin} and {corpus.path} hold the same tokens; give each once")
        fingerprints[corpus.fingerprint] = corpus.path
    for corpus in corpora:
        if corpus.contrast.noted != corpora[0].contrast.noted:
            raise CorpusError(
                f"{corpora[0].path} tells {corpora[0].contrast.told_apart}, {corpus.path} "
                f"{corpus.contrast.told_apart}; merge corpora of one contrast"
            )
        _check_complete(corpus)
        _check_columns(corpora[0], corpus)
    codes = sorted({corpus.language for corpus in corpora})
    if len(codes) > 1:
        raise CorpusError(
            f"the corpora are of several languages ({', '.join(codes)}); merge those of one"
        )
    lengths = sorted({str(corpus.lengths) for corpus in corpora})
    if len(lengths) > 1:
        raise CorpusError(
            f"the corpora are of words of {' and of '.join(lengths)} syllables; merge equal ones"
        )
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


def shared_speakers(parts: Sequence[Part]) -> set[str]:
    """Names that speakers of more than one corpus have, unless they are shards of one build."""
    if _are_shards([part.corpus for part in parts]):
        return set()
    counts = Counter(s for part in parts for s in part.corpus.tokens["speaker"].unique())
    return {speaker for speaker, count in counts.items() if count > 1}


def with_same_speakers(parts: Sequence[Part]) -> list[Part]:
    """The corpora as parts of one collection: a name is one person, and all names stay."""
    seen: dict[str, Part] = {}
    sexes: dict[str, tuple[str, Part]] = {}
    for part in parts:
        tokens = part.corpus.tokens
        for utterance in tokens["utterance_id"].unique():
            if utterance in seen:
                raise CorpusError(
                    f"{part.corpus.path}: the utterance '{utterance}' is in "
                    f"{seen[utterance].corpus.path}, too; leave it out of one, or merge without "
                    f"--same-speakers if they are not the same"
                )
            seen[utterance] = part
        for speaker, sex in tokens[["speaker", "sex"]].drop_duplicates().itertuples(index=False):
            known, where = sexes.setdefault(speaker, (sex, part))
            if known != sex:
                raise CorpusError(
                    f"{part.corpus.path}: speaker '{speaker}' is '{sex}', in {where.corpus.path} "
                    f"'{known}'; correct the table of speakers, or merge without --same-speakers"
                )
    return [replace(part, prefix="") for part in parts]


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


def _check_complete(corpus: Corpus) -> None:
    """Raise unless a corpus has every file and count that is merged, as older ones may not."""
    missing = [name for name in (TRACKS, *_SMALL_TABLES) if not (corpus.path / name).is_file()]
    missing += [name for name in _COUNTS if name not in corpus.manifest["results"]]
    missing += [
        f"'n_truncated' of preset {preset}"
        for preset in corpus.presets()
        if "n_truncated" not in read_json(corpus.axes_file(preset))
    ]
    if missing:
        raise CorpusError(
            f"{corpus.path}: made by stressnet {_version_of(corpus)}, lacks {missing[0]}; build it "
            f"again with this version"
        )


def _check_columns(first: Corpus, second: Corpus) -> None:
    """Raise unless the tables of two corpora have the same columns."""
    for table in (TOKENS, PHONES, TRACKS):
        one, two = (
            set(open_parquet(c.path / table).schema_arrow.names) - {"corpus"}
            for c in (first, second)
        )
        if one != two:
            raise CorpusError(
                f"{second.path}: its {table} (stressnet {_version_of(second)}) and that of "
                f"{first.path} (stressnet {_version_of(first)}) differ in the column "
                f"'{min(one ^ two)}'; build both with the same version"
            )


def _version_of(corpus: Corpus) -> str:
    """Version of stressnet that built a corpus."""
    return str(corpus.manifest["versions"]["stressnet"])


def common_presets(parts: Sequence[Part]) -> list[str]:
    """Presets that all corpora hold with the same settings."""
    common = set.intersection(*(set(part.corpus.presets()) for part in parts))
    return sorted(
        name
        for name in common
        if len({part.corpus.images(name).fingerprint for part in parts}) == 1
    )


def merged_parameters(parts: Sequence[Part], splits: Any) -> dict[str, Any]:
    """What the manifest says of the corpora."""
    sources = [part.corpus.manifest["parameters"] for part in parts]
    flat = [inner for p in sources for inner in (p.get("sources") or [p])]
    if _are_shards([part.corpus for part in parts]):
        flat = flat[:1]
    keys = (
        "recipe title licence citation synthetic source request language syllables contrast".split()
    )
    kept = [{k: p.get(k) for k in keys if p.get(k) is not None} for p in flat]
    versions = sorted({_version_of(part.corpus) for part in parts})
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
        "splits": splits,
        "sources": kept,
        "built_by": [f"stressnet {version}" for version in versions],
    }


def merged_results(parts: Sequence[Part], tokens: pd.DataFrame) -> dict[str, Any]:
    """What the manifest counts in the corpora."""
    each = [part.corpus.manifest["results"] for part in parts]

    def summed(key: str) -> dict[str, int]:
        total: Counter[str] = Counter()
        for results in each:
            total.update(results.get(key, {}))
        return dict(total)

    presets = common_presets(parts)
    truncated = {
        preset: sum(r["words_longer_than_image"].get(preset, 0) for r in each) for preset in presets
    }
    return {
        "kind_of_words": parts[0].corpus.lengths.adjective,
        "n_tokens": len(tokens),
        "n_stretches_of_longer_words": sum(len(part.corpus.stretches) for part in parts),
        "n_utterances": int(tokens["utterance_id"].nunique()),
        "n_recordings_found": sum(int(r["n_recordings_found"]) for r in each),
        "audio_hours": round(sum(float(r["audio_hours"]) for r in each), 3),
        "n_speakers": int(tokens["speaker"].nunique()),
        "n_words": int(tokens["word"].nunique()),
        **class_counts(tokens, parts[0].corpus.contrast),
        "splits": {str(k): int(v) for k, v in tokens["split"].value_counts().items()},
        "rejected_words": summed("rejected_words"),
        "readings": summed("readings"),
        "problems": summed("problems"),
        "n_errors": sum(int(r["n_errors"]) for r in each),
        "presets": presets,
        "words_longer_than_image": truncated,
        "token_table": TOKENS,
    }
