"""A document of a few kinds of blocks, written as one HTML page or as Markdown.

The page needs nothing from the network and opens from disk: style inside, pictures and sounds
beside it in its own folder.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Cell = str | Callable[[Any], str]


@dataclass(frozen=True)
class Heading:
    """A section's heading; sections are listed at the top of the page."""

    text: str
    level: int = 2

    @property
    def anchor(self) -> str:
        """Its fragment."""
        kept = (c if c.isalnum() else "-" for c in self.text.lower())
        return "-".join(part for part in "".join(kept).split("-") if part)


@dataclass(frozen=True)
class Paragraph:
    """Text; ``kind="warning"`` stands in a box, ``"missing"`` says what could not be reported,
    ``"source"`` where the block above comes from."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Link:
    """A line that leads to another page in the folder."""

    file: str
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of short texts."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    caption : str
        What is in it, with units.
    flush_left : tuple of int
        Columns of words; the others hold numbers and are set flush right.
    sounds : sequence of str
        A sound per row, to play in a last column without heading; empty for none.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    flush_left: tuple[int, ...] = (0,)
    sounds: Sequence[str] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Sequence[tuple[str, Cell]], **options: Any) -> Table:
        """The rows of a DataFrame.

        Parameters
        ----------
        columns : sequence of (str, str or callable)
            Heading, and what stands below it: a column (``"n"``, ``"accuracy:.2f"``) or a function
            of the row.
        """
        rows = [[_cell(row, cell) for _, cell in columns] for _, row in frame.iterrows()]
        return cls([heading for heading, _ in columns], rows, **options)


def _cell(row: Any, cell: Cell) -> str:
    if callable(cell):
        return cell(row)
    name, _, form = cell.partition(":")
    return format(row[name], form) if form else str(row[name])


@dataclass(frozen=True)
class Picture:
    """A figure."""

    file: str
    caption: str
    others: Sequence[str] = ()
    sound: str = ""


Block = Heading | Paragraph | Link | Bullets | Table | Picture


@dataclass
class Document:
    """A title and blocks in order."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    def add(self, *blocks: Block) -> None:
        """Append blocks."""
        self.blocks.extend(blocks)

    def say(self, text: str, kind: str = "text") -> None:
        """Append a :class:`Paragraph`."""
        self.add(Paragraph(text, kind))

    def to_html(self) -> str:
        """The page."""
        sections = [b for b in self.blocks if isinstance(b, Heading) and b.level == 2]
        links = " · ".join(f'<a href="#{s.anchor}">{_e(s.text)}</a>' for s in sections)
        body = "\n".join(block_html(block) for block in self.blocks)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{_e(self.title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
            f"<h1>{_e(self.title)}</h1>\n<nav>{links}</nav>\n<main>\n{body}\n</main>\n"
            "</body>\n</html>\n"
        )

    def to_markdown(self) -> str:
        """The same as text."""
        return "\n\n".join([f"# {self.title}", *(_markdown(b) for b in self.blocks)]) + "\n"


def block_html(block: Block) -> str:
    """One block as HTML, for pages that are not a :class:`Document`."""
    if isinstance(block, Heading):
        return f'<h{block.level} id="{block.anchor}">{_e(block.text)}</h{block.level}>'
    if isinstance(block, Paragraph):
        kind = "" if block.kind == "text" else f' class="{_e(block.kind)}"'
        return f"<p{kind}>{_e(block.text)}</p>"
    if isinstance(block, Link):
        return f'<p class="link"><a href="{_e(block.file)}">{_e(block.text)}</a></p>'
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{_e(item)}</li>" for item in block.items) + "</ul>"
    if isinstance(block, Table):
        return _html_table(block)
    return _html_picture(block)


def _html_table(table: Table) -> str:
    def cells(values: Iterable[str], tag: str, sound: str = "") -> str:
        made = []
        for number, value in enumerate(values):
            kind = ' class="n"' if number not in table.flush_left else ""
            scope = ' scope="col"' if tag == "th" else ""
            made.append(f"<{tag}{kind}{scope}>{_e(value)}</{tag}>")
        if table.sounds:
            made.append(f"<{tag}>{_player(sound)}</{tag}>")
        return "<tr>" + "".join(made) + "</tr>"

    caption = f"<caption>{_e(table.caption)}</caption>" if table.caption else ""
    sounds = table.sounds or [""] * len(table.rows)
    rows = "\n".join(cells(r, "td", s) for r, s in zip(table.rows, sounds, strict=True))
    return (
        f'<div class="wide"><table>{caption}<thead>{cells(table.columns, "th")}</thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _html_picture(picture: Picture) -> str:
    links = " ".join(
        f'<a href="{_e(other)}">{_e(other.rsplit(".", 1)[-1].upper())}</a>'
        for other in picture.others
    )
    return (
        f'<figure>{_player(picture.sound)}<img src="{_e(picture.file)}" '
        f'alt="{_e(picture.caption)}" loading="lazy">'
        f"<figcaption>{_e(picture.caption)} {links}</figcaption></figure>"
    )


def _player(sound: str) -> str:
    return f'<audio controls preload="none" src="{_e(sound)}"></audio>' if sound else ""


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return "#" * block.level + " " + block.text
    if isinstance(block, Paragraph):
        return f"> **{block.text}**" if block.kind in ("warning", "missing") else block.text
    if isinstance(block, Link):
        return f"[{block.text}]({block.file})"
    if isinstance(block, Bullets):
        return "\n".join(f"- {item}" for item in block.items)
    if isinstance(block, Picture):
        return f"![{block.caption}]({block.file})\n\n{block.caption}"
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [block.columns, *block.rows]]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    rule = ["---" if i in block.flush_left else "---:" for i in range(len(block.columns))]
    lines.insert(1, "|" + "|".join(rule) + "|")
    caption = [block.caption, ""] if block.caption else []
    return "\n".join([*caption, *lines])


def _e(text: str) -> str:
    return html.escape(text, quote=True)


_CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1a1a1a;
  background: #fff; max-width: 70rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
nav { font-size: .9rem; color: #777; }
a { color: #0b57a4; }
p { margin: .5rem 0; max-width: 46rem; }
p.warning, p.missing { border-left: 4px solid #c8400c; background: #fdf3ee; padding: .5rem .75rem; }
p.link { font-size: 1.05rem; }
p.missing { border-color: #8a8a8a; background: #f4f4f4; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #444; padding: 0 0 .4rem; }
th, td { text-align: left; padding: .18rem .6rem .18rem 0; vertical-align: top;
  white-space: nowrap; }
th { border-bottom: 1px solid #333; font-weight: 600; vertical-align: bottom; white-space: normal; }
td { border-bottom: 1px solid #eee; }
th.n, td.n { text-align: right; padding: .18rem 0 .18rem .8rem; }
th + th, td + td { padding-left: .9rem; }
figure { margin: 1.25rem 0 2rem; }
figure img { display: block; max-width: 100%; height: auto; }
figure audio { display: block; height: 2rem; margin-bottom: .4rem; }
td audio { display: block; height: 1.6rem; width: 14rem; }
figcaption { font-size: .85rem; color: #444; max-width: 50rem; }
@media print { nav, audio { display: none; } body { max-width: none; } }
"""
