"""How long lab words take, whether workers change them, and whether designs separate as they say.

    uv run python benchmarks/lab_words.py --n 1000 --jobs 2 f1
    uv run python benchmarks/lab_words.py --n 1000 --jobs 2 --effect 0.5

Prints a line per design: seconds on the clock, words left out, a digest of all samples (the same
with any number of jobs), the intended cue's area under the ROC curve, the largest distance from one
half among all cues that must not separate, and whether the set passes.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from functools import partial

from stressnet.lab.designs import DESIGNS
from stressnet.lab.separation import separation_problem, separations
from stressnet.lab.words import draw_words
from stressnet.problems import Problem
from stressnet.workflows.parallel import in_order, worker_pool


def main() -> None:
    """Parse, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("designs", nargs="*", help="names of designs; all if left out")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effect", type=float, default=1.0)
    arguments = parser.parse_args()
    with worker_pool(arguments.jobs) as pool:
        apply = partial(in_order, jobs=arguments.jobs, executor=pool)
        for name in arguments.designs or DESIGNS:
            problems: list[Problem] = []
            start = time.perf_counter()
            words = draw_words(
                name,
                arguments.n,
                arguments.seed,
                effect=arguments.effect,
                problems=problems,
                apply=apply,
            )
            seconds = time.perf_counter() - start
            digest = hashlib.sha256(b"".join(word.audio.tobytes() for word in words))
            rows = separations(words)
            intended = [f"{r.measure} {r.auroc:.3f}" for r in rows if r.role == "intended"]
            leak = max((r for r in rows if r.role == "other"), key=lambda r: abs(r.auroc - 0.5))
            print(
                f"{name:20s} {len(words)} words, {seconds:.0f} s, {len(problems)} pairs left out, "
                f"{digest.hexdigest()[:12]}; {', '.join(intended) or 'no cue'}; "
                f"worst other {leak.measure} {leak.auroc:.3f}; "
                f"{separation_problem(words) or 'passes'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
