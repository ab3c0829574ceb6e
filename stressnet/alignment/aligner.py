"""One interface for everything that finds words and phones in a recording."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from stressnet.errors import AudioError
from stressnet.intervals import Alignment
from stressnet.runs.journal import Journal
from stressnet.runs.work import Progress

Pronounce = Callable[[str], Sequence[tuple[str, ...]]]
"""A word's pronunciations, ARPAbet with stress digits (``("P", "ER1", "M", "IH2", "T")``)."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording and the words spoken in it, in upper case, as in the dictionary."""

    utterance_id: str  # Unique among the utterances given together
    speaker: str
    audio_path: Path
    words: tuple[str, ...]
    channel: int | None = None  # Of the sound, counted from 1; None for the mean of all
    # Numbers of the words before which something may sound that is no word (laughter, a fragment,
    # somebody else); the number of words for what comes after the last.
    noises: tuple[int, ...] = ()

    def failure(self, reason: str, problem: str) -> AlignmentFailure:
        """Why this utterance cannot be aligned: the kind, and what is wrong with its file."""
        return AlignmentFailure(self.utterance_id, reason, f"{self.audio_path}: {problem}")

    def unreadable(self, error: AudioError) -> AlignmentFailure:
        """The failure of a recording that cannot be read; the error names the file."""
        return AlignmentFailure(self.utterance_id, "unreadable audio", str(error))


@dataclass(frozen=True, slots=True)
class AlignmentFailure:
    """An utterance that could not be aligned."""

    utterance_id: str
    reason: str  # For counting: `unreadable audio`, `no words`, `too short`, `no path`, `crash` ...
    detail: str  # One line that names the file, what is wrong, and the remedy


Result = Alignment | AlignmentFailure


@dataclass(frozen=True, slots=True)
class Batch:
    """The arguments of `Aligner.align`, for the aligner that does the work."""

    utterances: Sequence[Utterance]
    pronounce: Pronounce
    jobs: int
    seed: int
    executor: Executor | None
    journal: Journal | None
    done: Collection[str]
    progress: Progress

    @property
    def asked(self) -> Iterator[Utterance]:
        """Utterances whose results are wanted."""
        return (u for u in self.utterances if u.utterance_id not in self.done)


class Aligner(ABC):
    """Base of all aligners, which find words and phones in recordings."""

    name: str

    def align(
        self,
        utterances: Sequence[Utterance],
        pronounce: Pronounce,
        *,
        jobs: int = 1,
        seed: int = 0,
        executor: Executor | None = None,
        journal: Journal | None = None,
        done: Collection[str] = (),
        progress: Progress | None = None,
    ) -> Iterator[tuple[str, Result]]:
        """Align utterances, in the order given; yields their ids and what came of them.

        ``pronounce`` gives at least one pronunciation for every word. ``jobs`` are worker
        processes, or what an ``executor`` that takes their place has; the result does not depend
        on them. For aligners that draw, the same ``seed`` gives the same result. Phones carry the
        stress digits of the pronunciation that fits the sound best; `confidence` has one value per
        spoken word.

        Of the utterances in ``done`` nothing is yielded, though an aligner may learn from them. A
        ``journal`` keeps what an aligner finds on its way, so that interrupted work goes on there;
        ``progress`` shows how far that is.
        """
        shown = progress or Progress(verbose=False)
        batch = Batch(utterances, pronounce, jobs, seed, executor, journal, done, shown)
        for utterance, result in zip(batch.asked, self._results(batch), strict=True):
            yield utterance.utterance_id, result

    @abstractmethod
    def _results(self, batch: Batch) -> Iterator[Result]:
        """One result per utterance that is asked for, in order."""
