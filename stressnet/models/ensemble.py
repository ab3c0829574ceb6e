"""Several networks that answer as one: the mean of their logits.

Members may differ in seed, architecture and spectrogram preset. Where presets differ, the
ensemble's image holds one image of each preset, one above the other, and every member reads its
own (:func:`stressnet.corpus.images.stacked` makes such images).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stressnet.errors import CheckpointError, ConfigError
from stressnet.models.networks import Network
from stressnet.models.registry import build_model

if TYPE_CHECKING:
    from stressnet.models.checkpoint import CheckpointInfo, TrainedNetwork

ENSEMBLE = "ensemble"
"""Architecture of a checkpoint that holds several networks."""

AGREEMENT = "agreement.csv"
"""Beside the weights: how often the ensemble is right when so many members agree."""

HEARD = ("speakers", "families", "recordings", "sounds")
"""Entries of a checkpoint's ``training`` that list what was trained on."""

_MEMBER = ("architecture", "preset", "n_bins", "n_frames", "seed")


class Ensemble(Network):
    """Networks of which each reads its part of the image; the mean of their logits.

    ``parts`` are, for each member, the first bin of its image and the image's bins and frames.
    """

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

    It says that it was trained on a corpus, or a fold, only if all members were trained on it;
    what it was trained on is what any member was trained on.

    Raises
    ------
    ConfigError
        If there is one network only, or one of them is given twice or is an ensemble itself.
    CheckpointError
        If they tell other classes apart, are of other languages, or of presets that share a name.
    """
    first = networks[0]
    presets: dict[str, dict[str, Any]] = {}
    for k, one in enumerate(networks):
        if one.info.architecture == ENSEMBLE:
            raise ConfigError(f"{one.path}: is an ensemble itself; name its members")
        if one.digest in {other.digest for other in networks[:k]}:
            raise ConfigError(f"{one.path}: the same weights are given twice; give each once")
        for what, own, other in (
            ("tells apart", one.info.classes, first.info.classes),
            ("takes words of syllables", one.info.lengths, first.info.lengths),
            ("was trained on language", one.language, first.language),
            (
                f"takes preset {one.info.preset}",
                one.info.preset_parameters,
                presets.setdefault(one.info.preset, one.info.preset_parameters),
            ),
        ):
            if own != other:
                raise CheckpointError(f"{one.path}: {what} {own}, not {other} as the others do")
    if len(networks) < 2:
        raise ConfigError("an ensemble needs two networks or more")
    listed = [(one.name, one.info.preset, one.info.n_bins, one.info.n_frames) for one in networks]
    n_bins, n_frames = _stack(listed)[1]
    stacked: Mapping[str, Any] = next(iter(presets.values()))
    if len(presets) > 1:
        stacked = {"name": "+".join(presets), "parts": list(presets.values())}
    info = replace(
        first.info,
        architecture=ENSEMBLE,
        n_bins=n_bins,
        n_frames=n_frames,
        preset=str(stacked["name"]),
        preset_parameters=dict(stacked),
        training=_training(networks),
        metrics={},
    )
    if len({(one.info.corpus_hash, str(one.info.training.get("fold"))) for one in networks}) > 1:
        info = replace(info, corpus_hash="")
    model = build_network(info)
    assert isinstance(model, Ensemble)
    for member, one in zip(model, networks, strict=True):
        member.load_state_dict(one.model.state_dict())
    return model.eval(), info


def _training(networks: Sequence[TrainedNetwork]) -> dict[str, Any]:
    """Members, what all members' trainings agree in, and all that any was trained on."""
    each = [one.info.training for one in networks]
    recipes = [one.get("recipe", {}) for one in each]
    heard = {name: sorted({x for one in each for x in one.get(name, [])}) for name in HEARD}
    same = {
        name: value
        for name, value in each[0].items()
        if name in ("language", "syllables", "fold", "all_tokens")
        and all(one.get(name) == value for one in each)
    }
    if any(one.get("all_tokens") for one in each):
        same["all_tokens"] = True
    members = [
        {"name": one.name, "weights_sha256": one.digest, "recipe": recipe.get("name", "")}
        | {name: getattr(one.info, name) for name in _MEMBER}
        for one, recipe in zip(networks, recipes, strict=True)
    ]
    balanced = {one.get("class_balance", "none") for one in recipes}
    recipe = {"name": " ".join(dict.fromkeys(one["recipe"] for one in members))}
    recipe["class_balance"] = balanced.pop() if len(balanced) == 1 else "none"
    return {"recipe": recipe, **same, **heard, "members": members}
