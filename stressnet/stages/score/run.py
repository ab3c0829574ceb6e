"""Learners' recordings become a corpus; a network answers, cues are compared, pages are written."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import LABEL_AGREEMENT, LABEL_ALIGNER
from stressnet.errors import CheckpointError, CorpusError
from stressnet.inference.jackknife import jackknife, mean_of
from stressnet.inference.twoway import Estimate
from stressnet.languages import ENGLISH
from stressnet.models.answer import Answer
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.report.learners import CUES, learner_table, write_pages
from stressnet.report.tables import with_interval
from stressnet.runs import Result, RunFolder, Step
from stressnet.runs.problems import read_problems, warnings_about
from stressnet.runs.tables import read_table
from stressnet.stages.build_corpus import BuildConfig
from stressnet.stages.build_corpus.run import prepared
from stressnet.stages.build_corpus.run import run as build
from stressnet.stages.measure.run import TABLE, measured
from stressnet.stages.score import ScoreConfig
from stressnet.stages.score.norms import deviations, load_norms
from stressnet.stages.validate import ReadingConfig
from stressnet.training.calibration import calibration_of

_MOST_TOLD, _AT_A_TIME = 30, 1024

COUNTS = {"yes": "n_yes", "no": "n_no", "not sure": "n_not_sure"}
"""Columns that count matches."""

_FROM_THE_SOUND = (LABEL_ALIGNER, LABEL_AGREEMENT)
"""Labels that rest on what the aligner heard are no expectation."""

_SHOWN = ("token_id", "speaker", "utterance_id", "word_index", "word", "start_s", "end_s")


def run(config: ScoreConfig, source: Path, folder: RunFolder) -> Result:
    """Score every word; ``words`` and ``learners`` are tables of the result."""
    network = TrainedNetwork.of_any_length(config.model, folder.work.device)
    network.info.contrast.only_stress(config.model, CheckpointError)
    if network.info.lengths != config.lengths:
        raise CorpusError(
            f"{config.model}: hears words of {network.info.lengths} syllables, not "
            f"{config.syllables}; give --syllables {network.info.lengths}, or another --model"
        )
    norms: pd.DataFrame | None = load_norms(config.reference)
    reading = {field.name: getattr(config, field.name) for field in fields(ReadingConfig)}
    if config.language is None and network.language != ENGLISH:
        reading["language"] = network.language
    is_english = reading["language"] in (None, ENGLISH)
    aligner = config.aligner or ("pocketsphinx" if is_english else "kaldi-gmm")
    look: dict[str, Any] = {"presets": tuple(one["name"] for one in network.info.presets)}
    options = BuildConfig(**reading, aligner=aligner, no_splits=True, **look)
    if not prepared(options, source, folder)[2].recordings:
        raise CorpusError(f"{source}: no recordings; see 'stressnet validate {source}'")
    reads = {"model": network, **({"reference": config.reference} if config.reference else {})}
    folder.begin(config, reads, steps=[Step("score", 1, "runs", 60.0)])
    with folder.folder("corpus", "corpus") as child:
        build(options, source, child)
    corpus = Corpus.of_any_length(folder.path / "corpus")
    if config.reference is None and corpus.language != ENGLISH:
        norms = None
    cues = read_table(measured(corpus, folder) / TABLE)
    for part in ("corpus", "cues"):
        folder.problems += read_problems(folder.path / part)
    doubt = network.language_doubt(corpus.language)
    folder.problems += warnings_about("", "language", [doubt] if doubt else [])
    words = words_of(corpus, cues, network, config.sure, norms)
    learners = learners_of(words)
    share = share_of(words[words["expected"].notna()])
    folder.table("words.csv", words, float_format="%.6g")
    folder.table("learners.csv", learners, float_format="%.6g")
    write_pages(folder, corpus, words, learners, share)
    results: dict[str, Any] = {"n_learners": len(learners)}
    results |= {name: int(learners[name].sum()) for name in ("n_words", *COUNTS.values())}
    results |= share.columns("share")
    lines = learner_table(learners.head(_MOST_TOLD)).lines()
    lines += [
        f"all: {with_interval(share.value, share.low, share.high)}",
        "A 'no' is a reason to listen, not a mark: the network learnt from native readers.",
    ]
    return Result.of(folder, results, words=words, learners=learners, text="\n".join(lines))


def words_of(
    corpus: Corpus,
    cues: pd.DataFrame,
    network: TrainedNetwork,
    sure: float,
    norms: pd.DataFrame | None,
) -> pd.DataFrame:
    """One row per word; columns are explained in ``docs/learners.md``."""
    tokens = corpus.tokens
    images = corpus.images(network.info.preset)
    network.check_images(images)
    parts = np.array_split(images.values[:], -(-len(tokens) // _AT_A_TIME))
    logits = np.concatenate([network.logits(np.array(part)) for part in parts])
    calibration = calibration_of(network)
    answers = [Answer.among(network.info.contrast, row, calibration) for row in logits]
    words = tokens[list(_SHOWN)].rename(columns={"speaker": "learner"})
    expected = tokens["stress"].mask(tokens["label_source"].isin(_FROM_THE_SOUND))
    words["expected"], words["expected_by"] = expected, tokens["label_source"]
    words["heard"] = [str(answer.stress) for answer in answers]
    words["probability"] = [answer.probability for answer in answers]
    same = (words["heard"] == expected).map({True: "yes", False: "no"})
    words["match"] = same.mask(words["probability"] < sure, "not sure").mask(expected.isna(), "")
    if norms is not None:
        by_id = expected.set_axis(tokens["token_id"])
        known = cues.assign(stress=cues["token_id"].map(by_id))
        words = words.merge(deviations(known, norms), on="token_id", how="left")
        ratio = 2 ** words["duration_log2_ratio"]
        words.insert(list(words).index("duration_log2_ratio"), "duration_ratio", ratio)
    return words


def share_of(known: pd.DataFrame) -> Estimate:
    """Share of words heard as expected, with its interval over learners and words."""
    if known.empty:
        return Estimate(math.nan, math.nan, math.nan, "no word with one expected stress")
    values = np.array(known["heard"] == known["expected"], dtype=np.float64)[:, None]
    clusters = {"speakers": known["learner"], "words": known["word"]}
    share = jackknife(mean_of(values), len(known), clusters)[0]
    low, high = np.clip([share.low, share.high], 0.0, 1.0)  # no share lies beyond
    return Estimate(share.value, float(low), float(high), share.reason)


def learners_of(words: pd.DataFrame) -> pd.DataFrame:
    """A row per learner: counts, share heard as expected (Wilson's interval), mean z-scores."""
    rows = []
    for learner, own in words.groupby("learner", sort=True):
        known = own[own["expected"].notna()]
        row: dict[str, Any] = {"learner": learner, "n_words": len(own), "n_expected": len(known)}
        row |= {name: int((own["match"] == match).sum()) for match, name in COUNTS.items()}
        row |= dict.fromkeys(("share", "share_low", "share_high"), math.nan)
        if len(known):
            test = binomtest(int((known["heard"] == known["expected"]).sum()), len(known))
            limits = test.proportion_ci(method="wilson")
            row |= {"share": test.statistic, "share_low": limits.low, "share_high": limits.high}
        row |= {f"{cue}_z": own[f"{cue}_z"].mean() for cue in CUES if f"{cue}_z" in own}
        rows.append(row)
    return pd.DataFrame(rows)
