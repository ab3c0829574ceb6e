"""Files of the explorer: the page, its index, one file and one sound per token."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stressnet.axes import Axes, cell_edges
from stressnet.corpus.store import Corpus
from stressnet.lexicon.stress import Stress
from stressnet.regions.registry import REGIONS
from stressnet.report import run_sections, tables
from stressnet.report.document import Block, Heading, Paragraph, block_html
from stressnet.report.explorer.pack import pack, rounded
from stressnet.report.explorer.tokens import Method, TokenReader
from stressnet.report.names import region_group, region_name
from stressnet.report.style import STRESS_COLOURS, relevance_colormap, relevance_limit
from stressnet.runs.names import inside

PAGE = "explorer.html"
FOLDER = "explorer"
ASSETS = ("explorer.css", "data.js", "plot.js", "list.js", "labels.js", "app.js")
N_LIMITS = 200
"""Maps from which a run's common colour limit is taken."""


def choose_tokens(methods: Sequence[Method], most: int, seed: int = 0) -> list[str]:
    """Tokens of the first run, in its order; of more than ``most`` a random sample."""
    ids = [str(t) for t in methods[0].run.tokens["token_id"]]
    if len(ids) <= most:
        return ids
    kept = np.sort(np.random.default_rng(seed).choice(len(ids), most, replace=False))
    return [ids[i] for i in kept]


def prepare(out: Path) -> None:
    """Make the folders and copy what the page is made of."""
    for name in ("tokens", "sounds"):
        (out / FOLDER / name).mkdir(parents=True, exist_ok=True)
    here = Path(__file__).parent
    for name in ASSETS:
        shutil.copyfile(here / name, out / FOLDER / name)


def write_token(reader: TokenReader, out: Path, number: int, token_id: str) -> None:
    """Write a token's file and sound."""
    data = pack(*reader.token(token_id))
    script = f'Stressnet.receive({number},"{data}");\n'
    (out / FOLDER / "tokens" / f"{number:06d}.js").write_text(script, encoding="ascii")
    row = reader.row(token_id)
    source = inside(reader.corpus.path, row["excerpt_file"])
    shutil.copyfile(source, out / FOLDER / "sounds" / f"{number:06d}{source.suffix}")


def write_page(
    out: Path,
    reader: TokenReader,
    tokens: Sequence[tuple[int, str]],
    *,
    first: str | None = None,
    summary: Sequence[Block] = (),
    provenance: Sequence[Block] = (),
    notice: str = "",
    report: str | None = "index.html",
) -> Path:
    """Write the page and its index."""
    index = _index(reader, tokens, first)
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A script may not hold "</script" nor line separators that JSON allows.
    text = text.replace("</", "<\\/").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    script = f"window.Stressnet=window.Stressnet||{{}};\nStressnet.index={text};\n"
    (out / FOLDER / "index.js").write_text(script, encoding="utf-8")
    parts = {
        "title": html.escape(f"Explorer: {reader.corpus.name}"),
        "heading": html.escape(reader.corpus.name),
        "report_link": f'<a href="{html.escape(report)}">report</a>' if report else "",
        "notice": f'<p class="notice">{html.escape(notice)}</p>' if notice else "",
        "summary": "\n".join(block_html(block) for block in summary),
        "provenance": "\n".join(block_html(block) for block in provenance),
    }
    page = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    for name, value in parts.items():
        page = page.replace("{{" + name + "}}", value)
    file = out / PAGE
    file.write_text(page, encoding="utf-8")
    return file


def _index(
    reader: TokenReader, tokens: Sequence[tuple[int, str]], first: str | None
) -> dict[str, Any]:
    """What the page knows before it loads a token."""
    token_ids = [token_id for _, token_id in tokens]
    rows = [reader.row(token_id) for token_id in token_ids]
    speakers = sorted({str(row["speaker"]) for row in rows})
    splits = sorted({str(row["split"]) for row in rows})
    colours = np.round(255 * relevance_colormap()(np.linspace(0, 1, 255))).astype(int)
    suffix = Path(str(rows[0]["excerpt_file"])).suffix if rows else ""
    return {
        "corpus": reader.corpus.name,
        "sound_suffix": suffix,
        "first": token_ids.index(first) if first in token_ids else 0,
        "tokens": {
            "file": [number for number, _ in tokens],
            "id": token_ids,
            "word": [str(row["word"]) for row in rows],
            "speaker": [speakers.index(str(row["speaker"])) for row in rows],
            "split": [splits.index(str(row["split"])) for row in rows],
            "sex": [row["sex"] if isinstance(row.get("sex"), str) else "" for row in rows],
            "stress": [_class(row["stress"]) for row in rows],
        },
        "speakers": speakers,
        "splits": splits,
        "runs": [_run(reader, method, token_ids) for method in reader.methods],
        "presets": [
            {"name": name, **_axes(reader.axes_of(number))}
            for number, name in enumerate(reader.presets)
        ],
        "regions": _regions(reader.methods),
        "colours": colours.tolist(),
        "stress": {stress.value: colour for stress, colour in STRESS_COLOURS.items()},
    }


