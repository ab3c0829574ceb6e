"""Words as chains of phones that touch, which aligners hand to one another."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median

from stressnet.intervals import SILENCE, Alignment, Interval
from stressnet.lexicon.pronunciation import CONSONANTS, VOWELS, bare

Variants = Sequence[Sequence[tuple[str, ...]]]
"""For each word of an utterance its pronunciations, ARPAbet with stress digits."""

SHORTEST_S = 0.005  # Shortest phone in seconds when boundaries are moved
LONGEST_S = 0.5  # Longest first phone after a pause, in seconds; the rest is something else
NEAR_S = 0.1  # Distance in seconds up to which models have a word at the same place
AGREEMENT_S = 0.03  # Distance in seconds up to which boundaries of three models are averaged


@dataclass(frozen=True, slots=True)
class WordPath:
    """One spoken word: the pronunciation chosen, ARPAbet, and when its phones are said."""

    phones: tuple[str, ...]
    edges_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FoundPath:
    """Result of a search: one path per word, and a confidence for each, 0 to 1."""

    words: tuple[WordPath, ...]
    confidence: tuple[float, ...]


def arpabet() -> tuple[str, ...]:
    """All ARPAbet phones of CMUdict, vowels with each stress digit."""
    return tuple(sorted([*CONSONANTS, *(vowel + digit for vowel in VOWELS for digit in "012")]))


def segments(phones: Sequence[str]) -> tuple[str, ...]:
    """Phones without stress digits."""
    return tuple(map(bare, phones))


def pause_before(paths: Sequence[WordPath], index: int) -> bool:
    """Whether a word starts later than the one before it ends (the first always does)."""
    return index == 0 or paths[index].edges_s[0] > paths[index - 1].edges_s[-1] + 1e-6


def averaged(
    leader: Sequence[WordPath], *others: Sequence[WordPath], noisy: Collection[int] = ()
) -> list[WordPath]:
    """The mean of alignments of the same phones, pauses decided by the first.

    Models err independently to some degree, so the mean of their boundaries is better than any.
    Where three or more lie further than `AGREEMENT_S` apart one of them is lost, and the median is
    taken. The start of a word after a pause is not averaged: a model that misses the pause is
    off by all of it. A pause that the first does not have is kept if most of the others have it.
    Words whose numbers are in `noisy` have noise beside them, of which the first knows: others
    count that have them at nearly the same place.
    """
    result: list[WordPath] = []
    now_s = 0.0
    for index, first in enumerate(leader):
        near = [o for o in others if index not in noisy or _same_place(first, o[index])]
        words = [first, *(other[index] for other in near)]
        middles = [_middle(edges) for edges in zip(*(w.edges_s for w in words), strict=True)]
        resumed = [other[index].edges_s[0] for other in near if pause_before(other, index)]
        if pause_before(leader, index):
            start_s = first.edges_s[0]
            if middles[1] - start_s > LONGEST_S:  # noise or music taken for the first phone
                start_s = max([start_s, *(s for s in resumed if s < middles[1])])
        elif 2 * len(resumed) > len(near):
            start_s = _middle(resumed)
        else:
            start_s = now_s
        edges_s = [max(now_s, min(start_s, middles[1] - SHORTEST_S)), *middles[1:]]
        for k in range(1, len(edges_s)):
            edges_s[k] = max(edges_s[k], edges_s[k - 1] + SHORTEST_S)
        now_s = edges_s[-1]
        result.append(WordPath(first.phones, tuple(edges_s)))
    return result


# Of 1,982 words of 12 synthetic voices, by logistic regression; see docs/alignment.md.
_INTERCEPT, _PER_LOG_MS, _LEAST_SPREAD_MS = 3.72, -0.863, 5.0


def confidence_of(*models: Sequence[WordPath]) -> tuple[float, ...]:
    """Probability, by word, that both edges are within 20 ms of the truth.

    It goes by how far apart the models have an edge, the worse one of the two.
    """
    sure = []
    for paths in zip(*models, strict=True):
        starts_s, ends_s = zip(*((p.edges_s[0], p.edges_s[-1]) for p in paths), strict=True)
        spread_ms = 1000 * max(max(starts_s) - min(starts_s), max(ends_s) - min(ends_s))
        logit = _INTERCEPT + _PER_LOG_MS * math.log(max(spread_ms, _LEAST_SPREAD_MS))
        sure.append(1 / (1 + math.exp(-logit)))
    return tuple(sure)


def _same_place(one: WordPath, other: WordPath) -> bool:
    """Whether two models have a word at nearly the same place."""
    pairs = zip(one.edges_s, other.edges_s, strict=True)
    return max(abs(a_s - b_s) for a_s, b_s in pairs) < NEAR_S


def _middle(times_s: Sequence[float]) -> float:
    """The mean, or the median if there are three or more and they disagree."""
    if len(times_s) > 2 and max(times_s) - min(times_s) > AGREEMENT_S:
        return median(times_s)
    return sum(times_s) / len(times_s)


def to_alignment(
    words: Sequence[str],
    paths: Sequence[WordPath],
    duration_s: float,
    source: str,
    confidence: tuple[float, ...] | None = None,
) -> Alignment:
    """Tiers without gaps: words and phones, with silences where nothing is spoken."""
    word_tier: list[Interval] = []
    phone_tier: list[Interval] = []
    for label, path in zip(words, paths, strict=True):
        edges_s = [min(max(edge, 0.0), duration_s) for edge in path.edges_s]
        word_tier.append(Interval(edges_s[0], edges_s[-1], label))
        phone_tier += map(Interval, edges_s, edges_s[1:], path.phones)
    tiers = with_pauses(word_tier, duration_s), with_pauses(phone_tier, duration_s)
    return Alignment(*tiers, source=source, confidence=confidence)


def with_pauses(intervals: Sequence[Interval], duration_s: float) -> tuple[Interval, ...]:
    """Intervals in time order, with silences where nothing is spoken."""
    tier: list[Interval] = []
    now_s = 0.0
    for interval in intervals:
        if interval.start_s > now_s:
            tier.append(Interval(now_s, interval.start_s, SILENCE))
        tier.append(interval)
        now_s = interval.end_s
    if now_s < duration_s:
        tier.append(Interval(now_s, duration_s, SILENCE))
    return tuple(tier)
