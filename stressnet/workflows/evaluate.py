"""``stressnet evaluate``: how well networks hear stress, on every test set, with audits beside."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.runs.lock import hold
from stressnet.runs.manifest import FILE_NAME, read_manifest, write_manifest
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.workflows import evaluate_tables as tables
from stressnet.workflows.evaluate_audits import COLUMNS, alarms, run_audits
from stressnet.workflows.evaluate_sets import (
    TITLES,
    Unit,
    describe_models,
    fold_of,
    is_own_corpus,
    load_models,
    n_heard,
    predict_units,
    representatives,
    sets_of,
    token_table,
)

if TYPE_CHECKING:
    import pandas as pd

KIND = "evaluation"
N_HARDEST = 40


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation found.

    Parameters
    ----------
    path : Path
        Folder with all tables, figures and ``index.html``.
    own : bool
        Whether the networks were trained on this corpus.
    units : tuple of Unit
        Networks, then ensembles.
    scores, audits, comparisons, seeds : DataFrame
        The main tables; see :mod:`stressnet.workflows.evaluate_tables`.
    manifest : dict
        Its manifest.
    """

    path: Path
    own: bool
    units: tuple[Unit, ...]
    scores: pd.DataFrame
    audits: pd.DataFrame
    comparisons: pd.DataFrame
    seeds: pd.DataFrame
    manifest: dict[str, Any]


