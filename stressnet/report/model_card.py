"""``stressnet card``: what a network is, how well it works and for whom, as ``MODEL_CARD.md``."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import LABEL_ALIGNER, LABEL_PART_OF_SPEECH, LABEL_TABLE
from stressnet.errors import CheckpointError, ConfigError
from stressnet.evaluation import sets, tables
from stressnet.evaluation.audits import COLUMNS
from stressnet.evaluation.heard import is_own_corpus
from stressnet.evaluation.text import interval_text
from stressnet.languages import language
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.report.answers import success_sentences
from stressnet.report.document import Bullets, render
from stressnet.report.evaluation_page import groups_table, score_tables, within_words
from stressnet.report.scores import accuracy_figure
from stressnet.report.style import save_figure
from stressnet.runs.held import check_file
from stressnet.runs.work import Progress
from stressnet.training.calibration import save_calibration
from stressnet.training.recipes import RECIPES

CARD_NAME = "MODEL_CARD.md"

_SOURCES = {
    LABEL_TABLE: "a table made for the recordings",
    LABEL_PART_OF_SPEECH: "their part of speech",
}
"""Where labels come from that are not the dictionary's."""

_FEW = 5  # Speakers with fewer tokens are left out of the spread over speakers


def write_card(
    corpus_path: Path,
    model_path: Path,
    *,
    measured_path: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    n_resamples: int = 2000,
    progress: Progress | None = None,
) -> tuple[Path, float]:
    """Measure a network on its own corpus; write its card and its temperature, and return both.

    ``measured_path``: the network to measure for one that was trained on all tokens: the same
    recipe and seed on the training split alone. Figures and temperature are then that network's.
    ``out``: where to write the card; ``MODEL_CARD.md`` in the checkpoint folder if left out. Raises
    `ConfigError` if the network was trained on another corpus, or on all tokens of this one and
    none is given to measure, or that one differs in more than its tokens; `CheckpointError` if the
    checkpoint is damaged or a file cannot be written.
    """
    progress = progress or Progress(verbose=False)
    if out is not None and out.name != CARD_NAME:
        check_file(out, [corpus_path, model_path, measured_path])
    corpus = Corpus.checked(corpus_path)
    models = sets.load_models([model_path])
    if len(models) != 1:
        raise ConfigError(f"{model_path}: holds {len(models)} networks; a card is about one")
    described = models[0]
    if measured_path is not None:
        models = [_twin(described, measured_path, corpus)]
    if not is_own_corpus(models, corpus):
        raise ConfigError(
            f"{model_path}: was not trained on {corpus_path}; a card needs the corpus it knows, "
            f"since its validation tokens set the temperature"
        )
    tests = sets.TestSets.of(corpus, models)
    unit = sets.predict_units(models, corpus, tests, progress)[0]
    if unit.calibration is None:
        raise ConfigError(f"{corpus_path}: no validation tokens of both classes to calibrate on")
    how = {"seed": seed, "n_resamples": n_resamples}
    path = out or model_path / CARD_NAME
    with progress.stage("card"):
        scores = tables.scores_table([unit], tests, **how)
        groups = tables.groups_table([unit], tests, **how)
        speakers = tables.cluster_table([unit], tests, "speaker")
        drawn = accuracy_figure(scores, pd.DataFrame(columns=COLUMNS), [unit.name])
        save_figure(drawn, path.with_suffix(""), ["png"], corpus.language)
        apart = described.info.training.get("all_tokens")
        who = "Trained on the training split alone, the network" if apart else "The network"
        answer = [*success_sentences(scores, who, unit.name), _speakers(speakers)]
        card = render(
            "card.md",
            **_parts(corpus, described, unit, scores),
            groups=groups_table(groups, unit.name, corpus.language),
            answer=Bullets(answer),
            figure=path.with_suffix(".png").name,
        )
        try:
            path.write_text(card, encoding="utf-8")
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be written ({error.strerror}); choose another file"
            ) from error
        save_calibration(model_path, replace(unit.calibration, weights_sha256=described.digest))
    return path, unit.calibration.temperature


def _twin(described: TrainedNetwork, measured_path: Path, corpus: Corpus) -> TrainedNetwork:
    """The network to measure for one that was trained on all tokens."""
    twin = sets.load_models([measured_path])[0]
    ours = described.info
    if not ours.training.get("all_tokens") or ours.corpus_hash != corpus.fingerprint:
        raise ConfigError(
            f"{described.path}: was not trained on all tokens of {corpus.path}, so its card is "
            f"about its own figures; leave out --measured"
        )
    parts = [
        (info.architecture, info.preset, info.seed, info.training.get("recipe"), info.corpus_hash)
        for info in (ours, twin.info)
    ]
    if parts[0] != parts[1]:
        raise ConfigError(
            f"{measured_path}: is not {described.path} with fewer tokens; train it with the same "
            f"network, preset, recipe and seed on the same corpus, without --all-tokens"
        )
    return twin


