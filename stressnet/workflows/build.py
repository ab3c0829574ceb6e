"""``stressnet build-corpus``: from a folder of recordings to a corpus of disyllabic word tokens.

Stages, each resumable: scan → align → cut → spectrograms → tracks → splits → tables. What a stage
has finished is journalled in ``<out>/state`` until the corpus is complete; the same command
continues after an interruption and does nothing if all is done.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stressnet.corpus.recipe import Recipe, load_recipe
from stressnet.corpus.scan import Scan, scan
from stressnet.corpus.splits import SplitConfig
from stressnet.corpus.store import TOKENS
from stressnet.errors import ConfigError, CorpusError
from stressnet.manifest import FILE_NAME, hash_data, read_manifest, write_json, write_manifest
from stressnet.problems import Problem, Severity, count_problems, write_problems
from stressnet.progress import Progress
from stressnet.workflows.build_align import align
from stressnet.workflows.build_images import compute_spectrograms
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
    seed: int = 0

    def __post_init__(self) -> None:
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

    Raises
    ------
    CorpusError
        If ``source`` holds nothing usable, or ``out`` holds something else or cannot be written.
    """
    progress = progress or Progress(verbose=False)
    recipe = load_recipe(config.recipe)
    with progress.stage("scan"):
        found = scan(recipe, source)
    if config.labels is not None:
        from stressnet.corpus.scan import read_labels

        found = Scan(
            found.recordings, found.problems, {**found.labels, **read_labels(config.labels)}
        )
    request = _request(recipe, source, found, config)
    done = _prepare(out, request, source, config, overwrite)
    if done is not None:
        missing = [
            p for p in config.presets if not (out / "spectrograms" / p / "axes.json").exists()
        ]
        if not missing:
            return BuildSummary(out, done, (), up_to_date=True)
        compute_spectrograms(out, missing, jobs=jobs, progress=progress)
        results = {**done["results"], "presets": sorted({*done["results"]["presets"], *missing})}
        return BuildSummary(out, _write_manifest(out, done["parameters"], results, progress), ())

    problems = list(found.problems)
    aligned = align(out, found, config, jobs=jobs, progress=progress, problems=problems)
    rejected = cut(out, found, aligned, config, jobs=jobs, progress=progress, problems=problems)
    compute_spectrograms(out, list(config.presets), jobs=jobs, progress=progress)
    compute_tracks(out, jobs=jobs, progress=progress, problems=problems)
    with progress.stage("tables"):
        tokens = finish_tables(out, config.splits, rejected)
        write_problems(out / "failures.csv", problems)
    results = _results(tokens, found, rejected, problems, config)
    write_card(out, recipe, tokens, results)
    manifest = _write_manifest(
        out, {**request["parameters"], "request": request["hash"]}, results, progress
    )
    shutil.rmtree(out / STATE)
    return BuildSummary(out, manifest, tuple(problems))


def _request(recipe: Recipe, source: Path, found: Scan, config: BuildConfig) -> dict[str, Any]:
    """What decides the corpus, presets aside (they can be added later)."""
    settings = {k: v for k, v in asdict(config).items() if k != "presets"}
    for name in ("dictionary", "function_words", "labels"):
        path = settings[name]
        if path is not None:
            from stressnet.manifest import hash_file

            settings[name] = {"name": path.name, "sha256": hash_file(path)}
    parameters = {
        **settings,
        "recipe": recipe.name,
        "source": str(source),
        "licence": recipe.licence,
        "citation": recipe.citation,
        "synthetic": recipe.synthetic,
    }
    inputs = [
        [
            r.utterance_id,
            r.audio_path.relative_to(source).as_posix(),
            r.audio_path.stat().st_size,
            list(r.words),
            r.alignment_path.stat().st_size if r.alignment_path else None,
            r.sex,
        ]
        for r in found.recordings
    ]
    labels = sorted([*key, value] for key, value in found.labels.items())
    content = {k: v for k, v in parameters.items() if k != "source"}
    return {"parameters": parameters, "hash": hash_data([content, inputs, labels])}


def _prepare(
    out: Path, request: Mapping[str, Any], source: Path, config: BuildConfig, overwrite: bool
) -> dict[str, Any] | None:
    """Make ``out`` ready; return the manifest if it already holds the requested corpus."""
    if out.resolve().is_relative_to(source.resolve()):
        raise CorpusError(
            f"{out}: lies inside the recordings' folder, where its excerpts would be taken for "
            f"recordings; choose a folder outside {source}"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error
    state_file = out / STATE / "request.json"
    ours = (out / FILE_NAME).exists() or state_file.exists()
    if any(out.iterdir()) and not ours:
        raise CorpusError(
            f"{out}: not empty and not made by build-corpus; choose an empty or new folder"
        )
    if ours and overwrite:
        shutil.rmtree(out)
        out.mkdir()
    elif (out / FILE_NAME).exists():
        manifest = read_manifest(out, "corpus")
        if manifest["parameters"].get("request") == request["hash"]:
            return manifest
        raise CorpusError(
            f"{out}: holds another corpus (recipe '{manifest['parameters'].get('recipe')}' of "
            f"{manifest['parameters'].get('source')}, or the same with other settings or changed "
            f"files); choose another folder or use --overwrite"
        )
    elif state_file.exists():
        import json

        if json.loads(state_file.read_text(encoding="utf-8"))["hash"] != request["hash"]:
            raise CorpusError(
                f"{out}: holds an unfinished corpus of other settings or files; choose another "
                f"folder or use --overwrite"
            )
        return None
    (out / STATE).mkdir(exist_ok=True)
    write_json(state_file, dict(request))
    return None


def _write_manifest(
    out: Path, parameters: Mapping[str, Any], results: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    files = [p for p in out.iterdir() if p.suffix in (".parquet", ".csv", ".md")]
    files += sorted((out / "spectrograms").glob("*/*.npy"))
    return write_manifest(
        out,
        "corpus",
        parameters=parameters,
        outputs=files,
        results=results,
        seconds=progress.seconds,
    )


def _results(
    tokens: Any,
    found: Scan,
    rejected: Counter[str],
    problems: list[Problem],
    config: BuildConfig,
) -> dict[str, Any]:
    n_errors = sum(problem.severity is Severity.ERROR for problem in problems)
    return {
        "n_tokens": len(tokens),
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
        "presets": sorted(config.presets),
        "token_table": TOKENS,
    }
