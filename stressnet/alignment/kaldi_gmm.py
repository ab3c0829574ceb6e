"""The default aligner: three models, averaged, and boundaries put on the acoustic change.

1. pocketsphinx finds words and phones in every utterance (`first_pass`).
2. From these a monophone model is trained by Kaldi's code on up to `TRAINING_S` seconds of the
   corpus itself, features normalised per speaker (`gmm_training`). It knows stress and this
   corpus's pauses and noises. Corpora with less than `MINIMUM_S` seconds do without it.
3. Every utterance is aligned with that model, pocketsphinx's choice of segments kept and the stress
   left open, and with the small network that comes with the package (`frame_net`). The boundaries
   of all three are averaged, and the abrupt ones put on the acoustic change (`landmarks`).
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stressnet.alignment.aligner import Aligner, Batch, Result, Utterance
from stressnet.alignment.features import Normalisation, cepstra, with_deltas
from stressnet.alignment.first_pass import (
    FirstPass,
    Task,
    first_passes,
    pocketsphinx_alignment,
    task_of,
)
from stressnet.alignment.frame_net import FrameNet, default_net, log_mel
from stressnet.alignment.frame_search import search
from stressnet.alignment.gmm import GmmModel, find_words
from stressnet.alignment.gmm_training import (
    TrainingUtterance,
    agreeing,
    equal_paths,
    train,
    train_flat,
)
from stressnet.alignment.landmarks import moved_to_landmarks
from stressnet.alignment.paths import (
    NEAR_S,
    FoundPath,
    WordPath,
    averaged,
    confidence_of,
    to_alignment,
)
from stressnet.alignment.workers import isolated_map
from stressnet.audio import WORKING_RATE_HZ as RATE_HZ
from stressnet.audio import audio_facts, read_audio
from stressnet.errors import AudioError
from stressnet.runs.journal import Journal

TRAINING_S = 3600.0  # Most speech to train on, in seconds
MINIMUM_S = 15.0  # Least speech to train on, in seconds
NET_NAME = "frame-net"  # Source of alignments made without a trained model


class KaldiGmmAligner(Aligner):
    """Words and phones by a model trained on the corpus, a network and pocketsphinx together.

    In other languages than English, which pocketsphinx and the network do not know, the model
    alone, from a flat start. ``landmarks``: abrupt boundaries are put on the acoustic change;
    ``average`` and ``network``: the boundaries of pocketsphinx and of the network take part in the
    mean.
    """

    name = "kaldi-gmm"

    def __init__(
        self,
        *,
        landmarks: bool = True,
        average: bool = True,
        network: bool = True,
        english: bool = True,
    ) -> None:
        self.landmarks, self.average, self.english = landmarks, average, english
        self.network = network and english

    def _results(self, batch: Batch) -> Iterator[Result]:
        with _notes(batch) as journal:

            def heard(utterances: Iterable[Utterance]) -> Iterator[FirstPass]:
                for u in utterances:
                    task = task_of(u, batch.pronounce, self.english)
                    yield FirstPass.of(task, journal.done[u.utterance_id])

            tasks = (
                (u.utterance_id, task_of(u, batch.pronounce, self.english))
                for u in batch.utterances
            )
            with batch.progress.stage("first pass", len(batch.utterances), "utt") as bar:
                for _, n, _ in journal.results(tasks, partial(_records, batch=batch), lambda _: 1):
                    bar.update(n)
            speakers = speaker_normalisations(heard(batch.utterances))
            chosen = training_choice(batch.utterances, batch.seed)
            examples = heard(u for index, u in enumerate(batch.utterances) if index in chosen)
            model = self._model(examples, speakers)
            net = default_net() if self.network else None
            state = _Worker(model, net, speakers, self.landmarks, self.average)
            yield from isolated_map(
                second_look,
                heard(batch.asked),
                jobs=batch.jobs,
                on_crash=pocketsphinx_alignment,
                initializer=start_worker,
                initargs=(state,),
                executor=batch.executor,
            )

    def _model(
        self, looks: Iterable[FirstPass], speakers: dict[str, Normalisation]
    ) -> GmmModel | None:
        """A model trained in a process of its own; None if there is too little to train on."""
        examples = [
            (look, speakers[look.task.utterance.speaker])
            for look in looks
            if look.failure is None and (look.paths is not None or not self.english)
        ]
        if sum(look.duration_s for look, _ in examples) < MINIMUM_S:
            return None
        learn = partial(_learn, english=self.english)
        (model,) = isolated_map(learn, [examples], jobs=1, on_crash=lambda examples: None)
        return model


@contextmanager
def _notes(batch: Batch) -> Iterator[Journal]:
    """Where the first pass is noted: the batch's journal, or one that lasts as long as the work."""
    if batch.journal is not None:
        yield batch.journal
        return
    with (
        tempfile.TemporaryDirectory(prefix="stressnet-") as folder,
        Journal(Path(folder) / "first_pass.jsonl") as journal,
    ):
        yield journal


def _records(tasks: Iterable[Task], batch: Batch) -> Iterator[dict[str, Any]]:
    return (look.record() for look in first_passes(tasks, batch))


def _learn(examples: Sequence[tuple[FirstPass, Normalisation]], english: bool) -> GmmModel:
    """A model of what the first pass found, or of phones of equal length."""
    utterances = []
    for look, normal in examples:
        static = cepstra(_sound(look.task.utterance))
        features = with_deltas(normal.apply(static))
        variants = agreeing(look.task.variants, look.paths)
        paths = look.paths or equal_paths(static, variants)
        utterances.append(TrainingUtterance(features, variants, paths))
    return train(utterances) if english else train_flat(utterances)


