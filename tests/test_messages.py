"""Remedies that messages name exist: options of commands, keys of recipes, commands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

import stressnet
import stressnet.errors
from stressnet.cli import cli
from stressnet.corpus.recipe import AlignmentSource, SpeakerTable, TranscriptSource, load_recipe

SOURCE = Path(stressnet.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
OF_OTHERS = re.compile(r"ffmpeg|--num_jobs|torchrun|pip install --")
# Keys a recipe may have, by section.
KEYS = {
    "audio": {"pattern", "id", "ignore_case", "channel"},
    "speakers": {"constant", "name", "sex", "table"},
    "corpus": {"name", "title", "licence", "citation", "url", "synthetic"},
    "alignment": {f.name for f in fields(AlignmentSource)},
    "transcript": {f.name for f in fields(TranscriptSource)},
    "speakers.table": {f.name for f in fields(SpeakerTable)},
    "labels": {"file"},
    "parts": {"url", "sha256", "size"},
}


def commands(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    for key, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name}{key} ")
        else:
            yield f"{name}{key}", command


ALL = dict(commands(cli))
OPTIONS = {
    option
    for command in ALL.values()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in (*parameter.opts, *parameter.secondary_opts)
} | {"--help", "--version"}


def docstrings(tree: ast.AST) -> set[int]:
    found = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for one in body:
                if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                    found.add(id(one.value))
    return found


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """Texts of a module that are no docstrings, each with its place; fields in them as {}."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = docstrings(tree)
    inside: set[int] = set()
    for node in ast.walk(tree):
        place = f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield place, "".join(map(str, parts))
        elif isinstance(node, ast.Constant):
            is_text = isinstance(node.value, str)
            if is_text and id(node) not in left_out | inside:
                yield place, str(node.value)


TEXTS = [(where, text) for file in sorted(SOURCE.rglob("*.py")) for where, text in texts(file)]


def test_every_option_that_a_message_names_exists() -> None:
    named = [
        (where, option)
        for where, text in TEXTS
        if " " in text and not OF_OTHERS.search(text)
        for option in OPTION.findall(text)
    ]
    assert len(named) > 30
    missing = [(w, o) for w, o in named if o not in OPTIONS]
    assert missing == []


def test_every_recipe_key_that_a_message_names_exists() -> None:
    sections = "|".join(re.escape(name) for name in sorted(KEYS, key=len, reverse=True))
    key = re.compile(rf"\[\[?({sections})\]\]? ([a-z_]+)(?= =|'| \w* ?\{{|;|$)")
    named = [(w, *m) for w, text in TEXTS if " " in text for m in key.findall(text)]
    assert len(named) >= 3
    assert [(w, s, k) for w, s, k in named if k not in KEYS[s]] == []


def test_the_keys_are_those_that_recipes_read(tmp_path: Path) -> None:
    """The table above is the loader's own: each key is taken, and others are refused."""
    base = Path(str(SOURCE.parent / "corpora" / "generic.toml"))
    text = base.read_text(encoding="utf-8")
    for section in ("audio", "corpus"):
        file = tmp_path / f"{section}.toml"
        file.write_text(text.replace(f"[{section}]", f"[{section}]\nnonsense = 1"), "utf-8")
        with pytest.raises(stressnet.errors.RecipeError, match="nonsense"):
            load_recipe(str(file))
    file = tmp_path / "channel.toml"
    file.write_text(text.replace("[audio]", "[audio]\nchannel = 2"), encoding="utf-8")
    assert load_recipe(str(file)).channel == 2
    for wrong in ("0", "true", '"2"'):
        file.write_text(text.replace("[audio]", f"[audio]\nchannel = {wrong}"), encoding="utf-8")
        with pytest.raises(stressnet.errors.RecipeError, match="whole number from 1"):
            load_recipe(str(file))


def test_every_command_that_a_message_names_exists() -> None:
    command = re.compile(r"'stressnet ([a-z][a-z-]*(?: [a-z]+)?)")
    for where, text in TEXTS:
        for name in command.findall(text):
            assert name in ALL or name.split()[0] in {n.split()[0] for n in ALL}, (where, name)
