"""The units of a token, and what the network's answer loses without them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from stressnet.axes import FloatArray
from stressnet.explain.faithfulness.removal import unit_relevance
from stressnet.intervals import Interval
from stressnet.regions import Missing, get_regions
from stressnet.regions.from_corpus import drawn_on
from stressnet.regions.scene import Scene

PHONES, CUES = "phones", "cues"
SIZES = ("1", "2", "3", "10 %", "20 %", "50 %")
"""Lengths of lists: units, or the fewest units that cover such a share of all units' cells."""

CUE_REGIONS = tuple(
    f"{cue}_{which}" for which in ("stressed", "unstressed") for cue in "F0 F1 F2 F3 F4".split()
)
_ROLES = {"onset": "onset", "nucleus": "vowel", "coda": "coda"}

Subset = frozenset[int]
Without = Callable[[list[Tensor]], NDArray[np.float64]]
"""From masks of cells to logit differences towards the answer, without those cells."""


@dataclass(frozen=True)
class Unit:
    """A part of a word: its name over words (``vowel 2``), its phone, and its cells."""

    kind: str
    name: str
    phone: str
    cells: Tensor = field(repr=False)


def units_of(scenes: Sequence[Scene], parts: Sequence[tuple[int, str]]) -> list[Unit]:
    """A token's phones, by syllable and role, and the cues of its vowels, as far as they are seen.

    ``scenes`` are of the same token, one for each preset of the network; ``parts`` are syllable and
    role of each phone.
    """
    times, sound = scenes[0].times, drawn_on(scenes, lambda scene: scene.sound)
    drawn: list[tuple[str, str, Interval, Callable[[Scene], Any]]] = [
        (PHONES, f"{_ROLES[role]} {syllable}", times.phones[k], partial(_phone, number=k))
        for k, (syllable, role) in enumerate(parts)
    ]
    stressed = times.stressed or 0
    for region in get_regions(CUE_REGIONS):
        cue, which = region.name.split("_")
        own = stressed if which == "stressed" else 1 - stressed
        drawn.append((CUES, f"{cue} of vowel {own + 1}", times.nuclei[own], region.mask))
    found = []
    for kind, name, phone, draw in drawn:
        mask = drawn_on(scenes, draw)
        if not isinstance(mask, Missing) and ((mask >= 0.5) & sound).any():
            found.append(Unit(kind, name, phone.label, torch.from_numpy((mask >= 0.5) & sound)))
    return found


def _phone(scene: Scene, number: int) -> FloatArray:
    return scene.in_time(scene.times.phones[number])


def measure(
    without: Without,
    units: Sequence[Unit],
    relevance: Tensor,
    random: Sequence[NDArray[np.int64]],
    temperature: float,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a token's units of one kind, and of lists of them.

    A unit's ``loss`` is what the logit difference towards the answer loses without it, ``drop``
    what the (calibrated) probability of the answer loses; ``turned`` is whether the answer turns.
    Units are ranked by loss (``removal``) and by ``relevance``. A list's ``comprehensiveness`` is
    the drop without it, its ``sufficiency`` the drop if of all units it alone is kept (DeYoung et
    al. 2020); those of the ranking ``random`` are means over the ``random`` orders.
    """
    cells = torch.stack([unit.cells for unit in units])
    areas = cells.flatten(1).sum(dim=1).numpy().astype(np.float64)
    everything, known = Subset(range(len(units))), dict[Subset, float]()

    def ask(wanted: set[Subset]) -> None:
        new = sorted(wanted - known.keys(), key=sorted)
        if new:
            answers = without([cells[sorted(one)].any(dim=0) for one in new])
            known.update(zip(new, answers.tolist(), strict=True))

    def drop(removed: Subset) -> float:
        return float(expit(known[Subset()] / temperature) - expit(known[removed] / temperature))

    alone = [Subset([k]) for k in range(len(units))]
    ask({Subset(), *alone})
    values = {
        "removal": np.array([known[Subset()] - known[one] for one in alone]),
        "relevance": unit_relevance(relevance, cells).numpy(),
    }
    best = {name: np.argsort(-each, kind="stable") for name, each in values.items()}
    ranks = {f"rank_by_{name}": np.argsort(order) + 1 for name, order in best.items()}
    rows = [
        {"kind": unit.kind, "unit": unit.name, "phone": unit.phone, "n_units": len(units)}
        | {"area_share": areas[k] / areas.sum(), "relevance": float(values["relevance"][k])}
        | {"loss": float(values["removal"][k]), "drop": drop(alone[k])}
        | {"turned": known[alone[k]] < 0, **{name: int(rank[k]) for name, rank in ranks.items()}}
        for k, unit in enumerate(units)
    ]
    orders = {(name, "most"): [order] for name, order in best.items()}
    orders |= {(name, "least"): [order[::-1]] for name, order in best.items()}
    orders["random", "most"] = list(random)
    lists = []
    for (ranking, end), each in orders.items():
        for size in SIZES:
            tops = [Subset(one[: _length(size, areas[one])].tolist()) for one in each]
            about: dict[str, Any] = {
                "kind": units[0].kind,
                "ranking": ranking,
                "order": end,
                "size": size,
            }
            if tops[0] != everything:  # a list of all units ranks nothing
                ask({side for top in tops for side in (top, everything - top)})
                about["comprehensiveness"] = float(np.mean([drop(top) for top in tops]))
                about["sufficiency"] = float(np.mean([drop(everything - top) for top in tops]))
                about["turned"] = float(np.mean([known[top] < 0 for top in tops]))
                lists.append(about)
    return rows, lists


def _length(size: str, areas: NDArray[np.float64]) -> int:
    """How many units a list of a size has, whose cells are counted in their order."""
    if size.isdigit():
        return int(size)
    needed = float(size.removesuffix(" %")) / 100 * areas.sum()
    return int(np.searchsorted(areas.cumsum(), needed - 1e-9) + 1)
