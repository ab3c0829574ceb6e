"""Results as Praat's own objects: TextGrid with a tier of relevance, Formant, PitchTier.

Conventions
-----------
Files are written in Praat's text formats, which *Open > Read from file...* understands. Times are
seconds from the beginning of the sound that lies beside them. Formants and pitch are those that
the regions were drawn from, not measured again.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.track_types import FormantTrack, PitchTrack
from stressnet.alignment.textgrid import read_textgrid, write_textgrid
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, check_names
from stressnet.intervals import Alignment, Interval
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.scene import Scene
from stressnet.report.explorer.tokens import Method
from stressnet.report.ipa import syllable_labels
from stressnet.report.run import probability_of
from stressnet.report.word_data import phone_relevance
from stressnet.runs.names import safe_name
from stressnet.runs.problems import Problem, Severity

MEASURES = ("signed_share", "positive_share", "absolute_share", "density", "density_absolute")
"""What a tier of relevance can hold, see :mod:`stressnet.regions.projection`."""


def relevance_tier(
    relevance: NDArray,
    scene: Scene,
    *,
    measure: str = "signed_share",
    origin_s: float = 0.0,
    towards_class: bool = True,
) -> tuple[Interval, ...]:
    """One interval per phone with the phone's share or density of relevance as label.

    ``relevance`` (shape (n_bins, n_frames)): a map whose positive values speak for INITIAL.
    ``measure``: one of :data:`MEASURES`. Signs are turned towards the token's own class; where the
    class is unknown, positive speaks for INITIAL. Returns shares with sign and three decimals
    (``+0.213``), densities with two; no label where the phone lies outside the image. Raises
    `ConfigError` if the measure is unknown.
    """
    check_names("measure", [measure], MEASURES)
    records = phone_relevance(relevance, scene, towards_class=towards_class)
    return tuple(
        Interval(phone.start_s + origin_s, phone.end_s + origin_s, _label(record, measure))
        for phone, record in zip(scene.times.phones, records, strict=True)
    )


def _label(record: Mapping[str, Any], measure: str) -> str:
    value = float(record[measure])
    if record["missing"] or not np.isfinite(value):
        return ""
    return f"{value:.2f}" if measure.startswith("density") else f"{value:+.3f}"


def syllable_tier(scene: Scene, origin_s: float = 0.0) -> tuple[Interval, ...]:
    """The syllables in IPA with their stress marks; times as of :func:`relevance_tier`."""
    pairs = zip(scene.times.syllables, syllable_labels(scene.times), strict=True)
    return tuple(Interval(s.start_s + origin_s, s.end_s + origin_s, label) for s, label in pairs)


def answer_label(said: str, probability: float, own: str | None) -> str:
    """The network's answer in words: ``INITIAL, p = 0.98, right``."""
    verdict = "" if own is None else ", right" if said == own else ", wrong"
    certainty = f", p = {probability:.2f}" if probability == probability else ""
    return f"{said}{certainty}{verdict}"


def write_formant(
    path: Path | str, track: FormantTrack, duration_s: float, origin_s: float = 0.0
) -> None:
    """Write a Formant object.

    A frame holds the formants below the first one that was not found, since Praat numbers the
    formants of a frame without gaps. ``track``: evenly spaced frames; time zero is the word's
    onset. Raises `ConfigError` if the track has no frame, or its frames are not evenly spaced.
    """
    time_s = track.time_s + origin_s
    step_s = _even_step(path, time_s)
    numbers = [duration_s, len(time_s), step_s, time_s[0], len(track.frequency_hz)]
    measured = np.isfinite(track.frequency_hz) & np.isfinite(track.bandwidth_hz)
    n_formants = np.logical_and.accumulate(measured, axis=0).sum(axis=0)
    pairs = np.stack([track.frequency_hz, track.bandwidth_hz], axis=-1)
    for frame, n in enumerate(n_formants):
        # The intensity, which comes first, is not kept with the tracks.
        numbers += [0, n, *pairs[:n, frame].ravel()]
    _write(path, "Formant 2", numbers)


def write_pitch_tier(
    path: Path | str, track: PitchTrack, duration_s: float, origin_s: float = 0.0
) -> None:
    """Write a PitchTier object with one point per voiced frame; parameters as for
    :func:`write_formant`, frames need not be even."""
    voiced = np.isfinite(track.f0_hz)
    points = np.stack([track.time_s[voiced] + origin_s, track.f0_hz[voiced]], axis=1)
    _write(path, "PitchTier", [duration_s, len(points), *points.ravel()])


