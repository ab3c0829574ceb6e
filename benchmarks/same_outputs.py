"""Show that a change of the code changes no output: run all commands before and after, compare.

    python benchmarks/same_outputs.py make BEFORE --librispeech LIBRISPEECH
    python benchmarks/same_outputs.py make AFTER --librispeech LIBRISPEECH
    python benchmarks/same_outputs.py compare BEFORE AFTER

``make`` runs the commands below with the stressnet package that this Python imports (PYTHONPATH
chooses the checkout): on the recordings of ``stressnet demo`` and, with ``--librispeech``, on 27
utterances of a folder in LibriSpeech's layout. Each command has a folder FOLDER/CORPUS/NAME for
what it writes, what it prints (``stdout.txt``, ``stderr.txt``), its exit code and its seconds. A
command that fails does not stop the rest. One whose folder holds an exit code is not run again:
delete its folder to repeat it. All takes 13 minutes on two quiet cores.

``compare`` compares all files byte by byte and prints the first difference of each. Exit code 1 if
there is any. Not compared, because two runs of the same code differ in them: manifests, stderr and
Optuna's ``study.jsonl`` (dates, paths); measured times in ``history.csv``, ``trials.csv`` and
``model.json``; lines of code that torch writes into ONNX files, with the path of the checkout.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import onnx
import pyarrow.parquet as pq

DEMO = """
demo              demo --out demo/out --size tiny --seed 0 -j 2 -q
"""
"""What runs first on the synthetic corpus: a name and the arguments of stressnet."""

COMMANDS = """
build             build-corpus {recordings} build/out {recipe} {labels} --preset stressnet
                  --preset allouche2025 --valid-share 0.3 --test-share 0.3 --seed 0 -j 2 -q
build-part        build-corpus {recordings} build-part/out {recipe} {labels} --preset stressnet
                  --preset allouche2025 --aligner pocketsphinx --shard 1/2 --seed 0 -j 2 -q
validate          validate {recordings} {recipe} --samples --csv validate/problems.csv -q
corpus-show       corpus show build/out
corpus-export     corpus export build/out corpus-export/out --csv --wav --textgrid --huggingface -q
corpus-merge      corpus merge build/out build-part/out corpus-merge/out --valid-share 0.3
                  --test-share 0.3 --seed 0 -q
corpus-folds      corpus folds build/out corpus-folds/out --folds 3 --seed 0
measure           measure build/out measure/out --contours 4 -j 2 -q
score             score {recordings} score/out {recipe} -j 2 -q
train             train build/out train/out --seeds 2 --max-epochs 12 --seed 0 -q
train-lenet       train build/out train-lenet/out --model lenet --max-epochs 2 --seed 0 -q
train-nuclei      train build/out train-nuclei/out --model nuclei --max-epochs 12 --seed 0 -q
cue-baselines     cue-baselines measure/out cue-baselines/out --model train/out/seed-0 --seeds 1
                  --seed 0 -q
evaluate          evaluate build/out train/out train-nuclei/out evaluate/out --resamples 100
                  --seed 0 -q
card              card build/out train/out/seed-1 --out card/MODEL_CARD.md --seed 0 -q
predict           predict {audio} --transcript {transcripts} --model train/out/seed-0
                  --format csv --out predict/words.csv -q
explain           explain build/out train/out/seed-0 explain/out --null exchange --null time_shift
                  --untrained 2 --control-tokens 20 --partition parts --max-tokens 40 --seed 0
                  -j 2 -q
explain-nuclei    explain build/out train-nuclei/out explain-nuclei/out --bands bandwidth
                  --composite integrated-gradients-mean --max-tokens 40 --seed 0 -j 2 -q
regions           regions build/out --figure regions/regions.png
stats             stats explain/out stats/out -q
power             power stats/out power/out -q
assess            assess build/out train/out/seed-0 assess/out --other-model train/out/seed-1
                  --composite epsilon-gamma --method input-times-gradient --baseline fill
                  --max-tokens 4 --seed 0 -q
