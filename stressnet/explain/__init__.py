"""Relevance maps of torch models: which input values the output rests on.

Knows nothing of speech: tensors and models in, maps out. Start with :func:`explain_batch`.
"""

from stressnet.explain.api import explain_batch, explain_stream
from stressnet.explain.composites import COMPOSITES, Composite
from stressnet.explain.engine import ExplainWarning
from stressnet.explain.result import Conservation, Explanation
from stressnet.explain.rules import RULES, Rule, rule
from stressnet.explain.seeds import SEEDS

__all__ = [
    "COMPOSITES",
    "RULES",
    "SEEDS",
    "Composite",
    "Conservation",
    "ExplainWarning",
    "Explanation",
    "Rule",
    "explain_batch",
    "explain_stream",
    "rule",
]
