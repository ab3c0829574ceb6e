"""Trained networks on disk (safetensors, all else as JSON beside), and untrained ones like them.

A checkpoint is a folder with ``model.safetensors`` and ``model.json``. The JSON says what the
network was trained on; whoever feeds it images asks :meth:`CheckpointInfo.check_input` first, so
that a network never silently gets spectrograms of another kind. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stressnet.errors import CheckpointError, ConfigError
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import CLASSES, Stress, WordLengths
from stressnet.models.ensemble import Ensemble, build_network
from stressnet.models.networks import Network
from stressnet.models.registry import get_spec

WEIGHTS_NAME = "model.safetensors"
INFO_NAME = "model.json"
MAX_SIDE = 100_000  # Bins or frames of an image; more are damage
FORMAT = 1
BATCH = 64  # Images per forward pass of `TrainedNetwork.logits`


@dataclass(frozen=True)
class CheckpointInfo:
    """What a network is and where it comes from."""

    architecture: str  # Key of `stressnet.models.registry.MODELS`
    # Shape of the images it takes.
    n_bins: int
    n_frames: int
    # Name of the spectrogram preset, and all its parameters; the name does not vouch for them.
    preset: str
    preset_parameters: dict[str, Any]
    classes: tuple[str, ...] = CLASSES  # Names of the outputs in order
    corpus_hash: str = ""  # Hash of the corpus it was trained on, empty if unknown
    # Recipe and all its parameters, best epoch, why training ended.
    training: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    # Versions of stressnet, Python and torch that trained it.
    versions: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)  # Figures measured when it was saved

    @property
    def lengths(self) -> WordLengths:
        """How many syllables the words have that it was trained on."""
        return WordLengths.parse(str(self.training.get("syllables", 2)))

    @property
    def contrast(self) -> Contrast:
        """What it tells apart."""
        named = Contrast.in_manifest(self.training)
        return Contrast(classes=self.classes) if named.is_stress else named

    @property
    def presets(self) -> list[dict[str, Any]]:
        """Parameters of the presets whose images it takes; an ensemble may take several."""
        return list(self.preset_parameters.get("parts", [self.preset_parameters]))

    @property
    def composite(self) -> str:
        """Propagation rules that suit it; of an ensemble those for attention, if any has it."""
        members = self.training.get("members") or [{"architecture": self.architecture}]
        names = [get_spec(one["architecture"]).composite for one in members]
        return next((name for name in ("epsilon-gamma-cp", "attn-lrp") if name in names), names[0])

    def check_input(
        self, preset: str, preset_parameters: Mapping[str, Any], shape: tuple[int, int]
    ) -> None:
        """Refuse images of another kind than the network was trained on."""
        remedy = "build the corpus with that preset, or train on this one"
        if preset != self.preset:
            raise CheckpointError(
                f"the network takes preset {self.preset!r}, but the spectrograms are of preset "
                f"{preset!r}: {remedy}"
            )
        theirs, ours = _as_json(dict(preset_parameters)), _as_json(self.preset_parameters)
        different = sorted(k for k in {*theirs, *ours} if theirs.get(k) != ours.get(k))
        if different:
            changes = ", ".join(f"{k}={theirs.get(k)!r} not {ours.get(k)!r}" for k in different)
            raise CheckpointError(
                f"preset {preset!r} differs from the network's ({changes}): {remedy}"
            )
        if tuple(shape) != (self.n_bins, self.n_frames):
            raise CheckpointError(
                f"the network takes images of {self.n_bins} bins x {self.n_frames} frames, not "
                f"{shape[0]} x {shape[1]}: {remedy}"
            )


def save_checkpoint(folder: Path, model: nn.Module, info: CheckpointInfo) -> None:
    """Write weights and description; each file appears whole or not at all.

    The JSON is written last and holds the hash of the weights, so that a pair of files from two
    different saves is found out when it is read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{WEIGHTS_NAME}.part"
        tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
        safetensors.torch.save_file(tensors, part)
        digest = _sha256(part)
        part.replace(folder / WEIGHTS_NAME)
        text = json.dumps(
            {"format": FORMAT, "weights_sha256": digest, **asdict(info)}, indent=2, default=str
        )
        part = folder / f".{INFO_NAME}.part"
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(folder / INFO_NAME)
    except OSError as error:
        raise CheckpointError(f"{folder}: checkpoint cannot be written ({error})") from None