def _parts(
    corpus: Corpus, model: TrainedNetwork, unit: sets.Unit, scores: pd.DataFrame
) -> dict[str, Any]:
    """What ``card.md`` says of a network, but for the lead and the groups."""
    info, tokens = model.info, corpus.tokens
    usable = tokens["stress"].notna() & (tokens["label_source"] != LABEL_ALIGNER)
    train = tokens[usable if info.training.get("all_tokens") else tokens["split"] == "train"]
    sex = train.groupby("sex")["speaker"].nunique()
    sources = train["label_source"].value_counts()
    full = scores[(scores["test_set"] == sets.FULL_VOWELS) & (scores["model"] != tables.ORACLE)]
    full = full[full["metric"] == "balanced_accuracy"]
    return {
        "info": info,
        "training": info.training,
        "corpus": corpus,
        "built": corpus.manifest["parameters"],
        "audio_hours": corpus.manifest["results"].get("audio_hours", "?"),
        "language": language(corpus.language),
        "n_parameters": sum(p.numel() for p in model.model.parameters()),
        "digest": model.digest,
        "train": train,
        "n_by_stress": train["stress"].value_counts(),
        "voices": ", ".join(f"{n} {name or 'of unknown sex'}" for name, n in sex.items()),
        "n_stretches": int(info.training.get("n_train", len(train))) - len(train),
        "label_sources": [f"{name} ({sources[k]})" for k, name in _SOURCES.items() if k in sources],
        "aligners": ", ".join(sorted(tokens["aligner"].unique())),
        "results": score_tables(scores, unit.name),
        "within_words": within_words(scores),
        "calibration": unit.calibration,
        "calibration_errors": _calibration_errors(unit, scores),
        "full_vowels": [f"{interval_text(row)}, n = {row['n']}" for _, row in full.iterrows()],
        "commands": _commands(info, corpus.manifest),
    }


def _speakers(speakers: pd.DataFrame) -> str:
    grouped = speakers.assign(hits=speakers["accuracy"] * speakers["n"]).groupby("speaker")
    sums = grouped[["n", "hits"]].sum()
    enough = sums[sums["n"] >= _FEW]
    if not len(enough):
        return f"No speaker has {_FEW} test tokens."
    accuracy = (enough["hits"] / enough["n"]).sort_values()
    return (
        f"Accuracy over the {len(enough)} speakers with {_FEW} test tokens or more, all test sets "
        f"together: median {accuracy.median():.3f}, lowest tenth {accuracy.quantile(0.1):.3f}, "
        f"lowest {accuracy.iloc[0]:.3f}."
    )


def _calibration_errors(unit: sets.Unit, scores: pd.DataFrame) -> str:
    assert unit.calibration is not None
    metric = "ece_balanced" if unit.calibration.balanced else "ece"
    values = scores.set_index(["test_set", "metric"])["estimate"].to_dict()
    return "; ".join(
        f"{sets.TITLES[name]} {values[name, metric]:.3f}"
        f" to {values[name, f'{metric}_calibrated']:.3f}"
        for name in sets.whole_sets(scores["test_set"].unique())
    )


def _commands(info: Any, facts: Mapping[str, Any]) -> str:
    """One command line that builds the corpus and trains the network."""
    built = facts["parameters"]
    build = f"stressnet build-corpus RECORDINGS CORPUS --recipe {built['recipe']}"
    build += f" --preset {info.preset} --seed {built.get('seed', 0)}"
    if code := info.training.get("language"):
        build += f" --language {code}"
    recipe = dict(info.training.get("recipe", {}))
    name = str(recipe.get("name", ""))
    train = f"stressnet train CORPUS MODEL --model {info.architecture} --preset {info.preset}"
    train += f" --recipe {name} --seed {info.seed}"
    usual = RECIPES[name].to_dict() if name in RECIPES else {}
    usual["class_balance"] = "weights"  # what the command trains with
    if info.training.get("all_tokens"):
        train += " --all-tokens"
    for key, value in recipe.items():
        if key not in ("name", "seed") and key in usual and value != _as_json(usual[key]):
            train += f" --set {shlex.quote(f'{key}={value}')}"
    return f"{build} && \\\n{train}"


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
