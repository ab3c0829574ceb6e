"""pocketsphinx alone as an aligner: no training, hence for any number of utterances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stressnet.alignment.aligner import AlignmentFailure, Progress, Pronounce, Utterance
from stressnet.alignment.features import FeatureSettings
from stressnet.alignment.first_pass import FirstPass, first_passes, task_of
from stressnet.alignment.paths import to_alignment
from stressnet.intervals import Alignment


class PocketsphinxAligner:
    """Words and phones by the acoustic model in pocketsphinx's wheel.

    That model does not know stress: where pronunciations differ in nothing else, the first given
    is taken.
    """

    name = "pocketsphinx"

    def align(
        self,
        utterances: Sequence[Utterance],
        pronounce: Pronounce,
        *,
        jobs: int = 1,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> Iterator[tuple[str, Alignment | AlignmentFailure]]:
        """Align utterances in order; see `Aligner.align`. Nothing is random, `seed` is unused."""
        settings = FeatureSettings()
        tasks = (task_of(utterance, pronounce, settings) for utterance in utterances)
        for seen in first_passes(tasks, jobs):
            yield seen.task.utterance.utterance_id, pocketsphinx_alignment(seen)
            if progress is not None:
                progress(1)


def pocketsphinx_alignment(seen: FirstPass) -> Alignment | AlignmentFailure:
    """The alignment of a first pass, or why there is none.

    Parameters
    ----------
    seen : FirstPass
        From `first_passes`.
    """
    utterance = seen.task.utterance
    if seen.failure is not None:
        return seen.failure
    if seen.paths is None:
        return no_path(utterance)
    return to_alignment(
        utterance.words, seen.paths, seen.duration_s, "pocketsphinx", seen.confidence
    )


def no_path(utterance: Utterance) -> AlignmentFailure:
    """The failure of an utterance whose words can not be found in its sound."""
    return AlignmentFailure(
        utterance.utterance_id,
        "no path",
        f"{utterance.audio_path}: the words could not be found in the sound, even with the widest "
        "beam; check that audio and transcript belong together",
    )
