"""Relevance maps of torch models: which input values the output rests on.

Knows nothing of speech: tensors and models in, maps out. Start with :func:`explain_batch`.
"""

from stressnet.explain.api import explain_batch
from stressnet.explain.composites import COMPOSITES, Composite
from stressnet.explain.engine.mode import ExplainWarning
from stressnet.explain.methods import METHODS, attribute_batch, mean_of_maps
from stressnet.explain.methods.occlusion import occlusion_by_masks
from stressnet.explain.result import Conservation, Explanation
from stressnet.explain.rules import RULES, Rule, rule
from stressnet.explain.salient import SalientMap, salient_map
from stressnet.explain.seeds import SEEDS
from stressnet.explain.stream import estimate_batch_size, explain_stream
