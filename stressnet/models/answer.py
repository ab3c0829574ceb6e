"""What a network says about a word."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.training.calibration import Calibration


@dataclass(frozen=True)
class Answer:
    """What a network says about a word.

    Parameters
    ----------
    stress : Stress or str
        The class: of a network for another contrast than stress one of that.
    probability : float
        Of that class, calibrated if the network was.
    p_initial : float
        Probability of INITIAL (the first class); nan for words of more than two syllables.
    logit_difference : float
        INITIAL minus FINAL, not calibrated; nan for those, too.

    Examples
    --------
    >>> answer = stressnet.load_network()(stressnet.load_word("permit.wav", word="permit"))
    >>> answer.stress.value in ("INITIAL", "FINAL"), 0.5 <= answer.probability <= 1
    (True, True)
    """

    stress: Stress | str
    probability: float
    p_initial: float
    logit_difference: float

    @classmethod
    def of(
        cls, logit_difference: float, calibration: Calibration, contrast: Contrast = STRESS
    ) -> Answer:
        """The answer that a logit difference stands for."""
        p_initial = float(calibration.p_initial(logit_difference))
        first, second = contrast.classes
        if logit_difference >= calibration.threshold:
            return cls(first, p_initial, p_initial, logit_difference)
        return cls(second, 1.0 - p_initial, p_initial, logit_difference)

    @classmethod
    def among(
        cls, contrast: Contrast, logits: NDArray[np.floating], calibration: Calibration
    ) -> Answer:
        """The answer that logits of all classes stand for; of more than two the most probable."""
        if contrast.is_pair:
            return cls.of(float(logit_difference(logits)), calibration, contrast)
        p = softmax(logits / calibration.temperature)
        best = int(p.argmax())
        return cls(contrast.classes[best], float(p[best]), math.nan, math.nan)
