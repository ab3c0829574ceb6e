"""What aligners hand to one another: words as chains of phones that touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stressnet.intervals import SILENCE, Alignment, Interval


@dataclass(frozen=True, slots=True)
class WordPath:
    """One spoken word.

    Parameters
    ----------
    phones : tuple of str
        The pronunciation chosen, ARPAbet.
    edges_s : tuple of float
        One more than phones: where the first starts, where each ends, in seconds.
    """

    phones: tuple[str, ...]
    edges_s: tuple[float, ...]


def segments(phones: Sequence[str]) -> tuple[str, ...]:
    """Phones without stress digits."""
    return tuple(phone.rstrip("012") for phone in phones)


def to_alignment(
    words: Sequence[str],
    paths: Sequence[WordPath],
    duration_s: float,
    source: str,
    confidence: tuple[float, ...] | None = None,
) -> Alignment:
    """Tiers without gaps: words and phones, with silences where nothing is spoken.

    Parameters
    ----------
    words : sequence of str
        Labels of the words.
    paths : sequence of WordPath
        As many, in time order.
    duration_s : float
        Length of the recording; edges past it are clamped.
    source : str
        Who made it.
    confidence : tuple of float, optional
        One value per word.
    """
    word_tier: list[Interval] = []
    phone_tier: list[Interval] = []
    now_s = 0.0
    for label, path in zip(words, paths, strict=True):
        edges_s = [min(max(edge, 0.0), duration_s) for edge in path.edges_s]
        if edges_s[0] > now_s:
            pause = Interval(now_s, edges_s[0], SILENCE)
            word_tier.append(pause)
            phone_tier.append(pause)
        word_tier.append(Interval(edges_s[0], edges_s[-1], label))
        phone_tier += [
            Interval(start_s, end_s, phone)
            for phone, start_s, end_s in zip(path.phones, edges_s[:-1], edges_s[1:], strict=True)
        ]
        now_s = edges_s[-1]
    if now_s < duration_s:
        pause = Interval(now_s, duration_s, SILENCE)
        word_tier.append(pause)
        phone_tier.append(pause)
    return Alignment(tuple(word_tier), tuple(phone_tier), source=source, confidence=confidence)
