"""``stressnet causal-agreement``: does relevance predict what changing a cue does?

Stimuli first (:mod:`stressnet.workflows.manipulate`; a finished folder can be given instead), then
maps of the same tokens as recorded, then rank correlations. Maps are journalled as their sums in
regions, so an interrupted run continues with the same command.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.stress import Stress
from stressnet.models.registry import get_spec
from stressnet.runs.journal import Journal
from stressnet.runs.manifest import FILE_NAME, hash_data, hash_file, read_manifest, write_manifest
from stressnet.runs.problems import Problem, Severity, count_lost, write_problems
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.explain.faithfulness.battery import Attribution
    from stressnet.regions.from_corpus import SceneReader

PAIRS, TABLE, FIGURE = "pairs.parquet", "agreement.csv", "agreement"
STIMULI_FOLDER = "stimuli"
CHUNK = 16
"""Tokens that are explained together."""

N_STEPS = 3
"""Both ends and the middle: what causal agreement needs of a continuum."""


@dataclass(frozen=True)
class CausalResult:
    """What ``stressnet causal-agreement`` left on disk.

    Parameters
    ----------
    path : Path
        The folder.
    pairs : DataFrame
        One row per method, token and cue: relevance, effect, swing.
    table : DataFrame
        Rank correlations, see :func:`stressnet.manipulation.causal.agreement_table`.
    manifest : dict
    problems : list of Problem
        Regions that tokens lack.
    n_failed : int
        Stimuli that could not be made here; those of a given folder are reported where they were.
    """

    path: Path
    pairs: pd.DataFrame
    table: pd.DataFrame
    manifest: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    n_failed: int = 0


def causal_agreement(
    corpus_path: Path,
    model_path: Path,
    out: Path,
    *,
    methods: Sequence[str] | None = None,
    stimuli: Path | None = None,
    measured: Path | None = None,
    splits: Sequence[str] | None = None,
    max_tokens: int | None = 150,
    seed: int = 0,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> CausalResult:
    """Compare maps with the effects of changed cues, token by token.

    Parameters
    ----------
    corpus_path, model_path : Path
        A built corpus and a checkpoint folder.
    out : Path
        Folder to write.
    methods : sequence of str, optional
        Composites and other methods; those of ``stressnet assess`` if left out. The first is drawn
        token by token.
    stimuli : Path, optional
        A finished folder of ``stressnet manipulate`` with the network's responses; made into
        ``out/stimuli`` if left out.
    measured : Path, optional
        What ``stressnet measure`` wrote for the corpus, if stimuli are to be made.
    splits : sequence of str, optional
        Which tokens, if stimuli are to be made; all test sets if left out.
    max_tokens : int, optional
        A random sample of this size, if stimuli are to be made.
    seed : int
        For all chance.
    jobs : int
        Worker processes for stimuli.
    overwrite : bool
        Replace what is in ``out``.

    Raises
    ------
    ConfigError
        If a method is unknown or no continuum has a neutral step.
    CorpusError
        If the stimuli are of another corpus or network.
    CheckpointError
        If the network does not fit the corpus, or ``out`` holds something else.
    """
    from stressnet.corpus.mean_spectrum import mean_spectrum
    from stressnet.explain.composites import suited
    from stressnet.explain.faithfulness.battery import find_attributions
    from stressnet.explain.reference import REFERENCED
    from stressnet.manipulation.causal import agreement_table
    from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
    from stressnet.regions.from_corpus import SceneReader
    from stressnet.report.manipulation_figures import plot_agreement
    from stressnet.report.style import save_figure
    from stressnet.stages.assess.run import DEFAULT_METHODS

    progress = progress or Progress(verbose=False)
    corpus = Corpus.open(corpus_path)
    model, info = load_checkpoint(model_path)
    own = get_spec(info.architecture).composite
    names = tuple(dict.fromkeys(methods or suited(DEFAULT_METHODS, own)))
    images = corpus.images(info.preset)
    info.check_input(info.preset, images.preset, images.axes.shape)
    everything = corpus.tokens.assign(image=np.arange(len(corpus.tokens)))
    spectrum = None
    if any(name in REFERENCED for name in names):
        spectrum = mean_spectrum(corpus, images, everything)
    attributions = find_attributions(names, str(images.preset["padding"]), seed, spectrum)
    content = {
        "methods": list(names),
        "splits": list(splits or ()),
        "max_tokens": max_tokens,
        "seed": seed,
    }
    inputs = {"corpus": corpus.fingerprint, "model": hash_file(model_path / WEIGHTS_NAME)}
    if stimuli is not None:
        read_manifest(stimuli, "manipulation")
        inputs["stimuli"] = hash_file(stimuli / FILE_NAME)
    claim_folder(out, hash_data([content, inputs]), overwrite, "causal agreement")

    folder = stimuli or _make_stimuli(
        corpus_path, model_path, out, measured, splits, max_tokens, seed, jobs, progress
    )
    failures = [] if stimuli else _read_problems(folder / "failures.csv")
    responses = responses_of(folder, corpus, model_path, inputs["model"])
    effects, tokens = effects_and_tokens(responses, corpus)
    with progress.stage("explain", len(tokens), "token") as bar:
        relevance, problems = _relevance(
            out, model, attributions, SceneReader(corpus, info.preset), tokens, bar
        )
    with progress.stage("summarise"):
        pairs = _pairs(effects, relevance, tokens)
        table = agreement_table(pairs, seed=seed)
        write_parquet(pairs, out / PAIRS)
        table.to_csv(out / TABLE, index=False, float_format="%.8g", lineterminator="\n")
        save_figure(plot_agreement(pairs, table, method=names[0]), out / FIGURE)
        write_problems(out / "failures.csv", [*failures, *problems])
    manifest = write_manifest(
        out,
        "causal agreement",
        parameters={
            "corpus": str(corpus_path),
            "model": str(model_path),
            "stimuli": str(folder),
            "preset": info.preset,
            **content,
        },
        inputs=inputs,
        outputs=[p for p in out.iterdir() if p.suffix in (".csv", ".parquet", ".png", ".pdf")],
        results={
            "n_tokens": int(pairs["token_id"].nunique()),
            "n_speakers": int(tokens["speaker"].nunique()),
            "n_pairs": len(pairs),
        },
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    n_failed = count_lost(failures)
    return CausalResult(out, pairs, table, manifest, problems, n_failed)


def _make_stimuli(
    corpus_path: Path,
    model_path: Path,
    out: Path,
    measured: Path | None,
    splits: Sequence[str] | None,
    max_tokens: int | None,
    seed: int,
    jobs: int,
    progress: Progress,
) -> Path:
    """Both ends and the middle of every cue's continuum, unless they are there."""
    from stressnet.workflows.manipulate import manipulate_corpus
    from stressnet.workflows.manipulate_inputs import ManipulateConfig

    folder = out / STIMULI_FOLDER
    if not (folder / FILE_NAME).is_file():
        config = ManipulateConfig(
            n_steps=N_STEPS,
            together=True,
            splits=tuple(splits or ()),
            max_tokens=max_tokens,
            seed=seed,
        )
        manipulate_corpus(
            corpus_path,
            folder,
            config,
            measured=measured,
            models=[model_path],
            jobs=jobs,
            progress=progress,
        )
    return folder


