"""Cue weights from two cues at a time, beside what is known of listeners.

Listeners' cue weights come from words in which two cues are changed independently in five to seven
steps each: a logistic regression of the answers on both steps, each standardised over the
stimuli, gives two coefficients, and their absolute values divided by their sum are the weights
(Holt & Lotto 2006, *JASA* 119:3059-3071). Here the same is done with a network's answers.

A weight compares cues over the ranges that the stimuli span, from INITIAL-like to FINAL-like; with
other end points there are other weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from stressnet.errors import ConfigError
from stressnet.manipulation.logistic import fit_logistic
from stressnet.manipulation.psychometric import answers_of, clusters_of
from stressnet.statistics.jackknife import spread_of
from stressnet.statistics.twoway import infer

STEPS_OF_LISTENERS = (5, 7)
"""Fewest and most steps per cue in the listeners' studies below."""

NEEDED = ("token_id", "speaker", "word", "cue_1", "cue_2", "step_1", "step_2", "logit_difference")
"""Columns that responses to two cues must have."""

COLUMNS = (
    *("cue_1", "cue_2", "n_steps_1", "n_steps_2", "n_stimuli", "n_tokens", "n_speakers", "n_words"),
    *("coefficient_1", "coefficient_1_low", "coefficient_1_high"),
    *("coefficient_2", "coefficient_2_low", "coefficient_2_high"),
    *("weight_1", "weight_1_low", "weight_1_high", "weight_2", "weight_2_low", "weight_2_high"),
    *("stronger", "reason"),
)
"""Columns of :func:`cue_weights`."""


@dataclass(frozen=True)
class ListenerStudy:
    """What a study found about people.

    Parameters
    ----------
    study : str
        Authors and year.
    about : {"perception", "production"}
        Whether people judged or spoke.
    who : str
        Language and design.
    n_steps : int
        Steps per cue; 0 where the design had none or it is not known.
    finding : str
        In words.
    stronger : tuple of (str, str)
        Pairs of cues of which the first was found to be the stronger.
    source : str
        Where it was read.
    """

    study: str
    about: str
    who: str
    n_steps: int
    finding: str
    stronger: tuple[tuple[str, str], ...]
    source: str


def _ranked(*cues: str) -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for i, a in enumerate(cues) for b in cues[i + 1 :])


def _over_quality(*cues: str) -> tuple[tuple[str, str], ...]:
    """Every measure of vowel quality weaker than these cues."""
    return tuple((cue, quality) for cue in cues for quality in VOWEL_QUALITY)


VOWEL_QUALITY = ("reduction", "f1", "f2")
"""Cues that are vowel quality."""

