"""What a build is asked to do: the recordings of its shard, and a hash of all that decides it."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.alignment.readers import files_of
from stressnet.corpus.recipe import Recipe
from stressnet.corpus.scan import Scan
from stressnet.corpus.speakers import examples
from stressnet.errors import CorpusError
from stressnet.languages import ENGLISH
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.lexicon.stress import DISYLLABLES
from stressnet.runs.manifest import hash_data, hash_ends, hash_file
from stressnet.runs.problems import Problem, warnings_about

if TYPE_CHECKING:
    from stressnet.stages.build_corpus import BuildConfig

_HOW = ("presets", "scheduler", "no_splits", "no_longer_words", "valid_share", "test_share")
"""Options that decide nothing, or stand in other parameters."""

_NOT_HASHED = ("source", "splits", "splits_file", "match")  # Of no stage before the splits


def shard_of(found: Scan, shard: tuple[int, int]) -> Scan:
    """Recordings of every n-th speaker, and the decisions about them."""
    index, n_shards = shard
    speakers = sorted({recording.speaker for recording in found.recordings})
    if len(speakers) < n_shards:
        raise CorpusError(
            f"{len(speakers)} speakers cannot be divided into {n_shards} shards; use fewer shards"
        )
    mine = set(speakers[index - 1 :: n_shards])
    recordings = tuple(r for r in found.recordings if r.speaker in mine)
    known = {recording.utterance_id for recording in recordings}
    return Scan(
        recordings,
        found.problems if index == 1 else (),  # told once
        {key: label for key, label in found.labels.items() if key[0] in known},
        {name: changes for name, changes in found.changes.items() if name in known},
    )


def make_request(recipe: Recipe, source: Path, found: Scan, config: BuildConfig) -> dict[str, Any]:
    """What decides the corpus, presets aside (they can be added later).

    ``hash`` covers everything that the stages before the splits depend on, so that an unfinished
    build can go on with other splits.
    """
    settings: dict[str, Any] = {k: v for k, v in asdict(config).items() if k not in _HOW}
    splits = config.splits
    settings |= {
        "match": list(config.match),
        "speakers": list(config.speakers),
        "longer_words": config.longer_words,
        "splits": None if splits is None else asdict(splits),
        "shard": None if config.part is None else list(config.part),
    }
    if package := {"crf": "gruut-lang-en", "spacy": "spacy"}.get(config.tagger):
        settings["tagger"] = f"{config.tagger} {version(package)}"
    for name in ("dictionary", "function_words", "labels", "splits_file"):
        path = settings[name]
        if path is not None:
            settings[name] = {"name": path.name, "sha256": _hash_given(path)}
    parameters = {
        **settings,
        "recipe": recipe.name,
        "source": str(source),
        "licence": recipe.licence,
        "citation": recipe.citation,
        "synthetic": recipe.synthetic,
    }
    # Files that hold the alignments of many recordings are hashed once.
    hash_of = cache(_hash_alignment)
    inputs = [
        [
            r.utterance_id,
            r.speaker,
            r.sex,
            r.audio_path.relative_to(source).as_posix(),
            hash_ends(r.audio_path),
            list(r.words),
            hash_of(r.alignment_path, r.alignment_format) if r.alignment_path else None,
            *([list(r.transcript.words)] if r.transcript else []),
            *([list(r.noises)] if r.noises else []),
        ]
        for r in found.recordings
    ]
    labels = sorted(
        [*key, label.stress, *([label.value] if label.value else [])]
        for key, label in found.labels.items()
    )
    content = {k: v for k, v in parameters.items() if k not in _NOT_HASHED}
    if config.code == ENGLISH:
        del content["language"]
    else:
        parameters["lexicon"] = content["lexicon"] = load_dictionary(None, config.code).name
    if config.lengths == DISYLLABLES:
        del content["syllables"]
    for name in ("contrast", "only_stress", "min_confidence"):
        if settings[name] is None:
            del parameters[name], content[name]
    if config.part is None:
        del parameters["shard"], content["shard"]
    else:
        whole = {k: v for k, v in content.items() if k != "shard"}
        parameters["whole"] = hash_data([whole, str(source.resolve())])
    return {"parameters": parameters, "hash": hash_data([content, inputs, labels])}


def _hash_alignment(path: Path, format: str) -> str | list[str]:
    """Hash of an alignment; of all its files, where words and phones are two."""
    hashes = [_hash_given(file) for file in files_of(path, format)]
    return hashes[0] if len(hashes) == 1 else hashes


def _hash_given(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def unused_labels(found: Scan) -> list[Problem]:
    """A warning per label table that decides about utterances which are not there."""
    known = {recording.utterance_id for recording in found.recordings}
    unused: dict[str, list[str]] = {}
    for (utterance_id, _), label in found.labels.items():
        if utterance_id not in known:
            unused.setdefault(label.table, []).append(utterance_id)
    problems = []
    for table, ids in unused.items():
        text = (
            f"{table}: {len(ids)} of its words belong to utterances that are not there or failed "
            f"({examples(ids)}); the recordings are called {examples(sorted(known))}"
        )
        problems += warnings_about(table, "labels", [text])
    return problems
