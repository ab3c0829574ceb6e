"""What a network says about a word."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import expit

from stressnet.lexicon.stress import Stress


@dataclass(frozen=True)
class Answer:
    """What a network says about a word.

    Parameters
    ----------
    stress : Stress
        The class.
    probability : float
        Of that class, calibrated if the network has a temperature.
    p_initial : float
        Probability of INITIAL.
    logit_difference : float
        INITIAL minus FINAL, not calibrated.

    Examples
    --------
    >>> answer = stressnet.load_network()(stressnet.load_word("permit.wav", word="permit"))
    >>> answer.stress.value in ("INITIAL", "FINAL"), 0.5 <= answer.probability <= 1
    (True, True)
    """

    stress: Stress
    probability: float
    p_initial: float
    logit_difference: float

    @classmethod
    def of(cls, logit_difference: float, temperature: float) -> Answer:
        """The answer that a logit difference stands for."""
        p_initial = float(expit(logit_difference / temperature))
        if logit_difference >= 0:
            return cls(Stress.INITIAL, p_initial, p_initial, logit_difference)
        return cls(Stress.FINAL, 1.0 - p_initial, p_initial, logit_difference)
