"""Sections about one run, which the report and the explorer share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from stressnet.corpus.card import about_language
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.contrast import Contrast
from stressnet.lexicon.stress import DISYLLABLES
from stressnet.report import tables
from stressnet.report.corpus import plot_regions
from stressnet.report.document import Block, Paragraph, Picture
from stressnet.report.run import RelevanceRun
from stressnet.report.vowel_space import plot_vowel_space, vowel_table
from stressnet.report.warp import plot_warped_means, warped_means
from stressnet.report.word_data import map_table


@dataclass(frozen=True)
class Sources:
    """A run, and where its figures go.

    The ``suffix`` is added to the names of figures, so that several runs can lie in one folder;
    ``origin``, where they come from, to what stands under each picture and table.
    """

    run: RelevanceRun
    corpus: Corpus
    out: Path
    formats: Sequence[str] = ("png", "pdf")
    suffix: str = ""
    made: Sequence[str] = ()
    origin: str = ""

    def picture(
        self,
        draw: Callable[[], tuple[Figure, pd.DataFrame]],
        name: str,
        text: str,
        spoken: str | None = None,
    ) -> Picture:
        """Write a figure and its numbers unless they are there; the block that shows them."""
        name += self.suffix
        figure, data = (None, None) if name in self.made else draw()
        text, spoken = f"{text} {self.origin}".strip(), spoken or self.corpus.language
        return Picture.saved(figure, self.out, name, text, self.formats, data, spoken)

    def table(self, table: tables.Table) -> Iterator[Block]:
        """A table and where it comes from."""
        yield table
        if self.origin:
            yield Paragraph(self.origin, "source")


def regions(sources: Sources) -> Iterator[Block]:
    """Relevance by region: figures and table."""
    summary, relevance = sources.run.summary, sources.run.relevance
    if summary is None or relevance is None:
        yield Paragraph(
            "Relevance by region is missing: the run has no summary.csv or relevance.parquet; "
            "run explain again.",
            "missing",
        )
        return
    if summary.loc[summary["measure"] == "density", "null_mean"].isna().all():
        yield Paragraph(
            "No null: without it a density says nothing about this word's own formants.", "missing"
        )
    measures = set(summary["measure"])
    for measure, name, text in (
        ("density", "regions", "Density of relevance for the word's class, by region and class."),
        ("signed_share", "regions-signed", "Signed share of relevance by region and class."),
    ):
        if measure in measures:
            yield sources.picture(
                partial(_regions, relevance, summary, measure, sources.run.contrast),
                name,
                f"{text} Diamonds: means with 95 % intervals over speakers and words; "
                "dots: speakers; grey bars: the null (another token's tracks or boundaries).",
            )
    yield from sources.table(tables.region_table(summary, sources.run.contrast))


def _regions(
    relevance: pd.DataFrame, summary: pd.DataFrame, measure: str, contrast: Contrast
) -> tuple[Figure, pd.DataFrame]:
    figure = plot_regions(relevance, summary, measure=measure, contrast=contrast)
    return figure, summary[summary["measure"] == measure]


def mean_maps(sources: Sources) -> Block:
    """Mean relevance over the mean spectrogram, of disyllables."""
    if sources.corpus.lengths != DISYLLABLES:
        return Paragraph("Mean maps are drawn of disyllables only.", "missing")

    def draw() -> tuple[Figure, pd.DataFrame]:
        means = warped_means(sources.corpus, sources.run)
        maps = (
            map_table(m.relevance, m.axes).assign(**{m.contrast.column: m.of_class}) for m in means
        )
        return plot_warped_means(means), pd.concat(maps)

    return sources.picture(
        draw,
        "mean-maps",
        "Mean relevance (each token's map divided by its Σ|R|) over the mean spectrogram. Time "
        "is stretched linearly between landmarks to their mean positions; below, the sum over "
        "frequency. Segments that a word lacks do not enter there.",
    )


def vowels(sources: Sources) -> Block:
    """The vowel space, or why there is none."""
    if sources.corpus.lengths != DISYLLABLES:
        return Paragraph("The vowel space is drawn of disyllables only.", "missing")

    def draw() -> tuple[Figure, pd.DataFrame]:
        table = vowel_table(sources.corpus, sources.run)
        return plot_vowel_space(table), table

    try:
        return sources.picture(
            draw,
            "vowel-space",
            "F1 and F2 (medians over the middle half of each nucleus, speakers' vocal tracts taken "
            "out) with the density of relevance for the word's class in the nucleus. Dots: vowels; "
            "symbols: means of vowels with at least five tokens, coloured by their median. Which "
            "vowels are stressed is not balanced, so a vowel's colour is not its effect.",
        )
    except (ConfigError, CorpusError) as error:
        return Paragraph(f"No vowel space: {error}", "missing")


def conservation(sources: Sources) -> Iterator[Block]:
    """Where the explained output went."""
    run = sources.run
    explained = "logit difference" if run.contrast.is_pair else run.output
    table = tables.conservation_table(run.tokens, explained)
    if table is None:
        yield Paragraph("Conservation unknown: the run's token table has no ledger.", "missing")
    else:
        yield from sources.table(table)


def origin(corpus: Corpus) -> list[str]:
    """Language of a corpus if it is not English, licence and how to cite it, where known."""
    parameters: Mapping[str, Any] = corpus.manifest.get("parameters", {})
    known = (("licence", "Licence: {}."), ("citation", "Cite: {}"))
    about = [text.format(parameters[key]) for key, text in known if parameters.get(key)]
    return about_language(corpus.language) + about
