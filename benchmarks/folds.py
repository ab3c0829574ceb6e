"""Cross-validated networks beside cues, phones and an oracle; and what a part of a corpus teaches.

    stressnet train CORPUS NETWORKS --folds 5
    python benchmarks/folds.py part CORPUS NAME OUT [--model compact]
    python benchmarks/folds.py than CORPUS OUT.csv NETWORKS OTHERS
    python benchmarks/folds.py than-cues CORPUS CUES NAME OUT.csv
    python benchmarks/folds.py table CORPUS CUES OUT.csv NETWORKS...
    python benchmarks/folds.py thresholds CORPUS OUT.csv NETWORKS

``part`` trains the networks of the same folds on the tokens of one corpus of a merged one (column
``corpus``) alone, and tests them on the same tokens as ``train`` does; ``than`` compares the two,
NETWORKS minus OTHERS, on the folds that both have; ``than-cues`` does both for a regression on
cues (``measure``). ``table`` puts networks beside that regression, a classifier told the phones,
and the oracle of each word's commoner reading, with paired differences. ``NETWORK + cue
regression`` is the mean probability of the two; ``ensemble`` is several networks by their mean
logits. ``thresholds`` gives the network's figures at its own threshold, calibrated in each fold on
validation tokens, and of the answers that are then sure. Folds are pooled; words of pairs are by
speakers who were new to the network.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.inference.bootstrap import bootstrapped, mean_of_sides
from stressnet.languages import language_of
from stressnet.lexicon.stress import Stress
from stressnet.runs.options import SURE
from stressnet.runs.tables import read_table
from stressnet.stages.train import TrainOptions
from stressnet.training import audits, metrics
from stressnet.training import cue_baselines as cb
from stressnet.training.calibration import calibrate
from stressnet.training.corpus_data import Fold, add_token_columns, splits_of_fold, stress_data
from stressnet.training.data import StressData, predictions_table
from stressnet.training.fit import Origin, train
from stressnet.training.trained import average_logits, pool_folds, within

FILE = "predictions.parquet"
CUES, PHONES = "cue regression", "phones only"
TOGETHER = "ensemble"
ORACLE = "majority reading of each word"
FOLDS = [Fold(number, 5) for number in range(1, 6)]
KEYS = ["token_id", "split"]


def part_of(corpus: Corpus, data: StressData, name: str) -> StressData:
    """The data without the tokens and stretches of other corpora in training and validation."""
    tokens = pd.concat([corpus.tokens, corpus.stretches])[["token_id", "utterance_id"]]
    utterances = tokens.set_index("token_id")["utterance_id"].loc[list(data.token_ids)]
    inside = utterances.isin(corpus.tokens.loc[corpus.tokens["corpus"] == name, "utterance_id"])
    other = np.isin(data.splits, ["train", "valid"]) & ~inside.to_numpy()
    return replace(data, splits=np.where(other, "other corpus", data.splits))


def of_cues(corpus: Corpus, cues: pd.DataFrame, fold: Fold, name: str = "") -> pd.DataFrame:
    """Predictions of logistic regression on cues in one fold of the corpus they are of.

    With a ``name``, trained on the tokens of that corpus of a merged one alone.
    """
    baseline = next(one for one in cb.baselines() if one.name == cb.LOGISTIC)
    tokens = corpus.tokens.assign(split=splits_of_fold(corpus.tokens, fold))
    speakers = tokens.loc[tokens["split"] == "train", "speaker"]
    if name:
        tested = tokens["split"].isin(TEST_SPLITS)
        tokens = tokens[tested | (tokens["corpus"] == name)]
    splits = tokens.set_index("token_id")["split"]
    data = cb.cue_data(cues.assign(split=cues["token_id"].map(splits).fillna("other corpus")))
    table = cb.predictions_of(cb.fit_baseline(baseline, data), data)
    return table.assign(speaker_is_known=table["speaker"].isin(speakers))


def of_phones(corpus: Corpus, fold: Fold, like: pd.DataFrame) -> pd.DataFrame:
    """Predictions of a classifier that is told the phones, for the tokens of another table."""
    data = stress_data(corpus, "stressnet", fold)
    features = audits.phone_features(corpus.phones, list(data.token_ids))
    scores, _ = audits.classify(features, data)
    half = pd.Series(scores / 2, data.token_ids).loc[like["token_id"]].to_numpy()
    return like.assign(logit_initial=half, logit_final=-half)


def predictions_of(networks: Path, fold: Fold) -> pd.DataFrame:
    """Mean predictions of the networks of one fold, which may have several seeds; empty if none."""
    files = sorted(networks.glob(within(fold, f"seed-*/{FILE}")))
    return average_logits([pd.read_parquet(file) for file in files]) if files else pd.DataFrame()


def sets_of(table: pd.DataFrame, corpus: Corpus) -> dict[str, NDArray[np.bool_]]:
    """The pooled test sets; ``table`` has ``token_id``, ``split``, ``lemma``, ``stress_true``.

    With ``word_is_known`` (to the networks of ``part``), known words are also told apart by it.
    """
    tokens = corpus.tokens.set_index("token_id").loc[table["token_id"]]
    reduced = language_of(corpus.tokens).reduced
    full = ~tokens[["nucleus_1", "nucleus_2"]].isin(reduced).any(axis=1).to_numpy()
    split = table["split"]
    pairs, all_pairs = split == "minimal_pairs", split.str.startswith("minimal_pairs")
    both = {}
    for key, mask in (("decided", pairs), ("all", all_pairs)):
        readings = table[mask].groupby("lemma")["stress_true"].nunique()
        both[key] = mask & table["lemma"].isin(readings.index[readings == 2])
    prosody = tokens["is_prosody_only_pair"].to_numpy()
    sets = {
        "new_words_new_speakers": split == "test",
        "known_words_new_speakers": split == "test_known_words",
        "new_words_known_speakers": split == "test_known_speakers",
        "full_vowels_new_words": split.isin(["test", "test_known_speakers"]) & full,
        "full_vowels_known_words": (split == "test_known_words") & full,
        "reduced_vowel_new_words": split.isin(["test", "test_known_speakers"]) & ~full,
        "pairs": pairs,
        "pairs_sources_agree": pairs & (tokens["label_agreement"] == "agree").to_numpy(),
        "pairs_both_readings": both["decided"],
        "pairs_prosody_only": pairs & prosody,
        "pairs_both_readings_with_tagger": both["all"],
        "pairs_prosody_only_with_tagger": all_pairs & prosody,
    }
    if "word_is_known" in table:
        known = table["word_is_known"]
        sets["known_words_of_part"] = (split == "test_known_words") & known
        sets["known_words_of_whole_only"] = (split == "test_known_words") & ~known
    return {name: np.asarray(mask, dtype=bool) for name, mask in sets.items()}


def rows_of_set(part: pd.DataFrame, than: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Figures of every listener (columns of logit differences) on one set, and differences."""
    is_initial = (part["stress_true"] == Stress.INITIAL.value).to_numpy()
    labels = np.where(is_initial, Stress.INITIAL.class_index, Stress.FINAL.class_index)
    clusters = (part["speaker"], part["lemma"])
    answers = {
        name.removeprefix("logit "): part[name].to_numpy()
        for name in map(str, part)
        if name.startswith("logit ")
    } | {ORACLE: metrics.majority_readings(labels, part["lemma"])}
    rows = []
    for name, scores in answers.items():
        result = metrics.evaluate(labels, scores, *clusters)
        within, by_word = metrics.mean_over_words(labels, scores, *clusters)
        result.metrics["word_mean"] = within["balanced_accuracy"]
        result.metrics["word_auroc"] = within["auroc"]
        for metric, estimate in result.metrics.items():
            row = {"listener": name, "minus": "", "metric": metric, **estimate.columns()}
            counts = result.counts | ({"n_words": len(by_word)} if metric[:4] == "word" else {})
            rows.append(row | counts)
    sides = {"balanced_accuracy": [is_initial, ~is_initial]}
    sides |= {"recall_initial": [is_initial], "recall_final": [~is_initial]}
    for first, second in than:
        hits = [(answers[name] >= 0) == is_initial for name in (first, second)]
        gain = hits[0].astype(float) - hits[1]
        for metric, groups in sides.items():
            figure = partial(mean_of_sides, values=gain, sides=groups)
            found = bootstrapped(figure, *clusters)
            row = {"listener": first, "minus": second, "metric": metric, **found.columns()}
            rows.append(row | result.counts)
    return rows


