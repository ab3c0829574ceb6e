"""The code in the documentation of explanations runs as it stands, block after block."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from lrp_nets import CompactCNN, randomise

from stressnet.axes import Axes
from stressnet.explain import RULES, rules

DOCS = Path(__file__).parents[1] / "docs"
SHAPE = (40, 32)


def blocks(name: str) -> list[str]:
    """Of one or more files, parted by blanks."""
    text = "\n".join((DOCS / file).read_text(encoding="utf-8") for file in name.split())
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found


@pytest.mark.parametrize("name", ["explain.md ../CONTRIBUTING.md", "faithfulness.md"])
def test_code_in_the_documentation_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "absolute", rules.epsilon)  # removed again after the test
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 1, *SHAPE, generator=generator, dtype=torch.float64)
    frames = torch.zeros(1, SHAPE[1], dtype=torch.bool)
    frames[:, 4:12] = True
    band = torch.zeros(SHAPE[0], 1, dtype=torch.bool)
    band[8:16] = True
    space = {
        "__name__": "documentation",
        "model": randomise(CompactCNN()),
        "inputs": inputs,
        "frames_of_vowel": frames,
        "band_of_f1": band,
        "floor_per_bin": torch.full((SHAPE[0], 1), -2.0),
        "axes": Axes(np.arange(SHAPE[1]) * 0.01, np.arange(SHAPE[0]) * 100.0),
        "sound": torch.ones(inputs.shape, dtype=torch.bool),
    }
    for number, block in enumerate(blocks(name)):
        exec(compile(block, f"{name}, block {number + 1}", "exec"), space)
    tests = [value for key, value in space.items() if key.startswith("test_")]
    assert tests  # those that the documentation gives to copy
    for test in tests:
        test()
