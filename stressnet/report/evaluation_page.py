"""The page of an evaluation: tables, figures, and the hardest tokens with their sound."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.evaluation.audits import alarms
from stressnet.evaluation.sets import TestSets, Unit, representatives, whole_sets
from stressnet.evaluation.tables import (
    CALIBRATION_METRICS,
    OF_THRESHOLD,
    ORACLE,
    WORD_AUROC,
    WORD_MEAN,
)
from stressnet.evaluation.text import (
    heard_text,
    interval_rows,
    interval_text,
    level_text,
    set_title,
)
from stressnet.languages import ENGLISH, language
from stressnet.languages.phones import bare
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.report.answers import audit_sentence, success_sentences
from stressnet.report.document import (
    Block,
    Bullets,
    Cell,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
)
from stressnet.report.scores import accuracy_figure, reliability_figure
from stressnet.report.tables import number
from stressnet.runs.names import inside
from stressnet.runs.options import SURE
from stressnet.version import __version__

_N_WORST = 15
_SET: tuple[str, Cell] = ("test set", set_title)
_SURE = ("sure", "where sure")
_ECE = ("ECE", "ECE, calibrated", "ECE, classes equal", "ECE, classes equal, calibrated")

Tables = Mapping[str, pd.DataFrame]


def write_page(
    out: Path,
    corpus: Corpus,
    models: Sequence[TrainedNetwork],
    units: Sequence[Unit],
    tables: Tables,
    hardest: pd.DataFrame,
    tests: TestSets,
    n_resamples: int,
) -> Path:
    """Write ``index.html`` with its figures and sounds; it opens from disk."""
    names = [unit.name for unit in representatives(units)]
    page = Document(f"Evaluation on {corpus.title}")
    page.add(
        Picture.saved(
            accuracy_figure(tables["scores"], tables["audits"], names, tests.contrast),
            out,
            "accuracy",
            "Balanced accuracy per test set with 95 % intervals. Grey: what classifiers reach that "
            "see only part of the input.",
            data=tests.contrast.named(pd.concat([tables["scores"], tables["audits"]])),
            spoken=corpus.language,
        ),
        Bullets(
            [
                *success_sentences(
                    tables["scores"], f"The network “{names[0]}”", names[0], tests.contrast
                ),
                audit_sentence(tables["audits"]),
            ]
        ),
    )
    heard = heard_text(tests.n_heard, len(tests.tokens), tests.n_left_out)
    for alarm in [*([f"{heard}."] if heard else []), *alarms(tables["audits"])]:
        page.say(alarm, kind="warning")
    page.add(Heading("Method"))
    page.say(
        "The networks were trained on the training split of this corpus."
        if tests.own
        else "The networks were not trained on this corpus. Which of its words they know, and "
        "which speakers they may have heard, is said where their checkpoints list what they "
        "were trained on."
    )
    page.say(
        f"Intervals are 95 %, from {n_resamples} resamples of speakers and, independently, of word "
        f"families. Balanced accuracy is the mean of the two recalls; always giving the same "
        f"answer makes 0.5."
    )
    page.add(
        *_scores(tables, names, tests.contrast),
        *_audits(tables["audits"]),
        *_calibration(out, tables, units, corpus),
        *_agreement(tables["agreement"]),
        Heading("Comparisons"),
        comparisons_table(tables["comparisons"]),
        *_pairs(tables, names, tests.contrast),
        Heading("Groups"),
        groups_table(tables["groups"], names[0], corpus.language, tests.contrast),
        *_hardest(out, corpus, hardest, names[0]),
        *_worst(tables, names[0], tests.contrast),
        Heading("Networks"),
        Table(
            ["network", "architecture", "preset", "recipe", "seed", "best epoch", "weights"],
            [_network_row(one) for one in models],
            flush_left=(0, 1, 2, 3, 6),
        ),
        Paragraph(f"stressnet {__version__}; all tables are CSV files beside this page."),
    )
    return page.write(out / "index.html")


def _network_row(network: TrainedNetwork) -> list[str]:
    info = network.info
    recipe = str(dict(info.training.get("recipe", {})).get("name", ""))
    best_epoch = str(info.training.get("best_epoch", ""))
    row = [network.name, info.architecture, info.preset, recipe, str(info.seed), best_epoch]
    return [*row, network.digest[:12]]


def _scores(tables: Tables, names: Sequence[str], contrast: Contrast) -> Iterator[Block]:
    yield Heading("Test sets")
    for name in (*names, ORACLE):
        yield Heading(name, level=3)
        yield from score_tables(tables["scores"], name, contrast)
    if len(tables["seeds"]):
        yield seeds_table(tables["seeds"])


def score_tables(scores: pd.DataFrame, name: str, contrast: Contrast = STRESS) -> list[Table]:
    """All test sets of one network, in two tables that are not too wide."""
    counts, rows = [], []
    metrics = "accuracy balanced_accuracy mcc auroc recall_initial recall_final".split()
    own = scores[scores["model"] == name]
    errors = own[own["metric"] == "ece_balanced"].set_index("test_set")["estimate"]
    for first, texts in interval_rows(own, metrics):
        sizes = [str(first[c]) for c in ("n", "n_final", "n_speakers", "n_words")]
        majority, error = first["majority_rate"], errors.get(first["test_set"], np.nan)
        counts.append([set_title(first), *sizes, f"{majority:.3f}", *texts[:2]])
        rows.append([set_title(first), *texts[2:], number(error, 3)])
    columns = (
        f"test set,n,{contrast.classes[-1]},speakers,words,majority,accuracy,balanced accuracy"
    )
    recalls = (f"recall {one}" for one in contrast.classes)
    more = ["test set", "MCC", "AUROC", *recalls, "ECE, classes equal"]
    return [Table(columns.split(","), counts), Table(more, rows)]


def seeds_table(seeds: pd.DataFrame) -> Table:
    """How networks differ that differ in their seed."""
    return Table.of(
        seeds[seeds["metric"] == "balanced_accuracy"],
        [
            *(("ensemble", "model"), _SET, ("seeds", "n_seeds")),
            *((name, f"{name}:.3f") for name in ("mean", "sd", "min", "max")),
            ("ensemble's", "ensemble:.3f"),
        ],
        caption="Balanced accuracy of single networks that differ in their seed.",
        flush_left=(0, 1),
    )


def _audits(audits: pd.DataFrame) -> Iterator[Block]:
    yield Heading("Leak audits")
    if not len(audits):
        yield Paragraph("Not run.", "missing")
        return
    yield Paragraph(
        "What is known without hearing the word as a whole. Duration, envelope and phones are true "
        "cues of stress, so these classifiers may be above chance; what matters is how much the "
        "network adds. The network on shuffled labels must be at chance."
    )
    yield audits_table(audits)


def audits_table(audits: pd.DataFrame) -> Table:
    """What each audit reaches, and the network beside it."""
    return Table.of(
        audits,
        [
            *("audit", _SET, "n", ("audit", interval_text)),
            ("network", lambda row: interval_text(row, "network")),
            ("network - audit", lambda row: interval_text(row, "difference", signed=True)),
            "verdict",
        ],
        caption="Balanced accuracy; chance is 0.5. Part of speech: 'audit' are nouns with final "
        "and verbs with initial stress, 'network' the others.",
        flush_left=(0, 1, 6),
    )


def _calibration(
    out: Path, tables: Tables, units: Sequence[Unit], corpus: Corpus
) -> Iterator[Block]:
    scores, first_name = tables["scores"], representatives(units)[0].name
    whole = scores[scores["test_set"].isin(whole_sets(scores["test_set"].unique()))]
    rows, answers = [], []
    for unit in (one for one in representatives(units) if not one.is_vote):
        own, fitted = whole[whole["model"] == unit.name], unit.calibration
        temperature = "-" if fitted is None else f"{fitted.temperature:.2f}"
        for first, texts in interval_rows(own, CALIBRATION_METRICS):
            rows.append([unit.name, set_title(first), temperature, *texts])
        if fitted is not None:
            metrics = [f"{metric}_calibrated" for metric in OF_THRESHOLD]
            metrics += ["share_sure", "balanced_accuracy_sure"]
            for first, texts in interval_rows(own, metrics):
                answers.append([unit.name, set_title(first), f"{fitted.threshold:.2f}", *texts])
    yield Heading("Calibration")
    yield Picture.saved(
        reliability_figure(tables["reliability"], first_name, corpus.contrast),
        out,
        "reliability",
        f"Reliability of {first_name}. A network whose loss weighed the classes equally is meant "
        "for the lower row.",
        data=tables["reliability"],
        spoken=corpus.language,
    )
    yield Table(
        ["network", "test set", "temperature", *_ECE],
        rows,
        f"Expected calibration error, 10 bins of equal width over the probability of "
        f"{corpus.contrast.classes[0]}. The temperature is fitted on the validation tokens.",
        flush_left=(0, 1),
    )
    if answers:
        recalls = [f"recall {one}" for one in corpus.contrast.classes]
        yield Table(
            [*"network,test set,threshold,balanced accuracy".split(","), *recalls, *_SURE],
            answers,
            "With the logit difference, as threshold, at which validation tokens of both classes "
            f"are found equally often. Sure: share of answers of a probability of {SURE} or more, "
            "and the balanced accuracy there.",
            flush_left=(0, 1),
        )


def _agreement(agreement: pd.DataFrame) -> Iterator[Block]:
    if not len(agreement):
        return
    yield Heading("Agreement of members")
    yield Table.of(
        agreement.assign(estimate=agreement["accuracy"]),
        [
            *(("ensemble", "model"), _SET),
            ("members that agree", lambda row: number(row["n_agreeing"], 0)),
            *(("of", "n_members"), "n"),
            *(("accuracy", interval_text), ("mean probability", "mean_probability:.3f")),
            ("AUROC, disagreement", lambda row: number(row.get("auroc_disagreement"), 3)),
            ("AUROC, margin", lambda row: number(row.get("auroc_margin"), 3)),
        ],
        caption="Accuracy where so many members give the ensemble's answer (–: any), and the mean "
        "probability of that answer. AUROC: how well wrong answers are told from right ones by "
        "the spread of the members' logits and by their mean's distance from zero; chance is 0.5.",
        flush_left=(0, 1, 2),
    )


def comparisons_table(comparisons: pd.DataFrame) -> Table:
    """Differences between networks, and tokens that only one of them gets right."""

    def difference(row: Any) -> str:
        value, low, high = (row[f"balanced_accuracy_{c}"] for c in ("difference", "low", "high"))
        return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"

    return Table.of(
        comparisons,
        [
            ("networks", lambda row: f"{row['first']} - {row['second']}"),
            *(_SET, "n", ("difference in balanced accuracy", difference)),
            ("only first right", "only_first"),
            ("only second right", "only_second"),
            ("McNemar's exact p", "mcnemar_p:.3g"),
        ],
        caption="McNemar's test takes tokens for independent, which those of one speaker or word "
        "are not; believe the interval.",
        flush_left=(0, 1),
    )


def _pairs(tables: Tables, names: Sequence[str], contrast: Contrast) -> Iterator[Block]:
    scores = tables["scores"]
    first, second = contrast.classes
    yield Heading("Words that show both readings")
    if not len(tables["pairs"]):
        yield Paragraph("No word shows both readings here.", "missing")
        return
    yield Paragraph(
        "Only these words cannot be got right by knowing the word. AUROC within words: which of "
        f"two tokens of one word is {first}. The oracle hears nothing and gives each word "
        "the reading that it has most often in the test set."
    )
    yield Bullets(within_words(scores[scores["model"].isin([*names, ORACLE])]))
    yield Table.of(
        tables["pairs"],
        [
            *(("network", "model"), _SET, "word", (first, "n_initial"), (second, "n_final")),
            *(("recall", "recall_initial:.2f"), ("recall", "recall_final:.2f")),
            *(("mean", "balanced_accuracy:.2f"), ("AUROC", "auroc:.2f")),
        ],
        caption=f"Tokens of each reading, recall of {first} and of {second}, their mean, and the "
        "AUROC.",
        flush_left=(0, 1, 2),
    )


def within_words(scores: pd.DataFrame) -> list[str]:
    """Means over the words that show both readings, a sentence per network and test set."""
    there = scores[scores["n"] > 0]
    means, aurocs = (there[there["metric"] == name] for name in (WORD_MEAN, WORD_AUROC))
    return [
        f"{row['model']}, {set_title(row)}: means over {row['n_words']} words that show both "
        f"readings: AUROC {interval_text(auroc)}, balanced accuracy {interval_text(row)} "
        f"(n = {row['n']})"
        for (_, row), (_, auroc) in zip(means.iterrows(), aurocs.iterrows(), strict=True)
    ]


def groups_table(
    groups: pd.DataFrame, name: str, spoken: str = ENGLISH, contrast: Contrast = STRESS
) -> Table:
    """Balanced accuracy of one network by sex, unstressed vowel and what is known of speakers."""
    chosen = groups[(groups["metric"] == "balanced_accuracy") & (groups["model"] == name)]
    pairs = chosen["test_set"] == "minimal_pairs"  # other sets hold known or new speakers only
    vowels = " or ".join(dict.fromkeys(map(bare, language(spoken).reduced)))
    vowels = "AH, ER or IH" if spoken == ENGLISH else vowels
    reduced = f"Unstressed vowels count as reduced if they are {vowels}"
    if not vowels:
        reduced = f"{language(spoken).name} has no reduced vowels"
    return Table.of(
        chosen[pairs | (chosen["group"] != "speaker_is_known")],
        [
            *(_SET, ("group", lambda row: row["group"].replace("_", " "))),
            *(("level", level_text), "n", (contrast.classes[-1], "n_final")),
            ("speakers", "n_speakers"),
            ("balanced accuracy", interval_text),
        ],
        caption=f"{name}. {reduced}.",
        flush_left=(0, 1, 2),
    )


def _hardest(out: Path, corpus: Corpus, hardest: pd.DataFrame, name: str) -> Iterator[Block]:
    (out / "sounds").mkdir(exist_ok=True)
    files = [""] * len(hardest)
    for place, file in enumerate(hardest["excerpt_file"]):
        source = inside(corpus.path, file)
        if source.is_file():
            files[place] = f"sounds/{place:02d}{source.suffix}"
            shutil.copyfile(source, out / files[place])
    yield Heading("Hardest tokens")
    yield Paragraph(
        f"Where {name} is most wrong. Listen before believing the label: of words with both "
        "readings it rests on grammar, and a speaker may deviate; of others on a dictionary. The "
        "sounds have a quarter of a second of context on both sides."
    )
    yield Table.of(
        hardest,
        [
            *("word", ("label", corpus.contrast.column), ("label from", "label_source")),
            *(("p(label)", "p_true:.3f"), _SET, "speaker", ("token", "token_id")),
        ],
        flush_left=(0, 1, 2, 4, 5, 6),
        sounds=files,
    )


def _worst(tables: Tables, name: str, contrast: Contrast) -> Iterator[Block]:
    yield Heading("Words and speakers")
    for key, column, extra in (("words", "lemma", "words"), ("speakers", "speaker", "sex")):
        table = tables[key]
        rows = table[(table["model"] == name) & (table["n"] >= 3)]
        yield Table.of(
            rows.sort_values(["accuracy", "n"], ascending=[True, False]).head(_N_WORST),
            [
                *(column, extra, _SET, "n", (contrast.classes[-1], "n_final")),
                ("accuracy", "accuracy:.2f"),
                ("mean p(label)", "mean_p_true:.2f"),
            ],
            caption=f"{name}: worst {key} with three tokens or more; all in {key}.csv.",
            flush_left=(0, 1, 2),
        )
