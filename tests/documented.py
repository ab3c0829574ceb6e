"""Columns that a page of the documentation lists, names in one cell and braces taken apart."""

from __future__ import annotations

import re
from itertools import product

ROW = re.compile(r"^\| ((?:`[\w{},]+`(?:, )?)+) \| (\w+) \|", re.MULTILINE)


def columns(text: str) -> list[tuple[str, str]]:
    """Name and type of every column in the tables of a text."""
    found = []
    for names, kind in ROW.findall(text):
        for name in re.findall(r"`([^`]+)`", names):
            parts = [part.split(",") for part in re.split(r"[{}]", name)]
            found += [("".join(choice), kind) for choice in product(*parts)]
    return found
