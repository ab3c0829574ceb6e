"""Phone sets of alignments: as files have them, and hand-labelled ones folded to ARPAbet.

Hand labels are narrower than a dictionary. What is folded, and why it matters to times:

- **Closures** (TIMIT's ``tcl t``) and releases are one phone, from the closure's start to the
  release's end; a closure without release is the stop itself.
- **Syllabic consonants** (``el em en eng``) are ``AH0`` and the consonant. Nobody labelled where
  one ends and the other begins, so each gets half: the boundary inside is no measurement.
- **Flaps** (``dx``) are ``T`` or ``D`` as the dictionary has it for the word.
- **Glottal stops**: Buckeye's ``tq`` is an allophone of ``T``; TIMIT's ``q`` mostly marks the onset
  of a vowel and is no phone of its own, so it becomes silence.
- ``ax ax-h ix axr`` are unstressed by definition and get the digit 0. Other vowels carry no digit,
  since nobody labelled stress.

Sources: the phone list in TIMIT's ``DOC/PHONCODE.DOC``; Lee & Hon (1989) for the folding of
closures and allophones; the Buckeye corpus manual (Pitt et al. 2007), section 3.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from stressnet.intervals import SILENCE, Alignment, Interval
from stressnet.languages import Language
from stressnet.languages.phones import is_vowel
from stressnet.lexicon.notation import ARPABET, ARPABET_LOWER, FLAP, read
from stressnet.lexicon.pronunciation import Pronunciation

_MOST_PHONES = 100  # in a word; more are looked at in no damaged file

_SAME = (
    "aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w "
    "y z zh"
)
_SHARED: dict[str, tuple[str, ...]] = {
    **{name: (name.upper(),) for name in _SAME.split()},
    "dx": (FLAP,),
    "nx": ("N",),
    "el": ("AH0", "L"),
    "em": ("AH0", "M"),
    "en": ("AH0", "N"),
    "eng": ("AH0", "NG"),
}

TIMIT: dict[str, tuple[str, ...]] = {
    **_SHARED,
    "ax": ("AH0",),
    "ax-h": ("AH0",),
    "ix": ("IH0",),
    "axr": ("ER0",),
    "ux": ("UW",),
    "hv": ("HH",),
    **dict.fromkeys(("h#", "pau", "epi", "q"), ()),
}
"""TIMIT's 61 phones without its six closures; an empty tuple is silence."""

TIMIT_CLOSURES: dict[str, tuple[str, ...]] = {
    "bcl": ("b",),
    "dcl": ("d", "jh"),
    "gcl": ("g",),
    "pcl": ("p",),
    "tcl": ("t", "ch"),
    "kcl": ("k",),
}
"""Closure to the releases it may belong to; the first names a closure without release."""

BUCKEYE: dict[str, tuple[str, ...]] = {
    **_SHARED,
    "tq": ("T",),
    "h": ("HH",),
    # Vowels with n are nasalised; hhn occurs too.
    **{f"{vowel}n": (vowel.upper(),) for vowel in _SAME.split() if is_vowel(vowel.upper())},
    "eln": ("AH0", "L"),
    "hhn": ("HH",),
}
"""Buckeye's phones; other labels are noises or typing errors."""


def fold(
    intervals: Iterable[Interval], phone_set: dict[str, tuple[str, ...]]
) -> tuple[Interval, ...]:
    """Labels of a phone set as ARPAbet."""
    folded: list[Interval] = []
    for interval in intervals:
        folded += _divided(interval, phone_set.get(interval.label.lower(), (interval.label,)))
    return tuple(folded)


def _divided(interval: Interval, phones: tuple[str, ...]) -> tuple[Interval, ...]:
    if len(phones) < 2:
        return (replace(interval, label=phones[0] if phones else SILENCE),)
    middle_s = interval.middle_s
    return (
        Interval(interval.start_s, middle_s, phones[0]),
        Interval(middle_s, interval.end_s, phones[1]),
    )


def merge_closures(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    """TIMIT's closures joined with their releases; see the module's text."""
    merged: list[Interval] = []
    for interval in intervals:
        label = interval.label.lower()
        if merged:
            closure = merged[-1]
            releases = TIMIT_CLOSURES.get(closure.label.lower(), ())
            if label in releases and abs(closure.end_s - interval.start_s) < 1e-6:
                merged[-1] = Interval(closure.start_s, interval.end_s, label)
                continue
        merged.append(interval)
    return tuple(
        replace(i, label=TIMIT_CLOSURES.get(i.label.lower(), (i.label,))[0]) for i in merged
    )


def in_phones_of(alignment: Alignment, language: Language | None = None) -> Alignment:
    """Phones as the package writes those of a language; see `stressnet.lexicon.notation.read`.

    The source of the alignment names their set if it is neither that nor lower-case ARPAbet.
    """
    name, phones = read([phone.label for phone in alignment.spoken_phones()], language)
    if name == ARPABET:
        return alignment
    rest = iter(phones)
    divided = tuple(
        part
        for phone in alignment.phones
        for part in ([phone] if phone.is_silence else _divided(phone, next(rest)))
    )
    source = alignment.source + (f" ({name})" if name != ARPABET_LOWER else "")
    return resolve_flaps(replace(alignment, phones=divided, source=source))


Variants = Callable[[str], Sequence[Pronunciation]]  # A word's; empty if not listed


def resolve_flaps(alignment: Alignment, variants: Variants | None = None) -> Alignment:
    """Every flap as ``T`` or ``D``, by its word's dictionary form; ``T`` where that says nothing.

    The k-th of a word's flaps and intervocalic ``T``/``D`` is the k-th ``T``/``D`` before a vowel
    and after a vowel, ``R`` or ``N`` in the first variant that has as many.
    """
    if not any(phone.label == FLAP for phone in alignment.phones):
        return alignment
    if variants is None:
        from stressnet.lexicon.dictionary import load_dictionary

        variants = load_dictionary(None).variants
    chosen: dict[Interval, str] = {}
    spoken = sorted(alignment.spoken_phones(), key=lambda phone: phone.middle_s)
    middles_s = [phone.middle_s for phone in spoken]
    for word in alignment.spoken_words():
        first = bisect_left(middles_s, word.start_s)
        inside = spoken[first : min(bisect_left(middles_s, word.end_s), first + _MOST_PHONES)]
        places = [
            k
            for k in _weak_places([p.label for p in inside])
            if inside[k].label in (FLAP, "T", "D")
        ]
        if not any(inside[k].label == FLAP for k in places):
            continue
        for variant in variants(word.label):
            segments = variant.segments
            expected = [segments[k] for k in _weak_places(segments) if segments[k] in ("T", "D")]
            if len(expected) == len(places):
                chosen |= {
                    inside[k]: stop
                    for k, stop in zip(places, expected, strict=True)
                    if inside[k].label == FLAP
                }
                break
    phones = tuple(
        replace(phone, label=chosen.get(phone, "T")) if phone.label == FLAP else phone
        for phone in alignment.phones
    )
    return replace(alignment, phones=phones)


def _weak_places(labels: Sequence[str]) -> list[int]:
    """Indices of consonants where English flaps: after a vowel, R or N and before a vowel."""
    return [
        k
        for k in range(1, len(labels) - 1)
        if (is_vowel(labels[k - 1]) or labels[k - 1] in ("R", "N")) and is_vowel(labels[k + 1])
    ] + ([len(labels) - 1] if len(labels) > 1 and is_vowel(labels[-2]) else [])
