"""The report: one folder with a page that opens from disk, its figures, tables and sounds."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from stressnet.axes import Axes
from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.languages import ENGLISH, language
from stressnet.report import answers, run_sections, tables
from stressnet.report.choose import choose_words
from stressnet.report.claims_figure import plot_claims
from stressnet.report.corpus import plot_regions
from stressnet.report.cues_figure import COEFFICIENT_COLUMNS, plot_cues_beside_relevance
from stressnet.report.document import Block, Bullets, Document, Heading, Link, Paragraph, Table
from stressnet.report.names import count_of, method_text
from stressnet.report.patching_page import patching_blocks
from stressnet.report.run import RelevanceRun, model_manifest, table_if_there
from stressnet.report.run_sections import Sources
from stressnet.report.scores import plot_accuracy, plot_confusion
from stressnet.report.word import LEGEND, caption, plot_word, word_data
from stressnet.report.word_data import WordData, map_table
from stressnet.runs.tables import read_table

ALIGNMENT_FILE = "alignment-error.json"  # In the corpus folder, where the true times are known


def write_report(
    run: Path | str,
    model_folder: Path | str | None,
    corpus: Corpus | Path | str,
    out: Path | str,
    *,
    explorer: bool = False,
    coefficients: Path | None = None,
    claims: Path | None = None,
    patching: Path | None = None,
) -> Path:
    """Write ``index.html``, ``report.md``, ``figures/``, ``tables/``, ``sounds/`` into a folder.

    ``coefficients`` (of cue-baselines), ``claims`` (of stats) and ``patching`` (the folder) are
    what else is to be shown. ``model_folder``: checkpoint folder with ``metrics.csv``; without it
    (or without the file) the page says that success is unknown.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    opened, out = RelevanceRun.open(run), Path(out)
    try:
        for name in ("figures", "tables", "sounds"):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error
    folder = None if model_folder is None else Path(model_folder)
    page = Document(f"Where a network hears {corpus.contrast.name}: {corpus.title}")
    sources = Sources(opened, corpus, out)
    page.add(*_sections(sources, folder, coefficients, claims, patching, explorer))
    page.write(out / "report.md")
    return page.write(out / "index.html")


def _sections(
    sources: Sources,
    folder: Path | None,
    coefficients: Path | None,
    claims: Path | None,
    patching: Path | None,
    has_explorer: bool,
) -> Iterator[Block]:
    """All sections in order; what the report could not be given is None."""
    model = model_manifest(folder)
    metrics, predictions = (
        None if folder is None else table_if_there(folder / name)
        for name in ("metrics.csv", "predictions.parquet")
    )
    verdicts = None if claims is None else read_table(claims, tables.CLAIM_COLUMNS)
    yield from _answer(sources, metrics, verdicts)
    if has_explorer:
        yield Link("explorer.html", "Explorer: hear and see every token")
    yield from (Heading("Question"), _question(sources, model))
    yield from _corpus(sources)
    yield from _success(sources, metrics, predictions)
    yield Heading("Relevance by region")
    yield from run_sections.regions(sources)
    summary = sources.run.summary
    if summary is not None and sources.run.relevance is not None:
        shutil.copyfile(sources.run.path / "summary.csv", sources.out / "tables" / "summary.csv")
        yield Paragraph(
            "All regions and measures: tables/summary.csv. One row per token and region: "
            "relevance.parquet in the run folder, for R and pandas."
        )
    yield from _claims(sources, claims, verdicts)
    yield from (Heading("Mean relevance"), run_sections.mean_maps(sources))
    yield from (Heading("Vowel space"), run_sections.vowels(sources))
    if coefficients is not None:
        yield from _cues(sources, coefficients)
    if patching is not None:
        yield from patching_blocks(patching, sources.out)
    yield from _words(sources)
    yield Heading("Conservation")
    yield Paragraph(
        f"The {sources.run.output} is redistributed, not created: what does not reach the image is "
        "kept by biases and stabilisers, and a ledger accounts for every part."
    )
    yield from run_sections.conservation(sources)
    limits = Path(__file__).with_name("limits.txt").read_text(encoding="utf-8")
    if sources.corpus.language != ENGLISH and not sources.corpus.tokens["is_minimal_pair"].any():
        limits = limits.replace(" and the minimal pairs", "")
    yield from (Heading("Limits"), Bullets(limits.splitlines()))
    manifests = {"corpus": sources.corpus.manifest}
    if model is not None:
        manifests["network"] = model
    manifests["relevance"] = sources.run.manifest
    yield from (Heading("Provenance"), tables.provenance_table(manifests))