def _class(value: object) -> int | None:
    return Stress(value).class_index if isinstance(value, str) and value else None


def _run(reader: TokenReader, method: Method, token_ids: Sequence[str]) -> dict[str, Any]:
    """A run's answers in the order of the tokens, None where it has no map."""
    run = method.run
    answers = run.tokens.set_index("token_id").reindex(list(token_ids))
    there = [token_id for token_id in token_ids if token_id in run]
    sample = there[:: max(1, len(there) // N_LIMITS)]
    limits = [relevance_limit(run.map_of(token_id)) for token_id in sample]
    return {
        "label": method.label,
        "description": method.description,
        "preset": reader.preset_of(method),
        "limit": rounded(float(np.median(limits))) if limits else 0.0,
        "predicted": [_class(stress) for stress in answers["stress_predicted"]],
        "p": [rounded(p, 4) for p in answers["p_initial"]],
    }


def _axes(axes: Axes) -> dict[str, Any]:
    hertz = np.maximum(cell_edges(axes.frequency_hz), 0.0)
    steps = np.diff(hertz)
    return {
        "time_edges": [rounded(float(t), 7) for t in cell_edges(axes.time_s)],
        "frequency_edges": [rounded(float(f), 7) for f in hertz],
        # Half a bin at 0 Hz is uneven too: rows are then drawn one by one.
        "even": bool(np.ptp(steps) < 1e-6 * steps.mean()),
    }


def _regions(methods: Sequence[Method]) -> list[dict[str, str]]:
    """Regions of any run, those of one group together."""
    names = dict.fromkeys(name for method in methods for name in method.regions)
    regions = [
        {
            "name": name,
            "title": region_name(name),
            "definition": REGIONS[name].definition if name in REGIONS else "",
            "group": region_group(name),
        }
        for name in names
    ]
    order = list(dict.fromkeys(region["group"] for region in regions))
    return sorted(regions, key=lambda region: order.index(region["group"]))


def summary_blocks(
    methods: Sequence[Method], corpus: Corpus, out: Path, made: Sequence[str] = ()
) -> Iterator[Block]:
    """Relevance by region and mean maps of every run."""
    yield Heading("Tokens")
    yield tables.corpus_table(corpus.tokens)
    yield Paragraph(_source(corpus.manifest), "source")
    for number, method in enumerate(methods, start=1):
        yield Heading(f"Relevance: {method.label}")
        suffix, origin = "" if number == 1 else f"-{number}", _source(method.run.manifest)
        sources = run_sections.Sources(method.run, corpus, out, ["png"], suffix, made, origin)
        yield from run_sections.regions(sources)
        yield run_sections.mean_maps(sources)
        yield run_sections.vowels(sources)
        yield from run_sections.conservation(sources)


def provenance_blocks(methods: Sequence[Method], corpus: Corpus) -> Iterator[Block]:
    """How corpus, networks and runs were made."""
    manifests: dict[str, dict[str, Any]] = {"corpus": corpus.manifest}
    for method in methods:
        if method.model is not None:
            manifests[f"network of {method.label}"] = method.model
        manifests[f"relevance, {method.label}"] = method.run.manifest
    yield Heading("Provenance")
    if about := run_sections.origin(corpus):
        yield Paragraph(" ".join(about))
    yield tables.provenance_table(manifests)
    yield Paragraph(
        "Hashes of all files: manifest.json in each folder. The report's own: manifest.json "
        "beside this page."
    )


def _source(manifest: dict[str, Any]) -> str:
    """One line that says from which folder a figure comes and how that was made."""
    command = " ".join(map(str, manifest.get("command", []))) or "command unknown"
    version = manifest.get("versions", {}).get("stressnet", "?")
    return (
        f"Source: {manifest.get('kind', 'folder')} made {manifest.get('created', '?')} by "
        f"stressnet {version}: {command}"
    )
