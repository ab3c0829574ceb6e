"""Boundaries moved to where the sound changes, for the kinds where that is the boundary.

Windows of 20 and 25 ms and deltas over 90 ms smear abrupt changes: a loud sound after a soft one
seems to begin early, and statistical models set the vowel after a plosive or nasal too late. Where
frication, closure or voicing sets in or ceases abruptly the boundary is, by every labelling
convention, the change itself. There the boundary is put at the point that best divides the
neighbourhood into two stretches of constant spectrum (least squares over log mel energies of 10 ms
windows, every 2 ms). Where the change is gradual (vowel to vowel, vowel to liquid or glide) or a
second change is near (fricative to closure, consonant to fricative), and at ends before pauses, the
boundary stays.
"""

from collections.abc import Sequence

import numpy as np

from stressnet.alignment.features import log_mel
from stressnet.alignment.paths import SHORTEST_S, WordPath, pause_before, segments
from stressnet.languages.phones import manner

STEP_S = 0.002
_SIBILANTS = (*"S SH Z ZH".split(), *"szʃʒʂʐɕʑ")
_WEAK_FRICATIVES = (*"V DH HH".split(), *"vðβɣʝʁhɦ")  # HH: as weak, and often voiced
_STOPS = {"stops", "affricates"}
_APPROXIMANTS = {"liquids", "glides"}
_BESIDE_VOWELS = {"fricatives", "weak", "nasals"}
_AFTER_FRICATIVES = {"nasals", "weak", *_APPROXIMANTS}


def moved_to_landmarks(paths: Sequence[WordPath], samples: np.ndarray) -> list[WordPath]:
    """Boundaries of an utterance that are abrupt by nature, put where the spectrum changes.

    ``samples`` are mono, 16 kHz. Edges move by at most 30 ms, onsets after a pause by at most
    50 ms, those of vowels by at most 100 ms.
    """
    energies = log_mel(samples, STEP_S, 0.01, bands=20, noise=3.0)
    flat: list[tuple[str, float, float]] = []  # segment, start, end; silences as ""
    for index, path in enumerate(paths):
        if pause_before(paths, index):
            flat.append(("", flat[-1][2] if flat else 0.0, path.edges_s[0]))
        flat += zip(segments(path.phones), path.edges_s[:-1], path.edges_s[1:], strict=True)
    starts = [start for _, start, _ in flat]
    for k in range(1, len(flat)):
        (left, left_s, now_s), (right, _, right_s) = flat[k - 1], flat[k]
        reach_s = _reach_s(left, right)
        if reach_s:
            low_s = now_s - min(reach_s, (now_s - left_s) / 2)
            high_s = now_s + min(reach_s, (right_s - now_s) / 2)
            around = (max(left_s, now_s - reach_s - 0.02), min(right_s, now_s + reach_s + 0.02))
            starts[k] = _change(energies, now_s, (low_s, high_s), around, rising=left == "")
    for k in range(1, len(flat)):  # across words too, or they would overlap
        shortest_s = SHORTEST_S if flat[k - 1][0] else 0.0
        starts[k] = max(starts[k], starts[k - 1] + shortest_s)
    result = []
    k = 0
    for index, path in enumerate(paths):
        if pause_before(paths, index):
            k += 1
        edges_s = starts[k : k + len(path.phones)]
        k += len(path.phones)
        end_s = starts[k] if k < len(starts) else path.edges_s[-1]
        edges_s.append(max(end_s, edges_s[-1] + SHORTEST_S))
        result.append(WordPath(path.phones, tuple(edges_s)))
    return result


def _kind(phone: str) -> str:
    """The phone's manner, voiced and weak fricatives apart; ``""`` for a pause."""
    return "weak" if phone.startswith(_WEAK_FRICATIVES) else manner(phone) or ""


def _reach_s(left: str, right: str) -> float:
    """Furthest that a boundary between two segments may move, in seconds; 0 if it must stay."""
    before, after = _kind(left), _kind(right)
    if left == "":
        if after == "vowels":
            return 0.1  # a breath before it is easily taken for a part of it
        begins = after in {"nasals", *_APPROXIMANTS} or right.startswith(_SIBILANTS)
        return 0.05 if begins else 0.0
    if before == "vowels" and after in _STOPS:
        return 0.03
    abrupt = (
        (before in _BESIDE_VOWELS | _APPROXIMANTS and after == "vowels")
        or (before == "vowels" and after in _BESIDE_VOWELS)
        or (before in _STOPS and after in {"vowels", "fricatives"})
        or (before == "fricatives" and after in _AFTER_FRICATIVES)
    )
    return 0.02 if abrupt else 0.0


def _change(
    energies: np.ndarray,
    now_s: float,
    between_s: tuple[float, float],
    around_s: tuple[float, float],
    rising: bool,
) -> float:
    """The time that divides `around_s` best into two constant spectra, inside `between_s`.

    With `rising`, only times count after which there is more energy than before: where a breath
    ends in silence the next word has not yet begun.
    """
    first = max(round(around_s[0] / STEP_S), 0)
    last = min(round(around_s[1] / STEP_S), len(energies))
    low = max(round(between_s[0] / STEP_S), first + 2)
    high = min(round(between_s[1] / STEP_S), last - 2)
    if high <= low:
        return now_s
    rows = energies[first:last].astype(np.float64)
    sums = np.cumsum(rows, axis=0)
    sizes = np.arange(low - first, high - first + 1)
    left = sums[sizes - 1]
    right = sums[-1] - left
    others = len(rows) - sizes
    explained = (left**2).sum(1) / sizes + (right**2).sum(1) / others
    if rising:
        rises = right.sum(1) / others > left.sum(1) / sizes
        if not rises.any():
            return now_s
        explained[~rises] = -np.inf
    return float((first + sizes[np.argmax(explained)]) * STEP_S)
