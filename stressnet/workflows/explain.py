"""``stressnet explain``: relevance maps of a corpus's tokens, and their shares in regions.

Maps are written as they are computed (memory-mapped, journalled), so memory does not grow with the
corpus and an interrupted run continues. Projection and statistics follow from the maps on disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.stress import Stress
from stressnet.runs.manifest import hash_data, hash_file, write_manifest
from stressnet.runs.problems import Problem, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.workflows.assess_tokens import reference_spectrum
from stressnet.workflows.explain_maps import UNTRAINED, compute_maps, null_networks, token_table
from stressnet.workflows.explain_regions import (
    N_DONORS,
    NULLS,
    RELEVANCE,
    ProjectionSettings,
    project_run,
    summarise_localisation,
    summarise_nulls,
)
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

NULL_NAMES = ("exchange", "time_shift", "frequency_shift", UNTRAINED)
"""Nulls that can be asked for by name; ``all`` is all of them."""

MAX_CLOSURE = 1e-3
"""Largest residual of the ledger, relative to the explained value, that counts as closed."""


@dataclass(frozen=True)
class ExplainedRun:
    """What ``stressnet explain`` left on disk.

    Parameters
    ----------
    path : Path
        The run folder.
    tokens : DataFrame
        One row per explained token.
    summary : DataFrame
        One row per region and class.
    manifest : dict
        Its manifest.
    problems : list of Problem
        Tokens that could not be projected; also in ``failures.csv``.
    summary_nulls : DataFrame or None
        The summary against further nulls, if any were asked for.
    """

    path: Path
    tokens: pd.DataFrame
    summary: pd.DataFrame
    manifest: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    summary_nulls: pd.DataFrame | None = None


def explain_corpus(
    corpus_path: Path,
    model_path: Path,
    out: Path,
    *,
    composite: str | None = None,
    seed_output: str = "logit-difference",
    splits: Sequence[str] | None = None,
    max_tokens: int | None = None,
    nulls: Sequence[str] = ("exchange",),
    null_models: Sequence[Path] = (),
    bands: str = "fixed-hz",
    region_files: Sequence[Path] = (),
    partitions: Sequence[str] = (),
    seed: int = 0,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExplainedRun:
    """Explain a network's verdict on the tokens of a corpus.

    Parameters
    ----------
    corpus_path, model_path : Path
        A built corpus and a checkpoint folder.
    out : Path
        Run folder to write.
    composite : str, optional
        Rules of layer-wise relevance propagation, see ``docs/explain.md``, or a method of
        :data:`stressnet.explain.reference.REFERENCED`; None takes the rules that suit the network
        (:class:`stressnet.models.registry.ModelSpec`).
    seed_output : str
        What is explained: ``logit-difference`` (INITIAL minus FINAL), ``logit`` or ``log-odds``;
        the latter two are of INITIAL, so that positive relevance always speaks for INITIAL.
    splits : sequence of str, optional
        Which tokens; all test sets if left out.
    max_tokens : int, optional
        A random sample of this size.
    nulls : sequence of str
        Names of :data:`NULL_NAMES` or ``all``. The exchange is always computed, since
        ``relevance.parquet`` and ``summary.csv`` hold it.
    null_models : sequence of Path
        Checkpoints whose maps serve as further nulls, e.g. of a network trained on permuted labels;
        each null is named as its folder.
    bands : str
        Width of formant bands, see :meth:`stressnet.regions.BandRule.parse`.
    region_files : sequence of Path
        Python files that register further regions, see ``docs/regions.md``.
    partitions : sequence of str
        Names of :data:`stressnet.regions.partition.PARTITIONS` to write as tables.
    seed : int
        For the sample, the null's exchanges and fresh weights.
    jobs : int
        Worker processes for the projection; the result does not depend on it.
    overwrite : bool
        Replace a run in ``out``.

    Raises
    ------
    ConfigError
        If a composite, null, band rule, partition or file of regions is unusable.
    CheckpointError
        If a network was trained on another preset or ``out`` holds something else.
    CorpusError
        If no token is left to explain.
    """
    import pandas as pd

    from stressnet.explain import COMPOSITES
    from stressnet.explain.reference import REFERENCED
    from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
    from stressnet.models.registry import get_spec
    from stressnet.regions import BandRule, get_regions, load_regions
    from stressnet.regions.nulls import SHIFTS
    from stressnet.regions.partition import PARTITIONS

    progress = progress or Progress(verbose=False)
    known = (*COMPOSITES, *REFERENCED)
    if composite is not None and composite not in known:
        raise ConfigError(f"no composite '{composite}'; there are {', '.join(known)}")
    wanted = _checked_nulls(nulls)
    rule = BandRule.parse(bands)
    unknown = [name for name in partitions if name not in PARTITIONS]
    if unknown:
        raise ConfigError(f"no partition {', '.join(unknown)}; there are {', '.join(PARTITIONS)}")
    for file in region_files:
        load_regions(file)
    corpus = Corpus.open(corpus_path)
    model, info = load_checkpoint(model_path)
    images = corpus.images(info.preset)
    info.check_input(info.preset, images.preset, images.axes.shape)
    composite = composite or get_spec(info.architecture).composite
    chosen = choose_tokens(corpus, splits or TEST_SPLITS, max_tokens, seed)
    parameters = {
        "corpus": str(corpus_path),
        "model": str(model_path),
        "preset": info.preset,
        "composite": composite,
        "seed_output": seed_output,
        "splits": list(splits or TEST_SPLITS),
        "max_tokens": max_tokens,
        "n_donors": N_DONORS,
        "nulls": [*wanted, *(path.resolve().name for path in null_models)],
        "bands": str(rule),
        "partitions": list(partitions),
        "regions": [region.name for region in get_regions()],
        "seed": seed,
    }
    networks = null_networks(
        info,
        corpus,
        chosen,
        untrained=UNTRAINED in wanted,
        null_models=null_models,
        taken=NULL_NAMES,
        seed=seed,
    )
    inputs = {"corpus": corpus.fingerprint, "model": hash_file(model_path / WEIGHTS_NAME)}
    for path in null_models:
        inputs[f"null model {path.resolve().name}"] = hash_file(path / WEIGHTS_NAME)
    for path in region_files:
        inputs[f"regions {path.name}"] = hash_file(path)
    content = {k: v for k, v in parameters.items() if k not in ("corpus", "model")}
    request = hash_data([content, inputs, len(chosen)])
    claim_folder(out, request, overwrite, "run")

    state = out / "state"
    image_index = chosen["image"].to_numpy()
    spectrum = reference_spectrum(corpus, images, chosen, [composite])
    with progress.stage("explain", len(chosen), "token") as bar:
        maps_table, ledger = compute_maps(
            out / "maps.npy",
            model,
            images,
            image_index,
            composite,
            seed_output,
            bar,
            journal_file=state / "maps.jsonl",
            spectrum=spectrum,
        )
    accuracy: dict[str, float] = {}
    signs: dict[str, list[float]] = {}
    for name, network in networks.items():
        with progress.stage(f"null {name}", len(chosen), "token") as bar:
            theirs, _ = compute_maps(
                state / f"null-{name}.npy",
                network,
                images,
                image_index,
                composite,
                seed_output,
                bar,
                journal_file=state / f"null-{name}.jsonl",
                spectrum=spectrum,
            )
        said = token_table(chosen, theirs)
        accuracy[name] = float(said["correct"].mean())
        initial = said["stress_predicted"] == Stress.INITIAL.value
        signs[name] = np.where(initial, 1.0, -1.0).tolist()
    shutil.copyfile(corpus_path / "spectrograms" / info.preset / "axes.json", out / "axes.json")
    tokens = token_table(chosen, maps_table)
    write_parquet(tokens, out / "tokens.parquet")
    ledger.to_csv(out / "ledger.csv", index=False)
    settings = ProjectionSettings(
        preset=info.preset,
        bands=rule,
        maps=out / "maps.npy",
        shifts=tuple(name for name in wanted if name in SHIFTS),
        null_maps=tuple((name, state / f"null-{name}.npy") for name in networks),
        region_files=tuple(region_files),
        partitions=tuple(partitions),
    )
    with progress.stage("project", len(tokens), "token") as bar:
        vowels = chosen[["nucleus_1", "nucleus_2"]]
        problems, matches = project_run(
            out, corpus_path, settings, tokens.join(vowels), seed, jobs, bar, signs
        )
    write_problems(out / "failures.csv", problems)
    if not (out / RELEVANCE).exists():
        raise CorpusError(
            f"{out}: no token could be projected; see failures.csv there. First: "
            f"{problems[0].item}: {problems[0].reason}"
        )
    with progress.stage("summarise"):
        summary, summary_nulls = _summarise(out, pd.read_parquet(out / RELEVANCE))
    manifest = write_manifest(
        out,
        "relevance",
        parameters={
            **parameters,
            "network": {"architecture": info.architecture, "seed": info.seed},
            "request": request,
        },
        inputs=inputs,
        outputs=[p for p in out.iterdir() if p.suffix in (".csv", ".parquet", ".npy")],
        results={
            **_conservation(tokens),
            "trained_on_this_corpus": info.corpus_hash == corpus.fingerprint,
            "accuracy_of_nulls": accuracy,
            "donors_match_in": matches,
            "problems": count_problems(problems),
        },
        seconds=progress.seconds,
    )
    shutil.rmtree(state)
    (out / REQUEST_NAME).unlink()
    return ExplainedRun(out, tokens, summary, manifest, problems, summary_nulls)


def _checked_nulls(names: Sequence[str]) -> list[str]:
    """Names in the order of :data:`NULL_NAMES`, the exchange always among them."""
    unknown = [name for name in names if name not in (*NULL_NAMES, "all")]
    if unknown:
        raise ConfigError(f"no null {', '.join(unknown)}; there are {', '.join(NULL_NAMES)}, all")
    return [name for name in NULL_NAMES if name in names or "all" in names or name == "exchange"]


def _summarise(out: Path, relevance: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Write the summaries; return that of the exchange and that of further nulls."""
    import pandas as pd

    from stressnet.statistics import summarise

    summary = summarise(relevance)
    summary.to_csv(out / "summary.csv", index=False)
    localisation = summarise_localisation(relevance)
    localisation.to_csv(out / "summary_localisation.csv", index=False)
    if not (out / NULLS).exists():
        return summary, None
    nulls = pd.read_parquet(out / NULLS)
    if set(nulls["null"]) <= {"exchange"}:
        return summary, None
    against = summarise_nulls(relevance, nulls)
    against.to_csv(out / "summary_nulls.csv", index=False)
    return summary, against


