"""Sections of the report."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.report import tables
from stressnet.report.choose import choose_words
from stressnet.report.corpus import plot_regions, plot_warped_means, warped_means
from stressnet.report.cues_beside import COEFFICIENT_COLUMNS, plot_cues_beside_relevance
from stressnet.report.document import Bullets, Document, Heading, Paragraph, Picture
from stressnet.report.names import count_of, method_text, region_name
from stressnet.report.run import RelevanceRun
from stressnet.report.scores import plot_accuracy, plot_confusion
from stressnet.report.style import save_figure
from stressnet.report.vowel_space import plot_vowel_space, vowel_table
from stressnet.report.word import LEGEND, caption, plot_word, word_data
from stressnet.runs.tables import read_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


ALIGNMENT_FILE = "alignment-error.json"
"""In the corpus folder, where the true times are known."""


LIMITS = (
    "Relevance says which parts of the image this network's answer rests on. It does not say which "
    "cues listeners use, nor that a change of that part would change the answer.",
    "Shares depend on the rules of propagation (composite) and on the spectrogram preset; compare "
    "runs before building on a small difference.",
    "Duration and overall intensity are no region of an image: a network may use them through "
    "every cell, the edge of the padding included.",
    "Regions rest on the aligner's boundaries and on Praat's formants, both with error. Formant "
    "bands have fixed widths; F0 is a region only where the analysis window resolves harmonics.",
    "A density above 1 only says that relevance is not spread evenly. Loud, low parts of speech "
    "attract relevance in any network; the comparison with the null is what speaks for a region.",
    "The null exchanges tracks or boundaries between tokens of similar duration. A region that "
    "equals its null may still matter, but not because of this token's own formants or boundaries.",
    "Classes are not balanced and words carry their stress: read the new-word test sets and the "
    "minimal pairs before the overall accuracy.",
    "One training run is one network; another seed can look elsewhere.",
)


@dataclass(frozen=True)
class Sources:
    """What the report is made from; parts that are missing are None."""

    run: RelevanceRun
    corpus: Corpus
    model: dict[str, Any] | None
    metrics: pd.DataFrame | None
    predictions: pd.DataFrame | None
    out: Path

    def picture(self, figure: Figure, name: str, text: str) -> Picture:
        """Write a figure; the block that shows it."""
        saved = save_figure(figure, self.out / "figures" / name)
        first, *others = (f"figures/{file.name}" for file in saved)
        return Picture(first, text, others)


def add_sections(page: Document, sources: Sources, coefficients: Path | None) -> None:
    """All sections in order; cues are drawn beside relevance if there are coefficients."""
    _introduction(page, sources)
    _corpus_section(page, sources)
    _success_section(page, sources)
    _regions_section(page, sources)
    _means_section(page, sources)
    _vowels_section(page, sources)
    if coefficients is not None:
        _cues_section(page, sources, coefficients)
    _words_section(page, sources)
    page.add(
        Heading("Conservation"),
        Paragraph(
            "The logit difference is redistributed, not created: what does not reach the image is "
            "kept by biases and stabilisers, and a ledger accounts for every part."
        ),
        tables.conservation_table(sources.run.tokens)
        or Paragraph("Conservation unknown: the run's token table has no ledger.", "missing"),
    )
    page.add(Heading("Limits"), Bullets(LIMITS))
    manifests = {"corpus": sources.corpus.manifest}
    if sources.model is not None:
        manifests["network"] = sources.model
    manifests["relevance"] = sources.run.manifest
    page.add(Heading("Provenance"), tables.provenance_table(manifests))


def _introduction(page: Document, sources: Sources) -> None:
    run, corpus = sources.run, sources.corpus
    parameters = corpus.manifest.get("parameters", {})
    if parameters.get("synthetic"):
        page.say(
            "Synthetic speech: these figures show that the software works, not how people "
            "stress words.",
            "warning",
        )
    architecture = (sources.model or {}).get("parameters", {}).get("architecture")
    model = "a network" if architecture is None else f"a network ({architecture})"
    page.say(
        f"Disyllabic words were cut from the recordings of {corpus.name}; {model} was trained "
        f"to tell from a spectrogram ({run.preset_name or 'preset unknown'}) whether stress is "
        f"INITIAL or FINAL; its answers on {count_of(len(run.tokens), 'token')} were explained "
        f"by {method_text(run.composite)}. Relevance "
        "is signed: warm speaks for INITIAL, cool for FINAL. The question is where it lies: in "
        "which syllable, in the vowels or beside them, around which formant."
    )
    facts = _main_findings(sources)
    if facts:
        page.add(Heading("In short"), Bullets(facts))


def _main_findings(sources: Sources) -> list[str]:
    """Sentences about the primary figures, each with n, interval and what to compare it with."""
    found = []
    metrics = sources.metrics
    if metrics is not None:
        rows = metrics[(metrics["test_set"] == "test") & (metrics["metric"] == "balanced_accuracy")]
        if len(rows) and math.isfinite(rows.iloc[0]["estimate"]):
            test = rows.iloc[0]
            value = tables.with_interval(test["estimate"], test["low"], test["high"], 3)
            found.append(
                f"On new words of new speakers the network reaches a balanced accuracy of {value} "
                f"(n = {int(test['n'])}, majority rate {test['majority_rate']:.3f}, chance 0.5)."
            )
    summary = sources.run.summary
    if summary is not None:
        rows = summary[(summary["stress"] == "ALL") & (summary["measure"] == "density")]
        index: dict[Any, Any] = rows.set_index("region").to_dict("index")
        names = ("nucleus_stressed", "nucleus_unstressed", "F1_stressed", "F2_stressed")
        for region in names:
            row = index.get(region)
            if row is not None and math.isfinite(row["mean"]):
                value = tables.with_interval(row["mean"], row["mean_low"], row["mean_high"])
                name = region_name(region)
                found.append(
                    f"{name[:1].upper()}{name[1:]}: {value} times as much relevance for "
                    f"the word's class per cell as if it were spread evenly; null "
                    f"{tables.number(row['null_mean'])}: {tables.compared(row)} "
                    f"(n = {int(row['n_tokens'])})."
                )
    return found


def _corpus_section(page: Document, sources: Sources) -> None:
    corpus = sources.corpus
    parameters = corpus.manifest.get("parameters", {})
    results = corpus.manifest.get("results", {})
    page.add(Heading("Corpus"))
    parts = [f"Licence: {parameters['licence']}."] if parameters.get("licence") else []
    parts += [f"Cite: {parameters['citation']}"] if parameters.get("citation") else []
    if results.get("audio_hours"):
        parts.insert(0, f"{results['audio_hours']:.2f} hours of recordings.")
    if parts:
        page.say(" ".join(parts))
    page.add(tables.corpus_table(corpus.tokens))
    if "aligner" in corpus.tokens:
        counts = corpus.tokens["aligner"].value_counts()
        by = ", ".join(f"{name} ({n} tokens)" for name, n in counts.items())
        page.say(f"Boundaries by: {by}.")
    file = corpus.path / ALIGNMENT_FILE
    if file.is_file():
        page.add(tables.alignment_table(json.loads(file.read_text(encoding="utf-8"))))
    else:
        page.say(
            "Alignment error unknown: there are no reference times for this corpus.", "missing"
        )
    errors = results.get("n_errors")
    if errors:
        page.say(f"{count_of(int(errors), 'item')} failed; see the corpus's failures.csv.")


def _success_section(page: Document, sources: Sources) -> None:
    page.add(Heading("Success of the network"))
    if sources.metrics is None:
        page.say(
            "Success unknown: no metrics.csv beside the network; run train to get it.", "missing"
        )
    else:
        sources.metrics.to_csv(sources.out / "tables" / "metrics.csv", index=False)
        page.add(
            tables.metrics_table(sources.metrics),
            sources.picture(
                plot_accuracy(sources.metrics),
                "accuracy",
                "Balanced accuracy and accuracy per test set with 95 % intervals; the bar is the "
                "majority rate, the line chance for balanced accuracy.",
            ),
        )
    answers = sources.run.tokens if sources.predictions is None else sources.predictions
    truth = "stress_true" if "stress_true" in answers.columns else "stress"
    if "split" in answers.columns and answers[truth].notna().any():
        page.add(
            sources.picture(
                plot_confusion(answers),
                "confusion",
                "Answers per test set: tokens and per cent of the row.",
            )
        )


def _regions_section(page: Document, sources: Sources) -> None:
    page.add(Heading("Relevance by region"))
    summary, relevance = sources.run.summary, sources.run.relevance
    if summary is None or relevance is None:
        page.say(
            "Relevance by region is missing: the run has no summary.csv or relevance.parquet; "
            "run explain again.",
            "missing",
        )
        return
    shutil.copyfile(sources.run.path / "summary.csv", sources.out / "tables" / "summary.csv")
    if summary.loc[summary["measure"] == "density", "null_mean"].isna().all():
        page.say(
            "No null: without it a density says nothing about this word's own formants.", "missing"
        )
    figure_of = (
        ("density", "regions", "Density of relevance for the word's class, by region and class."),
        ("signed_share", "regions-signed", "Signed share of relevance by region and class."),
    )
    measures = set(summary["measure"])
    for measure, name, text in figure_of:
        if measure in measures:
            page.add(
                sources.picture(
                    plot_regions(relevance, summary, measure=measure),
                    name,
                    f"{text} Diamonds: means with 95 % intervals over speakers and words; "
                    "dots: speakers; grey bars: the null (another token's tracks or boundaries).",
                )
            )
    page.add(
        tables.region_table(summary),
        Paragraph(
            "All regions and measures: tables/summary.csv. One row per token and region: "
            "relevance.parquet in the run folder, for R and pandas."
        ),
    )


def _means_section(page: Document, sources: Sources) -> None:
    page.add(Heading("Mean relevance"))
    means = warped_means(sources.corpus, sources.run)
    page.add(
        sources.picture(
            plot_warped_means(means),
            "mean-maps",
            "Mean relevance (each token's map divided by its Σ|R|) over the mean spectrogram. Time "
            "is stretched linearly between landmarks to their mean positions; below, the sum over "
            "frequency. Segments that a word lacks do not enter there.",
        )
    )


def _vowels_section(page: Document, sources: Sources) -> None:
    page.add(Heading("Vowel space"))
    try:
        figure = plot_vowel_space(vowel_table(sources.corpus, sources.run))
    except (ConfigError, CorpusError) as error:
        page.say(f"No vowel space: {error}", "missing")
        return
    page.add(
        sources.picture(
            figure,
            "vowel-space",
            "F1 and F2 (medians over the middle half of each nucleus, speakers' vocal tracts taken "
            "out) with the density of relevance for the word's class in the nucleus. Dots: vowels; "
            "symbols: means of vowels with at least five tokens, coloured by their median. Which "
            "vowels are stressed is not balanced, so a vowel's colour is not its effect.",
        )
    )


def _cues_section(page: Document, sources: Sources, coefficients: Path) -> None:
    page.add(Heading("Cues beside relevance"))
    table = read_table(coefficients, COEFFICIENT_COLUMNS)
    shutil.copyfile(coefficients, sources.out / "tables" / "coefficients.csv")
    if sources.run.summary is None:
        page.say("The run has no summary.csv; run explain again.", "missing")
        return
    page.add(
        sources.picture(
            plot_cues_beside_relevance(table, sources.run.summary),
            "cues-beside-relevance",
            "Left: standardised coefficients of a logistic regression on acoustic cues (first "
            "minus second syllable; warm speaks for INITIAL) with 95 % intervals. Right: density "
            "of the network's relevance where such a cue would show, all tokens, with null. The "
            "axes share no unit: a cue that predicts stress need not be used by the network.",
        )
    )


def _words_section(page: Document, sources: Sources) -> None:
    page.add(Heading("Words"))
    chosen = choose_words(sources.run.tokens)
    if not chosen:
        page.say("No token with known stress to show.", "missing")
        return
    page.say(
        f"Chosen by rule from the network's answers. {LEGEND} Black dots on the relevance map "
        "are the formants inside the nuclei; hatched frames are padding."
    )
    for item in chosen:
        word = word_data(sources.corpus, sources.run, item.token_id)
        name = "word-" + "".join(c if c.isalnum() or c in "-_" else "_" for c in item.token_id)
        excerpt = sources.corpus.excerpt_file(item.token_id)
        sound = f"sounds/{name}{excerpt.suffix}"
        shutil.copyfile(excerpt, sources.out / sound)
        picture = sources.picture(
            plot_word(word, note=False),
            name,
            f"{word.word.lower()}, speaker {word.speaker} ({item.token_id}): {item.reason}. "
            f"{caption(word, legend=False)}",
        )
        stress = "" if word.stress is None else f" ({word.stress.value})"
        page.add(
            Heading(f"{word.word.lower()}{stress}: {item.reason}", 3),
            Picture(picture.file, picture.caption, picture.others, sound),
        )
