"""Files of the explorer: the page, its index, one file and one sound per token, over processes."""

import json
import shutil
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from stressnet.axes import Axes, cell_edges
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, StressnetError
from stressnet.languages import ENGLISH
from stressnet.lexicon.stress import Stress
from stressnet.regions.registry import REGIONS
from stressnet.report import run_sections, tables
from stressnet.report.choose import choose_words
from stressnet.report.document import Block, Heading, Paragraph, render
from stressnet.report.explorer.pack import pack, rounded
from stressnet.report.explorer.patching import patched
from stressnet.report.explorer.tokens import Method, TokenReader, method_labels
from stressnet.report.names import count_of, region_group, region_name
from stressnet.report.run import RelevanceRun, model_manifest
from stressnet.report.style import STRESS_COLOURS, relevance_colormap, relevance_limit
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import FILE_NAME
from stressnet.runs.names import inside
from stressnet.runs.parallel import in_order
from stressnet.runs.problems import Problem, Severity

PAGE = "explorer.html"
FOLDER = "explorer"
ASSETS = (
    *("explorer.css", "data.js", "plot.js", "list.js"),
    *("labels.js", "inside.js", "pane.js", "app.js"),
)
SHARED = ("pages.css", "pages.js")
N_LIMITS = 200  # Maps from which a run's common colour limit is taken
CHUNK = 50  # Tokens per task


def model_folder(run: RelevanceRun) -> Path | None:
    """The checkpoint a run explains: where the manifest says, or beside the run; None if gone."""
    place = run.place_of("model")
    return place if (place / FILE_NAME).is_file() else None


def open_methods(runs: Sequence[RelevanceRun], corpus: Corpus) -> list[Method]:
    """Runs under names that tell them apart."""
    seen: set[Path] = set()
    models: list[dict[str, Any] | None] = []
    for run in runs:
        explained = run.manifest.get("inputs", {}).get("corpus", corpus.fingerprint)
        if explained != corpus.fingerprint:
            raise ConfigError(
                f"{run.path}: explains another corpus than {runs[0].path}; "
                "only runs on one corpus can be shown together"
            )
        if run.path.resolve() in seen:
            raise ConfigError(f"{run.path}: is given twice; name each run once")
        seen.add(run.path.resolve())
        models.append(model_manifest(model_folder(run)))
    labels = method_labels(runs, models)
    return [Method(*parts) for parts in zip(labels, runs, models, strict=True)]


def write_tokens(
    methods: Sequence[Method], corpus: Corpus, token_ids: Sequence[str], folder: RunFolder
) -> list[tuple[int, str]]:
    """Write the files of all tokens; those that cannot be shown become problems."""
    source = (str(corpus.path), tuple(str(m.run.path) for m in methods), str(folder.path))
    tasks = [
        (source, tuple(enumerate(token_ids[i : i + CHUNK], i)))
        for i in range(0, len(token_ids), CHUNK)
    ]
    failed: dict[str, str] = {}
    with folder.progress.stage("explorer", len(token_ids), "token") as bar:
        results = in_order(_write_chunk, tasks, folder.work.jobs, folder.pool)
        for (_, chunk), errors in zip(tasks, results, strict=True):
            failed.update(errors)
            bar.update(len(chunk))
    folder.problems += [
        Problem(token, "explorer", Severity.ERROR, reason) for token, reason in failed.items()
    ]
    return [(i, t) for i, t in enumerate(token_ids) if t not in failed]


Task = tuple[tuple[str, tuple[str, ...], str], tuple[tuple[int, str], ...]]


def _write_chunk(task: Task) -> dict[str, str]:
    """Reasons by token that could not be written."""
    (corpus, runs, out), chunk = task
    reader = _reader(corpus, runs)
    failed = {}
    for number, token_id in chunk:
        try:
            write_token(reader, Path(out), number, token_id)
        except (StressnetError, OSError) as error:
            failed[token_id] = str(error)
    return failed


@lru_cache(maxsize=1)
def _reader(corpus_path: str, run_paths: tuple[str, ...]) -> TokenReader:
    """One reader per process: its tables take seconds to read."""
    corpus = Corpus.open(corpus_path)
    runs = [RelevanceRun.open(path) for path in run_paths]
    return TokenReader(corpus, open_methods(runs, corpus))


def write_explorer(
    runs: Sequence[RelevanceRun],
    corpus: Corpus,
    folder: RunFolder,
    most: int,
    seed: int = 0,
    patching: Path | None = None,
) -> tuple[Path, int]:
    """Write the explorer of one or more runs beside a report: its page, and how many tokens it has.

    The first run decides which tokens are there, a random sample of more than ``most``. Those that
    cannot be shown become the folder's problems. ``patching`` is a folder of ``stressnet patch``.
    """
    methods = open_methods(runs, corpus)
    token_ids = choose_tokens(methods, most, seed)
    out = folder.path
    folder.tree("explorer/**")
    folder.file("explorer/index.js")
    folder.tree("figures/*")
    folder.file("explorer.html")
    prepare(out)
    written = write_tokens(methods, corpus, token_ids, folder)
    chosen = choose_words(runs[0].tokens[runs[0].tokens["token_id"].isin(token_ids)])
    notices = []
    if corpus.manifest.get("parameters", {}).get("synthetic"):
        notices.append("Synthetic speech: this shows that the software works, nothing more.")
    if (n := len(token_ids)) < len(runs[0].tokens):
        notices.append(f"A random sample of {count_of(n, 'token')} of {len(runs[0].tokens)}.")
    if n := len(folder.problems):
        notices.append(f"{count_of(n, 'token')} could not be shown; see failures.csv.")
    made = [file.stem for file in (out / "figures").glob("*.png")]
    page = write_page(
        out,
        _reader(str(corpus.path), tuple(str(run.path) for run in runs)),
        written,
        first=chosen[0].token_id if chosen else None,
        summary=list(summary_blocks(methods, corpus, out, made)),
        provenance=list(provenance_blocks(methods, corpus)),
        notice=" ".join(notices),
        patching=[] if patching is None else patched(patching, [t for _, t in written]),
    )
    return page, len(written)


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
    for file in [here / name for name in ASSETS] + [here.parent / name for name in SHARED]:
        shutil.copyfile(file, out / FOLDER / file.name)


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
    patching: Sequence[dict[str, Any]] = (),
) -> Path:
    """Write the page and its index; ``patching`` is from :func:`patched`."""
    index = _index(reader, tokens, first)
    if patching:
        index["patching"] = patching
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A script may not hold "</script" nor line separators that JSON allows.
    text = text.replace("</", "<\\/").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    script = f"window.Stressnet=window.Stressnet||{{}};\nStressnet.index={text};\n"
    (out / FOLDER / "index.js").write_text(script, encoding="utf-8")
    parts: dict[str, Any] = {"summary": summary, "provenance": provenance, "notice": notice}
    parts["report"] = "index.html" if (out / "index.html").is_file() else None
    parts["example"] = "present, 8975"
    if tokens and reader.corpus.language != ENGLISH:
        row = reader.row(tokens[0][1])
        parts["example"] = f"{row['word'].lower()}, {row['speaker']}"
    page = render("explorer/page.html", corpus=reader.corpus.title, **parts)
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
