"""Downloads against a server on this machine: checksum, resume, and nothing done twice."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.corpus.fetch import _most_bytes, fetch, split_name
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import scan
from stressnet.errors import CorpusError, FolderError, RecipeError


def librispeech_archive(folder: Path) -> bytes:
    """Two utterances, laid out and packed as OpenSLR does."""
    rng = np.random.default_rng(0)
    chapter = folder / "LibriSpeech" / "dev-clean" / "19" / "198"
    chapter.mkdir(parents=True)
    for number in (0, 1):
        noise = 0.1 * rng.standard_normal(16_000)
        soundfile.write(chapter / f"19-198-{number:04d}.flac", noise, 16_000)
    (chapter / "19-198.trans.txt").write_text("19-198-0000 THE RECORD\n19-198-0001 A PERMIT\n")
    (folder / "LibriSpeech" / "SPEAKERS.TXT").write_text(
        "; ID |SEX| SUBSET\n19   | F | dev-clean | 8 | Kara\n"
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder / "LibriSpeech", "LibriSpeech")
    return packed.getvalue()


@dataclass
class Server:
    """What is served, how it misbehaves, and what was asked of it."""

    data: bytes
    url: str = ""
    break_after: int | None = None
    resumes: bool = True
    status: int | None = None
    endless: bool = False
    stalls: threading.Event | None = None
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    state = Server(librispeech_archive(tmp_path / "packed"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            start = 0
            if state.status is not None:
                self.send_error(state.status)
                return
            if asked and state.resumes:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(state.data):
                    self.send_error(416)
                    return
                self.send_response(206)
                last = len(state.data) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(state.data)}")
            else:
                self.send_response(200)
            body = state.data[start:]
            if state.endless:
                self.end_headers()
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(bytes(1 << 16))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.stalls is not None:
                self.wfile.write(body[:100])
                self.wfile.flush()
                state.stalls.wait(20)
                return
            self.wfile.write(body if state.break_after is None else body[: state.break_after])

        def log_message(self, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{httpd.server_port}/12/dev-clean.tar.gz"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def name(server: Server, tmp_path: Path) -> str:
    """A recipe like LibriSpeech's, whose part lies on the local server."""
    shipped = Path(__file__).parents[1] / "corpora" / "librispeech.toml"
    text = shipped.read_text(encoding="utf-8").split("[parts.")[0]
    digest = hashlib.sha256(server.data).hexdigest()
    part = f'[parts.dev-clean]\nurl = "{server.url}"\nsha256 = "{digest}"\nsize = "tiny"\n'
    (tmp_path / "local.toml").write_text(text + part, encoding="utf-8")
    return f"{tmp_path / 'local.toml'}:dev-clean"


def get(name: str, folder: Path, **options: bool) -> Path:
    return fetch(name, folder, progress=False, **options)


def test_a_part_arrives_unpacked_and_ready_to_be_scanned(
    server: Server, name: str, tmp_path: Path
) -> None:
    folder = get(name, tmp_path / "new" / "data")
    assert server.ranges == [None]
    found = scan(load_recipe(str(tmp_path / "local.toml")), folder)
    assert not found.problems
    assert [(r.utterance_id, r.words, r.sex) for r in found.recordings] == [
        ("19-198-0000", ("THE", "RECORD"), "female"),
        ("19-198-0001", ("A", "PERMIT"), "female"),
    ]
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == ["LibriSpeech"]


def test_a_second_call_asks_for_nothing(server: Server, name: str, tmp_path: Path) -> None:
    get(name, tmp_path / "data")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("*")}
    get(name, tmp_path / "data")
    assert len(server.ranges) == 1
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "data").rglob("*")} == before


def test_the_archive_can_be_kept_and_is_not_fetched_again(
    server: Server, name: str, tmp_path: Path
) -> None:
    folder = get(name, tmp_path / "data", keep_archive=True)
    archive = folder / "dev-clean.tar.gz"
    assert archive.read_bytes() == server.data
    (folder / ".dev-clean.tar.gz.unpacked").unlink()  # as if unpacking had been interrupted
    get(name, folder)
    assert len(server.ranges) == 1
    assert not archive.exists()


