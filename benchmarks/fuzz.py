"""Feed every reader mutated files: nothing but stressnet's own errors, soon and in little memory.

    python benchmarks/fuzz.py [--inputs 20000] [--only READER ...] [--seed 0] [--keep FOLDER]

From valid examples of every format that stressnet reads, files are made by flipping bytes, cutting,
doubling, moving and removing lines, putting numbers for text and text for numbers, huge and odd
numbers, NUL, line ends of other systems, wrong encodings and deep nesting, in JSON and TOML also by
replacing values with others of a wrong type; up to four changes one after another. Counted are
errors that are not stressnet's (each kind printed once, with its input in ``--keep``), inputs that
took over 2 s of processor time, and those that asked for over 500 MB. Exit code 1 if there is any.
Needs fork.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import multiprocessing
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from stressnet.alignment.readers import detect_format, read_alignments, voices_of
from stressnet.alignment.readers.options import ReadOptions
from stressnet.alignment.textgrid import write_textgrid
from stressnet.audio import audio_facts, read_audio
from stressnet.corpus.building.given import pronounceable, use_given
from stressnet.corpus.conventions import CONVENTIONS
from stressnet.corpus.images import read_images
from stressnet.corpus.labels import read_labels
from stressnet.corpus.recipe import SpeakerTable, available_recipes, load_recipe
from stressnet.corpus.scan import Recording
from stressnet.corpus.speakers import read_speakers
from stressnet.corpus.splits import read_splits
from stressnet.corpus.store import Corpus
from stressnet.corpus.transcripts import read_lines, read_text
from stressnet.corpus.written import Normaliser
from stressnet.errors import ConfigError, StressnetError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import (
    _read_utf8,
    load_dictionary,
    load_word_list,
    parse_dictionary,
)
from stressnet.models.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.runs.held import Held
from stressnet.runs.manifest import hash_file
from stressnet.runs.options import make_config
from stressnet.runs.toml_file import read_toml
from stressnet.stages.explain import ExplainConfig
from stressnet.statistics.analysis import EXAMPLE, read_config
from stressnet.training.calibration import load_calibration
from stressnet.training.recipes import RECIPES, read_recipe, write_recipe

LIMIT_S = 2.0
LIMIT_BYTES = 500 << 20
HANGS_S = 30
BATCH = 500

ODD_NUMBERS = (
    "-1 nan inf -inf 1e400 -1e400 1e-320 99999999999999999999 4294967296 2147483648 0 -0 0x10 1_0 "
    "1.5.2 1,5 ١٢ ² one True null"
).split()
ODD_VALUES = [
    *(-1, 0, 3.5, 10**400, 2**31, float("nan"), float("inf"), True, None, "", "x", "../../x", "\0"),
    *([], {}, [[]], ["a"], {"a": 1}, [None], "9" * 5000, ["/etc/passwd"], "é\u2028\ud800"),
]
ODD_TEXTS = ["\0", "\u2028", "\ufeff", "\x1b[31m", '"', "'", "\\", "{", "]", ",", "\t", "\r", "=1"]
NESTED = ["[" * 20_000, '{"a":' * 20_000, "a.b" * 5_000, "(" * 20_000, '"' * 10_000, "\n" * 50_000]


@dataclass(frozen=True)
class Reader:
    """Something that reads a file.

    Parameters
    ----------
    read : callable
        Given a folder, reads the file in it.
    file : str
        Its name there.
    examples : list of bytes
        Valid contents.
    beside : dict
        Further files in the folder, which stay as they are.
    """

    read: Callable[[Path], object]
    file: str
    examples: list[bytes]
    beside: dict[str, bytes]


# --- mutations --------------------------------------------------------------------------------


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if data else 0):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randint(0, len(data)) for _ in range(2))
    return rng.choice((data[:start], data[start:], data[:start] + data[end:]))


def insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(ODD_TEXTS).encode() * rng.choice((1, 1, 2, 300)) + data[at:]


def lines(data: bytes, rng: random.Random) -> bytes:
    rows = data.splitlines(keepends=True) or [b""]
    at, other = rng.randrange(len(rows)), rng.randrange(len(rows))
    row = rows[at]
    what = rng.randrange(4)
    if what == 0:
        rows.insert(at, row * rng.choice((1, 1, 100)))
    elif what == 1:
        del rows[at]
    elif what == 2:
        rows[at], rows[other] = rows[other], rows[at]
    else:
        rows[at] = row.rstrip(b"\r\n") + rng.choice((b"\r\n", b"\r", b"", b"\x0b", b"\n\n\n"))
    return b"".join(rows)


def number(data: bytes, rng: random.Random) -> bytes:
    places = [match.span() for match in re.finditer(rb"-?\d+(\.\d+)?", data)]
    if not places:
        return data
    start, end = rng.choice(places)
    return data[:start] + rng.choice(ODD_NUMBERS).encode() + data[end:]


def word(data: bytes, rng: random.Random) -> bytes:
    places = [match.span() for match in re.finditer(rb"[A-Za-z_]+", data)]
    if not places:
        return data
    start, end = rng.choice(places)
    new = rng.choice([*ODD_NUMBERS, *ODD_TEXTS, "words", "phones", "INITIAL", "[]", "{}"])
    return data[:start] + new.encode() + data[end:]


def encoding(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    name = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "latin-1"))
    return text.encode(name, "replace")[rng.choice((0, 0, 1)) :]


def nesting(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(NESTED).encode() + data[at:]


def value(data: bytes, rng: random.Random) -> bytes:
    """In JSON, one value of another type; in TOML, another value behind an equals sign."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        places = [match.span() for match in re.finditer(rb"(?<== )[^\n]+", data)]
        if not places:
            return word(data, rng)
        start, end = rng.choice(places)
        return data[:start] + json.dumps(rng.choice(ODD_VALUES)).encode() + data[end:]
    at: Any = document
    while isinstance(at, dict | list) and at:
        key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.4:
            if rng.random() < 0.2:
                del at[key]
            else:
                at[key] = rng.choice(ODD_VALUES)
            break
        at = at[key]
    return json.dumps(document).encode()


