"""A document of a few kinds of blocks, written as one HTML page or as Markdown.

The page needs nothing from the network and opens from disk: style inside, pictures and sounds
beside it in its own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.languages import ENGLISH
from stressnet.report.style import save_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Cell = str | Callable[[Any], str]

MOST_DATA = 500_000
"""Numbers of a figure that the page itself holds, to be copied, in characters; of more, only the
file is there."""


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
    none. ``links`` are pages to which the first cells lead.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    flush_left: tuple[int, ...] = (0,)
    sounds: Sequence[str] = ()
    links: Sequence[str] = ()

    @classmethod
    def of(
        cls, frame: pd.DataFrame, columns: Sequence[str | tuple[str, Cell]], **options: Any
    ) -> Table:
        """The rows of a DataFrame.

        ``columns``: heading, and what stands below it: a column (``"n"``, ``"accuracy:.2f"``) or a
        function of the row. A text alone is the heading and the column.
        """
        pairs = [(each, each) if isinstance(each, str) else each for each in columns]
        rows = [[_cell(row, cell) for _, cell in pairs] for _, row in frame.iterrows()]
        return cls([heading for heading, _ in pairs], rows, **options)

    def lines(self, indent: str = "") -> list[str]:
        """The table for a terminal, without its caption."""
        rows = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [
            (
                indent
                + "  ".join(
                    cell.ljust(width) if number in self.flush_left else cell.rjust(width)
                    for number, (cell, width) in enumerate(zip(row, widths, strict=True))
                )
            ).rstrip()
            for row in rows
        ]


def _cell(row: Any, cell: Cell) -> str:
    if callable(cell):
        return cell(row)
    name, _, form = cell.partition(":")
    return format(row[name], form) if form else str(row[name])


@dataclass(frozen=True)
class Picture:
    """A figure; ``others`` are its files in other formats, ``data`` its numbers as CSV."""

    file: str
    caption: str
    others: Sequence[str] = ()
    sound: str = ""
    data: str = ""

    @classmethod
    def saved(
        cls,
        figure: Figure | None,
        out: Path,
        name: str,
        caption: str,
        formats: Sequence[str] = ("png", "pdf"),
        data: pd.DataFrame | None = None,
        spoken: str = ENGLISH,
    ) -> Picture:
        """Write a figure and its numbers into the page's ``figures/``; with None its files are
        there already. Both name the language ``spoken`` if it is not English."""
        numbers = out / "figures" / f"{name}.csv"
        if figure is not None:
            save_figure(figure, out / "figures" / name, formats, spoken)
        if data is not None:
            data = data if spoken == ENGLISH else data.assign(language=spoken)
            data.to_csv(numbers, index=False, float_format="%.5g")
        first, *others = (f"figures/{name}.{kind}" for kind in formats)
        if not numbers.is_file():
            return cls(first, caption, others)
        text = numbers.read_text(encoding="utf-8")
        others.append(f"figures/{name}.csv")
        return cls(first, caption, others, data=text if len(text) < MOST_DATA else "")


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
        """The page; what stands before the first section is its lead, above the sections' list."""
        return render("document.html", **self._parts())

    def to_markdown(self) -> str:
        """The same as text."""
        return render("document.md", **self._parts())

    def _parts(self) -> dict[str, Any]:
        sections = [b for b in self.blocks if isinstance(b, Heading) and b.level == 2]
        first = self.blocks.index(sections[0]) if sections else len(self.blocks)
        lead, rest = self.blocks[:first], self.blocks[first:]
        return {"title": self.title, "lead": lead, "sections": sections, "rest": rest}


def render(template: str, **values: Any) -> str:
    """A page or text from a template beside this module; pages escape what they are given."""
    import jinja2

    options: dict[str, Any] = {
        "trim_blocks": True,
        "lstrip_blocks": True,
        "keep_trailing_newline": True,
    }
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=template.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        **options,
    )
    return pages.get_template(template).render(values)