LISTENERS = (
    ListenerStudy(
        "Fry 1955-65, re-ranked by Koffi",
        "perception",
        "English",
        0,
        "F0 > duration > intensity > vowel quality",
        (*_ranked("f0", "duration", "intensity"), *_over_quality("f0", "duration", "intensity")),
        "repository.stcloudstate.edu/stcloud_ling/vol7/iss1/2",
    ),
    ListenerStudy(
        "Tremblay et al. 2021",
        "perception",
        "English and Dutch listeners, DEsert/deSSERT, two cues at a time",
        7,
        "vowel reduction is a strong cue for English listeners; Dutch listeners rely less on it "
        "and more on pitch",
        (),
        "ouci.dntb.gov.ua/en/works/7WdWbzD4",
    ),
    ListenerStudy(
        "Lee 2022",
        "perception",
        'English and Korean listeners, "object"',
        5,
        "vowel quality weighs most",
        tuple(("reduction", cue) for cue in ("f0", "duration", "intensity")),
        "eksss.org pss-14-4-19",
    ),
    ListenerStudy(
        "Sluijter & van Heuven 1996, perception twin",
        "perception",
        "Dutch",
        0,
        "high-band intensity nearly as strong as duration",
        (("duration", "tilt"),),
        "scilit.com/publications/2fb11b2f",
    ),
    ListenerStudy(
        "Bruggeman, Yu & Cutler 2022",
        "perception",
        "English listeners",
        0,
        "suprasegmental cues are largely ignored because schwa marks most unstressed syllables",
        tuple(("reduction", cue) for cue in ("f0", "duration", "intensity")),
        "mpi.nl item3379288",
    ),
    ListenerStudy(
        "Catalan speakers' perception of word stress in unaccented contexts",
        "perception",
        "English, unaccented",
        0,
        "formant differences of reduction are the consistent cue; no single cue is indispensable, "
        "cues trade",
        (),
        "repositori.upf.edu/handle/10230/27269",
    ),
    ListenerStudy(
        "Fry 1954/55",
        "production",
        "English, 6 noun/verb pairs, 12 American speakers",
        0,
        "the vowels change most in duration and intensity, other parts stay nearly constant; the "
        "two cues trade",
        (),
        "mendeley.com catalogue 38c965e6",
    ),
    ListenerStudy(
        "Sluijter & van Heuven 1996",
        "production",
        "Dutch, 10 speakers, minimal pairs",
        0,
        "duration best, spectral balance (> 0.5 kHz) close second, overall intensity and vowel "
        "quality poorest",
        (
            ("duration", "tilt"),
            *((one, "intensity") for one in ("duration", "tilt")),
            *_over_quality("duration", "tilt"),
        ),
        "docslib.org/doc/5423860",
    ),
    ListenerStudy(
        "Severijnen et al. 2022",
        "production",
        "38 speakers, 744 tokens, 10 vowels",
        0,
        "spectral tilt and overall intensity equally good; tilt ahead only for /a:/",
        (),
        "hrbosker.github.io",
    ),
    ListenerStudy(
        "Fuchs 2016",
        "production",
        "Southern British English /I/, 614 tokens, 10 men",
        0,
        "stress is tilt, intensity, H1 and A1 measures; F1 perhaps; F2 unrelated",
        (("tilt", "f2"), ("intensity", "f2")),
        "sites.google.com/site/sp2016enhancedproceedings/p321a",
    ),
)
"""Studies of listeners and speakers; none of the sources read gives weights as numbers, so what can
be compared is which of two cues is the stronger."""


def cue_weights(
    responses: pd.DataFrame, *, answers: str = "decision", level: float = 0.95
) -> pd.DataFrame:
    """Weights of two cues against each other, for every pair of cues.

    Parameters
    ----------
    responses : DataFrame
        One row per stimulus with columns :data:`NEEDED`; steps count from INITIAL-like to
        FINAL-like, ``logit_difference`` is INITIAL minus FINAL.
    answers : {"decision", "probability"}
        What a network answers.
    level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row per pair of cues with :data:`COLUMNS`. Coefficients are log odds of FINAL per
        standard deviation of the steps; weights are their absolute values over their sum.
        ``stronger`` names a cue if the interval of the weights excludes one half.

    Raises
    ------
    ConfigError
        If a column is missing or there is nothing to fit.
    """
    missing = [name for name in NEEDED if name not in responses.columns]
    if missing:
        raise ConfigError(f"responses lack columns {', '.join(missing)}")
    if responses.empty:
        raise ConfigError("no responses to two cues")
    rows = [
        _row(str(one), str(other), part, answers, level)
        for (one, other), part in responses.groupby(["cue_1", "cue_2"], sort=False)
    ]
    return pd.DataFrame(rows)[list(COLUMNS)]


def _row(one: str, other: str, part: pd.DataFrame, answers: str, level: float) -> dict[str, Any]:
    steps = part[["step_1", "step_2"]].to_numpy(np.float64)
    clusters = clusters_of(part)
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    row |= {
        "cue_1": one,
        "cue_2": other,
        "n_steps_1": part["step_1"].nunique(),
        "n_steps_2": part["step_2"].nunique(),
        "n_stimuli": len(part),
        "n_tokens": part["token_id"].nunique(),
        "n_speakers": len(np.unique(clusters["speakers"])),
        "n_words": len(np.unique(clusters["words"])),
        "stronger": "",
        "reason": "",
    }
    y = answers_of(part, answers)
    if y.min() == y.max() and y.min() in (0.0, 1.0):
        return row | {"reason": f"always {'FINAL' if y.min() else 'INITIAL'}"}
    if min(row["n_steps_1"], row["n_steps_2"]) < 2:
        return row | {"reason": "a cue has only one step"}
    z = (steps - steps.mean(axis=0)) / steps.std(axis=0)
    return row | _weights(z, y, clusters, level, (one, other))


