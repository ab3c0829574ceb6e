"""Pairs of words that differ in stress or in one cue, their images aligned cell by cell.

Patching exchanges activations between two images at the same place, so what stands there must be
the same sound. The **clean** word of a pair is the INITIAL one (or INITIAL-like), the **corrupted**
one FINAL. Three kinds:

``synthetic``
    Words of the lab: one cue is moved, everything else is identical.
``manipulated``
    A token and its resynthesis with one cue moved to the other class (``stressnet manipulate``).
``natural``
    PERmit and perMIT by one speaker, else by two of the same sex. Their durations differ, so both
    are stretched, part by part, to the mean of their landmarks. Pairs of the same word *and* class
    are made by the same rule: what they show is the alignment and the speaker, not stress.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.token_image import image_in_recording
from stressnet.audio import read_audio
from stressnet.axes import Axes, FloatArray
from stressnet.corpus.images import Images
from stressnet.corpus.landmarks import LANDMARK_COLUMNS, SEGMENTS, landmarks_of, warp_columns
from stressnet.errors import CorpusError
from stressnet.lab.designs import DESIGNS
from stressnet.lab.truth import word_image, word_times
from stressnet.lab.words import LabWord, draw_words
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.manipulation.cues import needs_psola
from stressnet.runs.names import inside
from stressnet.runs.problems import Problem, Severity

KINDS = ("natural", "manipulated", "synthetic")

STRESS, NULL = "stress", "same class"
"""What column ``cue`` says of natural pairs of both classes, and of those of one class."""

COLUMNS = (
    *("pair", "word", "speaker", "cue", "clean_id", "corrupted_id"),
    *("clean_stress", "corrupted_stress", "corrupted_speaker"),
)

SINGLE_CUES = sorted(
    (design for design in DESIGNS.values() if len(design.rules) == 1),
    key=lambda design: (2, 1, "relation").index(design.rules[0].where),
)
"""Designs of the lab that move one cue: in the second vowel, in the first, or between them."""

MAX_USES = 3  # Natural pairs that one token enters; the other readings of most words are rare

_NUCLEUS_1_END, _BOUNDARY, _NUCLEUS_2_START = 2, 3, 4
_SAME_S = 1e-6


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, all on the same axes and in the order of the table (:data:`COLUMNS`).

    ``clean`` and ``corrupted``, of shape (n_pairs, n_bins, n_frames), are aligned; ``recorded``,
    (n_pairs, 2, n_bins, n_frames), holds both as they were before. ``landmarks_s``, (n_pairs, 7),
    are the limits of the word's parts in both aligned images, in seconds from its onset.
    """

    table: pd.DataFrame
    clean: NDArray[np.float32]
    corrupted: NDArray[np.float32]
    recorded: NDArray[np.float32]
    landmarks_s: FloatArray
    axes: Axes

    @property
    def parts(self) -> list[dict[str, tuple[float, float]]]:
        """Start and end of the parts of each word, without those it lacks."""
        return [
            {
                name: (start, end)
                for name, start, end in zip(SEGMENTS, times[:-1], times[1:], strict=True)
                if end > start
            }
            for times in self.landmarks_s.tolist()
        ]

    def __len__(self) -> int:
        return len(self.table)

    def tensors(self, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """Clean and corrupted images of some pairs, each of shape (n, 1, n_bins, n_frames)."""
        clean, corrupted = (torch.from_numpy(x[rows]) for x in (self.clean, self.corrupted))
        return clean[:, None], corrupted[:, None]

    @classmethod
    def of(cls, made: Sequence[_Pair], axes: Axes, problems: list[Problem]) -> Pairs:
        """Align pairs; those that cannot be become problems, a `CorpusError` if none is left."""
        rows: list[tuple[Any, ...]] = []
        images, landmarks = [], []
        for word, cue, clean, corrupted in made:
            names = f"{clean.name} and {corrupted.name}"
            common = _common(clean.landmarks_s, corrupted.landmarks_s)
            reason = "" if common else "one lacks a part of the word that the other has"
            if max(clean.end_s, corrupted.end_s) > axes.time_s[-1]:
                reason = "a word is longer than the images"
            if common is None or reason:
                problems.append(Problem(names, "align", Severity.WARNING, reason))
                continue
            target_s, kept = common
            aligned = [_moved(one, kept, target_s[kept], axes) for one in (clean, corrupted)]
            images.append([*aligned, clean.image, corrupted.image])
            landmarks.append(target_s)
            who = (clean.speaker, cue, clean.name, corrupted.name)
            rows.append((len(rows), word, *who, clean.stress, corrupted.stress, corrupted.speaker))
        if not rows:
            raise CorpusError("no pair of words whose images can be aligned; choose other --pairs")
        values = np.asarray(images, dtype=np.float32)
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        return cls(table, values[:, 0], values[:, 1], values[:, 2:], np.array(landmarks), axes)


@dataclass(frozen=True)
class _Word:
    name: str
    speaker: str
    stress: str
    image: NDArray[np.float32]
    landmarks_s: FloatArray

    @property
    def end_s(self) -> float:
        return float(self.landmarks_s[-1])


_Pair = tuple[Any, Any, _Word, _Word]  # Word, cue, the clean and the corrupted image


def _common(one_s: FloatArray, other_s: FloatArray) -> tuple[FloatArray, list[int]] | None:
    """Landmarks of both after alignment, and which of them align; None if the parts differ.

    Where the consonants between the vowels are divided otherwise (REC-ord, re-CORD), they are
    aligned as one stretch, and count to the second onset.
    """
    kept = list(range(len(one_s)))
    target_s = 0.5 * (one_s + other_s)
    lacking = np.array([np.diff(one_s) <= _SAME_S, np.diff(other_s) <= _SAME_S])
    if (lacking[0] != lacking[1])[[_BOUNDARY - 1, _BOUNDARY]].any():
        kept.remove(_BOUNDARY)
        target_s[_BOUNDARY] = target_s[_NUCLEUS_1_END]
        between = [word[_NUCLEUS_2_START] - word[_NUCLEUS_1_END] for word in (one_s, other_s)]
        lacking[:, [_BOUNDARY - 1, _BOUNDARY]] = False
        if min(between) <= _SAME_S < max(between):
            return None
    return (target_s, kept) if (lacking[0] == lacking[1]).all() else None


def _moved(word: _Word, kept: list[int], target_s: FloatArray, axes: Axes) -> NDArray[np.floating]:
    """A word's image with its landmarks at ``target_s``; beyond the image its edges go on."""
    source_s = word.landmarks_s[kept]
    if np.allclose(source_s, target_s, atol=_SAME_S):
        return word.image
    left, weight = warp_columns(axes, source_s, target_s, axes.time_s)
    edge = np.where(axes.time_s < 0, 0, len(axes.time_s) - 2)
    weight = np.where(left < 0, np.where(axes.time_s < 0, 0.0, 1.0), weight)
    left = np.where(left < 0, edge, left)
    return word.image[:, left] * (1 - weight) + word.image[:, left + 1] * weight


# -- natural words ---------------------------------------------------------------------------------


def natural_pairs(
    tokens: pd.DataFrame,
    images: Images,
    path: Path,
    max_pairs: int,
    seed: int,
    problems: list[Problem],
) -> Pairs:
    """Pairs of tokens of one word with both stresses, then pairs with the same stress as a null.

    ``tokens`` are from :meth:`stressnet.corpus.store.Corpus.select`, ``path``, for messages, is the
    corpus. Of each kind there are ``max_pairs`` at most; words take turns. Raises
    :class:`CorpusError` if no word has both stresses, or no pair can be aligned.
    """
    rng = np.random.default_rng([seed, 5])
    tokens = tokens.assign(sex=tokens.get("sex", "")).reset_index(drop=True)
    landmarks = landmarks_of(tokens, path)
    by_word: dict[str, list[list[tuple[Any, Any]]]] = {STRESS: [], NULL: []}
    for _, part in tokens.iloc[rng.permutation(len(tokens))].groupby("word", sort=True):
        classes = [part[part["stress"] == stress.value] for stress in CLASSES]
        if min(map(len, classes)) > 0:
            by_word[STRESS].append(_matched(*classes))
            by_word[NULL].append([p for one in classes for p in _matched(one[::2], one[1::2])])
    if not any(by_word[STRESS]):
        raise CorpusError(
            f"{path}: no word with both stresses by one speaker or two of one sex; use "
            "--pairs synthetic, or manipulated"
        )
    made: list[_Pair] = []
    for cue, groups in by_word.items():
        for rows in list(_in_turn(groups))[:max_pairs]:
            words = []
            for k in rows:
                row: dict[Any, Any] = tokens.loc[k].to_dict()
                image = np.asarray(images.values[row["image"]])
                about = (row["token_id"], row["speaker"], row["stress"])
                words.append(_Word(*about, image, landmarks[k]))
            made.append((row["word"], cue, words[0], words[1]))
    return Pairs.of(made, images.axes, problems)


def _matched(one: pd.DataFrame, other: pd.DataFrame) -> list[tuple[int, int]]:
    """Rows of tokens by the same speaker, then by speakers of the same sex."""
    candidates: list[tuple[Any, Any]] = [
        (row, match)
        for same in ("speaker", "sex")
        for row, name in one[same].items()
        for match in other.index[other[same] == name]
        if name
    ]
    uses: Counter[int] = Counter()
    found: dict[tuple[int, int], None] = {}
    for most in range(1, MAX_USES + 1):
        for pair in candidates:
            if pair not in found and max(uses[row] for row in pair) < most:
                found[pair] = None
                uses.update(pair)
    return list(found)


def _in_turn(groups: Sequence[Sequence[tuple[Any, Any]]]) -> Iterator[tuple[Any, Any]]:
    """The first of every group, then the second, and so on."""
    for number in range(max(map(len, groups), default=0)):
        yield from (group[number] for group in groups if number < len(group))


# -- words with one cue moved ----------------------------------------------------------------------


def manipulated_pairs(
    stimuli: pd.DataFrame,
    folder: Path,
    preset: SpectrogramPreset,
    max_pairs: int,
    problems: list[Problem],
) -> Pairs:
    """Tokens and their resynthesis with one cue moved to the other class.

    Where the resynthesis went through overlap-add, so did the token it is compared with. Cues take
    turns. ``stimuli`` is ``stimuli.parquet`` in a ``folder`` of ``stressnet manipulate``. Raises
    :class:`CorpusError` if the sounds were not kept, or no single cue was moved.
    """
    stimuli = stimuli.set_index("stimulus_id")
    single = stimuli[(stimuli["kind"] == "single") & stimuli["position"].isin([0.0, 1.0])]
    if single.empty or (single["audio_file"] == "").all():
        raise CorpusError(
            f"{folder}: no sound of a word with one cue changed; run 'stressnet manipulate' with "
            "--save-audio"
        )
    by_cue: list[list[tuple[Any, Any]]] = []
    for cue, part in single.groupby("cue", sort=False):
        kind = "resynthesised" if needs_psola([str(cue)]) else "natural"
        # From the class that the token has to the other one.
        away = part[(part["position"] == 1.0) == (part["stress"] == Stress.INITIAL.value)]
        base = away["token_id"] + f"/{kind}"
        by_cue.append([(b, i) for b, i in zip(base, away.index, strict=True) if b in stimuli.index])
    made = []
    for base_id, moved_id in list(_in_turn(by_cue))[:max_pairs]:
        words = [_stimulus(stimuli.loc[one], folder, preset) for one in (base_id, moved_id)]
        if words[0].stress == Stress.FINAL.value:
            words.reverse()
        word, cue = stimuli.loc[moved_id, ["word", "cue"]]
        made.append((word, cue, words[0], words[1]))
    return Pairs.of(made, preset.axes(), problems)


def _stimulus(row: Any, folder: Path, preset: SpectrogramPreset) -> _Word:
    columns = ["word_start_s", *LANDMARK_COLUMNS[1:-1], "word_end_s"]
    times = row[columns].to_numpy(np.float64)
    audio = read_audio(inside(folder, row["audio_file"]))
    image = image_in_recording(preset, audio, times[0], times[-1])
    landmarks_s = np.maximum.accumulate(times - times[0])
    return _Word(str(row.name), row["speaker"], row["stress"], image.values, landmarks_s)


def synthetic_pairs(
    preset: SpectrogramPreset, max_pairs: int, seed: int, problems: list[Problem]
) -> Pairs:
    """Pairs of the lab; :data:`SINGLE_CUES` take turns."""
    designs = SINGLE_CUES[:max_pairs]
    made = []
    for number, design in enumerate(designs):
        n = len(range(number, max_pairs, len(designs)))
        words = draw_words(design, 2 * n, seed, problems=problems)
        for first, second in zip(words[::2], words[1::2], strict=True):
            clean, corrupted = (
                _lab_word(word, preset)
                for word in sorted((first, second), key=lambda word: word.stress is Stress.FINAL)
            )
            made.append((first.word, design.name, clean, corrupted))
    return Pairs.of(made, preset.axes(), problems)


def _lab_word(word: LabWord, preset: SpectrogramPreset) -> _Word:
    times = word_times(word)
    first, second = times.nuclei
    landmarks_s = [
        *(0.0, first.start_s, first.end_s, times.syllables[1].start_s),
        *(second.start_s, second.end_s, times.word.end_s),
    ]
    image = word_image(word, preset).values
    return _Word(word.word_id, word.voice, word.stress.value, image, np.array(landmarks_s))