@click.group()
def main() -> None:
    """See the module's text."""


@main.command()
@click.argument("corpus_path", type=click.Path(path_type=Path))
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", default="compact")
@click.option("--precision", default="bfloat16")
@click.option("--first", "n_folds", default=len(FOLDS), help="Only so many of the five folds.")
def part(corpus_path: Path, name: str, out: Path, model: str, precision: str, n_folds: int) -> None:
    """Train networks of the folds on a part of a merged corpus; finished ones are kept."""
    corpus = Corpus.open(corpus_path)
    options = TrainOptions(architecture=model, precision=precision)
    config, preset = options.training(), options.preset_name
    for fold in FOLDS[:n_folds]:
        folder = out / within(fold, "seed-0")
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / FILE).is_file():
            whole = stress_data(corpus, preset, fold, longer_words=config.longer_words)
            data = part_of(corpus, whole, name)
            origin = Origin(preset, corpus.images(preset).preset, fold=asdict(fold))
            network = train(model, data, config, folder, origin, resume=True).model
            # A speaker is known or new as in the whole corpus, so that the same tokens are pooled.
            table = add_token_columns(predictions_table(network, whole, TEST_SPLITS), corpus)
            known = np.unique(data.lemmas[data.rows("train")])
            table.assign(word_is_known=table["lemma"].isin(known)).to_parquet(folder / FILE)
        click.echo(folder)