MUTATIONS = (flip, cut, insert, lines, number, word, encoding, value, value, number)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data after up to four changes; deep nesting is rare, since it takes long."""
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(MUTATIONS)(data, rng)
    return nesting(data, rng) if rng.random() < 0.01 else data


# --- examples ---------------------------------------------------------------------------------

WRITTEN = (
    "Susan: Mr. Hill's 21st [laughter] per- (coughing) cost $3.50, i.e. 50% of it &amp; more, "
    "on May 5, 1921 at 10:30 a.m. in the U.S.A. <sil> {LG} ((unclear)) -- mp3 "
    "10-15 \u00bd [open 555-1234\n"
)
CHAT = (
    "@Begin\n*CHI:\t&-um I <want the> [/] want (be)cause xxx &=laughs +...\n%mor:\tn|dog\n"
    "\tn|cat\n*MOT:\tno:: woof@o 0is <the dog> [x 2] (.) \x15123_456\x15\n"
)
RULES = b"""
[transcripts]
convention = "chat"
rules = [['(a+)+$', '\\1'], ["x", ""]]
"""
GOOD = Alignment(
    words=(Interval(0.0, 0.25, ""), Interval(0.25, 1.0, 'thé "so"'), Interval(1.0, 1.5, "")),
    phones=(Interval(0.0, 0.25, ""), Interval(0.25, 0.5, "DH"), Interval(0.5, 1.5, "AH0")),
)
MFA_JSON = {
    "start": 0,
    "end": 1.0,
    "tiers": {
        "words": {"type": "interval", "entries": [[0.0, 0.2, ""], [0.2, 1.0, "the"]]},
        "phones": {"type": "interval", "entries": [[0.2, 0.5, "DH"], [0.5, 1.0, "AH0"]]},
    },
}
LHOTSE = {
    "id": "s",
    "recording_id": "a",
    "start": 0.5,
    "duration": 1.0,
    "speaker": "anna",
    "alignment": {"word": [["the", 0.5, 0.5]], "phone": [["DH", 0.5, 0.2], ["AH0", 0.7, 0.3]]},
}
MANIFEST = {
    "kind": "corpus",
    "created": "2025-01-01",
    "command": ["stressnet"],
    "versions": {"stressnet": "0.1"},
    "parameters": {"request": "abc", "recipe": "generic"},
    "inputs": {},
    "outputs": {"tokens.parquet": "00", "phones.parquet": "11"},
    "trees": ["excerpts/*/*.flac", "seed-0/"],
    "results": {"n_tokens": 3},
    "seconds": {"scan": 1.0},
}


def long_and_short(folder: Path) -> list[bytes]:
    """A TextGrid as text, short text and JSON."""
    from praatio import textgrid

    path = folder / "a.TextGrid"
    write_textgrid(path, GOOD, 1.5)
    found = [path.read_bytes()]
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    for name in ("short_textgrid", "json", "textgrid_json"):
        grid.save(str(path), name, includeBlankSpaces=True)
        found.append(path.read_bytes())
    return [*found, found[0].decode().encode("utf-16")]


def sounds() -> list[bytes]:
    """Short recordings in several formats."""
    samples = np.random.default_rng(0).normal(0, 0.1, (1600, 2))
    found = []
    for name, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("AIFF", None),
                          ("OGG", "VORBIS"), ("NIST", "PCM_16"), ("AU", None)):  # fmt: skip
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, format=name, subtype=subtype)
        found.append(file.getvalue())
    return found


def checkpoint(folder: Path) -> dict[str, bytes]:
    """Files of a small network."""
    info = CheckpointInfo("compact", 40, 50, "stressnet", {"a": 1}, training={"best_epoch": 3})
    save_checkpoint(folder, build_model("compact", 40, 50, 2), info)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def alignment(name: str, format: str, *texts: str, **beside: str) -> Reader:
    """A reader of alignments."""
    return Reader(
        lambda folder: read_alignments(folder / name, format, ReadOptions()),
        name,
        [text.encode() for text in texts],
        {f"a.{suffix}": text.encode() for suffix, text in beside.items()},
    )


def text(name: str, read: Callable[[Path], object], *texts: str | bytes) -> Reader:
    """A reader of one file."""
    examples = [example.encode() if isinstance(example, str) else example for example in texts]
    return Reader(lambda folder: read(folder / name), name, examples, {})


def normalised(convention: str) -> Callable[[Path], object]:
    """A reader of a transcript, with a rule of one's own."""
    normaliser = Normaliser(convention, (("(?i)(cuz)+", "because \\1"),))
    return lambda path: normaliser.read(read_text(path))