def test_a_broken_download_is_continued(server: Server, name: str, tmp_path: Path) -> None:
    server.break_after = sent = 20_000
    part = tmp_path / "data" / "dev-clean.tar.gz.part"
    with pytest.raises(CorpusError) as caught:
        get(name, tmp_path / "data")
    message = str(caught.value)
    assert message.startswith(f"{server.url}: download failed")
    first = part.stat().st_size
    assert sent - 16_384 < first <= sent
    assert part.read_bytes() == server.data[:first]
    assert f"{first} bytes are kept, run the same command to continue" in message
    assert "\n" not in message

    with pytest.raises(CorpusError, match="bytes are kept"):
        get(name, tmp_path / "data")
    second = part.stat().st_size
    assert first < second < len(server.data)
    server.break_after = None
    folder = get(name, tmp_path / "data")
    assert server.ranges == [None, f"bytes={first}-", f"bytes={second}-"]
    assert (folder / "LibriSpeech" / "SPEAKERS.TXT").is_file()
    assert not list(folder.glob("*.part"))


def test_a_server_that_cannot_resume_starts_over(server: Server, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dev-clean.tar.gz.part").write_bytes(server.data[:1000])
    server.resumes = False
    get(name, folder)
    assert server.ranges == ["bytes=1000-"]
    assert (folder / "LibriSpeech" / "SPEAKERS.TXT").is_file()


def test_a_part_that_is_already_whole(server: Server, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dev-clean.tar.gz.part").write_bytes(server.data)
    get(name, folder)
    assert server.ranges == [f"bytes={len(server.data)}-"]
    assert (folder / "LibriSpeech" / "SPEAKERS.TXT").is_file()


def test_a_wrong_checksum_is_refused_and_the_next_call_starts_afresh(
    server: Server, name: str, tmp_path: Path
) -> None:
    good, server.data = server.data, server.data[:-50] + bytes(50)
    with pytest.raises(CorpusError) as caught:
        get(name, tmp_path / "data")
    message = str(caught.value)
    assert server.url in message
    assert "does not have the expected checksum" in message and "run the command again" in message
    assert not list((tmp_path / "data").iterdir())
    server.data = good
    get(name, tmp_path / "data")
    assert server.ranges == [None, None]


def test_an_archive_that_is_none(server: Server, name: str, tmp_path: Path) -> None:
    old, server.data = server.data, b"<html>not an archive</html>"
    recipe = tmp_path / "local.toml"
    digests = [hashlib.sha256(data).hexdigest() for data in (old, server.data)]
    recipe.write_text(recipe.read_text().replace(*digests))
    with pytest.raises(CorpusError, match=r"dev-clean\.tar\.gz: cannot be unpacked"):
        get(name, tmp_path / "data")


def test_files_that_would_leave_the_folder_are_refused(
    server: Server, name: str, tmp_path: Path
) -> None:
    old, packed = server.data, io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../outside.txt"))
    server.data = packed.getvalue()
    recipe = tmp_path / "local.toml"
    digests = [hashlib.sha256(data).hexdigest() for data in (old, server.data)]
    recipe.write_text(recipe.read_text().replace(*digests))
    with pytest.raises(CorpusError, match="cannot be unpacked"):
        get(name, tmp_path / "data")
    assert not (tmp_path / "outside.txt").exists()


def test_a_server_that_says_no(server: Server, name: str, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(CorpusError, match=r"download failed \(404.*0 bytes are kept"):
        get(name, tmp_path / "data")


def test_no_server(server: Server, name: str, tmp_path: Path) -> None:
    recipe = tmp_path / "local.toml"
    recipe.write_text(recipe.read_text().replace(server.url, "http://127.0.0.1:9/a.tar.gz"))
    with pytest.raises(CorpusError, match=r"127\.0\.0\.1:9/a\.tar\.gz: download failed"):
        get(name, tmp_path / "data")
    assert not server.ranges


def test_a_folder_that_cannot_be_written(server: Server, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match=r"cannot be written .*choose another folder"):
        get(name, tmp_path / "file" / "data")
    assert not server.ranges


@pytest.mark.parametrize("wrong", ["librispeech:dev-cleen", "librispeech", "librispeech:"])
def test_unknown_parts_list_those_there_are(wrong: str) -> None:
    with pytest.raises(RecipeError) as caught:
        split_name(wrong)
    message = str(caught.value)
    assert f"'{wrong}' cannot be fetched" in message
    assert "librispeech:dev-clean (337 MB, 5.4 h)" in message
    assert "librispeech:train-clean-100" in message


def test_names() -> None:
    recipe, part = split_name("librispeech:test-other")
    assert (recipe.name, part) == ("librispeech", "test-other")
    with pytest.raises(RecipeError, match="'generic' has nothing to download"):
        split_name("generic:all")
    with pytest.raises(RecipeError, match="no recipe named 'nowhere'"):
        split_name("nowhere:train")


def test_a_folder_of_other_people_is_left_alone(server: Server, name: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "LibriSpeech").mkdir(parents=True)
    (tmp_path / "data" / "LibriSpeech" / "SPEAKERS.TXT").write_text("mine")
    with pytest.raises(FolderError, match="holds files that were not fetched"):
        get(name, tmp_path / "data")
    assert not server.ranges
    assert (tmp_path / "data" / "LibriSpeech" / "SPEAKERS.TXT").read_text() == "mine"


def test_an_archive_that_swells_is_refused(
    server: Server, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stressnet.corpus.fetch._SMALL_BYTES", 1000)
    old, packed = server.data, io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("zeros")
        member.size = 10_000_000
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    server.data = packed.getvalue()
    recipe = tmp_path / "local.toml"
    digests = [hashlib.sha256(data).hexdigest() for data in (old, server.data)]
    recipe.write_text(recipe.read_text().replace(*digests))
    with pytest.raises(CorpusError, match="unpacks to many times its size"):
        get(name, tmp_path / "data")
    assert not (tmp_path / "data" / "zeros").exists()


def test_a_server_that_never_ends(
    server: Server, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stressnet.corpus.fetch._most_bytes", lambda size: 300_000)
    server.endless = True
    with pytest.raises(CorpusError, match="more than the recipe says"):
        get(name, tmp_path / "data")
    assert not list((tmp_path / "data").glob("*.part"))
    server.endless = False
    get(name, tmp_path / "data")


def test_a_server_that_stalls(
    server: Server, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came so far is kept, and the next call continues."""
    monkeypatch.setattr("stressnet.corpus.fetch._TIMEOUT_S", 0.3)
    monkeypatch.setattr("stressnet.corpus.fetch._BLOCK_BYTES", 50)
    server.stalls = threading.Event()
    with pytest.raises(CorpusError, match=r"download failed.*; 100 bytes are kept, run the same"):
        get(name, tmp_path / "data")
    server.stalls.set()
    server.stalls = None
    get(name, tmp_path / "data")
    assert server.ranges == [None, "bytes=100-"]


@pytest.mark.parametrize(
    ("size", "most"),
    [
        ("337 MB, 5.4 h", 674e6),
        ("30 GB, 500 h", 60e9),
        ("tiny", float("inf")),
        ("1.2.3 MBit", float("inf")),
    ],
)
def test_sizes(size: str, most: float) -> None:
    assert _most_bytes(size) == most


def test_links_that_leave_the_folder_are_refused(server: Server, name: str, tmp_path: Path) -> None:
    old, packed = server.data, io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    server.data = packed.getvalue()
    recipe = tmp_path / "local.toml"
    digests = [hashlib.sha256(data).hexdigest() for data in (old, server.data)]
    recipe.write_text(recipe.read_text().replace(*digests))
    with pytest.raises(CorpusError, match="cannot be unpacked"):
        get(name, tmp_path / "data")
    assert not (tmp_path / "data" / "link").is_symlink()
