"""Links of the documentation lead somewhere; its commands, options and Python names exist."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from pathlib import Path

import click
import pytest

from stressnet.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
INDENTED = re.compile(r"^ {4,}(?:uv run )?(stressnet (?:.*\\\n)*.*)", re.MULTILINE)
IN_TEXT = re.compile(r"`(?:uv run )?(stressnet [^`\n]*)`")


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_is_in_a_section() -> None:
    listed = set()
    for page in (ROOT / "docs").rglob("*.md"):
        for tree in re.findall(r"```\{toctree\}(.*?)```", page.read_text(encoding="utf-8"), re.S):
            for entry in re.findall(r"^(?:.*<)?([\w/-]+)>?$", tree, re.MULTILINE):
                listed.add((page.parent / f"{entry}.md").resolve())
    pages = {page.resolve() for page in (ROOT / "docs").rglob("*.md")}
    generated = {page for page in pages if page.parent.name == "validation"}
    assert pages - generated - {(ROOT / "docs" / "index.md").resolve()} == listed


def commands_of(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    found = [*INDENTED.findall(text), *IN_TEXT.findall(text)]
    return [re.split(r" {3,}|\s#|[;|]| && | …", found_.replace("\\\n", " "))[0] for found_ in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page: Path) -> None:
    for line in commands_of(page):
        command: click.Command = cli
        words = [re.sub(r"[\[\]…,]", "", word) for word in line.split()[1:]]
        while words and isinstance(command, click.Group) and re.match(r"[a-z]", words[0]):
            assert words[0] in command.commands, f"{page.name}: {line}"
            command = command.commands[words.pop(0)]
        options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        for word in words:
            option = word.partition("=")[0]
            if re.match(r"--[a-z]", option):
                assert option in options | {"--help", "--version"}, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_names_exist_and_settings_parse(page: Path) -> None:
    """Every import of the package in a block of Python works; every block of TOML is TOML."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
        tomllib.loads(block)
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        code = "\n".join(line for line in block.splitlines() if not line.startswith("%"))
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("stressnet"):
                module = importlib.import_module(str(node.module))
                for name in node.names:
                    if not hasattr(module, name.name):
                        importlib.import_module(f"{node.module}.{name.name}")
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "stressnet":
                assert hasattr(importlib.import_module("stressnet"), node.attr), node.attr
