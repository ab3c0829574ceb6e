"""Whether the words that were aligned are those that sound.

The score is the mean, over the frames of the phones, of the log probability that the frame network
gives to the phone, less that of the likeliest. Noise and rooms lower it; so where it is low, the
same phones in reverse order are aligned, too: the transcript of another recording fits hardly
better than they do. What was measured is in ``docs/alignment.md``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from stressnet.alignment.frame_net import STEP_S, FrameNet, class_of, default_net, log_mel
from stressnet.alignment.frame_search import LONGEST_PIECE_S, WORST, search
from stressnet.intervals import Alignment, Interval
from stressnet.languages.phones import is_arpabet
from stressnet.runs.problems import Severity

LIMIT, LIMIT_PER_ROOT = -1.8, -4.0
"""Lowest score of words that belong: of many phones, and what the root of n phones divides."""

_DOUBT = 0.75  # Scores below this share of the limit are doubtful

_LIKE_REVERSED, _DOUBTFULLY_LIKE_REVERSED = 0.75, 0.55
"""Share of the score of the reversed phones, above which words do not belong, or may not."""


@dataclass(frozen=True, slots=True)
class SoundFit:
    """How well an alignment's words fit the sound."""

    # Mean over the phones of the log probability relative to the best phone, 0 at most.
    score: float
    n_phones: int
    reversed_score: float = float("nan")  # The same for the phones in reverse order; NaN if not had

    @property
    def limit(self) -> float:
        """Lowest score of words that belong."""
        return LIMIT + LIMIT_PER_ROOT / sqrt(max(1, self.n_phones))

    @property
    def severity(self) -> Severity | None:
        """Error if the words do not belong, warning if that is doubtful, else None."""
        if self.score >= _DOUBT * self.limit:
            return None
        alike = self.score / self.reversed_score if self.reversed_score < 0 else 1.0
        if self.score < self.limit and alike > _LIKE_REVERSED:
            return Severity.ERROR
        return Severity.WARNING if alike > _DOUBTFULLY_LIKE_REVERSED else None

    @property
    def text(self) -> str:
        """What is wrong, for a message."""
        return (
            f"its words {'do not' if self.severity is Severity.ERROR else 'hardly'} fit the sound "
            f"(score {self.score:.1f}, expected {_DOUBT * self.limit:.1f} to 0); check that audio "
            f"and transcript belong together and are in the same language"
        )


def fit_to_sound(alignment: Alignment, samples: NDArray[np.float32]) -> SoundFit | None:
    """How well words and phones fit the sound (mono, 16 kHz) that they are aligned with."""
    net, phones = default_net(), alignment.spoken_phones()
    energies = log_mel(samples)
    if not len(energies) or not phones or not all(is_arpabet(p.label) for p in phones):
        return None
    posteriors = net.log_posteriors(energies)
    fit = SoundFit(_score(posteriors, phones), len(phones))
    if np.isnan(fit.score):
        return None
    if fit.score >= _DOUBT * fit.limit or STEP_S * len(energies) > LONGEST_PIECE_S:
        return fit
    words = [[phone.label for phone in alignment.phones_of(w)] for w in alignment.spoken_words()]
    words = [word for word in words if word]
    again, backward = (
        _searched(net, energies, posteriors, order)
        for order in (words, [word[::-1] for word in reversed(words)])
    )
    return SoundFit(max(fit.score, again), fit.n_phones, backward)


def _searched(
    net: FrameNet,
    energies: NDArray[np.float32],
    posteriors: NDArray[np.float32],
    words: Sequence[Sequence[str]],
) -> float:
    """The score of the best path of some words; minus infinity if they do not fit in at all."""
    path = search(net, energies, [[tuple(word)] for word in words], None)
    if path is None:
        return -np.inf
    phones = (map(Interval, w.edges_s, w.edges_s[1:], w.phones) for w in path.words)
    return _score(posteriors, chain.from_iterable(phones))


def _score(posteriors: NDArray[np.float32], phones: Iterable[Interval]) -> float:
    """Mean over the phones' frames of their log probability less the best of the frame."""
    own = np.full(len(posteriors), np.nan)
    for phone in phones:
        span = slice(max(0, round(phone.start_s / STEP_S)), max(0, round(phone.end_s / STEP_S)))
        own[span] = posteriors[span, class_of(phone.label)]
    relative = np.maximum(own, WORST) - posteriors.max(axis=1)
    spoken = ~np.isnan(own)
    return float(relative[spoken].mean()) if spoken.any() else float("nan")
