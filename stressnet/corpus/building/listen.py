"""Stage *listen*: the sound of every file is measured once; what cannot be used is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.sound_check import Finding, check_sound
from stressnet.runs.problems import Problem, Severity

if TYPE_CHECKING:
    from stressnet.runs.folder import RunFolder

SoundKey = tuple[Path, int | None]
"""A file and its channel; several speakers may share them."""


def sounds_of(recordings: tuple[Recording, ...]) -> dict[SoundKey, list[Recording]]:
    """Recordings by the sound they are in, each sound once."""
    sounds: dict[SoundKey, list[Recording]] = {}
    for recording in recordings:
        sounds.setdefault((recording.audio_path, recording.channel), []).append(recording)
    return sounds


def _check_one(sound: SoundKey) -> list[Finding]:
    return check_sound(*sound)


def listen(folder: RunFolder, found: Scan) -> Scan:
    """The recordings whose sound can be used; what is wrong becomes problems of the folder."""
    sounds = sounds_of(found.recordings)
    tasks = ((recordings[0].utterance_id, key) for key, recordings in sounds.items())
    lost: set[str] = set()
    results = folder.chunks("listen", tasks, _check_one, total=len(sounds), unit="file")
    for recordings, (_, findings) in zip(sounds.values(), results, strict=True):
        for severity, text in findings:
            items = recordings if severity == Severity.ERROR else recordings[:1]
            folder.problems += [
                Problem(r.utterance_id, "scan", Severity(severity), text) for r in items
            ]
            lost |= {r.utterance_id for r in items} if severity == Severity.ERROR else set()
    kept = tuple(r for r in found.recordings if r.utterance_id not in lost)
    return replace(found, recordings=kept)
