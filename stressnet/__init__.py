"""stressnet: how a neural network hears lexical stress."""

from typing import TYPE_CHECKING, Any

from stressnet.version import __version__

if TYPE_CHECKING:
    from stressnet.listen import (
        Answer,
        OpenedCorpus,
        StressNetwork,
        Word,
        WordRelevance,
        load_network,
        load_word,
        open_corpus,
    )

__all__ = [
    "Answer",
    "OpenedCorpus",
    "StressNetwork",
    "Word",
    "WordRelevance",
    "__version__",
    "load_network",
    "load_word",
    "open_corpus",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'stressnet' has no attribute '{name}'")
    from stressnet import listen

    return getattr(listen, name)


def __dir__() -> list[str]:
    return __all__
