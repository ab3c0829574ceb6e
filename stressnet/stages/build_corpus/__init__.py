"""``stressnet build-corpus``: from a folder of recordings to a corpus of disyllabic tokens."""

from stressnet.stages.build_corpus.config import BuildConfig, build_corpus

__all__ = ["BuildConfig", "build_corpus"]
