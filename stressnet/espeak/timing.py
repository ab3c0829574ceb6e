"""Which samples belong to which phone and word of what the engine said.

Whose times these are
---------------------
The engine reports the sample at which it begins to synthesise a phone; vowels after a liquid or
nasal begin after the transition. Four things it does not say are settled here:

* The silence before an obstruent (closure of a stop, 10 ms gap before a fricative) belongs to that
  obstruent: the engine's own mark sits after the silence, at the release. The silence is looked for
  in the waveform, between the previous phone's mark and this one's. A pause that the engine marks
  (at commas) is one before any phone. Silence before a vowel or a
  sonorant is a pause when it is longer than 30 ms; shorter, it stays with the phone before it, and
  so does the glide without a symbol that links "the" to a vowel.
* Symbols that stand for several phones (``ɔːɹ``, ``əl``, ``aɪɚ``, ``n̩``) are cut at a fixed share
  of their length (:data:`SPLIT_SHARE`).
* A post-vocalic /l/ is spoken inside the end of the vowel, and its mark comes when it is almost
  over: it receives the last :data:`LATERAL_SHARE` of the stretch from the vowel's mark to its end.
* Words that the engine treats as one (``in the``, ``of a``) are divided where their phones fit the
  words' separate pronunciations best.

The second and third are conventions, not measurements: boundaries inside vowel plus /r/ or /l/ are
not truth. All others are where the synthesis changes; held against the sound, the tip of the
balance between high and low frequencies at 188 boundaries of sibilant and vowel lies a median
0.6 ms from the mark (90th percentile 6.6 ms; 14 voices, espeak-ng 1.52).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from stressnet.errors import AlignmentError
from stressnet.espeak.engine import Mark
from stressnet.espeak.symbols import merged, phones_of

SPLIT_SHARE = 0.55  # Share of a symbol for two phones that its first phone gets
LATERAL_SHARE = 0.45  # Share of vowel plus post-vocalic /l/ that belongs to the /l/
QUIET_SHARE = 0.01  # Below this share of the utterance's peak a sample counts as silence
SHORTEST_PAUSE_S = 0.030  # Silence shorter than this before a sonorant is no pause
LONGEST_CLOSURE_S = 0.150  # Silence longer than this before an obstruent is a pause
SHORTEST_LATERAL_S = 0.040  # A post-vocalic /l/ of this length by its own mark is left as marked

_SONORANTS = (*"M N NG L R W Y".split(), *"mɱnɳɲŋɴlɫɭʎʟrɾɽɹɻʀjɥwʋ")


@dataclass(slots=True)
class Segment:
    """A phone in samples; limits are adjusted in place."""

    start: int
    end: int
    label: str

    @property
    def is_obstruent(self) -> bool:
        return self.label[-1] not in "012" and not self.label.startswith(_SONORANTS)


_Group = tuple[tuple[str, ...], list[Segment]]


def marked_groups(
    matches: Sequence[re.Match[str]], marks: Sequence[Mark], n_samples: int, language: str
) -> list[_Group]:
    """Words that the engine marked together, with their phones from mark to mark."""
    text = matches[0].string
    owners = [_owner(m.text_position, matches) for m in marks if m.symbol is None]
    firsts = sorted({k for k in owners if k is not None})
    if not firsts or owners[0] != 0 or firsts != [k for k in owners if k is not None]:
        raise AlignmentError(f"espeak-ng's word marks do not fit {text!r}; use plain words")
    lasts = [*firsts[1:], len(matches)]
    groups: dict[int, _Group] = {
        first: (tuple(m.group() for m in matches[first:last]), [])
        for first, last in zip(firsts, lasts, strict=True)
    }
    owner = 0
    ends = [*[m.sample for m in marks if m.symbol is not None][1:], n_samples]
    for mark in marks:
        if mark.symbol is None:  # a word's mark can precede the sound of the phone before it
            first = _owner(mark.text_position, matches)
            owner = owner if first is None else first
            continue
        end = ends.pop(0)
        spelling, segments = groups[owner]
        names = phones_of(mark.symbol, language, " ".join(spelling))
        if not names:
            continue  # a pause
        single = None
        if segments and len(names) == 1:
            single = merged(segments[-1].label, names[0], language)
        if single is not None:
            segments[-1].label, segments[-1].end = single, end
            continue
        cuts = [mark.sample, end]
        if len(names) == 2:
            cuts.insert(1, mark.sample + round(SPLIT_SHARE * (end - mark.sample)))
        for name, (start, stop) in zip(names, pairwise(cuts), strict=True):
            segments.append(Segment(start, stop, name))
    silent = [spelling for spelling, segments in groups.values() if not segments]
    if silent:
        raise AlignmentError(f"espeak-ng spoke no phone for {silent[0]} in {text!r}; reword it")
    return list(groups.values())


def _owner(position: int, matches: Sequence[re.Match[str]]) -> int | None:
    """The word that a mark begins; None for a mark inside a word ("for a while" has such)."""
    for k, match in enumerate(matches):
        if position <= match.start():
            return k
        if position < match.end():
            return None
    return None


def with_onsets(groups: list[_Group], level: npt.NDArray[np.int32], rate_hz: int) -> list[_Group]:
    """Put silences where they belong and give post-vocalic laterals their share, in place."""
    threshold = QUIET_SHARE * float(level.max())
    flat = [segment for _, segments in groups for segment in segments]
    for before, segment in pairwise(flat):
        loud = np.flatnonzero(level[before.start : segment.start] >= threshold)
        if not loud.size:  # a glottal stop is silence itself
            before.end = segment.start
            continue
        quiet_from = before.start + int(loud[-1]) + 1
        pause = segment.start - quiet_from
        marked = segment.start - before.end > SHORTEST_PAUSE_S * rate_hz
        if segment.is_obstruent and not marked and pause <= LONGEST_CLOSURE_S * rate_hz:
            segment.start = before.end = quiet_from
        elif pause > SHORTEST_PAUSE_S * rate_hz:
            before.end = quiet_from
        else:
            before.end = segment.start
    last = flat[-1]
    loud = np.flatnonzero(level[last.start : last.end] >= threshold)
    last.end = last.start + (int(loud[-1]) + 1 if loud.size else last.end - last.start)
    for before, segment in pairwise(flat):
        own, both = segment.end - segment.start, segment.end - before.start
        lateral = segment.label.startswith(("L", *"lɫɭ")) and before.label[-1].isdigit()
        early = own < min(SHORTEST_LATERAL_S * rate_hz, LATERAL_SHARE * both)
        if lateral and early and before.end == segment.start:
            before.end = segment.start = segment.end - round(LATERAL_SHARE * both)
    return groups


def divide(
    spelling: tuple[str, ...], segments: list[Segment], pronounce: Callable[[str], list[str]]
) -> list[tuple[str, list[Segment]]]:
    """Divide phones spoken under one mark among the words written."""
    if len(spelling) == 1:
        return [(spelling[0], segments)]
    alone = [[p.rstrip("012") for p in pronounce(word)] for word in spelling]
    names = [segment.label.rstrip("012") for segment in segments]
    if len(names) < len(spelling):
        raise AlignmentError(f"espeak-ng merged {' '.join(spelling)!r}; reword the sentence")
    best: tuple[int, ...] = ()
    best_cost: int | None = None
    for inner in combinations(range(1, len(names)), len(spelling) - 1):
        cuts = (0, *inner, len(names))
        cost = sum(
            edit_distance(names[a:b], word)
            for (a, b), word in zip(pairwise(cuts), alone, strict=True)
        )
        if best_cost is None or cost < best_cost:
            best, best_cost = cuts, cost
    return [(word, segments[a:b]) for word, (a, b) in zip(spelling, pairwise(best), strict=True)]


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """Number of insertions, deletions and substitutions between two sequences (Levenshtein)."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
