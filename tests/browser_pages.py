"""Pages in a headless Chromium, for tests: none may complain or ask the network for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)


def launched() -> Iterator:
    """A browser, closed at the end."""
    import pytest

    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--mute-audio"]
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


class opened:
    """A page that is ready; leaving it fails on any complaint or request to the network."""

    def __init__(self, browser, file: Path, ready: str = "() => true", **options) -> None:
        options.setdefault("viewport", {"width": 1400, "height": 900})
        self.page = browser.new_page(**options)
        self.complaints: list[str] = []
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type == "error" else None
        )
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("request", self._check)
        self.page.goto(file.as_uri())
        self.page.wait_for_function(ready)

    def _check(self, request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"asked the network for {request.url}")

    def __enter__(self):
        return self.page

    def __exit__(self, kind, *_) -> None:
        self.page.close()
        if kind is None:
            assert self.complaints == []
