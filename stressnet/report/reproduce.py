"""The commands that make a network again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any


def reproduce(info: Any, facts: Mapping[str, Any]) -> str:
    """One command line that builds the corpus and trains the network."""
    from stressnet.training.recipes import RECIPES

    built = facts["parameters"]
    build = f"stressnet build-corpus RECORDINGS CORPUS --recipe {built['recipe']}"
    build += f" --preset {info.preset} --seed {built.get('seed', 0)}"
    recipe = dict(info.training.get("recipe", {}))
    name = str(recipe.get("name", ""))
    train = f"stressnet train CORPUS MODEL --model {info.architecture} --preset {info.preset}"
    train += f" --recipe {name} --seed {info.seed}"
    usual = RECIPES[name].to_dict() if name in RECIPES else {}
    usual["class_balance"] = "weights"  # what the command trains with
    if info.training.get("all_tokens"):
        train += " --all-tokens"
    for key, value in recipe.items():
        if key not in ("name", "seed") and key in usual and value != _as_json(usual[key]):
            train += f" --set {shlex.quote(f'{key}={value}')}"
    return f"{build} && \\\n{train}"


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
