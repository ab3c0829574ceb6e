"""Natural words with a localised target: the sound is untouched, the cue to the class is known.

:mod:`stressnet.lab.target` makes classes of the part of one cue that no other cue tells, from a
table of cues alone. Here they meet a corpus: images, and the true region from the corpus's measured
tracks and phones, the same as for synthetic words with that cue (:mod:`stressnet.lab.truth`).

>>> words = localised_set(corpus, cues, "nucleus_2_f1_hz")  # doctest: +SKIP
>>> words.true_regions, words.provenance["leak"]  # doctest: +SKIP
(('F1_2',), 0.63)
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.lab.candidates import TILT_SPLIT_HZ, candidate_masks, grown
from stressnet.lab.designs import CUE_KINDS
from stressnet.lab.labset import LabSet
from stressnet.lab.related import QUANTITIES, TARGETS, parse_target
from stressnet.lab.target import LocalisedTarget, TargetRules, localised_target
from stressnet.lexicon.stress import CLASSES
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.measures import TOLERANCE_HZ, TOLERANCE_S

__all__ = ["TARGETS", "TargetRules", "localised_set", "localised_target"]

_LOW_IS_MARGIN = ("f0_level", "tilt")
"""Cues for which the vowel below 1 kHz belongs to the margin: unresolved harmonics change the
envelope there, and it is the other half of the balance."""


def localised_set(
    corpus: Corpus,
    cues: pd.DataFrame,
    cue: str,
    preset: str = "stressnet",
    *,
    rules: TargetRules | None = None,
    target: LocalisedTarget | None = None,
    reader: SceneReader | None = None,
) -> LabSet:
    """The words of a corpus with the classes of a localised target.

    Where the true region cannot be drawn (formant not found in most of the vowels, harmonics not
    resolved), a test token is left out, and a token of training or validation stays with an empty
    mask. Both are counted in ``provenance["counts"]``. The word's stress in the scenes is replaced
    by the class. Duration and intensity have no cells of their own, so no true region. Raises
    :class:`CorpusError` if the table of cues is of another corpus, or the preset was not built.
    """
    target = target or localised_target(cues, cue, rules=rules)
    number, name = parse_target(target.cue)
    reader = reader or SceneReader(corpus, preset)
    kind = CUE_KINDS[QUANTITIES[name]]
    tokens = corpus.tokens.set_index("token_id")
    foreign = ~np.isin(target.token_ids, tokens.index.to_numpy(dtype=np.str_))
    if foreign.any():
        raise CorpusError(
            f"{corpus.path}: has no token '{target.token_ids[foreign][0]}' of the table of cues; "
            "measure this corpus"
        )
    regions = tuple(f"{region}_{number}" for region in kind.regions)
    axes = reader.preset.axes()
    low = axes.frequency_hz < TILT_SPLIT_HZ
    rows, scenes, truths, margins = [], [], [], []
    n_empty = {True: 0, False: 0}
    for row in np.flatnonzero(target.labels >= 0):
        scene = reader.scene(str(target.token_ids[row]), surroundings=False)
        stress = CLASSES[target.labels[row]]
        scene = replace(scene, times=replace(scene.times, stress=stress))
        truth = np.zeros(axes.shape, dtype=bool)
        masks = candidate_masks(scene) if regions else {}
        for region in regions:
            truth |= masks.get(region, False)
        if regions and not truth.any():
            is_test = bool(target.splits[row] == "test")
            n_empty[is_test] += 1
            if is_test:
                continue
        rows.append(row)
        scenes.append(scene)
        truths.append(truth)
        margins.append(np.outer(low, scene.in_time(scene.times.nuclei[number - 1]) >= 0.5))
    if not rows:
        raise CorpusError(f"{corpus.path}: the region of {cue} is in none of the images")
    at = np.array(rows)
    ids, mask = target.token_ids[at], np.stack(truths)
    wide = np.stack([grown(one, *_reach(reader.preset)) for one in mask])
    if kind.name in _LOW_IS_MARGIN:
        wide |= np.stack(margins) & mask.any(axis=(1, 2), keepdims=True)
    counts = {
        **target.counts,
        "left out: region not in the image": n_empty[True],
        "without region: train, valid": n_empty[False],
    }
    counts["kept: test"] -= n_empty[True]
    images = np.array([reader.image_index(str(token_id)) for token_id in ids])
    return LabSet(
        name=f"natural/{kind.name}/syllable-{number}",
        cue=kind.name,
        images=np.asarray(reader.images.values[images], dtype=np.float32),
        labels=target.labels[at],
        splits=target.splits[at],
        voices=tokens["speaker"].reindex(ids).to_numpy(dtype=np.str_),
        words=tokens["family"].reindex(ids).to_numpy(dtype=np.str_),
        word_ids=ids,
        truth=mask,
        wide=wide,
        scenes=tuple(scenes),
        true_regions=regions,
        preset=reader.preset,
        provenance={
            **target.describe(),
            "counts": counts,
            "where": f"syllable-{number}",
            "corpus": corpus.name,
            "corpus_fingerprint": corpus.fingerprint,
        },
    )


def _reach(preset: SpectrogramPreset) -> tuple[int, int]:
    """Bins and frames that the window smears or measured tracks and boundaries are off by."""
    reach_s, reach_hz = preset.window_s / 2 + TOLERANCE_S, preset.resolution_hz / 2 + TOLERANCE_HZ
    bins = int(np.ceil(reach_hz / preset.axes().frequency_step_hz))
    return bins, int(np.ceil(reach_s / preset.axes().time_step_s))