def _read_problems(file: Path) -> list[Problem]:
    import pandas as pd

    return [
        Problem(str(row.item), str(row.stage), Severity(str(row.severity)), str(row.reason))
        for row in pd.read_csv(file).itertuples()
    ]


def responses_of(folder: Path, corpus: Corpus, model_path: Path, digest: str) -> pd.DataFrame:
    """A network's responses in a folder of ``stressnet manipulate``.

    Parameters
    ----------
    folder : Path
    corpus : Corpus
        That the stimuli must be of.
    model_path : Path
        The network's folder, whose name is its name in the table.
    digest : str
        Hash of its weights.

    Raises
    ------
    CorpusError
        If the folder is of another corpus, or lacks this network's responses.
    """
    from stressnet.workflows.manipulate import read_manipulation

    manifest = read_manifest(folder, "manipulation")
    if manifest["inputs"].get("corpus") != corpus.fingerprint:
        raise CorpusError(
            f"{folder}: stimuli of another corpus than {corpus.path}; run 'stressnet manipulate'"
        )
    name = model_path.resolve().name
    tables = read_manipulation(folder)
    if manifest["inputs"].get(name) != digest or "responses" not in tables:
        raise CorpusError(
            f"{folder}: no responses of {model_path}; run 'stressnet manipulate' with "
            f"--model {model_path}"
        )
    responses = tables["responses"]
    return responses[responses["model"] == name].reset_index(drop=True)


