"""Forced alignment with a CTC network: Wav2Vec2 by torchaudio, weights from outside.

Two kinds of network can be used:

- one whose tokens are **phones** (ARPAbet or IPA, with or without digits) aligns words and phones;
- one whose tokens are **letters** (torchaudio's ``MMS_FA`` and ``WAV2VEC2_ASR_*``) finds words
  only: good enough to cut words, about twice as coarse as a model made for alignment.

Nothing is downloaded. A bundle's weights must be where torch keeps them, or a folder is given with
``config.json`` (arguments of `torchaudio.models.wav2vec2_model`), ``model.safetensors`` and
``tokens.txt`` (one token per line, ``<blank>`` among them).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.alignment.aligner import Aligner, Batch, Pronounce, Result, Utterance
from stressnet.alignment.paths import WordPath, arpabet, segments, to_alignment, with_pauses
from stressnet.audio import Audio, read_audio
from stressnet.errors import AlignmentError, AudioError, LexiconError, MissingPartError
from stressnet.intervals import Alignment, Interval

if TYPE_CHECKING:
    from torchaudio.functional import TokenSpan

BLANKS = ("<blank>", "-", "<pad>", "[PAD]")
_FEWEST_PHONES = 5  # Networks for letters have no tokens like `AH`; those for phones have dozens


def forced_spans(
    log_probs: NDArray[np.float32], targets: Sequence[int], blank: int = 0
) -> list[TokenSpan]:
    """The best path of a CTC network: frames ``[start, end)`` and mean log probability by target.

    ``log_probs``, shape (n_frames, n_tokens), are normalised per frame; ``targets`` are the tokens
    to be found, in order, without blanks.
    """
    import torch
    from torchaudio import functional

    repeats = sum(a == b for a, b in pairwise(targets))
    if len(log_probs) < len(targets) + repeats or not targets:
        raise AlignmentError(
            f"{len(log_probs)} frames cannot hold {len(targets)} tokens; check that audio and "
            f"transcript belong together"
        )
    emissions = torch.from_numpy(np.ascontiguousarray(log_probs, dtype=np.float32))[None]
    labels = torch.tensor([list(targets)], dtype=torch.int32)
    path, scores = functional.forced_align(emissions, labels, blank=blank)
    spans: list[TokenSpan] = functional.merge_tokens(path[0], scores[0], blank=blank)
    return spans


class CtcAligner(Aligner):
    """Words, and phones if the network's tokens are phones, by a CTC network.

    A word's confidence is the mean log probability of its tokens. Nothing is random. ``weights`` is
    the name of a torchaudio bundle whose weights are there, or a folder; see the module's text.
    """

    name = "ctc"

    def __init__(self, weights: str | Path = "MMS_FA") -> None:
        self._model, self.tokens = load_network(weights)
        self._blank = next((self.tokens[b] for b in BLANKS if b in self.tokens), None)
        if self._blank is None:
            raise MissingPartError(
                f"{weights}: no blank among its tokens (one of {', '.join(BLANKS)})"
            )

    @cached_property
    def knows_phones(self) -> bool:
        """Whether the tokens are phones, so that the tier of phones can be had."""
        known = {*(phone for phone in segments(arpabet()) if len(phone) == 2), *"ɪʊɛɔəʃʒŋɲʎɾɡ"}
        return len(known & set(segments(tuple(self.tokens)))) >= _FEWEST_PHONES

    def _results(self, batch: Batch) -> Iterator[Result]:
        # `batch.jobs` is unused: the network's own threads do the work.
        for utterance in batch.asked:
            yield self._align_one(utterance, batch.pronounce)

    def _align_one(self, utterance: Utterance, pronounce: Pronounce) -> Result:
        if not utterance.words:
            return utterance.failure("no words", "the transcript is empty; fill it in")
        try:
            audio = read_audio(utterance.audio_path, channel=utterance.channel)
            spelled = [self._spelled(word, pronounce) for word in utterance.words]
            emissions = self.emissions(audio)
            return self._from_emissions(utterance.words, spelled, emissions, audio.duration_s)
        except AudioError as error:
            return utterance.unreadable(error)
        except LexiconError as error:
            return utterance.failure("no pronunciation", str(error))
        except AlignmentError as error:
            return utterance.failure("too short", str(error))

    def emissions(self, audio: Audio) -> NDArray[np.float32]:
        """Log probabilities of the network's tokens, shape (n_frames, n_tokens)."""
        import torch

        samples = torch.from_numpy(np.array(audio.samples, dtype=np.float32))[None]
        with torch.inference_mode():
            logits, _ = self._model(samples)
        return np.asarray(torch.log_softmax(logits[0], dim=-1).numpy())

    def _spelled(self, word: str, pronounce: Pronounce) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """A word's phones or letters, as labels and as the network's tokens."""
        labels = tuple(pronounce(word)[0]) if self.knows_phones else tuple(word.lower())
        indices = []
        for label in labels:
            bare = label.rstrip("012")
            forms = (label, bare, label.upper(), label.lower(), bare.rstrip("ː"))
            index = next((self.tokens[form] for form in forms if form in self.tokens), None)
            if index is not None:
                indices.append(index)
            elif self.knows_phones:
                raise LexiconError(f"'{word}' has the phone '{label}', which the network lacks")
        if not indices:
            raise LexiconError(f"'{word}' has no letter that the network knows; spell it out")
        return labels, tuple(indices)

    def _from_emissions(
        self,
        words: Sequence[str],
        spelled: Sequence[tuple[tuple[str, ...], tuple[int, ...]]],
        emissions: NDArray[np.float32],
        duration_s: float,
    ) -> Alignment:
        """The alignment of given emissions, whose frames divide the duration evenly."""
        targets = [index for _, indices in spelled for index in indices]
        spans = forced_spans(emissions, targets, int(self._blank or 0))
        frame_s = duration_s / len(emissions)
        remaining = iter(spans)
        groups = [list(islice(remaining, len(indices))) for _, indices in spelled]
        confidence = tuple(float(np.mean([s.score for s in group])) for group in groups)
        if self.knows_phones:
            paths = [
                WordPath(labels, _edges_s(group, frame_s))
                for (labels, _), group in zip(spelled, groups, strict=True)
            ]
            return to_alignment(words, paths, duration_s, self.name, confidence)
        spoken = [
            Interval(frame_s * group[0].start, min(frame_s * group[-1].end, duration_s), word)
            for word, group in zip(words, groups, strict=True)
        ]
        tier = with_pauses(spoken, duration_s)
        return Alignment(tier, (), source=self.name, confidence=confidence)


