"""Memory and time of ``stressnet stats`` as the number of tokens grows.

Writes simulated runs (45 regions, one measure with its null, 2,000 speakers, 5,000 words, effects
of both), analyses each in a process of its own, and prints the process's peak memory. Run

    uv run python benchmarks/stats.py [--tokens 100000 1000000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stressnet.runs.manifest import write_manifest

N_REGIONS, N_SPEAKERS, N_WORDS = 45, 2_000, 5_000
BLOCK = 5_000
KNOWN = ("syllable_stressed", "syllable_unstressed", "nucleus_stressed", "nucleus_unstressed")


def region_names() -> list[str]:
    """Those that the claims need, and others."""
    known = [*KNOWN, "consonants", *(f"{t}_stressed" for t in ("F1", "F2", "F3", "F0"))]
    return known + [f"region_{i}" for i in range(N_REGIONS - len(known))]


def simulate(folder: Path, n_tokens: int) -> None:
    """Write a run folder of ``n_tokens`` tokens, block by block."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = region_names()
    by_speaker = 0.1 * rng.standard_normal((N_SPEAKERS, N_REGIONS))
    by_word = 0.2 * rng.standard_normal((N_WORDS, N_REGIONS))
    p_word = np.arange(1, N_WORDS + 1) ** -0.7
    p_word /= p_word.sum()
    writers: dict[str, pq.ParquetWriter] = {}

    def write(name: str, table: pa.Table) -> None:
        if name not in writers:
            writers[name] = pq.ParquetWriter(folder / name, table.schema)
        writers[name].write_table(table)

    for start in range(0, n_tokens, BLOCK):
        n = min(BLOCK, n_tokens - start)
        ids = np.array([f"token_{i:08d}" for i in range(start, start + n)])
        speaker, word = rng.integers(0, N_SPEAKERS, n), rng.choice(N_WORDS, n, p=p_word)
        log = by_speaker[speaker] + by_word[word] + 0.5 * rng.standard_normal((n, N_REGIONS))
        null = 0.5 * rng.standard_normal((n, N_REGIONS))
        tokens = {
            "token_id": ids,
            "word": np.char.add("w", word.astype(str)),
            "speaker": np.char.add("s", speaker.astype(str)),
            "stress": np.where(word % 3 == 0, "FINAL", "INITIAL"),
            "sex": np.where(speaker % 2 == 0, "female", "male"),
            "correct": rng.random(n) < 0.9,
            "duration_s": 0.3 + 0.1 * rng.random(n),
        }
        write("tokens.parquet", pa.table(tokens))
        rows = {
            "token_id": np.repeat(ids, N_REGIONS),
            "region": np.tile(names, n),
            "density": np.exp(log).ravel(),
            "null_density": np.exp(null).ravel(),
        }
        write("relevance.parquet", pa.table(rows))
    for writer in writers.values():
        writer.close()
    write_manifest(folder, "relevance", parameters={"simulated": n_tokens})


def analyse(run: Path, out: Path) -> None:
    """Analyse a run and print what it took, as JSON."""
    from stressnet.stages.stats import run_statistics
    from stressnet.statistics.analysis import parse_config

    started = time.perf_counter()
    data = {"run": [{"path": str(run), "network": "simulated"}], "measures": ["density"]}
    strata = ["stress", "correct", "sex", "duration"]
    config = parse_config({**data, "strata": strata, "models": False}, run / "stats.toml")
    result = run_statistics(config, out)
    table = result.tables["summary"]
    found = {
        "seconds": time.perf_counter() - started,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "n_tokens": int(table["n_tokens"].max()),
        "n_rows": sum(len(t) for t in result.tables.values()),
    }
    print(json.dumps(found))


def main() -> None:
    """Print a row per number of tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="Where to write; a temporary one if left out.")
    parser.add_argument("--analyse", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.analyse:
        analyse(*arguments.analyse)
        return
    print(f"{'tokens':>10}{'rows (millions)':>17}{'peak memory (MB)':>18}{'seconds':>9}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for n_tokens in arguments.tokens:
            run, out = Path(folder) / f"run-{n_tokens}", Path(folder) / f"out-{n_tokens}"
            simulate(run, n_tokens)
            command = [sys.executable, __file__, "--analyse", str(run), str(out)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            millions = n_tokens * N_REGIONS / 1e6
            print(
                f"{found['n_tokens']:>10}{millions:>17.1f}{found['peak_mb']:>18.0f}"
                f"{found['seconds']:>9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
