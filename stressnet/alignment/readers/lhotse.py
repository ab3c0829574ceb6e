"""Lhotse manifests: supervisions or cuts with alignments (``.jsonl``, ``.jsonl.gz``).

Lhotse prepares several dozen corpora; whatever has word and phone alignments in its manifests can
be used here. Needs the optional part ``stressnet[lhotse]``. Times are those of the recording, as in
Lhotse's alignment items of supervisions.
"""

import zlib
from pathlib import Path
from typing import Any

from stressnet.alignment.encoding import finite_number, made_interval, nfc, shown
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.errors import AlignmentError, MissingPartError
from stressnet.intervals import Alignment, Interval

# What Lhotse raises for files and values that it does not expect.
_UNREADABLE = (
    OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError,
    ArithmeticError, AssertionError, RecursionError,
)  # fmt: skip
_WORDS, _PHONES = ("word", "words"), ("phone", "phones", "phoneme", "phonemes")


def read_lhotse(path: Path, options: ReadOptions) -> Alignments:
    """Alignments of a manifest by recording; supervisions of one speaker in it are joined."""
    tiers: dict[str, dict[str, tuple[list[Interval], list[Interval]]]] = {}
    for supervision in _supervisions(path):
        if options.channel is not None and str(supervision.channel) != options.channel:
            continue
        alignment = supervision.alignment or {}
        voices = tiers.setdefault(nfc(str(supervision.recording_id)), {})
        words, phones = voices.setdefault(nfc(str(supervision.speaker or "")), ([], []))
        place = f"{path}, supervision '{supervision.id}'"
        words += _items(alignment, _WORDS, place)
        phones += _items(alignment, _PHONES, place)
    alignments = Alignments()
    for name, voices in tiers.items():
        spoken = {
            speaker: Alignment(
                tuple(sorted(words, key=lambda i: i.start_s)),
                tuple(sorted(phones, key=lambda i: i.start_s)),
                source="lhotse",
            )
            for speaker, (words, phones) in voices.items()
            if words
        }
        if spoken:
            alignments.add(name, spoken)
    if not alignments and not alignments.voices:
        raise AlignmentError(
            f"{path}: no supervision has an alignment named 'word'; align the manifest first, "
            "e.g. with 'lhotse workflows align-with-torchaudio'"
        )
    return alignments


def _items(alignment: dict[str, Any], names: tuple[str, ...], place: str) -> list[Interval]:
    items: list[Any] = next((alignment[name] for name in names if name in alignment), [])
    intervals = []
    for item in items:
        start_s = finite_number(item.start, place, "start")
        duration_s = finite_number(item.duration, place, "duration")
        end_s = round(start_s + duration_s, 8)
        intervals.append(made_interval(start_s, end_s, item.symbol, place))
    return intervals


def _supervisions(path: Path) -> list[Any]:
    """Supervisions of a manifest, those of cuts moved to the time of their recordings."""
    try:
        from lhotse import CutSet, load_manifest
    except ImportError as error:
        raise MissingPartError(
            f"{path}: reading Lhotse manifests needs Lhotse; pip install 'stressnet[lhotse]'"
        ) from error
    try:
        manifest = load_manifest(path)
        if isinstance(manifest, CutSet):
            return [
                supervision.with_offset(cut.start)
                for cut in manifest
                for supervision in cut.supervisions
            ]
        supervisions = list(manifest)
    except _UNREADABLE as error:
        raise AlignmentError(
            f"{path}: Lhotse cannot read it as a manifest ({shown(str(error))}); check that it is "
            "one of supervisions or cuts"
        ) from error
    if not all(hasattr(item, "alignment") for item in supervisions):
        raise AlignmentError(
            f"{path}: a Lhotse manifest without supervisions; give the one of supervisions or cuts"
        )
    return supervisions
