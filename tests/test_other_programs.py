"""What is exported is opened by the programs themselves: Praat, and emuR where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command_line import run_cli
from report_runs import make_run

from stressnet.alignment.textgrid import read_textgrid
from stressnet.audio import read_audio

PRAAT = """
form Read
    sentence folder
endform
files = Create Strings as file list: "files", folder$ + "/*"
n = Get number of strings
for i to n
    selectObject: files
    name$ = Get string: i
    object = Read from file: folder$ + "/" + name$
    kind$ = extractWord$ (selected$ (), "")
    start = Get start time
    end = Get end time
    appendInfoLine: "FILE", tab$, name$, tab$, kind$, tab$, fixed$ (start, 6), tab$, fixed$ (end, 6)
    if kind$ == "TextGrid"
        tiers = Get number of tiers
        for tier to tiers
            tier$ = Get tier name: tier
            intervals = Get number of intervals: tier
            for interval to intervals
                label$ = Get label of interval: tier, interval
                begins = Get start time of interval: tier, interval
                ends = Get end time of interval: tier, interval
                line$ = tier$ + tab$ + label$ + tab$ + fixed$ (begins, 6) + tab$ + fixed$ (ends, 6)
                appendInfoLine: line$
            endfor
        endfor
    endif
endfor
"""

EMU = """
library(emuR)
options(warn = 1)
convert_TextGridCollection("out", dbName = "stress", targetDir = "emu", verbose = FALSE)
db <- load_emuDB("emu/stress_emuDB", verbose = FALSE)
add_linkDefinition(db, "ONE_TO_MANY", "words", "syllables")
add_linkDefinition(db, "ONE_TO_MANY", "syllables", "phones")
autobuild_linkFromTimes(db, "words", "syllables", verbose = FALSE)
autobuild_linkFromTimes(db, "syllables", "phones", verbose = FALSE)
vowels <- query(db, "[phones =~ .*1 ^ words =~ .+]")
vowels$word <- requery_hier(db, vowels, "words")$labels
columns <- c("bundle", "labels", "start", "end", "word")
cat("ROWS", jsonlite::toJSON(vowels[columns]), "\\n", sep = "")
"""


def has_emu() -> bool:
    """Whether R is here with emuR, which Debian does not have."""
    if shutil.which("Rscript") is None:
        return False
    asked = ["Rscript", "-e", "stopifnot(requireNamespace('emuR'))"]
    return subprocess.run(asked, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def run(make_corpus, tmp_path_factory) -> Path:
    return make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")


def read_by_praat(folder: Path, tmp_path: Path) -> dict[str, list[list[str]]]:
    """The kind and times of each file and, of TextGrids, all intervals, as Praat has them."""
    script = tmp_path / "read.praat"
    script.write_text(PRAAT)
    told = subprocess.run(
        ["praat", "--run", script, folder.resolve()], capture_output=True, check=True, timeout=60
    )
    files: dict[str, list[list[str]]] = {}
    for line in told.stdout.decode("utf-8").splitlines():
        cells = line.split("\t")
        if cells[0] == "FILE":
            files[cells[1]] = [cells[2:]]
        else:
            files[next(reversed(files))].append(cells)
    return files


@pytest.mark.skipif(shutil.which("praat") is None, reason="Praat is not here")
@pytest.mark.parametrize("command", ["export-praat", "corpus export"])
def test_praat_reads_what_is_exported(command: str, run: Path, tmp_path: Path, capsys) -> None:
    out, source = tmp_path / "out", run if command == "export-praat" else run.parent / "corpus"
    extra = ["--max-tokens", "4"] if command == "export-praat" else ["--wav", "--textgrid"]
    assert run_cli(capsys, *command.split(), source, out, *extra)[0] == 0
    place = out if command == "export-praat" else out / "tokens" / "anna"
    for name in ("manifest.json", "failures.csv"):
        (place / name).unlink(missing_ok=True)
    files = read_by_praat(place, tmp_path)
    assert set(files) == {path.name for path in place.iterdir()}
    kinds = {"TextGrid": "TextGrid", "flac": "Sound", "wav": "Sound", "PitchTier": "PitchTier"}
    grids = 0
    for name, (about, *intervals) in files.items():
        stem, _, ending = name.rpartition(".")
        assert about[0] == kinds.get(ending, ending)
        if ending != "TextGrid":
            continue
        grids += 1
        own = read_textgrid(place / name)
        for tier, known in (("words", own.words), ("phones", own.phones)):
            said = [(label, float(a), float(b)) for t, label, a, b in intervals if t == tier]
            known = [part for part in known if part.label]
            said = [row for row in said if row[0]]
            assert [row[0] for row in said] == [part.label for part in known]
            times = [(part.start_s, part.end_s) for part in known]
            np.testing.assert_allclose([row[1:] for row in said], times, atol=1e-6)
        sound = next(
            place / f"{stem}.{kind}" for kind in ("wav", "flac") if f"{stem}.{kind}" in files
        )
        assert float(about[2]) == pytest.approx(read_audio(sound).duration_s, abs=1e-4)
    assert grids >= 4


@pytest.mark.skipif(not has_emu(), reason="R with emuR is not here")
def test_emu_makes_a_database_of_an_export(run: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    exported = ("corpus", "export", run.parent / "corpus", out, "--wav", "--textgrid")
    assert run_cli(capsys, *exported)[0] == 0
    (tmp_path / "emu.R").write_text(EMU)
    told = subprocess.run(["Rscript", "emu.R"], cwd=tmp_path, capture_output=True, check=True)
    rows = next(x for x in told.stdout.decode().splitlines() if x.startswith("ROWS"))
    found = {row["bundle"]: row for row in json.loads(rows[4:])}
    files = sorted(out.rglob("*.TextGrid"))
    assert set(found) == {file.stem for file in files}
    for file in files:
        own, row = read_textgrid(file), found[file.stem]
        vowel = next(phone for phone in own.phones if phone.label.endswith("1"))
        assert (row["labels"], row["word"]) == (
            vowel.label,
            own.words[0].label or own.words[1].label,
        )
        assert row["start"] / 1000 == pytest.approx(vowel.start_s, abs=1e-3)
        assert row["end"] / 1000 == pytest.approx(vowel.end_s, abs=1e-3)


def test_names_of_exported_tokens_have_no_quotes(run: Path, tmp_path: Path, capsys) -> None:
    """EmuR writes names into SQL as they are, so that one quote ends the conversion."""
    import pandas as pd

    from stressnet.corpus.store import TOKENS
    from stressnet.runs.tables import write_parquet

    corpus = tmp_path / "corpus"
    shutil.copytree(run.parent / "corpus", corpus)
    tables = {name: pd.read_parquet(corpus / name) for name in (TOKENS, "phones.parquet")}
    first = tables[TOKENS]["token_id"][0]
    for name, table in tables.items():
        table["token_id"] = table["token_id"].replace(first, f"{first}'S")
        write_parquet(table, corpus / name)
    assert run_cli(capsys, "corpus", "export", corpus, tmp_path / "out", "--textgrid")[0] == 0
    names = [file.stem for file in (tmp_path / "out").rglob("*.TextGrid")]
    assert f"{first}S" in names and len(names) == len(tables[TOKENS])
