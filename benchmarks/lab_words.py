"""How long lab words take, whether workers change them, and whether designs separate as they say.

    uv run python benchmarks/lab_words.py --n 1000 --jobs 2 f1
    uv run python benchmarks/lab_words.py --n 1000 --jobs 2 --main --csv separation.csv
    uv run python benchmarks/lab_words.py --n 1000 --jobs 2 --effect 0.5

Prints a line per design: seconds of generation on the clock (start of the workers included) and of
processor time, seconds of the check apart from it, words left out, a digest of all samples (the
same with any number of jobs), the intended cue's area under the ROC curve, the largest distance
from one half among all cues that must not separate, and whether the set passes. Exit code 1 if one
does not.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import sys
import time
from functools import partial
from pathlib import Path

from stressnet.lab.board_plan import SETS
from stressnet.lab.designs import DESIGNS
from stressnet.lab.drawn import separations
from stressnet.lab.words import draw_words
from stressnet.runs.parallel import in_order, worker_pool
from stressnet.runs.problems import Problem


def processor_s() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    """Parse, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("designs", nargs="*", help="names of designs; all if left out")
    parser.add_argument("--main", action="store_true", help="those of the default board")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effect", type=float, default=1.0)
    parser.add_argument("--csv", type=Path, help="table of all areas to write")
    arguments = parser.parse_args()
    table: list[dict[str, object]] = []
    failed = 0
    for name in arguments.designs or (SETS if arguments.main else DESIGNS):
        problems: list[Problem] = []
        start, start_cpu = time.perf_counter(), processor_s()
        with worker_pool(arguments.jobs) as pool:
            words = draw_words(
                name,
                arguments.n,
                arguments.seed,
                effect=arguments.effect,
                problems=problems,
                apply=partial(in_order, jobs=arguments.jobs, executor=pool),
            )
        seconds, cpu = time.perf_counter() - start, processor_s() - start_cpu
        digest = hashlib.sha256(b"".join(word.audio.tobytes() for word in words))
        start = time.perf_counter()
        rows = separations(words)
        check = time.perf_counter() - start
        table += [
            {
                "design": name,
                "n_words": len(words),
                "seed": arguments.seed,
                "effect": arguments.effect,
                "measure": row.measure,
                "role": row.role,
                "auroc": f"{row.auroc:.4f}",
                "passes": not row.fails,
            }
            for row in rows
        ]
        intended = [f"{r.measure} {r.auroc:.3f}" for r in rows if r.role == "intended"]
        leak = max((r for r in rows if r.role == "other"), key=lambda r: abs(r.auroc - 0.5))
        wrong = [f"{row.measure} {row.auroc:.3f}" for row in rows if row.fails]
        failed += bool(wrong)
        print(
            f"{name:20s} {len(words)} words, {seconds:.0f} s ({cpu:.0f} s of processor time), "
            f"check {check:.2f} s, {len(problems)} pairs left out, {digest.hexdigest()[:12]}; "
            f"{', '.join(intended) or 'no cue'}; worst other {leak.measure} {leak.auroc:.3f}; "
            + (f"fails: {', '.join(wrong)}" if wrong else "passes"),
            flush=True,
        )
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, table[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