def _write(path: Path | str, kind: str, numbers: Iterable[float]) -> None:
    """Write an object that begins at zero, one number a line."""
    head = ['File type = "ooTextFile"', f'Object class = "{kind}"', "", "0"]
    lines = [*head, *(f"{float(number):.9g}" for number in numbers)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _even_step(path: Path | str, time_s: NDArray[np.float64]) -> float:
    if len(time_s) == 0:
        raise ConfigError(f"{path}: a formant track without frames cannot be written for Praat")
    if len(time_s) == 1:
        return 0.005
    steps = np.diff(time_s)
    if np.ptp(steps) > 1e-6:
        raise ConfigError(f"{path}: the frames of the formant track are not evenly spaced")
    return float(steps.mean())


class PraatWriter:
    """Writes the files of tokens and utterances; the first run's preset gives a token's times."""

    def __init__(self, corpus: Corpus, methods: Sequence[Method], measure: str, out: Path) -> None:
        self.corpus, self.methods, self.measure, self.out = corpus, methods, measure, out
        names = {m.run.preset_name for m in methods}
        self.readers = {name: SceneReader(corpus, name) for name in sorted(names)}
        self.rows: dict[Any, Any] = corpus.tokens.set_index("token_id").to_dict("index")

    def utterance(self, token_id: str) -> str:
        """The utterance of a token."""
        return str(self.rows[token_id]["utterance_id"])

    def write_token(self, token_id: str) -> list[Problem]:
        """Four files; a token without formants lacks one of them and a problem says so."""
        row, name = self.rows[token_id], safe_name(token_id)
        audio = self.corpus.excerpt(token_id)
        scene = self.readers[self.methods[0].run.preset_name].scene(token_id)
        origin_s = float(row["start_s"]) - float(row["excerpt_start_s"])
        word = Interval(origin_s, origin_s + scene.times.word.end_s, str(row["word"]).lower())
        words = Alignment((word,), tuple(p.shifted(origin_s) for p in scene.times.phones))
        tiers = self._tiers(token_id, origin_s, audio.duration_s)
        tiers = {"syllables": syllable_tier(scene, origin_s), **tiers}
        write_textgrid(self.out / f"{name}.TextGrid", words, audio.duration_s, tiers)
        shutil.copyfile(self.corpus.excerpt_file(token_id), self.out / f"{name}.flac")
        pitch = self.out / f"{name}.PitchTier"
        write_pitch_tier(pitch, scene.tracks.pitch, audio.duration_s, origin_s)
        try:
            formant = self.out / f"{name}.Formant"
            write_formant(formant, scene.tracks.formants, audio.duration_s, origin_s)
        except ConfigError as error:
            return [Problem(token_id, "praat", Severity.WARNING, str(error))]
        return []

    def write_utterance(self, utterance_id: str, token_ids: Sequence[str]) -> None:
        """The recording's TextGrid with relevance where there is some."""
        alignment = read_textgrid(self.corpus.textgrid_file(utterance_id))
        end_s = max(part.end_s for part in (*alignment.words, *alignment.phones))
        tiers: dict[str, tuple[Interval, ...]] = {}
        for token_id in sorted(token_ids, key=lambda t: float(self.rows[t]["start_s"])):
            added = self._tiers(token_id, float(self.rows[token_id]["start_s"]), end_s)
            for name, intervals in added.items():
                tiers[name] = (*tiers.get(name, ()), *intervals)
        write_textgrid(self.out / f"{safe_name(utterance_id)}.TextGrid", alignment, end_s, tiers)

    def _tiers(
        self, token_id: str, origin_s: float, duration_s: float
    ) -> dict[str, tuple[Interval, ...]]:
        """Tiers ``network`` and ``relevance`` of every method that has a map of the token."""
        tiers: dict[str, tuple[Interval, ...]] = {}
        for method in self.methods:
            if token_id not in method.run:
                continue
            scene = self.readers[method.run.preset_name].scene(token_id)
            row, relevance = method.run.row(token_id), method.run.map_of(token_id)
            contrast = method.run.contrast
            own, said = row[contrast.column], row[contrast.predicted]
            label = answer_label(said, probability_of(row, contrast), own)
            end_s = min(origin_s + scene.times.word.end_s, duration_s)
            suffix = "" if len(self.methods) == 1 else f" ({method.label})"
            tiers[f"network{suffix}"] = (Interval(origin_s, end_s, label),)
            tiers[f"relevance{suffix}"] = relevance_tier(
                -relevance if contrast.is_pair and own == contrast.classes[-1] else relevance,
                scene,
                measure=self.measure,
                origin_s=origin_s,
                towards_class=False,
            )
        return tiers
