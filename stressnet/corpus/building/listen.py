"""Stage *listen*: the sound of every file is measured once; what cannot be used is left out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.sound_check import check_sound
from stressnet.runs.problems import Problem, Severity

if TYPE_CHECKING:
    from stressnet.runs.folder import RunFolder


def _check_one(sound: tuple[Path, int | None]) -> dict[str, Any]:
    return asdict(check_sound(*sound))


def listen(folder: RunFolder, found: Scan) -> Scan:
    """The recordings whose sound can be used, each with the time that somebody speaks.

    What is wrong becomes problems of the folder.
    """
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
