"""The conda recipe asks for what ``pyproject.toml`` asks for."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONDA = {
    "matplotlib": "matplotlib-base",
    "soundfile": "pysoundfile",
    "soxr": "soxr-python",
    "torch": "pytorch",
}
LEFT_OUT = {"torchaudio"}
"""Only the aligner ``ctc`` needs it."""


def test_conda_recipe_has_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recipe = (ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    by_pip = set(re.findall(r"[\w-]+", recipe.split("install --no-deps ")[1].split("\n")[0]))
    listed = recipe.split("  run:")[1].split("tests:")[0]
    by_conda = dict(re.findall(r"^    - ([\w-]+)(?: >=([\d.]+))?$", listed, re.MULTILINE))
    assert f"version: {project['version']}\n" in recipe
    for line in project["dependencies"]:
        name, least = re.findall(r"^([\w-]+)>=([\d.]+)", line)[0]
        if name not in LEFT_OUT | by_pip:
            assert by_conda[CONDA.get(name, name)] == least, line
