"""``stressnet explain``: relevance maps of a corpus's tokens, and their shares in regions."""

from stressnet.stages.explain.config import ExplainConfig, explain_corpus

__all__ = ["ExplainConfig", "explain_corpus"]
