"""The TOML of ``stressnet stats``: what is compared with what, checked entry by entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

from stressnet.errors import ConfigError
from stressnet.runs.toml_file import entry, read_toml, typed
from stressnet.statistics.claims import CLAIM_PAIRS, RATIO_MARGIN, SHARE_MARGIN

DEFAULT_STRATA = (
    *("stress", "correct", "pair", "unstressed_vowel", "vowel", "sex", "corpus", "duration"),
    *("phrase_position", "pitch_prominence"),
)

EXAMPLE = resources.files("stressnet.statistics").joinpath("example.toml").read_text("utf-8")
"""A TOML file with every entry, at its default, and what it means."""


@dataclass(frozen=True)
class RunEntry:
    """``[[run]]``: a run, the network it explains, and its training seed."""

    path: str
    network: str = ""
    seed: int = -1
    corpus: str = ""
    corpus_name: str = ""


@dataclass(frozen=True)
class ContrastEntry:
    """``[[contrast]]``: two regions of the same tokens."""

    region: str
    other: str
    measures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StrataContrastEntry:
    """``[[strata_contrast]]``: two levels of a stratum."""

    stratum: str
    level: str
    other: str


@dataclass(frozen=True)
class ModelEntry:
    """``[[model]]``: a mixed-effects model of the log ratio of two densities, or to a null."""

    name: str
    region: str
    other: str = ""
    null: str = ""
    measure: str = "density"
    fixed: list[str] = field(default_factory=lambda: ["stress"])
    offset: float = 0.05


@dataclass(frozen=True)
class ClaimsEntry:
    """``[claims]``: smallest effects of interest."""

    ratio_margin: float = RATIO_MARGIN
    share_margin: float = SHARE_MARGIN
    strata: list[str] = field(
        default_factory=lambda: ["stress", "correct", "pair", "phrase_position", "pitch_prominence"]
    )


@dataclass(frozen=True)
class OptionsEntry:
    """``[options]``."""

    max_tokens_in_models: int = 5000


DEFAULT_MODELS = (
    ModelEntry("syllables", "syllable_stressed", other="syllable_unstressed"),
    ModelEntry("vowel_and_consonants", "nucleus_stressed", other="consonants"),
    *(
        ModelEntry(f"{track}_and_null", f"{track}_stressed", null="exchange")
        for track in ("F1", "F2", "F3", "F0")
    ),
)
"""Fitted where the TOML names no models."""

DEFAULT_CONTRASTS = (
    *(ContrastEntry(a, b) for a, b in CLAIM_PAIRS),
    ContrastEntry("nucleus_stressed", "nucleus_unstressed"),
)


@dataclass(frozen=True)
class StatsConfig:
    """What ``stressnet stats`` computes; see :data:`EXAMPLE` for the meaning of entries."""

    run: list[RunEntry]
    measures: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    nulls: list[str] = field(default_factory=list)
    strata: list[str] = field(default_factory=lambda: list(DEFAULT_STRATA))
    strata_are_default: bool = True
    word_unit: str = "family"
    level: float = 0.95
    contrast: list[ContrastEntry] = field(default_factory=lambda: list(DEFAULT_CONTRASTS))
    strata_contrast: list[StrataContrastEntry] | None = None
    model: list[ModelEntry] = field(default_factory=lambda: list(DEFAULT_MODELS))
    models_are_default: bool = True
    claims: ClaimsEntry = field(default_factory=ClaimsEntry)
    options: OptionsEntry = field(default_factory=OptionsEntry)

    def level_pairs(self) -> dict[str, Sequence[tuple[str, str]]] | None:
        """Levels to contrast per stratum; None for all pairs of small strata."""
        if self.strata_contrast is None:
            return None
        pairs: dict[str, list[tuple[str, str]]] = {}
        for one in self.strata_contrast:
            pairs.setdefault(one.stratum, []).append((one.level, one.other))
        return dict(pairs)


_LISTS: dict[str, type] = {
    "run": RunEntry,
    "contrast": ContrastEntry,
    "strata_contrast": StrataContrastEntry,
    "model": ModelEntry,
}
_SECTIONS: dict[str, type] = {"claims": ClaimsEntry, "options": OptionsEntry}
_PLAIN = ("measures", "regions", "nulls", "strata", "word_unit", "level")


def open_analysis(path: Path) -> StatsConfig:
    """The analysis that a TOML file describes, or the default one of a run folder."""
    return config_for_run(path) if path.is_dir() else read_config(path)


def read_config(path: Path) -> StatsConfig:
    """Read and check a TOML file."""
    return parse_config(read_toml(path, ConfigError), path)


def config_for_run(path: Path) -> StatsConfig:
    """Defaults for one run folder."""
    return StatsConfig(run=[RunEntry(str(path.resolve()))])


def parse_config(data: Mapping[str, Any], path: Path) -> StatsConfig:
    """Check the content of a TOML file; paths become absolute, relative to ``path``."""
    known = [*_PLAIN, *_LISTS, *_SECTIONS, "models"]
    for name in data:
        if name not in known:
            raise ConfigError(
                f"{path}: unknown entry '{name}'; known are {', '.join(known)} "
                f"(see stressnet stats --example)"
            )
    values: dict[str, Any] = {}
    types = get_type_hints(StatsConfig)
    for name in _PLAIN:
        if name in data:
            values[name] = typed(data[name], types[name], f"{path}: {name}", ConfigError)
    for name, kind in _LISTS.items():
        if name in data:
            entries = data[name]
            if not isinstance(entries, list):
                raise ConfigError(f"{path}: '{name}' must be written [[{name}]]")
            where = f"[[{name}]]"
            values[name] = [entry(kind, one, path, where, ConfigError) for one in entries]
    for name, kind in _SECTIONS.items():
        if name in data:
            values[name] = entry(kind, data[name], path, f"[{name}]", ConfigError)
    if not values.get("run"):
        raise ConfigError(f"{path}: lacks [[run]], the runs to compare; see stats --example")
    for run in values["run"]:
        if "\0" in run.path + run.corpus:
            raise ConfigError(f"{path}: [[run]] {run.path!r} holds a NUL, as no path does")
    values["run"] = [
        replace(
            run,
            path=str((path.parent / run.path).resolve()),
            corpus=str((path.parent / run.corpus).resolve()) if run.corpus else "",
        )
        for run in values["run"]
    ]
    if "contrast" in values:
        values["contrast"] = [*DEFAULT_CONTRASTS[: len(CLAIM_PAIRS)], *values["contrast"]]
    values["strata_are_default"] = "strata" not in values
    values["models_are_default"] = "model" not in values
    if data.get("models", True) is not True:
        if data["models"] is not False or "model" in values:
            raise ConfigError(f"{path}: models = false excludes [[model]] and other values")
        values["model"] = []
    config = StatsConfig(**values)
    _check(config, path)
    return config


def _check(config: StatsConfig, path: Path) -> None:
    if not 0 < config.level < 1:
        raise ConfigError(f"{path}: level = {config.level} must lie between 0 and 1, e.g. 0.95")
    names = [m.name for m in config.model]
    for model in config.model:
        if bool(model.other) == bool(model.null):
            raise ConfigError(
                f"{path}: model '{model.name}' needs either 'other' (a region) or 'null'"
            )
        if not model.offset > 0:
            raise ConfigError(f"{path}: model '{model.name}': offset must be above zero")
        if not model.name.replace("_", "").replace("-", "").isalnum():
            raise ConfigError(
                f"{path}: model name '{model.name}' names files; use letters, digits, _ and -"
            )
        if names.count(model.name) > 1:
            raise ConfigError(f"{path}: two models are called '{model.name}'")
    if config.options.max_tokens_in_models < 50:
        raise ConfigError(f"{path}: max_tokens_in_models must be at least 50")