def evaluate_models(
    corpus_path: Path,
    model_paths: Sequence[Path],
    out: Path,
    *,
    audits: bool = True,
    seed: int = 0,
    n_resamples: int = 2000,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Evaluated:
    """Evaluate networks on a corpus: their own, or any other that has their preset.

    Parameters
    ----------
    corpus_path : Path
        A built corpus.
    model_paths : sequence of Path
        Checkpoint folders, or folders of checkpoint folders.
    out : Path
        Folder to write.
    audits : bool
        Run the leak audits.
    seed, n_resamples : int
        Of the bootstrap; the seed also of the audits.
    overwrite : bool
        Replace an evaluation in ``out``.

    Raises
    ------
    CheckpointError
        If a checkpoint is damaged or does not take the corpus's spectrograms.
    ConfigError
        If only some of the networks were trained on the corpus, or none is given.
    CorpusError
        If the corpus lacks a preset or labels, or ``out`` holds something else.
    """
    import pandas as pd

    progress = progress or Progress(verbose=False)
    if not model_paths:
        raise ConfigError("no network to evaluate; name at least one checkpoint folder")
    corpus = Corpus.open(corpus_path)
    models = load_models(model_paths)
    own = is_own_corpus(models, corpus)
    fold = fold_of(models) if own else None
    tokens = token_table(corpus, own, fold)
    sets = sets_of(tokens, own)
    if not sets:
        raise CorpusError(f"{corpus_path}: none of its tokens belongs to a test set")
    heard = 0 if own else n_heard(models, tokens)
    _claim(out, overwrite)
    units = predict_units(models, corpus, tokens, own, progress)
    how = {"seed": seed, "n_resamples": n_resamples}
    main = representatives(units)[0]
    with progress.stage("tables"):
        found: dict[str, pd.DataFrame] = {
            "scores": tables.scores_table(units, tokens, sets, **how),
            "groups": tables.groups_table(units, tokens, sets, **how),
            "pairs": tables.pairs_table(units, tokens, sets),
            "words": tables.cluster_table(units, tokens, sets, "lemma"),
            "speakers": tables.cluster_table(units, tokens, sets, "speaker"),
            "comparisons": tables.comparison_table(units, tokens, sets, **how),
            "reliability": tables.reliability_table(units, tokens, sets),
        }
        found["seeds"] = tables.seeds_table(units, found["scores"])
    found["audits"] = pd.DataFrame(columns=list(COLUMNS))
    if audits:
        found["audits"] = run_audits(
            corpus, main, tokens, sets, own=own, fold=fold, progress=progress, **how
        )
    hardest = tables.hardest_tokens(main, tokens, sets, N_HARDEST)
    with progress.stage("page"):
        from stressnet.workflows.evaluate_page import write_page

        _write_tables(out, found)
        write_parquet(tables.predictions_of(units, tokens), out / "predictions.parquet")
        write_page(
            out,
            corpus,
            models,
            units,
            found,
            hardest,
            heard=heard_text(heard, len(tokens)),
            own=own,
            n_resamples=n_resamples,
        )
    manifest = write_manifest(
        out,
        KIND,
        parameters={
            "corpus": str(corpus_path),
            "corpus_name": corpus.name,
            "models": describe_models(models),
            "audits": audits,
            "trained_on_this_corpus": own,
            "fold": None if fold is None else asdict(fold),
            **how,
        },
        inputs={"corpus": corpus.fingerprint, **{m.name: m.weights_sha256 for m in models}},
        outputs=[path for path in out.rglob("*") if path.is_file() and path.name != FILE_NAME],
        results={
            "test_sets": {name: int(mask.sum()) for name, mask in sets.items()},
            "alarms": list(alarms(found["audits"])),
            "n_tokens": len(tokens),
            "n_by_speakers_named_as_trained_on": heard,
        },
        seconds=progress.seconds,
    )
    return Evaluated(
        out,
        own,
        tuple(units),
        scores=found["scores"],
        audits=found["audits"],
        comparisons=found["comparisons"],
        seeds=found["seeds"],
        manifest=manifest,
    )


def _write_tables(out: Path, found: dict[str, pd.DataFrame]) -> None:
    for name, table in found.items():
        if len(table.columns):
            table.to_csv(out / f"{name}.csv", index=False)


def _claim(out: Path, overwrite: bool) -> None:
    """Make ``out`` ready; refuse folders that hold something else."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        hold(out)
        if any(out.iterdir()):
            if not (out / FILE_NAME).exists():
                raise CorpusError(
                    f"{out}: not empty and not a stressnet {KIND}; choose a new folder"
                )
            read_manifest(out, KIND)
            if not overwrite:
                raise CorpusError(
                    f"{out}: already holds an {KIND}; use --overwrite or a new folder"
                )
            shutil.rmtree(out)
            out.mkdir()
            hold(out)
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error


def heard_text(heard: int, n: int) -> str:
    """A warning if tokens are by speakers named like those trained on, else nothing."""
    if not heard:
        return ""
    return (
        f"{heard} of {n} tokens are by speakers with the name of one that was trained on; if they "
        f"are the same people, these figures are not those of new speakers"
    )


def evaluation_text(result: Evaluated) -> str:
    """The figures as tables for people."""
    facts = result.manifest["results"]
    warning = heard_text(facts["n_by_speakers_named_as_trained_on"], facts["n_tokens"])
    lines = [f"warning: {warning}", ""] if warning else []
    for unit in result.units:
        rows = result.scores[result.scores["model"] == unit.name]
        temperature = (
            f", temperature {unit.calibration.temperature:.2f}" if unit.calibration else ""
        )
        lines += [
            f"{unit.name} ({unit.preset}{temperature})",
            f"  {'test set':<36}{'n':>6}{'FINAL':>7}{'majority':>10}{'accuracy':>23}"
            f"{'balanced accuracy':>23}{'MCC':>25}{'AUROC':>23}{'recall I / F':>16}{'ECE':>8}",
        ]
        for name, part in rows.groupby("test_set", sort=False):
            values = part.set_index("metric")
            first = part.iloc[0]
            line = f"  {TITLES[str(name)]:<36}{first['n']:>6}{first['n_final']:>7}"
            line += f"{first['majority_rate']:>10.3f}"
            for metric, width in (
                ("accuracy", 23),
                ("balanced_accuracy", 23),
                ("mcc", 25),
                ("auroc", 23),
            ):
                line += _interval(values.loc[metric]).rjust(width)
            initial, final, error = (
                float(values["estimate"].loc[name])
                for name in ("recall_initial", "recall_final", "ece_balanced")
            )
            line += f"{initial:.3f} / {final:.3f}".rjust(16)
            lines.append(line + f"{error:.3f}".rjust(8))
        for name, part in rows[rows["metric"] == tables.WORD_MEAN].groupby("test_set", sort=False):
            row = part.iloc[0]
            if row["n"]:
                lines.append(
                    f"  {TITLES[str(name)]}: mean over the {row['n_words']} words that show both "
                    f"readings (n = {row['n']}): {_interval(row)}"
                )
        lines.append("")
    if len(result.seeds):
        lines.append("balanced accuracy over seeds: mean, standard deviation, range; ensemble")
        for _, row in result.seeds[result.seeds["metric"] == "balanced_accuracy"].iterrows():
            lines.append(
                f"  {row['model']:<30}{TITLES[row['test_set']]:<36}{row['mean']:.3f} "
                f"{row['sd']:.3f} {row['min']:.3f} to {row['max']:.3f}; {row['ensemble']:.3f}"
            )
        lines.append("")
    lines += _comparison_lines(result.comparisons)
    lines += audit_lines(result.audits)
    lines.append(
        "intervals: 95 %, bootstrap clustered by speaker and word family. ECE: 10 bins of equal "
        "width, both classes weighing the same, not calibrated; see calibration in scores.csv."
    )
    return "\n".join(lines)


def _comparison_lines(comparisons: pd.DataFrame) -> list[str]:
    if not len(comparisons):
        return []
    lines = ["differences in balanced accuracy; McNemar's exact p takes tokens for independent"]
    for _, row in comparisons.iterrows():
        low, high = row["balanced_accuracy_low"], row["balanced_accuracy_high"]
        lines.append(
            f"  {row['first']} - {row['second']}, {TITLES[row['test_set']]:<36}"
            f"{row['balanced_accuracy_difference']:+.3f} [{low:+.3f}, {high:+.3f}]  "
            f"{row['only_first']} : {row['only_second']} tokens, p = {row['mcnemar_p']:.3g}"
        )
    return [*lines, ""]


def audit_lines(audits: pd.DataFrame) -> list[str]:
    """The audits as a table for people; says so if there are none."""
    if not len(audits):
        return ["leak audits: not run", ""]
    lines = [
        "leak audits, balanced accuracy (chance 0.5)",
        f"  {'audit':<16}{'test set':<32}{'n':>6}{'audit':>23}{'network':>23}"
        f"{'network - audit':>26}  verdict",
    ]
    for _, row in audits.iterrows():
        title = TITLES.get(row["test_set"], row["test_set"])
        line = f"  {row['audit']:<16}{title:<32}{row['n']:>6}{_interval(row):>23}"
        ours = _interval(row, "network") if row["network"] == row["network"] else ""
        apart = _interval(row, "difference", signed=True) if ours else ""
        lines.append(f"{line}{ours:>23}{apart:>26}  {row['verdict']}")
    lines.append(
        "  part of speech: 'audit' are nouns with final and verbs with initial stress, 'network' "
        "the others; no difference is good"
    )
    return [*lines, ""]


def _interval(row: Any, name: str = "", *, signed: bool = False) -> str:
    """``0.871 [0.826, 0.909]``."""
    form = "+.3f" if signed else ".3f"
    value = row[name or "estimate"]
    low, high = (row[f"{name}_{end}" if name else end] for end in ("low", "high"))
    if value != value:
        return "-"
    if low != low:
        return f"{value:{form}} [no interval]"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