def _question(sources: Sources, model: dict[str, Any] | None) -> Paragraph:
    run, corpus = sources.run, sources.corpus
    architecture = (model or {}).get("parameters", {}).get("architecture")
    network = "a network" if architecture is None else f"a network ({architecture})"
    of, contrast, names = language(corpus.language), run.contrast, list(run.contrast.classes)
    kind = corpus.lengths.adjective
    words = f"{kind.capitalize() if of.is_english else f'{of.name} {kind}'} words"
    speaks = "a word's class, cool for others"
    if contrast.is_pair:
        speaks = f"{names[0]}, cool for {names[-1]}"
    what = "stress" if contrast.is_stress else "a word"
    return Paragraph(
        f"{words} were cut from the recordings of {corpus.title}; {network} was trained "
        f"to tell from a spectrogram ({run.preset_name or 'preset unknown'}) whether {what} is "
        f"{', '.join(names[:-1])} or {names[-1]}; its answers on "
        f"{count_of(len(run.tokens), 'token')} were explained by {method_text(run.composite)}. "
        f"Relevance is signed: warm speaks for {speaks}. The question is where it lies: in "
        "which syllable, in the vowels or beside them, around which formant."
    )


def _answer(
    sources: Sources, metrics: pd.DataFrame | None, claims: pd.DataFrame | None
) -> Iterator[Block]:
    """The page's first screen: one figure and three sentences."""
    run, corpus = sources.run, sources.corpus
    if corpus.manifest.get("parameters", {}).get("synthetic"):
        yield Paragraph(
            "Synthetic speech: these figures show that the software works, not how people "
            f"{'stress words' if run.contrast.is_stress else 'speak'}.",
            "warning",
        )
    summary, relevance = run.summary, run.relevance
    sentences = (
        answers.labels_sentence(run.tokens, run.contrast)
        if metrics is None
        else answers.success_sentences(metrics, "The network", contrast=run.contrast)
    )
    if claims is not None:
        yield sources.picture(
            lambda: (plot_claims(claims), claims),
            "claims",
            "What is claimed of relevance: density in one part of the words as a multiple of what "
            "it is compared with, with 95 % intervals over speakers, words and networks; dashed: "
            "the smallest effect of interest, above which all three must lie.",
        )
        sentences = [*sentences[:1], answers.verdicts_sentence(claims)]
    elif (
        summary is not None
        and relevance is not None
        and set(answers.ASKED) & set(summary["region"])
    ):
        density = summary[(summary["measure"] == "density") & summary["region"].isin(answers.ASKED)]
        yield sources.picture(
            lambda: (
                plot_regions(relevance, summary, regions=answers.ASKED, contrast=run.contrast),
                density,
            ),
            "answer",
            "Where the relevance for a word's class lies: 1 is as much per cell of the spectrogram "
            "as in the mean. Diamonds: means with 95 % intervals; dots: speakers; grey bars: the "
            "same with another word's boundaries or formants (the null).",
        )
        sentences += answers.relevance_sentences(summary, run.contrast)
    yield Bullets(sentences)
    if claims is not None:
        quoted = [[sentence] for sentence in answers.claim_sentences(claims)]
        yield Table(["each claim, to quote"], quoted)


def _corpus(sources: Sources) -> Iterator[Block]:
    corpus = sources.corpus
    results = corpus.manifest.get("results", {})
    yield Heading("Corpus")
    hours = results.get("audio_hours")
    parts = [f"{hours:.2f} hours of recordings."] if hours else []
    parts += run_sections.origin(corpus)
    if parts:
        yield Paragraph(" ".join(parts))
    yield tables.corpus_table(corpus.tokens, corpus.contrast)
    if "aligner" in corpus.tokens:
        counts = corpus.tokens["aligner"].value_counts()
        by = ", ".join(f"{name} ({n} tokens)" for name, n in counts.items())
        yield Paragraph(f"Boundaries by: {by}.")
    file = corpus.path / ALIGNMENT_FILE
    if file.is_file():
        yield tables.alignment_table(json.loads(file.read_text(encoding="utf-8")))
    else:
        yield Paragraph(
            "Alignment error unknown: there are no reference times for this corpus.", "missing"
        )
    if errors := results.get("n_errors"):
        yield Paragraph(f"{count_of(int(errors), 'item')} failed; see the corpus's failures.csv.")


