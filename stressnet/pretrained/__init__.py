"""Networks that come with the package, each with its model card."""

from importlib import resources
from pathlib import Path

from stressnet.errors import CheckpointError

DEFAULT = "nuclei"


def pretrained_folder(name: str = DEFAULT) -> Path:
    """Checkpoint folder of a shipped network."""
    here = Path(str(resources.files("stressnet.pretrained")))
    folder = here / name
    if not (folder / "model.json").is_file():
        there = sorted(path.parent.name for path in here.glob("*/model.json"))
        raise CheckpointError(
            f"no pretrained network {name!r}; there are {', '.join(there) or 'none'}"
        )
    return folder
