"""A command of stressnet with transformers of another depth than the registry's.

    uv run python benchmarks/patching_depth.py 8 train CORPUS nets/deep --model transformer
    uv run python benchmarks/patching_depth.py 8 patch CORPUS nets/deep OUT --units time,edge

The depth is no part of a checkpoint: give the same number to every command that reads one.
"""

from __future__ import annotations

import sys

from stressnet.cli import main
from stressnet.models import transformer

if __name__ == "__main__":
    transformer.DEPTH = int(sys.argv.pop(1))
    main()