@dataclass(frozen=True)
class TrainedNetwork:
    """A network, in evaluation mode, with its checkpoint folder and what is known of it.

    ``digest`` is the SHA-256 of its weights, ``name`` what tables call it; its folder's name if not
    said otherwise.
    """

    path: Path
    model: Network = field(repr=False)
    info: CheckpointInfo
    digest: str
    name: str

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu", name: str = "") -> TrainedNetwork:
        """Load a network for stress in disyllables as :meth:`of_any_length` does, or raise."""
        network = cls.of_disyllables(path, device, name)
        network.info.contrast.only_stress(path, CheckpointError)
        return network

    @classmethod
    def of_disyllables(
        cls, path: Path | str, device: str = "cpu", name: str = ""
    ) -> TrainedNetwork:
        """Load a network for disyllables, of any contrast, or raise."""
        network = cls.of_any_length(path, device, name)
        if not network.info.contrast.is_pair:
            raise CheckpointError(
                f"{path}: tells {', '.join(network.info.classes)} apart, and this is only done for "
                f"disyllables; see docs/languages.md, 'Longer words', for what can be done"
            )
        return network

    @classmethod
    def of_any_length(cls, path: Path | str, device: str = "cpu", name: str = "") -> TrainedNetwork:
        """Load a checkpoint folder.

        ``path``: the folder, or ``pretrained`` for the network in the package (a folder of that
        name comes first). ``device``: ``cpu``, ``cuda``, or ``auto`` for the first CUDA device if
        there is one.
        """
        folder = Path(path)
        if str(path) == "pretrained" and not folder.exists():
            from stressnet.pretrained import pretrained_folder

            folder = pretrained_folder()
        model, info = load_checkpoint(folder)
        _, digest = _read_info(folder)
        name = name or folder.resolve().name
        return cls(folder, model.to(pick_device(device)), info, digest, name)

    @property
    def device(self) -> str:
        """Where its weights are."""
        return str(next(self.model.parameters()).device)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits of images, which have shape (n, n_bins, n_frames); shape (n, n_classes)."""
        return self.each(images).mean(axis=0)

    def each(self, images: NDArray[np.float32], batch: int = BATCH) -> NDArray[np.float64]:
        """Logits of every member, shape (n_members, n, n_classes); others are their only member."""
        ask = self.model.each if isinstance(self.model, Ensemble) else self._alone
        with torch.inference_mode():
            parts = [
                ask(part[:, None].to(self.device)).cpu()
                for part in torch.from_numpy(images).split(batch)
            ]
        return torch.cat(parts, dim=1).double().numpy()

    def _alone(self, images: Tensor) -> Tensor:
        return self.model(images)[None]

    @property
    def language(self) -> str:
        """Code of the language that it was trained on."""
        return str(self.info.training.get("language", ENGLISH))

    def language_doubt(self, code: str) -> str:
        """A warning if speech is of another language than it was trained on, else empty."""
        own, other = language(self.language), language(code)
        if own is other:
            return ""
        return (
            f"the network '{self.name}' was trained on {own.name}, and this is {other.name}: its "
            f"answers say nothing certain about stress in it; train one with 'stressnet train'"
        )

    def check_classes(self, corpus: Any) -> None:
        """Refuse a :class:`stressnet.corpus.store.Corpus` of words of other lengths or classes."""
        own, other = self.info.contrast, corpus.contrast
        if own.noted != other.noted:
            raise CheckpointError(
                f"{self.path}: tells {own.told_apart}, but {corpus.path} is a corpus for "
                f"{other.told_apart}; train one on this corpus"
            )
        if (self.info.lengths, self.info.classes) != (corpus.lengths, corpus.classes):
            raise CheckpointError(
                f"{self.path}: tells {', '.join(self.info.classes)} apart in words of "
                f"{self.info.lengths} syllables, but those of {corpus.path} have {corpus.lengths} "
                f"and are {', '.join(corpus.classes)}; train one on this corpus"
            )

    def check_images(self, images: Any) -> None:
        """Refuse :class:`stressnet.corpus.images.Images` of another kind than it was trained on."""
        self.info.check_input(images.preset["name"], images.preset, images.values.shape[1:])


def load_networks(
    paths: Sequence[Path], device: str, first: TrainedNetwork | None = None
) -> list[TrainedNetwork]:
    """Networks of several folders, all of other names, after one that is loaded already."""
    networks = [] if first is None else [first]
    networks += [TrainedNetwork.load(path, device) for path in paths]
    names = [network.name for network in networks]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two networks are called '{name}'; give none twice, or rename one of the folders"
            )
    return networks


def pick_device(device: str) -> str:
    """``auto`` to the first CUDA device if there is one, else the CPU; others must exist."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device '{device}' cannot be used ({reason}); use cpu") from None
    return device