def _sound(utterance: Utterance) -> np.ndarray:
    path, channel = utterance.audio_path, utterance.channel
    return read_audio(path, minimum_rate_hz=0, channel=channel).samples


def training_choice(utterances: Sequence[Utterance], seed: int) -> set[int]:
    """Positions of the utterances to train on, drawn by name until there is enough sound."""

    def draw(index: int) -> bytes:
        return hashlib.sha256(f"{seed} {utterances[index].utterance_id}".encode()).digest()

    chosen: set[int] = set()
    total_s = 0.0
    for index in sorted(range(len(utterances)), key=draw):
        if total_s >= TRAINING_S:
            break
        try:
            duration_s = audio_facts(utterances[index].audio_path).duration_s
        except AudioError:
            continue  # the first pass reports it
        if total_s + duration_s <= 1.5 * TRAINING_S:
            chosen.add(index)
            total_s += duration_s
    return chosen


def speaker_normalisations(seen: Iterable[FirstPass]) -> dict[str, Normalisation]:
    """Mean and deviation of the cepstra of each speaker, over all readable utterances."""
    counts: dict[str, int] = {}
    sums: dict[str, np.ndarray] = {}
    for result in seen:
        if result.failure is None and result.total:
            speaker = result.task.utterance.speaker
            both = np.array([result.total, result.total_squared])
            sums[speaker] = sums[speaker] + both if speaker in sums else both
            counts[speaker] = counts.get(speaker, 0) + result.frame_count
    return {speaker: Normalisation.from_sums(counts[speaker], *sums[speaker]) for speaker in sums}


@dataclass(frozen=True, slots=True)
class _Worker:
    """State of a worker process of the second pass."""

    model: GmmModel | None
    net: FrameNet | None
    speakers: dict[str, Normalisation]
    landmarks: bool
    average: bool


_worker: list[_Worker] = []  # one per process, set by `start_worker`


def start_worker(state: _Worker) -> None:
    """Keep the model in this process."""
    _worker[:] = [state]


def second_look(seen: FirstPass) -> Result:
    """Align one utterance with the other models and unite the results."""
    if seen.failure is not None:
        return seen.failure
    state = _worker[0]
    utterance = seen.task.utterance
    try:
        samples = _sound(utterance)
    except AudioError as error:
        return utterance.unreadable(error)
    trained = _by_gmm(state, seen, samples)
    heard, noises = _by_net(state, seen, trained, samples)
    found = [path for path in (heard, trained) if path is not None]
    if not found:
        if state.model is None and not seen.task.english:
            return utterance.failure(
                "too little speech",
                f"a model of this language is learnt from the corpus itself, which needs at least "
                f"{MINIMUM_S:.0f} s of speech; add recordings, or alignments from elsewhere",
            )
        return pocketsphinx_alignment(seen)
    models = [path.words for path in found]
    if seen.paths is not None and state.average:
        models.append(seen.paths)
    confidence = confidence_of(*models) if len(models) > 1 else found[0].confidence or None
    source = NET_NAME if trained is None else KaldiGmmAligner.name
    words = averaged(*models, noisy={n for place in noises for n in (place - 1, place)})
    if trained is not None:  # knows this corpus's stress
        words = [WordPath(a.phones, b.edges_s) for a, b in zip(trained.words, words, strict=True)]
    if state.landmarks:
        words = moved_to_landmarks(words, samples)
    return to_alignment(utterance.words, words, len(samples) / RATE_HZ, source, confidence)


def _by_net(
    state: _Worker, seen: FirstPass, trained: FoundPath | None, samples: np.ndarray
) -> tuple[FoundPath | None, tuple[int, ...]]:
    """The network's alignment, with the segments that others have chosen, and the noises in it.

    A noise that took a word away, so that no other model has the words beside it where the network
    has them, is not believed.
    """
    if state.net is None:
        return None, ()
    around = trained.words if trained is not None else seen.paths
    variants = agreeing(seen.task.variants, around)
    energies, noises = log_mel(samples), seen.task.utterance.noises
    heard = search(state.net, energies, variants, around, noises)
    if heard is None or not noises:
        return heard, ()
    others = [*([trained.words] if trained else []), *([seen.paths] if seen.paths else [])]
    believed = tuple(place for place in noises if _is_confirmed(heard.words, others, place))
    if len(believed) < len(noises):
        heard = search(state.net, energies, variants, around, believed)
    return heard, believed if heard is not None else ()


def _is_confirmed(
    words: Sequence[WordPath], others: Sequence[Sequence[WordPath]], place: int
) -> bool:
    """Whether the far edges of the words beside a noise are where another model has them."""
    edges = [(place - 1, 0)] * (place > 0) + [(place, -1)] * (place < len(words))
    return not others or all(
        any(abs(words[n].edges_s[k] - other[n].edges_s[k]) < NEAR_S for other in others)
        for n, k in edges
    )


def _by_gmm(state: _Worker, seen: FirstPass, samples: np.ndarray) -> FoundPath | None:
    """The trained model's alignment, with the mean posterior of each word if it stands alone."""
    if state.model is None:
        return None
    normal = state.speakers[seen.task.utterance.speaker]
    features = with_deltas(normal.apply(cepstra(samples)))
    variants = agreeing(seen.task.variants, seen.paths)
    alone = seen.paths is None and state.net is None
    return find_words(state.model, features, variants, confident=alone)
