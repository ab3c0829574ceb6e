"""Several corpora as one, or the shards of one, which share their speakers on purpose."""

from dataclasses import asdict

import pandas as pd

from stressnet.corpus import merging
from stressnet.corpus.building.tables import split_tokens
from stressnet.corpus.card import card_text, sources_of
from stressnet.corpus.merge_parts import (
    common_presets,
    merged_parameters,
    merged_results,
    shared_speakers,
    with_same_speakers,
)
from stressnet.corpus.speakers import examples
from stressnet.corpus.splits import SPLIT_COLUMNS, check_leaks, with_families
from stressnet.corpus.store import LONGER_WORDS, NOT_TOKENS, PHONES, TOKENS, TRACKS
from stressnet.errors import CorpusError
from stressnet.lexicon.contrast import Contrast
from stressnet.runs import Result, RunFolder, Step
from stressnet.runs.held import FAILURES
from stressnet.runs.problems import warnings_about
from stressnet.stages.corpus_merge import MergeConfig


def run(config: MergeConfig, parts: list[merging.Part], folder: RunFolder) -> Result:
    """Write one corpus with the tokens of several."""
    shared = shared_speakers(parts)
    if config.same_speakers:
        parts = with_same_speakers(parts)
    contrast = parts[0].corpus.contrast
    tokens = _split(merging.merged_tokens(parts), config, contrast)
    parameters, small = merged_parameters(parts, config.identity()), merging.small_tables(parts)
    doubts = [] if config.same_speakers or not shared else [_namesakes(shared)]
    rows = warnings_about("speakers", "merge", doubts)
    small[FAILURES] = pd.concat([small[FAILURES], pd.DataFrame(map(asdict, rows))])
    is_there = folder.begin(
        {"parts": [[p.corpus.fingerprint, p.name, p.prefix] for p in parts]}
        | {"splits": config.identity()},
        inputs={str(part.corpus.path): part.corpus.fingerprint for part in parts},
        notes=parameters,
        steps=[Step("copy", len(tokens), seconds_each=0.005)],
    )
    if is_there:
        return Result.kept(folder)
    out = folder.path
    with folder.progress.stage("tables"):
        folder.table(TOKENS, tokens.drop(columns="language", errors="ignore"))
        folder.table("splits.csv", tokens[list(SPLIT_COLUMNS)])
        for name, small_table in small.items():
            folder.table(name, small_table)
        for table in (PHONES, TRACKS):
            merging.append_table(folder.file(table), parts, table)
        listing = [part for part in parts if (part.corpus.path / NOT_TOKENS).is_file()]
        if listing:  # not in corpora of older versions
            merging.append_table(folder.file(NOT_TOKENS), listing, NOT_TOKENS)
    folder.tree("excerpts/*/*.flac")
    with folder.progress.stage("excerpts", len(tokens), "token") as bar:
        merging.copy_excerpts(out, parts, bar.update)
    folder.tree("textgrids/*.TextGrid")
    merging.copy_textgrids(out, parts)
    holding = [part for part in parts if len(part.corpus.stretches)]
    folder.tree(f"{LONGER_WORDS}/excerpts/*/*.flac")
    folder.file(f"{LONGER_WORDS}/{TOKENS}", optional=not holding)
    merging.write_longer_words(out / LONGER_WORDS, holding)
    for preset in common_presets(parts):
        images = [part.corpus.images(preset) for part in parts]
        merging.append_images(folder, "", images, preset)
        if holding:
            images = [part.corpus.stretch_images(preset) for part in holding]
            merging.append_images(folder, f"{LONGER_WORDS}/", images, preset)
    results = merged_results(parts, tokens) | ({"doubts": doubts} if doubts else {})
    listed = sources_of({"parameters": parameters})
    text = card_text(str(parameters["title"]), listed, tokens, results, contrast)
    folder.file("corpus-card.md").write_text(text, encoding="utf-8")
    return Result.of(folder, results)


def _namesakes(speakers: set[str]) -> str:
    return (
        f"{len(speakers)} speakers have names that several corpora use ({examples(speakers)}) and "
        f"are taken for different people; if they are not, one person may be trained on and tested "
        f"on: merge with --same-speakers"
    )


def merged_text(merged: Result) -> str:
    """The corpus card, with doubts before it."""
    doubts = [f"WARNING: {text}\n\n" for text in merged.manifest["results"].get("doubts", ())]
    card = (merged.path / "corpus-card.md").read_text(encoding="utf-8")
    return "".join([*doubts, card])


def _split(tokens: pd.DataFrame, config: MergeConfig, contrast: Contrast) -> pd.DataFrame:
    if config.splits != "keep":
        return split_tokens(tokens, config.redrawn, contrast=contrast)
    # Families are closed over all words of a corpus, so they must be found anew.
    tokens = with_families(tokens)
    try:
        check_leaks(tokens)
    except CorpusError as error:
        raise CorpusError(
            f"the corpora's own splits cannot be kept: {error}; draw them anew (--splits redraw)"
        ) from error
    return tokens
