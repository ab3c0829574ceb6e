"""Where a continuum begins and ends: what an INITIAL-like and a FINAL-like version of a word are.

Ends come from class means or from the other member of a minimal pair, as ``docs/manipulation.md``
explains. Means are the speaker's where there are enough tokens, else those of all speakers of that
sex, else of all; ``source`` says which. A speaker whose few tokens put the two classes the other
way round than all speakers do counts as having too few. Formants are pooled relative to each
speaker's own mean, so that no vocal tract enters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from stressnet.errors import ConfigError, ManipulationError, check_names
from stressnet.languages import ENGLISH, Language, language
from stressnet.lexicon.pronunciation import bare
from stressnet.manipulation.cues import CUES, ManipulatedCue, Pair, get_cue

EndpointKind = Literal["class", "pair"]
KINDS: tuple[EndpointKind, ...] = ("class", "pair")

MIN_TOKENS = 5  # Tokens of each class that a mean must rest on

UNREDUCED = frozenset({"AH", "IH", "IY", "ER", "OW", "UW"})
"""English vowels that also stand unstressed as themselves; the others reduce to the schwa, AH."""

_SCHWA = "AH"


@dataclass(frozen=True)
class Endpoint:
    """Both ends of one cue's continuum for one token."""

    cue: str
    # Values of its two nuclei as recorded, and at the INITIAL-like and the FINAL-like end, on the
    # cue's scale (`stressnet.manipulation.cues`).
    natural: Pair
    initial: Pair
    final: Pair
    # `speaker`, `sex` or `all`: whose means; for formants of both vowels, joined by `+` where they
    # differ.
    source: str
    # Tokens behind the ends; for formants stressed and unstressed vowels, the smaller number of the
    # two nuclei; 1 where the token itself is the end.
    n_initial: int
    n_final: int

    def at(self, position: float) -> Pair:
        """Values at a position from 0 (INITIAL-like) to 1 (FINAL-like); 0.5 is neutral."""
        first, second = (
            i + position * (f - i) for i, f in zip(self.initial, self.final, strict=True)
        )
        return first, second

    @property
    def range(self) -> float:
        """How far the contrast moves from the INITIAL-like end to the FINAL-like one."""
        return (self.final[0] - self.final[1]) - (self.initial[0] - self.initial[1])


Mean = tuple[float, int]  # A mean, and how many values it rests on


