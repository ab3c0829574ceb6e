"""What is measured: every cue with its unit, where it is measured, and how syllables are compared.

``docs/cues.md`` defines each cue and says what the columns are called. The comparison is always
first minus second syllable (or first by second), never stressed minus unstressed, so that nothing
in the table knows the stress.
"""

from dataclasses import dataclass
from typing import Literal

SYLLABLE, NUCLEUS = "syllable", "nucleus"
BOTH = (SYLLABLE, NUCLEUS)
VOWEL = (NUCLEUS,)

BANDS_HZ: tuple[tuple[int, int], ...] = ((0, 500), (500, 1000), (1000, 2000), (2000, 4000))
"""The four bands of spectral balance (Sluijter & van Heuven 1996)."""

Contrast = Literal["difference", "log2_ratio"]


@dataclass(frozen=True)
class Cue:
    """One measured quantity, named with its unit, of a family such as ``f0``.

    ``contrast`` is how the two syllables are compared; None where another cue's contrast says the
    same.
    """

    name: str
    group: str
    domains: tuple[str, ...]
    contrast: Contrast | None = "difference"
    is_flag: bool = False

    def contrast_column(self, domain: str) -> str | None:
        """Column of the comparison of both syllables, None if there is none."""
        if self.contrast is None:
            return None
        if self.contrast == "difference":
            return f"{domain}_diff_{self.name}"
        bare = self.name.removesuffix("_hz").removesuffix("_s")  # a ratio has no unit
        return f"{domain}_log2ratio_{bare}"


def band_name(low_hz: int, high_hz: int) -> str:
    """Cue name of a band's level."""
    return f"level_{low_hz}_{high_hz}_hz_db"


CUES: tuple[Cue, ...] = (
    Cue("duration_s", "duration", BOTH, "log2_ratio"),
    Cue("relative_duration", "duration", BOTH),
    Cue("f0_mean_hz", "f0", BOTH, None),
    Cue("f0_max_hz", "f0", BOTH, None),
    Cue("f0_mean_st", "f0", BOTH),
    Cue("f0_max_st", "f0", BOTH),
    Cue("f0_slope_st_per_s", "f0", BOTH),
    Cue("voiced_fraction", "f0", BOTH),
    Cue("intensity_mean_db", "intensity", BOTH),
    Cue("intensity_max_db", "intensity", BOTH),
    *(Cue(band_name(*band), "spectral balance", VOWEL) for band in BANDS_HZ),
    Cue("spectral_emphasis_db", "spectral balance", VOWEL),
    Cue("spectral_tilt_db", "spectral balance", VOWEL),
    Cue("h1_a3_corrected_db", "voice quality", VOWEL),
    *(Cue(f"f{k}_hz", "formants", VOWEL, "log2_ratio") for k in range(1, 5)),
    *(Cue(f"b{k}_hz", "formants", VOWEL, "log2_ratio") for k in range(1, 5)),
    Cue("peripherality_bark", "vowel quality", VOWEL),
    Cue("is_reduced", "vowel quality", VOWEL, None, is_flag=True),
    Cue("formants_suspect", "formants", VOWEL, None, is_flag=True),
)

WORD_COLUMNS: tuple[str, ...] = (  # Cues of the whole token
    *("word_duration_s", "word_relative_duration", "word_f0_mean_hz", "word_f0_mean_st"),
    *("word_f0_range_st", "word_voiced_fraction", "word_intensity_mean_db"),
    "speech_rate_syllables_per_s",
)

ID_COLUMNS: tuple[str, ...] = (
    *("token_id", "utterance_id", "speaker", "sex", "word", "family", "stress", "label_source"),
    *("is_minimal_pair", "is_prosody_only_pair", "split", "nucleus_1", "nucleus_2"),
)
"""Columns copied from the corpus so that the table can be used alone; no cue is made of them."""


def cue_columns(n_syllables: int = 2) -> list[str]:
    """Names of the measured columns, syllable by syllable, in the order of the table."""
    return [
        f"{domain}_{k}_{cue.name}"
        for domain in BOTH
        for k in range(1, n_syllables + 1)
        for cue in CUES
        if domain in cue.domains
    ]


def contrast_columns() -> dict[str, Cue]:
    """Names of the comparisons of both syllables in the order of the table, with their cues."""
    return {
        column: cue
        for domain in BOTH
        for cue in CUES
        if domain in cue.domains and (column := cue.contrast_column(domain))
    }


def predictors(contrast: str = "stress") -> dict[str, Cue]:
    """What baselines go by, with the cue of each: comparisons of the two syllables.

    Of another contrast than stress cues of the word, too, which do not depend on where stress is.
    """
    of_word = [name for name in WORD_COLUMNS if not name.endswith(("_hz", "per_s"))]
    of_word = [] if contrast == "stress" else of_word
    return contrast_columns() | {name: Cue(name, "word", ()) for name in of_word}


def table_columns(n_syllables: int = 2, classes: str = "stress") -> list[str]:
    """All columns of ``cues.parquet``, in order; of longer words no comparison of two syllables."""
    longer = [f"nucleus_{k}" for k in range(3, n_syllables + 1)]
    compared = contrast_columns() if n_syllables == 2 else ()
    measured = (*WORD_COLUMNS, *cue_columns(n_syllables), *compared)
    return [*dict.fromkeys((*ID_COLUMNS, classes)), *longer, *measured, "missing_reason"]
