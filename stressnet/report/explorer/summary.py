"""Figures and tables of the explorer's other tabs, each with what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.report import tables
from stressnet.report.corpus import plot_regions, plot_warped_means, warped_means
from stressnet.report.document import Block, Heading, Paragraph, Picture
from stressnet.report.explorer.tokens import Method
from stressnet.report.style import save_figure
from stressnet.report.vowel_space import plot_vowel_space, vowel_table


def summary_blocks(
    methods: Sequence[Method], corpus: Corpus, out: Path, made: Sequence[str] = ()
) -> list[Block]:
    """Relevance by region and mean maps of every run.

    Parameters
    ----------
    out : Path
        The report's folder; figures go to ``figures/``.
    made : sequence of str
        Names of figures of the first run that are in ``out/figures`` already.
    """
    blocks: list[Block] = [
        Heading("Tokens"),
        tables.corpus_table(corpus.tokens),
        Paragraph(_source(corpus.manifest), "source"),
    ]
    for number, method in enumerate(methods):
        blocks.append(Heading(f"Relevance: {method.label}"))
        suffix = "" if number == 0 else f"-{number + 1}"
        summary, relevance = method.run.summary, method.run.relevance
        if summary is None or relevance is None:
            blocks.append(
                Paragraph("This run has no table of relevance by region; run explain again.")
            )
            continue
        name = f"regions{suffix}"
        if name not in made:
            save_figure(plot_regions(relevance, summary), out / "figures" / name, ["png"])
        source = _source(method.run.manifest)
        blocks.append(
            Picture(
                f"figures/{name}.png",
                "Density of relevance for the word's class, by region. Diamonds: means with 95 % "
                "intervals over speakers and words; dots: speakers; grey bars: the null (another "
                f"token's tracks or boundaries). {source}",
            )
        )
        name = f"mean-maps{suffix}"
        if name not in made:
            figure = plot_warped_means(warped_means(corpus, method.run))
            save_figure(figure, out / "figures" / name, ["png"])
        blocks += [
            Picture(
                f"figures/{name}.png",
                "Mean relevance over the mean spectrogram, time stretched between landmarks. "
                + source,
            ),
            *_vowels(method, corpus, out, f"vowel-space{suffix}", made, source),
            tables.region_table(summary),
            Paragraph(source, "source"),
        ]
        conserved = tables.conservation_table(method.run.tokens)
        if conserved is not None:
            blocks += [conserved, Paragraph(source, "source")]
    return blocks


def _vowels(
    method: Method, corpus: Corpus, out: Path, name: str, made: Sequence[str], source: str
) -> list[Block]:
    if name not in made:
        try:
            figure = plot_vowel_space(vowel_table(corpus, method.run))
        except (ConfigError, CorpusError) as error:
            return [Paragraph(f"No vowel space: {error}", "missing")]
        save_figure(figure, out / "figures" / name, ["png"])
    text = "F1 against F2 of all nuclei, coloured by the density of relevance in the nucleus. "
    return [Picture(f"figures/{name}.png", text + source)]


def provenance_blocks(methods: Sequence[Method], corpus: Corpus) -> list[Block]:
    """How corpus, networks and runs were made."""
    manifests: dict[str, dict[str, Any]] = {"corpus": corpus.manifest}
    for method in methods:
        if method.model is not None:
            manifests[f"network of {method.label}"] = method.model
        manifests[f"relevance, {method.label}"] = method.run.manifest
    parameters = corpus.manifest.get("parameters", {})
    about = [
        f"{what}: {parameters[key]}."
        for key, what in (("licence", "Licence of the speech"), ("citation", "Cite"))
        if parameters.get(key)
    ]
    return [
        Heading("Provenance"),
        *([Paragraph(" ".join(about))] if about else []),
        tables.provenance_table(manifests),
        Paragraph(
            "Hashes of all files: manifest.json in each folder. The report's own: manifest.json "
            "beside this page."
        ),
    ]


def _source(manifest: dict[str, Any]) -> str:
    """One line that says from which folder a figure comes and how that was made."""
    command = " ".join(map(str, manifest.get("command", []))) or "command unknown"
    version = manifest.get("versions", {}).get("stressnet", "?")
    return (
        f"Source: {manifest.get('kind', 'folder')} made {manifest.get('created', '?')} by "
        f"stressnet {version}: {command}"
    )