def choose_tokens(
    corpus: Corpus, splits: Sequence[str], max_tokens: int | None, seed: int
) -> pd.DataFrame:
    """Labelled tokens of the splits (``all``: of all), in corpus order, with their image index."""
    tokens = corpus.tokens.copy()
    tokens["image"] = np.arange(len(tokens))
    known = set(tokens["split"].unique())
    if known == {"unsplit"}:
        splits = ["unsplit"]
    elif "all" in splits:
        splits = sorted(known)
    elif not set(splits) & known:
        raise CorpusError(
            f"{corpus.path}: no token in split {', '.join(splits)}; there are "
            f"{', '.join(sorted(known))}"
        )
    tokens = tokens[tokens["split"].isin(splits) & tokens["stress"].notna()]
    if tokens.empty:
        raise CorpusError(f"{corpus.path}: no labelled token in split {', '.join(splits)}")
    if max_tokens is not None and max_tokens < len(tokens):
        rng = np.random.default_rng([seed, 2])
        tokens = tokens.iloc[np.sort(rng.choice(len(tokens), max_tokens, replace=False))]
    return tokens.reset_index(drop=True)


def _conservation(tokens: pd.DataFrame) -> dict[str, Any]:
    """How well the ledger closes, over all tokens."""
    return {
        "n_tokens": len(tokens),
        "accuracy_on_explained_tokens": float(tokens["correct"].mean()),
        "median_relevance_over_output": float(
            (tokens["relevance_sum"] / tokens["output"]).median()
        ),
        "median_absolute_output": float(tokens["output"].abs().median()),
        "median_bias_share": float((tokens["bias_share"] / tokens["output"]).median()),
        "largest_closure_residual": float(tokens["closure"].max()),
        "conserved": bool(tokens["closure"].max() <= MAX_CLOSURE),
    }
