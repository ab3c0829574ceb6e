"""The first look at an utterance: sound, features' statistics, and pocketsphinx's words and phones.

It runs in worker processes, and tasks and results can be sent between them. Alone it makes an
aligner that needs no training, hence one for any number of utterances.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from stressnet.alignment.aligner import (
    Aligner,
    AlignmentFailure,
    Batch,
    Pronounce,
    Result,
    Utterance,
)
from stressnet.alignment.features import cepstra
from stressnet.alignment.paths import WordPath, arpabet, to_alignment
from stressnet.alignment.pocket import find_words
from stressnet.alignment.workers import isolated_map
from stressnet.audio import WORKING_RATE_HZ as RATE_HZ
from stressnet.audio import read_audio
from stressnet.errors import AudioError
from stressnet.languages.phones import manner

SHORTEST_PHONE_S = 0.03  # Three states of one frame each, in both models

_ARPABET = frozenset(arpabet())
_REST = ("duration_s", "confidence", "frame_count", "total", "total_squared")


@dataclass(frozen=True, slots=True)
class Task:
    """One utterance to look at, with the pronunciations of each word."""

    utterance: Utterance
    variants: tuple[tuple[tuple[str, ...], ...], ...]  # by word
    english: bool = True  # whether pocketsphinx knows the language


@dataclass(frozen=True, slots=True)
class FirstPass:
    """Result of a task: a failure, or statistics of the features and pocketsphinx's words."""

    task: Task
    failure: AlignmentFailure | None = None  # why the utterance cannot be aligned at all
    duration_s: float = 0.0
    paths: tuple[WordPath, ...] | None = None  # pocketsphinx's, if it found any
    confidence: tuple[float, ...] = ()  # pocketsphinx's, one per word
    frame_count: int = 0
    total: tuple[float, ...] = ()  # 13 sums of the cepstra over the frames
    total_squared: tuple[float, ...] = ()  # and of their squares

    def record(self) -> dict[str, Any]:
        """All but the task, as JSON."""
        paths = None if self.paths is None else list(map(astuple, self.paths))
        failure = None if self.failure is None else asdict(self.failure)
        rest = {name: getattr(self, name) for name in _REST}
        return rest | {"paths": paths, "failure": failure}

    @classmethod
    def of(cls, task: Task, record: Mapping[str, Any]) -> Self:
        """The inverse of `record`."""
        paths, failure = record["paths"], record["failure"]
        if paths is not None:
            paths = tuple(WordPath(tuple(phones), tuple(edges_s)) for phones, edges_s in paths)
        failure = AlignmentFailure(**failure) if failure is not None else None
        return cls(**{**record, "task": task, "paths": paths, "failure": failure})


def failure_of(task: Task, duration_s: float) -> AlignmentFailure | None:
    """Why the words cannot fit into a recording of this length, if they cannot."""
    utterance = task.utterance
    if not utterance.words:
        return utterance.failure(
            "no words", "its transcript has no words; add them or remove the file"
        )
    for word, variants in zip(utterance.words, task.variants, strict=True):
        if not variants or not all(variants):
            return utterance.failure(
                "no pronunciation", f"no pronunciation for '{word}'; add it to a dictionary"
            )
        phones = {phone for variant in variants for phone in variant}
        known = _ARPABET if task.english else {phone for phone in phones if manner(phone)}
        strange = sorted(phones - known)
        if strange:
            alphabet = "ARPAbet phone (vowels need a stress digit)" if task.english else "IPA phone"
            return utterance.failure(
                "no pronunciation",
                f"'{strange[0]}' in the pronunciation of '{word}' is no {alphabet}; correct the "
                "dictionary",
            )
    needed_s = SHORTEST_PHONE_S * sum(min(map(len, variants)) for variants in task.variants)
    if duration_s < needed_s:
        return utterance.failure(
            "too short",
            f"{duration_s:.2f} s of sound for {len(utterance.words)} words that need "
            f"{needed_s:.2f} s; check that audio and transcript belong together",
        )
    return None


def look(task: Task, with_pocketsphinx: bool = True) -> FirstPass:
    """Read, check and align one utterance."""
    try:
        samples = read_audio(
            task.utterance.audio_path, minimum_rate_hz=0, channel=task.utterance.channel
        ).samples
    except AudioError as error:
        return FirstPass(task, task.utterance.unreadable(error))
    duration_s = len(samples) / RATE_HZ
    failure = failure_of(task, duration_s)
    if failure is not None:
        return FirstPass(task, failure, duration_s)
    static = cepstra(samples)
    wide = static.astype(np.float64)
    seen = FirstPass(
        task,
        duration_s=duration_s,
        frame_count=len(static),
        total=tuple(wide.sum(axis=0).tolist()),
        total_squared=tuple(np.square(wide).sum(axis=0).tolist()),
    )
    if not (with_pocketsphinx and task.english):
        return seen
    path = find_words(samples, task.variants)
    if path is None:
        return seen
    return replace(seen, paths=path.words, confidence=path.confidence)


def first_passes(tasks: Iterable[Task], batch: Batch) -> Iterator[FirstPass]:
    """Look at all utterances, in order, in worker processes."""
    after_crash = partial(look, with_pocketsphinx=False)
    return isolated_map(look, tasks, jobs=batch.jobs, on_crash=after_crash, executor=batch.executor)


def task_of(utterance: Utterance, pronounce: Pronounce, english: bool = True) -> Task:
    """An utterance with its pronunciations looked up, each variant once."""
    variants = tuple(
        tuple(dict.fromkeys(tuple(variant) for variant in pronounce(word)))
        for word in utterance.words
    )
    return Task(utterance, variants, english)


class PocketsphinxAligner(Aligner):
    """Words and phones by the acoustic model in pocketsphinx's wheel.

    That model does not know stress: where pronunciations differ in nothing else, the first given
    is taken.
    """

    name = "pocketsphinx"

    def _results(self, batch: Batch) -> Iterator[Result]:
        tasks = (task_of(utterance, batch.pronounce) for utterance in batch.asked)
        for seen in first_passes(tasks, batch):
            yield pocketsphinx_alignment(seen)


def pocketsphinx_alignment(seen: FirstPass) -> Result:
    """The alignment of a first pass, or why there is none."""
    utterance = seen.task.utterance
    if seen.failure is not None:
        return seen.failure
    if seen.paths is None:
        return utterance.failure(
            "no path",
            "the words could not be found in the sound, even with the widest beam; check that "
            "audio and transcript belong together",
        )
    return to_alignment(
        utterance.words, seen.paths, seen.duration_s, "pocketsphinx", seen.confidence
    )
