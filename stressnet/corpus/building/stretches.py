"""Stretches of a recording in which words are said: made, corrected, and joined when aligned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import islice, pairwise

from stressnet.intervals import Alignment, Interval

_PAUSE_S = 0.3  # Words further apart are in different stretches
_MARGIN_S = 0.15  # So much of the pauses is cut out with stretches, whose limits are rough
_LEAST_ALIKE = 0.6  # Share of words that a corrected transcript shares with a recogniser
_WINDOW = 200  # So many words of a transcript and of a recogniser are compared at a time
_FAR_S = 0.1  # Words further from where the aligner hears them are counted in a warning


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a recording in which some of its words are said."""

    start_s: float
    end_s: float
    words: tuple[str, ...]
    # Intervals whose times are kept, in seconds, with the number of words in each; empty if it is
    # only known that the words are said somewhere in the stretch.
    kept: tuple[tuple[float, float, int], ...] = ()
    noises: tuple[int, ...] = ()  # As of a `Reading`


def stretches_of(parts: Sequence[Stretch], duration_s: float) -> tuple[Stretch, ...]:
    """Words joined up to the next pause, with margins that reach into no neighbour."""
    stretches = [parts[0]]
    for part in parts[1:]:
        last = stretches[-1]
        are_words = len(part.words) == 1 or bool(part.kept)
        if part.start_s < last.end_s or (are_words and part.start_s - last.end_s < _PAUSE_S):
            stretches[-1] = Stretch(
                last.start_s,
                max(last.end_s, part.end_s),
                (*last.words, *part.words),
                (*last.kept, *part.kept),
                tuple(dict.fromkeys((*last.noises, *(len(last.words) + n for n in part.noises)))),
            )
        else:
            stretches.append(part)
    middles_s = [(a.end_s + b.start_s) / 2 for a, b in pairwise(stretches)]
    return tuple(
        replace(
            stretch,
            start_s=max(earliest_s, stretch.start_s - _MARGIN_S),
            end_s=min(latest_s, stretch.end_s + _MARGIN_S),
        )
        for stretch, earliest_s, latest_s in zip(
            stretches, [0.0, *middles_s], [*middles_s, duration_s], strict=True
        )
    )


def corrected(stretches: Sequence[Stretch], words: Sequence[str]) -> tuple[Stretch, ...] | None:
    """The stretches with the words of a corrected transcript; None if these are mostly others."""
    heard = [word for stretch in stretches for word in stretch.words]
    places = [k for k, stretch in enumerate(stretches) for _ in stretch.words]
    pairs = _same(heard, words)
    if 2 * len(pairs) < _LEAST_ALIKE * (len(heard) + len(words)):
        return None
    own: list[list[str]] = [[] for _ in stretches]
    for (first, last), (start, end) in pairwise([(-1, -1), *pairs, (len(heard), len(words))]):
        for number in range(last + 1, min(end + 1, len(words))):
            is_same = number == end
            before = start if is_same else min(first + number - last, start - 1)
            own[places[max(0, before)]].append(words[number])
    return tuple(
        replace(stretch, words=tuple(said), kept=(), noises=())
        for stretch, said in zip(stretches, own, strict=True)
        if said
    )


def _same(heard: Sequence[str], words: Sequence[str]) -> list[tuple[int, int]]:
    """Numbers of the same words in both, in order; windows keep the time linear in the length."""
    pairs: list[tuple[int, int]] = []
    first = last = 0
    while first < len(heard) and last < len(words):
        window = heard[first : first + _WINDOW], words[last : last + _WINDOW]
        blocks = SequenceMatcher(None, *window, autojunk=False).get_matching_blocks()[:-1]
        if max(len(heard) - first, len(words) - last) > _WINDOW:
            blocks = [block for block in blocks if block.a < 0.7 * _WINDOW]  # sure of what follows
        if not blocks:
            break
        pairs += [(first + b.a + k, last + b.b + k) for b in blocks for k in range(b.size)]
        first, last = pairs[-1][0] + 1, pairs[-1][1] + 1
    return pairs


def joined(
    stretches: Sequence[Stretch], alignments: Sequence[Alignment | None]
) -> tuple[Alignment, int]:
    """The alignment of a recording from those of its stretches; None for one that failed.

    Words whose times were given keep them; the second value counts those that the aligner hears
    more than 0.1 s away from there.
    """
    words: list[Interval] = []
    phones: list[Interval] = []
    confidence: list[float] = []
    source, n_far = "", 0
    for stretch, alignment in zip(stretches, alignments, strict=True):
        if alignment is None:
            continue
        source = alignment.source
        spoken = alignment.spoken_words()
        confidence += alignment.confidence or [float("nan")] * len(spoken)
        heard = [
            (word.shifted(stretch.start_s), [p.shifted(stretch.start_s) for p in phones_])
            for word, phones_ in ((word, alignment.phones_of(word)) for word in spoken)
        ]
        if stretch.kept and len(spoken) == len(stretch.words):
            following = iter(heard)
            heard = []
            for start_s, end_s, n in stretch.kept:
                group = list(islice(following, n))
                far_s = max(abs(group[0][0].start_s - start_s), abs(group[-1][0].end_s - end_s))
                n_far += n if far_s > _FAR_S else 0
                heard += _within(group, start_s, end_s)
        for word, own in heard:
            words.append(word)
            phones += own
    return Alignment(tuple(words), tuple(phones), source, tuple(confidence)), n_far


def _within(
    group: Sequence[tuple[Interval, list[Interval]]], start_s: float, end_s: float
) -> Iterator[tuple[Interval, list[Interval]]]:
    """Words and phones between limits that were given.

    The first and the last phone reach the limits; where an inner boundary would lie outside, all
    are stretched or pressed between them.
    """
    first_s, last_s = group[0][0].start_s, group[-1][0].end_s
    inner_s = [p.start_s for _, phones in group for p in phones][1:]
    fits = all(start_s < time_s < end_s for time_s in inner_s)

    def moved(interval: Interval) -> Interval:
        def time(time_s: float) -> float:
            if time_s <= first_s:
                return start_s
            if time_s >= last_s:
                return end_s
            if fits:
                return time_s
            return start_s + (time_s - first_s) * (end_s - start_s) / (last_s - first_s)

        return replace(interval, start_s=time(interval.start_s), end_s=time(interval.end_s))

    for word, phones in group:
        yield moved(word), [moved(phone) for phone in phones]