sensitivity       sensitivity build/out train/out/seed-0 sensitivity/out --model train-lenet/out
                  --composite epsilon-gamma --composite epsilon-plus --bands fixed-hz
                  --bands bandwidth --max-tokens 8 --seed 0 -j 2 -q
manipulate        manipulate build/out manipulate/out --measured measure/out
                  --model train/out/seed-0 --model train-nuclei/out --all --pair f0+duration
                  --save-audio --steps 3 --max-tokens 4 --seed 0 -j 2 -q
patch             patch build/out train/out/seed-0 patch/out --pairs synthetic
                  --measured measure/out
                  --units channel,time,band --max-pairs 6 --min-difference 0 --max-tokens 60
                  --seed 0 -q
quantise          quantise build/out train/out/seed-0 quantise/out --mean-bits 8,4
                  --max-tokens 40 --calibration-tokens 16 --map-tokens 6 --resamples 100 --seed 0 -q
ensemble          ensemble build/out train/out ensemble/out --resamples 100 --seed 0 -q
decisive          decisive build/out ensemble/out decisive/out --max-tokens 8 --seed 0 -q
psychometrics     psychometrics manipulate/out psychometrics/out -q
causal-agreement  causal-agreement build/out train/out/seed-0 causal-agreement/out
                  --measured measure/out --methods epsilon-gamma,random --max-tokens 14 --seed 0
                  -j 2 -q
findings          findings build/out stats/out manipulate/out findings/out
                  --model train/out/seed-0 --max-tokens 20 --seed 0 -q
report            report explain/out report/out --run explain-nuclei/out --cues cue-baselines/out
                  --explorer-tokens 6 --seed 0 -j 2 -q
word              word explain/out {token} word/word.svg
export-praat      export-praat explain/out export-praat/out --run explain-nuclei/out
export-r          export-r explain/out export-r/out --measured measure/out
                  --max-tokens 6 --seed 0 -q
"""
"""What runs on each corpus. Words in braces differ between corpora."""

ONCE = """
export            export train/out/seed-0 export/model.onnx
search            search build/out search/out --trials 1 --max-epochs 5 --seed 0 -q
validate-methods  validate-methods validate-methods/out --small --set f1 --words 120 --scored 6
                  --epochs 20 --seed 0 -j 2 -q
"""
"""What runs last on the synthetic corpus, since real speech would show nothing more."""

FINISHED = "exit_code.txt"

OUTCOMES = ("same", "differ", "only A", "only B")

LEFT_OUT = ("manifest.json", "study.jsonl", "stderr.txt", "seconds.txt")

MEASURED_TIMES = {
    "history.csv": ("seconds", "images_per_s"),
    "trials.csv": ("duration",),
    "model.json": ("seconds",),
}
"""Columns and keys that are not compared, by file."""

MADE = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    rb"|(?<=stressnet )\d+\.\d+\.\d+"
    rb"|(?<=<td>time</td><td>)[^<]+|(?<=\| time \| )[^|\n]+"
)
"""When a folder was made, by which version, and how long its stages took: pages show that."""


def make(folder: Path, librispeech: Path | None, only: Sequence[str] | None) -> None:
    """Run the commands on both corpora."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(p).resolve()) for p in paths if p)
    os.environ["OMP_NUM_THREADS"] = "1"  # sums would depend on the number of cores
    folder.mkdir(parents=True, exist_ok=True)
    where = [sys.executable, "-c", "import stressnet; print(stressnet.__file__, flush=True)"]
    subprocess.run(where, cwd=folder, check=True)
    demo = {
        "recordings": "demo/out/recordings",
        "recipe": "--recipe espeak-demo",
        "labels": "--labels demo/out/recordings-truth/minimal_pairs.tsv",
        "audio": "demo/out/recordings/7101/710101/7101-710101-0000.flac",
        "transcripts": "demo/out/recordings/7101/710101",
    }
    run_commands(DEMO + COMMANDS + ONCE, folder / "synthetic", demo, only)
    if librispeech is not None:
        corpus = folder / "librispeech"
        if not (corpus / "recordings").exists():
            copy_utterances(librispeech, corpus / "recordings")
        audio = min((corpus / "recordings").glob("**/*.flac")).relative_to(corpus)
        read = {
            "recordings": "recordings",
            "recipe": "--recipe librispeech",
            "labels": "",  # the recipe finds them
            "audio": str(audio),
            "transcripts": str(audio.parent),
        }
        run_commands(COMMANDS, corpus, read, only)