def all_readers(folder: Path) -> dict[str, Reader]:
    """Every reader by name."""
    for name in ("grid", "model"):
        (folder / name).mkdir()
    recipe = folder / "recipe.toml"
    write_recipe(recipe, RECIPES["compact"])
    model = checkpoint(folder / "model")
    axes = {"preset": {"name": "x"}, "time_s": [0.0, 0.1], "frequency_hz": [1.0, 2.0, 3.0]}
    axes["n_truncated"] = 0
    arrays = {}
    for name, array in (("values", np.zeros((4, 3, 2), np.float32)), ("mask", np.ones((4, 2)) > 0)):
        file = io.BytesIO()
        np.save(file, array)
        arrays[f"{name}.npy"] = file.getvalue()
    calibration = {"temperature": 1.3, "n": 5, "loss_before": 0.5, "loss_after": 0.4}
    calibration |= {"weights_sha256": "ab"}
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import timed_texts as texts

    grids = long_and_short(folder / "grid")
    lhotse = json.dumps(LHOTSE) + "\n" + json.dumps({**LHOTSE, "id": "t", "recording_id": "b"})
    speakers = (SpeakerTable("speakers.tsv"),)

    def given(path: Path) -> None:
        own = Recording("a", "anna", "", path.with_suffix(".wav"), (), path, 3.0)
        for voice in voices_of(path, "a") or (None,):
            asked = replace(own, voice=voice)
            pronounceable(asked, use_given(asked, path), dictionary)

    dictionary = load_dictionary(None)

    def manifest(folder: Path) -> None:
        Corpus.open(folder)
        held = Held.read(folder, "corpus")
        held.check("abc", overwrite=True, reuse=False)

    def weights(folder: Path) -> None:
        about = json.loads(model["model.json"])
        about["weights_sha256"] = hash_file(folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps(about))
        load_checkpoint(folder)

    def config(path: Path) -> None:
        make_config(ExplainConfig, read_toml(path, ConfigError))

    return {
        "textgrid": Reader(lambda f: read_alignments(f / "a.TextGrid"), "a.TextGrid", grids, {}),
        "mfa-json": alignment("a.json", "mfa-json", json.dumps(MFA_JSON)),
        "timit": alignment("a.PHN", "timit", "0 10 h#\n10 20 dh\n20 40 ax\n", WRD="10 40 the\n"),
        "timit words": alignment(
            "a.WRD", "timit", "10 40 the\n40 50 a\n", PHN="0 10 h#\n10 40 ax\n40 50 ax\n"
        ),
        "buckeye": alignment(
            "a.words",
            "buckeye",
            "header\n#\n    0.3  122 <SIL>; S; S; null\n   0.7 122 the; dh ah; dh ah; DT\n",
            phones="header\n#\n  0.3 122 SIL\n  0.5 122 dh\n  0.7 122 ah ; x\n",
        ),
        "ctm": alignment("a.ctm", "ctm", "a 1 0.2 0.3 the 0.9\na 1 0.5 0.3 cat\nb 2 0 1 so\n"),
        "csv": alignment(
            "a.csv",
            "csv",
            "Begin,End,Label,Type,Speaker\n0.0,0.2,,words,anna\n0.2,0.5,the,words,anna\n"
            "0.2,0.3,DH,phones,anna\n0.3,0.5,AH0,phones,anna\n",
            "utterance_id\tstart_s\tend_s\tlabel\ttier\na\t0\t1\tthe\twords\n",
        ),
        "tables of text": alignment("a.tsv", "csv", texts.TSV, texts.TSV.replace("\t", ";")),
        "elan": alignment("a.eaf", "elan", texts.EAF),
        "recogniser": alignment(
            "a.json",
            "recogniser",
            texts.WHISPERX,
            texts.GENTLE,
            json.dumps([{"start": 0.5, "end": 1.5, "text": " hi", "words": None}]),
            json.dumps({"transcription": [{"offsets": {"from": 500, "to": 900}, "text": "hi"}]}),
            json.dumps({"text": "hi", "chunks": [{"timestamp": [0.5, None], "text": "hi"}]}),
        ),
        "subtitles": alignment("a.srt", "subtitles", texts.SRT, texts.VTT, texts.ROLLING),
        "chat": alignment("a.cha", "chat", texts.CHAT),
        "fave": alignment("a.txt", "fave", texts.FAVE),
        "format": Reader(
            lambda folder: detect_format(folder / "a.txt"),
            "a.txt",
            [text.encode() for text in (texts.SRT, texts.CHAT, texts.FAVE, texts.VTT)],
            {},
        ),
        "given": Reader(
            lambda folder: given(folder / "a.txt"),
            "a.txt",
            [text.encode() for text in (texts.SRT, texts.CHAT, texts.FAVE, texts.VTT)],
            {},
        ),
        "given words": Reader(
            lambda folder: given(folder / "a.json"),
            "a.json",
            [text.encode() for text in (texts.WHISPERX, texts.GENTLE, json.dumps(MFA_JSON))],
            {},
        ),
        "librispeech": alignment(
            "a.alignment.txt", "librispeech", '84-0 ",GO,DO THIS," "0.490,0.890,1.270,1.5,1.610"\n'
        ),
        "lhotse": alignment("a.jsonl", "lhotse", lhotse),
        "lhotse gz": Reader(
            lambda folder: read_alignments(folder / "a.jsonl.gz"),
            "a.jsonl.gz",
            [gzip.compress(lhotse.encode())],
            {},
        ),
        "recipe": text(
            "r.toml",
            lambda path: load_recipe(str(path)),
            available_recipes()["generic"].read_bytes() + RULES,
            *(path.read_bytes() for path in available_recipes().values()),
        ),
        "speakers": Reader(
            lambda folder: read_speakers(folder, speakers),
            "speakers.tsv",
            [b"speaker\tsex\nanna\tF\nbo\tm\n", b"1 | F | dev | 20 | Anna\n2 | M | dev | 3 | Bo\n"],
            {},
        ),
        "labels": text(
            "l.tsv",
            read_labels,
            "utterance_id\tword_index\tword\tstress\na\t0\trecord\tINITIAL\na\t2\tpermit\tFINAL\n",
        ),
        "transcripts": text("a.trans.txt", read_lines, "a-0 THE HOTEL\na-1 SO IT'S\n"),
        **{f"{name} text": text("t.txt", normalised(name), WRITTEN, CHAT) for name in CONVENTIONS},
        "splits": text("s.csv", read_splits, "token_id,split\na,train\nb,test\nc,valid\n"),
        "dictionary": text(
            "d.dict",
            lambda path: parse_dictionary(_read_utf8(path), path.name),
            "HOTEL  HH OW0 T EH1 L\nRECORD(2)  R AH0 K AO1 R D # x\n",
        ),
        "word list": text("w.txt", load_word_list, "the\n# a comment\nof\n"),
        "stats config": text("s.toml", read_config, EXAMPLE),
        "command config": text(
            "c.toml", config, 'composite = "epsilon"\nsplits = ["test"]\nmax_tokens = 3\nseed = 1\n'
        ),
        "training recipe": text("t.toml", read_recipe, recipe.read_bytes()),
        "manifest": Reader(
            manifest,
            "manifest.json",
            [json.dumps(MANIFEST).encode()],
            {"tokens.parquet": b"", "phones.parquet": b""},
        ),
        "audio": text("a.wav", lambda path: (audio_facts(path), read_audio(path)), *sounds()),
        "checkpoint": Reader(load_checkpoint, "model.json", [model["model.json"]], model),
        "weights": Reader(weights, "model.safetensors", [model["model.safetensors"]], model),
        "calibration": text(
            "calibration.json",
            lambda path: load_calibration(path.parent, "ab"),
            json.dumps(calibration),
        ),
        "axes": Reader(read_images, "axes.json", [json.dumps(axes).encode()], arrays),
        "images": Reader(
            read_images,
            "values.npy",
            [arrays["values.npy"]],
            {**arrays, "axes.json": json.dumps(axes).encode()},
        ),
    }


