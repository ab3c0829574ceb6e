"""Stages *listen* and *fit*: is the sound of use, and do the words sound like it?

Every file is measured once, and what cannot be used is left out; later the words that were aligned
are compared with the recording they were found in.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from stressnet.alignment.fit import fit_to_sound
from stressnet.audio import read_stretches
from stressnet.corpus.building.expect import LANGUAGE
from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.sound_check import check_sound
from stressnet.errors import AudioError
from stressnet.intervals import Alignment
from stressnet.runs.folder import RunFolder
from stressnet.runs.problems import Problem, Severity, warnings_about


def _check_one(sound: tuple[Path, int | None]) -> dict[str, Any]:
    return asdict(check_sound(*sound))


def listen(folder: RunFolder, found: Scan) -> Scan:
    """The recordings whose sound can be used, each with the time that somebody speaks."""
    # Several speakers may share a file and its channel.
    sounds: dict[tuple[Path, int | None], list[Recording]] = {}
    for recording in found.recordings:
        sounds.setdefault((recording.audio_path, recording.channel), []).append(recording)
    tasks = ((recordings[0].utterance_id, key) for key, recordings in sounds.items())
    kept: dict[str, Recording] = {}
    results = folder.chunks("listen", tasks, _check_one, total=len(sounds), unit="file")
    for recordings, (_, sound) in zip(sounds.values(), results, strict=True):
        for severity, text in sound["findings"]:
            items = recordings if severity == Severity.ERROR else recordings[:1]
            folder.problems += [
                Problem(r.utterance_id, "scan", Severity(severity), text) for r in items
            ]
        if not any(severity == Severity.ERROR for severity, _ in sound["findings"]):
            speech_s = sound["speech_s"] and tuple(sound["speech_s"])
            kept |= {r.utterance_id: replace(r, speech_s=speech_s) for r in recordings}
    in_order = (kept.get(recording.utterance_id) for recording in found.recordings)
    return replace(found, recordings=tuple(filter(None, in_order)))


FEWEST_WRONG, MOST_WRONG = 3, 1 / 3  # From so many, and such a share, the corpus is wrong

LONGEST_S = 600.0  # Of longer recordings the beginning is looked at, which is enough


def _fit_one(task: tuple[Recording, Alignment]) -> tuple[str, str] | None:
    """Severity and what is wrong, if words and sound do not fit."""
    recording, alignment = task
    span_s = (0.0, min(LONGEST_S, recording.duration_s))
    try:
        (sound,), _ = read_stretches(recording.audio_path, [span_s], channel=recording.channel)
    except AudioError:
        return None  # reported when the tokens are cut
    fit = fit_to_sound(alignment, sound.samples)
    if fit is None or fit.severity is None:
        return None
    severity = fit.severity if recording.alignment_path is None else Severity.WARNING
    return severity.value, f"{recording.audio_path}: {fit.text}"


def check_fit(folder: RunFolder, found: Scan, aligned: Mapping[str, Alignment]) -> Scan:
    """The recordings that say what an aligner was told that they say.

    What does not fit, or may not, becomes problems of the folder. Phones that came with the corpus
    are taken at their word; where words came with times, it is never more than a warning.
    """
    tasks = (
        (recording.utterance_id, (recording, alignment))
        for recording in found.recordings
        if recording.utterance_id in aligned
        for alignment in [aligned[recording.utterance_id]]
        if alignment.confidence is not None
    )
    refused: set[str] = set()
    n = n_wrong = 0
    for name, wrong in folder.chunks("fit", tasks, _fit_one, unit="utt"):
        n += 1
        if wrong is not None:
            n_wrong += 1
            folder.problems.append(Problem(name, "align", Severity(wrong[0]), wrong[1]))
            if wrong[0] == Severity.ERROR:
                refused.add(name)
    if n_wrong >= FEWEST_WRONG and n_wrong > MOST_WRONG * n:
        text = (
            f"the words of {n_wrong} of {n} recordings do not, or hardly, fit their sound; are "
            f"these their transcripts, and is this {found.recordings[0].language.name}?"
        )
        folder.problems += warnings_about("", LANGUAGE, [text])
    kept = tuple(r for r in found.recordings if r.utterance_id not in refused)
    return replace(found, recordings=kept)