def _success(
    sources: Sources, metrics: pd.DataFrame | None, predictions: pd.DataFrame | None
) -> Iterator[Block]:
    yield Heading("Success of the network")
    if metrics is None:
        yield Paragraph(
            "Not measured on test words: there is no metrics.csv beside the network. stressnet "
            "evaluate measures it on a corpus; here are its answers on the words explained.",
            "missing",
        )
    else:
        metrics.to_csv(sources.out / "tables" / "metrics.csv", index=False)
        yield tables.metrics_table(metrics, sources.run.contrast)
        yield sources.picture(
            lambda: (plot_accuracy(metrics), metrics),
            "accuracy",
            "Balanced accuracy and accuracy per test set with 95 % intervals; the bar is the "
            "majority rate, the line chance for balanced accuracy.",
        )
    answers = sources.run.tokens if predictions is None else predictions
    contrast = sources.run.contrast
    truth = contrast.true if contrast.true in answers.columns else contrast.column
    if "split" in answers.columns and answers[truth].notna().any():
        counts = answers.value_counts(["split", truth, contrast.predicted], sort=False)
        yield sources.picture(
            lambda: (plot_confusion(answers, contrast=contrast), counts.reset_index(name="n")),
            "confusion",
            "Answers per test set: tokens and per cent of the row.",
        )


def _claims(sources: Sources, file: Path | None, claims: pd.DataFrame | None) -> Iterator[Block]:
    yield Heading("Claims")
    if file is None or claims is None:
        yield Paragraph(
            "No verdicts: what is denser than its null may be so in any network. stressnet stats "
            "compares with untrained networks and with the input; report --stats shows it.",
            "missing",
        )
        return
    shutil.copyfile(file, sources.out / "tables" / "claims.csv")
    yield from tables.claims_tables(claims)
    yield Paragraph(
        "A claim holds if all its primary criteria lie above their margins, after Holm's "
        "correction for the number of claims, and needs three networks. With I and F the ratio in "
        "INITIAL and in FINAL words, √(I·F) is what follows stress and √(I/F) what follows the "
        "place in the word. Strata and other nulls: tables/claims.csv."
    )


def _cues(sources: Sources, coefficients: Path) -> Iterator[Block]:
    yield Heading("Cues beside relevance")
    table = read_table(coefficients, COEFFICIENT_COLUMNS)
    shutil.copyfile(coefficients, sources.out / "tables" / "coefficients.csv")
    if sources.run.summary is None:
        yield Paragraph("The run has no summary.csv; run explain again.", "missing")
        return
    summary = sources.run.summary
    drawn = pd.concat([table, summary[(summary["measure"] == "density")]])
    yield sources.picture(
        lambda: (plot_cues_beside_relevance(table, summary, sources.run.contrast), drawn),
        "cues-beside-relevance",
        "Left: standardised coefficients of a logistic regression on acoustic cues (first "
        f"minus second syllable; warm speaks for {sources.run.contrast.classes[0]}) with 95 % "
        "intervals. Right: density of the network's relevance where such a cue would show, all "
        "tokens, with null. The "
        "axes share no unit: a cue that predicts stress need not be used by the network.",
    )


def _word_picture(word: WordData, axes: Axes) -> tuple[Figure, pd.DataFrame]:
    assert word.relevance is not None
    return plot_word(word, note=False), map_table(word.relevance, axes)


def _words(sources: Sources) -> Iterator[Block]:
    yield Heading("Words")
    chosen = choose_words(sources.run.tokens, sources.run.contrast)
    if not chosen:
        yield Paragraph(f"No token with known {sources.run.contrast.name} to show.", "missing")
        return
    yield Paragraph(
        f"Chosen by rule from the network's answers. {LEGEND} Black dots on the relevance map "
        "are the formants inside the nuclei; hatched frames are padding."
    )
    for item in chosen:
        word = word_data(sources.corpus, sources.run, item.token_id)
        name = "word-" + "".join(c if c.isalnum() or c in "-_" else "_" for c in item.token_id)
        excerpt = sources.corpus.excerpt_file(item.token_id)
        sound = f"sounds/{name}{excerpt.suffix}"
        shutil.copyfile(excerpt, sources.out / sound)
        text = f"{word.word.lower()}, speaker {word.speaker} ({item.token_id}): {item.reason}. "
        text += caption(word, legend=False)
        draw = partial(_word_picture, word, sources.run.axes)  # its title says the language
        picture = sources.picture(draw, name, text, ENGLISH)
        own = "" if word.known_class is None else f" ({word.known_class})"
        yield Heading(f"{word.word.lower()}{own}: {item.reason}", 3)
        yield replace(picture, sound=sound)