class Reference:
    """The measured cues of a corpus, asked for endpoints."""

    def __init__(
        self, cues: pd.DataFrame, min_tokens: int = MIN_TOKENS, spoken: Language | None = None
    ) -> None:
        if min_tokens < 1:
            raise ConfigError("min_tokens must be 1 or more")
        self.spoken = spoken or language(ENGLISH)
        self.min_tokens = min_tokens
        table = cues[cues["stress"].isin(["INITIAL", "FINAL"])].reset_index(drop=True)
        keep = ["token_id", "speaker", "sex", "word", "stress", "nucleus_1", "nucleus_2"]
        columns: dict[str, Any] = {name: table[name].astype(object) for name in keep}
        columns["sex"] = table["sex"].fillna("").astype(str)
        for cue in CUES:
            for k in (1, 2):
                values = table[f"nucleus_{k}_{cue.column}"].to_numpy(np.float64, na_value=np.nan)
                if cue.is_formant:
                    flag = table[f"nucleus_{k}_formants_suspect"].astype("boolean")
                    values = np.where(flag.fillna(True).to_numpy(bool), np.nan, values)
                with np.errstate(invalid="ignore", divide="ignore"):
                    scaled = np.log2(values) if cue.is_log2 else values
                columns[f"{cue.name}_{k}"] = scaled
        self.tokens = pd.DataFrame(columns)
        self.vowels = self._vowels()
        self._contrasts = cache(self._find_contrasts)
        self._formant = cache(self._find_formant)
        self._speaker_mean = cache(self._find_speaker_mean)

    def endpoint(self, row: Mapping[Any, Any], cue: str, kind: EndpointKind = "class") -> Endpoint:
        """Both ends of one cue's continuum for one token."""
        check_names("endpoints", [kind], KINDS)
        which = get_cue(cue)
        if row["stress"] not in ("INITIAL", "FINAL"):
            raise ManipulationError(f"{cue}: the word's stress is not known, so it has no own end")
        natural = which.values(row)
        if not np.isfinite(natural).all():
            number = 1 if not np.isfinite(natural[0]) else 2
            raise ManipulationError(f"{cue}: could not be measured in vowel {number}")
        if kind == "pair":
            return self._from_pair(row, which, natural)
        if which.is_formant:
            return self._from_vowels(row, which, natural)
        return self._from_contrasts(row, which, natural)

    def endpoints(
        self, row: Mapping[Any, Any], cues: Sequence[str], kind: EndpointKind = "class"
    ) -> tuple[dict[str, Endpoint], dict[str, str]]:
        """Ends of several cues; those that have none, with the reason."""
        found: dict[str, Endpoint] = {}
        missing: dict[str, str] = {}
        for cue in cues:
            try:
                found[cue] = self.endpoint(row, cue, kind)
            except ManipulationError as error:
                missing[cue] = str(error)
        return found, missing

    # -- class means -------------------------------------------------------------------------------

    def _from_contrasts(
        self, row: Mapping[Any, Any], cue: ManipulatedCue, natural: Pair
    ) -> Endpoint:
        direction = 0.0
        first, second = self._contrasts(cue.name, "all", "")
        if first is not None and second is not None:
            direction = np.sign(first[0] - second[0])
        for source, value in self._groups(row):
            initial, final = self._contrasts(cue.name, source, value)
            if initial is None or final is None:
                continue
            if source != "all" and np.sign(initial[0] - final[0]) != direction:
                continue
            one, other = (_around(natural, mean[0]) for mean in (initial, final))
            return Endpoint(cue.name, natural, one, other, source, initial[1], final[1])
        raise ManipulationError(
            f"{cue.name}: fewer than {self.min_tokens} measured tokens of a class in the corpus"
        )

    def _find_contrasts(self, cue: str, source: str, value: str) -> tuple[Mean | None, Mean | None]:
        part = self._part(self.tokens, source, value)
        contrast = part[f"{cue}_1"] - part[f"{cue}_2"]
        initial, final = (
            self._mean(contrast[part["stress"] == stress]) for stress in ("INITIAL", "FINAL")
        )
        return initial, final

    def _from_vowels(self, row: Mapping[Any, Any], cue: ManipulatedCue, natural: Pair) -> Endpoint:
        stressed = 0 if row["stress"] == "INITIAL" else 1
        other, sources, counts = [], [], []
        for k in (0, 1):
            vowel = bare(str(row[f"nucleus_{k + 1}"]))
            effect, source, *n = self._stress_effect(row, cue, vowel, is_stressed=k == stressed)
            other.append(natural[k] - effect if k == stressed else natural[k] + effect)
            sources.append(source)
            counts.append(n)
        initial, final = natural, (other[0], other[1])
        if stressed == 1:
            initial, final = final, initial
        source = "+".join(dict.fromkeys(sources))
        n_initial, n_final = np.min(counts, axis=0).tolist()
        return Endpoint(cue.name, natural, initial, final, source, n_initial, n_final)

    def _stress_effect(
        self, row: Mapping[Any, Any], cue: ManipulatedCue, vowel: str, *, is_stressed: bool
    ) -> tuple[float, str, int, int]:
        """Stressed minus unstressed of a vowel, whose means, and how many vowels each rests on.

        In other languages than English a vowel is compared with itself, and where it does not stand
        unstressed, with the first reduced vowel that does.
        """
        others = [vowel]
        if is_stressed and self.spoken.is_english:
            others = [vowel if vowel in UNREDUCED else _SCHWA]
        elif is_stressed:
            others = list(dict.fromkeys([vowel, *map(bare, self.spoken.reduced)]))
        for other, (source, value) in product(others, self._groups(row)):
            with_stress = self._formant(cue.name, source, value, vowel, True)
            without = self._formant(cue.name, source, value, other, False)
            if with_stress is not None and without is not None:
                return with_stress[0] - without[0], source, with_stress[1], without[1]
        raise ManipulationError(
            f"{cue.name}: fewer than {self.min_tokens} measured vowels {vowel} with stress or "
            f"{' or '.join(others)} without in the corpus"
        )

    def _find_formant(
        self, cue: str, source: str, value: str, vowel: str, is_stressed: bool
    ) -> Mean | None:
        part = self._part(self.vowels, source, value)
        chosen = (part["vowel"] == vowel) & (part["is_stressed"] == is_stressed)
        return self._mean(part.loc[chosen, cue])

    def _vowels(self) -> pd.DataFrame:
        """All nuclei with their formants re the speaker's mean, in log2."""
        formants = [cue.name for cue in CUES if cue.is_formant]
        parts = []
        for k, stress in ((1, "INITIAL"), (2, "FINAL")):
            part = self.tokens[["speaker", "sex"]].copy()
            part["vowel"] = [bare(str(label)) for label in self.tokens[f"nucleus_{k}"]]
            part["is_stressed"] = (self.tokens["stress"] == stress).to_numpy(bool)
            for name in formants:
                part[name] = self.tokens[f"{name}_{k}"]
            parts.append(part)
        vowels = pd.concat(parts, ignore_index=True)
        vowels[formants] -= vowels.groupby("speaker")[formants].transform("mean")
        return vowels

    # -- minimal pairs -----------------------------------------------------------------------------

    def _from_pair(self, row: Mapping[Any, Any], cue: ManipulatedCue, natural: Pair) -> Endpoint:
        tokens = self.tokens
        others = tokens[(tokens["word"] == row["word"]) & (tokens["stress"] != row["stress"])]
        columns = [f"{cue.name}_1", f"{cue.name}_2"]
        for source, value in self._groups(row):
            part = self._part(others, source, value)[["speaker", *columns]].dropna()
            if not len(part):
                continue
            first, second = (float(part[column].mean()) for column in columns)
            other: Pair = (first, second)
            if not cue.is_formant:
                other = _around(natural, first - second)
            elif source != "speaker":
                away = self._speaker_mean(cue.name, row["speaker"]) - np.mean(
                    [self._speaker_mean(cue.name, speaker) for speaker in part["speaker"]]
                )
                if not np.isfinite(away):
                    continue
                other = (first + float(away), second + float(away))
            is_initial = row["stress"] == "INITIAL"
            initial, final = (natural, other) if is_initial else (other, natural)
            counts = (1, len(part)) if is_initial else (len(part), 1)
            return Endpoint(cue.name, natural, initial, final, source, *counts)
        raise ManipulationError(
            f"{cue.name}: no measured token of {row['word']} with the other stress in the corpus"
        )

    def _find_speaker_mean(self, cue: str, speaker: Any) -> float:
        part = self.tokens[self.tokens["speaker"] == speaker]
        values = part[[f"{cue}_1", f"{cue}_2"]].to_numpy(np.float64)
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    # -- groups ------------------------------------------------------------------------------------

    @staticmethod
    def _groups(row: Mapping[Any, Any]) -> list[tuple[str, str]]:
        """From the narrowest group to the widest."""
        sex = row["sex"]
        known = isinstance(sex, str) and sex != ""
        return [
            ("speaker", str(row["speaker"])),
            *([("sex", str(sex))] if known else []),
            ("all", ""),
        ]

    @staticmethod
    def _part(table: pd.DataFrame, source: str, value: str) -> pd.DataFrame:
        return table if source == "all" else table[table[source].astype(str) == value]

    def _mean(self, values: pd.Series) -> Mean | None:
        found = values.dropna()
        return (float(found.mean()), len(found)) if len(found) >= self.min_tokens else None


def _around(natural: Pair, contrast: float) -> Pair:
    """Two values with a given difference and the mean of the natural ones."""
    middle = 0.5 * (natural[0] + natural[1])
    return middle + 0.5 * contrast, middle - 0.5 * contrast