def pooled(tables: dict[str, dict[Fold, pd.DataFrame]], folds: list[Fold]) -> pd.DataFrame:
    """The answers of all listeners to the test tokens of some folds, side by side."""
    listeners = {name: pool_folds([own[fold] for fold in folds]) for name, own in tables.items()}
    first = next(iter(listeners.values()))
    joined = first[[*KEYS, "speaker", "lemma", "stress_true"]]
    for name, predictions in listeners.items():
        scores = predictions["logit_initial"] - predictions["logit_final"]
        more = [column for column in predictions if column == "word_is_known"]
        own = predictions[[*KEYS, *more]].assign(**{f"logit {name}": scores})
        joined = joined.merge(own, on=KEYS, validate="1:1")
        if not len(joined) == len(own) == len(first):
            raise click.ClickException(f"{name}: was tested on other tokens; train on this corpus")
    return joined


def write_figures(
    joined: pd.DataFrame, corpus: Corpus, differences: list[tuple[str, str]], out: Path
) -> None:
    """Write the table of all test sets, and print its main rows."""
    rows = [
        {"test_set": name, **row}
        for name, mask in sets_of(joined, corpus).items()
        for row in rows_of_set(joined[mask], differences)
    ]
    result = pd.DataFrame(rows)
    of_oracle = (result[["listener", "minus"]] == ORACLE).any(axis=1)  # other words have one label
    result = result[~of_oracle | result["test_set"].str.startswith("pairs")]
    result.to_csv(out, index=False, float_format="%.4f", lineterminator="\n")
    shown = result[result["metric"].isin(["balanced_accuracy", "word_auroc"])]
    with pd.option_context("display.width", 200, "display.max_rows", None):
        click.echo(shown.drop(columns=["n_initial", "majority_rate"]).to_string(index=False))


def answers_of(networks: tuple[Path, ...]) -> tuple[dict[str, Any], list[Fold]]:
    """Predictions of networks by fold, and the folds that all of them have."""
    answers = {path.name: {f: predictions_of(path, f) for f in FOLDS} for path in networks}
    folds = [fold for fold in FOLDS if all(len(tables[fold]) for tables in answers.values())]
    click.echo(f"folds: {', '.join(str(fold.number) for fold in folds)}")
    return answers, folds