def load_checkpoint(folder: Path) -> tuple[Network, CheckpointInfo]:
    """The network in a checkpoint folder, in evaluation mode, on the CPU."""
    info, digest = _read_info(folder)
    path = folder / WEIGHTS_NAME
    if not path.is_file():
        raise CheckpointError(f"{path}: file is missing; train again or copy both files")
    if _sha256(path) != digest:
        raise CheckpointError(
            f"{path}: weights are damaged or of another {INFO_NAME}; train again or copy both files"
        )
    try:
        weights = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from None
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise CheckpointError(f"{path}: holds weights that are not finite numbers; train again")
    try:
        with torch.device("meta"):
            model = build_network(info)
        model.load_state_dict(weights, assign=True)
    except ConfigError as error:
        raise CheckpointError(f"{folder / INFO_NAME}: {error}; update stressnet") from None
    except RuntimeError:
        raise CheckpointError(
            f"{path}: weights do not fit {info.architecture} for {info.n_bins} x {info.n_frames} "
            "images; it was changed or is of another version of stressnet: train again"
        ) from None
    return model.eval(), info


def read_info(folder: Path) -> CheckpointInfo:
    """What a checkpoint says about itself, without its weights."""
    return _read_info(folder)[0]


def _read_info(folder: Path) -> tuple[CheckpointInfo, str]:
    path = folder / INFO_NAME
    if not path.is_file():
        raise CheckpointError(f"{path}: file is missing; is this a folder written by training?")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error}); train again") from None
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of format {FORMAT}; update or train again")
    digest = values.pop("weights_sha256", "")
    known = {f.name for f in fields(CheckpointInfo)}
    try:
        info = CheckpointInfo(**values)
    except TypeError:
        wrong = ", ".join(repr(name)[1:-1] for name in sorted(known ^ set(values)))
        raise CheckpointError(f"{path}: fields missing or unknown ({wrong}); train again") from None
    for field_ in fields(CheckpointInfo):
        value, kinds = getattr(info, field_.name), {"tuple": (list, tuple), "dict": (dict,)}
        kind = str(field_.type).split("[")[0]
        expected = kinds.get(kind) or ({"str": str, "int": int}[kind],)
        if not isinstance(value, expected) or isinstance(value, bool):
            raise CheckpointError(f"{path}: '{field_.name}' is {value!r:.40}; train again")
    if not (0 < info.n_bins <= MAX_SIDE and 0 < info.n_frames <= MAX_SIDE):
        raise CheckpointError(
            f"{path}: images of {info.n_bins} x {info.n_frames} are none that stressnet makes"
        )
    if info.training.get("contrast"):
        if tuple(info.classes) != info.contrast.classes:
            raise CheckpointError(
                f"{path}: classes are {list(info.classes)}, but the contrast is '{info.contrast}'; "
                f"train again"
            )
        return CheckpointInfo(**{**values, "classes": info.contrast.classes}), digest
    if list(map(str, info.classes)) != [*STRESS.among(map(str, info.classes))]:
        raise CheckpointError(
            f"{path}: classes are {list(info.classes)}, expected {list(CLASSES)} or, of longer "
            f"words, those of docs/languages.md in their order; train again"
        )
    classes = tuple(Stress(name) for name in info.classes)
    return CheckpointInfo(**{**values, "classes": classes}), digest


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they are after a trip through JSON (tuples become lists)."""
    return json.loads(json.dumps(values, default=str))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


STATISTICS_BATCH = 32  # Images per batch of statistics
N_STATISTICS = 256  # Images over which BatchNorm statistics are taken, where a caller has more


def untrained_network(info: CheckpointInfo, images: Any, seed: int) -> Any:
    """A network of the same architecture with fresh weights, ready to explain.

    Weights are those with which a training of this seed begins; torch's global generator is left as
    it was. BatchNorm takes its statistics from ``images``, of shape (n, n_bins, n_frames), as after
    one pass over them: those of a network that has seen nothing would let values fade or grow from
    layer to layer.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_network(info)
        norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        if norms:
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # the plain mean over batches
            model.train()
            with torch.no_grad():
                for start in range(0, len(images), STATISTICS_BATCH):
                    batch = np.array(images[start : start + STATISTICS_BATCH], dtype=np.float32)
                    if len(batch) > 1:
                        model(torch.from_numpy(batch)[:, None])
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
    return model.eval()
