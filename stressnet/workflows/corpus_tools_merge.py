"""``stressnet corpus merge``: several corpora, or the shards of one, as one corpus.

Each token keeps where it came from in the column ``corpus``. If two corpora share an utterance's or
a speaker's name, which means different people, every name gets its corpus's in front. Shards of one
build share their speakers on purpose and keep all names.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stressnet.corpus.card import card_text
from stressnet.corpus.splits import SplitConfig, check_leaks
from stressnet.corpus.store import LONGER_WORDS, PHONES, TOKENS, TRACKS, Corpus
from stressnet.errors import CorpusError
from stressnet.lexicon.families import word_families
from stressnet.runs.lock import hold
from stressnet.runs.manifest import FILE_NAME, hash_data, read_manifest, write_json, write_manifest
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.workflows.build_tables import split_tokens, write_splits
from stressnet.workflows.corpus_tools import sources_of
from stressnet.workflows.corpus_tools_checks import (
    check_columns,
    check_complete,
    version_of,
)
from stressnet.workflows.corpus_tools_merge_files import (
    Part,
    append_images,
    append_table,
    copy_excerpts,
    copy_textgrids,
    merged_tokens,
    write_longer_words,
    write_small_tables,
)

if TYPE_CHECKING:
    import pandas as pd

STATE = "state"
Splits = SplitConfig | Literal["keep"] | None


def merge_corpora(
    paths: Sequence[Path],
    out: Path,
    *,
    splits: Splits = SplitConfig(),  # noqa: B008
    overwrite: bool = False,
    progress: Progress,
) -> dict[str, Any]:
    """Write one corpus with the tokens of several.

    Parameters
    ----------
    paths : sequence of Path
        At least two corpora, built by one version with one set of columns.
    out : Path
        New corpus folder.
    splits : SplitConfig, "keep" or None
        Draw the sets anew over all of them, keep each corpus's own (an error if they leak into one
        another), or have none.
    overwrite : bool
        Replace another corpus in ``out``.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    CorpusError
        If the corpora do not fit together, a kept split leaks, or ``out`` cannot be written.
    """
    parts = _parts(paths)
    request = _request(parts, splits)
    if (out / FILE_NAME).exists() and not overwrite:
        manifest = read_manifest(out, "corpus")
        if manifest["parameters"].get("request") == request:
            return manifest
        raise CorpusError(f"{out}: holds another corpus; choose another folder or --overwrite")
    _prepare(out, request, overwrite)
    try:
        with progress.stage("tables"):
            tokens = merged_tokens(parts)
            tokens = _split(tokens, splits)
            write_parquet(tokens, out / TOKENS)
            write_splits(out, tokens)
            write_small_tables(out, parts)
            for table in (PHONES, TRACKS):
                append_table(out / table, parts, table)
        with progress.stage("excerpts", len(tokens), "token") as bar:
            copy_excerpts(out, parts, bar.update)
        copy_textgrids(out, parts)
        holding = [part for part in parts if len(part.corpus.stretches)]
        write_longer_words(out / LONGER_WORDS, holding)
        for preset in _common_presets(parts):
            images = [part.corpus.images(preset) for part in parts]
            append_images(out, images, preset, progress)
            if holding:
                images = [part.corpus.stretch_images(preset) for part in holding]
                append_images(out / LONGER_WORDS, images, preset, progress)
        return _finish(out, parts, tokens, splits, request, progress)
    except OSError as error:
        raise CorpusError(
            f"{error.filename or out}: {error.strerror or error}; make room or correct the "
            f"permissions and run the same command again"
        ) from error


def _parts(paths: Sequence[Path]) -> list[Part]:
    if len(paths) < 2:
        raise CorpusError("one corpus cannot be merged; give two or more")
    corpora = [Corpus.open(path) for path in paths]
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


def _request(parts: Sequence[Part], splits: Splits) -> str:
    how = asdict(splits) if isinstance(splits, SplitConfig) else splits
    return hash_data([[[p.corpus.fingerprint, p.name, p.prefix] for p in parts], how])


def _prepare(out: Path, request: str, overwrite: bool) -> None:
    state = out / STATE / "merge.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        hold(out)
        if any(out.iterdir()):
            ours = state.exists() or ((out / FILE_NAME).exists() and overwrite)
            if not ours:
                raise CorpusError(f"{out}: not empty and not a corpus; choose a new folder")
            shutil.rmtree(out)
            out.mkdir()
            hold(out)
        state.parent.mkdir()
        write_json(state, {"request": request})
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another folder"
        ) from error


def _split(tokens: pd.DataFrame, splits: Splits) -> pd.DataFrame:
    if splits != "keep":
        return split_tokens(tokens, splits)
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


def _finish(
    out: Path,
    parts: Sequence[Part],
    tokens: pd.DataFrame,
    splits: Splits,
    request: str,
    progress: Progress,
) -> dict[str, Any]:
    """Card, counts and manifest."""
    results = _results(parts, tokens)
    shards = _are_shards([part.corpus for part in parts])
    sources = [p["parameters"] for p in (part.corpus.manifest for part in parts)]
    flat = [inner for p in sources for inner in (p.get("sources") or [p])]
    if shards:
        flat = flat[:1]
    keys = ("recipe", "title", "licence", "citation", "synthetic", "source", "request")
    kept = [{k: p.get(k) for k in keys if p.get(k) is not None} for p in flat]
    versions = sorted({version_of(part.corpus) for part in parts})
    licences = list(dict.fromkeys(str(p["licence"]) for p in kept))
    parameters = {
        "recipe": kept[0]["recipe"] if len(kept) == 1 else "merged",
        "title": kept[0].get("title", kept[0]["recipe"])
        if len(kept) == 1
        else f"{len(kept)} corpora merged",
        "licence": "; ".join(licences),
        "citation": " ".join(dict.fromkeys(str(p["citation"]) for p in kept)),
        "synthetic": all(bool(p["synthetic"]) for p in kept),
        "source": [str(part.corpus.path) for part in parts],
        "prefixed": bool(parts[0].prefix),
        "splits": asdict(splits) if isinstance(splits, SplitConfig) else splits,
        "sources": kept,
        "built_by": [f"stressnet {version}" for version in versions],
        "request": request,
    }
    listed = sources_of({"parameters": parameters})
    text = card_text(str(parameters["title"]), listed, tokens, results)
    (out / "corpus-card.md").write_text(text, encoding="utf-8")
    files = [p for p in out.iterdir() if p.suffix in (".parquet", ".csv", ".md")]
    files += (out / LONGER_WORDS).glob("*.parquet")
    for folder in (out, out / LONGER_WORDS):
        images = (folder / "spectrograms").glob("*/*")
        files += [p for p in images if p.suffix in (".npy", ".json")]
    manifest = write_manifest(
        out,
        "corpus",
        parameters=parameters,
        inputs={str(part.corpus.path): part.corpus.fingerprint for part in parts},
        outputs=files,
        results=results,
        seconds=progress.seconds,
    )
    shutil.rmtree(out / STATE)
    return manifest


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