def _weights(
    z: ArrayLike,
    y: ArrayLike,
    clusters: Mapping[str, ArrayLike],
    level: float,
    names: tuple[str, str],
) -> dict[str, Any]:
    """Coefficients and weights with limits; the latter on the scale of their log ratio."""
    fit = fit_logistic(z, y)
    first, second = (float(value) for value in fit.coefficients[1:])
    each = fit.contributions[:, 1:]
    ratio = (each[:, :1] / first) - (each[:, 1:] / second)
    values = np.array([first, second, np.log(abs(first)) - np.log(abs(second))])
    spread = spread_of(np.column_stack([each, ratio]), clusters)
    found = infer(values, spread, level=level)
    weight, low, high = (float(expit(v[2])) for v in (found.value, found.low, found.high))
    stronger = names[0] if low > 0.5 else names[1] if high < 0.5 else ""
    return {
        "coefficient_1": first,
        "coefficient_1_low": found.low[0],
        "coefficient_1_high": found.high[0],
        "coefficient_2": second,
        "coefficient_2_low": found.low[1],
        "coefficient_2_high": found.high[1],
        "weight_1": weight,
        "weight_1_low": low,
        "weight_1_high": high,
        "weight_2": 1 - weight,
        "weight_2_low": 1 - high,
        "weight_2_high": 1 - low,
        "stronger": stronger,
        "reason": str(found.reason[2]),
    }


def beside_listeners(weights: pd.DataFrame) -> pd.DataFrame:
    """The network's weights beside what studies found about the same two cues.

    Parameters
    ----------
    weights : DataFrame
        From :func:`cue_weights`.

    Returns
    -------
    DataFrame
        One row per study and pair of cues that it ranks: ``study, about, who, n_steps, finding,
        people_stronger, people_weaker, network_stronger`` (empty if undecided),
        ``network_weight`` (of the cue that people weigh more) with limits, ``same``
        (``yes``, ``no``, ``undecided``) and ``source``. Studies without a ranking of these cues
        have one row with the cues left empty.
    """
    rows: list[dict[str, Any]] = []
    for study in LISTENERS:
        about = {
            "study": study.study,
            "about": study.about,
            "who": study.who,
            "n_steps": study.n_steps,
            "finding": study.finding,
        }
        found = [
            {**about, **_compared(row, pair), "source": study.source}
            for pair in study.stronger
            for row in weights.to_dict("records")
            if {row["cue_1"], row["cue_2"]} == set(pair)
        ]
        nothing = {"people_stronger": "", "people_weaker": "", "network_stronger": "", "same": ""}
        nothing |= dict.fromkeys(("network_weight", "network_low", "network_high"), np.nan)  # type: ignore[arg-type]
        rows += found or [{**about, **nothing, "source": study.source}]
    columns = [
        *("study", "about", "who", "n_steps", "finding", "people_stronger", "people_weaker"),
        *("network_stronger", "network_weight", "network_low", "network_high", "same", "source"),
    ]
    return pd.DataFrame(rows)[columns]


def _compared(row: Mapping[Any, Any], pair: tuple[str, str]) -> dict[str, Any]:
    number = 1 if row["cue_1"] == pair[0] else 2
    stronger = str(row["stronger"])
    return {
        "people_stronger": pair[0],
        "people_weaker": pair[1],
        "network_stronger": stronger,
        "network_weight": row[f"weight_{number}"],
        "network_low": row[f"weight_{number}_low"],
        "network_high": row[f"weight_{number}_high"],
        "same": "undecided" if not stronger else "yes" if stronger == pair[0] else "no",
    }


def listeners_text(table: pd.DataFrame) -> str:
    """The comparison for people: one line per study and pair of cues, with its source."""
    lines = []
    for row in table.to_dict("records"):
        steps = f", {row['n_steps']} steps" if row["n_steps"] else ""
        lines.append(f"{row['study']} ({row['about']}; {row['who']}{steps}): {row['finding']}")
        if row["people_stronger"]:
            lines.append(
                f"    {row['people_stronger']} over {row['people_weaker']}; network: weight "
                f"{row['network_weight']:.2f} [{row['network_low']:.2f}, "
                f"{row['network_high']:.2f}], same: {row['same']}"
            )
        lines.append(f"    {row['source']}")
    return "\n".join(dict.fromkeys(lines))
