"""pocketsphinx alone as an aligner: no training, hence for any number of utterances."""

from __future__ import annotations

from collections.abc import Iterator

from stressnet.alignment.aligner import Aligner, Batch, Result
from stressnet.alignment.features import FeatureSettings
from stressnet.alignment.first_pass import FirstPass, first_passes, task_of
from stressnet.alignment.paths import to_alignment


class PocketsphinxAligner(Aligner):
    """Words and phones by the acoustic model in pocketsphinx's wheel.

    That model does not know stress: where pronunciations differ in nothing else, the first given
    is taken.
    """

    name = "pocketsphinx"

    def _results(self, batch: Batch) -> Iterator[Result]:
        settings = FeatureSettings()
        tasks = (task_of(utterance, batch.pronounce, settings) for utterance in batch.utterances)
        for seen in first_passes(tasks, batch.jobs):
            yield pocketsphinx_alignment(seen)
            batch.progress(1)


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
