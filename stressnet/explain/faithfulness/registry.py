"""Catalogue of the metrics: direction, chance level and source of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Group = Literal["removal", "stability", "randomisation", "readability", "localisation", "agreement"]


@dataclass(frozen=True)
class Metric:
    """What a reader must know about a number.

    Direction, which for readability and agreement says what the literature prefers, not truth, and
    ``chance``: what a map without knowledge of the model gets.
    """

    name: str
    title: str
    group: Group
    higher_is_better: bool
    chance: str
    citation: str

    @property
    def direction(self) -> str:
        """``"higher"`` or ``"lower"``: what is better."""
        return "higher" if self.higher_is_better else "lower"


_DISPLACED = "the same map displaced: regions of equal area and shape"
_UNITS = f"{_DISPLACED}; over units: random order"
_AREA = "the region's share of the area"
_WIDENED = f"{_AREA}, widened by the tolerance"
_RANDOM = "the method 'random'"
_NOISE = "ln n - 0.284 (Gaussian noise in n cells)"
_IGNORES = "1 (a map that ignores the model)"
_LIKENESS, _RISE = "parameter_randomisation", "efficient_parameter_randomisation"
_GINI = "0.414 (Gaussian noise)"
_CORRELATION, _OVERLAP = "rank correlation", "top-5 % overlap"
_BETWEEN = "between training seeds"

_GROUPS: Mapping[Group, tuple[tuple[str, str, bool, str, str], ...]] = {
    "removal": (
        ("comprehensiveness", "comprehensiveness", True, _UNITS, "DeYoung et al. 2020"),
        ("sufficiency", "sufficiency", False, _UNITS, "DeYoung et al. 2020"),
        ("morf_area", "area, most relevant first", False, _RANDOM, "Samek et al. 2017"),
        ("lerf_area", "area, least relevant first", True, _RANDOM, "Samek et al. 2017"),
        ("relevance_gain", "LeRF - MoRF", True, "0", "Blücher et al. 2024"),
        ("road", "ROAD, most relevant first", False, _RANDOM, "Rong et al. 2022"),
    ),
    "stability": (
        ("infidelity", "infidelity", False, _DISPLACED, "Yeh et al. 2019"),
        ("max_sensitivity", "max-sensitivity", False, "1.41 (unrelated maps)", "Yeh et al. 2019"),
    ),
    "randomisation": (
        (_LIKENESS, "likeness after randomisation", False, _IGNORES, "Adebayo et al. 2018"),
        (_RISE, "rise of complexity (eMPRT)", True, "0", "Hedström et al. 2023"),
    ),
    "readability": (
        ("sparseness", "sparseness (Gini)", True, _GINI, "Chalasani et al. 2020"),
        ("complexity", "complexity (nats)", False, _NOISE, "Bhatt et al. 2020"),
    ),
    "localisation": (
        ("relevance_mass_accuracy", "relevance mass", True, _AREA, "Arras et al. 2022"),
        ("relevance_rank_accuracy", "relevance rank", True, _AREA, "Arras et al. 2022"),
        ("pointing_game", "pointing game", True, _WIDENED, "Zhang et al. 2018"),
        ("average_precision", "average precision", True, _AREA, "Davis & Goadrich 2006"),
    ),
    "agreement": (
        ("rank_correlation", _CORRELATION, True, "0", "Spearman 1904"),
        ("top_overlap", _OVERLAP, True, "0.05", "Krishna et al. 2022"),
        ("seed_rank_correlation", f"{_CORRELATION} {_BETWEEN}", True, "0", "Spearman 1904"),
        ("seed_top_overlap", f"{_OVERLAP} {_BETWEEN}", True, "0.05", "Krishna et al. 2022"),
    ),
}

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        name: Metric(name, title, group, higher_is_better, chance, citation)
        for group, metrics in _GROUPS.items()
        for name, title, higher_is_better, chance, citation in metrics
    }
)
"""Metrics by name."""
