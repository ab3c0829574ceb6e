"""The units of a token, and what the network's answer loses without them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from stressnet.axes import FloatArray
from stressnet.explain import explain_batch
from stressnet.explain.faithfulness import make_baseline
from stressnet.explain.faithfulness.removal import unit_relevance
from stressnet.lexicon.stress import logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions import Missing, get_regions
from stressnet.regions.from_corpus import drawn_on
from stressnet.regions.scene import Scene

PHONES, CUES = "phones", "cues"
SIZES = ("1", "2", "3", "10 %", "20 %", "50 %")
"""Lengths of lists: units, or the fewest units that cover such a share of all units' cells."""

CUE_REGIONS = tuple(
    f"{cue}_{which}"
    for which in ("stressed", "unstressed")
    for cue in ("F0", "F1", "F2", "F3", "F4")
)
_ROLES = {"onset": "onset", "nucleus": "vowel", "coda": "coda"}


@dataclass(frozen=True)
class Unit:
    """A part of a word: its name over words (``vowel 2``), its phone, and its cells."""

    kind: str
    name: str
    phone: str
    cells: Tensor = field(repr=False)


def _phone_cover(scene: Scene, number: int) -> FloatArray:
    return scene.in_time(scene.times.phones[number])


def units_of(scenes: Sequence[Scene], parts: Sequence[tuple[int, str]]) -> list[Unit]:
    """A token's phones, by syllable and role, and the cues of its vowels, as far as they are seen.

    ``scenes`` are of the same token, one for each preset of the network; ``parts`` are syllable and
    role of each phone.
    """

    def cells(mask: Callable[[Scene], Any]) -> Tensor | None:
        drawn = drawn_on(scenes, mask)
        if isinstance(drawn, Missing):
            return None
        solid = (drawn >= 0.5) & drawn_on(scenes, lambda scene: scene.sound)
        return torch.from_numpy(solid) if solid.any() else None

    times = scenes[0].times
    found = []
    for k, (syllable, role) in enumerate(parts):
        where = cells(partial(_phone_cover, number=k))
        found.append((PHONES, f"{_ROLES[role]} {syllable}", times.phones[k].label, where))
    stressed = times.stressed or 0
    for region in get_regions(CUE_REGIONS):
        cue, which = region.name.split("_")
        own = stressed if which == "stressed" else 1 - stressed
        found.append(
            (CUES, f"{cue} of vowel {own + 1}", times.nuclei[own].label, cells(region.mask))
        )
    return [
        Unit(kind, name, phone, where) for kind, name, phone, where in found if where is not None
    ]


@dataclass(frozen=True)
class Subject:
    """A token's image before a network; ``d`` is its logit difference towards its answer.

    Random numbers depend on the ``seed`` and the token alone; ``fill``, ``mean`` and ``sd`` are for
    the baselines (:mod:`stressnet.explain.faithfulness.baselines`).
    """

    network: TrainedNetwork
    token_id: str
    image: Tensor
    temperature: float
    seed: int
    values: dict[str, Tensor]

    def _generator(self, purpose: str) -> torch.Generator:
        text = f"{self.seed} {purpose} {self.token_id}"
        return torch.Generator().manual_seed(zlib.crc32(text.encode()))

    @cached_property
    def sign(self) -> float:
        """1 where the answer is INITIAL, -1 where it is FINAL."""
        return 1.0 if float(self._differences(self.image)[0]) >= 0 else -1.0

    def relevance(self, composite: str) -> Tensor:
        """The map, positive for the answer, shape (n_bins, n_frames)."""
        inputs = self.image.to(self.network.device)
        return self.sign * explain_batch(self.network.model, inputs, composite).relevance[0, 0]

    def without(self, baseline: str, removed: Sequence[Tensor]) -> NDArray[np.float64]:
        """Logit difference towards the answer, without each of some masks of cells."""
        replace = make_baseline(baseline, self.image, self._generator(baseline), **self.values)
        masks = torch.stack([mask[None] for mask in removed])
        copies = self.image.expand(len(masks), -1, -1, -1)
        return self.sign * self._differences(replace(copies, masks))

    def order(self, n: int, draw: int) -> NDArray[np.int64]:
        """A random order of so many units."""
        return torch.randperm(n, generator=self._generator(f"order {draw} {n}")).numpy()

    def _differences(self, images: Tensor) -> NDArray[np.float64]:
        return logit_difference(self.network.logits(images[:, 0].numpy()))


