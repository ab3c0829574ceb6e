"""The best path of an utterance's words through the network's frames.

Every phone lasts at least 20 ms, a pause 30 ms. All paths are searched: there is no beam to widen.
Long recordings are cut at pauses that another aligner found, so memory does not grow with them.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np

from stressnet.alignment.frame_net import CLASSES, STEP_S, FrameNet, class_of
from stressnet.alignment.paths import FoundPath, Variants, WordPath

NOISE = len(CLASSES)  # Class of noise, one more than those of the network

PHONE_FRAMES = 4
PAUSE_FRAMES = 6
PRIOR_WEIGHT = 0.25  # Share of the phones' log frequency taken out of the log posteriors
WORST = -12.0  # Lowest score of a frame, so that one odd sound does not decide a path
PAUSE_COST = 3.0  # Cost of a pause between words, in units of the logarithm

NOISE_COST = 2.0
"""Cost of a frame of noise against the best phone, in units of the logarithm.

Of 1, 2, 3, 4 and 6 the best for 0.5 s of coughs, laughter and other voices put between words.
"""

NOISE_ENTRY_COST = 20.0  # Cost of a noise, so that it takes no short time where nothing sounds
PIECE_S = 30.0  # Length in seconds from which on a recording is cut at the next pause
LONGEST_PIECE_S = 120.0  # Length in seconds from which on it is cut even without a pause


class _Graph:
    """States in time order: pause, word (one variant after the other), pause, ..., word, pause.

    A chain of states per phone or pause; only the last of a chain repeats. Pauses at `noises` may
    hold any sound.
    """

    def __init__(self, variants: Variants, noises: Collection[int] = ()) -> None:
        self.classes: list[int] = []
        self.pauses: list[tuple[int, int]] = []  # first and last state
        self.phones: list[list[list[int]]] = []  # last state of each phone, by word and variant
        self.starts: list[list[int]] = []  # first state, by word and variant
        repeats: list[int] = []
        for number, word in enumerate(variants):
            self._pause(repeats, number in noises)
            self.starts.append([])
            self.phones.append([])
            for variant in word:
                self.starts[-1].append(len(self.classes))
                ends = [self._chain(class_of(phone), PHONE_FRAMES) for phone in variant]
                self.phones[-1].append(ends)
                repeats += ends
        self._pause(repeats, len(variants) in noises)
        self.states = np.array(self.classes)
        self.repeat = np.full(len(self.classes), -np.inf)
        self.repeat[repeats] = 0.0
        self.advance = np.zeros(len(self.classes))
        first = [start for word in self.starts for start in word]
        self.advance[[*first, *(start for start, _ in self.pauses)]] = -np.inf

    def _chain(self, sound: int, length: int) -> int:
        self.classes += [sound] * length
        return len(self.classes) - 1

    def _pause(self, repeats: list[int], is_noise: bool) -> None:
        start = len(self.classes)
        sound = NOISE if is_noise else 0
        self.pauses.append((start, self._chain(sound, PAUSE_FRAMES)))
        repeats.append(self.pauses[-1][1])


def _best_states(graph: _Graph, scores: np.ndarray) -> np.ndarray | None:
    """The best state in every frame; None if the frames are too few."""
    count, words = len(scores), len(graph.starts)
    most = max(map(len, graph.starts))
    ends = np.zeros((words, most), dtype=int)
    open_end = np.full((words, most), -np.inf)
    for word, variants in enumerate(graph.phones):
        for place, phones in enumerate(variants):
            ends[word, place], open_end[word, place] = phones[-1], 0.0
    heads = np.array([start for word in graph.starts for start in word])
    word_of_head = np.repeat(np.arange(words), [len(word) for word in graph.starts])
    pause_heads, pause_ends = (np.array(side) for side in zip(*graph.pauses, strict=True))

    is_noise = graph.states[pause_heads] == NOISE
    entry_costs = np.where(is_noise, NOISE_ENTRY_COST, PAUSE_COST)

    total = np.full(len(graph.states), -np.inf)
    total[heads[word_of_head == 0]] = 0.0
    total[pause_heads[0]] = 0.0
    total += scores[0, graph.states]
    came = np.zeros(
        (count, len(graph.states)), dtype=np.int8
    )  # from: 0 itself, 1 the state before,
    chosen = np.zeros((count, words), dtype=np.int8)  # 2 the word before, 3 the pause before
    finished = np.full(words + 1, -np.inf)  # best end of the word before
    for t in range(1, count):
        at_ends = total[ends] + open_end
        chosen[t] = at_ends.argmax(axis=1)
        finished[1:] = at_ends.max(axis=1)
        after_word, after_pause = finished[word_of_head], total[pause_ends[word_of_head]]
        stay = total + graph.repeat
        onward = np.concatenate([[-np.inf], total[:-1]]) + graph.advance
        total = np.maximum(stay, onward)
        came[t] = onward > stay
        total[heads] = np.maximum(after_word, after_pause)  # heads are reached from outside only
        came[t, heads] = np.where(after_pause > after_word, 3, 2)
        total[pause_heads] = finished - entry_costs
        came[t, pause_heads] = 2
        total += scores[t, graph.states]

    last = [*(phones[-1] for phones in graph.phones[-1]), int(pause_ends[-1])]
    state = last[int(np.argmax(total[last]))]
    if not np.isfinite(total[state]):
        return None
    word_before = np.zeros(len(graph.states), dtype=int)  # of heads: the word that ends there
    for word, starts in enumerate(graph.starts):
        word_before[[*starts, graph.pauses[word][0]]] = word - 1
    word_before[graph.pauses[-1][0]] = words - 1
    path = np.empty(count, dtype=int)
    path[-1] = state
    for t in range(count - 1, 0, -1):
        step = came[t, state]
        if step == 1:
            state -= 1
        elif step == 2:
            word = word_before[state]
            state = int(ends[word, chosen[t, word]])
        elif step == 3:
            state = int(pause_ends[word_before[state] + 1])
        path[t - 1] = state
    return path


def _piece(
    log_posteriors: np.ndarray, log_priors: np.ndarray, variants: Variants, noises: Collection[int]
) -> FoundPath | None:
    """Search one piece of a recording; times count from its first frame."""
    graph = _Graph(variants, noises)
    scores = np.maximum(log_posteriors - PRIOR_WEIGHT * log_priors, WORST).astype(np.float64)
    noise = np.maximum(scores[:, 0], scores[:, 1:].max(axis=1) - NOISE_COST)
    scores = np.column_stack([scores, noise])
    path = _best_states(graph, scores)
    if path is None:
        return None
    frames_of = {int(state): t + 1 for t, state in enumerate(path)}  # the frame after the last
    words, confidence = [], []
    for word, (starts, ends) in enumerate(zip(graph.starts, graph.phones, strict=True)):
        place = next(k for k, last in enumerate(ends) if last[-1] in frames_of)
        first = int(np.searchsorted(path, starts[place]))
        edges = [first, *(frames_of[end] for end in ends[place])]
        words.append(WordPath(tuple(variants[word][place]), tuple(STEP_S * edge for edge in edges)))
        span = np.arange(first, edges[-1])
        sounds = graph.states[path[span]]
        confidence.append(float(np.exp(log_posteriors[span, sounds]).mean()))
    return FoundPath(tuple(words), tuple(confidence))


def cuts(around: Sequence[WordPath], duration_s: float) -> list[tuple[int, float]]:
    """Cuts of a long recording: the number of the word after each, and the time in seconds."""
    places = [(0, 0.0)]
    for word in range(1, len(around)):
        before_s, after_s = around[word - 1].edges_s[-1], around[word].edges_s[0]
        length_s = after_s - places[-1][1]
        pause = after_s - before_s >= 0.2
        if (length_s > PIECE_S and pause) or length_s > LONGEST_PIECE_S:
            places.append((word, (before_s + after_s) / 2))
    return [*places, (len(around), duration_s)]


def search(
    net: FrameNet,
    energies: np.ndarray,
    variants: Variants,
    around: Sequence[WordPath] | None,
    noises: Collection[int] = (),
) -> FoundPath | None:
    """Find words and phones.

    ``energies``, shape (frames, 40), are those of `frame_net.log_mel`; ``variants`` are
    pronunciations by word, ARPAbet with stress digits; ``around`` are the words of another aligner,
    for cutting long recordings; ``noises`` are numbers of the words before which anything may
    sound. None if there are too few frames, or if the recording is longer than `LONGEST_PIECE_S`
    and nothing says where to cut it.
    """
    duration_s = STEP_S * len(energies)
    if len(energies) == 0 or (around is None and duration_s > LONGEST_PIECE_S):
        return None
    posteriors = net.log_posteriors(energies)
    limits = [(0, 0.0), (len(variants), duration_s)]
    if around is not None:
        limits = cuts(around, duration_s)
    words: list[WordPath] = []
    confidence: list[float] = []
    for (first, start_s), (last, end_s) in pairwise(limits):
        start, end = round(start_s / STEP_S), round(end_s / STEP_S)
        here = {number - first for number in noises if first <= number <= last}
        piece = _piece(posteriors[start:end], net.log_priors, variants[first:last], here)
        if piece is None:
            return None
        for word in piece.words:
            edges_s = tuple(STEP_S * start + edge_s for edge_s in word.edges_s)
            words.append(WordPath(word.phones, edges_s))
        confidence += piece.confidence
    return FoundPath(tuple(words), tuple(confidence))