# --- running ----------------------------------------------------------------------------------


def where(error: BaseException) -> str:
    """The kind of an error and the last line of stressnet that it passed."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if "/stressnet/" in f.filename]
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "elsewhere"
    return f"{type(error).__name__} in {place}"


def finding(reader: Reader, folder: Path) -> str:
    """What is wrong with how the file in a folder is read; empty if nothing is."""
    began = time.process_time()
    try:
        reader.read(folder)
        outcome = ""
    except StressnetError as error:
        outcome = "" if "\n" not in str(error) else f"several lines in {where(error)}"
    except MemoryError as error:
        outcome = f"over {LIMIT_BYTES >> 20} MB: {where(error)}"
    except Exception as error:  # noqa: BLE001
        outcome = f"{where(error)}: {str(error)[:100]!r}"
    if time.process_time() - began > LIMIT_S:
        outcome = f"over {LIMIT_S:g} s{' and ' * bool(outcome)}{outcome}"
    return outcome


def batch(reader: Reader, seeds: Iterable[str], folder: Path, keep: Path) -> None:
    """In a process of its own: read a mutated file for each seed, and keep what is wrong."""
    warnings.simplefilter("ignore")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for seed in seeds:
        rng = random.Random(seed)
        data = mutated(rng.choice(reader.examples), rng)
        (folder / reader.file).write_bytes(data)
        (folder / "seed").write_text(seed)
        signal.setitimer(signal.ITIMER_PROF, HANGS_S)  # its signal ends the process
        outcome = finding(reader, folder)
        if outcome:
            with keep.open("a") as file:
                file.write(json.dumps([seed, outcome]) + "\n")


def fuzz(name: str, reader: Reader, n_inputs: int, first_seed: int, work: Path) -> dict[str, str]:
    """Read mutated files; seed to what was wrong with it."""
    folder, keep = work / "files", work / f"{name}.jsonl"
    folder.mkdir(exist_ok=True)
    for file, data in reader.beside.items():
        (folder / file).write_bytes(data)
    seeds = [f"{name} {first_seed + number}" for number in range(n_inputs)]
    while seeds:
        process = multiprocessing.get_context("fork").Process(
            target=batch, args=(reader, seeds[:BATCH], folder, keep)
        )
        process.start()
        process.join()
        if process.exitcode == 0:
            seeds = seeds[BATCH:]
            continue
        seed = (folder / "seed").read_text()
        with keep.open("a") as file:
            file.write(json.dumps([seed, f"process ended with {process.exitcode}"]) + "\n")
        seeds = seeds[seeds.index(seed) + 1 :]
    for path in folder.iterdir():
        path.unlink()
    return dict(map(json.loads, keep.read_text().splitlines())) if keep.exists() else {}


def main() -> None:
    """Print a line per reader, and one example of each kind of finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", metavar="READER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for one input of each finding")
    options = parser.parse_args()
    n_wrong = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        work = Path(name)
        readers = all_readers(work)
        print(f"| {'reader':<16} | inputs | findings | kinds | seconds |\n|---|---|---|---|---|")
        for name in options.only or readers:
            reader, began = readers[name], time.perf_counter()
            found = fuzz(name, reader, options.inputs, options.seed, work)
            kinds = Counter(re.sub(r": '.*|: \".*", "", outcome) for outcome in found.values())
            seconds = time.perf_counter() - began
            print(
                f"| {name:<16} | {options.inputs} | {len(found)} | {len(kinds)} | {seconds:.0f} |",
                flush=True,
            )
            for kind, n in kinds.most_common():
                seed = next(seed for seed, outcome in found.items() if outcome.startswith(kind))
                print(f"    {n} x {found[seed]}  ({seed})", flush=True)
                if options.keep is not None:
                    rng = random.Random(seed)
                    options.keep.mkdir(parents=True, exist_ok=True)
                    target = options.keep / f"{seed.replace(' ', '-')}-{reader.file}"
                    target.write_bytes(mutated(rng.choice(reader.examples), rng))
            n_wrong += len(found)
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
