"""Tiers of ELAN's annotation files (``.eaf``), named as a TextGrid's."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from stressnet.alignment.encoding import nfc
from stressnet.alignment.tier_names import (
    ABOUT_SPEECH,
    PHONE_TIERS,
    UTTERANCE_TIERS,
    WORD_TIERS,
    with_speaker,
)
from stressnet.errors import AlignmentError

_KNOWN = WORD_TIERS | PHONE_TIERS | UTTERANCE_TIERS
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
_DEEPEST = 100  # Longest chain of annotations that refer to others


def elan_tiers(path: Path) -> list[tuple[str, Sequence[object]]]:
    """Tiers that may hold speech, with ``[start_s, end_s, label]`` for each annotation.

    The speaker is the tier's participant or what follows ``@`` in its name. Tiers that depend on
    others count only if they are called words, phones or utterances: the others hold translations,
    glosses and the like. Times that ELAN leaves open lie evenly between their neighbours; what
    refers to an annotation has that one's times.
    """
    from pympi.Elan import Eaf, parse_eaf

    eaf = Eaf()
    eaf.tiers.clear()
    eaf.adocument[_SCHEMA] = ""  # which pympi looks for and not every program writes
    try:
        parse_eaf(str(path), eaf, suppress_version_warning=True)
        times_s = _times_s(eaf.timeslots)
        spans = {
            name: (times_s[first], times_s[last], text)
            for aligned, *_ in eaf.tiers.values()
            for name, (first, last, text, *_) in aligned.items()
        }
        refers = {
            name: (to, text)
            for _, referring, *_ in eaf.tiers.values()
            for name, (to, text, *_) in referring.items()
        }
        tiers = [
            (tier_id, attributes, _entries(aligned, referring, spans, refers))
            for tier_id, (aligned, referring, attributes, _) in eaf.tiers.items()
        ]
    except OSError as error:
        raise AlignmentError(f"{path}: cannot be read ({error.strerror})") from error
    except (MemoryError, AlignmentError):
        raise
    except Exception as error:  # pympi raises Exception itself
        text = " ".join(str(error).split())[:80]
        raise AlignmentError(
            f"{path}: not a file of ELAN ({type(error).__name__}: {text}); save it again in ELAN"
        ) from error
    return _named(tiers)


def _times_s(slots: dict[str, int | None]) -> dict[str, float]:
    """Seconds of all time slots; those without a value lie evenly between their neighbours."""
    import numpy as np

    values = np.array([np.nan if v is None else v for v in slots.values()], dtype=float)
    known = np.isfinite(values)
    places = np.arange(len(values))
    if known.any():
        values = np.interp(places, places[known], values[known])
    return dict(zip(slots, (values / 1000).tolist(), strict=True))


def _entries(
    aligned: dict[str, Any],
    referring: dict[str, Any],
    spans: dict[str, tuple[float, float, str]],
    refers: dict[str, tuple[str, str]],
) -> list[tuple[float, float, str]]:
    entries = [spans[name] for name in aligned]
    for name, (_, text, *_) in referring.items():
        root = name
        for _ in range(_DEEPEST):
            if root in spans:
                break
            root = refers[root][0]
        entries.append((*spans[root][:2], text))
    entries.sort(key=lambda entry: entry[:2])
    return [
        (*span, " ".join(text for *_, text in several))
        for span, several in groupby(entries, key=lambda entry: entry[:2])
    ]


def _named(tiers: Sequence[tuple[str, Any, list[Any]]]) -> list[tuple[str, Sequence[object]]]:
    """Tiers with names such as ``ANNA - words``, or the speaker's alone for utterances."""
    found: list[tuple[str, Sequence[object]]] = []
    people = Counter(attributes.get("PARTICIPANT") for _, attributes, _ in tiers)
    for tier_id, attributes, entries in tiers:
        base, _, speaker = tier_id.partition("@")
        participant = attributes.get("PARTICIPANT") or speaker
        base = nfc(base).lower()
        if base in _KNOWN:
            found.append((with_speaker(nfc(participant), base), entries))
        elif not attributes.get("PARENT_REF") and not ABOUT_SPEECH.search(tier_id):
            found.append((nfc(participant if people[participant] == 1 else tier_id), entries))
    return found