def effects_and_tokens(
    responses: pd.DataFrame, corpus: Corpus
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects of one network's responses, and the tokens they are of.

    Returns
    -------
    effects : DataFrame
        ``token_id, cue, effect, swing``.
    tokens : DataFrame
        Rows of the corpus's tokens in its order, with ``logit_difference`` and
        ``stress_predicted`` of the word as recorded.
    """
    from stressnet.manipulation.causal import effects_from_responses

    effects = effects_from_responses(responses)
    natural = responses[responses["kind"] == "natural"].set_index("token_id")["logit_difference"]
    tokens = corpus.tokens[corpus.tokens["token_id"].isin(natural.index)].reset_index(drop=True)
    tokens = tokens.assign(logit_difference=tokens["token_id"].map(natural))
    initial = tokens["logit_difference"] > 0
    said = np.where(initial, Stress.INITIAL.value, Stress.FINAL.value)
    return effects, tokens.assign(stress_predicted=said)


def _relevance(
    out: Path,
    model: Any,
    attributions: dict[str, Attribution],
    reader: SceneReader,
    tokens: pd.DataFrame,
    bar: Any,
) -> tuple[pd.DataFrame, list[Problem]]:
    """Sums of maps in the regions of cues: ``token_id, method, cue, relevance``."""
    import pandas as pd

    (out / "state").mkdir(exist_ok=True)
    rows: list[Any] = []
    with Journal(out / "state" / "relevance.jsonl") as journal:
        ids = tokens["token_id"].tolist()
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            if str(start) not in journal.done:
                journal.add(str(start), _chunk(model, attributions, reader, part))
            rows += journal.done[str(start)]
            bar.update(len(part))
    table = pd.DataFrame(rows, columns=["token_id", "method", "cue", "relevance", "missing"])
    lost = table[table["missing"] != ""].drop_duplicates(["token_id", "cue"])
    problems = [
        Problem(str(row.token_id), f"region of {row.cue}", Severity.WARNING, str(row.missing))
        for row in lost.itertuples()
    ]
    return table, problems


def _chunk(
    model: Any, attributions: dict[str, Attribution], reader: SceneReader, ids: list[str]
) -> list[list[Any]]:
    """Relevance of some tokens' cues under every method; None where a region is missing."""
    import torch

    from stressnet.manipulation.causal import CUE_REGIONS

    values = reader.images.values
    picture = np.stack([values[reader.image_index(i)] for i in ids]).astype(np.float32)
    inputs = torch.from_numpy(picture)[:, None]
    # Log-odds of INITIAL are the logit difference INITIAL minus FINAL.
    classes = torch.full((len(ids),), Stress.INITIAL.class_index)
    scenes = {token_id: reader.scene(token_id, surroundings=False) for token_id in ids}
    masks = {
        (token_id, cue): union_mask(names, scene)
        for token_id, scene in scenes.items()
        for cue, names in CUE_REGIONS.items()
    }
    rows: list[list[Any]] = []
    for method, attribution in attributions.items():
        maps = attribution(model, inputs, classes)[:, 0].double().numpy()
        for token_id, one in zip(ids, maps, strict=True):
            for cue in CUE_REGIONS:
                mask = masks[token_id, cue]
                if isinstance(mask, str):
                    rows.append([token_id, method, cue, None, mask])
                else:
                    rows.append([token_id, method, cue, float((one * mask).sum()), ""])
    return rows


def union_mask(names: Sequence[str], scene: Any) -> Any:
    """Cells of several regions, each counted once; the reason if one of them is missing."""
    from stressnet.regions import Missing, get_regions

    found = []
    for region in get_regions(names):
        mask = region.mask(scene)
        if isinstance(mask, Missing):
            return f"{region.name}: {mask.reason}"
        found.append(mask)
    return np.maximum.reduce(found)


def _pairs(effects: pd.DataFrame, relevance: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """Relevance beside effects, with everything that statistics need."""
    about = ["token_id", "speaker", "word", "family", "stress", "split"]
    about += ["stress_predicted", "logit_difference"]
    pairs = relevance.merge(effects, on=["token_id", "cue"], validate="m:1")
    pairs = tokens[about].merge(pairs, on="token_id", validate="1:m")
    if pairs.empty:
        raise ConfigError("no token has both a map and a changed cue")
    pairs["relevance"] = pairs["relevance"].astype(np.float64)
    order = list(dict.fromkeys(effects["cue"]))
    methods = list(dict.fromkeys(relevance["method"]))
    pairs["_cue"] = pairs["cue"].map(order.index)
    pairs["_method"] = pairs["method"].map(methods.index)
    pairs = pairs.sort_values(["_method", "_cue", "token_id"], kind="stable")
    return pairs.drop(columns=["_method", "_cue"]).reset_index(drop=True)


def summary_text(result: CausalResult) -> str:
    """Rank correlations for people: a line per cue, a column per method."""
    from stressnet.manipulation.causal import ALL_CUES

    table = result.table
    methods = list(dict.fromkeys(table["method"]))
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_tokens']} tokens of {counts['n_speakers']} speakers",
        "rank correlation of relevance with the effect of neutralising the cue [95 %] (null)",
        f"{'':<20}" + "".join(f"{method:>30}" for method in methods),
    ]
    for cue in dict.fromkeys(table["cue"]):
        name = "cues of a token" if cue == ALL_CUES else str(cue)
        cells = []
        for method in methods:
            rows = table[(table["method"] == method) & (table["cue"] == cue)]
            cells.append(f"{_cell(rows.iloc[0]) if len(rows) else '-':>30}")
        lines.append(f"{name:<20}" + "".join(cells))
    return "\n".join(lines)


def _cell(row: Any) -> str:
    if not np.isfinite(row["rho"]):
        return "-"
    star = "*" if row["p_holm"] < 0.05 else ""
    return (
        f"{row['rho']:.2f}{star} [{row['rho_low']:.2f}, {row['rho_high']:.2f}] ({row['null']:.2f})"
    )
