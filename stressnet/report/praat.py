"""Results as Praat's own objects: TextGrid with a tier of relevance, Formant, PitchTier.

Conventions
-----------
Files are written in Praat's text formats, which *Open > Read from file...* understands. Times are
seconds from the beginning of the sound that lies beside them. Formants and pitch are those that
the regions were drawn from, not measured again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.track_types import FormantTrack, PitchTrack
from stressnet.errors import ConfigError, check_names
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions.scene import Scene
from stressnet.report.ipa import syllable_labels
from stressnet.report.phone_relevance import phone_relevance

MEASURES = ("signed_share", "positive_share", "absolute_share", "density", "density_absolute")
"""What a tier of relevance can hold, see :mod:`stressnet.regions.projection`."""


def relevance_tier(
    relevance: NDArray, scene: Scene, *, measure: str = "signed_share", origin_s: float = 0.0
) -> tuple[Interval, ...]:
    """One interval per phone with the phone's share or density of relevance as label.

    Parameters
    ----------
    relevance : ndarray, shape (n_bins, n_frames)
        A map whose positive values speak for INITIAL.
    measure : str
        One of :data:`MEASURES`. Signs are turned towards the token's own class; where the class is
        unknown, positive speaks for INITIAL.
    origin_s : float
        Time of the word's onset in the sound.

    Returns
    -------
    tuple of Interval
        Shares with sign and three decimals (``+0.213``), densities with two; no label where the
        phone lies outside the image.

    Raises
    ------
    ConfigError
        If the measure is unknown.
    """
    check_names("measure", [measure], MEASURES)
    records = phone_relevance(relevance, scene)
    return tuple(
        Interval(phone.start_s + origin_s, phone.end_s + origin_s, _label(record, measure))
        for phone, record in zip(scene.times.phones, records, strict=True)
    )


def _label(record: Mapping[str, object], measure: str) -> str:
    value = float(record[measure])  # type: ignore[arg-type]
    if record["missing"] or not np.isfinite(value):
        return ""
    return f"{value:.2f}" if measure.startswith("density") else f"{value:+.3f}"


def syllable_tier(scene: Scene, origin_s: float = 0.0) -> tuple[Interval, ...]:
    """The two syllables in IPA with their stress marks; times as of :func:`relevance_tier`."""
    pairs = zip(scene.times.syllables, syllable_labels(scene.times), strict=True)
    return tuple(Interval(s.start_s + origin_s, s.end_s + origin_s, label) for s, label in pairs)


def answer_label(said: Stress, p_initial: float, stress: Stress | None) -> str:
    """The network's answer in words: ``INITIAL, p = 0.98, right``."""
    p = p_initial if said is Stress.INITIAL else 1.0 - p_initial
    verdict = "" if stress is None else ", right" if said is stress else ", wrong"
    return f"{said.value}, p = {p:.2f}{verdict}"


def write_formant(
    path: Path | str, track: FormantTrack, duration_s: float, origin_s: float = 0.0
) -> None:
    """Write a Formant object.

    A frame holds the formants below the first one that was not found, since Praat numbers the
    formants of a frame without gaps.

    Parameters
    ----------
    track : FormantTrack
        Evenly spaced frames; time zero is the word's onset.
    origin_s : float
        Time of the word's onset in the sound.

    Raises
    ------
    ConfigError
        If the track has no frame, or its frames are not evenly spaced.
    """
    time_s = track.time_s + origin_s
    step_s = _even_step(path, time_s)
    lines = ['File type = "ooTextFile"', 'Object class = "Formant 2"', ""]
    lines += ["0", _text(duration_s), str(len(time_s)), _text(step_s), _text(time_s[0])]
    lines.append(str(len(track.frequency_hz)))
    found = np.isfinite(track.frequency_hz) & np.isfinite(track.bandwidth_hz)
    for frame in range(len(time_s)):
        n_formants = int(np.argmin(np.append(found[:, frame], False)))
        lines += ["0", str(n_formants)]  # the intensity is not kept with the tracks
        for k in range(n_formants):
            lines.append(_text(track.frequency_hz[k, frame]))
            lines.append(_text(track.bandwidth_hz[k, frame]))
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def write_pitch_tier(
    path: Path | str, track: PitchTrack, duration_s: float, origin_s: float = 0.0
) -> None:
    """Write a PitchTier object with one point per voiced frame; parameters as for
    :func:`write_formant`, frames need not be even."""
    voiced = np.isfinite(track.f0_hz)
    points = zip(track.time_s[voiced] + origin_s, track.f0_hz[voiced], strict=True)
    lines = ['File type = "ooTextFile"', 'Object class = "PitchTier"', ""]
    lines += ["0", _text(duration_s), str(int(voiced.sum()))]
    for time_s, f0_hz in points:
        lines += [_text(time_s), _text(f0_hz)]
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


def _text(value: float) -> str:
    return f"{float(value):.9g}"
