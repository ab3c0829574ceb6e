"""``stressnet explain``: relevance maps of a corpus's tokens, and their shares in regions.

Maps are written as they are computed (memory-mapped, journalled), so memory does not grow with the
corpus and an interrupted run continues. Projection and statistics follow from the maps on disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, write_parquet
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.manifest import hash_data, hash_file, write_manifest
from stressnet.progress import Progress
from stressnet.workflows.journal import Journal
from stressnet.workflows.parallel import in_order
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.regions.from_corpus import SceneReader

BATCH = 32
"""Images per forward and backward pass; the result does not depend on it."""

PROJECTION_CHUNK = 50
"""Tokens per projection task."""

N_DONORS = 2
"""Tokens with which each token's tracks and times are exchanged for the null."""

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
    """

    path: Path
    tokens: pd.DataFrame
    summary: pd.DataFrame
    manifest: dict[str, Any]


def explain_corpus(
    corpus_path: Path,
    model_path: Path,
    out: Path,
    *,
    composite: str = "epsilon-plus",
    seed_output: str = "logit-difference",
    splits: Sequence[str] | None = None,
    max_tokens: int | None = None,
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
    composite : str
        Rules of layer-wise relevance propagation, see ``docs/explain.md``.
    seed_output : str
        What is explained: ``logit-difference`` (INITIAL minus FINAL), ``logit`` or ``log-odds``;
        the latter two are of INITIAL, so that positive relevance always speaks for INITIAL.
    splits : sequence of str, optional
        Which tokens; all test sets if left out.
    max_tokens : int, optional
        A random sample of this size.
    seed : int
        For the sample, the null's exchanges and the bootstrap.
    jobs : int
        Worker processes for the projection; the result does not depend on it.
    overwrite : bool
        Replace a run in ``out``.

    Raises
    ------
    CheckpointError
        If the network was trained on another preset or ``out`` holds something else.
    CorpusError
        If no token is left to explain.
    """
    import pandas as pd

    from stressnet.explain import COMPOSITES
    from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
    from stressnet.statistics import summarise

    progress = progress or Progress(verbose=False)
    if composite not in COMPOSITES:
        raise ConfigError(f"no composite '{composite}'; there are {', '.join(COMPOSITES)}")
    corpus = Corpus.open(corpus_path)
    model, info = load_checkpoint(model_path)
    images = corpus.images(info.preset)
    info.check_input(info.preset, images.preset, images.axes.shape)
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
        "seed": seed,
    }
    inputs = {"corpus": corpus.fingerprint, "model": hash_file(model_path / WEIGHTS_NAME)}
    content = {k: v for k, v in parameters.items() if k not in ("corpus", "model")}
    request = hash_data([content, inputs, len(chosen)])
    claim_folder(out, request, overwrite, "run")

    with progress.stage("explain", len(chosen), "token") as bar:
        maps_table, ledger = _compute_maps(
            out, model, corpus, images.values, chosen, composite, seed_output, bar
        )
    shutil.copyfile(corpus_path / "spectrograms" / info.preset / "axes.json", out / "axes.json")
    tokens = _token_table(chosen, maps_table, corpus)
    write_parquet(tokens, out / "tokens.parquet")
    ledger.to_csv(out / "ledger.csv", index=False)
    with progress.stage("project", len(tokens), "token") as bar:
        records = _project(out, corpus_path, info.preset, tokens, seed, jobs, bar)
        relevance = pd.DataFrame(records)
        write_parquet(relevance, out / "relevance.parquet")
    with progress.stage("summarise"):
        summary = summarise(relevance, seed=seed)
        summary.to_csv(out / "summary.csv", index=False)
    manifest = write_manifest(
        out,
        "relevance",
        parameters={**parameters, "request": request},
        inputs=inputs,
        outputs=[p for p in out.iterdir() if p.suffix in (".csv", ".parquet", ".npy")],
        results=_conservation(tokens),
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    return ExplainedRun(out, tokens, summary, manifest)


def choose_tokens(
    corpus: Corpus, splits: Sequence[str], max_tokens: int | None, seed: int
) -> pd.DataFrame:
    """Labelled tokens of the splits, in corpus order, with their image index."""
    tokens = corpus.tokens.copy()
    tokens["image"] = np.arange(len(tokens))
    known = set(tokens["split"].unique())
    if known == {"unsplit"}:
        splits = ["unsplit"]
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


def _compute_maps(
    out: Path,
    model: Any,
    corpus: Corpus,
    values: Any,
    chosen: pd.DataFrame,
    composite: str,
    seed_output: str,
    bar: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write ``maps.npy``; return a row per token and the mean ledger per layer."""
    import pandas as pd
    import torch

    from stressnet.explain import explain_batch

    target = None if seed_output == "logit-difference" else Stress.INITIAL.class_index
    file = out / "maps.npy"
    (out / "state").mkdir(exist_ok=True)
    with Journal(out / "state" / "maps.jsonl") as journal:
        mode: Any = "r+" if file.exists() and journal.done else "w+"
        shape = (len(chosen), *values.shape[1:])
        maps = np.lib.format.open_memmap(file, mode=mode, dtype=np.float32, shape=shape)
        for start in range(0, len(chosen), BATCH):
            part = chosen["image"].to_numpy()[start : start + BATCH]
            if str(start) not in journal.done:
                inputs = torch.from_numpy(np.array(values[part], dtype=np.float32))[:, None]
                explained = explain_batch(model, inputs, composite, seed_output, target)
                maps[start : start + len(part)] = explained.relevance[:, 0].float().numpy()
                maps.flush()
                journal.add(str(start), _batch_record(explained))
            bar.update(len(part))
        records = [journal.done[str(start)] for start in range(0, len(chosen), BATCH)]
    del maps
    rows = [row for record in records for row in record["tokens"]]
    ledger = pd.DataFrame([row for record in records for row in record["ledger"]])
    keys = ["layer", "operation", "rule"]
    sums = ledger.groupby(keys, sort=False).sum(numeric_only=True)
    means = sums.div(len(chosen)).add_prefix("mean_").reset_index()
    return pd.DataFrame(rows), means


def _batch_record(explained: Any) -> dict[str, Any]:
    """What is kept of a batch beside its maps: outputs, conservation, ledger summed over tokens."""
    balance = explained.conservation()
    logits = explained.logits.double()
    p_initial = logits.softmax(dim=1)[:, Stress.INITIAL.class_index]
    columns = {
        "output": balance.output,
        "relevance_sum": balance.relevance,
        "bias_share": balance.bias_share,
        "stabiliser_share": balance.stabiliser_share,
        "closure": balance.relative_residual,
        "p_initial": p_initial,
        "predicted": logits.argmax(dim=1),
    }
    names = list(columns)
    lists = [columns[name].tolist() for name in names]
    tokens = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    ledger: dict[tuple[str, str, str], dict[str, Any]] = {}
    shares = ("relevance_out", "relevance_in", "bias_share", "stabiliser_share")
    for record in explained.ledger:
        key = (record["layer"], record["operation"], record["rule"])
        line = ledger.setdefault(
            key,
            {"layer": key[0], "operation": key[1], "rule": key[2], **dict.fromkeys(shares, 0.0)},
        )
        for share in shares:
            line[share] += float(record[share])
    return {"tokens": tokens, "ledger": list(ledger.values())}


def _token_table(chosen: pd.DataFrame, maps: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    columns = ["token_id", "word", "family", "speaker", "sex", "stress", "split", "label_source"]
    columns += ["is_minimal_pair", "is_prosody_only_pair", "duration_s"]
    table = chosen[columns].copy()
    table.insert(1, "map_index", np.arange(len(table)))
    table["stress_predicted"] = [CLASSES[int(k)].value for k in maps["predicted"]]
    table["correct"] = table["stress"] == table["stress_predicted"]
    kept = ["p_initial", "output", "relevance_sum", "bias_share", "stabiliser_share", "closure"]
    return table.join(maps[kept])


# Projection runs in workers, which open the corpus once each.


@lru_cache(maxsize=2)
def _reader(corpus_path: Path, preset: str) -> SceneReader:
    from stressnet.regions.from_corpus import SceneReader

    return SceneReader(Corpus.open(corpus_path), preset)


@dataclass(frozen=True)
class _ProjectionTask:
    run: Path
    corpus: Path
    preset: str
    map_indices: list[int]
    token_ids: list[str]
    donor_ids: list[list[str]]


def _project_chunk(task: _ProjectionTask) -> list[dict[str, Any]]:
    from stressnet.regions.projection import project

    reader = _reader(task.corpus, task.preset)
    maps = np.load(task.run / "maps.npy", mmap_mode="r")
    records = []
    for index, token_id, donors in zip(
        task.map_indices, task.token_ids, task.donor_ids, strict=True
    ):
        rows = project(
            maps[index],
            reader.scene(token_id),
            power=reader.power(token_id),
            donors=[reader.scene(donor) for donor in donors],
        )
        records += [{"token_id": token_id, **row} for row in rows]
    return records


def _project(
    out: Path,
    corpus_path: Path,
    preset: str,
    tokens: pd.DataFrame,
    seed: int,
    jobs: int,
    bar: Any,
) -> Iterator[dict[str, Any]]:
    """Records per token and region, with the token's columns that statistics needs."""
    donors = _draw_donors(tokens, seed)
    ids = tokens["token_id"].tolist()
    tasks = [
        _ProjectionTask(
            out,
            corpus_path,
            preset,
            tokens["map_index"].tolist()[start : start + PROJECTION_CHUNK],
            ids[start : start + PROJECTION_CHUNK],
            donors[start : start + PROJECTION_CHUNK],
        )
        for start in range(0, len(tokens), PROJECTION_CHUNK)
    ]
    columns = ["word", "family", "speaker", "stress", "stress_predicted", "correct", "split"]
    known = tokens.set_index("token_id")[columns].to_dict("index")
    result = []
    for task, records in zip(tasks, in_order(_project_chunk, tasks, jobs), strict=True):
        result += [
            {"token_id": record["token_id"], **known[record["token_id"]], **record}
            for record in records
        ]
        bar.update(len(task.token_ids))
    return iter(result)


def _draw_donors(tokens: pd.DataFrame, seed: int) -> list[list[str]]:
    """For each token the tokens whose tracks and times it borrows: other words, similar length."""
    from stressnet.regions.exchange import draw_partners

    if len(tokens) < 2:
        return [[] for _ in range(len(tokens))]
    rng = np.random.default_rng([seed, 3])
    ids = tokens["token_id"].to_numpy()
    drawn = [
        draw_partners(
            tokens["duration_s"].to_numpy(),
            rng,
            groups=tokens["family"].tolist(),
            strata=[
                f"{sex} {stress}"
                for sex, stress in zip(tokens["sex"], tokens["stress"], strict=True)
            ],
        )
        for _ in range(N_DONORS)
    ]
    return [[str(ids[partner[i]]) for partner in drawn] for i in range(len(tokens))]


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


def summary_text(run: ExplainedRun) -> str:
    """The summary for people: conservation, then density and share per region."""
    result = run.manifest["results"]
    of_output = result["median_relevance_over_output"]
    lines = [
        f"{result['n_tokens']} tokens explained "
        f"(accuracy on them {result['accuracy_on_explained_tokens']:.3f})",
        f"conservation: relevance sums to {of_output:.2f} of the logit difference (median), biases "
        f"absorb {result['median_bias_share']:.2f}; the ledger closes to "
        f"{result['largest_closure_residual']:.1e} (largest relative residual)",
        "",
        f"{'relevance density':<22}{'INITIAL':>26}{'null':>8}{'FINAL':>28}{'null':>8}",
    ]
    density = run.summary[run.summary["measure"] == "density"]
    for region in density["region"].unique():
        cells = [f"{region:<22}"]
        for stress, width in (("INITIAL", 26), ("FINAL", 28)):
            row = density[(density["region"] == region) & (density["stress"] == stress)]
            cells.append(_density_cell(row, width))
        lines.append("".join(cells))
    lines += [
        "density: mean positive relevance for the token's own class per cell of the region, over",
        "the mean per cell of sound; 1 is what a region gets by its area; null: the same with the",
        "tracks or times of other tokens",
    ]
    return "\n".join(lines)


def _density_cell(row: pd.DataFrame, width: int) -> str:
    """Mean with its interval, and the null, or dashes where the region does not exist."""
    if row.empty or not np.isfinite(row["mean"].iloc[0]):
        return f"{'-':>{width}}{'-':>8}"
    mean, low, high, null = row[["mean", "mean_low", "mean_high", "null_mean"]].iloc[0]
    interval = f"[{low:.2f}, {high:.2f}]" if np.isfinite(low) else "[too few speakers]"
    return f"{f'{mean:.2f} {interval}':>{width}}" + (
        f"{null:>8.2f}" if np.isfinite(null) else f"{'-':>8}"
    )