def copy_utterances(librispeech: Path, target: Path, n_speakers: int = 9, n_each: int = 3) -> None:
    """Copy the first utterances of the speakers who have most, with transcripts and tables."""
    by_speaker: dict[str, list[Path]] = {}
    for audio in sorted(librispeech.glob("**/*.flac")):
        by_speaker.setdefault(audio.parent.parent.name, []).append(audio)
    speakers = sorted(by_speaker, key=lambda speaker: (-len(by_speaker[speaker]), speaker))
    unfinished = target.with_name("recordings-unfinished")
    for audio in [a for speaker in speakers[:n_speakers] for a in by_speaker[speaker][:n_each]]:
        chapter = unfinished / audio.relative_to(librispeech).parent
        chapter.mkdir(parents=True, exist_ok=True)
        for file in [audio, *audio.parent.glob("*.trans.txt")]:
            shutil.copyfile(file, chapter / file.name)
    for table in librispeech.glob("*.tsv"):
        shutil.copyfile(table, unfinished / table.name)
    unfinished.rename(target)


def run_commands(
    commands: str, corpus: Path, words: Mapping[str, str], only: Sequence[str] | None
) -> None:
    """Run those commands that are not finished in the folder of a corpus.

    Paths are relative to that folder, so that outputs do not depend on where it lies.
    """
    lines = commands.replace("\n ", " ").format_map({"token": "{token}", **words}).splitlines()
    arguments = {line.split()[0]: line.split()[1:] for line in lines if line}
    wanted = set(only or arguments)
    for name in reversed(arguments):
        if name in wanted:
            wanted |= {argument.split("/")[0] for argument in arguments[name]} & arguments.keys()
    for name in arguments:
        own = corpus / name
        if name not in wanted or (own / FINISHED).exists():
            continue
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        command = [sys.executable, "-m", "stressnet", *arguments[name]]
        if "{token}" in command:
            command[command.index("{token}")] = first_token(corpus / "explain" / "out")
        began = time.perf_counter()
        with (own / "stdout.txt").open("w") as out, (own / "stderr.txt").open("w") as err:
            code = subprocess.run(command, cwd=corpus, stdout=out, stderr=err).returncode
        seconds = f"{time.perf_counter() - began:.1f}"
        printed = (own / "stdout.txt").read_bytes()
        (own / "stdout.txt").write_bytes(printed.replace(bytes(corpus.resolve()), b"CORPUS"))
        (own / "seconds.txt").write_text(seconds)
        (own / FINISHED).write_text(str(code))
        print(f"{corpus.name + '/' + name:<30} {seconds:>6} s  exit code {code}", flush=True)


def first_token(run: Path) -> str:
    """Id of a token that a run explained."""
    file = run / "tokens.parquet"
    return str(pq.read_table(file)["token_id"][0]) if file.exists() else "missing"


