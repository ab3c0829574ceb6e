"""Where relevance goes when the cue has no cells of its own: duration and intensity.

A longer vowel has no brighter cells; what differs is where things end and how much padding there
is. A louder vowel has the same cells at another level, relative to the rest. Nothing there can be
right or wrong. What can be said is which parts of the image maps turn to. The parts tile the image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stressnet.lab.candidates import VOWEL_EDGE_S, around
from stressnet.lab.labset import LabSet
from stressnet.regions.scene import Scene

PLACES = tuple("vowel_1 vowel_2 vowel_edges_1 vowel_edges_2 consonants beside_word padding".split())
"""Parts that tile the image. ``vowel_edges`` are frames within 15 ms of a vowel's limits,
``vowel_1`` and ``vowel_2`` what lies between them."""


def places(scene: Scene) -> NDArray[np.int64]:
    """Index into :data:`PLACES` of every frame, shape (n_frames,)."""
    times = scene.times
    found = np.full(scene.axes.shape[1], PLACES.index("consonants"), dtype=np.int64)
    found[scene.sound & (scene.in_time(times.word) < 0.5)] = PLACES.index("beside_word")
    for k, nucleus in enumerate(times.nuclei, start=1):
        found[scene.in_time(nucleus) >= 0.5] = PLACES.index(f"vowel_{k}")
    for k, nucleus in enumerate(times.nuclei, start=1):
        for t in (nucleus.start_s, nucleus.end_s):
            found[scene.in_time(around(t, VOWEL_EDGE_S)) >= 0.5] = PLACES.index(f"vowel_edges_{k}")
    found[~scene.sound] = PLACES.index("padding")
    return found


def shares(
    words: LabSet, maps: NDArray[np.floating], part: str = "positive"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of each place in a map, and in the image's area.

    Returns
    -------
    relevance, area : ndarray, shape (n, n_places)
        Rows sum to 1; NaN for maps without any relevance.
    """
    relevance = np.full((len(maps), len(PLACES)), np.nan)
    area = np.zeros((len(maps), len(PLACES)))
    for i, (one, scene) in enumerate(zip(maps, words.scenes, strict=True)):
        where: NDArray[np.int64] = places(scene)
        values = np.abs(one) if part == "absolute" else np.maximum(one, 0.0)
        per_frame = values.sum(axis=0, dtype=np.float64)
        sums = np.bincount(where, per_frame, minlength=len(PLACES))
        if sums.sum() > 0:
            relevance[i] = sums / sums.sum()
        area[i] = np.bincount(where, minlength=len(PLACES)) / len(where)
    return relevance, area
