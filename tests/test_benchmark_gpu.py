"""The script for accelerators runs at small size on a CPU."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


@pytest.mark.long
def test_all_parts_run_on_a_cpu(tmp_path):
    out = tmp_path / "gpu.csv"
    options = ["--device", "cpu", "--small", "--models", "compact"]
    subprocess.run([sys.executable, SCRIPT, out, *options], check=True, timeout=120)
    table = pd.read_csv(out)
    assert set(table["part"]) == {"peak", "equal", "cost", "explain", "train"}
    assert (table["value"] > 0).all()
    equal = table[table["part"] == "equal"].set_index("what")["value"]
    assert equal["allouche2025-corrected on cpu"] < 1e-4
