"""Download a part of a corpus: checksum, resume, progress.

``pooch`` checks the hash and writes atomically; the resuming of partial files is a small downloader
handed to it, since its own starts over.
"""

import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stressnet.corpus.recipe import Recipe, load_recipe
from stressnet.errors import CorpusError, FolderError, RecipeError

_BLOCK_BYTES = 1 << 14  # What is lost at most when a connection breaks

_TIMEOUT_S = 30

_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9}

_SMALL_BYTES, _LARGEST_RATIO = 100_000_000, 50
"""An archive that unpacks to more than the first, and to so many times its size, is a bomb; speech
hardly shrinks, and lists and texts do by ten or twenty times."""


@dataclass(frozen=True)
class _ResumingDownloader:
    """A pooch downloader that continues a partial file with an HTTP range request."""

    part: Path  # The bytes so far, kept between runs
    progress: bool
    most_bytes: float  # A server that sends more is not believed

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download ``url`` to ``output_file``; pooch calls this."""
        import requests
        from tqdm import tqdm

        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"}  # the archive's own bytes, which are numbered
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if response.status_code == 416:  # nothing left to send: the part is the whole
                self.part.replace(output_file)
                return
            response.raise_for_status()
            if have and response.status_code != 206:
                have = 0  # the server does not resume: start over
            total = int(response.headers.get("Content-Length", 0)) + have
            bar = tqdm(
                total=total or None,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=self.part.stem,
                disable=not self.progress,
            )
            with self.part.open("ab" if have else "wb") as file, bar:
                for block in response.iter_content(_BLOCK_BYTES):
                    have += len(block)
                    if max(have, total) > self.most_bytes:
                        self.part.unlink()
                        raise requests.RequestException(
                            f"the server sends over {self.most_bytes / 1e6:.0f} MB, more than the "
                            f"recipe says"
                        )
                    file.write(block)
                    bar.update(len(block))
        self.part.replace(output_file)


def split_name(name: str) -> tuple[Recipe, str]:
    """``librispeech:dev-clean`` to its recipe and part.

    If the recipe has no such part, a `RecipeError` lists those there are with their sizes.
    """
    recipe_name, _, part = name.rpartition(":")
    recipe_name = recipe_name or name
    recipe = load_recipe(recipe_name)
    if part not in recipe.parts:
        known = ", ".join(
            f"{recipe_name}:{p}" + (f" ({v.size})" if v.size else "")
            for p, v in recipe.parts.items()
        )
        raise RecipeError(
            f"'{name}' cannot be fetched; "
            + (f"there are {known}" if known else f"recipe '{recipe_name}' has nothing to download")
        )
    return recipe, part


def _most_bytes(size: str) -> float:
    """The largest archive to take from a server, for one of a size such as ``337 MB, 5.4 h``."""
    stated = re.match(r"(\d+(?:\.\d+)?) (kB|MB|GB)\b", size)
    return 2 * float(stated[1]) * _UNITS[stated[2]] if stated else float("inf")


def _checked_member(archive_bytes: int) -> Callable[[tarfile.TarInfo, str], tarfile.TarInfo | None]:
    """A filter that refuses what would leave the folder, and archives that swell beyond reason."""
    left = max(_SMALL_BYTES, _LARGEST_RATIO * archive_bytes)

    def checked(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
        nonlocal left
        left -= member.size
        if left < 0:
            raise tarfile.TarError("unpacks to many times its size, as no speech does")
        return tarfile.data_filter(member, folder)

    return checked


def fetch(name: str, folder: Path, *, progress: bool = True, keep_archive: bool = False) -> Path:
    """Download a part of a corpus and unpack it into a folder, which is returned.

    ``name`` is ``recipe:part``, e.g. ``librispeech:dev-clean``; ``progress`` shows a bar on stderr.
    """
    import pooch
    import requests

    recipe, part = split_name(name)
    source = recipe.parts[part]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    file_name = Path(urlsplit(source.url).path).name
    done = folder / f".{file_name}.unpacked"
    if done.exists() and done.read_text(encoding="utf-8").strip() == source.sha256:
        return folder
    partial = folder / f"{file_name}.part"
    fetched = any(folder.glob(".*.unpacked")) or partial.exists() or (folder / file_name).exists()
    if not fetched and any(folder.iterdir()):
        raise FolderError(
            f"{folder}: holds files that were not fetched; choose another folder with --out"
        )
    try:
        archive = pooch.retrieve(
            source.url,
            known_hash=f"sha256:{source.sha256}",
            fname=file_name,
            path=folder,
            downloader=_ResumingDownloader(partial, progress, _most_bytes(source.size)),
        )
    except requests.RequestException as error:
        kept = partial.stat().st_size if partial.exists() else 0
        raise CorpusError(
            f"{source.url}: download failed ({error}); {kept} bytes are kept, run the same command "
            f"to continue"
        ) from error
    except ValueError as error:
        raise CorpusError(
            f"{source.url}: the archive does not have the expected checksum, so it was damaged on "
            f"the way or has changed; run the command again"
        ) from error
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter=_checked_member(Path(archive).stat().st_size))
    except tarfile.TarError as error:
        raise CorpusError(
            f"{archive}: cannot be unpacked ({error}); delete it and fetch again"
        ) from error
    except OSError as error:
        raise CorpusError(
            f"{error.filename or folder}: cannot be written ({error.strerror}); make room or "
            f"choose another folder, the archive is kept"
        ) from error
    done.write_text(source.sha256 + "\n", encoding="utf-8")
    if not keep_archive:
        Path(archive).unlink()
    return folder