@dataclass
class _Answers:
    """Answers without subsets of a token's units under one baseline, each asked for once."""

    subject: Subject
    cells: Tensor
    baseline: str
    known: dict[frozenset[int], float] = field(default_factory=lambda: {})

    def ask(self, wanted: Iterable[frozenset[int]]) -> None:
        """Let the network answer for subsets that are removed."""
        new = [one for one in dict.fromkeys(wanted) if one not in self.known]
        if new:
            masks = [self.cells[sorted(one)].any(dim=0) for one in new]
            answers = self.subject.without(self.baseline, masks)
            self.known.update(zip(new, answers.tolist(), strict=True))

    def drop(self, removed: frozenset[int]) -> float:
        """What the probability of the answer loses."""
        t, none = self.subject.temperature, frozenset[int]()
        return float(expit(self.known[none] / t) - expit(self.known[removed] / t))

    def listed(self, lists: Sequence[frozenset[int]]) -> dict[str, float]:
        """What lists of units cost when they are removed, or kept alone; means over lists."""
        everything = frozenset(range(len(self.cells)))
        self.ask(side for one in lists for side in (one, everything - one))
        if lists[0] == everything:
            return dict.fromkeys(("comprehensiveness", "sufficiency", "turned"), np.nan)
        return {
            "comprehensiveness": float(np.mean([self.drop(one) for one in lists])),
            "sufficiency": float(np.mean([self.drop(everything - one) for one in lists])),
            "turned": float(np.mean([self.known[one] < 0 for one in lists])),
        }


def measure(
    subject: Subject, units: Sequence[Unit], relevance: Tensor, baselines: Sequence[str], draws: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a token's units of one kind, and of lists of them.

    A unit's ``loss`` is what the logit difference towards the answer loses without it, ``drop``
    what the (calibrated) probability of the answer loses; ``turned`` is whether the answer turns.
    Units are ranked by loss under the first baseline (``occlusion``) and by ``relevance``. A list's
    ``comprehensiveness`` is the drop without it, its ``sufficiency`` the drop if of all units it
    alone is kept (DeYoung et al. 2020); those of the ranking ``random`` are means over ``draws``.
    """
    cells = torch.stack([unit.cells for unit in units])
    areas = cells.flatten(1).sum(dim=1).numpy().astype(np.float64)
    rankings = {"relevance": unit_relevance(relevance, cells).numpy()}
    rows: list[dict[str, Any]] = []
    lists: list[dict[str, Any]] = []
    for baseline in baselines:
        answers, alone = (
            _Answers(subject, cells, baseline),
            [frozenset([k]) for k in range(len(units))],
        )
        answers.ask([frozenset(), *alone])
        loss = np.array([answers.known[frozenset()] - answers.known[one] for one in alone])
        rankings.setdefault("occlusion", loss)
        best = {name: np.argsort(-each, kind="stable") for name, each in rankings.items()}
        ranks = {f"rank_by_{name}": np.argsort(order) + 1 for name, order in best.items()}
        for k, unit in enumerate(units):
            about: dict[str, Any] = {
                "kind": unit.kind,
                "unit": unit.name,
                "phone": unit.phone,
                "baseline": baseline,
            }
            about |= {"n_units": len(units), "area_share": areas[k] / areas.sum()}
            about |= {"relevance": float(rankings["relevance"][k]), "loss": float(loss[k])}
            about |= {name: int(rank[k]) for name, rank in ranks.items()}
            turned = bool(answers.known[alone[k]] < 0)
            rows.append(about | {"drop": answers.drop(alone[k]), "turned": turned})
        orders = {(name, "most"): [order] for name, order in best.items()}
        orders |= {(name, "least"): [order[::-1]] for name, order in best.items()}
        orders["random", "most"] = [subject.order(len(units), draw) for draw in range(draws)]
        for (ranking, end), each in orders.items():
            for size in SIZES:
                tops = [frozenset(one[: _length(size, areas[one])].tolist()) for one in each]
                about = {"kind": units[0].kind, "baseline": baseline, "ranking": ranking}
                lists.append(about | {"order": end, "size": size} | answers.listed(tops))
    return rows, lists


def _length(size: str, areas: NDArray[np.float64]) -> int:
    """How many units a list of a size has, whose cells are counted in their order."""
    if size.isdigit():
        return int(size)
    needed = float(size.removesuffix(" %")) / 100 * areas.sum()
    return int(np.searchsorted(areas.cumsum(), needed - 1e-9) + 1)
