"""Leak audits of an evaluation: run on the same tokens and printed beside the networks' figures."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.store import Corpus
from stressnet.errors import AlignmentError
from stressnet.evaluation.sets import TITLES, TestSets, Unit, asked, class_indices, whole_sets
from stressnet.inference.bootstrap import Estimate
from stressnet.languages import ENGLISH
from stressnet.lexicon.controls import Use, control_base, guess_use
from stressnet.runs.work import Progress
from stressnet.training import audits
from stressnet.training.comparison import compare
from stressnet.training.corpus_data import stress_data
from stressnet.training.fit import Origin
from stressnet.training.metrics import evaluate

COLUMNS = (
    "audit preset model test_set n estimate low high chance network network_low network_high "
    "difference difference_low difference_high verdict"
).split()


def run_audits(
    corpus: Corpus, unit: Unit, tests: TestSets, *, seed: int, n_resamples: int, progress: Progress
) -> pd.DataFrame:
    """All audits for one network or ensemble, :data:`COLUMNS`.

    The classifiers and the network on shuffled labels need the training split and are left out in a
    corpus that the network was not trained on. Figures are balanced accuracies; ``difference`` is
    the network's minus the audit's, with a paired interval. For ``part of speech`` the estimate is
    that of tokens whose stress is not their part of speech's, ``network`` that of the others.
    """
    rows: list[dict[str, Any]] = []
    how = {"seed": seed, "n_resamples": n_resamples}
    if tests.own:
        data = stress_data(corpus, unit.preset, tests.fold)
        images = corpus.images(unit.preset)
        features = {
            "padding": lambda: audits.padding_features(images.mask),
            "envelope": lambda: audits.envelope_features(images.values),
            "phones": lambda: audits.phone_features(corpus.phones, list(data.token_ids)),
        }
        with progress.stage("audits", len(features), "classifier") as bar:
            for name, features_of in features.items():
                scores, _ = audits.classify(features_of(), data, seed=seed)
                rows += _classifier_rows(name, scores, unit, tests, how)
                bar.update()
        scores_of = []
        with progress.stage("audit: shuffled labels", audits.N_SHUFFLES, "network") as bar:
            for number in range(audits.N_SHUFFLES):
                origin = Origin(unit.preset, images.preset)
                places = tests.tokens["row"].to_numpy()
                scores_of.append(audits.shuffled_network(data, places, origin, seed=seed + number))
                bar.update()
        rows.append(_shuffled_row(np.stack(scores_of), unit, tests))
    if not tests.contrast.is_stress:
        return pd.DataFrame([{"chance": audits.CHANCE, **row} for row in rows], columns=COLUMNS)
    with progress.stage("audit: part of speech"):
        rows.append(_part_of_speech(corpus, unit, tests.tokens, how))
    return pd.DataFrame([{"chance": audits.CHANCE, **row} for row in rows], columns=COLUMNS)


def _classifier_rows(
    name: str, scores: NDArray[np.float64], unit: Unit, tests: TestSets, how: dict[str, int]
) -> list[dict[str, Any]]:
    """A classifier beside the network, on every test set that is no part of another."""
    rows = []
    scores = scores[tests.tokens["row"].to_numpy()]
    for test_set in whole_sets(tests.masks):
        mask = tests.masks[test_set]
        part, network = tests.tokens[mask], unit.logit_difference[mask]
        audit = evaluate(*asked(part, scores[mask]), **how)
        ours = evaluate(*asked(part, network), **how).metrics["balanced_accuracy"]
        labels, theirs, *clusters = asked(part, scores[mask])
        apart = compare(labels, network, theirs, *clusters, **how).balanced_accuracy
        about = {"audit": name, "preset": unit.preset, "model": unit.name, "test_set": test_set}
        own = audit.metrics["balanced_accuracy"].columns()
        beside = {**ours.columns("network"), **apart.columns("difference")}
        verdict = _beside(apart, 0.0, "NETWORK WORSE", "not told apart", "network better")
        rows.append({**about, "n": audit.n, **own, **beside, "verdict": verdict})
    return rows


def _shuffled_row(scores: NDArray[np.float64], unit: Unit, tests: TestSets) -> dict[str, Any]:
    mask = np.any(list(tests.masks.values()), axis=0)
    found = audits.mean_balanced_accuracy(class_indices(tests.tokens[mask]), scores[:, mask])
    return {
        "audit": audits.SHUFFLED,
        "preset": unit.preset,
        "model": f"compact, {audits.N_SHUFFLES} times",
        "test_set": "all test sets together",
        "n": int(mask.sum()),
        **found.columns(),
        "verdict": _beside(found, audits.CHANCE, "below chance", "at chance", "ABOVE CHANCE"),
    }


def _beside(estimate: Estimate, value: float, below: str, between: str, above: str) -> str:
    """What is said of an interval that lies below, around or above a value."""
    if estimate.low > value:
        return above
    return below if estimate.high < value else between


def _control_uses(corpus: Corpus, tokens: pd.DataFrame) -> list[Use | None]:
    """Noun or verb for every token that is a control, None for all others."""
    sentences: dict[str, list[str]] = {}
    uses: list[Use | None] = []
    columns = (tokens[name] for name in ("utterance_id", "word_index", "word", "is_minimal_pair"))
    for utterance_id, index, word, is_pair in zip(*columns, strict=True):
        if is_pair or corpus.language != ENGLISH or control_base(word) is None:
            uses.append(None)
            continue
        if utterance_id not in sentences:
            sentences[utterance_id] = []
            with suppress(AlignmentError):
                spoken = read_textgrid(corpus.textgrid_file(utterance_id)).spoken_words()
                sentences[utterance_id] = [interval.label for interval in spoken]
        words = sentences[utterance_id]
        there = 0 <= index < len(words)
        uses.append(guess_use(word, words[index - 1] if index else "") if there else None)
    return uses


def _part_of_speech(
    corpus: Corpus, unit: Unit, tokens: pd.DataFrame, how: dict[str, int]
) -> dict[str, Any]:
    uses = _control_uses(corpus, tokens)
    chosen = np.array([use is not None for use in uses], dtype=bool)
    labels, scores, *clusters = asked(tokens[chosen], unit.logit_difference[chosen])
    known = [use for use in uses if use is not None]
    audit = audits.part_of_speech_audit(labels, scores, known, *clusters, **how)
    quiet = "does not follow part of speech"
    verdict = _beside(audit.difference, 0.0, quiet, quiet, "FOLLOWS PART OF SPEECH")
    if not audit.difference.low <= audit.difference.high:  # nan
        verdict = "too few controls"
    return {
        "audit": audits.PART_OF_SPEECH,
        "preset": unit.preset,
        "model": unit.name,
        "test_set": "nouns and verbs without shift",
        "n": audit.n_congruent + audit.n_incongruent,
        **audit.incongruent.columns(),
        **audit.congruent.columns("network"),
        **audit.difference.columns("difference"),
        "verdict": verdict,
    }


def alarms(audits: pd.DataFrame) -> Sequence[str]:
    """What in the audits speaks against the result, in words; empty if nothing does."""
    loud = audits[audits["verdict"].str.isupper()]
    return [
        f"{row['audit']}, {TITLES.get(row['test_set'], row['test_set'])}: "
        f"{str(row['verdict']).lower()} "
        f"({row['estimate']:.3f} [{row['low']:.3f}, {row['high']:.3f}])"
        for _, row in loud.iterrows()
    ]
