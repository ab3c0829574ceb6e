"""Lhotse manifests: supervisions or cuts with alignments (``.jsonl``, ``.jsonl.gz``).

Lhotse prepares several dozen corpora; whatever has word and phone alignments in its manifests can
be used here. Needs the optional part ``stressnet[lhotse]``. Times are those of the recording, as in
Lhotse's alignment items of supervisions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stressnet.alignment.encoding import nfc
from stressnet.alignment.readers.options import Alignments, ReadOptions, made_interval
from stressnet.errors import AlignmentError, MissingPartError
from stressnet.intervals import Alignment, Interval

_WORDS, _PHONES = ("word", "words"), ("phone", "phones", "phoneme", "phonemes")


def read_lhotse(path: Path, options: ReadOptions) -> Alignments:
    """Alignments of a manifest, by recording; supervisions of one recording are joined.

    Raises
    ------
    MissingPartError
        If Lhotse is not installed.
    AlignmentError
        If the manifest cannot be read or holds no word alignments.
    """
    tiers: dict[str, tuple[list[Interval], list[Interval]]] = {}
    for supervision in _supervisions(path):
        if options.speaker is not None and supervision.speaker not in (None, options.speaker):
            continue
        if options.channel is not None and str(supervision.channel) != options.channel:
            continue
        alignment = supervision.alignment or {}
        words, phones = tiers.setdefault(nfc(str(supervision.recording_id)), ([], []))
        words += _items(alignment, _WORDS)
        phones += _items(alignment, _PHONES)
    found = {
        name: Alignment(
            tuple(sorted(words, key=lambda i: i.start_s)),
            tuple(sorted(phones, key=lambda i: i.start_s)),
            source="lhotse",
        )
        for name, (words, phones) in tiers.items()
        if words
    }
    if not found:
        raise AlignmentError(
            f"{path}: no supervision has an alignment named 'word'; align the manifest first, "
            "e.g. with 'lhotse workflows align-with-torchaudio'"
        )
    return found


def _items(alignment: dict[str, Any], names: tuple[str, ...]) -> list[Interval]:
    found = [alignment[name] for name in names if name in alignment]
    items: list[Any] = found[0] if found else []
    return [made_interval(item.start, item.end, nfc(item.symbol)) for item in items]


def _supervisions(path: Path) -> Any:
    """Supervisions of a manifest, those of cuts moved to the time of their recordings."""
    try:
        from lhotse import CutSet, load_manifest
    except ImportError as error:
        raise MissingPartError(
            f"{path}: reading Lhotse manifests needs Lhotse; pip install 'stressnet[lhotse]'"
        ) from error
    try:
        manifest = load_manifest(path)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AssertionError,
        json.JSONDecodeError,
    ) as error:
        raise AlignmentError(
            f"{path}: Lhotse cannot read it as a manifest ({error}); check that it is one of "
            "supervisions or cuts"
        ) from error
    if isinstance(manifest, CutSet):
        return [
            supervision.with_offset(cut.start)
            for cut in manifest
            for supervision in cut.supervisions
        ]
    if not hasattr(manifest, "__iter__") or any(
        not hasattr(item, "alignment") for item in _first(manifest)
    ):
        raise AlignmentError(
            f"{path}: a Lhotse manifest without supervisions; give the one of supervisions or cuts"
        )
    return manifest


def _first(manifest: Any) -> list[Any]:
    return [item for item, _ in zip(manifest, range(1), strict=False)]