def compare(a: Path, b: Path, only: Sequence[str] | None) -> bool:
    """Print what differs between two folders of ``make``; whether nothing does."""
    finished = [
        {
            done.parent.relative_to(folder)
            for done in folder.glob(f"*/*/{FINISHED}")
            if not only or done.parent.name in only
        }
        for folder in (a, b)
    ]
    if not finished[0] & finished[1]:
        sys.exit(f"{a} and {b} have no finished command in common; run 'make' for both")
    differences = [f"{own}: finished only in A" for own in sorted(finished[0] - finished[1])]
    differences += [f"{own}: finished only in B" for own in sorted(finished[1] - finished[0])]
    print(f"{'':<30}" + "".join(f"{title:>8}" for title in (*OUTCOMES, "exit A")))
    for own in sorted(finished[0] & finished[1]):
        files = {
            file.relative_to(folder)
            for folder in (a, b)
            for file in (folder / own).rglob("*")
            if file.is_file() and file.name not in LEFT_OUT
        }
        counts: Counter[str] = Counter()
        for file in sorted(files):
            if not (b / file).exists():
                outcome = first = "only A"
            elif not (a / file).exists():
                outcome = first = "only B"
            elif content(a / file) == content(b / file):
                outcome, first = "same", ""
            else:
                outcome, first = "differ", first_difference(a / file, b / file)
            counts[outcome] += 1
            if first:
                differences.append(f"{file}: {first}")
        row = [*(counts[outcome] for outcome in OUTCOMES), (a / own / FINISHED).read_text()]
        print(f"{own!s:<30}" + "".join(f"{cell:>8}" for cell in row))
    print("\n".join(["", *differences, f"{len(differences)} differences"]))
    return not differences


def content(file: Path) -> bytes:
    """Bytes of a file, without times that were measured."""
    data = file.read_bytes()
    names = MEASURED_TIMES.get(file.name, ())
    if file.suffix == ".csv" and names:
        rows = [line.split(b",") for line in data.splitlines()]
        kept = [index for index, name in enumerate(rows[0]) if name.decode() not in names]
        return b"\n".join(b",".join(row[index] for index in kept) for row in rows)
    if file.suffix == ".onnx":
        model = onnx.load_from_string(data)
        for node in model.graph.node:  # they hold the lines of code that made them, with paths
            node.ClearField("metadata_props")
        return model.SerializeToString(deterministic=True)
    for name in names:
        data = re.sub(rb'"%s": [0-9.]+' % name.encode(), b"", data)
    return data if b"\0" in data else MADE.sub(b"", data)


def first_difference(a: Path, b: Path) -> str:
    """Where two files begin to differ, and what they hold there."""
    if a.suffix in (".csv", ".parquet"):
        rows, other_rows = cells(a), cells(b)
        for number, (row, other_row) in enumerate(zip_longest(rows, other_rows)):
            if row is None or other_row is None:
                return f"{len(rows) - 1} rows | {len(other_rows) - 1} rows"
            for index, (cell, other) in enumerate(zip_longest(row, other_row)):
                if cell != other:
                    name = rows[0][index] if index < len(rows[0]) else index
                    return f"row {number}, column {name}: {cell} | {other}"
        return "same cells; types, metadata or line ends differ"
    data, other_data = content(a), content(b)
    pairs = enumerate(zip(data, other_data, strict=False))
    at = next((at for at, (x, y) in pairs if x != y), min(len(data), len(other_data)))
    if b"\0" in data:
        return f"byte {at}: {data[at : at + 8].hex()} | {other_data[at : at + 8].hex()}"
    line = data.count(b"\n", 0, at) + 1
    shown = slice(max(0, at - 30), at + 50)
    return f"line {line}: {data[shown]!r} | {other_data[shown]!r}"


def cells(file: Path) -> list[list[str]]:
    """Header and rows of a table, as text."""
    if file.suffix == ".csv":
        return list(csv.reader(io.StringIO(content(file).decode(), newline="")))
    table = pq.read_table(file)
    columns = [[repr(value) for value in column.to_pylist()] for column in table.columns]
    return [table.column_names, *map(list, zip(*columns, strict=True))]


def main() -> None:
    """Make a folder of outputs or compare two."""
    names = re.findall(r"^\S+", DEMO + COMMANDS + ONCE, re.MULTILINE)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="run all commands into a folder")
    making.add_argument("folder", type=Path)
    making.add_argument("--librispeech", type=Path, help="speech in LibriSpeech's layout")
    comparing = verbs.add_parser("compare", help="compare two such folders")
    comparing.add_argument("a", type=Path)
    comparing.add_argument("b", type=Path)
    for verb, of_these in ((making, "these and what they need"), (comparing, "these")):
        verb.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=of_these)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.folder, options.librispeech, options.only)
    elif not compare(options.a, options.b, options.only):
        sys.exit(1)


if __name__ == "__main__":
    main()
