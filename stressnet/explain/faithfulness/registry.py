"""The metrics as data: which way is better, what chance gives, who proposed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Group = Literal["removal", "stability", "randomisation", "readability", "localisation", "agreement"]


@dataclass(frozen=True)
class Metric:
    """What a reader must know about a number.

    Parameters
    ----------
    name : str
        Name in tables.
    title : str
        Name for people.
    group : str
        What kind of question it asks.
    higher_is_better : bool
        Direction; that of readability and agreement says what the literature prefers, not truth.
    chance : str
        What a map without knowledge of the model gets.
    citation : str
        Who proposed it.
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
_AREA = "the region's share of the area"
_RANDOM = "the method 'random'"

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(
                "comprehensiveness",
                "comprehensiveness",
                "removal",
                True,
                f"{_DISPLACED}; over units: random order",
                "DeYoung et al. 2020",
            ),
            Metric(
                "sufficiency",
                "sufficiency",
                "removal",
                False,
                f"{_DISPLACED}; over units: random order",
                "DeYoung et al. 2020",
            ),
            Metric(
                "morf_area",
                "area, most relevant first",
                "removal",
                False,
                _RANDOM,
                "Samek et al. 2017",
            ),
            Metric(
                "lerf_area",
                "area, least relevant first",
                "removal",
                True,
                _RANDOM,
                "Samek et al. 2017",
            ),
            Metric("relevance_gain", "LeRF - MoRF", "removal", True, "0", "Blücher et al. 2024"),
            Metric(
                "road", "ROAD, most relevant first", "removal", False, _RANDOM, "Rong et al. 2022"
            ),
            Metric("infidelity", "infidelity", "stability", False, _DISPLACED, "Yeh et al. 2019"),
            Metric(
                "max_sensitivity",
                "max-sensitivity",
                "stability",
                False,
                "1.41 (unrelated maps)",
                "Yeh et al. 2019",
            ),
            Metric(
                "parameter_randomisation",
                "likeness after randomisation",
                "randomisation",
                False,
                "1 (a map that ignores the model)",
                "Adebayo et al. 2018",
            ),
            Metric(
                "efficient_parameter_randomisation",
                "rise of complexity (eMPRT)",
                "randomisation",
                True,
                "0",
                "Hedström et al. 2023",
            ),
            Metric(
                "sparseness",
                "sparseness (Gini)",
                "readability",
                True,
                "0.414 (Gaussian noise)",
                "Chalasani et al. 2020",
            ),
            Metric(
                "complexity",
                "complexity (nats)",
                "readability",
                False,
                "ln n - 0.284 (Gaussian noise in n cells)",
                "Bhatt et al. 2020",
            ),
            Metric(
                "relevance_mass_accuracy",
                "relevance mass",
                "localisation",
                True,
                _AREA,
                "Arras et al. 2022",
            ),
            Metric(
                "relevance_rank_accuracy",
                "relevance rank",
                "localisation",
                True,
                _AREA,
                "Arras et al. 2022",
            ),
            Metric(
                "pointing_game",
                "pointing game",
                "localisation",
                True,
                f"{_AREA}, widened by the tolerance",
                "Zhang et al. 2018",
            ),
            Metric(
                "average_precision",
                "average precision",
                "localisation",
                True,
                _AREA,
                "Davis & Goadrich 2006",
            ),
            Metric("rank_correlation", "rank correlation", "agreement", True, "0", "Spearman 1904"),
            Metric(
                "top_overlap", "top-5 % overlap", "agreement", True, "0.05", "Krishna et al. 2022"
            ),
            Metric(
                "seed_rank_correlation",
                "rank correlation between training seeds",
                "agreement",
                True,
                "0",
                "Spearman 1904",
            ),
            Metric(
                "seed_top_overlap",
                "top-5 % overlap between training seeds",
                "agreement",
                True,
                "0.05",
                "Krishna et al. 2022",
            ),
        )
    }
)
"""Metrics by name."""
