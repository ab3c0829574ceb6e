"""Which cues can be localised targets, and which cues are related to them by nature.

Related are cues that are computed from the target, or measured from the same cells of the image:
the bands' levels in which a formant lies, the syllable's duration for its vowel's, mean and
maximum of F0. They neither count as rivals of the target nor are they taken out of it.
"""

import difflib
import re

from stressnet.acoustics.cue_table import (
    BANDS_HZ,
    CUES,
    NUCLEUS,
    SYLLABLE,
    WORD_COLUMNS,
    band_name,
    cue_columns,
)
from stressnet.errors import ConfigError

QUANTITIES: dict[str, str] = {  # What can be a target, and the lab's name of the cue
    "f1_hz": "f1",
    "f2_hz": "f2",
    "f3_hz": "f3",
    "f0_mean_st": "f0_level",
    "spectral_tilt_db": "tilt",
    "intensity_mean_db": "intensity",
    "duration_s": "duration",
}

FORMANTS = ("f1_hz", "f2_hz", "f3_hz")

TARGETS: tuple[str, ...] = tuple(f"{NUCLEUS}_{k}_{name}" for k in (1, 2) for name in QUANTITIES)
"""Columns of the cue table that can be targets."""

_FLAGS = tuple(cue.name for cue in CUES if cue.is_flag)

COLUMNS: tuple[str, ...] = tuple(
    column for column in (*WORD_COLUMNS, *cue_columns()) if not column.endswith(_FLAGS)
)
"""Cues that a target is compared with: all that are measured on a syllable, a vowel or the word.
Comparisons of both syllables are sums of these, and flags say less than what they are made of."""

_LEVELS = tuple(band_name(*band) for band in BANDS_HZ)
_BALANCE = ("spectral_emphasis_db", "spectral_tilt_db", "h1_a3_corrected_db")
_F0 = ("f0_mean_hz", "f0_max_hz", "f0_mean_st", "f0_max_st", "f0_slope_st_per_s")
_FORMANTS = (*(f"{letter}{n}_hz" for n in range(1, 5) for letter in "fb"), "peripherality_bark")

_RELATED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # The levels are those of bands in which the formant may lie.
    "f1_hz": (("f1_hz", "b1_hz", "peripherality_bark", *_BALANCE, *_LEVELS[:3]), ()),
    "f2_hz": (("f2_hz", "b2_hz", "peripherality_bark", *_BALANCE, *_LEVELS[1:]), ()),
    "f3_hz": (("f3_hz", "b3_hz", *_BALANCE, *_LEVELS[2:]), ()),
    "f0_mean_st": (
        (*_F0, "h1_a3_corrected_db"),
        ("word_f0_mean_hz", "word_f0_mean_st", "word_f0_range_st"),
    ),
    "spectral_tilt_db": ((*_BALANCE, *_LEVELS, *_FORMANTS), ()),
    "intensity_mean_db": (
        ("intensity_mean_db", "intensity_max_db", *_LEVELS),
        ("word_intensity_mean_db",),
    ),
    "duration_s": (
        ("duration_s", "relative_duration"),
        ("word_duration_s", "word_relative_duration"),
    ),
}
"""Per target: cues of the same vowel and its syllable, and cues of the word."""


def parse_target(cue: str) -> tuple[int, str]:
    """Number of the vowel (1 or 2) and name of the quantity; ConfigError for what is no target."""
    match = re.fullmatch(rf"{NUCLEUS}_([12])_(.+)", cue)
    if match is None or match[2] not in QUANTITIES:
        near = difflib.get_close_matches(cue, TARGETS, n=3, cutoff=0.4) or TARGETS[:3]
        raise ConfigError(
            f"no localised target can be made of {cue!r}; try {', '.join(near)} "
            f"({NUCLEUS}_1_ or {NUCLEUS}_2_ with {', '.join(QUANTITIES)})"
        )
    return int(match[1]), match[2]


def parse_natural(text: str) -> tuple[str, float | None]:
    """``COLUMN`` or ``COLUMN:MARGIN`` as the cue and the margin in standard deviations.

    The margin is None if it is left out (:class:`stressnet.lab.localised.TargetRules` has one).
    """
    cue, colon, margin = text.partition(":")
    parse_target(cue)
    try:
        return cue, float(margin) if colon else None
    except ValueError:
        raise ConfigError(
            f"natural:{text}: the margin {margin!r} is no number of standard deviations, e.g. 0.5"
        ) from None


def related_cues(cue: str) -> frozenset[str]:
    """Columns that a target is related to by nature, its own included."""
    number, name = parse_target(cue)
    near, of_word = _RELATED[name]
    parts = (f"{domain}_{number}_{other}" for domain in (NUCLEUS, SYLLABLE) for other in near)
    return frozenset(column for column in (*parts, *of_word) if column in COLUMNS)
