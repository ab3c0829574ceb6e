"""Where a lab word's cue is, on any spectrogram axes, from the parameters of its synthesis.

=================  =================================================================================
cue                cells that are true
=================  =================================================================================
F0 (level, peak)   bands around all harmonics in the vowel, half a main lobe to either side
F1, F2, F3         the formant's band in the vowel (:class:`~stressnet.regions.scene.BandRule`)
reduction          the bands of F1 and F2
tilt               the vowel from 1 kHz upwards
consonant          the noise before the vowel: burst and aspiration, or frication
intensity          the whole vowel
duration           from the vowel's offset to the word's end, where everything moves, and what the
                   window smears beside them
=================  =================================================================================

``wide`` adds what the analysis window smears: half its length in time and a main lobe in frequency.
For F0 it also holds the vowel below 1 kHz, where unresolved harmonics change the envelope; for tilt
the whole vowel, since the other half of the balance is there; for duration everything from the
vowel's onset on, padding included.

Intensity and duration have cells that differ between the classes, but none of their own: louder
cells are the same cells, and later ones are elsewhere. Their masks say where something changes;
:attr:`~stressnet.lab.designs.Design.true_regions` is empty for them.
"""

from typing import NamedTuple

import numpy as np

from stressnet.acoustics.spectrogram import SpectrogramPreset, TokenSpectrogram, compute
from stressnet.axes import BoolArray
from stressnet.intervals import Interval
from stressnet.lab.candidates import TILT_SPLIT_HZ, grown
from stressnet.lab.designs import CueRule, Design, get_design
from stressnet.lab.plans import LEAD_S, noise_spans
from stressnet.lab.words import LabWord
from stressnet.regions.scene import Scene, TokenTimes

_FORMANT = {"f1": (0,), "f2": (1,), "f3": (2,), "reduction": (0, 1)}
_HALF = 0.5


class Truth(NamedTuple):
    """True cells of a word (n_bins, n_frames), none without a cue, and the same with a margin."""

    truth: BoolArray
    wide: BoolArray


def word_image(word: LabWord, preset: SpectrogramPreset) -> TokenSpectrogram:
    """The spectrogram of a word under a preset."""
    return compute(preset, word.audio, word.sample_rate_hz, word.start_s, word.end_s)


def word_times(word: LabWord) -> TokenTimes:
    """Phones, nuclei and syllables from the word's onset, with silence on both sides."""
    recording_s = len(word.audio) / word.sample_rate_hz
    return TokenTimes.from_phones(
        word.phones,
        (1, 3),  # the vowels and the syllables' first phones, in CVCV and CVCVC
        (0, 2),
        word.stress,
        origin_s=word.start_s,
        word=Interval(word.start_s, word.end_s, word.word),
        beside=(Interval(0.0, word.start_s, ""), Interval(word.end_s, recording_s, "")),
    )


def word_scene(word: LabWord, preset: SpectrogramPreset, sound: BoolArray | None = None) -> Scene:
    """What region masks are drawn from: true times and true tracks, and which frames have sound."""
    return Scene(
        times=word_times(word),
        tracks=word.tracks,
        axes=preset.axes(),
        sound=word_image(word, preset).mask if sound is None else sound,
        resolution_hz=preset.resolution_hz,
    )


def cue_truth(
    word: LabWord,
    preset: SpectrogramPreset,
    *,
    scene: Scene | None = None,
    design: Design | str | None = None,
) -> Truth:
    """Where a word's cue is, or where that of another design would be."""
    scene = scene or word_scene(word, preset)
    design = get_design(word.design if design is None else design)
    truth = np.zeros(scene.axes.shape, dtype=bool)
    wide = truth.copy()
    for rule in design.rules:
        for vowel in rule.vowels:
            core, around = _masks(rule, vowel, word, scene, preset)
            truth |= core
            wide |= core | around
    # What the window smears: a main lobe up and down, half a window left and right.
    axes = preset.axes()
    bins = int(np.ceil(preset.resolution_hz / axes.frequency_step_hz))
    frames = int(np.ceil(0.5 * preset.window_s / axes.time_step_s))
    return Truth(truth, wide | grown(truth, bins, frames))


def _masks(
    rule: CueRule, vowel: int, word: LabWord, scene: Scene, preset: SpectrogramPreset
) -> tuple[BoolArray, BoolArray]:
    """True cells of one cue in one vowel, and cells beside them that belong to the margin."""
    nucleus = scene.times.nuclei[vowel - 1]
    frames = scene.in_time(nucleus) >= _HALF
    every_bin = np.ones(scene.axes.shape[0], dtype=bool)
    low = scene.axes.frequency_hz < TILT_SPLIT_HZ
    nothing = np.zeros(scene.axes.shape, dtype=bool)
    if rule.cue in ("f0_level", "f0_peak"):
        return _harmonics(scene) & frames, np.outer(low, frames)
    if rule.cue in _FORMANT:
        bands = scene.formant_bands[list(_FORMANT[rule.cue])] >= _HALF
        return bands.any(axis=0) & frames, nothing
    if rule.cue == "tilt":
        return np.outer(~low, frames), np.outer(low, frames)
    if rule.cue == "intensity":
        return np.outer(every_bin, frames), nothing
    if rule.cue == "consonant":
        start, end = (t - LEAD_S for t in noise_spans(word.plan)[vowel - 1])
        return np.outer(every_bin, scene.in_time(Interval(start, end, "")) >= _HALF), nothing
    smear_s = 0.5 * preset.window_s
    moved = Interval(nucleus.end_s - smear_s, scene.times.word.end_s + smear_s, "")
    after = scene.axes.time_s >= nucleus.start_s
    return np.outer(every_bin, scene.in_time(moved) >= _HALF), np.outer(every_bin, after)


def _harmonics(scene: Scene) -> BoolArray:
    """Cells within half a main lobe of a harmonic, but no less than the next bin."""
    f0_hz = scene.f0_at_frames
    frequency_hz = scene.axes.frequency_hz[:, None]
    number = np.maximum(np.round(frequency_hz / np.where(np.isfinite(f0_hz), f0_hz, 1.0)), 1)
    distance_hz = np.abs(frequency_hz - number * f0_hz)
    reach_hz = 0.5 * max(scene.resolution_hz, scene.axes.frequency_step_hz)
    return np.where(np.isfinite(distance_hz), distance_hz, np.inf) <= reach_hz