@main.command()
@click.argument("corpus_path", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("networks", type=click.Path(path_type=Path))
@click.argument("others", type=click.Path(path_type=Path))
def than(corpus_path: Path, out: Path, networks: Path, others: Path) -> None:
    """Figures of two sets of networks and their difference, NETWORKS minus OTHERS."""
    joined = pooled(*answers_of((networks, others)))
    write_figures(joined, Corpus.open(corpus_path), [(networks.name, others.name)], out)


@main.command("than-cues")
@click.argument("corpus_path", type=click.Path(path_type=Path))
@click.argument("cues_path", type=click.Path(path_type=Path))
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
def than_cues(corpus_path: Path, cues_path: Path, name: str, out: Path) -> None:
    """Cue regression trained on all tokens, minus that trained on those of one corpus."""
    corpus = Corpus.open(corpus_path)
    cues = read_table(cues_path / "cues.parquet")
    kinds = {CUES: "", f"{CUES}, {name} alone": name}
    answers = {kind: {f: of_cues(corpus, cues, f, of) for f in FOLDS} for kind, of in kinds.items()}
    write_figures(pooled(answers, FOLDS), corpus, [(CUES, f"{CUES}, {name} alone")], out)


@main.command()
@click.argument("corpus_path", type=click.Path(path_type=Path))
@click.argument("cues_path", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("networks", nargs=-1, type=click.Path(path_type=Path))
def table(corpus_path: Path, cues_path: Path, out: Path, networks: tuple[Path, ...]) -> None:
    """Figures of networks and simpler listeners, and differences."""
    corpus = Corpus.open(corpus_path)
    cues = read_table(cues_path / "cues.parquet")
    answers, folds = answers_of(networks)
    answers[CUES] = {fold: of_cues(corpus, cues, fold) for fold in folds}
    answers[PHONES] = {fold: of_phones(corpus, fold, answers[CUES][fold]) for fold in folds}
    joined = pooled(answers, folds)
    names = [path.name for path in networks]
    if len(names) > 1:
        joined[f"logit {TOGETHER}"] = joined[[f"logit {name}" for name in names]].mean(axis=1)
        names.append(TOGETHER)
    for name in names:
        both = expit(joined[[f"logit {name}", f"logit {CUES}"]])
        joined[f"logit {name} + {CUES}"] = logit(both.mean(axis=1))
    ours = [f"{name}{more}" for name in names for more in ("", f" + {CUES}")]
    differences = [(name, other) for name in ours for other in (CUES, PHONES, ORACLE)]
    write_figures(joined, corpus, differences, out)


@main.command()
@click.argument("corpus_path", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("networks", type=click.Path(path_type=Path))
def thresholds(corpus_path: Path, out: Path, networks: Path) -> None:
    """Recalls at the default and at calibrated thresholds, and of sure answers; folds pooled."""
    tables, folds = answers_of((networks,))
    kinds: dict[str, dict[Fold, pd.DataFrame]] = {"default": {}, "calibrated": {}}
    for fold in folds:
        table = tables[networks.name][fold]
        scores = (table["logit_initial"] - table["logit_final"]).to_numpy()
        valid, final = table["split"] == "valid", table["stress_true"] == Stress.FINAL.value
        fitted = calibrate(final[valid].astype(int), scores[valid], balanced=True)
        click.echo(f"fold {fold.number}: {fitted}")
        half = logit(fitted.p_initial(scores)) / 2
        kinds["default"][fold] = table
        kinds["calibrated"][fold] = table.assign(logit_initial=half, logit_final=-half)
    joined = pooled(kinds, folds)
    sure = expit(joined["logit calibrated"].abs()) >= SURE
    rows = []
    for name, mask in sets_of(joined, Corpus.open(corpus_path)).items():
        rows += [{"test_set": name, **row} for row in rows_of_set(joined[mask], [])]
        of_sure = joined[mask & sure].drop(columns="logit default")
        of_sure = of_sure.rename(columns={"logit calibrated": "logit sure"})
        rows += [{"test_set": name, **row} for row in rows_of_set(of_sure, [])]
    result = pd.DataFrame(rows).query("listener != @ORACLE").drop(columns="minus")
    result.to_csv(out, index=False, float_format="%.4f", lineterminator="\n")
    metric = result["metric"].isin(["balanced_accuracy", "recall_initial", "recall_final"])
    click.echo(result[metric].drop(columns="majority_rate").to_string(index=False))


if __name__ == "__main__":
    main()
