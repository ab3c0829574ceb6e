"""``stressnet build-corpus``: from a folder of recordings to a corpus of disyllabic word tokens.

Stages, each resumable: scan → align → cut → spectrograms → tracks → longer words → splits →
tables. What a stage
has finished is journalled in ``<out>/state`` until the corpus is complete; the same command
continues after an interruption and does nothing if all is done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stressnet.acoustics.spectrogram import get_preset
from stressnet.corpus.folds import MATCHABLE
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import Scan, read_labels, scan
from stressnet.corpus.splits import SplitConfig, check_speakers
from stressnet.corpus.store import LONGER_WORDS, TOKENS
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.part_of_speech import resolve_tagger
from stressnet.runs.lock import hold
from stressnet.runs.manifest import (
    FILE_NAME,
    read_manifest,
    write_json,
    write_manifest,
)
from stressnet.runs.parallel import worker_pool
from stressnet.runs.problems import Problem, count_lost, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.workflows.build_align import align
from stressnet.workflows.build_images import compute_spectrograms, n_truncated
from stressnet.workflows.build_longer_words import cut_longer_words
from stressnet.workflows.build_request import make_request, shard_of, unused_labels
from stressnet.workflows.build_tables import finish_tables, write_card
from stressnet.workflows.build_tokens import cut
from stressnet.workflows.build_tracks import compute_tracks

STATE = "state"


@dataclass(frozen=True)
class BuildConfig:
    """What decides the content of a corpus.

    Parameters
    ----------
    recipe : str
        Name of a shipped recipe or path of a TOML file.
    presets : tuple of str
        Spectrogram presets to compute.
    aligner : str
        Which aligner, where the corpus has no alignments; ``auto`` is the embedded default.
    context_s : float
        Sound kept before and after a word, so that no analysis window sees an edge.
    dictionary : Path or None
        Further pronunciations in CMUdict's format.
    function_words : Path or None
        A list that replaces the shipped one.
    labels : Path or None
        A table of stress decided by a person; wins over the recipe's own.
    splits : SplitConfig or None
        None builds without splits (for small corpora that are only to be explained).
    splits_file : Path or None
        The ``splits.csv`` of another build, whose sets are taken over.
    match : tuple of str
        ``duration``, ``frequency``: make the classes of each set alike in these by leaving out
        tokens.
    longer_words : bool
        Keep two-syllable stretches of longer words too, which only training uses.
    tagger : str
        Which tagger finds parts of speech: ``auto`` (the best installed), ``spacy``, ``crf``,
        ``none``.
    shard : (int, int) or None
        ``(i, n)`` builds the i-th (from 1) of n parts, each with the recordings of every n-th
        speaker; `merge_corpora` joins them. The default aligner learns from what it sees, so
        boundaries may differ by milliseconds from those of an undivided build.
    seed : int
        For everything drawn at random.
    """

    recipe: str
    presets: tuple[str, ...] = ("stressnet",)
    aligner: str = "auto"
    context_s: float = 0.25
    dictionary: Path | None = None
    function_words: Path | None = None
    labels: Path | None = None
    splits: SplitConfig | None = field(default_factory=SplitConfig)
    splits_file: Path | None = None
    match: tuple[str, ...] = ()
    longer_words: bool = True
    tagger: str = "auto"
    shard: tuple[int, int] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise ConfigError(
                f"shard {self.shard[0]}/{self.shard[1]}: the first number goes from 1 to the second"
            )
        unknown = set(self.match) - set(MATCHABLE)
        if unknown:
            raise ConfigError(
                f"classes cannot be matched by '{min(unknown)}'; there are {', '.join(MATCHABLE)}"
            )
        if self.context_s < 0.05:
            raise ConfigError(
                f"context of {self.context_s} s is too short for formant analysis; "
                f"use 0.05 s or more"
            )


@dataclass(frozen=True)
class BuildSummary:
    """What a build made.

    Parameters
    ----------
    path : Path
        The corpus folder.
    manifest : dict
        Its manifest.
    problems : tuple of Problem
        Items that failed or look odd.
    up_to_date : bool
        Whether nothing had to be done.
    """

    path: Path
    manifest: dict[str, Any]
    problems: tuple[Problem, ...]
    up_to_date: bool = False

    @property
    def n_errors(self) -> int:
        """Items that are missing from the corpus."""
        return int(self.manifest["results"].get("n_errors", 0))


def build_corpus(
    source: Path,
    out: Path,
    config: BuildConfig,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> BuildSummary:
    """Build a corpus, or continue building it.

    Parameters
    ----------
    source : Path
        Folder of recordings, laid out as the recipe says.
    out : Path
        Corpus folder to write.
    config : BuildConfig
        Content.
    jobs : int
        Worker processes; the result does not depend on it.
    overwrite : bool
        Replace another corpus in ``out``.
    progress : Progress, optional
        Where to show progress.
    executor : Executor, optional
        Does the work after the alignment instead of ``jobs`` processes here, e.g.
        ``dask.distributed.Client(...).get_executor()``. Its workers must see both folders under the
        same paths; ``jobs`` says how many tasks are handed out at a time.

    Raises
    ------
    CorpusError
        If ``source`` holds nothing usable, or ``out`` holds something else or cannot be written.
    ConfigError
        If a preset is unknown.
    """
    progress = progress or Progress(verbose=False)
    for preset in config.presets:
        get_preset(preset)
    recipe = load_recipe(config.recipe)
    config = replace(config, tagger=resolve_tagger(config.tagger))
    with progress.stage("scan"):
        found = scan(recipe, source)
    if config.shard is not None:
        found = shard_of(found, config.shard)
    if config.labels is not None:
        found = replace(found, labels={**found.labels, **read_labels(config.labels)})
    if config.splits is not None and config.splits_file is None and found.recordings:
        check_speakers(len({recording.speaker for recording in found.recordings}))
    request = make_request(recipe, source, found, config)
    _check_apart(out, source)
    done = _finished(out, request, overwrite)
    if done is not None:
        return _add_presets(out, done, config.presets, jobs=jobs, progress=progress)
    _prepare(out, request, overwrite)

    problems = [*found.problems, *unused_labels(found)]
    try:
        aligned = align(out, found, config, jobs=jobs, progress=progress, problems=problems)
        with worker_pool(jobs) if executor is None else nullcontext(executor) as pool:
            how: Any = {"jobs": jobs, "executor": pool, "progress": progress}
            rejected = cut(out, source, found, aligned, config, problems=problems, **how)
            compute_spectrograms(out, list(config.presets), **how)
            compute_tracks(out, problems=problems, **how)
            if config.longer_words:
                n_stretches = cut_longer_words(
                    out,
                    found,
                    aligned,
                    dictionary=config.dictionary,
                    context_s=config.context_s,
                    **how,
                )
                if n_stretches:
                    compute_spectrograms(out / LONGER_WORDS, list(config.presets), **how)
        with progress.stage("tables"):
            tokens = finish_tables(
                out,
                config.splits,
                rejected,
                corpus=recipe.name,
                splits_file=config.splits_file,
                match=config.match,
            )
            write_problems(out / "failures.csv", problems)
        results = _results(out, tokens, found, rejected, problems, config)
        write_card(out, recipe, tokens, results)
        parameters = {
            **request["parameters"],
            "title": recipe.title,
            "request": request["hash"],
        }
        manifest = _write_manifest(out, parameters, results, progress.seconds)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)  # Arrow adds its own words
        raise CorpusError(
            f"{error.filename or out}: {reason}; what is finished is kept, so "
            f"make room or correct the permissions and run the same command again"
        ) from error
    shutil.rmtree(out / STATE)
    return BuildSummary(out, manifest, tuple(problems))


def _check_apart(out: Path, source: Path) -> None:
    """Raise unless neither of the two folders lies in the other."""
    if out.resolve().is_relative_to(source.resolve()):
        raise CorpusError(
            f"{out}: lies inside the recordings' folder, where its excerpts would be taken for "
            f"recordings; choose a folder outside {source}"
        )
    if source.resolve().is_relative_to(out.resolve()):
        raise CorpusError(
            f"{out}: the recordings ({source}) lie inside it; choose a folder of its own"
        )


def _finished(out: Path, request: Mapping[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """The manifest if ``out`` already holds the requested corpus, None if there is none.

    Raises
    ------
    CorpusError
        If it holds another corpus (unless that may be overwritten) or is not a corpus at all.
    """
    if not (out / FILE_NAME).exists():
        return None
    manifest = read_manifest(out, "corpus")
    if overwrite:
        return None
    parameters = manifest["parameters"]
    wanted = json.loads(json.dumps(request["parameters"]))
    deciding = ("splits", "splits_file", "match")
    same_splits = all((parameters.get(k) or None) == (wanted[k] or None) for k in deciding)
    if parameters.get("request") == request["hash"] and same_splits:
        if (out / STATE).exists():  # killed while tidying up
            shutil.rmtree(out / STATE)
        return manifest
    raise CorpusError(
        f"{out}: holds another corpus (recipe '{parameters.get('recipe')}' of "
        f"{parameters.get('source')}, or the same with other settings or changed files); choose "
        f"another folder or use --overwrite"
    )


def _add_presets(
    out: Path,
    done: dict[str, Any],
    presets: Sequence[str],
    *,
    jobs: int,
    progress: Progress,
) -> BuildSummary:
    """Compute the presets that a finished corpus lacks."""
    there = set(done["results"]["presets"])
    missing = [preset for preset in presets if preset not in there]
    if not missing:
        return BuildSummary(out, done, (), up_to_date=True)
    compute_spectrograms(out, missing, jobs=jobs, progress=progress)
    if _n_stretches(out):
        compute_spectrograms(out / LONGER_WORDS, missing, jobs=jobs, progress=progress)
    everything = sorted(there | set(missing))
    results = {
        **done["results"],
        "presets": everything,
        "words_longer_than_image": _n_truncated(out, everything),
    }
    seconds = {**done["seconds"], **progress.seconds}
    return BuildSummary(out, _write_manifest(out, done["parameters"], results, seconds), ())


def _prepare(out: Path, request: Mapping[str, Any], overwrite: bool) -> None:
    """Make ``out`` ready to be written, or to be continued.

    Raises
    ------
    CorpusError
        If it cannot be written, holds something else, or an unfinished corpus of another request.
    """
    state_file = out / STATE / "request.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        hold(out)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
        ours = (out / FILE_NAME).exists() or state_file.exists()
        if any(out.iterdir()) and not ours:
            raise CorpusError(
                f"{out}: not empty and not made by build-corpus; choose an empty or new folder"
            )
        if ours and overwrite:
            shutil.rmtree(out)
            out.mkdir()
            hold(out)
        elif state_file.exists():
            begun = json.loads(state_file.read_text(encoding="utf-8"))
            if begun["hash"] != request["hash"]:
                raise CorpusError(
                    f"{out}: holds an unfinished corpus of other settings or files; choose another "
                    f"folder or use --overwrite"
                )
        (out / STATE).mkdir(exist_ok=True)
        write_json(state_file, dict(request))
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error


def _n_truncated(out: Path, presets: Iterable[str]) -> dict[str, int]:
    """Per preset, words that are longer than its images and were cut on the right."""
    return {name: n_truncated(out / "spectrograms" / name) for name in presets}


def _n_stretches(out: Path) -> int:
    """Rows of the table of stretches of longer words."""
    import pyarrow.parquet as pq

    path = out / LONGER_WORDS / TOKENS
    return int(pq.read_metadata(path).num_rows) if path.is_file() else 0


def _write_manifest(
    out: Path,
    parameters: Mapping[str, Any],
    results: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    files = [p for p in out.iterdir() if p.suffix in (".parquet", ".csv", ".md")]
    files += (out / LONGER_WORDS).glob("*.parquet")
    for folder in (out, out / LONGER_WORDS):
        images = (folder / "spectrograms").glob("*/*")
        files += [p for p in images if p.suffix in (".npy", ".json")]
    return write_manifest(
        out,
        "corpus",
        parameters=parameters,
        outputs=files,
        results=results,
        seconds=seconds,
    )


def _results(
    out: Path,
    tokens: Any,
    found: Scan,
    rejected: Counter[str],
    problems: list[Problem],
    config: BuildConfig,
) -> dict[str, Any]:
    n_errors = count_lost(problems)
    return {
        "n_tokens": len(tokens),
        "n_stretches_of_longer_words": _n_stretches(out),
        "n_utterances": int(tokens["utterance_id"].nunique()),
        "n_recordings_found": len(found.recordings),
        "audio_hours": round(sum(r.duration_s for r in found.recordings) / 3600, 3),
        "n_speakers": int(tokens["speaker"].nunique()),
        "n_words": int(tokens["word"].nunique()),
        "stress": {str(k): int(v) for k, v in tokens["stress"].value_counts(dropna=False).items()},
        "splits": {str(k): int(v) for k, v in tokens["split"].value_counts().items()},
        "rejected_words": dict(rejected.most_common()),
        "problems": count_problems(problems),
        "n_errors": n_errors,
        "presets": sorted(set(config.presets)),
        "words_longer_than_image": _n_truncated(out, sorted(set(config.presets))),
        "token_table": TOKENS,
    }
