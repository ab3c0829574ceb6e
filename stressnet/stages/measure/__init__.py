"""Measure acoustic cues to stress in the tokens of CORPUS; write tables into OUT.

Duration, F0, intensity, spectral balance and tilt, H1*-A3*, formants and vowel space, for both
syllables and as first minus second. One row per token in cues.parquet and cues.csv; every
column is explained in docs/cues.md.
"""

from dataclasses import dataclass
from typing import Any

from stressnet.errors import ConfigError
from stressnet.runs import ANY_CORPUS, Stage, option

CEILINGS = ("auto", "sex", "optimise", "smoothest")
"""How formant ceilings are found; the methods of :mod:`stressnet.acoustics.speakers`."""


@dataclass(frozen=True)
class MeasureConfig:
    """How cues are measured."""

    pitch_method: str = option(
        "filtered-ac",
        flag="--pitch",
        choices=("filtered-ac", "raw-ac"),
        help="Pitch tracking: autocorrelation as Praat 6.4 recommends for intonation, or the raw "
        "one.",
    )
    expressive: bool = option(
        False, help="Pitch ceiling 2.5 instead of 1.5 times the speaker's upper quartile."
    )
    ceiling: str = option(
        "auto",
        help="Formant ceiling: auto (by sex; optimised where the sex is unknown), sex, optimise, "
        "smoothest, or hertz.",
    )
    contours: int = option(
        0,
        minimum=0,
        help="Write F0 and intensity at so many points, equally far apart, of each vowel and word "
        "(contours.parquet, contours.csv).",
        default_text="none",
    )

    def __post_init__(self) -> None:
        is_number = self.ceiling.replace(".", "", 1).isdecimal()
        if self.ceiling not in CEILINGS and not is_number:
            raise ConfigError(
                f"ceiling = '{self.ceiling}': neither {', '.join(CEILINGS)} nor a number of hertz"
            )

    @property
    def f0_ceiling_factor(self) -> float:
        """Pitch ceiling per upper quartile of the speaker."""
        return 2.5 if self.expressive else 1.5

    @property
    def ceiling_method(self) -> Any:
        """The method, or hertz for everyone."""
        return self.ceiling if self.ceiling in CEILINGS else float(self.ceiling)


measure_corpus = Stage(
    "measure",
    config=MeasureConfig,
    kind="cues",
    inputs=(ANY_CORPUS,),
    text="stressnet.stages.measure.run:measured_text",
    items="tokens could not be measured",
    has_jobs=True,
)
