"""Relevance per phone, for tiers under a picture and in Praat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stressnet.lexicon.stress import Stress
from stressnet.regions.projection import Record, project_masks
from stressnet.regions.scene import Scene


def phone_relevance(
    relevance: NDArray, scene: Scene, *, towards_class: bool = True
) -> list[Record]:
    """The measures of regions (shares, densities) of every phone of a word.

    Parameters
    ----------
    relevance : ndarray, shape (n_bins, n_frames)
        A map whose positive values speak for INITIAL.
    towards_class : bool
        Turn signs so that positive values speak for the token's own class. Where the class is
        unknown, and if False, positive values speak for INITIAL.

    Returns
    -------
    list of dict
        One per phone in time order, as :func:`stressnet.regions.projection.project_masks` makes
        them; ``region`` is the phone's place, ``missing`` says why a phone has no value (outside
        the image).
    """
    oriented = towards_class and scene.times.stress is not None
    masks: dict[str, NDArray] = {}
    for number, phone in enumerate(scene.times.phones):
        cover = scene.in_time(phone)
        masks[str(number)] = np.repeat(cover[None], scene.axes.shape[0], axis=0)
    records = project_masks(
        relevance, scene, masks, positive_for=Stress.INITIAL if oriented else None
    )
    for record, mask in zip(records, masks.values(), strict=True):
        if not mask.any():
            record["missing"] = "outside the image"
    return records
