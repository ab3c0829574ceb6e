"""Several networks that answer as one: the mean of their logits.

Members may differ in seed, architecture and spectrogram preset. Where presets differ, the
ensemble's image holds one image of each preset, one above the other, and every member reads its
own (:func:`stressnet.corpus.images.stacked` makes such images).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from stressnet.errors import CheckpointError, ConfigError
from stressnet.models.networks import Network
from stressnet.models.registry import build_model
from stressnet.runs.tables import read_table

if TYPE_CHECKING:
    from stressnet.models.checkpoint import CheckpointInfo, TrainedNetwork

ENSEMBLE = "ensemble"  # Architecture of a checkpoint that holds several networks

AGREEMENT = "agreement.csv"  # Beside the weights: how often so many members are right that agree

HEARD = ("speakers", "families", "recordings", "sounds")
"""Entries of a checkpoint's ``training`` that list what was trained on."""

_MEMBER = ("architecture", "preset", "n_bins", "n_frames", "seed")


class Ensemble(Network):
    """Networks of which each reads its part of the image; the mean of their logits."""

    def __init__(
        self, members: Sequence[Network], parts: Sequence[tuple[int, int, int]], shape: tuple
    ) -> None:
        super().__init__(OrderedDict((f"member{k}", m) for k, m in enumerate(members, start=1)))
        self.parts = tuple(parts)
        self.built_for(ENSEMBLE, *shape)

    def forward(self, x: Tensor) -> Tensor:
        """Mean logits of images; see :meth:`Network.forward`."""
        return self.each(x).sum(dim=0) / len(self.parts)

    def each(self, x: Tensor) -> Tensor:
        """Logits of every member, shape (n_members, batch, n_classes)."""
        self._check(tuple(x.shape))
        return torch.stack(
            [
                member(x[:, :, first : first + n_bins, :n_frames])
                for member, (first, n_bins, n_frames) in zip(self, self.parts, strict=True)
            ]
        )


def build_network(info: CheckpointInfo) -> Network:
    """The network that a checkpoint describes, with fresh weights; raises ConfigError if none."""
    n_classes = len(info.classes)
    if info.architecture != ENSEMBLE:
        return build_model(info.architecture, info.n_bins, info.n_frames, n_classes)
    try:
        listed = [tuple(one[name] for name in _MEMBER[:4]) for one in info.training["members"]]
        starts, shape = _stack(listed)
        members = [build_model(name, h, w, n_classes) for name, _, h, w in listed]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the list of members is damaged ({error!r})") from None
    return Ensemble(members, [(starts[p], h, w) for _, p, h, w in listed], shape)


def _stack(listed: Sequence[tuple]) -> tuple[dict[str, int], tuple[int, int]]:
    """The first bin of each preset's image in the stack, and the stack's bins and frames."""
    starts, n_bins, n_frames = {}, 0, 0
    for _, preset, own_bins, own_frames in listed:
        if preset not in starts:
            starts[preset] = n_bins
            n_bins, n_frames = n_bins + own_bins, max(n_frames, own_frames)
    return starts, (n_bins, n_frames)


def join_networks(networks: Sequence[TrainedNetwork]) -> tuple[Ensemble, CheckpointInfo]:
    """An ensemble of trained networks with their weights, and what its checkpoint says.

    It says that it was trained on a corpus, or a fold, only if all members were trained on it; it
    knows what any member was trained on.
    """
    first, presets = networks[0], dict[str, dict[str, Any]]()
    if len({one.digest for one in networks}) < max(2, len(networks)):
        raise ConfigError("an ensemble needs two networks or more, and each only once")
    for one in networks:
        info, preset = one.info, one.info.preset_parameters
        if info.architecture == ENSEMBLE:
            raise ConfigError(f"{one.path}: is an ensemble itself; name its members")
        own, others = (
            (x.language, x.info.lengths, x.info.classes, x.info.contrast) for x in (one, first)
        )
        if own != others or presets.setdefault(info.preset, preset) != preset:
            raise CheckpointError(
                f"{one.path}: is of another language, other classes, or another preset of the same "
                f"name than {first.path}; such networks cannot be averaged"
            )
    stacked: dict[str, Any] = {"name": "+".join(presets), "parts": list(presets.values())}
    stacked = stacked if len(presets) > 1 else first.info.preset_parameters
    sides = [(one.name, one.info.preset, one.info.n_bins, one.info.n_frames) for one in networks]
    n_bins, n_frames = _stack(sides)[1]
    origins = {(one.info.corpus_hash, str(one.info.training.get("fold"))) for one in networks}
    info = replace(
        first.info,
        architecture=ENSEMBLE,
        n_bins=n_bins,
        n_frames=n_frames,
        preset=stacked["name"],
        preset_parameters=stacked,
        corpus_hash=first.info.corpus_hash if len(origins) == 1 else "",
        training=_training([one.info.training for one in networks])
        | {"members": [_member(one) for one in networks]},
        metrics={},
    )
    model = build_network(info)
    for member, one in zip(model, networks, strict=True):
        member.load_state_dict(one.model.state_dict())
    return cast(Ensemble, model.eval()), info


def accuracy_by_agreement(folder: Path) -> dict[int, float]:
    """Share of validation words that an ensemble got right when so many members agreed."""
    if not (folder / AGREEMENT).is_file():
        return {}
    table = read_table(folder / AGREEMENT, ("n_agreeing", "accuracy")).dropna(subset="n_agreeing")
    return dict(zip(table["n_agreeing"].astype(int), table["accuracy"], strict=True))


def _member(one: TrainedNetwork) -> dict[str, Any]:
    about = {"name": one.name, "weights_sha256": one.digest}
    return about | {name: getattr(one.info, name) for name in _MEMBER}


def _training(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all trainings agree in, and all that was trained on in any."""
    shared = {
        name: each[0][name]
        for name in ("language", "syllables", "fold", "contrast")
        if name in each[0] and all(one.get(name) == each[0][name] for one in each)
    }
    if any(one.get("all_tokens") for one in each):
        shared["all_tokens"] = True
    recipes = [dict(one.get("recipe", {})) for one in each]
    name = " ".join(dict.fromkeys(str(one.get("name", "")) for one in recipes))
    weighed = [one.get("class_balance", "none") for one in recipes]
    balance = "none" if "none" in weighed else weighed[0]
    shared["recipe"] = {"name": name, "class_balance": balance}
    return shared | {name: sorted({x for one in each for x in one.get(name, [])}) for name in HEARD}
