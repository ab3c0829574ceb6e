"""What ``stressnet patch`` prints."""

from __future__ import annotations

from stressnet.runs.result import Result


def patched_text(result: Result) -> str:
    """What was found about each network."""
    groups = result.tables["findings"].groupby("network", sort=False)["finding"]
    return "\n\n".join("\n  ".join([f"{name}:", *facts]) for name, facts in groups)
