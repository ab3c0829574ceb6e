"""A document of a few kinds of blocks, written as one HTML page or as Markdown.

The page needs nothing from the network and opens from disk: style inside, pictures and sounds
beside it in its own folder.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.report.style import save_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

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

    The ``caption`` says what is in it, with units. Columns of words are set ``flush_left``, numbers
    right. ``sounds`` holds a sound per row, to play in a last column without heading; empty for
    none.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    flush_left: tuple[int, ...] = (0,)
    sounds: Sequence[str] = ()

    @classmethod
    def of(
        cls, frame: pd.DataFrame, columns: Sequence[str | tuple[str, Cell]], **options: Any
    ) -> Table:
        """The rows of a DataFrame.

        Parameters
        ----------
        columns : sequence of str or (str, str or callable)
            Heading, and what stands below it: a column (``"n"``, ``"accuracy:.2f"``) or a function
            of the row. A text alone is the heading and the column.
        """
        pairs = [(each, each) if isinstance(each, str) else each for each in columns]
        rows = [[_cell(row, cell) for _, cell in pairs] for _, row in frame.iterrows()]
        return cls([heading for heading, _ in pairs], rows, **options)


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

    @classmethod
    def saved(
        cls,
        figure: Figure | None,
        out: Path,
        name: str,
        caption: str,
        formats: Sequence[str] = ("png", "pdf"),
    ) -> Picture:
        """Write a figure into the page's ``figures/``; with None its files are there already."""
        if figure is not None:
            save_figure(figure, out / "figures" / name, formats)
        first, *others = (f"figures/{name}.{kind}" for kind in formats)
        return cls(first, caption, others)


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

    def write(self, file: Path) -> Path:
        """Write the page, or into a file ``.md`` the same as text."""
        text = self.to_markdown() if file.suffix == ".md" else self.to_html()
        file.write_text(text, encoding="utf-8")
        return file

    def to_html(self) -> str:
        """The page."""
        css = (Path(__file__).parent / "document.css").read_text(encoding="utf-8")
        sections = [b for b in self.blocks if isinstance(b, Heading) and b.level == 2]
        links = " · ".join(f'<a href="#{s.anchor}">{_e(s.text)}</a>' for s in sections)
        body = "\n".join(block_html(block) for block in self.blocks)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{_e(self.title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n"
            f"<h1>{_e(self.title)}</h1>\n<nav>{links}</nav>\n<main>\n{body}\n</main>\n"
            "</body>\n</html>\n"
        )

    def to_markdown(self) -> str:
        """The same as text."""
        return "\n\n".join([f"# {self.title}", *map(block_markdown, self.blocks)]) + "\n"


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


def block_markdown(block: Block) -> str:
    """One block as Markdown."""
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
