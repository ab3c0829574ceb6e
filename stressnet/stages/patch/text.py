"""What ``stressnet patch`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stressnet.stages.patch.run import Patched


def patched_text(result: Patched) -> str:
    """What was found about each network."""
    groups = result.tables["findings"].groupby("network", sort=False)["finding"]
    return "\n\n".join("\n  ".join([f"{name}:", *facts]) for name, facts in groups)
