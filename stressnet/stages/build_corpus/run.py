"""From recordings to a corpus: scan, align, cut, images, tracks, longer words, splits, tables."""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from stressnet.acoustics.spectrogram import get_preset
from stressnet.corpus.building.align import align
from stressnet.corpus.building.cut import cut
from stressnet.corpus.building.expect import LANGUAGE, language_warnings
from stressnet.corpus.building.images import compute_spectrograms
from stressnet.corpus.building.listen import check_fit, listen
from stressnet.corpus.building.longer_words import cut_longer_words
from stressnet.corpus.building.request import make_request, shard_of, unused_labels
from stressnet.corpus.building.tables import (
    build_counts,
    finish_tables,
    n_stretches,
    unknown_words,
    words_longer_than_image,
    write_card,
)
from stressnet.corpus.building.tracks import compute_tracks
from stressnet.corpus.changes import READINGS, readings_table, warnings_of
from stressnet.corpus.layouts import layouts_of
from stressnet.corpus.recipe import Recipe, load_recipe
from stressnet.corpus.scan import Scan, scan
from stressnet.corpus.splits import check_speakers, read_splits
from stressnet.corpus.store import LONGER_WORDS
from stressnet.errors import FolderError
from stressnet.languages import ENGLISH
from stressnet.lexicon.dictionary import load_dictionary, load_word_list
from stressnet.lexicon.part_of_speech import resolve_tagger
from stressnet.lexicon.stress import DISYLLABLES
from stressnet.runs import Result, RunFolder, Step, read_manifest
from stressnet.runs.parallel import dask_executor
from stressnet.runs.problems import warnings_about
from stressnet.stages.build_corpus import BuildConfig
from stressnet.stages.validate import AUTO


def run(config: BuildConfig, source: Path, folder: RunFolder) -> Result:
    """Build a corpus, continue building it, or add spectrogram presets to it."""
    config, recipe, found = prepared(config, source, folder)
    request = make_request(recipe, source, found, config)
    audio_s = sum(recording.duration_s for recording in found.recordings)
    is_there = folder.begin(
        {"build": request["hash"]},
        notes={**request["parameters"], "title": recipe.title},
        steps=[Step("build", round(audio_s), "seconds of speech", 0.08)],
    )
    if is_there:
        return _add_presets(config, request["parameters"], folder)

    folder.problems += [*found.problems, *unused_labels(found)]
    with dask_executor(config.scheduler) if config.scheduler else nullcontext() as workers:
        if workers is not None:
            folder.use(*workers)
        heard = listen(folder, found)
        aligned = align(folder, heard, config)
        folder.problems += warnings_of(aligned.changes, recipe.reading.convention)
        found = replace(found, changes={**found.changes, **aligned.changes})
        folder.table(READINGS, readings_table(found.changes))
        heard = check_fit(folder, heard, aligned)
        rejected = cut(folder, source, heard, aligned, config)
        compute_spectrograms(folder, list(config.presets))
        compute_tracks(folder)
        if config.longer_words and cut_longer_words(folder, heard, aligned, config):
            compute_spectrograms(folder, list(config.presets), LONGER_WORDS)
    with folder.progress.stage("tables"):
        tokens = finish_tables(folder, config, rejected, recipe.name)
    if config.lengths == DISYLLABLES:
        doubts = language_warnings(unknown_words(folder.path, heard), Counter(tokens["speaker"]))
        folder.problems += warnings_about("", LANGUAGE, doubts)
    presets = sorted(set(config.presets))
    results = build_counts(folder, tokens, found, rejected, presets, config)
    write_card(folder, recipe, tokens, results, config.tells)
    return Result.of(folder, results)


def prepared(
    config: BuildConfig, source: Path, folder: RunFolder
) -> tuple[BuildConfig, Recipe, Scan]:
    """Options with what the recipe decides, the recipe, and the recordings that are there.

    What options name is read, so that a bad file costs nothing.
    """
    for preset in config.presets:
        get_preset(preset)
    recipe = _recipe(config, source, folder).spoken_in(config.language)
    tagger = resolve_tagger(config.tagger) if recipe.language == ENGLISH else "none"
    config = replace(config, recipe=recipe.name, language=recipe.language, tagger=tagger)
    config = config.telling(recipe)
    load_dictionary(config.dictionary, config.code)
    if config.function_words is not None:
        load_word_list(config.function_words)
    if config.splits_file is not None:
        read_splits(config.splits_file)
    with folder.progress.stage("scan"):
        found = scan(recipe, source, speakers=config.speakers, channel=config.channel)
    if config.part is not None:
        found = shard_of(found, config.part)
    found = found.with_labels(config.labels, config.tells)
    if config.splits is not None and config.splits_file is None and found.recordings:
        check_speakers(len({recording.speaker for recording in found.recordings}))
    return config, recipe, found


def _recipe(config: BuildConfig, source: Path, folder: RunFolder) -> Recipe:
    """The recipe asked for, or the one that fits best; that it was found is said."""
    if config.recipe != AUTO:
        return load_recipe(config.recipe)
    layout = layouts_of(source)[0]
    folder.progress.say(
        f"recipe       {layout.recipe.name}: {layout.why} (no --recipe given; 'stressnet inspect' "
        f"shows and writes it)"
    )
    if layout.recipe.name != "generic":
        text = (
            f"{source}: no --recipe was given; '{layout.recipe.name}' fits best: {layout.why}; see "
            f"'stressnet inspect', which writes the recipe"
        )
        folder.problems += warnings_about(str(source), "scan", [text])
    return layout.recipe


def _add_presets(config: BuildConfig, parameters: Mapping[str, Any], folder: RunFolder) -> Result:
    """Compute the presets that a finished corpus lacks."""
    done = read_manifest(folder.path, "corpus")
    wanted = json.loads(json.dumps(parameters))
    deciding = ("splits", "splits_file", "match")
    if any((done["parameters"].get(k) or None) != (wanted[k] or None) for k in deciding):
        raise FolderError(
            f"{folder.path}: already holds a corpus of these recordings with other splits; use "
            f"--overwrite or a new folder"
        )
    there = set(done["results"]["presets"])
    missing = [preset for preset in config.presets if preset not in there]
    if not missing:
        return Result.kept(folder)
    folder.reopen(done)
    compute_spectrograms(folder, missing)
    if n_stretches(folder.path):
        compute_spectrograms(folder, missing, LONGER_WORDS)
    everything = sorted(there | set(missing))
    longer = words_longer_than_image(folder.path, everything)
    added = {"presets": everything, "words_longer_than_image": longer}
    return Result.of(folder, {**done["results"], **added})


def built_text(summary: Result) -> str:
    """The corpus card, or that nothing was to be done."""
    if summary.up_to_date:
        return f"{summary.path}: up to date"
    card = (summary.path / "corpus-card.md").read_text(encoding="utf-8")
    warnings = [f"WARNING: {p.reason}\n\n" for p in summary.problems if p.stage == LANGUAGE]
    return "".join([*warnings, card])