def _edges_s(group: Sequence[TokenSpan], frame_s: float) -> tuple[float, ...]:
    """Edges of phones that touch: blanks between two belong half to each."""
    inner = [0.5 * (a.end + b.start) for a, b in pairwise(group)]
    return tuple(frame_s * edge for edge in (group[0].start, *inner, group[-1].end))


def load_network(weights: str | Path) -> tuple[Any, Mapping[str, int]]:
    """A Wav2Vec2 network and its tokens, by bundle or folder."""
    try:
        from torchaudio import models, pipelines
    except (ImportError, OSError) as error:
        raise MissingPartError(f"the aligner 'ctc' needs torchaudio: {error}") from error
    folder = Path(weights)
    if folder.is_dir():
        return _from_folder(folder, models)
    bundle = getattr(pipelines, str(weights), None)
    if bundle is None or not hasattr(bundle, "get_labels"):
        raise MissingPartError(
            f"'{weights}' is neither a folder nor a torchaudio bundle with tokens, e.g. MMS_FA"
        )
    return _from_bundle(str(weights), bundle)


def _from_bundle(name: str, bundle: Any) -> tuple[Any, Mapping[str, int]]:
    import torch

    url = f"https://download.pytorch.org/torchaudio/models/{bundle._path}"
    if "://" in bundle._path:
        url = bundle._path
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        raise MissingPartError(
            f"the weights of {name} are not at {file}; nothing is downloaded unasked: get {url} "
            f"(check its licence) and put it there, or give a folder with a checkpoint"
        )
    starless = {"with_star": False} if name == "MMS_FA" else {}
    tokens = bundle.get_labels(star=None) if name == "MMS_FA" else bundle.get_labels()
    return bundle.get_model(**starless).eval(), {t: i for i, t in enumerate(tokens)}


def _from_folder(folder: Path, models: Any) -> tuple[Any, Mapping[str, int]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tokens = (folder / "tokens.txt").read_text(encoding="utf-8").split()
        network = models.wav2vec2_model(**config)
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except OSError as error:
        raise MissingPartError(
            f"{folder}: cannot be read ({error}); a checkpoint is config.json, model.safetensors "
            f"and tokens.txt"
        ) from error
    except (ValueError, TypeError, RuntimeError, SafetensorError) as error:
        message = " ".join(str(error).split())[:300]
        raise MissingPartError(f"{folder}: not a checkpoint of Wav2Vec2 ({message})") from error
    if config.get("aux_num_out") != len(tokens):
        raise MissingPartError(
            f"{folder}: {len(tokens)} tokens, but the network has {config.get('aux_num_out')} "
            f"outputs; make tokens.txt fit"
        )
    return network.eval(), {token: index for index, token in enumerate(tokens)}
